package controllers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// identityProvider issues the foreign tokens of token exchanges.
type identityProvider struct {
	f   *fixture
	key *ecdsa.PrivateKey
}

// foreignProvider registers an identity provider with the simulator.
func (f *fixture) foreignProvider() *identityProvider {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}}
	f.Expect(f.sim.RegisterProvider("okta-prod", "https://idp.example.com", "egain", keys)).To(gomega.Succeed())
	return &identityProvider{f: f, key: key}
}

// token about a subject lives for a day.
func (p *identityProvider) token(subject string) string {
	p.f.t.Helper()
	now := p.f.clock.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "one"}}, nil)
	p.f.Expect(err).NotTo(gomega.HaveOccurred())
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "https://idp.example.com", Audience: jwt.Audience{"egain"}, Subject: subject, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(24 * time.Hour)),
	}).Serialize()
	p.f.Expect(err).NotTo(gomega.HaveOccurred())
	return token
}

// subjectToken puts a foreign token into a Secret.
func (p *identityProvider) subjectToken(subject string) *corev1.Secret {
	p.f.t.Helper()
	secret := &corev1.Secret{ObjectMeta: p.f.named("okta-token"), StringData: map[string]string{"token": p.token(subject)}}
	p.f.create(secret)
	return secret
}

// exchanging makes a client's flow a token exchange of that Secret.
func exchanging(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowTokenExchange, []egainv1alpha1.Scope{"core.aiservices.use"}
	ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: "okta-prod", SubjectToken: egainv1alpha1.SubjectToken{
		SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "okta-token", Key: "token"},
	}}
}

// flowCase is a flow as a user sets it up, and whom the token must be for.
type flowCase struct {
	name    string
	flow    egainv1alpha1.Flow
	actor   egainsim.Actor
	scope   string
	setUp   quick
	subject string
	url     func(*egainsim.Tenant) string
}

func onBehalfOf(who egainv1alpha1.OnBehalfOf) quick {
	return func(ec *egainv1alpha1.EgainClient) { ec.Spec.OnBehalfOf = &who }
}

var flowCases = []flowCase{
	{
		name: "ClientCredentials", flow: egainv1alpha1.FlowClientCredentials, actor: egainsim.Client,
		scope: "knowledge.portalmgr.manage", setUp: func(*egainv1alpha1.EgainClient) {},
		url: func(t *egainsim.Tenant) string { return t.TokenURL(egainsim.Client) },
	},
	{
		name: "AnonymousCustomer", flow: egainv1alpha1.FlowAnonymousCustomer, actor: egainsim.Customer,
		scope: "knowledge.portalmgr.read", setUp: func(*egainv1alpha1.EgainClient) {}, subject: "anonymous",
		url: (*egainsim.Tenant).AnonymousTokenURL,
	},
	{
		name: "OnBehalfOf a user by name", flow: egainv1alpha1.FlowOnBehalfOf, actor: egainsim.User,
		scope: "core.aiservices.onbehalfof.read", setUp: onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "agent.smith"}), subject: "agent.smith",
		url: func(t *egainsim.Tenant) string { return t.OnBehalfOfTokenURL(egainsim.User) },
	},
	{
		name: "OnBehalfOf a user by id", flow: egainv1alpha1.FlowOnBehalfOf, actor: egainsim.User,
		scope: "core.aiservices.onbehalfof.read", setUp: onBehalfOf(egainv1alpha1.OnBehalfOf{UserID: "10002"}), subject: "agent.jones",
		url: func(t *egainsim.Tenant) string { return t.OnBehalfOfTokenURL(egainsim.User) },
	},
	{
		name: "OnBehalfOf a customer", flow: egainv1alpha1.FlowOnBehalfOf, actor: egainsim.Customer,
		scope: "core.aiservices.onbehalfof.read", setUp: onBehalfOf(egainv1alpha1.OnBehalfOf{Email: "customer@example.com"}), subject: "customer@example.com",
		url: func(t *egainsim.Tenant) string { return t.OnBehalfOfTokenURL(egainsim.Customer) },
	},
	{
		name: "TokenExchange", flow: egainv1alpha1.FlowTokenExchange, actor: egainsim.User,
		scope: "core.aiservices.use", setUp: exchanging, subject: "agent.smith",
		url: func(t *egainsim.Tenant) string { return t.TokenURL(egainsim.User) },
	},
}

