package status

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

func setConditions(ec *egainv1alpha1.EgainClient, o *Outcome, now time.Time) {
	st := &ec.Status
	issued := issuedCondition(ec, o)
	ready := readyCondition(ec, o, issued, now)
	set := func(c metav1.Condition) {
		c.ObservedGeneration = ec.Generation
		c.LastTransitionTime = *second(now)
		c.Message = shown(c.Message)
		meta.SetStatusCondition(&st.Conditions, c)
	}
	set(ready)
	set(issued)
	if o.Skew != nil {
		if skewed, so := skewCondition(o); so {
			set(skewed)
		} else {
			meta.RemoveStatusCondition(&st.Conditions, egainv1alpha1.ConditionClockSkewed)
		}
	}
	present, absent := egainv1alpha1.ConditionReconciling, egainv1alpha1.ConditionStalled
	if stalled(ec, o) {
		present, absent = absent, present
	}
	// One that stays is not removed in between: it would get a new transition time, and a write, with every reconcile.
	meta.RemoveStatusCondition(&st.Conditions, absent)
	if ready.Status == metav1.ConditionTrue || ec.Suspended() {
		meta.RemoveStatusCondition(&st.Conditions, present)
		return
	}
	set(metav1.Condition{Type: present, Status: metav1.ConditionTrue, Reason: issued.Reason, Message: issued.Message})
}

// issuedCondition says how the last attempt went.
func issuedCondition(ec *egainv1alpha1.EgainClient, o *Outcome) metav1.Condition {
	c := metav1.Condition{Type: egainv1alpha1.ConditionTokenIssued, Status: metav1.ConditionFalse}
	last := ec.Status.LastFailure
	switch {
	case ec.Suspended() && !unwrittenSession(last):
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, egainv1alpha1.ReasonSuspended, "spec.suspend is set: no token is requested"
	case last != nil:
		c.Reason, c.Message = last.Reason, last.Message
	default:
		c.Status, c.Reason = metav1.ConditionTrue, egainv1alpha1.ReasonIssued
		c.Message = fmt.Sprintf("the token is in Secret %q", ec.TargetName())
		if o.Decided && o.Decision.Action == rotation.Wait {
			c.Message = fmt.Sprintf("the next token is requested soon: requests for one EgainClient are at least %v seconds apart", rotation.Floor.Seconds())
		} else if tok := o.token(); tok != nil && rotation.Clamped(tok.IssueTime, tok.ExpirationTime, o.Input.Policy) {
			c.Message += "; spec.renewal does not fit the token's lifetime, so the nearest allowed time is used: after half of it, and in time for mounted files"
		}
	}
	return c
}

// skewCondition is the condition of clocks that differ, if they do. It does not say by how much: that changes with every answer.
func skewCondition(o *Outcome) (metav1.Condition, bool) {
	reason, direction := egainv1alpha1.ReasonClockAhead, "ahead of"
	if *o.Skew < 0 {
		reason, direction = egainv1alpha1.ReasonClockBehind, "behind"
	}
	host := "the token endpoint"
	if u, err := url.Parse(o.Endpoints.TokenURL); err == nil {
		host = u.Host
	}
	return metav1.Condition{
		Type: egainv1alpha1.ConditionClockSkewed, Status: metav1.ConditionTrue, Reason: reason,
		Message: fmt.Sprintf("the clock of %s is 30 seconds or more %s the operator's: check the time synchronization of the nodes, then report it to eGain", host, direction),
	}, o.Skew.Abs() >= maxSkew
}

// readyCondition is about the target, whatever the last attempt did.
func readyCondition(ec *egainv1alpha1.EgainClient, o *Outcome, issued metav1.Condition, now time.Time) metav1.Condition {
	c := metav1.Condition{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	tok := o.token()
	switch {
	case tok.Valid(now) && tok.Spec == o.Input.Spec:
		c.Status, c.Reason = metav1.ConditionTrue, egainv1alpha1.ReasonTokenValid
		c.Message = fmt.Sprintf("Secret %q holds an unexpired token", ec.TargetName())
		return c
	case tok.Valid(now):
		c.Reason, c.Message = egainv1alpha1.ReasonTokenOutdated, fmt.Sprintf("the token in Secret %q was issued for an earlier spec", ec.TargetName())
	case tok != nil:
		c.Reason, c.Message = egainv1alpha1.ReasonTokenExpired, fmt.Sprintf("the token in Secret %q has expired", ec.TargetName())
	default:
		c.Reason, c.Message = egainv1alpha1.ReasonNoToken, cmp.Or(o.lost(ec), "there is no token")
	}
	if issued.Status != metav1.ConditionTrue {
		c.Message += ": " + issued.Message
	}
	return c
}

// lost is the text for a token that another writer removed; empty if none did.
func (o *Outcome) lost(ec *egainv1alpha1.EgainClient) string {
	const advice = "stop it from writing that Secret, or set another spec.target.secretName"
	switch {
	case !o.Input.Lost():
		return ""
	case o.Writer == "":
		return fmt.Sprintf("another writer removed the token from Secret %q: %s", ec.TargetName(), advice)
	default:
		return fmt.Sprintf("field manager %q changed Secret %q, which no longer contains the token: %s", o.Writer, ec.TargetName(), advice)
	}
}

// stalled reports whether a person must act before there can be a token.
func stalled(ec *egainv1alpha1.EgainClient, o *Outcome) bool {
	if f := fault.Of(o.Err); f != nil {
		return f.Class == fault.Terminal || f.Class == fault.Rejected
	}
	last := ec.Status.LastFailure
	return last != nil && (fault.IsRejection(last.Reason) || last.Reason == egainv1alpha1.ReasonReauthorizationRequired)
}
