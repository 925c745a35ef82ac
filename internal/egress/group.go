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
		g.turns = newTurns(p.PerSecond)
	}
	return g
}

// enter takes a slot, and a turn if the request is one that is paced. It fails with a Busy failure that says when to come
// back.
func (g *group) enter(paced bool, host string) *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.concurrent > 0 && g.taken >= g.concurrent {
		return fault.New(fault.Busy, fault.ReasonServerUnavailable, "the tenant's limit of concurrent requests is reached at %s", host)
	}
	if paced && g.turns != nil {
		if wait := g.turns.take(g.now()); wait > 0 {
			f := fault.New(fault.Busy, fault.ReasonServerUnavailable, "the tenant's limit of requests per second is reached at %s", host)
			f.RetryAfter = wait
			return f
		}
	}
	g.taken++
	return nil
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken--
}
