package controllers

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/status"
)

// measured gives the reconciler a registry of its own.
func (f *fixture) measured() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	f.r.Metrics = metrics.New(registry)
	f.r.Providers.Metrics = f.r.Metrics
	return registry
}

// counted is the sum of the counters, or the number of observations, of a metric whose labels have some values.
func (f *fixture) counted(registry *prometheus.Registry, name string, values ...string) float64 {
	f.t.Helper()
	families, err := registry.Gather()
	f.Expect(err).NotTo(gomega.HaveOccurred())
	total := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			has := func(value string) bool {
				return slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == value })
			}
			if !slices.ContainsFunc(values, func(v string) bool { return !has(v) }) {
				total += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}

func TestCountsRotationsAndRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	f.credentials()
	ec := f.client("sync")
	result := f.run(ec)
	f.Expect(f.counted(registry, "egain_token_rotations_total", "NoToken", "success")).To(gomega.Equal(1.0))
	f.Expect(f.counted(registry, "egain_token_remaining_life_ratio")).To(gomega.BeZero(), "there was nothing to replace")

	f.step(result.RequeueAfter)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503, Times: 1})
	result = f.run(ec)
	f.Expect(f.counted(registry, "egain_token_rotations_total", "RenewalDue", "failure")).To(gomega.Equal(1.0))
	f.Expect(f.counted(registry, "egain_token_request_duration_seconds", "ClientCredentials", "ServerUnavailable")).To(gomega.Equal(1.0))

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(f.counted(registry, "egain_token_rotations_total", "RenewalDue", "success")).To(gomega.Equal(1.0))
	f.Expect(f.counted(registry, "egain_token_remaining_life_ratio")).To(gomega.Equal(1.0))
	f.Expect(f.counted(registry, "egain_token_request_duration_seconds", "success")).To(gomega.Equal(2.0))

	f.run(ec)
	f.Expect(f.counted(registry, "egain_token_rotations_total")).To(gomega.Equal(3.0), "nothing was done")
}

func TestCountsFailuresThatNeverCameToARequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	failures := func(reason string) float64 { return f.counted(registry, "egain_client_failures_total", reason) }
	ec := f.client("sync")
	for range 3 {
		f.run(ec)
	}
	f.Expect(failures("CredentialsNotFound")).To(gomega.Equal(1.0), "it waits, and is looked at three times")

	f.credentials()
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})
	f.step(f.run(ec).RequeueAfter)
	f.run(ec)
	f.Expect(failures("ServerUnavailable")).To(gomega.Equal(2.0), "two requests failed")

	f.sim.ClearFaults()
	f.step(time.Minute)
	f.run(ec)
	f.Expect(f.counted(registry, "egain_client_failures_total")).To(gomega.Equal(3.0), "a success is none")
}

func TestCountsTheFailuresOfATenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	failures := func(reason string) float64 { return f.counted(registry, "egain_tenant_failures_total", reason) }
	et := f.tenant(f.byConsole, func(et *egainv1alpha1.EgainTenant) { et.Spec.CABundleRef.Name = "corp-ca" })
	for range 3 {
		f.inspect(et)
	}
	f.Expect(failures("CABundleNotFound")).To(gomega.Equal(1.0), "it waits, and is looked at three times")

	f.create(&corev1.ConfigMap{ObjectMeta: f.named("corp-ca"), Data: map[string]string{"ca.crt": string(f.sim.CABundle())}})
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})
	f.step(f.inspect(et).RequeueAfter)
	f.inspect(et)
	f.Expect(failures("MetadataUnavailable")).To(gomega.Equal(2.0), "two requests failed")

	f.sim.ClearFaults()
	f.step(time.Minute)
	f.inspect(et)
	f.Expect(f.counted(registry, "egain_tenant_failures_total")).To(gomega.Equal(3.0), "a success is none")

	f.restart()
	registry = f.measured()
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	f.Expect(failures("MetadataUnavailable")).To(gomega.Equal(1.0), "endpoints from before hide a failure from Ready only")
}

func TestCountsARotationWhoseTokenHadToBeHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	f.credentials()
	ec := f.client("sync")
	f.failApply(context.DeadlineExceeded)

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.Expect(f.counted(registry, "egain_token_rotations_total", "failure")).To(gomega.Equal(1.0))
	f.run(ec)
	f.Expect(f.counted(registry, "egain_token_rotations_total", "success")).To(gomega.Equal(1.0))
	f.Expect(f.counted(registry, "egain_token_request_duration_seconds")).To(gomega.Equal(1.0))
}

func TestYieldsWhatTheMetricsSayOfEachObject(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ready, waiting := f.client("ready"), f.client("waiting", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.CredentialsSecretRef.Name = "absent"
	})
	f.run(ready)
	f.run(waiting)

	found := map[string]metrics.Client{}
	observed := Observed(t.Context(), f.r.Cache, f.r.Providers.Gate)
	for o := range observed.Clients() {
		if o.Namespace == f.namespace {
			found[o.Name] = o
		}
	}
	f.Expect(found).To(gomega.HaveLen(2))
	f.Expect(found["ready"]).To(gomega.Equal(metrics.Client{
		Namespace: f.namespace, Name: "ready", Ready: true, Issued: true, Reason: "Issued",
		Expiration: ready.Status.Token.ExpirationTime.Time, Renewal: ready.Status.Token.RenewalTime.Time,
		URLs: []string{f.sim.Rigel().TokenURL(egainsim.Client), f.sim.Rigel().TokenURL(egainsim.Client)},
	}))
	f.Expect(found["waiting"]).To(gomega.Equal(metrics.Client{
		Namespace: f.namespace, Name: "waiting", Reason: "CredentialsNotFound", FailingSince: f.clock.Now(), Remedy: status.RemedyCreate,
		URLs: []string{f.sim.Rigel().TokenURL(egainsim.Client)},
	}))

	for range observed.Clients() {
		break // a scrape that is given up must not go on
	}
}

func TestYieldsNothingWhileTheCacheCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	observed := Observed(ctx, f.r.Cache, f.r.Providers.Gate)
	for c := range observed.Clients() {
		t.Errorf("got %v", c)
	}
	for tenant := range observed.Tenants() {
		t.Errorf("got %v", tenant)
	}
}
