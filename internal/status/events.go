package status

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// ActionIssueToken is the action of events of EgainClients: what the operator was doing to the object.
const ActionIssueToken = "IssueToken"

// Event is an event to send about an object.
type Event struct {
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type                    string
	Reason, Action, Message string
}

// Events are those of a transition: TokenIssued or Ready became False, or a failure that needed action is fixed. There is none per
// rotation, and none for other successes, such as a first token or the end of an outage: for thousands of clients such
// events would cost the API server a request each, when it has to store their tokens.
func Events(before, after *egainv1alpha1.EgainClient) []Event {
	var all []Event
	was := meta.FindStatusCondition(before.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	is := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	if isNews(after, was, is) {
		kind := corev1.EventTypeWarning
		if is.Status != metav1.ConditionFalse || WaitsForObject(is.Reason) {
			kind = corev1.EventTypeNormal
		}
		all = append(all, Event{kind, is.Reason, ActionIssueToken, is.Message})
	}
	if changes := endpointChanges(before, after); len(changes) > 0 {
		all = append(all, metadataChanged(changes))
	}
	if c := newSkew(before, after); c != nil {
		all = append(all, Event{corev1.EventTypeWarning, c.Reason, ActionIssueToken, c.Message})
	}
	expired := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionReady)
	if TooShort(after.Status.Token) {
		return all // LifetimeInvalid says that tokens expire
	}
	if meta.IsStatusConditionTrue(before.Status.Conditions, egainv1alpha1.ConditionReady) && expired.Reason == egainv1alpha1.ReasonTokenExpired {
		all = append(all, Event{corev1.EventTypeWarning, expired.Reason, ActionIssueToken, expired.Message})
	}
	return all
}

// reasonTargetContested is that of the event that the operator wrote a token again which another writer removed.
const reasonTargetContested = "TargetContested"

// Rewritten is the event that the operator wrote a token again which another writer removed; none if it did not. When a token was
// requested instead, as the first time, there is none.
func Rewritten(ec *egainv1alpha1.EgainClient, o Outcome) []Event {
	if d := o.Decision; o.Written == nil || d.Action != rotation.Render || (d.Cause != rotation.CauseDamaged && d.Cause != rotation.CauseNoToken) {
		return nil
	}
	return []Event{{corev1.EventTypeWarning, reasonTargetContested, ActionIssueToken, "the operator wrote the token again: " + o.lost(ec)}}
}

// TooShort reports whether a token's lifetime is one that renewal cannot keep up with.
func TooShort(tok *egainv1alpha1.TokenStatus) bool {
	if tok == nil || tok.IssueTime == nil || tok.ExpirationTime == nil {
		return false
	}
	return (&rotation.Token{IssueTime: tok.IssueTime.Time, ExpirationTime: tok.ExpirationTime.Time}).TooShort()
}

// newSkew is the condition of clocks that differ; nil if they do not, or did before.
func newSkew(before, after *egainv1alpha1.EgainClient) *metav1.Condition {
	was := meta.FindStatusCondition(before.Status.Conditions, egainv1alpha1.ConditionClockSkewed)
	is := meta.FindStatusCondition(after.Status.Conditions, egainv1alpha1.ConditionClockSkewed)
	if is != nil && was != nil && was.Reason == is.Reason {
		return nil
	}
	return is
}

// isNews reports whether a TokenIssued condition is news to a person.
func isNews(ec *egainv1alpha1.EgainClient, was, is *metav1.Condition) bool {
	switch {
	case is == nil, is.Reason == egainv1alpha1.ReasonApplicationFailing: // the EgainTenant reports it for all of its clients
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

// endpointChanges says how the endpoints that a metadata document names differ from before. An EgainTenant reports them for all of
// its clients.
func endpointChanges(before, after *egainv1alpha1.EgainClient) (changes []string) {
	was, is := before.Status.Endpoints, after.Status.Endpoints
	if was == nil || is == nil || after.Spec.TenantRef != nil || before.Status.ObservedGeneration != after.Status.ObservedGeneration {
		return nil
	}
	if was.Issuer != is.Issuer && was.Issuer != "" {
		changes = append(changes, changed("issuer", was.Issuer, is.Issuer))
	}
	if was.TokenURL != is.TokenURL {
		changes = append(changes, changed("token URL", was.TokenURL, is.TokenURL))
	}
	return changes
}

// WaitsForObject reports whether a reason is that of an object that does not exist yet, so that nothing is wrong.
func WaitsForObject(reason string) bool { return slices.Contains(waitingReasons, reason) }

var waitingReasons = []string{
	egainv1alpha1.ReasonCredentialsNotFound, egainv1alpha1.ReasonSubjectTokenNotFound,
	egainv1alpha1.ReasonCABundleNotFound, egainv1alpha1.ReasonTargetNotFound,
	egainv1alpha1.ReasonSessionNotFound, egainv1alpha1.ReasonTenantNotFound, egainv1alpha1.ReasonApplicationNotFound,
}
