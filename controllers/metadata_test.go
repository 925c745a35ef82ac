package controllers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// discovering leaves the endpoints to the console's metadata document.
func (f *fixture) discovering(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Tenant.Endpoints = nil
	ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
}

var metadataRequests = egainsim.Match{Endpoint: egainsim.MetadataEndpoint}

func TestWaitsForTheMetadata(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault egainsim.Fault
		says  string
	}{
		"the server is down":       {egainsim.Fault{Drop: true}, "closed the connection before its answer was complete"},
		"it answers with an error": {egainsim.Fault{Status: 503}, "HTTP 503"},
		"it answers with a page":   {egainsim.Fault{Body: egainsim.HTMLBody}, "not a JSON object"},
		"there is no such page":    {egainsim.Fault{Status: 404}, "HTTP 404"},
		"it answers at length":     {egainsim.Fault{Body: egainsim.HugeBody}, "larger than"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.sim.SetFault(metadataRequests, tc.fault)
			ec := f.client("sync", f.discovering)

			result := f.run(ec)
			f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.BeElementOf(egainv1alpha1.ReasonMetadataUnavailable, egainv1alpha1.ReasonResponseInvalid))
			f.Expect(kstatus(ec)).To(gomega.Equal("InProgress"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.says))
			f.Expect(f.requests()).To(gomega.BeZero())

			f.sim.ClearFaults()
			f.step(result.RequeueAfter)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceMetadata))
		})
	}
}

func TestClientsShareTheMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	for _, name := range []string{"a", "b"} {
		ec := f.client(name, f.discovering)
		f.run(ec)
		f.demand(ec, "again")
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	}
	f.Expect(f.asked(egainsim.MetadataEndpoint)).To(gomega.Equal(1))
	f.Expect(f.requests()).To(gomega.Equal(4))
}

func TestReadsTheMetadataAgainWhenItIsOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.discovering)
	f.step(f.run(ec).RequeueAfter)
	f.step(f.run(ec).RequeueAfter)
	f.run(ec)

	f.Expect(f.requests()).To(gomega.Equal(3))
	f.Expect(f.asked(egainsim.MetadataEndpoint)).To(gomega.Equal(2), "an hour has passed in between")
}

func TestAnOldCopyServesWhileTheMetadataCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.discovering)
	f.run(ec)
	f.sim.SetFault(metadataRequests, egainsim.Fault{Status: 503})

	f.step(24 * time.Hour)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
}

func TestNoMetadataAreAskedForWhenTheSpecSaysItAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.sim.SetFault(metadataRequests, egainsim.Fault{Drop: true})
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
	})

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceSpec))
	f.Expect(f.asked(egainsim.MetadataEndpoint)).To(gomega.BeZero())
}

func TestTheSpecWinsOverTheMetadataWhereItSaysSomething(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.discovering, func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{APIURL: "https://gateway.example.com/egain"}
	})

	f.run(ec)
	f.Expect(f.value("sync", "api_url")).To(gomega.Equal("https://gateway.example.com/egain"))
	f.Expect(ec.Status.Endpoints.APIURL).To(gomega.Equal("https://gateway.example.com/egain"))
	f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceMetadata))
}

func TestCredentialsDoNotGoToAnotherSiteThatTheMetadataName(t *testing.T) {
	t.Parallel()
	for name, tokenURL := range map[string]string{
		"another host":          `"https://collector.example.com/token"`,
		"no TLS":                `"http://localhost/token"`,
		"with a user's name":    `"https://user@localhost/token"`,
		"something like a name": `"https://localhost.example.com/token"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.sim.SetFault(metadataRequests, egainsim.Fault{Set: map[string]json.RawMessage{"token_endpoint": json.RawMessage(tokenURL)}})
			ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Tenant.Endpoints = nil
				ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))
			})

			result := f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointRefused"))
			f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 25*time.Minute))
			f.Expect(f.requests()).To(gomega.BeZero())

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointRefused"), "it is no less wrong while it waits")
		})
	}
}

func TestAMetadataDocumentThatNamesAnotherTokenEndpointIsAnEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{APIURL: egainv1alpha1.HTTPSURL(f.sim.APIURL())}
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.Client))
	})
	result := f.run(ec)
	f.Expect(ec.Status.Endpoints.Issuer).To(gomega.Equal(f.sim.Rigel().Issuer(egainsim.Client)))
	f.sent()
	moved := f.sim.Rigel().TokenURL(egainsim.Client) + "?moved=1"
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{
		"token_endpoint": json.RawMessage(`"` + moved + `"`),
	}})
	f.step(result.RequeueAfter)
	f.step(f.run(ec).RequeueAfter) // the document is kept for an hour
	f.run(ec)

	f.Expect(f.sent()).To(gomega.ContainElement(gomega.And(
		gomega.HavePrefix("Warning MetadataChanged"), gomega.ContainSubstring(moved),
	)))
}

func TestRenewsWithTheEndpointsOfTheStatusWhileOnlyTheMetadataAreDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.foreign("egain-app", map[string]string{"client_id": egainsim.CommercialClientID, "client_secret": egainsim.CommercialClientSecret})
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints = nil
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Commercial().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
	})
	due := f.run(ec).RequeueAfter
	f.Expect(ec.Status.Endpoints.ScopePrefix).To(gomega.Equal(f.sim.Commercial().ScopePrefix()))
	token := f.token("sync")
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})
	f.restart()
	f.step(due)

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.token("sync")).NotTo(gomega.Equal(token))

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.step(5 * time.Second)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenOutdated, MetadataUnavailable"), "for another request the token URL is unknown")
}