// sources are the ways to say where tokens are issued, by name; each reports false where it does not exist.
var sourcesOfEndpoints = map[string]func(tenant *egainsim.Tenant, c flowCase, api string) (egainv1alpha1.Tenant, bool){
	"explicit": func(t *egainsim.Tenant, c flowCase, api string) (egainv1alpha1.Tenant, bool) {
		return inline(egainv1alpha1.TenantLocation{ScopePrefix: t.ScopePrefix(), Endpoints: &egainv1alpha1.Endpoints{
			TokenURL: egainv1alpha1.HTTPSURL(c.url(t)), APIURL: egainv1alpha1.HTTPSURL(api),
		}}), true
	},
	"RFC 8414": func(t *egainsim.Tenant, c flowCase, api string) (egainv1alpha1.Tenant, bool) {
		return standard(t, t.MetadataURL(egainsim.OAuthMetadata, c.actor), api), true
	},
	"OpenID Connect": func(t *egainsim.Tenant, c flowCase, api string) (egainv1alpha1.Tenant, bool) {
		offered := t.Platform() == egainsim.Commercial && c.actor != egainsim.Client
		return standard(t, t.MetadataURL(egainsim.OpenIDMetadata, c.actor), api), offered
	},
	"console, flat, camel case":   console(egainsim.ConsoleFlatCamel),
	"console, flat, snake case":   console(egainsim.ConsoleFlatSnake),
	"console, nested, camel case": console(egainsim.ConsoleNestedCamel),
	"console, nested, snake case": console(egainsim.ConsoleNestedSnake),
}

// standard documents know neither the API's URL nor the prefix of scopes.
func standard(t *egainsim.Tenant, metadataURL, api string) egainv1alpha1.Tenant {
	return inline(egainv1alpha1.TenantLocation{
		ID: t.ID(), MetadataURL: egainv1alpha1.HTTPSURL(metadataURL), ScopePrefix: t.ScopePrefix(),
		Endpoints: &egainv1alpha1.Endpoints{APIURL: egainv1alpha1.HTTPSURL(api)},
	})
}

// inline is a tenant that an EgainClient describes itself.
func inline(l egainv1alpha1.TenantLocation) egainv1alpha1.Tenant {
	return egainv1alpha1.Tenant{TenantLocation: l}
}

func console(form egainsim.MetadataForm) func(*egainsim.Tenant, flowCase, string) (egainv1alpha1.Tenant, bool) {
	return func(t *egainsim.Tenant, c flowCase, _ string) (egainv1alpha1.Tenant, bool) {
		return inline(egainv1alpha1.TenantLocation{ID: t.ID(), MetadataURL: egainv1alpha1.HTTPSURL(t.MetadataURL(form, c.actor))}), true
	}
}

// sourceOf is where status.endpoints must say that the token URL is from.
func sourceOf(way string, c flowCase, platform egainsim.Platform) egainv1alpha1.EndpointSource {
	special := c.flow == egainv1alpha1.FlowAnonymousCustomer || (c.flow == egainv1alpha1.FlowOnBehalfOf && platform == egainsim.Commercial)
	switch {
	case way == "explicit":
		return egainv1alpha1.EndpointSourceSpec
	case special:
		return egainv1alpha1.EndpointSourceDerived
	default:
		return egainv1alpha1.EndpointSourceMetadata
	}
}

