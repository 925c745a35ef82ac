package status

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/provider"
)

// NextTenant is the status of an EgainTenant after an inspection. Known endpoints stay while the documents cannot be read.
func NextTenant(et *egainv1alpha1.EgainTenant, use Use, found provider.Inspection, f *fault.Error, now time.Time) egainv1alpha1.EgainTenantStatus {
	after := et.DeepCopy()
	after.Status.Clients = new(int32(min(len(use.Clients), 1<<31-1)))
	after.Status.Applications = use.applications(et)
	if f != nil {
		named := *f
		named.Message, f = ofTenant(f.Message), &named
	}
	if queued := f != nil && f.Class == fault.Busy && endpointsKnown(et); !queued { // or nothing new is known
		setTenantStatus(after, found, f, now)
	}
	return after.Status
}

// setTenantStatus writes the result of an inspection. Known endpoints stay while the documents cannot be read.
func setTenantStatus(et *egainv1alpha1.EgainTenant, found provider.Inspection, f *fault.Error, now time.Time) {
	st := &et.Status
	known := endpointsKnown(et)
	ready := metav1.Condition{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: egainv1alpha1.ReasonEndpointsKnown, Message: "the endpoints of the tenant are known"}
	stale := f != nil && known && f.Class != fault.Terminal && len(found.Actors) == 0
	switch {
	case stale:
		ready.Message += " from an earlier read, and are used; the latest read failed: " + f.Message
	case f != nil:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, f.Reason, f.Message
	}
	switch {
	case f == nil || len(found.Actors) > 0:
		setFound(st, found, known)
	case !stale && st.ObservedGeneration != et.Generation:
		st.Endpoints, st.Deployment, st.Metadata = nil, nil, nil
	}
	st.ObservedGeneration = et.Generation
	setTenantConditions(et, ready, f, now)
}

// endpointsKnown reports whether the status has endpoints of the present spec.
func endpointsKnown(et *egainv1alpha1.EgainTenant) bool {
	st := et.Status
	return st.ObservedGeneration == et.Generation && slices.ContainsFunc(st.Endpoints, func(e egainv1alpha1.ActorEndpointsStatus) bool { return e.TokenURL != "" })
}

// setFound takes over what was found; known says that the status is about the present spec. The time is when this content was
// first read: a restart, which reads it again, writes nothing.
func setFound(st *egainv1alpha1.EgainTenantStatus, found provider.Inspection, known bool) {
	was, d := *st, found.Found
	st.Endpoints, st.Deployment, st.Metadata = nil, nil, nil
	for _, actor := range found.Actors {
		st.Endpoints = append(st.Endpoints, actorStatus(actor))
	}
	if known {
		keepEndpoints(st.Endpoints, was.Endpoints)
	}
	if d.TenantID != "" || d.DomainHint != "" {
		st.Deployment = &egainv1alpha1.DeploymentStatus{TenantID: d.TenantID, DomainHint: d.DomainHint}
	}
	if d.Metadata == nil {
		return
	}
	st.Metadata = &egainv1alpha1.MetadataStatus{ReadTime: second(d.ReadTime), Issuer: truncate(d.Metadata.Issuer, maxURL)}
	if sameContent(&was, st) {
		st.Metadata.ReadTime = was.Metadata.ReadTime
	}
}

// actorStatus is the status of an actor's endpoints. It contains none if the token URL is refused.
func actorStatus(a provider.Actor) egainv1alpha1.ActorEndpointsStatus {
	st, e := egainv1alpha1.ActorEndpointsStatus{Actor: a.Name}, a.Endpoints
	unusable := e.Unusable.First()
	if f := fault.Of(cmp.Or(a.Err, unusable)); f != nil {
		st.Reason, st.Message = f.Reason, shown(ofTenant(f.Message))
	}
	if a.Err != nil && !errors.Is(a.Err, unusable) {
		return st
	}
	st.TokenURL, st.Source = truncate(e.TokenURL, maxURL), egainv1alpha1.EndpointSource(e.Source)
	st.AuthorizationURL, st.AuthorizationURLSource = truncate(e.AuthorizationURL, maxURL), egainv1alpha1.EndpointSource(e.Sources.AuthorizationURL)
	st.RevocationURL, st.RevocationURLSource = truncate(e.RevocationURL, maxURL), egainv1alpha1.EndpointSource(e.Sources.RevocationURL)
	st.APIURL, st.APIURLSource = truncate(e.APIURL, maxURL), egainv1alpha1.EndpointSource(e.Sources.APIURL)
	st.ScopePrefix, st.ScopePrefixSource = truncate(e.ScopePrefix, maxRenewal), egainv1alpha1.EndpointSource(e.Sources.ScopePrefix)
	return st
}

// ofTenant names fields in a message as the author of an EgainTenant wrote them.
func ofTenant(message string) string {
	return strings.NewReplacer("EgainTenant.spec.", "spec.", "spec.tenant.", "spec.").Replace(message)
}

