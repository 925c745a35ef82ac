package controllers

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// deployed is a fixture with eGain as it really is: hosts of customers that lead to everything else.
func deployed(t *testing.T) *fixture {
	t.Helper()
	return newFixtureOf(t, slices.Concat(egainsim.DefaultTenants(), egainsim.DeploymentTenants()))
}

var addressRequests = egainsim.Match{Endpoint: egainsim.DeploymentInfoEndpoint}

// atAddress makes an EgainTenant one of which only the address is known.
func atAddress(t *egainsim.Tenant, trusted ...egainv1alpha1.HostName) func(*egainv1alpha1.EgainTenant) {
	return func(et *egainv1alpha1.EgainTenant) {
		et.Spec.Endpoints = nil
		et.Spec.URL, et.Spec.TrustedHosts = egainv1alpha1.EgainURL(t.URL()), trusted
	}
}

// secretsOf creates the credentials of a tenant's applications: egain-app, and egain-web for logins.
func (f *fixture) secretsOf(t *egainsim.Tenant) {
	f.t.Helper()
	name := map[string]string{
		egainsim.SelfServiceAddressTenantID: "selfservice", egainsim.AmericasTenantID: "americas", egainsim.EMEATenantID: "emea", egainsim.ElsewhereTenantID: "elsewhere",
	}[t.ID()]
	for _, kind := range []string{"app", "web"} {
		f.create(&corev1.Secret{ObjectMeta: f.named("egain-" + kind), StringData: map[string]string{
			"client_id": name + "-" + kind, "client_secret": name + "-" + kind + "-password",
		}})
	}
}

// call calls the API that a Secret names with the token in it.
func (f *fixture) call(secret string) int {
	f.t.Helper()
	hc, err := transport.New(transport.Options{Timeout: 10 * time.Second, AllowLoopback: true}).Client("", "", f.sim.CABundle())
	f.Expect(err).NotTo(gomega.HaveOccurred())
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.value(secret, target.KeyAPIURL)+"/core/authmgr/v3/whoami", nil)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	req.Header.Set("Authorization", f.value(secret, target.KeyAuthorization))
	resp, err := hc.Do(req)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	defer resp.Body.Close() //nolint:errcheck // nothing is asked of it
	return resp.StatusCode
}

