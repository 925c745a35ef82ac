package metrics

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/egain-operator/egain-operator/internal/status"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	m := New(registry)
	m.Rotation("RenewalDue", Success)
	m.Rotation("RenewalDue", Success)
	m.Rotation("NoToken", Failure)
	m.Request("team-a", "ai.egain.cloud", "ClientCredentials", Success, 0.3)
	m.Request("team-a", "ai.egain.cloud", "ClientCredentials", "ServerUnavailable", 11)
	m.Failed("CredentialsNotFound")
	m.Failed("CredentialsNotFound")
	m.TenantFailed("MetadataUnavailable")
	m.Remaining(0.4)
	m.Remaining(0)

	want := `
# HELP egain_client_failures_total Failures that EgainClients report, by reason, whether or not a request was sent; one that waits for a change, or for an open circuit, counts once.
# TYPE egain_client_failures_total counter
egain_client_failures_total{reason="CredentialsNotFound"} 2
# HELP egain_tenant_failures_total Failures to find the endpoints of EgainTenants, by reason, also while those that were found earlier are used; one that waits for a change counts once.
# TYPE egain_tenant_failures_total counter
egain_tenant_failures_total{reason="MetadataUnavailable"} 1
# HELP egain_token_remaining_life_ratio Part of a token's lifetime that was left when it was replaced; 0 means that it had expired.
# TYPE egain_token_remaining_life_ratio histogram
egain_token_remaining_life_ratio_bucket{le="0"} 1
egain_token_remaining_life_ratio_bucket{le="0.05"} 1
egain_token_remaining_life_ratio_bucket{le="0.1"} 1
egain_token_remaining_life_ratio_bucket{le="0.2"} 1
egain_token_remaining_life_ratio_bucket{le="0.3"} 1
egain_token_remaining_life_ratio_bucket{le="0.4"} 2
egain_token_remaining_life_ratio_bucket{le="0.5"} 2
egain_token_remaining_life_ratio_bucket{le="0.6"} 2
egain_token_remaining_life_ratio_bucket{le="0.8"} 2
egain_token_remaining_life_ratio_bucket{le="1"} 2
egain_token_remaining_life_ratio_bucket{le="+Inf"} 2
egain_token_remaining_life_ratio_sum 0.4
egain_token_remaining_life_ratio_count 2
# HELP egain_token_rotations_total Tokens replaced in their target, by cause and result (success or failure).
# TYPE egain_token_rotations_total counter
egain_token_rotations_total{cause="NoToken",result="failure"} 1
egain_token_rotations_total{cause="RenewalDue",result="success"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "egain_client_failures_total", "egain_tenant_failures_total", "egain_token_rotations_total", "egain_token_remaining_life_ratio"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "egain_token_request_duration_seconds"); n != 2 || err != nil {
		t.Errorf("%d series of requests, %v", n, err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestTheSeriesOfObjectsAreThoseOfTheSource(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	at := time.Unix(1_800_000_000, 0)
	clients := []Client{
		{Namespace: "team-a", Name: "sync", Ready: true, Issued: true, Reason: "Issued", Expiration: at, Renewal: at.Add(-time.Minute), URLs: []string{"https://ai.egain.cloud/token"}},
		{
			Namespace: "team-b", Name: "sync", Ready: true, Reason: "ServerUnavailable", Remedy: status.RemedyWait, FailingSince: at.Add(-time.Hour),
			Expiration: at, Renewal: at,
		},
		{Namespace: "team-b", Name: "off", Reason: "Suspended", Suspended: true},
		{Namespace: "team-b", Name: "new"},
	}
	tenants := []Tenant{{Name: "production", Ready: true, Applications: map[string]bool{"default": true, "other": false}}, {Name: "test", Reason: "TLSFailed", FailingSince: at}, {Name: "new"}}
	m := New(prometheus.NewRegistry())
	for host, skew := range map[string]float64{"ai.egain.cloud": -30.5, "of.nobody.any.more": 31} {
		m.ClockSkew("team-a", host, 31)
		m.ClockSkew("team-a", host, skew)
	}
	failing := map[string]int{"ai.egain.cloud": 2}
	registry.MustRegister(m.Objects(Source{
		Clients: func() iter.Seq[Client] { return slices.Values(clients) },
		Tenants: func() iter.Seq[Tenant] { return slices.Values(tenants) },
		Failing: func() map[string]int { return failing },
	}, true))

	compare(t, registry, `
