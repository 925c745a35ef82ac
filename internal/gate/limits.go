package gate

import (
	"cmp"
	"slices"
	"time"
)

// rateWindow is how long a request counts towards a limit per second: a second, and what brings requests closer together on their
// way to the server.
const rateWindow = time.Second + 50*time.Millisecond

// A share is smaller than the share that it is part of, or one holder of the larger would leave others nothing.
const (
	sharePerNamespace    = 4 // of all requests under way, and of all probes
	shareNamespaceAtHost = 2 // of those at a host
	shareOfProbes        = 4 // of all requests under way
	shareNamespaceInApp  = 4 // of the requests of an application, while other namespaces wait
	shareToIdleLines     = 4 // of those at a host, for lines with no request under way
	probesPerLine        = 3
	limitsOfLine         = 3 // the first limits of all requests
)

// kind of a counter.
type kind int

const (
	total kind = iota
	host
	endpoint
	namespace
	namespaceAtHost
	tenant
	probes
	probesOfNamespace
	probesOfLine
	// Those that follow count until rateWindow after a request started.
	rate
	app
	namespaceOfApp
)

// counter names what is counted: permits, by what they are for.
type counter struct {
	kind     kind
	name, at string
}

// limit is a counter with its bound, none if zero.
type limit struct {
	counter
	most int
	text string // what a client waits for
}

// start is a request that started.
type start struct {
	at    time.Time
	queue *queue
}

// share is a part of a limit.
func share(most, parts int) int { return max(1, most/parts) }

// setLimits sets all limits that the requests of a queue count towards.
func (g *Gate) setLimits(q *queue) {
	all, atHost := g.options.Total, g.options.PerHost
	allProbes := share(all, shareOfProbes)
	q.slots = []limit{
		{counter{kind: total}, all, "every request slot is in use"},
		{counter{host, q.Host, ""}, atHost, "every request slot of the host is in use"},
		{counter{endpoint, q.line.name, ""}, 0, ""},
	}
	if q.namespace != "" {
		q.slots = append(q.slots,
			limit{counter{namespace, q.namespace, ""}, share(all, sharePerNamespace), "every request slot of the namespace is in use"},
			limit{counter{namespaceAtHost, q.namespace, q.Host}, share(atHost, shareNamespaceAtHost), "every request slot of the namespace at the host is in use"})
	}
	if q.Tenant != "" {
		q.slots = append(q.slots, limit{counter{tenant, q.Tenant, ""}, 0, "the tenant's limit of concurrent requests is reached"})
	}
	q.probing = append(slices.Clone(q.slots),
		limit{counter{kind: probes}, allProbes, "every probe is under way"},
		limit{counter{probesOfNamespace, q.namespace, ""}, share(allProbes, sharePerNamespace), "every probe of the namespace is under way"},
		limit{counter{probesOfLine, q.line.name, ""}, probesPerLine, "every probe of the endpoint is under way"})
	q.starts = []limit{{counter{app, q.app, ""}, 0, ""}, {counter{namespaceOfApp, q.namespace, q.app}, 0, ""}}
	if q.paced {
		q.starts = append(q.starts, limit{counter{rate, q.Tenant, ""}, 0, "the tenant's limit of requests per second is reached"})
	}
}

// bound is how far a limit goes now.
func (g *Gate) bound(l *limit, c *client) int {
	if l.kind == tenant {
		return c.Concurrent
	}
	if l.kind == rate {
		return c.PerSecond
	}
	if l.kind != host {
		return l.most
	}
	// Half of what is free (the dynamic thresholds of Choudhury and Hahne, 1998): however many hosts hang, another finds a slot.
	most := min(l.most, (g.options.Total-g.counters[counter{kind: total}]+1)/2)
	if g.counters[counter{endpoint, c.queue.line.name, ""}] > 0 {
		most -= most / shareToIdleLines
	}
	return most
}

// exceeded names the first of some limits that a client would exceed; empty if it would not.
func (g *Gate) exceeded(limits []limit, c *client) string {
	for i := range limits {
		l := &limits[i]
		if most := g.bound(l, c); most > 0 && g.counters[l.counter] >= most {
			return l.text
		}
	}
	return ""
}

// fits names the limit that keeps a client from sending; empty if none does.
func (g *Gate) fits(c *client) string {
	return cmp.Or(g.exceeded(c.queue.limits(c.queue.line.open(c.App)), c), g.exceeded(c.queue.starts, c))
}

// obstacle says what keeps a client from sending; empty if nothing does.
func (g *Gate) obstacle(c *client, now time.Time) string {
	if c.queue.line.ready(c.App, now) {
		return g.fits(c)
	}
	return "the server has just recovered: requests are sent at a bounded rate"
}

// hasShare reports whether one more request would give a namespace more than a quarter of those of its application.
func (g *Gate) hasShare(q *queue) bool {
	own, all := g.counters[counter{namespaceOfApp, q.namespace, q.app}], g.counters[counter{app, q.app, ""}]
	return q.app != "" && own > 0 && (own+1)*shareNamespaceInApp > all+1
}

// count changes counters.
func (g *Gate) count(by int, limits []limit) {
	for i := range limits {
		c := limits[i].counter
		if g.counters[c] += by; g.counters[c] == 0 {
			delete(g.counters, c)
		}
	}
}

// expireStarts stops counting requests that started long enough ago.
func (g *Gate) expireStarts(now time.Time) {
	for len(g.starts) > 0 && now.Sub(g.starts[0].at) >= rateWindow {
		g.count(-1, g.starts[0].queue.starts)
		g.starts = g.starts[1:]
	}
}
