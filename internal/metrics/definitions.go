package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Definition is what a collector is made from and what docs/metrics.md says of it, so that the two agree.
type Definition struct {
	// Name of the metric.
	Name string
	// Type is counter, gauge or histogram, as Prometheus calls them.
	Type string
	// Help says what is measured.
	Help string
	// Labels by which it is divided.
	Labels []string
	// Cardinality says how many series there are, in words.
	Cardinality string
}

const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

var (
	clients = Definition{
		Name: "egain_clients", Type: gauge,
		Help:   "EgainClients, by whether they are Ready and the reason of TokenIssued (Pending if it has none yet).",
		Labels: []string{"ready", "reason"}, Cardinality: "1 per pair that occurs",
	}
	ready = perClient("egain_client_ready",
		"1 while the target holds an unexpired token for the current spec (condition Ready), else 0.", "")
	issued = perClient("egain_client_token_issued",
		"1 while the last attempt to issue a token succeeded (condition TokenIssued), else 0, as while suspended.", "")
	failingSince = perClient("egain_client_failing_since_timestamp_seconds",
		"Since when attempts to issue a token fail (condition TokenIssued), in Unix time, by the reason of the last one and the remedy "+
			"(wait, create, edit, login or provider); else there is no series.", "that fails", "reason", "remedy")
	suspended = perClient("egain_client_suspended",
		"1 while spec.suspend is set; else there is no series.", "that is suspended")
	expiration = perClient("egain_token_expiration_timestamp_seconds",
		"When the token in the target expires, in Unix time.", "that has a token")
	renewal = perClient("egain_token_renewal_timestamp_seconds",
		"When the token in the target is due for renewal, in Unix time.", "that has a token")

	tenantReady = Definition{
		Name: "egain_tenant_ready", Type: gauge,
		Help:   "1 while the endpoints of the EgainTenant are known (condition Ready), else 0.",
		Labels: []string{"tenant"}, Cardinality: "1 per EgainTenant",
	}
	tenantFailingSince = Definition{
		Name: "egain_tenant_failing_since_timestamp_seconds", Type: gauge,
		Help:   "Since when the EgainTenant is not Ready, in Unix time, by the reason; else there is no series.",
		Labels: []string{"tenant", "reason"}, Cardinality: "1 per EgainTenant that is not Ready",
	}
	applicationReady = Definition{
		Name: "egain_application_ready", Type: gauge,
		Help:   "0 while eGain refuses the credentials of an application of the EgainTenant, or they cannot be read (status.applications), else 1.",
		Labels: []string{"tenant", "application"}, Cardinality: "1 per application, at most 32 per EgainTenant",
	}
	rotations = Definition{
		Name: "egain_token_rotations_total", Type: counter,
		Help:   "Tokens replaced in their target, by cause and result (success or failure).",
		Labels: []string{"cause", "result"}, Cardinality: "1 per pair that occurred",
	}
	failures = Definition{
		Name: "egain_client_failures_total", Type: counter,
		Help: "Failures that EgainClients report, by reason, whether or not a request was sent; one that waits for a change, or for an " +
			"open circuit, counts once.",
		Labels: []string{"reason"}, Cardinality: "1 per reason that occurred",
	}
	tenantFailures = Definition{
		Name: "egain_tenant_failures_total", Type: counter,
		Help: "Failures to find the endpoints of EgainTenants, by reason, also while those that were found earlier are used; one that " +
			"waits for a change counts once.",
		Labels: []string{"reason"}, Cardinality: "1 per reason that occurred",
	}
	namespaceUnreadable = Definition{
		Name: "egain_namespace_unreadable", Type: gauge,
		Help:   "1 while the operator may not read a namespace of --watch-namespaces, whose EgainClients get no tokens then; else there is no series.",
		Labels: []string{"namespace"}, Cardinality: "1 per namespace that cannot be read",
	}
	requests = Definition{
		Name: "egain_token_request_duration_seconds", Type: histogram,
		Help:   "Duration of token requests by host, flow and outcome (success, or the reason of the failure); its _count is their number.",
		Labels: []string{"host", "flow", "outcome"}, Cardinality: "14 per host, flow and outcome that occurred; at most 257 hosts, of which one namespace brings 16",
	}
	remaining = Definition{
		Name: "egain_token_remaining_life_ratio", Type: histogram,
		Help:        "Part of a token's lifetime that was left when it was replaced; 0 means that it had expired.",
		Cardinality: "13",
	}
	endpointFailing = Definition{
		Name: "egain_endpoint_failing", Type: gauge,
		Help: "Endpoints of a host with an open circuit: they fail and are probed by single requests, until one succeeds or no client has " +
			"used them for 15 minutes; else there is no series.",
		Labels: []string{"host"}, Cardinality: "1 per host that fails, at most 257",
	}
	skew = Definition{
		Name: "egain_provider_clock_skew_seconds", Type: gauge,
		Help: "Seconds by which the clock of a token endpoint's host is ahead of the operator's, or behind it if negative, as its last answer proves; " +
			"once no EgainClient uses the host, there is no series.",
		Labels: []string{"host"}, Cardinality: "1 per host of a token endpoint, at most 256",
	}
)

// perClient defines a gauge that each EgainClient has, or each of which something holds, as "that fails"; one for each value of further
// labels.
func perClient(name, help, which string, labels ...string) Definition {
	return Definition{
		Name: name, Type: gauge, Help: help, Labels: append([]string{"namespace", "name"}, labels...),
		Cardinality: strings.TrimSpace("1 per EgainClient " + which),
	}
}

// Definitions lists all metrics of the operator's own: those of objects first.
func Definitions() []Definition {
	return slices.Concat([]Definition{clients}, PerClient(), []Definition{
		tenantReady, tenantFailingSince, applicationReady, rotations, failures, tenantFailures, namespaceUnreadable, requests, remaining, endpointFailing, skew,
	})
}

// PerClient lists the definitions of series that single EgainClients have, which can be turned off.
func PerClient() []Definition {
	return []Definition{ready, issued, failingSince, suspended, expiration, renewal}
}

func (d Definition) counter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func (d Definition) gauge() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func (d Definition) histogram(buckets ...float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: buckets}, d.Labels)
}

func (d Definition) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.Name, d.Help, slices.Clone(d.Labels), nil)
}