// logInAt has agent.smith log in as kubectl egain login does for a client, and keeps the session.
func (f *fixture) logInAt(ec *egainv1alpha1.EgainClient, tenant request.Tenant, clientID, secret string) {
	f.t.Helper()
	hc, err := f.r.Providers.HTTPClient(f.t.Context(), tenant, "")
	f.Expect(err).NotTo(gomega.HaveOccurred())
	draft := request.For(ec)
	found, err := tenant.OAuth().Discover(f.t.Context(), f.r.Providers.Directory.Reader(hc), draft.Actor())
	f.Expect(err).NotTo(gomega.HaveOccurred())
	endpoints, err := draft.Resolve(tenant.OAuth(), found)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	login := oauth.Login{
		ClientID: clientID, RedirectURL: redirectURL, Scopes: draft.Address(endpoints).Scopes, State: "state", Verifier: oauth.NewVerifier(),
		Parameters: request.LoginParameters(ec),
	}
	at, err := endpoints.LoginURL(login)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	back, err := egainsim.LogIn(f.t.Context(), hc.Transport, at, egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	tok, err := f.r.Tokens.OAuth.Token(f.t.Context(), hc, oauth.Request{
		Flow: oauth.AuthorizationCode, TokenURL: endpoints.TokenURL, Credentials: oauth.Credentials{ClientID: clientID, ClientSecret: oauth.Secret(secret)},
		Session: oauth.Session{Code: oauth.Secret(back.Query().Get("code")), Verifier: login.Verifier, RedirectURL: redirectURL},
	})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.keepSession(string(tok.RefreshToken))
}

// TestEveryFlowByTheAddressAlone is the whole of it: from the address that a customer knows to a token that the API accepts.
func TestEveryFlowByTheAddressAlone(t *testing.T) {
	t.Parallel()
	for id, trusted := range map[string][]egainv1alpha1.HostName{
		egainsim.SelfServiceAddressTenantID: nil, egainsim.AmericasTenantID: nil, egainsim.EMEATenantID: nil,
		egainsim.ElsewhereTenantID: {egainsim.ElsewhereHost},
	} {
		for _, c := range flowCases {
			t.Run(id+", "+c.name, func(t *testing.T) {
				t.Parallel()
				f := deployed(t)
				tenant := f.sim.Tenant(id)
				f.secretsOf(tenant)
				f.foreignProvider().subjectToken("agent.smith")
				f.tenant(atAddress(tenant, trusted...))
				ec := f.client("sync", f.referring, func(ec *egainv1alpha1.EgainClient) {
					ec.Spec.Flow, ec.Spec.Scopes = c.flow, []egainv1alpha1.Scope{egainv1alpha1.Scope(c.scope)}
					c.setUp(ec)
				})
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
				f.Expect(f.value("sync", target.KeyAPIURL)).To(gomega.Equal(tenant.APIURL()))
				f.Expect(f.value("sync", target.KeyScope)).To(gomega.HaveSuffix(c.scope))
				f.Expect(f.call("sync")).To(gomega.Equal(http.StatusOK))
				f.Expect(f.requests()).To(gomega.Equal(1))
			})
		}
		t.Run(id+", AuthorizationCode", func(t *testing.T) {
			t.Parallel()
			f := deployed(t)
			tenant := f.sim.Tenant(id)
			f.secretsOf(tenant)
			et := f.tenant(atAddress(tenant, trusted...))
			ec := f.client("sync", f.referring, byLogin)
			web := f.secret("egain-web")
			f.logInAt(ec, request.Shared(et), string(web.Data["client_id"]), string(web.Data["client_secret"]))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
			f.Expect(f.call("sync")).To(gomega.Equal(http.StatusOK))
		})
	}
}

func TestAnonymousCustomersWithoutASecretSendPlaceholders(t *testing.T) {
	t.Parallel()
	for _, id := range []string{egainsim.SelfServiceAddressTenantID, egainsim.EMEATenantID} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := deployed(t)
			f.tenant(atAddress(f.sim.Tenant(id)))
			ec := f.client("sync", f.referring, func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Flow, ec.Spec.CredentialsSecretRef = egainv1alpha1.FlowAnonymousCustomer, nil
				ec.Spec.Scopes = []egainv1alpha1.Scope{"knowledge.portalmgr.read"}
			})
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
			f.Expect(f.call("sync")).To(gomega.Equal(http.StatusOK))
		})
	}
}

// urls are the token URLs in the status of a tenant, or the reasons in their place.
func urls(et *egainv1alpha1.EgainTenant) map[egainv1alpha1.TenantActor]string {
	all := map[egainv1alpha1.TenantActor]string{}
	for _, e := range et.Status.Endpoints {
		all[e.Actor] = e.TokenURL
		if e.Reason != "" {
			all[e.Actor] = e.Reason
		}
	}
	return all
}

func TestATenantByItsAddressShowsWhatItFound(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	tenant := f.sim.Tenant(egainsim.AmericasTenantID)
	et := f.tenant(atAddress(tenant))
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	f.Expect(et.Status.Deployment).To(gomega.Equal(&egainv1alpha1.DeploymentStatus{TenantID: tenant.ID(), DomainHint: tenant.DomainHint()}))
	f.Expect(urls(et)).To(gomega.Equal(map[egainv1alpha1.TenantActor]string{
		"Client": tenant.TokenURL(egainsim.Client), "User": tenant.TokenURL(egainsim.User), "Customer": tenant.TokenURL(egainsim.Customer),
		"AnonymousCustomer":  tenant.AnonymousTokenURL(),
		"OnBehalfOfUser":     tenant.APIURL() + "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user",
		"OnBehalfOfCustomer": tenant.APIURL() + "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=customer",
	}))
	client := et.Status.Endpoints[0]
	f.Expect(client.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceDerived))
	f.Expect(client.ScopePrefix).To(gomega.Equal("https://api.egain.cloud/auth/"))
	f.Expect(client.ScopePrefixSource).To(gomega.Equal(egainv1alpha1.EndpointSourceMetadata))

	// A restart reads everything again and writes nothing.
	same := f.unchanged(et)
	f.restart()
	f.step(time.Minute)
	f.inspect(et)
	same()
}

