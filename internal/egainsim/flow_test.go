package egainsim_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// claims are those of an access token.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	ID       string `json:"jti"`
}

// readClaims verifies a token with the keys that are served at a URL.
func (w *world) readClaims(t *testing.T, keysURL, token string) claims {
	t.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(w.get(t, keysURL, "").body, &keys); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var read claims
	if err := parsed.Claims(keys, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestEveryFlowIssuesATokenThatTheAPIAccepts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	idp := newProvider(t, w)
	rigel, commercial := w.Rigel(), w.Commercial()
	exchange := []string{
		"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "registration_id", registrationID,
		"subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "subject_token",
	}
	const prefix = egainsim.DefaultScopePrefix
	for name, tc := range map[string]struct {
		tenant     *egainsim.Tenant
		url        string
		form       url.Values
		wantIssuer egainsim.Actor
		wantSub    string
		wantClient string
		wantScope  string
	}{
		"client credentials on Rigel": {
			rigel, rigel.TokenURL(egainsim.Client),
			rigelCredentials("grant_type", "client_credentials", "scope", "knowledge.portalmgr.manage core.aiservices.read"),
			egainsim.Client, egainsim.RigelClientID, egainsim.RigelClientID,
			"knowledge.portalmgr.manage core.aiservices.read",
		},
		"an anonymous customer on Rigel, without credentials": {
			rigel, rigel.AnonymousTokenURL(), form("grant_type", "client_credentials", "scope", "knowledge.portalmgr.read"),
			egainsim.Customer, "anonymous", "anonymous", "knowledge.portalmgr.read",
		},
		"an anonymous customer on Rigel, with placeholders": {
			rigel, rigel.AnonymousTokenURL(),
			form("grant_type", "client_credentials", "scope", "knowledge.portalmgr.read", "client_id", "x", "client_secret", "y"),
			egainsim.Customer, "anonymous", "anonymous", "knowledge.portalmgr.read",
		},
		"an anonymous customer on Rigel, with real credentials": {
			rigel, rigel.AnonymousTokenURL(),
			rigelCredentials("grant_type", "client_credentials", "scope", "knowledge.portalmgr.manage"),
			egainsim.Customer, "anonymous", egainsim.RigelClientID, "knowledge.portalmgr.manage",
		},
		"on behalf of a user by name on Rigel": {
			rigel, rigel.OnBehalfOfTokenURL(egainsim.User),
			rigelCredentials("grant_type", "password", "scope", "knowledge.portalmgr.onbehalfof.manage",
				"subject_username", "agent.smith"),
			egainsim.User, "agent.smith", egainsim.RigelClientID, "knowledge.portalmgr.onbehalfof.manage",
		},
		"on behalf of a user by id on Rigel": {
			rigel, rigel.OnBehalfOfTokenURL(egainsim.User),
			rigelCredentials("grant_type", "password", "scope", "knowledge.portalmgr.onbehalfof.manage",
				"subject_userid", "10002"),
			egainsim.User, "agent.jones", egainsim.RigelClientID, "knowledge.portalmgr.onbehalfof.manage",
		},
		"on behalf of a customer on Rigel": {
			rigel, rigel.OnBehalfOfTokenURL(egainsim.Customer),
			rigelCredentials("grant_type", "password", "scope", "knowledge.portalmgr.onbehalfof.manage",
				"subject_email", "customer@example.com"),
			egainsim.Customer, "customer@example.com", egainsim.RigelClientID, "knowledge.portalmgr.onbehalfof.manage",
		},
		"token exchange for a user on Rigel": {
			rigel, rigel.TokenURL(egainsim.User),
			rigelCredentials(append(exchange, idp.token(t, "agent.smith"), "scope", "knowledge.portalmgr.read")...),
			egainsim.User, "agent.smith", egainsim.RigelClientID, "knowledge.portalmgr.read",
		},
		"token exchange for a customer on Rigel, without a scope": {
			rigel, rigel.TokenURL(egainsim.Customer),
			rigelCredentials(append(exchange, idp.token(t, "customer@example.com"))...),
			egainsim.Customer, "customer@example.com", egainsim.RigelClientID,
			"knowledge.portalmgr.read core.aiservices.use knowledge.portalmgr.manage core.aiservices.read",
		},
		"client credentials on commercial": {
			commercial, commercial.TokenURL(egainsim.Client),
			commercialCredentials("grant_type", "client_credentials", "scope", prefix+"knowledge.portalmgr.manage"),
			egainsim.Client, egainsim.CommercialClientID, egainsim.CommercialClientID, prefix + "knowledge.portalmgr.manage",
		},
		"client credentials on commercial, for every scope": {
			commercial, commercial.TokenURL(egainsim.Client),
			commercialCredentials("grant_type", "client_credentials", "scope", prefix+".default"),
			egainsim.Client, egainsim.CommercialClientID, egainsim.CommercialClientID,
			prefix + "knowledge.portalmgr.manage " + prefix + "core.aiservices.read",
		},
		"an anonymous customer on commercial": {
			commercial, commercial.AnonymousTokenURL(),
			commercialCredentials("grant_type", "client_credentials", "scope", prefix+"knowledge.portalmgr.read"),
			egainsim.Customer, "anonymous", egainsim.CommercialClientID, prefix + "knowledge.portalmgr.read",
		},
		"an anonymous customer on commercial, without a hint": {
			commercial, w.LoginURL() + "/internal/oauth2/v2.0/anonymous/token?user_type=customer",
			commercialCredentials("grant_type", "client_credentials", "scope", prefix+"knowledge.portalmgr.read"),
			egainsim.Customer, "anonymous", egainsim.CommercialClientID, prefix + "knowledge.portalmgr.read",
		},
		"on behalf of a user on commercial": {
			commercial, commercial.OnBehalfOfTokenURL(egainsim.User),
			commercialCredentials("grant_type", "password", "scope", prefix+"knowledge.portalmgr.onbehalfof.manage",
				"subject_username", "agent.smith"),
			egainsim.User, "agent.smith", egainsim.CommercialClientID, prefix + "knowledge.portalmgr.onbehalfof.manage",
		},
		"on behalf of a customer on commercial, without the tenant": {
			commercial, w.APIURL() + "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=customer",
			commercialCredentials("grant_type", "password", "scope", prefix+"knowledge.portalmgr.onbehalfof.manage",
				"subject_email", "customer@example.com"),
			egainsim.Customer, "customer@example.com", egainsim.CommercialClientID,
			prefix + "knowledge.portalmgr.onbehalfof.manage",
		},
		"token exchange for a user on commercial": {
			commercial, commercial.TokenURL(egainsim.User),
			commercialCredentials(append(exchange, idp.token(t, "agent.jones"), "scope", prefix+"knowledge.portalmgr.read")...),
			egainsim.User, "agent.jones", egainsim.CommercialClientID, prefix + "knowledge.portalmgr.read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)

			r := w.post(t, tc.url, tc.form)
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			g.Expect(r.header.Get("Cache-Control")).To(gomega.Equal("no-store"))
			g.Expect(r.json).To(gomega.HaveKeyWithValue("token_type", "Bearer"))
			g.Expect(r.json).To(gomega.HaveKeyWithValue("scope", tc.wantScope))

			read := w.readClaims(t, tc.tenant.JWKSURL(tc.wantIssuer), r.token(t))
			g.Expect(read.ID).NotTo(gomega.BeEmpty())
			g.Expect(cmp.Diff(read, claims{
				Issuer: tc.tenant.Issuer(tc.wantIssuer), Subject: tc.wantSub, Audience: w.APIURL(), ClientID: tc.wantClient,
				Scope: tc.wantScope, IssuedAt: start.Unix(), Expiry: start.Add(time.Hour).Unix(), ID: read.ID,
			})).To(gomega.BeEmpty())

			g.Expect(w.Introspect(r.token(t))).To(gomega.Equal(egainsim.Introspection{
				Active: true, Subject: tc.wantSub, ClientID: tc.wantClient, Scope: tc.wantScope, TokenType: "Bearer",
				IssuedAt: start.Unix(), ExpiresAt: start.Add(time.Hour).Unix(), Tenant: tc.tenant.ID(),
			}))

			api := w.get(t, w.APIURL()+egainsim.PortalsPath, r.token(t))
			g.Expect(api.status).To(gomega.Equal(http.StatusOK), string(api.body))
			g.Expect(api.json).To(gomega.HaveKeyWithValue("subject", tc.wantSub))
			g.Expect(api.json).To(gomega.HaveKeyWithValue("scope", tc.wantScope))
		})
	}
}

