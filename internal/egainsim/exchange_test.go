package egainsim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	registrationID   = "okta-prod"
	providerIssuer   = "https://idp.example.com"
	providerAudience = "egain"
)

// idp is an external identity provider that is registered with a simulator.
type idp struct {
	key *ecdsa.PrivateKey
}

func newProvider(t *testing.T, w *world) *idp {
	t.Helper()
	p := &idp{key: newECKey(t)}
	if err := w.RegisterProvider(registrationID, providerIssuer, providerAudience, p.jwks()); err != nil {
		t.Fatal(err)
	}
	return p
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p *idp) jwks() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}}
}

// token is a good subject token about a subject.
func (p *idp) token(t *testing.T, subject string) string {
	t.Helper()
	return signClaims(t, p.key, "one", goodClaims(subject))
}

func goodClaims(subject string) jwt.Claims {
	return jwt.Claims{
		Issuer: providerIssuer, Subject: subject, Audience: jwt.Audience{"other", providerAudience},
		IssuedAt: jwt.NewNumericDate(start), Expiry: jwt.NewNumericDate(start.Add(10 * time.Minute)),
	}
}

func signClaims(t *testing.T, key any, keyID string, content jwt.Claims) string {
	t.Helper()
	algorithm := jose.ES256
	if _, symmetric := key.([]byte); symmetric {
		algorithm = jose.HS256
	}
	signingKey := jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}
	signer, err := jose.NewSigner(signingKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(content).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// exchange asks Rigel's users' endpoint to exchange a token, with some parameters changed.
func (w *world) exchange(t *testing.T, token string, pairs ...string) reply {
	t.Helper()
	base := rigelCredentials(
		"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", token,
		"subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "registration_id", registrationID,
	)
	return w.post(t, w.Rigel().TokenURL(egainsim.User), with(base, pairs...))
}

func TestAnExchangedTokenSaysWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	r := w.exchange(t, newProvider(t, w).token(t, "agent.smith"))
	g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
	g.Expect(r.json).To(gomega.HaveKeyWithValue("issued_token_type", "urn:ietf:params:oauth:token-type:access_token"))
}

func TestSubjectTokensThatProveNothingAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenantsWithApplicationScope()...)
	p := newProvider(t, w)
	changed := func(change func(*jwt.Claims)) string {
		content := goodClaims("agent.smith")
		change(&content)
		return signClaims(t, p.key, "one", content)
	}
	good := p.token(t, "agent.smith")
	for name, tc := range map[string]struct {
		token    string
		change   []string
		wantCode string
	}{
		"no JWT":              {"opaque", nil, "invalid_request"},
		"an unknown subject":  {p.token(t, "stranger"), nil, "invalid_request"},
		"a customer":          {p.token(t, "customer@example.com"), nil, "invalid_request"},
		"another issuer":      {changed(func(c *jwt.Claims) { c.Issuer = "https://evil.example.com" }), nil, "invalid_request"},
		"another audience":    {changed(func(c *jwt.Claims) { c.Audience = jwt.Audience{"other"} }), nil, "invalid_request"},
		"no audience":         {changed(func(c *jwt.Claims) { c.Audience = nil }), nil, "invalid_request"},
		"no expiry":           {changed(func(c *jwt.Claims) { c.Expiry = nil }), nil, "invalid_request"},
		"an expired token":    {changed(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(start) }), nil, "invalid_request"},
		"a token of tomorrow": {changed(func(c *jwt.Claims) { c.NotBefore = jwt.NewNumericDate(start.Add(2 * time.Minute)) }), nil, "invalid_request"},
		"a foreign key":       {signClaims(t, newECKey(t), "one", goodClaims("agent.smith")), nil, "invalid_request"},
		"an unknown key":      {signClaims(t, p.key, "two", goodClaims("agent.smith")), nil, "invalid_request"},
		"a shared secret":     {signClaims(t, []byte("0123456789abcdef0123456789abcdef"), "one", goodClaims("agent.smith")), nil, "invalid_request"},
		"an unknown registration": {
			good, []string{"registration_id", "okta-dev"}, "invalid_request",
		},
		"another type of token": {
			good, []string{"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request",
		},
		"a wrong secret": {
			good, []string{"client_secret", "wrong"}, "invalid_client",
		},
		"an application scope": {
			good, []string{"scope", applicationScope}, "invalid_scope",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.exchange(t, tc.token, tc.change...)
			gomega.NewWithT(t).Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), string(r.body))
		})
	}
}

func TestExternalSubjectsAreMappedToUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	p := newProvider(t, w)
	for sub, name := range map[string]string{
		"system:serviceaccount:team-a:*":    "agent.smith",
		"system:serviceaccount:team-a:sync": "agent.jones",
		"system:serviceaccount:team-a:b*":   "10002",
		"00u1":                              "agent.smith",
		"system:*":                          "stranger",
		"system:serviceaccount:*":           "stranger",
	} {
		g.Expect(w.MapSubject(sub, name)).To(gomega.Succeed())
	}
	for sub, want := range map[string]string{
		"system:serviceaccount:team-a:other":  "agent.smith",
		"system:serviceaccount:team-a:sync":   "agent.jones",
		"system:serviceaccount:team-a:backup": "agent.jones",
		"00u1":                                "agent.smith",
	} {
		r := w.exchange(t, p.token(t, sub))
		g.Expect(r.status).To(gomega.Equal(http.StatusOK), sub+": "+string(r.body))
		g.Expect(w.Introspect(r.token(t)).Subject).To(gomega.Equal(want), sub)
	}
	g.Expect(w.exchange(t, p.token(t, "system:serviceaccount:team-b:sync")).errorCode()).To(gomega.Equal("invalid_request"))
	g.Expect(w.MapSubject("*", "agent.smith")).NotTo(gomega.Succeed())
	g.Expect(w.MapSubject("00u2", "")).NotTo(gomega.Succeed())
}

func TestAProviderCanReplaceItsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	before := newProvider(t, w)
	after := newProvider(t, w)
	g.Expect(w.exchange(t, before.token(t, "agent.smith")).errorCode()).To(gomega.Equal("invalid_request"))
	g.Expect(w.exchange(t, after.token(t, "agent.smith")).status).To(gomega.Equal(http.StatusOK))
}

func TestAProviderNeedsEverythingAndPublicKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	keys := (&idp{key: newECKey(t)}).jwks()
	private := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: newECKey(t), KeyID: "one"}}}
	g.Expect(w.RegisterProvider("", providerIssuer, providerAudience, keys)).NotTo(gomega.Succeed())
	g.Expect(w.RegisterProvider("id", "", providerAudience, keys)).NotTo(gomega.Succeed())
	g.Expect(w.RegisterProvider("id", providerIssuer, "", keys)).NotTo(gomega.Succeed())
	g.Expect(w.RegisterProvider("id", providerIssuer, providerAudience, jose.JSONWebKeySet{})).NotTo(gomega.Succeed())
	g.Expect(w.RegisterProvider("id", providerIssuer, providerAudience, private)).NotTo(gomega.Succeed())
}
