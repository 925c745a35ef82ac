// Package metrics knows the operator's collectors, and nothing of what they count.
package metrics

import (
	"cmp"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of token requests and results of rotations.
const (
	// Success is the outcome of a request that got a token, and the result of a rotation that wrote it.
	Success = "success"
	// Failure is the result of a rotation that did not come to its end. Failed requests have the reason as outcome.
	Failure = "failure"
)

// Metrics counts what the operator does. It is safe for concurrent use.
type Metrics struct {
	rotations *prometheus.CounterVec
	requests  *prometheus.HistogramVec
	remaining *prometheus.HistogramVec
	failures  *prometheus.CounterVec
	tenants   *prometheus.CounterVec
	// unreadable are the namespaces that the operator may not read.
	unreadable *prometheus.GaugeVec

	hosts hosts

	mu sync.Mutex
	// skews are the last of each host, in seconds.
	skews map[string]float64
}

// New registers the collectors that are not about single objects.
func New(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		rotations:  rotations.counter(),
		requests:   requests.histogram(.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
		remaining:  remaining.histogram(0, .05, .1, .2, .3, .4, .5, .6, .8, 1),
		failures:   failures.counter(),
		tenants:    tenantFailures.counter(),
		unreadable: namespaceUnreadable.gauge(),
		skews:      map[string]float64{},
	}
	registry.MustRegister(m.rotations, m.requests, m.remaining, m.failures, m.tenants, m.unreadable)
	m.remaining.WithLabelValues() // it has no labels, so that it is there from the start
	return m
}

// NamespaceUnreadable records whether the operator may not read a namespace that it is to watch.
func (m *Metrics) NamespaceUnreadable(namespace string, unreadable bool) {
	if !unreadable {
		m.unreadable.DeleteLabelValues(namespace)
		return
	}
	m.unreadable.WithLabelValues(namespace).Set(1)
}

// Rotation counts a token replaced, or not, for a cause.
func (m *Metrics) Rotation(cause, result string) { m.rotations.WithLabelValues(cause, result).Inc() }

// Use gives a host a label value of its own, if there is one left for the namespace that uses it, which is empty for an
// EgainTenant.
func (m *Metrics) Use(namespace, host string) { m.hosts.label(namespace, host) }

// Request counts a token request to a host that something in a namespace uses, with how many seconds it took. The reason of its
// failure is empty if it succeeded.
func (m *Metrics) Request(namespace, host, flow, reason string, seconds float64) {
	outcome := cmp.Or(reason, Success)
	m.requests.WithLabelValues(m.hosts.label(namespace, host), flow, outcome).Observe(seconds)
}

// Remaining records the part of a token's life, 0 to 1, that was left when it was replaced.
func (m *Metrics) Remaining(ratio float64) { m.remaining.WithLabelValues().Observe(ratio) }

// Failed counts a failure of an EgainClient for a reason, which is one of the condition and event reasons.
func (m *Metrics) Failed(reason string) { m.failures.WithLabelValues(reason).Inc() }

// TenantFailed counts a failure of an EgainTenant for a reason, which is one of the condition reasons.
func (m *Metrics) TenantFailed(reason string) { m.tenants.WithLabelValues(reason).Inc() }

// forget drops what is kept of hosts that nothing uses any more.
func (m *Metrics) forget(hosts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, host := range hosts {
		m.requests.DeletePartialMatch(prometheus.Labels{"host": host})
		delete(m.skews, host)
	}
}

// ClockSkew records how many seconds the clock of a host is ahead of ours, or behind it if negative.
func (m *Metrics) ClockSkew(namespace, host string, seconds float64) {
	if host = m.hosts.label(namespace, host); host == OtherHost {
		return // of several clocks
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.skews[host] = seconds
}
