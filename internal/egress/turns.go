package egress

import (
	"time"

	"golang.org/x/time/rate"
)

// turns hands out times at an even pace.
type turns struct {
	limiter  *rate.Limiter
	interval time.Duration
	// reserved are turns that were taken ahead and not begun yet.
	reserved int
	// last is the latest time that somebody who was sent away was told to come back at.
	last time.Time
}

// newTurns makes turns at so many a second. Who was sent away comes back a little late; the burst, at least 1, makes that good.
func newTurns(perSecond, burst int) *turns {
	return &turns{limiter: rate.NewLimiter(rate.Limit(perSecond), burst), interval: time.Second / time.Duration(perSecond)}
}

// take takes a turn and begins it, or says how long to wait for one: those who are sent away get a turn each, so that they do
// not all come back for the next one.
func (t *turns) take(now time.Time) time.Duration {
	wait := t.reserve(now)
	if wait == 0 {
		t.begin(now)
	}
	return wait
}

// reserve takes a turn ahead, or says how long to wait for one. The turn counts from when it is begun: what takes its time
// before that does not have requests come closer together than the pace.
func (t *turns) reserve(now time.Time) time.Duration {
	const whole = 1 - 1e-9 // tokens are counted in floating point
	if t.limiter.TokensAt(now)-float64(t.reserved) >= whole {
		t.reserved++
		return 0
	}
	if t.last.Before(now) {
		t.last = now
	}
	t.last = t.last.Add(t.interval)
	return t.last.Sub(now)
}

// begin begins a turn that was reserved.
func (t *turns) begin(now time.Time) {
	t.reserved--
	t.limiter.AllowN(now, 1)
}

// abandon gives a turn back that was reserved.
func (t *turns) abandon() { t.reserved-- }
