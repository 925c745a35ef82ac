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

func TestPeopleLogInOnEveryPlatform(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, l := range w.everyLogin() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			back, err := egainsim.LogIn(t.Context(), w.http.Transport, l.url(l.query()), l.login())
			g.Expect(err).NotTo(gomega.HaveOccurred())
			g.Expect(back.Query().Get("state")).To(gomega.Equal("a state & more"))

			r := w.redeem(t, l, l.codeForm(back.Query().Get("code")))
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			g.Expect(r.header.Get("Cache-Control")).To(gomega.Equal("no-store"))
			g.Expect(r.json).To(gomega.HaveKeyWithValue("token_type", "Bearer"))
			g.Expect(r.json).To(gomega.HaveKeyWithValue("scope", l.scope()))
			g.Expect(r.json).To(gomega.HaveKeyWithValue("refresh_token", gomega.Not(gomega.BeEmpty())))
			found := w.Introspect(r.token(t))
			g.Expect(found.Subject).To(gomega.Equal(l.username))
			g.Expect(found.ClientID).To(gomega.Equal(l.clientID))
			g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, r.token(t)).status).To(gomega.Equal(http.StatusOK))
		})
	}
}

func TestTheAnswerToALoginHasTheShapeOfItsPlatform(t *testing.T) {
	t.Parallel()
	numeric := egainsim.DefaultTenants()
	numeric[1].NumericExpiresIn = true
	for name, tc := range map[string]struct {
		tenants []egainsim.TenantConfig
		login   string
		want    map[string]any
	}{
		"Rigel": {nil, "a user at a web application on Rigel", map[string]any{"expires_in": 3600.0}},
		"commercial, with numbers as strings": {nil, "a user at a web application on the commercial platform", map[string]any{
			"expires_in": "3600", "refresh_token_expires_in": "86400",
			"not_before": float64(start.Unix()), "expires_on": float64(start.Add(time.Hour).Unix()),
		}},
		"commercial, with numbers": {numeric, "a user at a web application on the commercial platform", map[string]any{
			"expires_in": 3600.0, "refresh_token_expires_in": 86400.0,
			"not_before": float64(start.Unix()), "expires_on": float64(start.Add(time.Hour).Unix()),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.tenants...)
			got := w.logIn(t, w.everyLogin()[tc.login]).json
			for _, common := range []string{"access_token", "token_type", "scope", "refresh_token"} {
				delete(got, common)
			}
			gomega.NewWithT(t).Expect(got).To(gomega.Equal(tc.want))
		})
	}
}

func TestAuthorizationRequestsOfUnknownClientsAreShownAndNotRedirected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.webLogin()
	for name, tc := range map[string]struct {
		query      string
		wantStatus int
		wantText   string
	}{
		"no client":           {with(l.query(), "client_id", "").Encode(), 400, "exactly one client_id"},
		"two clients":         {l.query().Encode() + "&client_id=x", 400, "exactly one client_id"},
		"an unknown client":   {with(l.query(), "client_id", "nobody").Encode(), 400, "client is unknown"},
		"a client elsewhere":  {with(l.query(), "client_id", egainsim.CommercialWebClientID).Encode(), 400, "client is unknown"},
		"no redirect URI":     {with(l.query(), "redirect_uri", "").Encode(), 400, "exactly one redirect_uri"},
		"two redirect URIs":   {l.query().Encode() + "&redirect_uri=x", 400, "exactly one redirect_uri"},
		"another host":        {with(l.query(), "redirect_uri", "https://evil.example.com/callback").Encode(), 400, "to the letter"},
		"another port":        {with(l.query(), "redirect_uri", "http://127.0.0.1:8766/callback").Encode(), 400, "to the letter"},
		"another path":        {with(l.query(), "redirect_uri", redirectURI+"/").Encode(), 400, "to the letter"},
		"another case":        {with(l.query(), "redirect_uri", "http://LOCALHOST:8765/callback").Encode(), 400, "to the letter"},
		"a query added":       {with(l.query(), "redirect_uri", redirectURI+"?x=y").Encode(), 400, "to the letter"},
		"a client for nobody": {with(l.query(), "client_id", egainsim.RigelClientID).Encode(), 400, "to the letter"},
		"a malformed query":   {"client_id=%zz", 400, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := w.get(t, l.tenant.AuthorizationURL(l.actor)+"?"+tc.query, "")
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus))
			g.Expect(r.header).NotTo(gomega.HaveKey("Location"))
			g.Expect(r.header.Get("Content-Type")).To(gomega.Equal("text/html; charset=utf-8"))
			g.Expect(string(r.body)).To(gomega.And(gomega.ContainSubstring(tc.wantText), gomega.ContainSubstring(`id="problem-page"`)))
		})
	}
	posted := w.post(t, l.tenant.AuthorizationURL(l.actor), l.query())
	g := gomega.NewWithT(t)
	g.Expect(posted.status).To(gomega.Equal(http.StatusMethodNotAllowed))
	g.Expect(posted.header.Get("Allow")).To(gomega.Equal("GET"))
}

