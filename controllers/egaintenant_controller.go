package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/request"
)

// countDelay gathers the EgainClients that come and go with a tenant, as when a whole namespace is applied, into one
// update of its status.
const countDelay = time.Second

// tenantFailures is the count that the wait after a failure is computed for: a tenant keeps none, and nothing but its status
// waits, since its clients look for themselves.
const tenantFailures = 5

// documentRetry is the wait until documents are read again that could not be, or of which an old copy serves. It is the time
// for which a Directory asks nobody again.
const documentRetry = 30 * time.Second

// EgainTenantReconciler reports on EgainTenants: their endpoints, what their metadata say, how many clients they have. The
// EgainClients do not depend on it; they read the same documents from the same Directory.
type EgainTenantReconciler struct {
	Parts
	// Providers reads documents.
	Providers *Providers
}

// +kubebuilder:rbac:groups=auth.egain.com,resources=egaintenants,verbs=list;watch
// +kubebuilder:rbac:groups=auth.egain.com,resources=egaintenants/status,verbs=patch

// Reconcile brings the status of one EgainTenant up to date.
func (r *EgainTenantReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	et := &egainv1alpha1.EgainTenant{}
	if err := r.Client.Get(ctx, req.NamespacedName, et); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !et.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	ctx, span := begin(ctx, r.Tracer, "reconcile EgainTenant")
	span.SetAttributes(attributeTenant.String(et.Name))
	found, failure, err := r.reconcile(ctx, et)
	end(span, errors.Join(failure, err))
	if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return r.nextLook(found, fault.Of(failure))
}

// reconcile finds out about a tenant, and says so in its status. A failure is one that the status tells; an error keeps it from
// being told.
func (r *EgainTenantReconciler) reconcile(ctx context.Context, et *egainv1alpha1.EgainTenant) (found inspection, failure, err error) {
	clients, err := r.count(ctx, et)
	if err != nil {
		return inspection{}, nil, err
	}
	found, failure = r.Providers.inspect(ctx, r.Tracer, request.Shared(et))
	if errors.Is(failure, context.Canceled) || (failure != nil && fault.Of(failure) == nil) {
		return inspection{}, nil, failure
	}
	before := et.DeepCopy()
	et.Status.Clients = &clients
	setTenantStatus(et, found, fault.Of(failure), r.Clock.Now())
	r.countFailure(before, et, fault.Of(failure))
	if !equality.Semantic.DeepEqual(before.Status, et.Status) {
		writing, span := begin(ctx, r.Tracer, "patch status")
		err = r.Client.Status().Patch(writing, et, client.MergeFrom(before))
		end(span, err)
		if err != nil {
			return inspection{}, failure, err
		}
		r.announce(before, et)
	}
	return found, failure, nil
}

// count counts the EgainClients of a tenant.
func (r *EgainTenantReconciler) count(ctx context.Context, et *egainv1alpha1.EgainTenant) (int32, error) {
	var clients egainv1alpha1.EgainClientList
	if err := r.Cache.List(ctx, &clients, client.MatchingFields{indexTenant: et.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing the EgainClients of EgainTenant %q: %w", et.Name, err)
	}
	return int32(min(len(clients.Items), 1<<31-1)), nil
}

// countFailure counts a failure, and one that waits for a change once, however often it is looked at.
func (r *EgainTenantReconciler) countFailure(before, after *egainv1alpha1.EgainTenant, f *fault.Error) {
	if f == nil || f.Class == fault.Busy {
		return
	}
	waits := f.Class == fault.Waiting || f.Class == fault.Terminal
	if waits && equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) {
		return
	}
	r.Metrics.TenantFailed(f.Reason)
}

// nextLook is when the document is read again, or the failure looked at again.
func (r *EgainTenantReconciler) nextLook(found inspection, f *fault.Error) (ctrl.Result, error) {
	now := r.Clock.Now()
	switch {
	case f == nil && found.found.Metadata == nil:
		return ctrl.Result{}, nil
	case f == nil:
		return ctrl.Result{RequeueAfter: found.rereadAfter(r.Providers.Directory.Lifetime, now)}, nil
	case f.Class == fault.Busy:
		return ctrl.Result{RequeueAfter: fault.Floor}, nil
	}
	if at, retries := f.RetryTime(fault.Attempt{Failures: tenantFailures, Time: now}); retries {
		return ctrl.Result{RequeueAfter: at.Sub(now)}, nil
	}
	return ctrl.Result{}, reconcile.TerminalError(f)
}

// rereadAfter is the wait until the documents are read again.
func (i inspection) rereadAfter(lifetime time.Duration, now time.Time) time.Duration {
	if i.found.AnonymousFault != nil {
		return documentRetry
	}
	return max(lifetime-now.Sub(i.found.ReadTime), documentRetry)
}

