package controllers

import (
	"net/url"
	"testing"
	"time"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// allow has the operator send requests to some hosts only.
func (f *fixture) allow(entries ...string) {
	f.t.Helper()
	hosts, err := transport.ParseHosts(entries)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.reach(4, transport.Options{Timeout: 5 * time.Second, AllowLoopback: true, AllowedHosts: hosts})
}

// host is the simulator's, with its port.
func (f *fixture) host() string {
	f.t.Helper()
	u, err := url.Parse(f.sim.Rigel().TokenURL(egainsim.Client))
	f.Expect(err).NotTo(gomega.HaveOccurred())
	return u.Host
}

func TestHostsThatAreNotListedGetNothing(t *testing.T) {
	t.Parallel()
	byMetadata := func(f *fixture) func(*egainv1alpha1.EgainClient) {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.Endpoints = nil
			ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
		}
	}
	referring := func(f *fixture) func(*egainv1alpha1.EgainClient) {
		f.tenant()
		return f.referring
	}
	none := func(*fixture) func(*egainv1alpha1.EgainClient) { return func(*egainv1alpha1.EgainClient) {} }
	for name, change := range map[string]func(*fixture) func(*egainv1alpha1.EgainClient){
		"a tenant in the EgainClient": none, "a tenant found by metadata": byMetadata, "an EgainTenant": referring,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", change(f))

			f.allow("*.egain.cloud")
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointRefused"))
			f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(f.host()), gomega.ContainSubstring("--allowed-hosts")))
			f.Expect(f.sim.Stats().Counts).To(gomega.BeEmpty())

			// The flag is corrected and the operator restarted, which changes no object.
			f.allow("*.egain.cloud", f.host())
			f.clock.SetTime(ec.Status.LastFailure.RetryTime.Time)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestATenantOfAHostThatIsNotListedIsNotReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	et := f.tenant()
	f.allow("*.egain.cloud")
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Failed: EndpointRefused"))
	for _, e := range et.Status.Endpoints {
		f.Expect(e).To(gomega.HaveField("TokenURL", ""), "%s has a URL that no request goes to", e.Actor)
		f.Expect(e.Message).To(gomega.ContainSubstring("--allowed-hosts"))
	}
}

func TestEndpoints_ARefusalByFlagsEndsWithinAMinuteOfARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.allow("*.egain.cloud")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointRefused"))
	f.Expect(ec.Status.LastFailure.RetryTime.Sub(f.clock.Now())).To(gomega.BeNumerically(">=", 5*time.Minute))

	f.step(2 * time.Second)
	f.restart()
	result := f.run(ec)
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", time.Minute)), "spread over a minute")
	f.Expect(f.requests()).To(gomega.BeZero())
	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestEndpoints_ARefusalEndsWithinAMinuteOfTheTenantTurningReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	et := f.tenant()
	ec := f.client("sync", f.referring)
	f.allow("*.egain.cloud")
	f.inspect(et)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointRefused"))

	f.step(2 * time.Second)
	f.allow(f.host())
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	ready := f.clock.Now()
	f.step(f.run(ec).RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.clock.Now()).To(gomega.BeTemporally("<=", ready.Add(time.Minute)))
}