egain_application_ready{application="default",tenant="production"} 1
egain_application_ready{application="other",tenant="production"} 0
egain_client_failing_since_timestamp_seconds{name="sync",namespace="team-b",reason="ServerUnavailable",remedy="wait"} 1.7999964e+09
egain_client_ready{name="new",namespace="team-b"} 0
egain_client_ready{name="off",namespace="team-b"} 0
egain_client_ready{name="sync",namespace="team-a"} 1
egain_client_ready{name="sync",namespace="team-b"} 1
egain_client_suspended{name="off",namespace="team-b"} 1
egain_client_token_issued{name="new",namespace="team-b"} 0
egain_client_token_issued{name="off",namespace="team-b"} 0
egain_client_token_issued{name="sync",namespace="team-a"} 1
egain_client_token_issued{name="sync",namespace="team-b"} 0
egain_clients{ready="false",reason="Pending"} 1
egain_clients{ready="false",reason="Suspended"} 1
egain_clients{ready="true",reason="Issued"} 1
egain_clients{ready="true",reason="ServerUnavailable"} 1
egain_endpoint_failing{host="ai.egain.cloud"} 2
egain_provider_clock_skew_seconds{host="ai.egain.cloud"} -30.5
egain_tenant_failing_since_timestamp_seconds{reason="TLSFailed",tenant="test"} 1.8e+09
egain_tenant_ready{tenant="new"} 0
egain_tenant_ready{tenant="production"} 1
egain_tenant_ready{tenant="test"} 0
egain_token_expiration_timestamp_seconds{name="sync",namespace="team-a"} 1.8e+09
egain_token_expiration_timestamp_seconds{name="sync",namespace="team-b"} 1.8e+09
egain_token_renewal_timestamp_seconds{name="sync",namespace="team-a"} 1.79999994e+09
egain_token_renewal_timestamp_seconds{name="sync",namespace="team-b"} 1.8e+09
`)
	clients, tenants, failing = clients[3:], nil, nil
	compare(t, registry, `
egain_client_ready{name="new",namespace="team-b"} 0
egain_client_token_issued{name="new",namespace="team-b"} 0
egain_clients{ready="false",reason="Pending"} 1
`)
}

func TestSeriesOfSingleClientsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	clients := []Client{{Namespace: "team-a", Name: "sync", Reason: "TLSFailed", FailingSince: time.Unix(1, 0)}, {Name: "other", Reason: "TLSFailed"}}
	registry.MustRegister(New(prometheus.NewRegistry()).Objects(Source{
		Clients: func() iter.Seq[Client] { return slices.Values(clients) },
		Tenants: func() iter.Seq[Tenant] { return slices.Values([]Tenant{{Name: "production", Ready: true}}) },
		Failing: func() map[string]int { return nil },
	}, false))
	compare(t, registry, `
egain_clients{ready="false",reason="TLSFailed"} 2
egain_tenant_ready{tenant="production"} 1
`)
}

// compare compares all series of a registry, less their help and type.
func compare(t *testing.T, registry *prometheus.Registry, want string) {
	t.Helper()
	for _, d := range Definitions() {
		series := regexp.MustCompile("(?m)^"+d.Name+"[{ ].*\n").FindAllString(want, -1)
		if len(series) == 0 {
			if n, err := testutil.GatherAndCount(registry, d.Name); n > 0 || err != nil {
				t.Errorf("%d series of %s are left, %v", n, d.Name, err)
			}
			continue
		}
		text := "# HELP " + d.Name + " " + d.Help + "\n# TYPE " + d.Name + " " + d.Type + "\n" + strings.Join(series, "")
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), d.Name); err != nil {
			t.Error(err)
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestDefinitionsAreWhatIsRegistered holds the table that documents the metrics to the collectors.
func TestDefinitionsAreWhatIsRegistered(t *testing.T) {
	t.Parallel()
	registry := &recorder{types: map[string]string{}}
	registry.MustRegister(New(registry).Objects(Source{}, true))
	want := map[string]string{}
	for _, d := range Definitions() {
		want[d.Name] = fmt.Sprintf("%s {%s} %s", d.Type, strings.Join(d.Labels, ","), d.Help)
	}
	if diff := cmp.Diff(want, registry.types); diff != "" {
		t.Errorf("-documented +registered:\n%s", diff)
	}
}

// recorder notes what is registered.
type recorder struct {
	prometheus.Registerer
	types map[string]string
}

var described = regexp.MustCompile(`fqName: "([^"]+)", help: "(.*?)", (?:unit: ".*", )?constLabels: .*variableLabels: \{([^}]*)\}`)

func (r *recorder) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		kind := gauge
		switch c.(type) {
		case *prometheus.CounterVec:
			kind = counter
		case *prometheus.HistogramVec:
			kind = histogram
		}
		descriptions := make(chan *prometheus.Desc, 20)
		c.Describe(descriptions)
		close(descriptions)
		for d := range descriptions {
			match := described.FindStringSubmatch(d.String())
			r.types[match[1]] = fmt.Sprintf("%s {%s} %s", kind, match[3], match[2])
		}
	}
}
