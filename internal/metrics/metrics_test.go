package metrics

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	m := New(registry)
	m.Rotation("RenewalDue", Success)
	m.Rotation("RenewalDue", Success)
	m.Rotation("NoToken", Failure)
	m.Request("ai.egain.cloud", "ClientCredentials", Success, 0.3)
	m.Request("ai.egain.cloud", "ClientCredentials", "ServerUnavailable", 11)
	m.Failed("CredentialsNotFound")
	m.Failed("CredentialsNotFound")
	m.Remaining(0.4)
	m.Remaining(0)
	m.ClockSkew("ai.egain.cloud", 31)
	m.ClockSkew("ai.egain.cloud", -30.5)

	want := `
# HELP egain_client_failures_total Failures that EgainClients report, by reason, whether or not a request was sent; one that waits for a change counts once.
# TYPE egain_client_failures_total counter
egain_client_failures_total{reason="CredentialsNotFound"} 2
# HELP egain_provider_clock_skew_seconds How far the clock of a token endpoint's host is ahead of the operator's, or behind it if negative, as far as its last answer makes certain.
# TYPE egain_provider_clock_skew_seconds gauge
egain_provider_clock_skew_seconds{host="ai.egain.cloud"} -30.5
# HELP egain_token_remaining_life_ratio Part of a token's life that was left when it was replaced; 0 means that it had expired.
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
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "egain_client_failures_total", "egain_token_rotations_total", "egain_token_remaining_life_ratio", "egain_provider_clock_skew_seconds"); err != nil {
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

func TestTheSeriesOfObjectsAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	at := time.Unix(1_800_000_000, 0)
	objects := []Object{
		{Namespace: "team-a", Name: "sync", Ready: true, Issued: true, Expiration: at, Renewal: at.Add(-time.Minute)},
		{Namespace: "team-b", Name: "sync", Ready: true, Expiration: at, Renewal: at, Problem: "ServerUnavailable"},
		{Namespace: "team-b", Name: "waiting"},
	}
	RegisterObjects(registry, func() iter.Seq[Object] { return slices.Values(objects) })

	want := `
# HELP egain_client_failing 1 while the last attempt to issue a token failed, by its reason (condition TokenIssued); else there is no series.
# TYPE egain_client_failing gauge
egain_client_failing{name="sync",namespace="team-b",reason="ServerUnavailable"} 1
# HELP egain_client_ready 1 while the target holds an unexpired token for the current spec (condition Ready), else 0.
# TYPE egain_client_ready gauge
egain_client_ready{name="sync",namespace="team-a"} 1
egain_client_ready{name="sync",namespace="team-b"} 1
egain_client_ready{name="waiting",namespace="team-b"} 0
# HELP egain_client_token_issued 1 while the last attempt to issue a token succeeded (condition TokenIssued), else 0.
# TYPE egain_client_token_issued gauge
egain_client_token_issued{name="sync",namespace="team-a"} 1
egain_client_token_issued{name="sync",namespace="team-b"} 0
egain_client_token_issued{name="waiting",namespace="team-b"} 0
# HELP egain_token_expiration_timestamp_seconds When the token in the target expires, in Unix time.
# TYPE egain_token_expiration_timestamp_seconds gauge
egain_token_expiration_timestamp_seconds{name="sync",namespace="team-a"} 1.8e+09
egain_token_expiration_timestamp_seconds{name="sync",namespace="team-b"} 1.8e+09
# HELP egain_token_renewal_timestamp_seconds When the token in the target is due for renewal, in Unix time.
# TYPE egain_token_renewal_timestamp_seconds gauge
egain_token_renewal_timestamp_seconds{name="sync",namespace="team-a"} 1.79999994e+09
egain_token_renewal_timestamp_seconds{name="sync",namespace="team-b"} 1.8e+09
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}

	objects = objects[2:]
	if n, err := testutil.GatherAndCount(registry); n != 2 || err != nil {
		t.Errorf("%d series are left, %v: they end with their object", n, err)
	}
}
