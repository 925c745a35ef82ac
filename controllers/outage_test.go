package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestAnOutageIsFoundOutByFewAndOverForAllAtOnce(t *testing.T) {
	t.Parallel()
	const clients = 20
	f := newFixture(t)
	f.credentials()
	var all []*egainv1alpha1.EgainClient
	for i := range clients {
		all = append(all, f.client(fmt.Sprintf("sync-%02d", i)))
	}
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Status: 503})

	play := f.player(all)
	play(5 * time.Second)
	for _, ec := range all {
		f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
		f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring("temporarily_unavailable"), gomega.ContainSubstring("every few seconds")),
			"who did not ask is told too, and when it is asked")
		f.Expect(ec.Status.LastFailure.RetryTime).To(gomega.BeNil())
	}
	f.Expect(f.sent()).To(gomega.HaveLen(clients), "one event for each")
	calls := f.calls()
	play(30 * time.Second)
	f.Expect(f.requests()).To(gomega.BeNumerically("<", 26), "one each two seconds for all, and those that found out")
	f.Expect(len(calls())).To(gomega.BeNumerically("<", 40), "who waits reads and writes nothing; a probe does")

	f.Expect(f.sent()).To(gomega.BeEmpty(), "that it still fails is no news")
	f.sim.ClearFaults()
	play(4 * time.Second)
	for _, ec := range all {
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	}
}

func TestAQueuedClientIsPolledRarely(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	var all []*egainv1alpha1.EgainClient
	for i := range 8 {
		ec := f.client(fmt.Sprintf("sync-%d", i))
		f.run(ec)
		all = append(all, ec)
	}
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Status: 503})
	f.step(40 * time.Minute)
	for range 2 {
		for _, ec := range all {
			f.run(ec)
		}
		f.step(5 * time.Second)
	}
	last := all[len(all)-1]
	result := f.run(last)
	f.Expect(state(last)).To(gomega.Equal("Current: TokenValid, ServerUnavailable"))
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 50*time.Second), gomega.BeNumerically("<=", time.Minute)), "it is woken")
}

func TestAChangedClientDoesNotWaitForAnEndpointThatItLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint, Tenant: egainsim.RigelTenantID}, egainsim.Fault{Status: 503})
	ec := f.client("sync")
	for range 6 {
		f.step(f.run(ec).RequeueAfter)
	}
	before := f.requests()
	f.foreign("commercial-app", map[string]string{"client_id": egainsim.CommercialClientID, "client_secret": egainsim.CommercialClientSecret})
	tenant := f.sim.Commercial()
	f.update(ec, func() {
		ec.Spec.CredentialsSecretRef.Name = "commercial-app"
		ec.Spec.Tenant.ScopePrefix = tenant.ScopePrefix()
		ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client))
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(before + 1))
}