func TestResponsesAreShapedAsThePlatformHasThem(t *testing.T) {
	t.Parallel()
	numeric := egainsim.TenantConfig{
		ID: "TMNUMERIC", Platform: egainsim.Commercial, GatewayID: "gateway-2", NumericExpiresIn: true,
		ScopePrefix: "other.example/", Clients: []egainsim.ClientApp{{ID: "app", Secrets: []string{"word"}}},
	}
	w := newWorld(t, append(egainsim.DefaultTenants(), numeric)...)
	commercial := map[string]any{"not_before": float64(start.Unix()), "expires_on": float64(start.Add(time.Hour).Unix())}
	for name, tc := range map[string]struct {
		url   string
		form  url.Values
		want  map[string]any
		extra map[string]any
	}{
		"Rigel sends a number": {
			w.Rigel().TokenURL(egainsim.Client), rigelForm(), map[string]any{"expires_in": float64(3600)}, nil,
		},
		"commercial sends a string": {
			w.Commercial().TokenURL(egainsim.Client),
			commercialCredentials("grant_type", "client_credentials", "scope", w.Commercial().Scope("core.aiservices.read")),
			map[string]any{"expires_in": "3600"},
			commercial,
		},
		"commercial sends a number if told so": {
			w.Tenant("TMNUMERIC").TokenURL(egainsim.Client),
			form("client_id", "app", "client_secret", "word", "grant_type", "client_credentials",
				"scope", "other.example/core.aiservices.read"),
			map[string]any{"expires_in": float64(3600)},
			commercial,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := w.post(t, tc.url, tc.form)
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			want := map[string]any{
				"access_token": r.json["access_token"], "token_type": "Bearer", "scope": tc.form.Get("scope"),
			}
			for _, members := range []map[string]any{tc.want, tc.extra} {
				maps.Copy(want, members)
			}
			g.Expect(cmp.Diff(r.json, want)).To(gomega.BeEmpty())
		})
	}
}

