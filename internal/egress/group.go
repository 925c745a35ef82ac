package egress

import (
	"sync"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// group bounds the requests of a tenant: how many are under way, and how many are begun in a second.
type group struct {
	now func() time.Time

	mu      sync.Mutex
	limits  Limits
	taken   int
	waiting waiting // for one of those that may be under way
	turns   *turns  // nil if there is no bound
}

func newGroup(l Limits, now func() time.Time) *group {
	g := &group{now: now}
	g.limit(l)
	return g
}

// limit sets the limits. Requests under way count as before, and so do those of the last second unless their bound changed.
func (g *group) limit(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limits == l {
		return
	}
	if l.PerSecond != g.limits.PerSecond {
		g.turns = nil
		if l.PerSecond > 0 {
			// A burst of a twentieth of a second, and two of that less in the rest of it: with what requests come closer together on
			// their way, no second has more than the limit.
			burst := l.PerSecond / 20
			g.turns = newTurns(l.PerSecond-2*burst, 1+burst)
		}
	}
	g.limits = l
}

// enter takes a slot, and a turn if the request is one that is paced. It fails with a Busy failure that says when to come
// back.
func (g *group) enter(paced bool, host string) *fault.Error {
	return g.admit(paced, host, nil, (*turns).take)
}

// reserve is enter ahead of a request that is paced, which is to begin, or to be abandoned. A waiter, if there is one, is called
// once there is a slot.
func (g *group) reserve(host string, w *Waiter) *fault.Error {
	return g.admit(true, host, w, (*turns).reserve)
}

func (g *group) admit(paced bool, host string, w *Waiter, take func(*turns, time.Time) time.Duration) *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	free := g.limits.Concurrent == 0 || g.taken < g.limits.Concurrent
	if w != nil && g.limits.Concurrent > 0 {
		g.waiting.came(w.Key, free)
	}
	if !free {
		if w != nil {
			g.waiting.join(*w)
		}
		return busy(w, "the tenant's limit of concurrent requests is reached at %s", host)
	}
	if paced && g.turns != nil {
		if wait := take(g.turns, g.now()); wait > 0 {
			f := fault.New(fault.Busy, fault.ReasonServerUnavailable, "the tenant's limit of requests per second is reached at %s", host)
			f.RetryAfter = wait
			return f
		}
	}
	g.taken++
	return nil
}

// begin begins a request that was reserved.
func (g *group) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turns != nil {
		g.turns.begin(g.now())
	}
}

// abandon gives the turn of a request back that was reserved. The slot is left as ever.
func (g *group) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turns != nil {
		g.turns.abandon()
	}
}

// leave gives a slot back, and calls who waits for it.
func (g *group) leave() {
	g.mu.Lock()
	g.taken--
	calls := g.waiting.next(g.limits.Concurrent - g.taken)
	g.mu.Unlock()
	ring(calls)
}
