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
	f := fault.Of(o.Err)
	attempt := fault.Attempt{Time: now, Expiration: o.Expiry(), Spread: o.Input.Spread}
	if f != nil && f.Class == fault.Busy {
		return f.LookTime(attempt)
	}
	times := changeTimes(ec, o, now)
	if f != nil && f.Class == fault.Paused {
		times = append(times, f.LookTime(attempt))
	}
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
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
	if o.Decided && o.Decision.Action == rotation.Wait && !o.Decision.At.IsZero() {
		return append(times, o.Decision.At)
	}
	if last != nil && last.RetryTime != nil {
		return append(times, last.RetryTime.Time)
	}
	if last == nil && tok != nil {
		times = append(times, o.renewalTime())
	}
	return times
}
