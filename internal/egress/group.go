package egress

import (
	"sync"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// group bounds the requests of a profile: how many are under way, and how many are begun in a second.
type group struct {
	concurrent int
	now        func() time.Time

	mu    sync.Mutex
	taken int
	turns *turns // nil if there is no bound
}

func newGroup(p Profile, now func() time.Time) *group {
	g := &group{concurrent: p.Concurrent, now: now}
	if p.PerSecond > 0 {
		// A burst of a twentieth of a second, and two of that less in the rest of it: with what requests come closer together on
		// their way, no second has more than the limit.
		burst := p.PerSecond / 20
		g.turns = newTurns(p.PerSecond-2*burst, 1+burst)
	}
	return g
}

// enter takes a slot, and a turn if the request is one that is paced. It fails with a Busy failure that says when to come
// back.
func (g *group) enter(paced bool, host string) *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.admit(paced, host, (*turns).take)
}

// reserve is enter ahead of a request that is paced, which is to begin, or to be abandoned.
func (g *group) reserve(host string) *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.admit(true, host, (*turns).reserve)
}

func (g *group) admit(paced bool, host string, take func(*turns, time.Time) time.Duration) *fault.Error {
	if g.concurrent > 0 && g.taken >= g.concurrent {
		return fault.New(fault.Busy, fault.ReasonServerUnavailable, "the tenant's limit of concurrent requests is reached at %s", host)
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

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken--
}