func TestWhatElseIsWrongWithAnAuthorizationRequestIsTheApplicationsToHear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenantsWithApplicationScope()...)
	web, public := w.webLogin(), w.publicLogin()
	for name, tc := range map[string]struct {
		login    loginCase
		query    url.Values
		extra    string
		wantCode string
	}{
		"no response type":       {web, with(web.query(), "response_type", ""), "", "invalid_request"},
		"the implicit flow":      {web, with(web.query(), "response_type", "token"), "", "unsupported_response_type"},
		"no state":               {web, with(web.query(), "state", ""), "", "invalid_request"},
		"a parameter twice":      {web, web.query(), "&scope=x", "invalid_request"},
		"a secret":               {web, with(web.query(), "client_secret", "x"), "", "invalid_request"},
		"no scope":               {web, with(web.query(), "scope", ""), "", "invalid_scope"},
		"an unknown scope":       {web, with(web.query(), "scope", "nonsense"), "", "invalid_scope"},
		"an application scope":   {web, with(web.query(), "scope", applicationScope), "", "invalid_scope"},
		"an on-behalf-of scope":  {web, with(web.query(), "scope", "core.aiservices.onbehalfof.read"), "", "invalid_scope"},
		"a method, no challenge": {web, with(web.query(), "code_challenge", ""), "", "invalid_request"},
		"the plain method":       {web, with(web.query(), "code_challenge_method", "plain"), "", "invalid_request"},
		"no method, which means plain": {
			web, with(web.query(), "code_challenge_method", ""), "", "invalid_request",
		},
		"a challenge that is no digest": {web, with(web.query(), "code_challenge", verifier), "", "invalid_request"},
		"a challenge with padding":      {web, with(web.query(), "code_challenge", challenge()+"="), "", "invalid_request"},
		"a public client without PKCE": {
			public, with(public.query(), "code_challenge", "", "code_challenge_method", ""), "", "invalid_request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := w.get(t, tc.login.url(tc.query)+tc.extra, "")
			g.Expect(r.status).To(gomega.Equal(http.StatusFound), string(r.body))
			back, err := url.Parse(r.header.Get("Location"))
			g.Expect(err).NotTo(gomega.HaveOccurred())
			g.Expect(r.header.Get("Location")).To(gomega.HavePrefix(redirectURI + "?"))
			g.Expect(back.Query().Get("error")).To(gomega.Equal(tc.wantCode))
			g.Expect(back.Query().Get("error_description")).NotTo(gomega.BeEmpty())
			g.Expect(back.Query().Get("state")).To(gomega.Equal(tc.query.Get("state")))
			g.Expect(back.Query()).NotTo(gomega.HaveKey("code"))
		})
	}
}

func TestAScopeThatTheClientMayNotHaveIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	l.clientID = "limited"
	g.Expect(w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{
		ID: l.clientID, Secrets: []string{"word"}, RedirectURIs: []string{redirectURI}, Scopes: []string{"core.aiservices.use"},
	})).To(gomega.Succeed())
	g.Expect(w.get(t, l.url(l.query()), "").header.Get("Location")).To(gomega.ContainSubstring("error=invalid_scope"))
	g.Expect(w.get(t, l.url(with(l.query(), "scope", "core.aiservices.use")), "").status).To(gomega.Equal(http.StatusOK))
}

func TestPagesAreForThisBrowserAndThisTimeOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.webLogin()
	for name, target := range map[string]string{
		"the login page": l.url(l.query()), "a problem page": l.url(with(l.query(), "client_id", "nobody")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := w.get(t, target, "")
			g.Expect(r.header.Get("Cache-Control")).To(gomega.Equal("no-store"))
			g.Expect(r.header.Get("X-Content-Type-Options")).To(gomega.Equal("nosniff"))
			g.Expect(r.header.Get("Referrer-Policy")).To(gomega.Equal("no-referrer"))
			g.Expect(r.header.Get("Content-Security-Policy")).To(gomega.And(
				gomega.HavePrefix("default-src 'none'; style-src 'sha256-"), gomega.ContainSubstring("frame-ancestors 'none'")))
			g.Expect(strings.ToLower(string(r.body))).NotTo(gomega.ContainSubstring("<script"))
		})
	}
}

func TestEachKindOfPersonIsAskedForWhatItGoesBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for label, l := range map[string]loginCase{"User name": w.webLogin(), "Email address": w.publicLogin()} {
		r := w.get(t, l.url(l.query()), "")
		g := gomega.NewWithT(t)
		g.Expect(string(r.body)).To(gomega.ContainSubstring(`<label for="username">` + label + `</label>`))
		g.Expect(string(r.body)).To(gomega.ContainSubstring("<strong>" + l.clientID + "</strong>"))
	}
}

func TestThePageSaysWhyALoginFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gomega.NewWithT(t).Expect(w.AddSubject(egainsim.RigelTenantID,
		egainsim.Subject{Actor: egainsim.User, Username: "agent.brown"})).To(gomega.Succeed())
	users, customers := w.webLogin(), w.publicLogin()
	for name, tc := range map[string]struct {
		at       loginCase
		login    egainsim.Login
		wantText string
	}{
		"a wrong password":   {users, egainsim.Login{Username: "agent.smith", Password: "wrong"}, "name or the password is wrong"},
		"an unknown name":    {users, egainsim.Login{Username: "nobody", Password: egainsim.SubjectPassword}, "name or the password is wrong"},
		"nothing":            {users, egainsim.Login{}, "name or the password is wrong"},
		"a user without one": {users, egainsim.Login{Username: "agent.brown"}, "name or the password is wrong"},
		"a user's id":        {users, egainsim.Login{Username: "10001", Password: egainsim.SubjectPassword}, "name or the password is wrong"},
		"a customer where users log in": {
			users,
			egainsim.Login{Username: "customer@example.com", Password: egainsim.SubjectPassword},
			"You are a customer. Only a user can log in here.",
		},
		"a user where customers log in": {
			customers,
			egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword},
			"You are a user. Only a customer can log in here.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			back, err := egainsim.LogIn(t.Context(), w.http.Transport, tc.at.url(tc.at.query()), tc.login)
			g.Expect(err).To(gomega.MatchError(gomega.And(gomega.ContainSubstring("403"), gomega.ContainSubstring(tc.wantText))))
			g.Expect(back).To(gomega.BeNil())
		})
	}
}

func TestWhoDeniesSendsTheApplicationAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	login := l.login()
	login.Allow = false
	back, err := egainsim.LogIn(t.Context(), w.http.Transport, l.url(l.query()), login)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(back.Query().Get("error")).To(gomega.Equal("access_denied"))
	g.Expect(back.Query().Get("state")).To(gomega.Equal("a state & more"))
	g.Expect(back.Query()).NotTo(gomega.HaveKey("code"))
	g.Expect(w.Sessions()).To(gomega.BeEmpty())
}

func TestARedirectURIKeepsItsQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	const uri = "https://app.example.com/callback?environment=test"
	g.Expect(w.AddRedirectURI(egainsim.RigelWebClientID, uri)).To(gomega.Succeed())
	l := w.webLogin()
	back, err := egainsim.LogIn(t.Context(), w.http.Transport, l.url(with(l.query(), "redirect_uri", uri)), l.login())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(back.Host).To(gomega.Equal("app.example.com"))
	g.Expect(back.Query().Get("environment")).To(gomega.Equal("test"))
	g.Expect(back.Query().Get("code")).NotTo(gomega.BeEmpty())
}

func TestLogInSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.webLogin()
	for name, tc := range map[string]struct {
		url      string
		wantText string
	}{
		"a problem page":       {l.url(with(l.query(), "client_id", "nobody")), "The client is unknown."},
		"a page without forms": {l.tenant.MetadataURL(egainsim.OAuthMetadata, egainsim.User), "status 200"},
		"no URL":               {"https://%zz", "opening the login page"},
		"no server":            {"https://127.0.0.1:1/", "reading the page"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := egainsim.LogIn(t.Context(), w.http.Transport, tc.url, l.login())
			gomega.NewWithT(t).Expect(err).To(gomega.MatchError(gomega.ContainSubstring(tc.wantText)))
		})
	}
	g := gomega.NewWithT(t)
	back, err := egainsim.LogIn(t.Context(), w.http.Transport, l.url(with(l.query(), "state", "")), l.login())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(back.Query().Get("error")).To(gomega.Equal("invalid_request"), "an error that is redirected is the application's")
}

func TestFormsOfPagesAreHeldToTheirRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.webLogin()
	loginURL := strings.Replace(l.tenant.AuthorizationURL(l.actor), "authorize", "login", 1)
	consentURL := strings.Replace(l.tenant.AuthorizationURL(l.actor), "authorize", "consent", 1)
	customersURL := strings.Replace(l.tenant.AuthorizationURL(egainsim.Customer), "authorize", "login", 1)
	credentials := form("username", "agent.smith", "password", egainsim.SubjectPassword)
	for name, tc := range map[string]struct {
		url  string
		form url.Values
		// opened has the form bring the transaction of a login page that was opened for it.
		opened     bool
		wantStatus int
		wantText   string
	}{
		"a login of no page":             {loginURL, credentials, false, 400, "transaction is required"},
		"a login of an unknown page":     {loginURL, with(credentials, "transaction", "guess"), false, 400, "used already, or has expired"},
		"a password in the query":        {loginURL + "?password=y", credentials, true, 400, "Password belongs in the body"},
		"a login at the other endpoint":  {customersURL, credentials, true, 400, "used already, or has expired"},
		"a consent before the login":     {consentURL, form("decision", "allow"), true, 400, "used already, or has expired"},
		"a consent that decides nothing": {consentURL, form(), true, 400, "neither to allow nor to deny"},
		"a consent that decides oddly":   {consentURL, form("decision", "perhaps"), true, 400, "neither to allow nor to deny"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			sent := tc.form
			if tc.opened {
				sent = with(sent, "transaction", transactionOf(t, w.get(t, l.url(l.query()), "")))
			}
			r := w.post(t, tc.url, sent)
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus))
			g.Expect(string(r.body)).To(gomega.And(gomega.ContainSubstring(tc.wantText), gomega.ContainSubstring(`id="problem-page"`)))
		})
	}
	gomega.NewWithT(t).Expect(w.get(t, loginURL, "").status).To(gomega.Equal(http.StatusMethodNotAllowed))
}

