package gate

import (
	"cmp"
	"slices"
	"time"
)

// shares are what all clients of a queue have in common: if the first may not send, none may.
type shares struct {
	Endpoint
	app, namespace string
}

func sharesOf(c Client) shares { return shares{c.Endpoint, c.App, c.Namespace} }

// queue has the queued clients with the same shares.
type queue struct {
	shares
	line *line
	// clients are ordered, the soonest to expire first.
	clients []*client
	// members also counts clients that have a permit.
	members int
	// probed orders queues by their last probes.
	probed uint64
	// allLimits are those of a probe; those of other requests come first.
	allLimits []limit
	ordinary  int
}

// limits are those of a probe, or of another request.
func (q *queue) limits(probe bool) []limit {
	if probe {
		return q.allLimits
	}
	return q.allLimits[:q.ordinary]
}

func (g *Gate) queueOf(c *client) *queue {
	s := sharesOf(c.Client)
	q := g.byShares[s]
	if q == nil {
		q = &queue{shares: s, line: c.line}
		q.allLimits, q.ordinary = g.limitsOf(q)
		g.byShares[s] = q
	}
	return q
}

// soonest orders clients by expiry.
func soonest(a, b *client) int {
	return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.Key, b.Key))
}

// enqueue adds a client to its queue.
func (g *Gate) enqueue(c *client) {
	g.unlist(c.queue)
	at, _ := slices.BinarySearchFunc(c.queue.clients, c, soonest)
	c.queue.clients = slices.Insert(c.queue.clients, at, c)
	g.list(c.queue)
}

// dequeue removes a client from its queue.
func (g *Gate) dequeue(c *client) {
	g.unlist(c.queue)
	if at, found := slices.BinarySearchFunc(c.queue.clients, c, soonest); found {
		c.queue.clients = slices.Delete(c.queue.clients, at, at+1)
	}
	g.list(c.queue)
}

// place is where a queue with clients is listed, or would be.
func (g *Gate) place(q *queue) int {
	at, _ := slices.BinarySearchFunc(g.queues, q, func(a, b *queue) int { return soonest(a.clients[0], b.clients[0]) })
	return at
}

func (g *Gate) list(q *queue) {
	if len(q.clients) > 0 {
		g.queues = slices.Insert(g.queues, g.place(q), q)
	}
}

func (g *Gate) unlist(q *queue) {
	if len(q.clients) > 0 {
		at := g.place(q)
		g.queues = slices.Delete(g.queues, at, at+1)
	}
}

// grant keeps permits for all clients that may have one. It is the only place that does.
func (g *Gate) grant(now time.Time) {
	g.expireStarts(now)
	for {
		c := g.pick(now)
		if c == nil {
			return
		}
		c.probe = c.line.open(c.App)
		g.dequeue(c)
		g.acquire(c)
		c.line.take(c, now)
		if c.probe {
			g.rotate(c)
		}
		c.state, c.since = kept, now
		g.holders = append(g.holders, c)
		g.woken = append(g.woken, c.Key)
	}
}

// pick is the client that is next; nil if none may send. Probes come before all others, which come in the order of expiry.
func (g *Gate) pick(now time.Time) *client {
	if g.counters[counter{kind: total}] >= g.options.Total {
		return nil
	}
	var probe, other *queue
	for _, q := range g.queues {
		first := q.clients[0]
		opened := q.line.open(q.app)
		if (other != nil && !opened) || g.obstacle(first, now) != "" {
			continue
		}
		switch {
		case !opened:
			other = q
		case probe == nil || probesBefore(q, probe) < 0:
			probe = q
		}
	}
	switch {
	case probe != nil:
		return slices.MinFunc(probe.clients, func(a, b *client) int { return cmp.Compare(a.probed, b.probed) })
	case other != nil:
		return other.clients[0]
	}
	return nil
}

// probesBefore orders queues by the last probe of their line, namespace and application, in this order: no line, namespace,
// application or client has all the probes, and one that always fails does not keep a circuit open.
func probesBefore(a, b *queue) int {
	return cmp.Or(
		cmp.Compare(a.line.probed, b.line.probed),
		cmp.Compare(a.line.probedBy[a.namespace], b.line.probedBy[b.namespace]),
		cmp.Compare(a.probed, b.probed))
}

// rotate notes that a client probes.
func (g *Gate) rotate(c *client) {
	g.probes++
	l := c.line
	if l.probedBy == nil || len(l.probedBy) >= maxNamespaces {
		l.probedBy = map[string]uint64{}
	}
	l.probed, l.probedBy[c.Namespace], c.queue.probed, c.probed = g.probes, g.probes, g.probes, g.probes
}
