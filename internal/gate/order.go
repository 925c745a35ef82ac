package gate

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// shares are what all clients of a queue have in common: if the first may not send, none may.
type shares struct {
	Endpoint
	app, namespace string
	paced          bool // by a limit per second
}

func sharesOf(c Client) shares {
	return shares{c.Endpoint, c.App, c.Namespace, c.PerSecond > 0 && c.Tenant != ""}
}

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
	// slots are the limits of requests under way, probing those of probes, and starts those of requests that started a while ago.
	slots, probing, starts []limit
}

// limits are those of a probe, or of another request, while it is under way.
func (q *queue) limits(probe bool) []limit {
	if probe {
		return q.probing
	}
	return q.slots
}

// queueOf is the queue that a client belongs to.
func (g *Gate) queueOf(c Client) *queue {
	s := sharesOf(c)
	if known := g.queues[s]; known != nil {
		return known
	}
	if g.lines[c.Endpoint] == nil {
		g.lines[c.Endpoint] = &line{Endpoint: c.Endpoint, name: strings.Join([]string{c.URL, c.Host, c.Tenant, c.Trust}, "\x00")}
	}
	q := &queue{shares: s, line: g.lines[c.Endpoint]}
	g.setLimits(q)
	g.queues[s] = q
	return q
}

// soonest orders clients by expiry.
func soonest(a, b *client) int {
	return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.Key, b.Key))
}

// soonestFirst orders queues by their first clients.
func soonestFirst(a, b *queue) int { return soonest(a.clients[0], b.clients[0]) }

// enqueue adds a client to its queue.
func (c *client) enqueue() {
	at, _ := slices.BinarySearchFunc(c.queue.clients, c, soonest)
	c.queue.update(func(all []*client) []*client { return slices.Insert(all, at, c) })
}

// dequeue removes a client from its queue.
func (c *client) dequeue() {
	at, _ := slices.BinarySearchFunc(c.queue.clients, c, soonest)
	c.queue.update(func(all []*client) []*client { return slices.Delete(all, at, at+1) })
}

// update changes the clients of a queue, by the first of which the line lists it.
func (q *queue) update(change func([]*client) []*client) {
	l := q.line
	if len(q.clients) > 0 {
		at, _ := slices.BinarySearchFunc(l.queues, q, soonestFirst)
		l.queues = slices.Delete(l.queues, at, at+1)
	}
	if q.clients = change(q.clients); len(q.clients) > 0 {
		at, _ := slices.BinarySearchFunc(l.queues, q, soonestFirst)
		l.queues = slices.Insert(l.queues, at, q)
	}
}

// grant keeps permits for all clients that may have one. It is the only place that does.
func (g *Gate) grant(now time.Time) {
	g.expireStarts(now)
	for c := g.pick(now); c != nil; c = g.pick(now) {
		l := c.queue.line
		c.probe = l.open(c.App)
		c.dequeue()
		g.count(1, c.queue.limits(c.probe))
		g.count(1, c.queue.starts)
		l.take(c.probe, now)
		if c.probe {
			g.rotate(c)
		}
		c.state, c.since = kept, now
		g.holders = append(g.holders, c)
		g.woken = append(g.woken, c.Key)
	}
}

// pick is the client that is next; nil if none may send. Probes come before all others, which come in the order of expiry. Both are
// the least in a total order, so that the order of the map does not matter.
func (g *Gate) pick(now time.Time) *client {
	var probe, other *queue
	for _, l := range g.lines {
		if len(l.queues) > 0 && g.exceeded(l.queues[0].slots[:limitsOfLine], l.queues[0].clients[0]) == "" {
			probe, other = g.betterProbe(l, probe, now), g.betterOther(l, other, now)
		}
	}
	switch {
	case probe != nil:
		return slices.MinFunc(probe.clients, func(a, b *client) int { return cmp.Compare(a.probed, b.probed) })
	case other != nil:
		return g.fairest(other, now).clients[0]
	}
	return nil
}

// betterProbe is the queue of a line that probes before another one, or the other one.
func (g *Gate) betterProbe(l *line, best *queue, now time.Time) *queue {
	if !l.probes(now) {
		return best
	}
	for _, q := range l.queues {
		if l.open(q.app) && (best == nil || probesFirst(q, best) < 0) && g.obstacle(q.clients[0], now) == "" {
			best = q
		}
	}
	return best
}

// betterOther is the queue of a line that sends, and does not probe, before another one, or the other one.
func (g *Gate) betterOther(l *line, best *queue, now time.Time) *queue {
	for _, q := range l.queues {
		if best != nil && soonestFirst(best, q) <= 0 {
			return best // all that follow are later
		}
		if !l.open(q.app) && g.obstacle(q.clients[0], now) == "" {
			return q
		}
	}
	return best
}

// fairest is a queue, or that of another namespace if the namespace of the queue has a quarter of the requests of its application.
func (g *Gate) fairest(first *queue, now time.Time) *queue {
	if !g.hasShare(first) {
		return first
	}
	for _, q := range first.line.queues {
		if q.app == first.app && !g.hasShare(q) && g.obstacle(q.clients[0], now) == "" {
			return q
		}
	}
	return first
}

// probesFirst orders queues by the last probe of their line, namespace and application, in this order: no line, namespace,
// application or client has all the probes, and one that always fails does not keep a circuit open.
func probesFirst(a, b *queue) int {
	return cmp.Or(
		cmp.Compare(a.line.probed, b.line.probed),
		cmp.Compare(a.line.probedBy[a.namespace], b.line.probedBy[b.namespace]),
		cmp.Compare(a.probed, b.probed),
		soonestFirst(a, b))
}

// rotate notes that a client probes.
func (g *Gate) rotate(c *client) {
	g.probes++
	l := c.queue.line
	if l.probedBy == nil || len(l.probedBy) >= maxNamespaces {
		l.probedBy = map[string]uint64{}
	}
	l.probed, l.probedBy[c.Namespace], c.queue.probed, c.probed = g.probes, g.probes, g.probes, g.probes
}
