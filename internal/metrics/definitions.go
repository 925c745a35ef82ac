package metrics

import (
	"slices"

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

// What series there are for each EgainClient is bounded by these words.
const (
	perClient     = "1 per EgainClient"
	perToken      = "1 per EgainClient that has a token"
	perFailing    = "1 per EgainClient that fails"
	perSuspended  = "1 per EgainClient that is suspended"
	perReason     = "1 per reason that occurred"
	perTenant     = "1 per EgainTenant"
	perHost       = "1 per host of a token endpoint"
	perHostFailed = "1 per host that has failed"
)

var (
	clients = Definition{
		"egain_clients", gauge,
		"EgainClients, by whether they are Ready and the reason of TokenIssued (Pending if it has none yet).",
		[]string{"ready", "reason"},
		"1 per pair that occurs",
	}
	ready = Definition{
		"egain_client_ready", gauge,
		"1 while the target holds an unexpired token for the current spec (condition Ready), else 0.",
		[]string{"namespace", "name"},
		perClient,
	}
	issued = Definition{
		"egain_client_token_issued", gauge,
		"1 while the last attempt to issue a token succeeded (condition TokenIssued), else 0, as while suspended.",
		[]string{"namespace", "name"},
		perClient,
	}
	failingSince = Definition{
		"egain_client_failing_since_timestamp_seconds", gauge,
		"Since when attempts to issue a token fail (condition TokenIssued), in Unix time, by the reason of the last one and who can " +
			"end that (wait, create, edit, login or provider); else there is no series.",
		[]string{"namespace", "name", "reason", "remedy"},
		perFailing,
	}
	suspended = Definition{
		"egain_client_suspended", gauge,
		"1 while spec.suspend is set; else there is no series.",
		[]string{"namespace", "name"},
		perSuspended,
	}
	expiration = Definition{
		"egain_token_expiration_timestamp_seconds", gauge,
		"When the token in the target expires, in Unix time.",
		[]string{"namespace", "name"},
		perToken,
	}
	renewal = Definition{
		"egain_token_renewal_timestamp_seconds", gauge,
		"When the token in the target is due for renewal, in Unix time.",
		[]string{"namespace", "name"},
		perToken,
	}
	tenantReady = Definition{
		"egain_tenant_ready", gauge,
		"1 while the endpoints of the EgainTenant are known (condition Ready), else 0.",
		[]string{"tenant"},
		perTenant,
	}
	tenantFailingSince = Definition{
		"egain_tenant_failing_since_timestamp_seconds", gauge,
		"Since when the EgainTenant is not Ready, in Unix time, by the reason; else there is no series.",
		[]string{"tenant", "reason"},
		perTenant + " that is not Ready",
	}
	rotations = Definition{
		"egain_token_rotations_total", counter,
		"Tokens replaced in their target, by cause and result (success or failure).",
		[]string{"cause", "result"},
		"1 per pair that occurred",
	}
	failures = Definition{
		"egain_client_failures_total", counter,
		"Failures that EgainClients report, by reason, whether or not a request was sent; one that waits for a change, or for an " +
			"endpoint that others ask, counts once.",
		[]string{"reason"},
		perReason,
	}
	requests = Definition{
		"egain_token_request_duration_seconds", histogram,
		"Duration of token requests by host, flow and outcome (success, or the reason of the failure); its _count is their number.",
		[]string{"host", "flow", "outcome"},
		"14 per host, flow and outcome that occurred",
	}
	remaining = Definition{
		"egain_token_remaining_life_ratio", histogram,
		"Part of a token's life that was left when it was replaced; 0 means that it had expired.",
		nil, "13",
	}
	endpointFailing = Definition{
		"egain_endpoint_failing", gauge,
		"Endpoints of a host that are known to fail and asked by single requests only, until they recover.",
		[]string{"host"},
		perHostFailed,
	}
	skew = Definition{
		"egain_provider_clock_skew_seconds", gauge,
		"How far the clock of a token endpoint's host is ahead of the operator's, or behind it if negative, as far as its last answer makes certain.",
		[]string{"host"},
		perHost,
	}
)

// Definitions lists all metrics of the operator's own: those of objects first.
func Definitions() []Definition {
	return []Definition{
		clients, ready, issued, failingSince, suspended, expiration, renewal, tenantReady, tenantFailingSince,
		rotations, failures, requests, remaining, endpointFailing, skew,
	}
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