func TestTheAudienceIsWhatTheClientAsksFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	target, keys := w.Rigel().TokenURL(egainsim.Client), w.Rigel().JWKSURL(egainsim.User)

	byResource := w.post(t, target, with(rigelForm(), "resource", "https://api.example.com/"))
	g.Expect(w.readClaims(t, keys, byResource.token(t)).Audience).To(gomega.Equal("https://api.example.com/"))

	byAudience := w.post(t, target, with(rigelForm(), "audience", "reports"))
	g.Expect(w.readClaims(t, keys, byAudience.token(t)).Audience).To(gomega.Equal("reports"))

	refused := w.post(t, target, with(rigelForm(), "resource", "reports"))
	g.Expect(refused.status).To(gomega.Equal(http.StatusBadRequest))
	g.Expect(refused.errorCode()).To(gomega.Equal("invalid_target"))
}

func TestLifetimesCanBeSetAtRunTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)

	g.Expect(w.SetLifetime(90 * time.Second)).To(gomega.Succeed())
	g.Expect(w.SetTenantLifetime(egainsim.CommercialTenantID, 15*time.Second)).To(gomega.Succeed())

	rigel := w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
	g.Expect(rigel.json).To(gomega.HaveKeyWithValue("expires_in", float64(90)))
	commercial := w.post(t, w.Commercial().TokenURL(egainsim.Client), commercialCredentials(
		"grant_type", "client_credentials", "scope", w.Commercial().Scope(".default")))
	g.Expect(commercial.json).To(gomega.HaveKeyWithValue("expires_in", "15"))

	g.Expect(w.SetLifetime(0)).NotTo(gomega.Succeed())
	g.Expect(w.SetLifetime(100 * time.Millisecond)).NotTo(gomega.Succeed())
	g.Expect(w.SetTenantLifetime("nobody", time.Minute)).NotTo(gomega.Succeed())
}

func TestATokenLivesAsLongAsExpiresInPromises(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	g.Expect(w.SetLifetime(10 * time.Second)).To(gomega.Succeed())
	w.clock.SetTime(start.Add(900 * time.Millisecond))
	token := w.rigelToken(t)

	w.clock.SetTime(start.Add(10*time.Second + 899*time.Millisecond))
	g.Expect(w.Introspect(token).Active).To(gomega.BeTrue())
	w.clock.SetTime(start.Add(11 * time.Second))
	g.Expect(w.Introspect(token).Active).To(gomega.BeFalse())
}

func BenchmarkClientCredentials(b *testing.B) {
	sim, err := egainsim.New(egainsim.Config{})
	if err != nil {
		b.Fatal(err)
	}
	target, body := sim.Rigel().TokenURL(egainsim.Client), rigelForm().Encode()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, target, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			if sim.ServeHTTP(answer, request); answer.Code != http.StatusOK {
				b.Error(answer.Body.String())
				return
			}
		}
	})
}
