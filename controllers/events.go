package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// actionIssueToken is the action of the events: what the operator was doing to the object.
const actionIssueToken = "IssueToken"

// announceClient sends an event when TokenIssued or Ready became False, or a failure that needed action is fixed. There is none per rotation,
// and none for other successes, such as a first token or the end of an outage: for thousands of clients such
// events would cost the API server a request each, when it has to store their tokens.
func announceClient(recorder events.EventRecorder, before, after *egainv1alpha1.EgainClient) {
	was := meta.FindStatusCondition(before.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	is := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	if worthTelling(after, was, is) {
		kind := corev1.EventTypeWarning
		if is.Status != metav1.ConditionFalse || slices.Contains(waitingReasons, is.Reason) {
			kind = corev1.EventTypeNormal
		}
		recorder.Eventf(after, nil, kind, is.Reason, actionIssueToken, "%s", is.Message)
	}
	announceEndpoints(recorder, before, after)
	announceSkew(recorder, before, after)
	expired := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionReady)
	if meta.IsStatusConditionTrue(before.Status.Conditions, egainv1alpha1.ConditionReady) && expired.Reason == egainv1alpha1.ReasonTokenExpired {
		recorder.Eventf(after, nil, corev1.EventTypeWarning, expired.Reason, actionIssueToken, "%s", expired.Message)
	}
}

// announceSkew tells that the clocks have come apart.
func announceSkew(recorder events.EventRecorder, before, after *egainv1alpha1.EgainClient) {
	was := meta.FindStatusCondition(before.Status.Conditions, egainv1alpha1.ConditionClockSkewed)
	is := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionClockSkewed)
	if is != nil && (was == nil || was.Reason != is.Reason) {
		recorder.Eventf(after, nil, corev1.EventTypeWarning, is.Reason, actionIssueToken, "%s", is.Message)
	}
}

// worthTelling reports whether a TokenIssued condition is news to a person.
func worthTelling(ec *egainv1alpha1.EgainClient, was, is *metav1.Condition) bool {
	switch {
	case is == nil:
		return false
	case is.Status == metav1.ConditionTrue:
		return was != nil && was.Status != is.Status && !fault.PassesByItself(was.Reason)
	default:
		return was == nil || was.Status != is.Status || was.Reason != is.Reason || anotherMistake(ec, was, is)
	}
}

// anotherMistake reports whether a failure that needs action became another one of the same reason, as when
// one key of a Secret was added and the next is missing. Failures that pass by themselves may differ from try to try.
func anotherMistake(ec *egainv1alpha1.EgainClient, was, is *metav1.Condition) bool {
	last := ec.Status.LastFailure
	return last != nil && last.RetryTime == nil && !fault.PassesByItself(last.Reason) && was.Message != is.Message
}

// announceEndpoints tells that a metadata document came to name other endpoints than before. An EgainTenant tells for all
// of its clients.
func announceEndpoints(recorder events.EventRecorder, before, after *egainv1alpha1.EgainClient) {
	was, is := before.Status.Endpoints, after.Status.Endpoints
	if was == nil || is == nil || after.Spec.TenantRef != nil || before.Status.ObservedGeneration != after.Status.ObservedGeneration {
		return
	}
	var changes []string
	if was.Issuer != is.Issuer && was.Issuer != "" {
		changes = append(changes, changed("issuer", was.Issuer, is.Issuer))
	}
	if was.TokenURL != is.TokenURL {
		changes = append(changes, changed("token URL", was.TokenURL, is.TokenURL))
	}
	if len(changes) > 0 {
		announceMetadata(recorder, after, changes)
	}
}

// waitingReasons are those of which nothing is wrong yet.
var waitingReasons = []string{
	egainv1alpha1.ReasonCredentialsNotFound, egainv1alpha1.ReasonSubjectTokenNotFound,
	egainv1alpha1.ReasonCABundleNotFound, egainv1alpha1.ReasonTargetNotFound,
	egainv1alpha1.ReasonSessionNotFound, egainv1alpha1.ReasonTenantNotFound,
}