// transactionOf is the transaction of a page's form.
func transactionOf(t *testing.T, page reply) string {
	t.Helper()
	_, rest, _ := strings.Cut(string(page.body), `name="transaction" value="`)
	transaction, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("the page has no transaction: %d %s", page.status, page.body)
	}
	return transaction
}

func TestAPageIsGoodForOneForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	loginURL := strings.Replace(l.tenant.AuthorizationURL(l.actor), "authorize", "login", 1)
	consentURL := strings.Replace(l.tenant.AuthorizationURL(l.actor), "authorize", "consent", 1)
	credentials := form("username", "agent.smith", "password", egainsim.SubjectPassword,
		"transaction", transactionOf(t, w.get(t, l.url(l.query()), "")))

	wrong := w.post(t, loginURL, with(credentials, "password", "wrong"))
	g.Expect(wrong.status).To(gomega.Equal(http.StatusForbidden))
	g.Expect(w.post(t, loginURL, credentials).status).To(gomega.Equal(http.StatusBadRequest), "the first page was used")
	consent := w.post(t, loginURL, with(credentials, "transaction", transactionOf(t, wrong)))
	g.Expect(consent.status).To(gomega.Equal(http.StatusOK))
	g.Expect(string(consent.body)).To(gomega.ContainSubstring("<li>core.aiservices.use</li>"))
	g.Expect(consent.header.Get("Content-Security-Policy")).To(gomega.ContainSubstring("form-action 'self' http://127.0.0.1:8765;"),
		"browsers hold the redirect to it too")

	allow := form("decision", "allow", "transaction", transactionOf(t, consent))
	allowed := w.post(t, consentURL, allow)
	g.Expect(allowed.status).To(gomega.Equal(http.StatusSeeOther))
	g.Expect(allowed.header.Get("Cache-Control")).To(gomega.Equal("no-store"))
	g.Expect(w.post(t, consentURL, allow).status).To(gomega.Equal(http.StatusBadRequest), "one consent, one code")

	stale := with(credentials, "transaction", transactionOf(t, w.get(t, l.url(l.query()), "")))
	w.clock.SetTime(start.Add(10 * time.Minute))
	g.Expect(w.post(t, loginURL, stale).status).To(gomega.Equal(http.StatusBadRequest), "a page expires")
}

func TestClientApplicationsAreCheckedWhenTheyAreRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, app := range map[string]egainsim.ClientApp{
		"a public one with a secret":     {ID: "x", Public: true, Secrets: []string{"word"}},
		"an unheard-of refresh token":    {ID: "x", RefreshTokens: "eternal"},
		"a relative redirect URI":        {ID: "x", RedirectURIs: []string{"/callback"}},
		"a redirect URI with a fragment": {ID: "x", RedirectURIs: []string{"https://app.example.com/#here"}},
		"a redirect URI that is none":    {ID: "x", RedirectURIs: []string{"https://%zz"}},
		"http to elsewhere":              {ID: "x", RedirectURIs: []string{"http://app.example.com/callback"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			g.Expect(w.AddClient(egainsim.RigelTenantID, app)).NotTo(gomega.Succeed())
			_, err := egainsim.New(egainsim.Config{Tenants: []egainsim.TenantConfig{
				{ID: "TM1", Platform: egainsim.Rigel, Clients: []egainsim.ClientApp{app}},
			}})
			g.Expect(err).To(gomega.HaveOccurred())
		})
	}
	g := gomega.NewWithT(t)
	g.Expect(w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{
		ID: "native", Public: true, RedirectURIs: []string{"com.example.app:/callback", "http://[::1]:1/callback"},
	})).To(gomega.Succeed())
	g.Expect(w.AddSecret("native", "word")).NotTo(gomega.Succeed(), "a public client keeps no secret")
	g.Expect(w.AddRedirectURI("native", "/callback")).NotTo(gomega.Succeed())
	g.Expect(w.AddRedirectURI("nobody", redirectURI)).NotTo(gomega.Succeed())
}
