package egress

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// group bounds the requests of a profile: how many are under way, and how many are begun in a second.
type group struct {
	concurrent int
	pace       *rate.Limiter // nil if there is no bound
	interval   time.Duration
	now        func() time.Time

	mu    sync.Mutex
	taken int
	// turn is when the last of those who were sent away was told to come back.
	turn time.Time
}

func newGroup(p Profile, now func() time.Time) *group {
	g := &group{concurrent: p.Concurrent, now: now}
	if p.PerSecond > 0 {
		// Who was sent away comes back a little late; the burst, a twentieth of a second, makes that good.
		g.pace = rate.NewLimiter(rate.Limit(p.PerSecond), 1+p.PerSecond/20)
		g.interval = time.Second / time.Duration(p.PerSecond)
	}
	return g
}

// enter takes a slot, and a turn if the request is one that is paced. It fails with a Busy failure that says when to come
// back: those who are sent away get a turn each, so that they do not all come back for the next one.
func (g *group) enter(paced bool, host string) *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.concurrent > 0 && g.taken >= g.concurrent {
		return fault.New(fault.Busy, fault.ReasonServerUnavailable, "the tenant's limit of concurrent requests is reached at %s", host)
	}
	if paced && g.pace != nil {
		if f := g.await(host); f != nil {
			return f
		}
	}
	g.taken++
	return nil
}

// await takes a turn, or says when to come back.
func (g *group) await(host string) *fault.Error {
	now := g.now()
	if g.pace.AllowN(now, 1) {
		return nil
	}
	if g.turn.Before(now) {
		g.turn = now
	}
	g.turn = g.turn.Add(g.interval)
	f := fault.New(fault.Busy, fault.ReasonServerUnavailable, "the tenant's limit of requests per second is reached at %s", host)
	f.RetryAfter = g.turn.Sub(now)
	return f
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken--
}
