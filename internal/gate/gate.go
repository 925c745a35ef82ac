// Package gate knows who may send a request now, and nothing else. It keeps one line per endpoint, opens a circuit where requests
// fail, and bounds what is under way. It sends nothing, starts no goroutine and sets no timer: its caller sends, and calls Tick.
//
// One lock guards all state. Each change ends with grant, which hands out permits in a total order, so that equal calls at equal
// times have equal results.
package gate

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// TickInterval is how often Tick must be called.
	TickInterval = 50 * time.Millisecond
	// unusedPermit is when a permit lapses that is not used. It is longer than any wait in the controller's queue: a permit that
	// lapses before its client is reconciled is of no use to any client.
	unusedPermit = time.Minute
	// sweepInterval is how often lines without clients are looked through.
	sweepInterval = time.Second
	// forgetAfter is when a line is forgotten that no client asks for. A client retries after ten minutes at most, or when
	// Retry-After is over.
	forgetAfter = 15 * time.Minute
	// maxLines bounds the lines without clients.
	maxLines = 4096
)

// Options are what a Gate needs.
type Options struct {
	// Now is the clock.
	Now func() time.Time
	// Wake reports that a permit is kept for a client, which is to Ask again before any other work: until it does, the permit is an
	// idle slot. Wake is called without a lock and must not block.
	Wake func(key string)
	// Judge says what the error of a request tells about its endpoint. It is not called for nil.
	Judge func(error) Verdict
	// Total bounds the requests under way to all hosts, 64 if zero.
	Total int
	// PerHost bounds the requests under way to one host, 16 if zero.
	PerHost int
}

// Endpoint is a URL as one group of clients reaches it. What keeps one tenant or CA bundle from a server says nothing about another.
type Endpoint struct {
	URL, Host string
	// Tenant whose limits count; empty if there are none.
	Tenant string
	// Trust identifies the CA bundle.
	Trust string
}

// Client is what asks for a permit: an EgainClient, or a metadata document, whose answer serves all clients.
type Client struct {
	// Key identifies the client. It has one permit at most.
	Key string
	// Namespace that shares are counted for; empty for none.
	Namespace string
	// App identifies the client application by the reference to its credentials; empty for none.
	App string
	// Credentials that the request is sent with, if a trial decides whether all requests with them may be sent.
	Credentials
	Endpoint
	// Expires orders clients: the soonest is first, the zero time before all.
	Expires time.Time
	// Concurrent and PerSecond are the limits of the tenant: of requests under way, and of requests that start in any second.
	// Zero sets no limit. A request without a limit per second does not count towards that of others.
	Concurrent, PerSecond int
	// MustFinish says that an answer must not be lost. The request is not cancelled when a later one is answered before it.
	MustFinish bool
}

// Kind is what the outcome of a request tells about its endpoint.
type Kind int

const (
	// Unknown outcomes tell nothing: nothing was sent, or it was cancelled.
	Unknown Kind = iota
	// Served requests were answered, if only by a refusal.
	Served
	// Failed requests would fail for other clients too.
	Failed
	// Refused requests were answered: the server refuses their credentials. Without Credentials they count as Served.
	Refused
)

// Verdict judges the outcome of a request.
type Verdict struct {
	Kind Kind
	// RetryAfter is how long the server asks not to be sent requests of the application, zero if it does not. An hour at most counts.
	RetryAfter time.Duration
}

// Gate decides who may send now. It is safe for concurrent use.
type Gate struct {
	options Options

	mu      sync.Mutex
	lines   map[Endpoint]*line
	clients map[string]*client
	order   order
	limits  limits
	// holders have a permit, in the order in which they got it.
	holders []*client
	swept   time.Time
	// woken are the clients to wake once the lock is free.
	woken []string
}

// state of a client.
type state int

const (
	queued state = iota
	kept         // has a permit and was woken
	taken        // got its permit by Ask
	sent
)

// client is a Client that is queued, or has a permit.
type client struct {
	Client
	queue *queue
	state state
	// since is when the state began, except for queued clients.
	since time.Time
	// permit is the one that Ask returned last; nil once it lapsed.
	permit *Permit
	// probe says that the permit is one for a probe.
	probe bool
	// probed orders clients by their last probes.
	probed uint64
	// asked says that another call was told to wait for the request.
	asked  bool
	cancel func(error)
}

// New returns a Gate.
func New(o Options) *Gate {
	return &Gate{
		options: o, lines: map[Endpoint]*line{}, clients: map[string]*client{},
		limits: limits{total: cmp.Or(o.Total, 64), perHost: cmp.Or(o.PerHost, 16), held: map[counter]int{}, trials: map[string]*trial{}},
	}
}

