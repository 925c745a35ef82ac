package egainsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// deployed is a tenant with an eGain host of its own, and its clients.
type deployed struct {
	*egainsim.Tenant
	name string
}

func (w *world) everyDeployment() []deployed {
	return []deployed{
		{w.Tenant(egainsim.SelfServiceAddressTenantID), "selfservice"},
		{w.Tenant(egainsim.AmericasTenantID), "americas"},
		{w.Tenant(egainsim.EMEATenantID), "emea"},
		{w.Tenant(egainsim.ElsewhereTenantID), "elsewhere"},
	}
}

// credentials are of the tenant's client application.
func (d deployed) credentials(pairs ...string) url.Values {
	return with(form("client_id", d.name+"-app", "client_secret", d.name+"-app-password"), pairs...)
}

// login is of a person at the web application, or at the public one.
func (d deployed) login(actor egainsim.Actor, public bool) loginCase {
	l := loginCase{
		tenant: d.Tenant, actor: actor, clientID: d.name + "-web", secret: d.name + "-web-password", username: "agent.smith",
	}
	if public {
		l.clientID, l.secret = d.name+"-spa", ""
	}
	if actor == egainsim.Customer {
		l.username = "customer@example.com"
	}
	return l
}

// hinted is an authorization request as eGain's clients make it.
func (l loginCase) hinted() url.Values { return with(l.query(), "domain_hint", l.tenant.DomainHint()) }

// accepted demands that the API at the tenant's own host accepts a token, and that of another tenant does not.
func (w *world) accepted(t *testing.T, d deployed, r reply) {
	t.Helper()
	g := gomega.NewWithT(t)
	g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
	for _, path := range []string{egainsim.PortalsPath, "/core/aiservices/v4/whoami"} {
		api := w.get(t, d.APIURL()+path, r.token(t))
		g.Expect(api.status).To(gomega.Equal(http.StatusOK), string(api.body))
		g.Expect(api.json).To(gomega.HaveKeyWithValue("tenant", d.ID()))
	}
	for _, other := range w.everyDeployment() {
		if other.name == d.name {
			continue
		}
		foreign := w.get(t, other.APIURL()+egainsim.PortalsPath, r.token(t))
		g.Expect(foreign.status).To(gomega.Equal(http.StatusUnauthorized))
		g.Expect(foreign.json).To(gomega.HaveKeyWithValue("code", "401-101"))
	}
}

func TestEveryFlowAtEveryDeploymentIssuesATokenThatItsAPIAccepts(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	p := newProvider(t, w)
	for _, d := range w.everyDeployment() {
		flows := map[string]func(t *testing.T) reply{
			"client credentials": func(t *testing.T) reply {
				t.Helper()
				return w.post(t, d.TokenURL(egainsim.Client), d.credentials("grant_type", "client_credentials",
					"scope", d.ScopeFor(egainsim.Client, "knowledge.portalmgr.manage")))
			},
			"on behalf of a user": func(t *testing.T) reply {
				t.Helper()
				return w.post(t, d.OnBehalfOfTokenURL(egainsim.User), d.credentials("grant_type", "password",
					"scope", d.Scope("knowledge.portalmgr.onbehalfof.manage"), "subject_userid", "10001"))
			},
			"on behalf of a customer": func(t *testing.T) reply {
				t.Helper()
				return w.post(t, d.OnBehalfOfTokenURL(egainsim.Customer), d.credentials("grant_type", "password",
					"scope", d.Scope("knowledge.portalmgr.onbehalfof.manage"),
					"subject_email", "customer@example.com"))
			},
			"token exchange": func(t *testing.T) reply {
				t.Helper()
				return w.post(t, d.TokenURL(egainsim.User), d.credentials(
					"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "registration_id", registrationID,
					"subject_token_type", "urn:ietf:params:oauth:token-type:access_token",
					"subject_token", p.token(t, "agent.smith"), "scope", d.ScopeFor(egainsim.User, "knowledge.portalmgr.manage")))
			},
			"an anonymous customer": func(t *testing.T) reply {
				t.Helper()
				return w.post(t, d.AnonymousTokenURL(), d.credentials("grant_type", "client_credentials",
					"scope", d.Scope("knowledge.portalmgr.read")))
			},
		}
		for _, actor := range []egainsim.Actor{egainsim.User, egainsim.Customer} {
			for application, public := range map[string]bool{"web": false, "public": true} {
				l := d.login(actor, public)
				flows["a "+string(actor)+" at the "+application+" application"] = func(t *testing.T) reply {
					t.Helper()
					first := w.redeem(t, l, l.codeForm(w.code(t, l, l.hinted())))
					return w.redeem(t, l, l.refreshForm(first.refreshToken(t), "scope", l.scope()))
				}
			}
		}
		for name, flow := range flows {
			t.Run(d.name+", "+name, func(t *testing.T) {
				t.Parallel()
				w.accepted(t, d, flow(t))
			})
		}
	}
}

