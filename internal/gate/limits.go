package gate

import (
	"math"
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
	shareToIdleLines     = 4 // of those at a host, for lines with no request under way
	probesPerLine        = 3
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
	rate
	probes
	probesOfNamespace
	probesOfLine
	app
	namespaceOfApp
)

// counter names what is counted: permits, by what they are for.
type counter struct {
	kind     kind
	name, at string
}

// limit is a counter with its bound.
type limit struct {
	counter
	most int // of those that do not change
	text string
}

// start is a request that started.
type start struct {
	at       time.Time
	counters []counter
}

// limitsOf are all limits that the requests of a queue count towards. The ordinary ones come first, then those of probes only.
func (g *Gate) limitsOf(q *queue) (limits []limit, ordinary int) {
	most, atHost := g.options.Total, g.options.PerHost
	limits = []limit{
		{counter{kind: total}, most, "every request slot is in use"},
		{counter{host, q.Host, ""}, atHost, "every request slot of the host is in use"},
		{counter{endpoint, q.line.name, ""}, atHost, "every request slot of the endpoint is in use"},
		{counter{app, q.app, ""}, most, ""},
		{counter{namespaceOfApp, q.namespace, q.app}, most, ""},
	}
	if q.namespace != "" {
		limits = append(limits,
			limit{counter{namespace, q.namespace, ""}, share(most, sharePerNamespace), "every request slot of the namespace is in use"},
			limit{counter{namespaceAtHost, q.namespace, q.Host}, share(atHost, shareNamespaceAtHost), "every request slot of the namespace at the host is in use"})
	}
	if q.Tenant != "" {
		limits = append(limits,
			limit{counter{tenant, q.Tenant, ""}, 0, "the tenant's limit of concurrent requests is reached"},
			limit{rateOf(q.Tenant), 0, "the tenant's limit of requests per second is reached"})
	}
	allProbes := share(most, shareOfProbes)
	return append(limits,
		limit{counter{kind: probes}, allProbes, "every probe is under way"},
		limit{counter{probesOfNamespace, q.namespace, ""}, share(allProbes, sharePerNamespace), "every probe of the namespace is under way"},
		limit{counter{probesOfLine, q.line.name, ""}, probesPerLine, "every probe of the endpoint is under way"}), len(limits)
}

// share is a part of a limit.
func share(most, parts int) int { return max(1, most/parts) }

func rateOf(name string) counter { return counter{rate, name, ""} }

// bound is how far a limit goes now.
func (g *Gate) bound(l *limit, c *client) int {
	unset := func(n int) int {
		if n == 0 {
			return math.MaxInt
		}
		return n
	}
	switch l.kind {
	case host:
		// Half of what is free (the dynamic thresholds of Choudhury and Hahne, 1998): however many hosts hang, another finds a slot.
		most := min(l.most, (g.options.Total-g.counters[counter{kind: total}]+1)/2)
		if g.counters[counter{endpoint, c.line.name, ""}] > 0 {
			most -= most / shareToIdleLines
		}
		return most
	case tenant:
		return unset(c.Concurrent)
	case rate:
		return unset(c.PerSecond)
	case app, namespaceOfApp:
		return math.MaxInt
	default:
		return l.most
	}
}

// fits names the limit that keeps a client from sending; empty if none does.
func (g *Gate) fits(c *client) string {
	limits := c.queue.limits(c.line.open(c.App))
	for i := range limits {
		if l := &limits[i]; g.counters[l.counter] >= g.bound(l, c) {
			return l.text
		}
	}
	return ""
}

// obstacle says what keeps a client from sending; empty if nothing does.
func (g *Gate) obstacle(c *client, now time.Time) string {
	switch {
	case c.line.ready(c.App, now):
		return g.fits(c)
	case c.line.open(c.App):
		return "the circuit is open"
	default:
		return "the server has just recovered: requests are sent at a bounded rate"
	}
}

// acquire counts the permit of a client. Rates and shares of applications count until a while after the request started.
func (g *Gate) acquire(c *client) {
	for _, l := range c.queue.limits(c.probe) {
		switch l.kind {
		case app, namespaceOfApp:
			c.starting = append(c.starting, l.counter)
		case rate:
			if c.PerSecond > 0 {
				c.starting = append(c.starting, l.counter)
			}
		default:
			c.held = append(c.held, l.counter)
		}
	}
	g.count(1, c.held...)
	g.count(1, c.starting...)
}

func (g *Gate) count(n int, counters ...counter) {
	for _, c := range counters {
		if g.counters[c] += n; g.counters[c] == 0 {
			delete(g.counters, c)
		}
	}
}

// expireStarts stops counting requests that started long enough ago.
func (g *Gate) expireStarts(now time.Time) {
	old := slices.IndexFunc(g.starts, func(s start) bool { return now.Sub(s.at) < rateWindow })
	if old < 0 {
		old = len(g.starts)
	}
	for _, s := range g.starts[:old] {
		g.count(-1, s.counters...)
	}
	g.starts = slices.Delete(g.starts, 0, old)
}