func TestEveryFlowOnEveryPlatformFromEverySource(t *testing.T) {
	t.Parallel()
	for _, platform := range []egainsim.Platform{egainsim.Rigel, egainsim.Commercial} {
		for way, tenantBy := range sourcesOfEndpoints {
			t.Run(fmt.Sprintf("%s by %s", platform, way), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.foreignProvider().subjectToken("agent.smith")
				tenant, id, secret := f.sim.Rigel(), egainsim.RigelClientID, egainsim.RigelClientSecret
				if platform == egainsim.Commercial {
					tenant, id, secret = f.sim.Commercial(), egainsim.CommercialClientID, egainsim.CommercialClientSecret
				}
				f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": id, "client_secret": secret}})
				for i, c := range flowCases {
					spec, offered := tenantBy(tenant, c, f.sim.APIURL())
					if !offered {
						continue
					}
					before := f.requests()
					ec := f.client(fmt.Sprintf("client-%d", i), func(ec *egainv1alpha1.EgainClient) {
						spec.CABundleRef = ec.Spec.Tenant.CABundleRef
						ec.Spec.Tenant, ec.Spec.Flow = spec, c.flow
						c.setUp(ec)
						ec.Spec.Scopes = []egainv1alpha1.Scope{egainv1alpha1.Scope(c.scope)}
						if c.flow == egainv1alpha1.FlowAnonymousCustomer && platform == egainsim.Rigel {
							ec.Spec.CredentialsSecretRef = nil
						}
					})

					f.run(ec)
					f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), "%s: %s", c.name, message(ec))
					token := f.sim.Introspect(f.token(ec.Name))
					f.Expect(token.Active).To(gomega.BeTrue(), c.name)
					f.Expect(token.Tenant).To(gomega.Equal(tenant.ID()), c.name)
					f.Expect(token.Scope).To(gomega.Equal(tenant.Scope(c.scope)), c.name)
					wantSubject := c.subject
					if wantSubject == "" {
						wantSubject = id
					}
					f.Expect(token.Subject).To(gomega.Equal(wantSubject), c.name)
					f.Expect(withoutQuery(ec.Status.Endpoints.TokenURL)).To(gomega.Equal(withoutQuery(c.url(tenant))), c.name)
					f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(sourceOf(way, c, platform)), c.name)
					f.Expect(strings.TrimSuffix(f.value(ec.Name, "api_url"), "/")).To(gomega.Equal(f.sim.APIURL()), c.name)
					f.Expect(f.requests()).To(gomega.Equal(before+1), "%s: one attempt is one request", c.name)
				}
			})
		}
	}
}

func withoutQuery(url string) string {
	base, _, _ := strings.Cut(url, "?")
	return base
}

func TestFindsTheEndpointOfAnotherActorNextToTheOneThatTheMetadataNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	tenant := f.sim.Rigel()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		// A flat document is about one actor: here about users, where the flow is for a customer.
		ec.Spec.Tenant.Endpoints, ec.Spec.Tenant.MetadataURL = nil, egainv1alpha1.HTTPSURL(tenant.MetadataURL(egainsim.ConsoleFlatCamel, egainsim.User))
		ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowOnBehalfOf, []egainv1alpha1.Scope{"core.aiservices.onbehalfof.read"}
		ec.Spec.OnBehalfOf = &egainv1alpha1.OnBehalfOf{Email: "customer@example.com"}
	})

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(ec.Status.Endpoints.TokenURL).To(gomega.Equal(tenant.TokenURL(egainsim.Customer)))
	f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceDerived))
	f.Expect(f.sim.Introspect(f.token("sync")).Subject).To(gomega.Equal("customer@example.com"))
}

func TestReportsThatTheMetadataLacksTheEndpointOfTheFlow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		tenant := f.sim.Rigel()
		ec.Spec.Tenant.Endpoints, ec.Spec.Tenant.ID = nil, tenant.ID()
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(tenant.MetadataURL(egainsim.OAuthMetadata, egainsim.Customer))
		ec.Spec.Flow, ec.Spec.CredentialsSecretRef = egainv1alpha1.FlowAnonymousCustomer, nil
	})

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointInvalid"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("spec.tenant.endpoints.apiURL"))
	f.Expect(f.requests()).To(gomega.BeZero())
}

func TestPutsThePrefixBeforeScopesThatLackIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.sim.Commercial()
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{
		"client_id": egainsim.CommercialClientID, "client_secret": egainsim.CommercialClientSecret,
	}})
	prefix := egainsim.DefaultScopePrefix
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.ScopePrefix = prefix
		ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client))
	}, scoped("knowledge.portalmgr.manage", egainv1alpha1.Scope(prefix+"core.aiservices.read")))

	f.run(ec)
	f.Expect(ec.Status.Token.Scopes).To(gomega.Equal([]string{prefix + "knowledge.portalmgr.manage", prefix + "core.aiservices.read"}))

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{".default"} })
	f.run(ec)
	f.Expect(ec.Status.Token.Scopes).To(gomega.ConsistOf(prefix+"knowledge.portalmgr.manage", prefix+"core.aiservices.read"), "the scopes are those granted")
	f.Expect(strings.Fields(f.value("sync", "scope"))).To(gomega.Equal(ec.Status.Token.Scopes))
}