func TestAnIDThatTheAddressContradictsIsRefused(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	tenant := f.sim.Tenant(egainsim.SelfServiceAddressTenantID)
	f.secretsOf(tenant)
	et := f.tenant(atAddress(tenant), func(et *egainv1alpha1.EgainTenant) { et.Spec.ID = "TMPRODX" })
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Failed: TenantMismatch"))
	ec := f.client("sync", f.referring)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TenantMismatch"))
	f.Expect(f.requests()).To(gomega.BeZero())

	f.updateTenant(et, func() { et.Spec.ID = tenant.ID() })
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// TestAHostOfAnotherSiteConcernsItsActorOnly checks that a refused login host of users leaves the other actors working.
func TestAHostOfAnotherSiteConcernsItsActorOnly(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	tenant := f.sim.Tenant(egainsim.ElsewhereTenantID)
	f.secretsOf(tenant)
	f.foreignProvider().subjectToken("agent.smith")
	et := f.tenant(atAddress(tenant))
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	f.Expect(urls(et)).To(gomega.HaveKeyWithValue(egainv1alpha1.TenantActorUser, "EndpointRefused"))
	f.Expect(urls(et)).To(gomega.HaveKeyWithValue(egainv1alpha1.TenantActorClient, tenant.TokenURL(egainsim.Client)))

	app, agent := f.client("app", f.referring), f.client("agent", f.referring, exchanging)
	f.run(app)
	f.Expect(state(app)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.run(agent)
	f.Expect(state(agent)).To(gomega.Equal("Failed: NoToken, EndpointRefused"))
	f.Expect(message(agent)).To(gomega.And(gomega.ContainSubstring(egainsim.ElsewhereHost), gomega.ContainSubstring("trustedHosts")))
	f.Expect(message(agent)).NotTo(gomega.ContainSubstring("--allowed-hosts"))
	f.Expect(f.requests()).To(gomega.Equal(1))

	// The administrator lists the host: the next look finds it, without waiting for the retry.
	f.updateTenant(et, func() { et.Spec.TrustedHosts = []egainv1alpha1.HostName{egainsim.ElsewhereHost} })
	f.run(agent)
	f.Expect(state(agent)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.run(app)
	f.Expect(f.requests()).To(gomega.Equal(2), "the other client's token is the same")
}

// TestDocumentsThatAreDownCostNoToken is an outage of the documents alone, with a restart in it.
func TestDocumentsThatAreDownCostNoToken(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	tenant := f.sim.Tenant(egainsim.AmericasTenantID)
	f.secretsOf(tenant)
	et := f.tenant(atAddress(tenant))
	f.inspect(et)
	ec := f.client("sync", f.referring)
	f.run(ec)

	f.sim.SetFault(metadataRequests, egainsim.Fault{Status: 503})
	f.sim.SetFault(addressRequests, egainsim.Fault{Status: 503})
	f.step(time.Hour + time.Minute) // longer than the documents are kept without asking
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(2), "from the documents as they were")

	f.restart()
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	f.demand(ec, "now")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
	f.Expect(f.requests()).To(gomega.Equal(3), "from the status of the EgainTenant")
	f.Expect(f.value("sync", target.KeyAPIURL)).To(gomega.Equal(tenant.APIURL()))

	// A client that never had a token waits, and is served when the documents are back.
	late := f.client("late", f.referring)
	f.run(late)
	f.Expect(state(late)).To(gomega.Equal("InProgress: NoToken, MetadataUnavailable"))
	// The status of another generation must not be used.
	f.updateTenant(et, func() {
		et.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}
	})
	f.restart()
	f.demand(ec, "again")
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(3), "no status of an EgainClient says where the credentials of an EgainTenant go")
	f.Expect(state(ec)).To(gomega.HavePrefix("Current: TokenValid"), "its token is valid meanwhile")
	f.sim.ClearFaults()
	f.step(time.Minute)
	f.run(late)
	f.Expect(state(late)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestSelfServiceURLsAreNotDerivedWhileDocumentsCannotBeRead(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	tenant := f.sim.Tenant(egainsim.SelfServiceAddressTenantID)
	f.secretsOf(tenant)
	f.sim.SetFault(addressRequests, egainsim.Fault{Status: 404})
	et := f.tenant(atAddress(tenant), func(et *egainv1alpha1.EgainTenant) { et.Spec.ID = tenant.ID() })
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("InProgress: MetadataUnavailable"))
	f.Expect(et.Status.Endpoints).To(gomega.BeEmpty())
	ec := f.client("sync", f.referring)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, MetadataUnavailable"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("check that EgainTenant.spec.url is the address"))
}

func TestTheDocumentsOfATenantAreShared(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	tenant := f.sim.Tenant(egainsim.AmericasTenantID)
	f.secretsOf(tenant)
	f.tenant(atAddress(tenant))
	for _, name := range []string{"a", "b", "c"} {
		f.run(f.client(name, f.referring))
	}
	f.Expect(f.asked(egainsim.DeploymentInfoEndpoint)).To(gomega.Equal(1))
	f.Expect(f.asked(egainsim.MetadataEndpoint)).To(gomega.Equal(1))
	f.Expect(f.requests()).To(gomega.Equal(3))
}

// TestScopesOfATenantByItsAddress compares scopes with the prefix that only a document names.
func TestScopesOfATenantByItsAddress(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scope egainv1alpha1.Scope
		want  string
	}{
		"a plain name":                      {"knowledge.portalmgr.manage", "Current: TokenValid, Issued"},
		"a whole URI":                       {"https://api.egain.cloud/auth/knowledge.portalmgr.manage", "Current: TokenValid, Issued"},
		"the prefix in its other spelling":  {"api.egain.cloud/auth/knowledge.portalmgr.manage", "Current: TokenValid, Issued"},
		"another scope":                     {"core.aiservices.read", "Failed: NoToken, ScopeNotAllowed"},
		"all that the application may have": {".default", "Failed: NoToken, ScopeNotAllowed"},
		"a scope of another API":            {"https://other.example/auth/knowledge.portalmgr.manage", "Failed: NoToken, ScopeNotAllowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := deployed(t)
			tenant := f.sim.Tenant(egainsim.AmericasTenantID)
			f.secretsOf(tenant)
			et := f.tenant(atAddress(tenant), func(et *egainv1alpha1.EgainTenant) {
				et.Spec.AllowedScopes = []egainv1alpha1.ScopePattern{"https://api.egain.cloud/auth/knowledge.*"}
			})
			ec := f.client("sync", f.referring, func(ec *egainv1alpha1.EgainClient) { ec.Spec.Scopes = []egainv1alpha1.Scope{tc.scope} })
			f.run(ec) // before the EgainTenant was reconciled
			f.Expect(state(ec)).To(gomega.Equal(tc.want), message(ec))
			f.inspect(et)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal(tc.want), message(ec))
			if strings.HasPrefix(tc.want, "Failed") {
				f.Expect(f.requests()).To(gomega.BeZero())
			}
		})
	}
}

// TestAPlaceholderThatIsLeftIsSaid is what a copied example looks like.
func TestAPlaceholderThatIsLeftIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	et := f.tenant(func(et *egainv1alpha1.EgainTenant) {
		et.Spec.Endpoints.TokenURL = "https://login.egain.cloud/GATEWAY_ID/policy/oauth2/v2.0/token"
	})
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Failed: EndpointInvalid"))
	ec := f.client("sync", f.referring)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointInvalid"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("GATEWAY_ID"))
}

// TestAnUnknownMemberOfADocumentChangesNothing guards the status against what eGain may add.
func TestAnUnknownMemberOfADocumentChangesNothing(t *testing.T) {
	t.Parallel()
	f := deployed(t)
	et := f.tenant(atAddress(f.sim.Tenant(egainsim.EMEATenantID)))
	f.inspect(et)
	same := f.unchanged(et)
	f.sim.SetFault(metadataRequests, egainsim.Fault{Set: map[string]json.RawMessage{"novelty": json.RawMessage(`{"token_endpoint":1}`)}})
	f.step(time.Hour)
	f.inspect(et)
	same()
}