func TestATokenIsForTheAPIOfItsTenant(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	for _, d := range w.everyDeployment() {
		r := w.post(t, d.TokenURL(egainsim.Client), d.credentials("grant_type", "client_credentials",
			"scope", d.ScopeFor(egainsim.Client, "core.aiservices.read")))
		read := w.readClaims(t, d.JWKSURL(egainsim.User), r.token(t))
		g := gomega.NewWithT(t)
		g.Expect(read.Audience).To(gomega.Equal(d.APIURL()))
		g.Expect(read.Expiry).To(gomega.Equal(start.Add(time.Hour).Unix()))
	}
}

func TestAScopeMustHaveThePrefixOfTheActor(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	const (
		user     = "https://acmeint.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000001/"
		customer = "https://acmeext.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000002/"
		rest     = "https://api.egain.cloud/auth/"
	)
	d := w.everyDeployment()[3]
	loginAs := func(actor egainsim.Actor) func(*testing.T, string) string {
		return func(t *testing.T, prefix string) string {
			t.Helper()
			l := d.login(actor, true)
			r := w.get(t, l.url(with(l.hinted(), "scope", prefix+"knowledge.portalmgr.read")), "")
			if r.status == http.StatusOK {
				return ""
			}
			back, err := url.Parse(r.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			return back.Query().Get("error")
		}
	}
	onBehalfOf := func(actor egainsim.Actor, subject ...string) func(*testing.T, string) string {
		return func(t *testing.T, prefix string) string {
			t.Helper()
			return w.post(t, d.OnBehalfOfTokenURL(actor), with(d.credentials("grant_type", "password",
				"scope", prefix+"core.aiservices.onbehalfof.read"), subject...)).errorCode()
		}
	}
	for name, tc := range map[string]struct {
		ask  func(t *testing.T, prefix string) string
		want string
	}{
		"a user's login":          {loginAs(egainsim.User), user},
		"a customer's login":      {loginAs(egainsim.Customer), customer},
		"on behalf of a user":     {onBehalfOf(egainsim.User, "subject_username", "agent.smith"), rest},
		"on behalf of a customer": {onBehalfOf(egainsim.Customer, "subject_email", "customer@example.com"), rest},
		"client credentials": {func(t *testing.T, prefix string) string {
			t.Helper()
			return w.post(t, d.TokenURL(egainsim.Client),
				d.credentials("grant_type", "client_credentials", "scope", prefix+".default")).errorCode()
		}, rest},
		"an anonymous customer": {func(t *testing.T, prefix string) string {
			t.Helper()
			return w.post(t, d.AnonymousTokenURL(),
				d.credentials("grant_type", "client_credentials", "scope", prefix+"knowledge.portalmgr.read")).errorCode()
		}, rest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, prefix := range []string{user, customer, rest, "api.egain.cloud/auth/", ""} {
				want := "invalid_scope"
				if prefix == tc.want {
					want = ""
				}
				gomega.NewWithT(t).Expect(tc.ask(t, prefix)).To(gomega.Equal(want), prefix)
			}
		})
	}
}

func TestALoginAtASharedGatewayNamesTheTenant(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	for _, d := range w.everyDeployment() {
		for _, actor := range []egainsim.Actor{egainsim.User, egainsim.Customer} {
			g := gomega.NewWithT(t)
			l := d.login(actor, false)
			hinted := w.get(t, l.url(l.hinted()), "")
			g.Expect(hinted.status).To(gomega.Equal(http.StatusOK), string(hinted.body))
			g.Expect(w.lastRequest().DomainHint).To(gomega.Equal(strings.ToLower(d.ID()) + ".egain.cloud"))

			unhinted := w.get(t, l.url(l.query()), "")
			g.Expect(w.lastRequest().DomainHint).To(gomega.BeEmpty())
			if d.Platform() == egainsim.Rigel {
				g.Expect(unhinted.status).To(gomega.Equal(http.StatusOK))
				continue
			}
			g.Expect(unhinted.status).To(gomega.Equal(http.StatusBadRequest))
			g.Expect(unhinted.header).NotTo(gomega.HaveKey("Location"))
			g.Expect(string(unhinted.body)).To(gomega.ContainSubstring("The gateway serves several tenants: domain_hint is missing."))
		}
	}
	g := gomega.NewWithT(t)
	l := w.everyLogin()["a user at a web application on the commercial platform"]
	g.Expect(w.get(t, l.url(l.query()), "").status).To(gomega.Equal(http.StatusOK), "its gateway serves one tenant")
}