func TestSendsTheParametersOfTheSpec(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{"resource": "https://api.example.com/orders"}
	})

	f.run(ec)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(f.token("sync"), ".")[1])
	f.Expect(err).NotTo(gomega.HaveOccurred())
	var claims struct {
		Aud string `json:"aud"`
	}
	f.Expect(json.Unmarshal(payload, &claims)).To(gomega.Succeed())
	f.Expect(claims.Aud).To(gomega.Equal("https://api.example.com/orders"))

	f.update(ec, func() { ec.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{"resource": "not a URI"} })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: TokenOutdated, RequestRejected"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("resource"))
}

func TestAnonymousCustomersMayHaveCredentialsInWholeOrInPart(t *testing.T) {
	t.Parallel()
	anonymous := func(tenant *egainsim.Tenant) quick {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Flow = egainv1alpha1.FlowAnonymousCustomer
			ec.Spec.Tenant.ScopePrefix = tenant.ScopePrefix()
			ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(tenant.AnonymousTokenURL())
		}
	}
	t.Run("in whole, where they are asked for", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{
			"client_id": egainsim.CommercialClientID, "client_secret": egainsim.CommercialClientSecret,
		}})
		ec := f.client("sync", anonymous(f.sim.Commercial()))
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	})
	t.Run("without a secret, which the server may not take", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": egainsim.CommercialClientID}})
		ec := f.client("sync", anonymous(f.sim.Commercial()))
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ClientRejected"))
	})
	t.Run("not at all, which the server may not take", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		ec := f.client("sync", anonymous(f.sim.Commercial()), func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef = nil })
		f.run(ec)
		f.Expect(state(ec)).To(gomega.HavePrefix("Failed: NoToken, "))
		f.Expect(f.requests()).To(gomega.Equal(1))
	})
}

func TestExchangesAnewWhenTheSubjectTokenChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", exchanging)

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenNotFound"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`"okta-token"`))
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal SubjectTokenNotFound"}))

	provider := f.foreignProvider()
	provider.subjectToken("agent.smith")
	f.run(ec)
	f.Expect(f.sim.Introspect(f.token("sync")).Subject).To(gomega.Equal("agent.smith"))

	other := provider.token("agent.jones")
	f.change("okta-token", func(s *corev1.Secret) { s.Data["token"] = []byte(other + "\n") })
	f.run(ec)
	f.Expect(f.sim.Introspect(f.token("sync")).Subject).To(gomega.Equal("agent.jones"))
	f.Expect(f.requests()).To(gomega.Equal(2))

	f.change("okta-token", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(2), "a label is no other token")
}

func TestReportsWhatIsWrongWithTheSubjectToken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data  func(*identityProvider) []byte
		state string
		sent  int
	}{
		"it is missing":                  {func(*identityProvider) []byte { return nil }, "Failed: NoToken, SubjectTokenInvalid", 0},
		"it is binary":                   {func(*identityProvider) []byte { return []byte{0xff, 0x00} }, "Failed: NoToken, SubjectTokenInvalid", 0},
		"it is about nobody we know":     {func(p *identityProvider) []byte { return []byte(p.token("nobody")) }, "Failed: NoToken, RequestRejected", 1},
		"it is no token of the provider": {func(*identityProvider) []byte { return []byte("opaque") }, "Failed: NoToken, RequestRejected", 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			provider := f.foreignProvider()
			secret := &corev1.Secret{ObjectMeta: f.named("okta-token"), Data: map[string][]byte{"other": []byte("value")}}
			if data := tc.data(provider); data != nil {
				secret.Data["token"] = data
			}
			f.create(secret)
			ec := f.client("sync", exchanging)

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal(tc.state))
			f.Expect(f.requests()).To(gomega.Equal(tc.sent))

			good := provider.token("agent.smith")
			f.change("okta-token", func(s *corev1.Secret) { s.Data["token"] = []byte(good) })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestAnUnknownSubjectIsForTheCustomerToCorrect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowOnBehalfOf, []egainv1alpha1.Scope{"core.aiservices.onbehalfof.read"}
		ec.Spec.OnBehalfOf = &egainv1alpha1.OnBehalfOf{Username: "nobody"}
	})

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SubjectRejected"))
	f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 25*time.Minute))

	f.Expect(f.sim.AddSubject(egainsim.RigelTenantID, egainsim.Subject{Actor: egainsim.User, Username: "nobody"})).To(gomega.Succeed())
	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}
