package status

import (
	"slices"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// Wake is the time at which something changes without an event: a retry, the renewal, or the expiry, which ends Ready. It is zero
// if nothing does.
func Wake(ec *egainv1alpha1.EgainClient, o Outcome, now time.Time) time.Time {
	times := changeTimes(ec, o, now)
	if f := fault.Of(o.Err); f != nil && f.Queued {
		times = queuedTimes(ec, o, now)
	}
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}

// pollInterval is how often a queued client is reconciled that is not woken. It is for what a wake-up may miss, and rare enough for
// 100,000 clients during an outage.
const pollInterval = time.Minute

// queuedTimes are the times at which the status of a queued client changes, and the next poll.
func queuedTimes(ec *egainv1alpha1.EgainClient, o Outcome, now time.Time) []time.Time {
	poll := pollInterval - time.Duration(o.Input.Spread*float64(pollInterval/10))
	times := []time.Time{o.token().Expiry(), waitsSince(ec).Add(unreportedWait), now.Add(poll)}
	return slices.DeleteFunc(times, func(at time.Time) bool { return !at.After(now) })
}

// changeTimes are the times at which the status changes without an event.
func changeTimes(ec *egainv1alpha1.EgainClient, o Outcome, now time.Time) []time.Time {
	var times []time.Time
	tok := o.token()
	if tok.Valid(now) {
		times = append(times, tok.ExpirationTime)
	}
	last := ec.Status.LastFailure
	if ec.Suspended() && !unwrittenSession(last) {
		return times
	}
	switch at := o.decidedAt(); {
	case at.IsZero():
	case o.Decision.Action == rotation.Wait:
		return append(times, at)
	default:
		times = append(times, at)
	}
	if last != nil && last.RetryTime != nil {
		return append(times, last.RetryTime.Time)
	}
	if last == nil && tok != nil {
		times = append(times, o.renewalTime())
	}
	return times
}

// decidedAt is when a decision to keep a token, or to wait, is made again; zero without one.
func (o Outcome) decidedAt() time.Time {
	if o.Decided && (o.Decision.Action == rotation.Keep || o.Decision.Action == rotation.Wait) {
		return o.Decision.At
	}
	return time.Time{}
}
