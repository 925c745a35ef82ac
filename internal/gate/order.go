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
	credentials    Credentials
	paced          bool // by a limit per second
}

func sharesOf(c Client) shares {
	return shares{c.Endpoint, c.App, c.Namespace, c.Credentials, c.PerSecond > 0 && c.Tenant != ""}
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
	// limits are those of a probe, by true, and of another request while it is under way. Those of starts count for longer.
	limits map[bool][]limit
	starts []limit
}

// soonest orders clients by expiry.
func soonest(a, b *client) int {
	return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.Key, b.Key))
}

// soonestFirst orders queues by their first clients.
func soonestFirst(a, b *queue) int { return soonest(a.clients[0], b.clients[0]) }

// probesFirst orders queues by the last probe of their line, namespace and application, in this order: no line, namespace,
// application or client has all the probes, and one that always fails does not keep a circuit open.
func probesFirst(a, b *queue) int {
	return cmp.Or(
		cmp.Compare(a.line.probed, b.line.probed),
		cmp.Compare(a.line.probedBy[a.namespace], b.line.probedBy[b.namespace]),
		cmp.Compare(a.probed, b.probed),
		soonestFirst(a, b))
}

// longestAgo orders lines by their last probes.
func longestAgo(a, b *line) int {
	return cmp.Or(cmp.Compare(a.probed, b.probed), cmp.Compare(a.name, b.name))
}

// insert adds to what is sorted.
func insert[T any](all []T, x T, compare func(a, b T) int) []T {
	at, _ := slices.BinarySearchFunc(all, x, compare)
	return slices.Insert(all, at, x)
}

// remove removes from what is sorted.
func remove[T any](all []T, x T, compare func(a, b T) int) []T {
	at, _ := slices.BinarySearchFunc(all, x, compare)
	return slices.Delete(all, at, at+1)
}

// group is the list of the line that a queue belongs to, with its order.
func (l *line) group(q *queue) (group *[]*queue, compare func(a, b *queue) int) {
	if l.open(q.app) {
		return &l.probing, probesFirst
	}
	return &l.sending, soonestFirst
}

// regroup sorts the queues after circuits opened or closed.
func (l *line) regroup() {
	all := slices.Concat(l.probing, l.sending)
	l.probing, l.sending = nil, nil
	for _, q := range all {
		group, _ := l.group(q)
		*group = append(*group, q)
	}
	slices.SortFunc(l.probing, probesFirst)
	slices.SortFunc(l.sending, soonestFirst)
}

// update inserts a client, or removes it. The line lists the queue by its first client.
func (q *queue) update(c *client, change func([]*client, *client, func(a, b *client) int) []*client) {
	group, compare := q.line.group(q)
	if len(q.clients) > 0 {
		*group = remove(*group, q, compare)
	}
	if q.clients = change(q.clients, c, soonest); len(q.clients) > 0 {
		*group = insert(*group, q, compare)
	}
}

// order says which client is next. Both probes and others are in a total order, so that equal calls have equal results.
type order struct {
	// lines are those with clients, the one that probed longest ago first.
	lines []*line
	// probes counts probes, to order what probed last.
	probes uint64
}

// pick is the client that is next; nil if none may send. Probes come before all others, which come in the order of expiry.
func (o *order) pick(m *limits, now time.Time) *client {
	if m.held[counter{kind: total}] >= m.total {
		return nil
	}
	if probe := o.longestSince(m, now); probe != nil {
		return slices.MinFunc(probe.clients, func(a, b *client) int { return cmp.Compare(a.probed, b.probed) })
	}
	var best *queue
	for _, l := range o.lines {
		if len(l.sending) > 0 && l.flows(now) {
			best = m.first(best, l.sending, soonestFirst, nil, now)
		}
	}
	if best == nil {
		return nil
	}
	return m.fairest(best, now).clients[0]
}

// longestSince is the queue that probes next; nil if none may.
func (o *order) longestSince(m *limits, now time.Time) (best *queue) {
	if m.held[counter{kind: probes}] >= share(m.total, shareOfProbes) {
		return nil
	}
	full := map[string]bool{}
	for _, l := range o.lines {
		if best != nil && best.line.probed < l.probed {
			break
		}
		if len(l.probing) > 0 && l.due(now) {
			best = m.first(best, l.probing, probesFirst, full, now)
		}
	}
	return best
}

// rotate notes that a client probes.
func (o *order) rotate(c *client) {
	l := c.queue.line
	o.lines = remove(o.lines, l, longestAgo)
	o.lines = append(o.lines, l)
	o.probes++
	if len(l.probedBy) >= maxNamespaces {
		clear(l.probedBy)
	}
	l.probed, l.probedBy[c.Namespace], c.queue.probed, c.probed = o.probes, o.probes, o.probes, o.probes
	slices.SortFunc(l.probing, probesFirst)
}
