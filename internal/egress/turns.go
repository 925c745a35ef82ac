package egress

import (
	"time"

	"golang.org/x/time/rate"
)

// turns hands out times at an even pace.
type turns struct {
	limiter  *rate.Limiter
	interval time.Duration
	// last is the latest time that somebody who was sent away was told to come back at.
	last time.Time
}

func newTurns(perSecond int) *turns {
	return &turns{
		// Who was sent away comes back a little late; the burst, a twentieth of a second, makes that good.
		limiter:  rate.NewLimiter(rate.Limit(perSecond), 1+perSecond/20),
		interval: time.Second / time.Duration(perSecond),
	}
}

// take takes a turn, or says how long to wait for one: those who are sent away get a turn each, so that they do not all
// come back for the next one.
func (t *turns) take(now time.Time) time.Duration {
	if t.limiter.AllowN(now, 1) {
		return 0
	}
	if t.last.Before(now) {
		t.last = now
	}
	t.last = t.last.Add(t.interval)
	return t.last.Sub(now)
}
