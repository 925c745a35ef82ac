package controllers

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

func TestClockSkewIsReportedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	skewed := func() string {
		if c := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionClockSkewed); c != nil {
			return string(c.Status) + " " + c.Reason
		}
		return ""
	}
	renew := func(skew time.Duration) {
		f.sim.SetClockSkew(skew)
		f.step(rotation.Floor)
		f.demand(ec, f.clock.Now().String())
		f.run(ec)
		f.Expect(state(ec)).To(gomega.HavePrefix("Current: TokenValid"))
	}

	f.run(ec)
	f.Expect(skewed()).To(gomega.BeEmpty())
	renew(29 * time.Second)
	f.Expect(skewed()).To(gomega.BeEmpty())
	f.Expect(f.sent()).To(gomega.BeEmpty())

	for _, skew := range []time.Duration{30 * time.Second, 31 * time.Second, 45 * time.Second} {
		renew(skew)
		f.Expect(skewed()).To(gomega.Equal("True ClockAhead"))
	}
	same := f.unchanged(ec)
	f.run(ec)
	same()
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning ClockAhead"}))

	renew(-32 * time.Second)
	f.Expect(skewed()).To(gomega.Equal("True ClockBehind"))
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning ClockBehind"}))

	renew(0)
	f.Expect(skewed()).To(gomega.BeEmpty())
	f.Expect(f.sent()).To(gomega.BeEmpty())
}

func TestFailuresReportClockSkewToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	f.credentials()
	ec := f.client("sync")
	f.sim.SetClockSkew(-time.Hour)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
	f.Expect(reasons(f.sent())).To(gomega.ConsistOf("Warning ServerUnavailable", "Warning ClockBehind"))
	registry.MustRegister(f.r.Metrics.Objects(Observed(t.Context(), f.r.Cache, f.r.Providers.Gate), false))
	f.Expect(testutil.GatherAndCount(registry, "egain_provider_clock_skew_seconds")).To(gomega.Equal(1))

	f.Expect(admin.Delete(t.Context(), ec)).To(gomega.Succeed())
	f.Expect(testutil.GatherAndCount(registry, "egain_provider_clock_skew_seconds")).To(gomega.BeZero(), "no client uses that host any more")
}

func TestNoTokenOutlivesItselfInTheSecret(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{
		"ahead by half a minute": 30 * time.Second, "behind by half a minute": -30 * time.Second,
		"ahead by a day": 24 * time.Hour, "behind by a day": -24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.sim.SetClockSkew(skew)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			token := string(f.secret("sync").Data["access_token"])

			f.clock.SetTime(ec.Status.Token.ExpirationTime.Add(-time.Second))
			f.Expect(f.sim.Introspect(token).Active).To(gomega.BeTrue(), "a second before the operator calls it expired")
			f.Expect(ec.Status.Token.ExpirationTime.Sub(ec.Status.Token.IssueTime.Time)).To(gomega.BeNumerically("~", time.Hour, 2*time.Second))
		})
	}
}
