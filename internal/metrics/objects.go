package metrics

import (
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// pending is the reason of clients that have no condition TokenIssued yet.
const pending = "Pending"

// other is the reason of clients beyond those that are counted by reason.
const other = "other"

// Client is what is exposed about one EgainClient.
type Client struct {
	Namespace, Name string
	// Expiration and Renewal are zero if there is no token.
	Expiration, Renewal time.Time
	// Ready and Issued are the conditions Ready and TokenIssued.
	Ready, Issued bool
	// Suspended is spec.suspend.
	Suspended bool
	// Reason is that of TokenIssued; empty if there is no such condition yet.
	Reason string
	// FailingSince is when TokenIssued became False, and Remedy who can end that; zero and empty if it is not False.
	FailingSince time.Time
	Remedy       string
	// URLs are those that its token comes from, or is to come from, as far as they are known.
	URLs []string
}

// Tenant is what is exposed about one EgainTenant.
type Tenant struct {
	Name string
	// Ready is the condition Ready.
	Ready bool
	// FailingSince is when Ready became False, and Reason why; zero and empty if it is not False.
	FailingSince time.Time
	Reason       string
	// Applications are those whose credentials stay with the platform, by whether the credentials can be used as far as is known.
	Applications map[string]bool
	// URLs are those of its endpoints and documents, as far as they are known.
	URLs []string
}

// Source yields what there is at the time of a scrape.
type Source struct {
	Clients func() iter.Seq[Client]
	Tenants func() iter.Seq[Tenant]
	// Failing is how many endpoints of each host are known to fail.
	Failing func() map[string]int
}

// objects collects series from what the source yields at the time of the scrape, so that series end with their object and
// nothing has to be kept in step.
type objects struct {
	metrics   *Metrics
	source    Source
	perClient bool
	descs     map[string]*prometheus.Desc
}

// Objects collects the series about EgainTenants, EgainClients and the hosts that they use: of each single EgainClient, if perClient
// is set, and of all together.
func (m *Metrics) Objects(source Source, perClient bool) prometheus.Collector {
	o := &objects{metrics: m, source: source, perClient: perClient, descs: map[string]*prometheus.Desc{}}
	described := []Definition{clients, tenantReady, tenantFailingSince, applicationReady, endpointFailing, skew}
	if perClient {
		described = append(described, PerClient()...)
	}
	for _, d := range described {
		o.descs[d.Name] = d.desc()
	}
	return o
}

// Describe implements prometheus.Collector.
func (o *objects) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range o.descs {
		ch <- d
	}
}

// emit makes a sample of a gauge.
type emit func(d Definition, value float64, labels ...string)

// Collect implements prometheus.Collector.
func (o *objects) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d Definition, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(o.descs[d.Name], prometheus.GaugeValue, value, labels...)
	}
	used := o.collectClients(gauge)
	for t := range o.source.Tenants() {
		gauge(tenantReady, number(t.Ready), t.Name)
		if !t.FailingSince.IsZero() {
			gauge(tenantFailingSince, unix(t.FailingSince), t.Name, t.Reason)
		}
		for name, usable := range t.Applications {
			gauge(applicationReady, number(usable), t.Name, name)
		}
		addHosts(used, t.URLs...)
	}
	o.collectFailing(used, gauge)
	o.metrics.forget(o.metrics.hosts.retain(used))
	o.metrics.collectSkews(gauge)
}

// collectFailing also adds the hosts that fail to those in use: a metadata document may name one that no object does.
func (o *objects) collectFailing(used map[string]bool, gauge emit) {
	failing := map[string]int{}
	for host, n := range o.source.Failing() {
		failing[o.metrics.hosts.known(host)] += n
		used[strings.ToLower(host)] = true
	}
	for label, n := range failing {
		gauge(endpointFailing, float64(n), label)
	}
}

// collectClients returns the hosts that clients use.
func (o *objects) collectClients(gauge emit) map[string]bool {
	type state struct {
		ready  bool
		reason string
	}
	count, used := map[state]int{}, map[string]bool{}
	for c := range o.source.Clients() {
		if c.Reason == "" {
			c.Reason = pending
		}
		s := state{c.Ready, c.Reason}
		if _, known := count[s]; !known && len(count) >= maxStates {
			s.reason = other
		}
		count[s]++
		addHosts(used, c.URLs...)
		if o.perClient {
			c.collect(gauge)
		}
	}
	for s, n := range count {
		gauge(clients, float64(n), strconv.FormatBool(s.ready), s.reason)
	}
	return used
}

func (m *Metrics) collectSkews(gauge emit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for host, seconds := range m.skews {
		gauge(skew, seconds, host)
	}
}

func (c *Client) collect(gauge emit) {
	gauge(ready, number(c.Ready), c.Namespace, c.Name)
	gauge(issued, number(c.Issued), c.Namespace, c.Name)
	if c.Suspended {
		gauge(suspended, 1, c.Namespace, c.Name)
	}
	if !c.FailingSince.IsZero() {
		gauge(failingSince, unix(c.FailingSince), c.Namespace, c.Name, c.Reason, c.Remedy)
	}
	if !c.Expiration.IsZero() {
		gauge(expiration, unix(c.Expiration), c.Namespace, c.Name)
	}
	if !c.Renewal.IsZero() {
		gauge(renewal, unix(c.Renewal), c.Namespace, c.Name)
	}
}

func unix(t time.Time) float64 { return float64(t.Unix()) }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
