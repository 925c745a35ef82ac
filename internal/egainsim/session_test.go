package egainsim_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// refreshToken is the refresh token of an answer.
func (r reply) refreshToken(t *testing.T) string {
	t.Helper()
	token, _ := r.json["refresh_token"].(string)
	if token == "" {
		t.Fatalf("no refresh token in the answer: %d %s", r.status, r.body)
	}
	return token
}

// refreshForm asks for another access token.
func (l loginCase) refreshForm(token string, pairs ...string) url.Values {
	base := form("grant_type", "refresh_token", "refresh_token", token, "client_id", l.clientID, "client_secret", l.secret)
	return with(base, pairs...)
}

func TestACodeIsForWhoAskedForItOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	web, public := w.webLogin(), w.publicLogin()
	gomega.NewWithT(t).Expect(w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{
		ID: "other", Secrets: []string{"word"}, RedirectURIs: []string{redirectURI},
	})).To(gomega.Succeed())
	for name, tc := range map[string]struct {
		login      loginCase
		change     []string
		wantStatus int
		wantCode   string
	}{
		"no code":                      {web, []string{"code", ""}, 400, "invalid_request"},
		"an unknown code":              {web, []string{"code", "guess"}, 400, "invalid_grant"},
		"no redirect URI":              {web, []string{"redirect_uri", ""}, 400, "invalid_request"},
		"the other redirect URI":       {web, []string{"redirect_uri", egainsim.DefaultRedirectURIs()[1]}, 400, "invalid_grant"},
		"no secret":                    {web, []string{"client_secret", ""}, 401, "invalid_client"},
		"a wrong secret":               {web, []string{"client_secret", "wrong"}, 401, "invalid_client"},
		"another client":               {web, []string{"client_id", "other", "client_secret", "word"}, 400, "invalid_grant"},
		"no verifier":                  {web, []string{"code_verifier", ""}, 400, "invalid_grant"},
		"another verifier":             {web, []string{"code_verifier", verifier + "x"}, 400, "invalid_grant"},
		"a verifier that is too short": {web, []string{"code_verifier", verifier[:42]}, 400, "invalid_request"},
		"a verifier that has a space":  {web, []string{"code_verifier", verifier + " x"}, 400, "invalid_request"},
		"a resource that is none":      {web, []string{"resource", "x"}, 400, "invalid_target"},
		"a public client's secret":     {public, []string{"client_secret", "word"}, 401, "invalid_client"},
		"a public client, no verifier": {public, []string{"code_verifier", ""}, 400, "invalid_grant"},
		"a public client, no id":       {public, []string{"client_id", ""}, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := w.redeem(t, tc.login, with(tc.login.codeForm(w.code(t, tc.login, tc.login.query())), tc.change...))
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
			g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), string(r.body))
		})
	}
}

func TestACodeIsForTheEndpointWhoseKindLoggedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	form := l.codeForm(w.code(t, l, l.query()))
	g.Expect(w.post(t, l.tenant.TokenURL(egainsim.Customer), form).errorCode()).To(gomega.Equal("invalid_grant"))
	g.Expect(w.redeem(t, l, form).status).To(gomega.Equal(http.StatusOK), "the wrong endpoint leaves it alone")
}

func TestACodeHasOneAttemptOfItsClientAndAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()

	failed := l.codeForm(w.code(t, l, l.query()))
	g.Expect(w.redeem(t, l, with(failed, "code_verifier", verifier+"x")).errorCode()).To(gomega.Equal("invalid_grant"))
	g.Expect(w.redeem(t, l, failed).errorCode()).To(gomega.Equal("invalid_grant"), "it was spent on the wrong verifier")

	late, inTime := l.codeForm(w.code(t, l, l.query())), l.codeForm(w.code(t, l, l.query()))
	w.clock.SetTime(start.Add(time.Minute - time.Nanosecond))
	g.Expect(w.redeem(t, l, inTime).status).To(gomega.Equal(http.StatusOK))
	w.clock.SetTime(start.Add(time.Minute))
	g.Expect(w.redeem(t, l, late).errorCode()).To(gomega.Equal("invalid_grant"))
}

func TestAVerifierWithoutAChallengeIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	withoutPKCE := with(l.query(), "code_challenge", "", "code_challenge_method", "")
	g.Expect(w.redeem(t, l, with(l.codeForm(w.code(t, l, withoutPKCE)), "code_verifier", "")).status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.redeem(t, l, l.codeForm(w.code(t, l, withoutPKCE))).errorCode()).To(gomega.Equal("invalid_grant"))
}

func TestACodeThatComesTwiceEndsWhatCameOfIt(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{"at once": 0, "after the code's life": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			g := gomega.NewWithT(t)
			l := w.webLogin()
			form := l.codeForm(w.code(t, l, l.query()))
			first := w.redeem(t, l, form)
			w.clock.SetTime(start.Add(later))
			g.Expect(w.redeem(t, l, form).errorCode()).To(gomega.Equal("invalid_grant"))
			g.Expect(w.Introspect(first.token(t)).Active).To(gomega.BeFalse())
			g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, first.token(t)).status).To(gomega.Equal(http.StatusUnauthorized))
			g.Expect(w.redeem(t, l, l.refreshForm(first.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))
			g.Expect(w.Sessions()).To(gomega.ConsistOf(gomega.HaveField("End", egainsim.CodeReused)))
		})
	}
}

func TestEachRefreshReplacesTheRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, l := range w.everyLogin() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			seen := map[string]bool{}
			r := w.logIn(t, l)
			for range 3 {
				g.Expect(seen).NotTo(gomega.HaveKey(r.refreshToken(t)))
				seen[r.refreshToken(t)] = true
				before := r.token(t)
				r = w.redeem(t, l, l.refreshForm(r.refreshToken(t)))
				g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("scope", l.scope()))
				g.Expect(w.Introspect(r.token(t)).Subject).To(gomega.Equal(l.username))
				g.Expect(w.Introspect(before).Active).To(gomega.BeTrue(), "a refresh leaves access tokens alone")
			}
		})
	}
}

func TestARefreshTokenThatComesTwiceEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.publicLogin()
	bystander := w.logIn(t, l)
	first := w.logIn(t, l)
	second := w.redeem(t, l, l.refreshForm(first.refreshToken(t)))
	third := w.redeem(t, l, l.refreshForm(second.refreshToken(t)))

	g.Expect(w.redeem(t, l, l.refreshForm(first.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))
	for _, member := range []reply{first, second, third} {
		g.Expect(w.Introspect(member.token(t)).Active).To(gomega.BeFalse())
		g.Expect(w.Introspect(member.refreshToken(t)).Active).To(gomega.BeFalse())
		g.Expect(w.redeem(t, l, l.refreshForm(member.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))
	}
	g.Expect(w.Sessions()).To(gomega.HaveExactElements(
		gomega.And(gomega.HaveField("End", egainsim.SessionEnd("")), gomega.HaveField("Refreshes", 0)),
		gomega.And(gomega.HaveField("End", egainsim.RefreshTokenReused), gomega.HaveField("Refreshes", 2)),
	))
	g.Expect(w.redeem(t, l, l.refreshForm(bystander.refreshToken(t))).status).To(gomega.Equal(http.StatusOK))
}

func TestOfManyWhoBringOneRefreshTokenOneIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	const clients = 10
	requests := make([]*http.Request, clients)
	refresh := l.refreshForm(w.logIn(t, l).refreshToken(t))
	for i := range requests {
		requests[i] = newForm(t, l.tenant.TokenURL(l.actor), refresh)
	}
	var all sync.WaitGroup
	for _, request := range requests {
		all.Go(func() { _, _ = w.try(request) })
	}
	all.Wait()
	refreshes := egainsim.Match{Endpoint: egainsim.TokenEndpoint, Grant: "refresh_token"}
	g.Expect(w.Count(refreshes, egainsim.OutcomeOK)).To(gomega.Equal(1))
	g.Expect(w.Count(refreshes, "invalid_grant")).To(gomega.Equal(clients - 1))
	g.Expect(w.Stats().ValidTokens).To(gomega.Equal(0))
}

func TestARefreshIsRefusedAndCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.webLogin()
	gomega.NewWithT(t).Expect(w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{ID: "other", Secrets: []string{"word"}})).To(gomega.Succeed())
	narrow := with(l.query(), "scope", "core.aiservices.use")
	for name, tc := range map[string]struct {
		actor      egainsim.Actor
		change     []string
		wantStatus int
		wantCode   string
	}{
		"no token":                {egainsim.User, []string{"refresh_token", ""}, 400, "invalid_request"},
		"an unknown token":        {egainsim.User, []string{"refresh_token", "guess"}, 400, "invalid_grant"},
		"no secret":               {egainsim.User, []string{"client_secret", ""}, 401, "invalid_client"},
		"another client":          {egainsim.User, []string{"client_id", "other", "client_secret", "word"}, 400, "invalid_grant"},
		"the customers' endpoint": {egainsim.Customer, nil, 400, "invalid_grant"},
		"a scope more":            {egainsim.User, []string{"scope", l.scope()}, 400, "invalid_scope"},
		"an unknown scope":        {egainsim.User, []string{"scope", "nonsense"}, 400, "invalid_scope"},
		"another redirect URI":    {egainsim.User, []string{"redirect_uri", egainsim.DefaultRedirectURIs()[1]}, 400, "invalid_grant"},
		"a resource that is none": {egainsim.User, []string{"resource", "x"}, 400, "invalid_target"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			token := w.redeem(t, l, l.codeForm(w.code(t, l, narrow))).refreshToken(t)
			r := w.post(t, l.tenant.TokenURL(tc.actor), l.refreshForm(token, tc.change...))
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
			g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), string(r.body))
			g.Expect(w.redeem(t, l, l.refreshForm(token)).status).To(gomega.Equal(http.StatusOK), "the token is as good as before")
		})
	}
}

func TestARefreshMayNarrowTheScopeAndWidenItAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.everyLogin()["a user at a web application on the commercial platform"]
	one := l.tenant.Scope("core.aiservices.use")
	r := w.redeem(t, l, l.refreshForm(w.logIn(t, l).refreshToken(t), "scope", one, "redirect_uri", redirectURI))
	g.Expect(r.json).To(gomega.HaveKeyWithValue("scope", one))
	g.Expect(w.Introspect(r.refreshToken(t)).Scope).To(gomega.Equal(l.scope()))
	r = w.redeem(t, l, l.refreshForm(r.refreshToken(t)))
	g.Expect(r.json).To(gomega.HaveKeyWithValue("scope", l.scope()))
}

func TestARefreshTokenLivesItsOwnLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	g.Expect(w.SetRefreshLifetime("", 2*time.Hour)).To(gomega.Succeed())
	first, unused := w.logIn(t, l), w.logIn(t, l)
	w.clock.SetTime(start.Add(2*time.Hour - time.Second))
	second := w.redeem(t, l, l.refreshForm(first.refreshToken(t)))
	g.Expect(second.status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.Introspect(first.token(t)).Active).To(gomega.BeFalse(), "its access token was for an hour")
	w.clock.SetTime(start.Add(2 * time.Hour))
	g.Expect(w.redeem(t, l, l.refreshForm(unused.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))
	g.Expect(w.redeem(t, l, l.refreshForm(second.refreshToken(t))).status).To(gomega.Equal(http.StatusOK), "a refresh begins a new life")

	g.Expect(w.SetRefreshLifetime(egainsim.RigelTenantID, time.Minute)).To(gomega.Succeed())
	brief := w.logIn(t, l)
	w.clock.SetTime(start.Add(2*time.Hour + time.Minute))
	g.Expect(w.redeem(t, l, l.refreshForm(brief.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))

	g.Expect(w.SetRefreshLifetime("", time.Millisecond)).NotTo(gomega.Succeed())
	g.Expect(w.SetRefreshLifetime("nobody", time.Minute)).NotTo(gomega.Succeed())
	_, err := egainsim.New(egainsim.Config{RefreshTokenLifetime: -time.Second})
	g.Expect(err).To(gomega.HaveOccurred())
}

func TestAClientsRefreshTokensAreAsItWasRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	register := func(t *testing.T, id string, way egainsim.RefreshTokens) loginCase {
		t.Helper()
		if err := w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{
			ID: id, Secrets: []string{"word"}, RedirectURIs: []string{redirectURI}, RefreshTokens: way,
		}); err != nil {
			t.Fatal(err)
		}
		l := w.webLogin()
		l.clientID, l.secret = id, "word"
		return l
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		g := gomega.NewWithT(t)
		r := w.logIn(t, register(t, "brief", egainsim.NoRefreshTokens))
		g.Expect(r.status).To(gomega.Equal(http.StatusOK))
		g.Expect(r.json).NotTo(gomega.HaveKey("refresh_token"))
	})
	t.Run("static", func(t *testing.T) {
		t.Parallel()
		g := gomega.NewWithT(t)
		l := register(t, "static", egainsim.StaticRefreshTokens)
		token := w.logIn(t, l).refreshToken(t)
		for range 2 {
			r := w.redeem(t, l, l.refreshForm(token))
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			g.Expect(r.json).NotTo(gomega.HaveKey("refresh_token"))
		}
	})
	t.Run("rotating", func(t *testing.T) {
		t.Parallel()
		l := register(t, "rotating", egainsim.RotatingRefreshTokens)
		w.redeem(t, l, l.refreshForm(w.logIn(t, l).refreshToken(t))).refreshToken(t)
	})
}

func TestPublicClientsLogPeopleInAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		url  string
		form url.Values
	}{
		"client credentials": {
			w.Rigel().TokenURL(egainsim.Client), form("grant_type", "client_credentials", "scope", "core.aiservices.read"),
		},
		"on behalf of a user": {
			w.Rigel().TokenURL(egainsim.User),
			form("grant_type", "password", "scope", "core.aiservices.onbehalfof.read", "subject_username", "agent.smith"),
		},
		"anonymous": {
			w.Rigel().AnonymousTokenURL(), form("grant_type", "client_credentials", "scope", "core.aiservices.read"),
		},
		"introspection": {w.Rigel().IntrospectionURL(egainsim.User), form("token", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.post(t, tc.url, with(tc.form, "client_id", egainsim.RigelPublicClientID))
			gomega.NewWithT(t).Expect(r.errorCode()).To(gomega.Equal("unauthorized_client"), string(r.body))
		})
	}
}

func TestARevokedRefreshTokenTakesItsSessionAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, l := range w.everyLogin() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			first := w.logIn(t, l)
			second := w.redeem(t, l, l.refreshForm(first.refreshToken(t)))
			target := l.tenant.RevocationURL(l.actor)
			revoke := func(token string) url.Values {
				return form("token", token, "token_type_hint", "refresh_token", "client_id", l.clientID, "client_secret", l.secret)
			}
			g.Expect(w.post(t, target, revoke(first.refreshToken(t))).status).To(gomega.Equal(http.StatusOK))
			g.Expect(w.Introspect(second.token(t)).Active).To(gomega.BeTrue(), "a token that was replaced is as revoked as can be")

			stranger := w.post(t, target, with(revoke(second.refreshToken(t)), "client_id", "nobody", "client_secret", "x"))
			g.Expect(stranger.errorCode()).To(gomega.Equal("invalid_client"))
			g.Expect(w.Introspect(second.refreshToken(t)).Active).To(gomega.BeTrue())

			g.Expect(w.post(t, target, revoke(second.refreshToken(t))).status).To(gomega.Equal(http.StatusOK))
			for _, token := range []string{first.token(t), second.token(t), second.refreshToken(t)} {
				g.Expect(w.Introspect(token).Active).To(gomega.BeFalse())
			}
			g.Expect(w.redeem(t, l, l.refreshForm(second.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))
			g.Expect(w.post(t, target, revoke(second.refreshToken(t))).status).To(gomega.Equal(http.StatusOK))
		})
	}
}

