// Package metrics knows the operator's collectors, and nothing of what they count.
package metrics

import (
	"iter"
	"time"

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
	remaining prometheus.Histogram
	failing   *prometheus.GaugeVec
	skew      *prometheus.GaugeVec
	failures  *prometheus.CounterVec
}

// New registers the collectors that are not about single objects.
func New(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		rotations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "egain_token_rotations_total",
			Help: "Tokens replaced in their target, by cause and result (success or failure).",
		}, []string{"cause", "result"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "egain_token_request_duration_seconds",
			Help:    "Duration of token requests by host, flow and outcome (success, or the reason of the failure); its _count is their number.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"host", "flow", "outcome"}),
		remaining: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "egain_token_remaining_life_ratio",
			Help:    "Part of a token's life that was left when it was replaced; 0 means that it had expired.",
			Buckets: []float64{0, .05, .1, .2, .3, .4, .5, .6, .8, 1},
		}),
		failing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "egain_endpoint_failing",
			Help: "Endpoints of a host that are known to fail and asked by single requests only, until they recover.",
		}, []string{"host"}),
		skew: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "egain_provider_clock_skew_seconds",
			Help: "How far the clock of a token endpoint's host is ahead of the operator's, or behind it if negative, as far as its last answer makes certain.",
		}, []string{"host"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "egain_client_failures_total",
			Help: "Failures that EgainClients report, by reason, whether or not a request was sent; one that waits for a change counts once.",
		}, []string{"reason"}),
	}
	registry.MustRegister(m.rotations, m.requests, m.remaining, m.failing, m.skew, m.failures)
	return m
}

// Rotation counts a token replaced, or not, for a cause.
func (m *Metrics) Rotation(cause, result string) { m.rotations.WithLabelValues(cause, result).Inc() }

// Request counts a token request, with how many seconds it took.
func (m *Metrics) Request(host, flow, outcome string, seconds float64) {
	m.requests.WithLabelValues(host, flow, outcome).Observe(seconds)
}

// Remaining records the part of a token's life, 0 to 1, that was left when it was replaced.
func (m *Metrics) Remaining(ratio float64) { m.remaining.Observe(ratio) }

// Failed counts a failure for a reason, which is one of the condition and event reasons.
func (m *Metrics) Failed(reason string) { m.failures.WithLabelValues(reason).Inc() }

// Failing records that an endpoint of a host began or ceased to fail.
func (m *Metrics) Failing(host string, failing bool) {
	if failing {
		m.failing.WithLabelValues(host).Inc()
		return
	}
	m.failing.WithLabelValues(host).Dec()
}

// ClockSkew records how many seconds the clock of a host is ahead of ours, or behind it if negative.
func (m *Metrics) ClockSkew(host string, seconds float64) { m.skew.WithLabelValues(host).Set(seconds) }

// Object is what is exposed about one EgainClient.
type Object struct {
	Namespace, Name string
	// Expiration and Renewal are zero if there is no token.
	Expiration, Renewal time.Time
	// Ready and Issued are the conditions Ready and TokenIssued.
	Ready, Issued bool
	// Problem is the reason of TokenIssued while that is False, else empty.
	Problem string
}

// objects collects one set of series per object from what the lister yields at the time of the scrape, so that series
// end with their object and nothing has to be kept in step.
type objects struct {
	list                                        func() iter.Seq[Object]
	expiration, renewal, ready, issued, problem *prometheus.Desc
}

// RegisterObjects registers the series per object.
func RegisterObjects(registry prometheus.Registerer, list func() iter.Seq[Object]) {
	labels := []string{"namespace", "name"}
	registry.MustRegister(&objects{
		list:       list,
		expiration: prometheus.NewDesc("egain_token_expiration_timestamp_seconds", "When the token in the target expires, in Unix time.", labels, nil),
		renewal:    prometheus.NewDesc("egain_token_renewal_timestamp_seconds", "When the token in the target is due for renewal, in Unix time.", labels, nil),
		ready:      prometheus.NewDesc("egain_client_ready", "1 while the target holds an unexpired token for the current spec (condition Ready), else 0.", labels, nil),
		issued:     prometheus.NewDesc("egain_client_token_issued", "1 while the last attempt to issue a token succeeded (condition TokenIssued), else 0.", labels, nil),
		problem:    prometheus.NewDesc("egain_client_failing", "1 while the last attempt to issue a token failed, by its reason (condition TokenIssued); else there is no series.", append(labels, "reason"), nil),
	})
}

// Describe implements prometheus.Collector.
func (o *objects) Describe(ch chan<- *prometheus.Desc) {
	ch <- o.expiration
	ch <- o.renewal
	ch <- o.ready
	ch <- o.issued
	ch <- o.problem
}

// Collect implements prometheus.Collector.
func (o *objects) Collect(ch chan<- prometheus.Metric) {
	for obj := range o.list() {
		gauge := func(d *prometheus.Desc, v float64, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{obj.Namespace, obj.Name}, more...)...)
		}
		gauge(o.ready, boolean(obj.Ready))
		gauge(o.issued, boolean(obj.Issued))
		if obj.Problem != "" {
			gauge(o.problem, 1, obj.Problem)
		}
		if !obj.Expiration.IsZero() {
			gauge(o.expiration, float64(obj.Expiration.Unix()))
		}
		if !obj.Renewal.IsZero() {
			gauge(o.renewal, float64(obj.Renewal.Unix()))
		}
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