// Ask returns a permit to send one request, or Queued: the client is in line, and is woken when a permit is kept for it. Asking
// again keeps its place. If the permit of an earlier call was not used, that of the later call replaces it.
func (g *Gate) Ask(c Client) (permit *Permit, refused *Queued) {
	g.locked(func(now time.Time) {
		known := g.join(c, now)
		// After each change no queued client could have a permit, so that only this one might; grant checks that none is before it.
		if known.state == queued && g.limits.obstacle(known, now) == "" {
			g.grant(now)
		}
		if known.state != kept && known.state != taken {
			refused = g.queuedAs(known, now)
			return
		}
		permit = &Permit{gate: g, client: known, Reconnect: known.probe || known.queue.line.apps[c.App].failures > 1}
		known.state, known.since, known.permit = taken, now, permit
		g.woken = slices.DeleteFunc(g.woken, func(key string) bool { return key == c.Key })
	})
	return permit, refused
}

// join adds a client, or updates it. A client that asks for another endpoint, or as another, loses its place.
func (g *Gate) join(c Client, now time.Time) *client {
	known := g.clients[c.Key]
	switch {
	case known != nil && known.state == sent:
		known.asked = true
		return known
	case known != nil && known.state != queued && known.queue.shares == sharesOf(c):
		known.Client = c
	default:
		joins := &client{Client: c, queue: g.queueOf(c)}
		joins.queue.members++
		if known != nil {
			joins.probed = known.probed
			g.leave(known, now)
		}
		known = joins
		known.queue.update(known, insert)
		g.clients[c.Key] = known
	}
	known.queue.line.asked = later(known.queue.line.asked, now)
	if t := g.limits.trials[c.Group]; t != nil {
		t.asked = now
	}
	return known
}

// queueOf is the queue that a client belongs to.
func (g *Gate) queueOf(c Client) *queue {
	l := g.lines[c.Endpoint]
	if l == nil {
		l = newLine(c.Endpoint)
		g.lines[c.Endpoint] = l
	}
	if len(l.queues) == 0 {
		g.order.lines = insert(g.order.lines, l, longestAgo)
	}
	s := sharesOf(c)
	if l.queues[s] == nil {
		l.queues[s] = &queue{shares: s, line: l}
		g.limits.assign(l.queues[s])
	}
	return l.queues[s]
}

// release takes a permit back. That of a probe that was not sent leaves the next one to others.
func (g *Gate) release(c *client, now time.Time) {
	q := c.queue
	q.line.underWay--
	g.limits.count(-1, q.limits[c.probe])
	if c.state != sent {
		g.limits.count(-1, q.starts)
		if c.probe {
			q.line.next = now
		}
	}
	g.holders = slices.DeleteFunc(g.holders, func(holder *client) bool { return holder == c })
}

// leave removes a client, and wakes it if another call was told to wait for it. A permit that was not used is free again.
func (g *Gate) leave(c *client, now time.Time) {
	if c.state == queued {
		c.queue.update(c, remove)
	} else {
		g.release(c, now)
	}
	c.permit = nil
	delete(g.clients, c.Key)
	l := c.queue.line
	if c.queue.members--; c.queue.members == 0 {
		delete(l.queues, c.queue.shares)
	}
	if len(l.queues) == 0 {
		g.order.lines = remove(g.order.lines, l, longestAgo)
	}
	if c.asked {
		g.woken = append(g.woken, c.Key)
	}
}

// Forget removes a client that no longer wants to send. Each reconcile that does not end queued calls it, and so does that of a
// deleted object. A request under way goes on.
func (g *Gate) Forget(key string) {
	g.locked(func(now time.Time) {
		c := g.clients[key]
		if c == nil || c.state == sent {
			return
		}
		g.leave(c, now)
		g.grant(now)
	})
}

// Tick does what only time brings about. It is to be called every TickInterval.
func (g *Gate) Tick() {
	g.locked(func(now time.Time) {
		for _, c := range slices.Clone(g.holders) {
			if c.state != sent && now.Sub(c.since) >= unusedPermit {
				g.leave(c, now)
			}
		}
		if now.Sub(g.swept) >= sweepInterval {
			g.swept = now
			g.sweep(now)
		}
		g.grant(now)
	})
}

// Failing counts the endpoints of each host with an open circuit.
func (g *Gate) Failing() map[string]int {
	failing := map[string]int{}
	g.locked(func(time.Time) {
		for e, l := range g.lines {
			if slices.ContainsFunc(slices.Collect(maps.Keys(l.apps)), l.open) {
				failing[e.Host]++
			}
		}
	})
	return failing
}

// sweep forgets lines without clients: those with nothing to remember, those that no client asked for in a while, and what is more
// than may be remembered.
func (g *Gate) sweep(now time.Time) {
	g.limits.forget(now)
	var idle []*line
	for e, l := range g.lines {
		switch {
		case len(l.queues) > 0:
		case len(l.apps) == 0 && !now.Before(l.until), now.Sub(l.asked) > forgetAfter: // nothing to remember, or too old
			delete(g.lines, e)
		default:
			idle = append(idle, l)
		}
	}
	slices.SortFunc(idle, func(a, b *line) int { return cmp.Or(a.asked.Compare(b.asked), cmp.Compare(a.name, b.name)) })
	for _, l := range idle[:max(0, len(idle)-maxLines)] {
		delete(g.lines, l.Endpoint)
	}
}