func TestARevokedAccessTokenLeavesTheLoginAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.publicLogin()
	r := w.logIn(t, l)
	g.Expect(w.post(t, l.tenant.RevocationURL(l.actor), form("token", r.token(t), "client_id", l.clientID)).status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.Introspect(r.token(t)).Active).To(gomega.BeFalse())
	g.Expect(w.redeem(t, l, l.refreshForm(r.refreshToken(t))).status).To(gomega.Equal(http.StatusOK))
}

func TestRefreshTokensOfOthersAreNotRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	token := w.logIn(t, l).refreshToken(t)
	r := w.post(t, l.tenant.RevocationURL(l.actor), rigelCredentials("token", token))
	g.Expect(r.errorCode()).To(gomega.Equal("unauthorized_client"))
	g.Expect(w.Introspect(token).Active).To(gomega.BeTrue())
}

func TestIntrospectionKnowsRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	first := w.logIn(t, l).refreshToken(t)
	ask := form("token", first, "client_id", l.clientID, "client_secret", l.secret)
	g.Expect(w.post(t, l.tenant.IntrospectionURL(l.actor), ask).json).To(gomega.Equal(map[string]any{
		"active": true, "sub": "agent.smith", "client_id": l.clientID, "scope": l.scope(), "tenant": egainsim.RigelTenantID,
		"iat": float64(start.Unix()), "exp": float64(start.Add(24 * time.Hour).Unix()),
	}))
	w.redeem(t, l, l.refreshForm(first))
	g.Expect(w.post(t, l.tenant.IntrospectionURL(l.actor), ask).json).To(gomega.Equal(map[string]any{"active": false}))
}

func TestSessionsAreListedAndEndedByTheAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	admin, ctx := newAdmin(t, w), t.Context()
	web, public := w.webLogin(), w.publicLogin()
	first := w.logIn(t, web)
	w.redeem(t, web, web.refreshForm(first.refreshToken(t)))
	second, third := w.logIn(t, public), w.logIn(t, public)

	sessions, err := admin.Sessions(ctx)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(sessions).To(gomega.Equal(w.Sessions()))
	g.Expect(sessions).To(gomega.HaveLen(3))
	g.Expect(sessions[0]).To(gomega.Equal(egainsim.Session{
		Tenant: egainsim.RigelTenantID, Actor: egainsim.User, ClientID: web.clientID, Subject: "agent.smith",
		Scope: web.scope(), StartTime: start, ExpirationTime: start.Add(24 * time.Hour), Refreshes: 1,
	}))

	g.Expect(admin.EndSessions(ctx, web.clientID, "customer@example.com")).To(gomega.Equal(0))
	g.Expect(admin.EndSessions(ctx, web.clientID, "agent.smith")).To(gomega.Equal(1))
	g.Expect(w.Introspect(first.token(t)).Active).To(gomega.BeFalse())
	g.Expect(w.Introspect(second.token(t)).Active).To(gomega.BeTrue())
	g.Expect(w.RevokeToken(second.refreshToken(t))).To(gomega.BeTrue())
	g.Expect(w.RevokeToken(second.refreshToken(t))).To(gomega.BeFalse())
	g.Expect(admin.RevokeAll(ctx, public.clientID)).To(gomega.Equal(2), "an access token and a login")
	g.Expect(w.redeem(t, public, public.refreshForm(third.refreshToken(t))).errorCode()).To(gomega.Equal("invalid_grant"))
	g.Expect(admin.EndSessions(ctx, "", "")).To(gomega.Equal(0), "they are over")
	g.Expect(w.Sessions()).To(gomega.HaveEach(gomega.HaveField("End", egainsim.SessionRevoked)))
}

func TestAnAdminClientPreparesLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	admin, ctx := newAdmin(t, w), t.Context()
	const other = "http://127.0.0.1:4711/"
	g.Expect(admin.AddRedirectURI(ctx, egainsim.RigelWebClientID, other)).To(gomega.Succeed())
	g.Expect(admin.AddRedirectURI(ctx, egainsim.RigelWebClientID, other)).To(gomega.Succeed(), "adding it again changes nothing")
	g.Expect(admin.AddRedirectURI(ctx, "nobody", other)).NotTo(gomega.Succeed())
	g.Expect(admin.SetRefreshLifetime(ctx, egainsim.RigelTenantID, time.Minute)).To(gomega.Succeed())
	g.Expect(admin.SetRefreshLifetime(ctx, "nobody", time.Minute)).NotTo(gomega.Succeed())
	l := w.webLogin()
	r := w.redeem(t, l, with(l.codeForm(w.code(t, l, with(l.query(), "redirect_uri", other))), "redirect_uri", other))
	g.Expect(w.Introspect(r.refreshToken(t)).ExpiresAt).To(gomega.Equal(start.Add(time.Minute).Unix()))
}

func TestFaultsConcernLoginsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	r := w.logIn(t, l)
	refreshes := egainsim.Match{ClientID: l.clientID, Grant: "refresh_token"}
	w.SetFault(refreshes, egainsim.Fault{Status: 503, Times: 1})
	w.SetFault(refreshes, egainsim.Fault{Omit: []string{"refresh_token"}, Times: 1})
	w.SetFault(egainsim.Match{Grant: "authorization_code"}, egainsim.Fault{Error: "invalid_grant", Times: 1})
	g.Expect(w.redeem(t, l, l.refreshForm(r.refreshToken(t))).status).To(gomega.Equal(http.StatusServiceUnavailable))
	lost := w.redeem(t, l, l.refreshForm(r.refreshToken(t)))
	g.Expect(lost.status).To(gomega.Equal(http.StatusOK), "a request that was not served costs nothing")
	g.Expect(lost.json).NotTo(gomega.HaveKey("refresh_token"))
	g.Expect(w.logIn(t, l).errorCode()).To(gomega.Equal("invalid_grant"))

	for _, endpoint := range []egainsim.Endpoint{egainsim.AuthorizationEndpoint, egainsim.LoginEndpoint, egainsim.ConsentEndpoint} {
		w.SetFault(egainsim.Match{Endpoint: endpoint, ClientID: l.clientID}, egainsim.Fault{Status: 502, Body: egainsim.HTMLBody, Times: 1})
		_, err := egainsim.LogIn(t.Context(), w.http.Transport, l.url(l.query()), l.login())
		g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("status 502")), string(endpoint))
		_, err = egainsim.LogIn(t.Context(), w.http.Transport, l.url(l.query()), l.login())
		g.Expect(err).NotTo(gomega.HaveOccurred(), "the fault was for one request to "+string(endpoint))
	}
}

func TestAnAnswerThatIsLostLosesTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	token := w.logIn(t, l).refreshToken(t)
	w.SetFault(egainsim.Match{Grant: "refresh_token"}, egainsim.Fault{Body: egainsim.TruncatedBody, Times: 1})
	_, err := w.try(newForm(t, l.tenant.TokenURL(l.actor), l.refreshForm(token)))
	g.Expect(err).To(gomega.HaveOccurred())
	g.Expect(w.redeem(t, l, l.refreshForm(token)).errorCode()).To(gomega.Equal("invalid_grant"))
}

func TestTheLogOfALoginHoldsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	l := w.webLogin()
	w.logIn(t, l)
	labels := func(endpoint egainsim.Endpoint, grant string) egainsim.Labels {
		return egainsim.Labels{Endpoint: endpoint, Tenant: egainsim.RigelTenantID, ClientID: l.clientID, Grant: grant}
	}
	base := "/system/auth/" + egainsim.RigelTenantID + "-U/oauth2/"
	g.Expect(w.Requests()).To(gomega.Equal([]egainsim.Request{
		{Time: start, Method: "GET", Path: base + "authorize", Labels: labels("authorize", ""), Status: 200, Outcome: "ok"},
		{Time: start, Method: "POST", Path: base + "login", Labels: labels("login", ""), Subject: "agent.smith", Status: 200, Outcome: "ok"},
		{Time: start, Method: "POST", Path: base + "consent", Labels: labels("consent", ""), Subject: "agent.smith", Status: 303, Outcome: "ok"},
		{Time: start, Method: "POST", Path: base + "token", Labels: labels("token", "authorization_code"), Subject: "agent.smith", Status: 200, Outcome: "ok"},
	}))
}