// keepEndpoints keeps the endpoints of actors whose own document cannot be read, as those of all are kept when no document can.
func keepEndpoints(is, was []egainv1alpha1.ActorEndpointsStatus) {
	for i := range is {
		before := slices.IndexFunc(was, func(e egainv1alpha1.ActorEndpointsStatus) bool { return e.Actor == is[i].Actor && e.TokenURL != "" })
		if is[i].Reason == egainv1alpha1.ReasonMetadataUnavailable && before >= 0 {
			is[i] = was[before]
		}
	}
}

// sameContent reports whether the documents say what they said before.
func sameContent(was, is *egainv1alpha1.EgainTenantStatus) bool {
	return was.Metadata != nil && was.Metadata.ReadTime != nil && was.Metadata.Issuer == is.Metadata.Issuer &&
		equality.Semantic.DeepEqual(was.Endpoints, is.Endpoints) && equality.Semantic.DeepEqual(was.Deployment, is.Deployment)
}

func setTenantConditions(et *egainv1alpha1.EgainTenant, ready metav1.Condition, f *fault.Error, now time.Time) {
	set := func(c metav1.Condition) {
		c.ObservedGeneration, c.LastTransitionTime, c.Message = et.Generation, *second(now), shown(c.Message)
		meta.SetStatusCondition(&et.Status.Conditions, c)
	}
	set(ready)
	present, absent := egainv1alpha1.ConditionReconciling, egainv1alpha1.ConditionStalled
	if f != nil && (f.Class == fault.Terminal || f.Class == fault.Rejected) {
		present, absent = absent, present
	}
	meta.RemoveStatusCondition(&et.Status.Conditions, absent)
	if ready.Status == metav1.ConditionTrue {
		meta.RemoveStatusCondition(&et.Status.Conditions, present)
		return
	}
	set(metav1.Condition{Type: present, Status: metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message})
}

// Events of an EgainTenant.
const (
	reasonMetadataChanged = "MetadataChanged"
	actionReadMetadata    = "ReadMetadata"
	actionUseApplication  = "UseApplication"
)

// TenantEvents are those of a transition, and of endpoints that changed although the spec did not: who controls the document
// decides where credentials are sent.
func TenantEvents(before, after *egainv1alpha1.EgainTenant) []Event {
	var all []Event
	was := meta.FindStatusCondition(before.Status.Conditions, egainv1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionReady)
	if was == nil || was.Status != is.Status || was.Reason != is.Reason {
		kind := corev1.EventTypeNormal
		if is.Status != metav1.ConditionTrue {
			kind = corev1.EventTypeWarning
		}
		all = append(all, Event{kind, is.Reason, actionReadMetadata, is.Message})
	}
	all = append(all, applicationEvents(before, after)...)
	if before.Status.ObservedGeneration != after.Status.ObservedGeneration {
		return all
	}
	if changes := metadataChanges(&before.Status, &after.Status); len(changes) > 0 {
		all = append(all, metadataChanged(changes))
	}
	return all
}

// metadataChanged warns of endpoints that changed without a change of the spec.
func metadataChanged(changes []string) Event {
	return Event{
		corev1.EventTypeWarning, reasonMetadataChanged, actionReadMetadata,
		"the endpoints changed although the spec did not; confirm with eGain that its metadata document was not forged: " + strings.Join(changes, "; "),
	}
}

func changed(what, was, is string) string {
	return fmt.Sprintf("the %s was %q and is %q", what, was, is)
}

// refused says of an actor without a token URL why it has none.
func refused(now egainv1alpha1.ActorEndpointsStatus, was string) string {
	return fmt.Sprintf("the token URL of %s was %q and is not usable now (%s)", now.Actor, was, now.Reason)
}

// metadataChanges says how token endpoints and issuer differ; nothing if they do not, or were not known before.
func metadataChanges(before, after *egainv1alpha1.EgainTenantStatus) []string {
	var changes []string
	if before.Metadata != nil && after.Metadata != nil && before.Metadata.Issuer != after.Metadata.Issuer {
		changes = append(changes, changed("issuer", before.Metadata.Issuer, after.Metadata.Issuer))
	}
	for _, was := range before.Endpoints {
		i := slices.IndexFunc(after.Endpoints, func(e egainv1alpha1.ActorEndpointsStatus) bool { return e.Actor == was.Actor })
		switch {
		case i < 0 || was.TokenURL == "" || after.Endpoints[i].TokenURL == was.TokenURL:
		case after.Endpoints[i].TokenURL == "":
			changes = append(changes, refused(after.Endpoints[i], was.TokenURL))
		default:
			changes = append(changes, changed("token URL of "+string(was.Actor), was.TokenURL, after.Endpoints[i].TokenURL))
		}
	}
	return changes
}
