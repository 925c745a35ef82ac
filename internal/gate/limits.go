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
)

// kind of what is counted, by the text that says so if there are too many.
type kind string

const (
	total             kind = "all request slots are in use (--workers)"
	host              kind = "all request slots of the host are in use (--requests-per-host)"
	namespace         kind = "all request slots of the namespace are in use"
	namespaceAtHost   kind = "all request slots of the namespace at the host are in use"
	tenant            kind = "the tenant's limit of concurrent requests is reached (EgainTenant.spec.requestLimits.concurrent)"
	probes            kind = "all probes are under way"
	probesOfNamespace kind = "all probes of the namespace are under way"
	probesOfLine      kind = "all probes of the endpoint are under way"
	trying            kind = "another client tries the credentials of the application first"
	refused           kind = "the server refuses the credentials of the application"
	// Those that follow count until rateWindow after a request started.
	rate           kind = "the tenant's limit of requests per second is reached (EgainTenant.spec.requestLimits.perSecond)"
	app            kind = "requests of the application"
	namespaceOfApp kind = "requests of the namespace with the application"
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
}

// start is a request that started.
type start struct {
	at    time.Time
	queue *queue
}

// limits bound what is under way.
type limits struct {
	total, perHost int
	held           map[counter]int
	// starts are the requests of the last second.
	starts []start
	// trials are what is known of credentials, by their group.
	trials map[string]*trial
}

// share is a part of a limit.
func share(most, parts int) int { return max(1, most/parts) }

// assign sets all limits that the requests of a queue count towards.
func (m *limits) assign(q *queue) {
	slots := slices.DeleteFunc([]limit{
		{counter{kind: total}, m.total},
		{counter{host, q.Host, ""}, m.perHost},
		{counter{namespace, q.namespace, ""}, share(m.total, sharePerNamespace)},
		{counter{namespaceAtHost, q.namespace, q.Host}, share(m.perHost, shareNamespaceAtHost)},
		{counter{tenant, q.Tenant, ""}, 0},
	}, func(l limit) bool { return l.name == "" && l.kind != total && l.kind != host })
	slots = append(slots, tries(q.credentials)...)
	all := share(m.total, shareOfProbes)
	q.limits = map[bool][]limit{false: slots, true: append([]limit{
		{counter{probesOfLine, q.line.name, ""}, probesPerLine},
		{counter{probesOfNamespace, q.namespace, ""}, share(all, sharePerNamespace)},
		{counter{kind: probes}, all},
	}, slots...)}
	q.starts = []limit{{counter{app, q.app, ""}, 0}, {counter{namespaceOfApp, q.namespace, q.app}, 0}}
	if q.paced {
		q.starts = append(q.starts, limit{counter{rate, q.Tenant, ""}, 0})
	}
}

// bound is how far a limit goes now.
func (m *limits) bound(l *limit, c *client) int {
	if l.kind == tenant {
		return c.Concurrent
	}
	if l.kind == rate {
		return c.PerSecond
	}
	if l.kind == trying && m.accepts(c.Credentials) {
		return 0
	}
	if l.kind != host {
		return l.most
	}
	// Half of what is free (the dynamic thresholds of Choudhury and Hahne, 1998): however many hosts hang, another finds a slot.
	most := min(l.most, (m.total-m.held[counter{kind: total}]+1)/2)
	if c.queue.line.underWay > 0 {
		most -= most / shareToIdleLines
	}
	return most
}

// exceeded is the kind of the first of some limits that a client would exceed; empty if it would not.
func (m *limits) exceeded(all []limit, c *client) kind {
	for i := range all {
		l := &all[i]
		if most := m.bound(l, c); most > 0 && m.held[l.counter] >= most {
			return l.kind
		}
	}
	return ""
}

// obstacle says what keeps a client from sending; empty if nothing does.
func (m *limits) obstacle(c *client, now time.Time) kind {
	q := c.queue
	if m.holds(c.Credentials, now) {
		return refused
	}
	if !q.line.ready(c.App, now) {
		return "the server has just recovered, so requests are sent at a limited rate"
	}
	return cmp.Or(m.exceeded(q.limits[q.line.open(c.App)], c), m.exceeded(q.starts, c))
}

// first is the first of the ordered queues of a line with a client that may send, or the best one so far if that comes before. It
// passes over full namespaces, which have all their probes under way, and notes those that it finds.
func (m *limits) first(best *queue, queues []*queue, compare func(a, b *queue) int, full map[string]bool, now time.Time) *queue {
	for _, q := range queues {
		if full[q.namespace] {
			continue
		}
		if best != nil && compare(best, q) <= 0 {
			return best
		}
		obstacle := m.obstacle(q.clients[0], now)
		if obstacle == "" {
			return q
		}
		if obstacle == host || obstacle == probesOfLine { // no client of the line may send
			return best
		}
		if obstacle == probesOfNamespace {
			full[q.namespace] = true
		}
	}
	return best
}

// fairest is a queue, or that of another namespace if the namespace of the queue has a quarter of the requests of its application.
func (m *limits) fairest(first *queue, now time.Time) *queue {
	if !m.hasShare(first) {
		return first
	}
	for _, q := range first.line.sending {
		if q.app == first.app && !m.hasShare(q) && m.obstacle(q.clients[0], now) == "" {
			return q
		}
	}
	return first
}

// hasShare reports whether one more request would give a namespace more than a quarter of those of its application.
func (m *limits) hasShare(q *queue) bool {
	own, all := m.held[counter{namespaceOfApp, q.namespace, q.app}], m.held[counter{app, q.app, ""}]
	return q.app != "" && own > 0 && (own+1)*shareNamespaceInApp > all+1
}

// count changes counters.
func (m *limits) count(by int, all []limit) {
	for i := range all {
		c := all[i].counter
		if m.held[c] += by; m.held[c] == 0 {
			delete(m.held, c)
		}
	}
}

// expire stops counting requests that started long enough ago.
func (m *limits) expire(now time.Time) {
	for len(m.starts) > 0 && now.Sub(m.starts[0].at) >= rateWindow {
		m.count(-1, m.starts[0].queue.starts)
		m.starts = m.starts[1:]
	}
}