// setTenantStatus writes the result of an inspection. Known endpoints stay while the documents cannot be read.
func setTenantStatus(et *egainv1alpha1.EgainTenant, found inspection, f *fault.Error, now time.Time) {
	st := &et.Status
	ready := metav1.Condition{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: egainv1alpha1.ReasonEndpointsKnown, Message: "the endpoints of the tenant are known"}
	known := st.ObservedGeneration == et.Generation && slices.ContainsFunc(st.Endpoints, func(e egainv1alpha1.ActorEndpointsStatus) bool { return e.TokenURL != "" })
	switch {
	case f == nil:
		setFound(st, found, known)
	case known && f.Class != fault.Terminal && len(found.endpoints) == 0:
		ready.Message += " from before; now: " + f.Message
	default:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, f.Reason, f.Message
		if len(found.endpoints) > 0 {
			setFound(st, found, known)
		} else if st.ObservedGeneration != et.Generation {
			st.Endpoints, st.Deployment, st.Metadata = nil, nil, nil
		}
	}
	st.ObservedGeneration = et.Generation
	setTenantConditions(et, ready, f, now)
}

// setFound takes over what was found; known says that the status is about the present spec. The time is when this content was
// first read: a restart, which reads it again, writes nothing.
func setFound(st *egainv1alpha1.EgainTenantStatus, found inspection, known bool) {
	was, d := *st, found.found
	st.Endpoints, st.Deployment, st.Metadata = found.endpoints, nil, nil
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
		c.ObservedGeneration, c.LastTransitionTime, c.Message = et.Generation, *second(now), truncate(c.Message, maxMessage)
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
)

// announce tells of transitions, and of endpoints that changed although the spec did not: whoever controls the document
// decides where credentials are sent.
func (r *EgainTenantReconciler) announce(before, after *egainv1alpha1.EgainTenant) {
	was := meta.FindStatusCondition(before.Status.Conditions, egainv1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionReady)
	if was == nil || was.Status != is.Status || was.Reason != is.Reason {
		kind := corev1.EventTypeNormal
		if is.Status != metav1.ConditionTrue {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(after, nil, kind, is.Reason, actionReadMetadata, "%s", is.Message)
	}
	if before.Status.ObservedGeneration != after.Status.ObservedGeneration {
		return
	}
	if changes := metadataChanges(&before.Status, &after.Status); len(changes) > 0 {
		announceMetadata(r.Recorder, after, changes)
	}
}

// announceMetadata warns of what a metadata document came to say although nobody changed the spec.
func announceMetadata(recorder events.EventRecorder, about runtime.Object, changes []string) {
	recorder.Eventf(about, nil, corev1.EventTypeWarning, reasonMetadataChanged, actionReadMetadata,
		"the metadata document names other endpoints than before, which may be an attack: %s", strings.Join(changes, "; "))
}

func changed(what, was, is string) string {
	return fmt.Sprintf("the %s was %q and is %q", what, was, is)
}

// metadataChanges says how token endpoints and issuer differ; nothing if they do not, or were not known before.
func metadataChanges(before, after *egainv1alpha1.EgainTenantStatus) []string {
	var changes []string
	if before.Metadata != nil && after.Metadata != nil && before.Metadata.Issuer != after.Metadata.Issuer {
		changes = append(changes, changed("issuer", before.Metadata.Issuer, after.Metadata.Issuer))
	}
	for _, was := range before.Endpoints {
		i := slices.IndexFunc(after.Endpoints, func(e egainv1alpha1.ActorEndpointsStatus) bool { return e.Actor == was.Actor })
		if i >= 0 && was.TokenURL != "" && after.Endpoints[i].TokenURL != was.TokenURL {
			changes = append(changes, changed("token URL of "+string(was.Actor), was.TokenURL, after.Endpoints[i].TokenURL))
		}
	}
	return changes
}

// SetupWithManager registers the watches. The indexes are those of the EgainClientReconciler, which is set up first.
func (r *EgainTenantReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("egaintenant").
		For(&egainv1alpha1.EgainTenant{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&egainv1alpha1.EgainClient{}, countHandler()).
		WithOptions(controller.Options{UsePriorityQueue: new(true), RateLimiter: retryLimiter()}).
		Complete(r)
}

// countHandler has the clients of a tenant counted again when one comes, goes, or changes tenants.
func countHandler() handler.EventHandler {
	recount := func(o client.Object, q queue) {
		if ref := o.(*egainv1alpha1.EgainClient).Spec.TenantRef; ref != nil {
			q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: string(ref.Name)}}, countDelay)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { recount(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() {
				recount(e.ObjectOld, q)
				recount(e.ObjectNew, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { recount(e.Object, q) },
	}
}
