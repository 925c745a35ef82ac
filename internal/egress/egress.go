// Package egress knows how many requests may be sent at a time, and to which endpoints none are while they fail. It knows
// neither OAuth nor Kubernetes; what a request may do at all is for package transport to say.
package egress

import (
	"net/http"
	"sync"
	"time"

	"github.com/egain-operator/egain-operator/internal/transport"
)

// Options shape the egress.
type Options struct {
	// Options are the rules of requests.
	transport.Options
	// Total bounds the requests under way to all hosts, of which one gets no more than half of those that are free; no bound
	// if zero.
	Total int
	// PerHost bounds the requests under way to one host.
	PerHost int
	// Now is the clock; only limits with PerSecond need it.
	Now func() time.Time
}

// Limits bound the requests of all clients of a tenant together; zero fields do not.
type Limits struct {
	// Concurrent bounds the requests that are under way.
	Concurrent int
	// PerSecond bounds the POST requests that are begun in a second. GET requests read documents, which is seldom.
	PerSecond int
}

// Egress makes HTTP clients whose requests are limited. It is safe for concurrent use.
type Egress struct {
	*transport.Transport
	slots *slots
	now   func() time.Time

	mu sync.Mutex
	// groups are by the names of tenants, apart from the clients, which come and go with CA bundles.
	groups map[string]*group
}

// New returns an Egress.
func New(o Options) *Egress {
	e := &Egress{slots: newSlots(o.Total, o.PerHost), now: o.Now, groups: map[string]*group{}}
	o.Wrap = func(next http.RoundTripper, tenant string) http.RoundTripper {
		return &limited{next: next, slots: e.slots, group: e.group(tenant)}
	}
	e.Transport = transport.New(o.Options)
	return e
}

// Limit sets the limits of a tenant, from now on.
func (e *Egress) Limit(tenant string, l Limits) { e.group(tenant).limit(l) }

// group is the one of a tenant. Tenants without a name have none in common but the slots.
func (e *Egress) group(tenant string) *group {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.groups[tenant]
	if g == nil {
		g = newGroup(Limits{}, e.now)
		e.groups[tenant] = g
	}
	return g
}