func TestAnonymousCustomersNeedNoClientWhereTheTenantIsOpen(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	for _, d := range w.everyDeployment() {
		open := map[string]bool{"selfservice": true, "emea": true}[d.name]
		for name, placeholders := range map[string][]string{
			"placeholders":           {"client_id", "clientId", "client_secret", "clientSecret"},
			"a dummy":                {"client_id", "DUMMY_VALUE_NEEDED", "client_secret", "DUMMY_VALUE_NEEDED"},
			"anything":               {"client_id", "x", "client_secret", "y"},
			"nothing":                nil,
			"another tenant's words": {"client_id", egainsim.RigelClientID, "client_secret", "y"},
		} {
			t.Run(d.name+", "+name, func(t *testing.T) {
				t.Parallel()
				r := w.post(t, d.AnonymousTokenURL(), form(append(placeholders, "grant_type", "client_credentials",
					"scope", d.Scope("knowledge.portalmgr.read"))...))
				if open {
					w.accepted(t, d, r)
					return
				}
				gomega.NewWithT(t).Expect(r.errorCode()).To(gomega.Equal("invalid_client"))
			})
		}
	}
}

func TestATokenURLAtADeploymentIsForItsTenant(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	g := gomega.NewWithT(t)
	rigel, americas, emea := w.everyDeployment()[0], w.everyDeployment()[1], w.everyDeployment()[2]
	anonymous := form("grant_type", "client_credentials", "scope", "knowledge.portalmgr.read")
	g.Expect(w.post(t, rigel.AnonymousTokenURL(), anonymous).status).To(gomega.Equal(http.StatusOK))
	for name, hint := range map[string]string{
		"of another tenant": egainsim.RigelTenantID, "that is the placeholder": url.QueryEscape("<DOMAIN_NAME>"),
	} {
		misled := strings.Replace(rigel.AnonymousTokenURL(), "domain_hint="+rigel.ID(), "domain_hint="+hint, 1)
		g.Expect(w.post(t, misled, anonymous).errorCode()).To(gomega.Equal("invalid_request"), "a hint "+name)
	}
	asked := emea.credentials("grant_type", "password", "subject_username", "agent.smith",
		"scope", emea.ScopeFor(egainsim.User, "core.aiservices.onbehalfof.read"))
	unnamed := emea.APIURL() + "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user"
	g.Expect(w.post(t, unnamed, asked).status).To(gomega.Equal(http.StatusOK), "the host tells the tenant")
	misled := strings.Replace(emea.OnBehalfOfTokenURL(egainsim.User), emea.APIURL(), americas.APIURL(), 1)
	g.Expect(w.post(t, misled, asked).errorCode()).To(gomega.Equal("invalid_request"))
}

func TestTooManyRequestsAtTheAPIHaveEGainsCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	token := w.rigelToken(t)
	for status, code := range map[int]string{429: "429-001", 503: "503"} {
		w.ClearFaults()
		w.SetFault(egainsim.Match{Endpoint: egainsim.APIEndpoint}, egainsim.Fault{Status: status})
		r := w.get(t, w.APIURL()+egainsim.PortalsPath, token)
		g.Expect(r.status).To(gomega.Equal(status))
		g.Expect(r.json).To(gomega.And(gomega.HaveLen(2), gomega.HaveKeyWithValue("code", code),
			gomega.HaveKeyWithValue("developerMessage", gomega.Not(gomega.BeEmpty()))))
	}
}

func TestAScopeCanBeOfSeveralKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	both := "knowledge.portalmgr.manage core.aiservices.read"
	g.Expect(w.post(t, w.Rigel().TokenURL(egainsim.Client), with(rigelForm(), "scope", both)).status).To(gomega.Equal(http.StatusOK))
	r := w.redeem(t, l, l.codeForm(w.code(t, l, with(l.query(), "scope", both))))
	g.Expect(r.json).To(gomega.HaveKeyWithValue("scope", both))
	onBehalfOf := rigelCredentials("grant_type", "password", "subject_username", "agent.smith", "scope", both)
	g.Expect(w.post(t, w.Rigel().TokenURL(egainsim.User), onBehalfOf).errorCode()).To(gomega.Equal("invalid_scope"))
	document := w.get(t, w.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User), "").json
	g.Expect(document["scopes_supported"]).To(gomega.HaveLen(6), "a scope is listed once")
}
