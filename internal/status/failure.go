package status

import (
	"strings"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// setFailure records a failed attempt. A failure that waits for a change is recorded once, in however many reconciles.
func setFailure(ec *egainv1alpha1.EgainClient, o *Outcome, now time.Time) {
	st := &ec.Status
	if fault.Of(o.Err) == nil && o.Decision.Action == rotation.Wait {
		return
	}
	f := o.failure()
	if f == nil {
		st.ConsecutiveFailures, st.LastFailure = 0, nil
		return
	}
	message := shown(f.Message)
	noted := !o.Attempted && is(st.LastFailure, f.Reason, message)
	inputs := o.After(o.Session).triedWith(f.Reason)
	switch {
	case noted && st.LastFailure.RetryTime == nil:
		st.LastFailure.Inputs = inputs
		return
	case noted && o.tooShort():
		return
	}
	st.ConsecutiveFailures++
	last := &egainv1alpha1.FailureStatus{Time: second(now), Reason: f.Reason, Message: message, Inputs: inputs}
	if retry, retries := o.retryTime(f, st.ConsecutiveFailures, now); retries {
		last.RetryTime = second(retry.Add(time.Second - 1)) // rounded up, so that the wait is never shorter than asked for
	}
	st.LastFailure = last
}

// failure is the failure to report: the one that ended the reconcile, or that the token's lifetime is too short. nil if there is
// none.
func (o *Outcome) failure() *fault.Error {
	if f := fault.Of(o.Err); f != nil || !o.tooShort() {
		return f
	}
	return fault.New(fault.Retryable, egainv1alpha1.ReasonLifetimeInvalid,
		"the token lasts less than %v seconds, so renewal cannot keep up (at most one request every %v seconds): raise the token lifetime of the client application",
		rotation.ShortestLifetime.Seconds(), rotation.Floor.Seconds())
}

// tooShort reports whether the token was written, or kept, although renewal cannot keep up with its lifetime.
func (o *Outcome) tooShort() bool {
	tok := o.token()
	return o.Err == nil && tok != nil && tok.TooShort() && !o.Input.Suspended
}

// retryTime is when to try again after a failure; false if only a change helps.
func (o *Outcome) retryTime(f *fault.Error, failures int32, now time.Time) (time.Time, bool) {
	if o.tooShort() {
		return o.renewalTime(), true
	}
	return f.RetryTime(fault.Attempt{Failures: failures, Time: now, Expiration: o.Input.Token.Expiry(), Spread: o.Input.Spread})
}

// renewalTime is when the token is due for renewal. There must be one.
func (o *Outcome) renewalTime() time.Time {
	tok := o.token()
	return rotation.RenewAt(tok.IssueTime, tok.ExpirationTime, o.Input.Policy, o.Input.Spread)
}

func is(last *egainv1alpha1.FailureStatus, reason, message string) bool {
	return last != nil && last.Reason == reason && last.Message == message
}

// unwrittenSession reports whether a failure is that of a refresh token that cannot be written: also those of suspended clients
// are, and are reported.
func unwrittenSession(last *egainv1alpha1.FailureStatus) bool {
	return last != nil && last.Reason == egainv1alpha1.ReasonSessionRejected
}

// LastFailure is the last failed attempt, unless its cause may have been fixed since.
func LastFailure(st egainv1alpha1.EgainClientStatus, f Facts) *rotation.Failure {
	last := st.LastFailure
	if last == nil || unwrittenSession(last) { // which is over: the refresh token was written before
		return nil
	}
	inputs, same := strings.CutSuffix(last.Inputs, f.alsoTriedWith(last.Reason))
	switch {
	case !same:
		return nil
	case last.RetryTime != nil:
		return &rotation.Failure{Inputs: inputs, RetryTime: f.waitUntil(last)}
	case last.Reason == egainv1alpha1.ReasonReauthorizationRequired:
		return &rotation.Failure{Inputs: inputs}
	default:
		return nil
	}
}

// recheckWindow is the time over which clients are retried whose endpoints were refused under other flags of the operator, or before
// their EgainTenant turned Ready. It spreads them, and bounds how long such a refusal outlives its cause.
const recheckWindow = time.Minute

// waitUntil is when an attempt is repeated. A failure of endpoints from before EndpointsChecked is repeated within recheckWindow
// of it.
func (f Facts) waitUntil(last *egainv1alpha1.FailureStatus) time.Time {
	at := last.RetryTime.Time
	if last.Time == nil || !last.Time.Time.Before(f.EndpointsChecked) {
		return at
	}
	switch last.Reason {
	case egainv1alpha1.ReasonEndpointRefused, egainv1alpha1.ReasonEndpointInvalid, egainv1alpha1.ReasonTenantMismatch:
		recheck := f.EndpointsChecked.Add(time.Duration(f.Input.Spread * float64(recheckWindow)))
		if recheck.Before(at) {
			return recheck
		}
	}
	return at
}

// triedWith identifies all that an attempt that failed for a reason depends on.
func (f Facts) triedWith(reason string) string { return f.Input.Inputs() + f.alsoTriedWith(reason) }

// alsoTriedWith identifies what an attempt that failed for a reason depends on beyond its inputs.
func (f Facts) alsoTriedWith(reason string) string {
	switch reason {
	case egainv1alpha1.ReasonTLSFailed, egainv1alpha1.ReasonCABundleInvalid:
		return f.Trust
	case egainv1alpha1.ReasonReauthorizationRequired:
		return f.SessionVersion
	default:
		return ""
	}
}
