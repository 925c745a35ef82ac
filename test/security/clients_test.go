package security_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
	"github.com/egain-operator/egain-operator/test/testbed"
)

type change = func(*egainv1alpha1.EgainClient)

// client creates an EgainClient that gets its token by client credentials, changed as wanted.
func (w *world) client(name string, changes ...change) *egainv1alpha1.EgainClient {
	w.t.Helper()
	ec := &egainv1alpha1.EgainClient{ObjectMeta: named(name), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
				TokenURL: egainv1alpha1.HTTPSURL(w.sim.Rigel().TokenURL(egainsim.Client)), APIURL: egainv1alpha1.HTTPSURL(w.sim.APIURL()),
			}},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
	}}
	for _, c := range changes {
		c(ec)
	}
	w.create(ec)
	return ec
}

func (w *world) update(ec *egainv1alpha1.EgainClient, edit func()) {
	w.t.Helper()
	before := ec.DeepCopy()
	edit()
	w.Expect(w.admin.Patch(w.t.Context(), ec, client.MergeFrom(before))).To(gomega.Succeed())
}

// reaches waits until the conditions of an object, in its present generation, have these reasons.
func (w *world) reaches(ec *egainv1alpha1.EgainClient, ready, issued string) {
	w.t.Helper()
	w.eventually(ec.Name, func(g gomega.Gomega) {
		w.fetch(g, ec)
		g.Expect(ec.Status.ObservedGeneration).To(gomega.Equal(ec.Generation))
		for kind, reason := range map[string]string{egainv1alpha1.ConditionReady: ready, egainv1alpha1.ConditionTokenIssued: issued} {
			c := meta.FindStatusCondition(ec.Status.Conditions, kind)
			g.Expect(c).NotTo(gomega.BeNil())
			g.Expect(c.Reason).To(gomega.Equal(reason), c.Message)
		}
	})
	w.keepTokens()
}

func (w *world) issued(ec *egainv1alpha1.EgainClient) {
	w.t.Helper()
	w.reaches(ec, egainv1alpha1.ReasonTokenValid, egainv1alpha1.ReasonIssued)
}

func (w *world) gone(o client.Object) {
	w.t.Helper()
	w.eventually(o.GetName(), func(g gomega.Gomega) {
		err := w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(o), o)
		g.Expect(apierrors.IsNotFound(err)).To(gomega.BeTrue(), "%v", err)
	})
}

// keepTokens has the tokens looked for that are in Secrets now.
func (w *world) keepTokens() {
	var secrets corev1.SecretList
	w.Expect(w.admin.List(w.t.Context(), &secrets, client.InNamespace(team))).To(gomega.Succeed())
	for _, s := range secrets.Items {
		for _, key := range []string{target.KeyAccessToken, session.KeyRefreshToken} {
			w.keep(key+" of "+s.Name, string(s.Data[key]))
		}
	}
}

// flows are the ways to get a token, each as a client is set up for it. The name tells Secrets apart that a flow uses up.
func (w *world) flows() map[string]func(name string) change {
	exchanging := func(scope egainv1alpha1.Scope, registration string, token egainv1alpha1.SubjectToken) change {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowTokenExchange, []egainv1alpha1.Scope{scope}
			ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: registration, SubjectToken: token}
		}
	}
	return map[string]func(string) change{
		"client-credentials": func(string) change { return func(*egainv1alpha1.EgainClient) {} },
		"anonymous": func(string) change {
			return func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Flow = egainv1alpha1.FlowAnonymousCustomer
				ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(w.sim.Rigel().AnonymousTokenURL())
			}
		},
		"on-behalf-of": func(string) change {
			return func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowOnBehalfOf, []egainv1alpha1.Scope{"core.aiservices.onbehalfof.read"}
				ec.Spec.OnBehalfOf = &egainv1alpha1.OnBehalfOf{Username: "agent.smith"}
				ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(w.sim.Rigel().OnBehalfOfTokenURL(egainsim.User))
			}
		},
		"exchange": func(string) change {
			return exchanging("core.aiservices.use", "okta-prod", egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "okta-token", Key: "token"}})
		},
		"exchange-of-a-service-account": func(string) change {
			return exchanging("core.aiservices.use", "cluster", egainv1alpha1.SubjectToken{ServiceAccountToken: &egainv1alpha1.ServiceAccountToken{Name: "sync", Audience: "egain"}})
		},
		"exchange-of-a-client": func(string) change {
			return exchanging("core.aiservices.use", "egain", egainv1alpha1.SubjectToken{EgainClientRef: &egainv1alpha1.EgainClientReference{Name: "session"}})
		},
		"session": func(name string) change {
			return func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowAuthorizationCode, []egainv1alpha1.Scope{"core.aiservices.use"}
				ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: egainv1alpha1.SecretName("session-of-" + name)}}
				ec.Spec.CredentialsSecretRef.Name = "egain-web"
				ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(w.sim.Rigel().TokenURL(egainsim.User))
			}
		},
	}
}

// supply creates what the flows need: secrets of the client applications, an identity provider, a login.
func (w *world) supply() {
	w.t.Helper()
	for name, id := range map[string]string{"egain-app": egainsim.RigelClientID, "egain-web": egainsim.RigelWebClientID} {
		secret := w.secret("the client secret of " + name)
		w.Expect(w.sim.AddSecret(id, secret)).To(gomega.Succeed())
		w.create(&corev1.Secret{ObjectMeta: named(name), StringData: map[string]string{"client_id": id, "client_secret": secret}})
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(w.sim.RegisterProvider("okta-prod", "https://idp.example.com", "egain", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})).To(gomega.Succeed())
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "one"}}, nil)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	subject, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "https://idp.example.com", Audience: jwt.Audience{"egain"}, Subject: "agent.smith", ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).Serialize()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.keep("the subject token", subject)
	w.create(&corev1.Secret{ObjectMeta: named("okta-token"), StringData: map[string]string{"token": subject}})

	w.create(&corev1.ServiceAccount{ObjectMeta: named("sync")})
	document, err := w.plane.JWKS(w.t.Context())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var keys jose.JSONWebKeySet
	w.Expect(json.Unmarshal(document, &keys)).To(gomega.Succeed())
	w.Expect(w.sim.RegisterProvider("cluster", "https://kubernetes.default.svc", "egain", keys)).To(gomega.Succeed())
	w.Expect(w.sim.MapSubject("system:serviceaccount:"+team+":sync", "agent.smith")).To(gomega.Succeed())
	w.Expect(w.sim.RegisterProvider("egain", w.sim.Rigel().Issuer(egainsim.User), w.sim.APIURL(), w.sim.JWKS())).To(gomega.Succeed())
	w.logIn()
}

// session creates a session Secret, as a login does.
func (w *world) session(name, refreshToken string) {
	w.t.Helper()
	w.keep("the refresh token of "+name, refreshToken)
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "session-of-" + name, Annotations: map[string]string{session.AnnotationID: rand.Text()}},
		StringData: map[string]string{session.KeyRefreshToken: refreshToken},
	})
}

func (w *world) logIn() {
	w.t.Helper()
	const redirectURL = "http://127.0.0.1:8765/callback"
	tenant := w.sim.Rigel()
	hc, err := transport.New(transport.Options{Timeout: 10 * time.Second, AllowLoopback: true}).Client("", "", w.sim.CABundle())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	login := oauth.Login{ClientID: egainsim.RigelWebClientID, RedirectURL: redirectURL, Scopes: []string{"core.aiservices.use"}, State: "state", Verifier: oauth.NewVerifier()}
	at, err := oauth.Endpoints{AuthorizationURL: tenant.AuthorizationURL(egainsim.User)}.LoginURL(login)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	back, err := egainsim.LogIn(w.t.Context(), hc.Transport, at, egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	tok, err := (&oauth.Client{Now: time.Now}).Token(w.t.Context(), hc, oauth.Request{
		Flow: oauth.AuthorizationCode, TokenURL: tenant.TokenURL(egainsim.User),
		Credentials: oauth.Credentials{ClientID: egainsim.RigelWebClientID, ClientSecret: egainsim.RigelWebClientSecret},
		Session:     oauth.Session{Code: oauth.Secret(back.Query().Get("code")), Verifier: login.Verifier, RedirectURL: redirectURL},
	})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.session("session", string(tok.RefreshToken))
}

// useEverything has every feature used that takes a permission. The flows that are to fail are named, with their reason.
func (w *world) useEverything(failing map[string]string) {
	w.t.Helper()
	w.supply()
	operator := w.start()
	var clients []*egainv1alpha1.EgainClient
	for name, flow := range w.flows() {
		clients = append(clients, w.client(name, flow(name)))
	}
	for _, ec := range clients {
		if reason, fails := failing[ec.Name]; fails {
			w.reaches(ec, egainv1alpha1.ReasonNoToken, reason)
			continue
		}
		w.issued(ec)
	}
	w.useTenant()
	w.useTargets()
	w.scrape()
	testbed.Stop(w.t, operator)
	// By default client-go asks for a list as the beginning of a watch. It does so by list, and needs that verb, of an API
	// server that knows no streaming lists, which this setting stands for.
	operator = w.start("KUBE_FEATURE_WatchListClient=false")
	w.issued(w.client("afterwards"))
	w.scrape()
	testbed.Stop(w.t, operator)
}

func (w *world) useTenant() {
	w.t.Helper()
	et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{
			MetadataURL: egainv1alpha1.HTTPSURL(w.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client)),
		},
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: team,
		},
		AllowedNamespaces: &egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: team}}},
		Applications: []egainv1alpha1.Application{{
			Name: "default", AllowedFlows: []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials},
			AllowedNamespaces: egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{team}},
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: system, Name: "acme-app",
			},
		}},
	}}
	w.create(et)
	lent := testbed.Credentials()
	lent.Namespace, lent.Name = system, "acme-app"
	w.create(lent)
	w.issued(w.client("borrower", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant, ec.Spec.CredentialsSecretRef = egainv1alpha1.Tenant{}, nil
		ec.Spec.TenantRef = &egainv1alpha1.TenantReference{Name: "production", Application: "default"}
	}))
	w.issued(w.client("shared", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "production"}
	}))
	w.eventually("EgainTenant", func(g gomega.Gomega) {
		w.fetch(g, et)
		g.Expect(meta.IsStatusConditionTrue(et.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue())
	})
	w.tells(et)
}

// tells waits until there are events on an EgainTenant.
func (w *world) tells(et *egainv1alpha1.EgainTenant) {
	w.t.Helper()
	w.eventually("events on the EgainTenant", func(g gomega.Gomega) {
		var events eventsv1.EventList
		g.Expect(w.admin.List(w.t.Context(), &events, client.InNamespace(metav1.NamespaceDefault))).To(gomega.Succeed())
		g.Expect(events.Items).To(gomega.ContainElement(gomega.And(
			gomega.HaveField("Regarding.Name", et.Name), gomega.HaveField("Reason", egainv1alpha1.ReasonEndpointsKnown),
		)))
	})
}

// useTargets has targets renamed, merged and deleted, and tokens revoked.
func (w *world) useTargets() {
	w.t.Helper()
	renamed := w.client("renamed")
	w.issued(renamed)
	w.update(renamed, func() { renamed.Spec.Target.SecretName = "another" })
	w.issued(renamed)
	w.gone(&corev1.Secret{ObjectMeta: named("renamed")})

	w.create(&corev1.Secret{ObjectMeta: named("app-config"), StringData: map[string]string{"colour": "blue"}})
	merged := w.client("merged", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.SecretName, ec.Spec.Target.CreationPolicy = "app-config", egainv1alpha1.CreationPolicyMerge
		ec.Spec.RevokeOnDelete = new(true)
		ec.Spec.Tenant.Endpoints.RevocationURL = egainv1alpha1.HTTPSURL(w.sim.Rigel().RevocationURL(egainsim.Client))
	})
	w.issued(merged)
	w.Expect(w.admin.Delete(w.t.Context(), merged)).To(gomega.Succeed())
	w.gone(merged)
	left := &corev1.Secret{ObjectMeta: named("app-config")}
	w.fetch(w.WithT, left)
	w.Expect(slices.Collect(maps.Keys(left.Data))).To(gomega.Equal([]string{"colour"}))
}

// attack has every flow meet every trick of the gateway, and adds objects that are wrong in other ways.
func (w *world) attack() {
	w.t.Helper()
	operator := w.start()
	var clients []*egainv1alpha1.EgainClient
	for path := range tricks {
		for name, flow := range w.flows() {
			full := name + "-" + strings.TrimPrefix(path, "/")
			if name == "session" {
				w.session(full, w.secret("the refresh token of "+full))
			}
			clients = append(clients, w.client(full, flow(full), func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Tenant.CABundleRef.Name = "gateway-ca"
				ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(w.gateway.URL + path)}
			}))
		}
	}
	clients = append(clients, slices.Concat(w.mistaken(), w.misled())...)
	w.crowd()
	for _, ec := range clients {
		w.eventually(ec.Name, func(g gomega.Gomega) {
			w.fetch(g, ec)
			g.Expect(meta.IsStatusConditionFalse(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)).To(gomega.BeTrue())
			g.Expect(meta.IsStatusConditionFalse(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue())
		})
	}
	w.keepTokens()
	w.scrape()
	status, body := w.get("https://"+w.metrics+"/metrics", "")
	w.Expect(status).To(gomega.Equal(http.StatusUnauthorized))
	w.scraped += body
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/debug", "/configz"} {
		w.Expect(w.status("http://"+w.operator.Health+path, "")).To(gomega.Equal(http.StatusNotFound), path)
		w.Expect(w.status("https://"+w.metrics+path, w.scraper.BearerToken)).To(gomega.Equal(http.StatusNotFound), path)
	}
	// The stacks of all goroutines are the last that it says.
	w.Expect(operator.Process.Signal(syscall.SIGQUIT)).To(gomega.Succeed())
	w.Expect(operator.Wait()).NotTo(gomega.Succeed())
}

// misled are clients whose tenant is described wrongly.
func (w *world) misled() []*egainv1alpha1.EgainClient {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: named("no-bundle"), StringData: map[string]string{"ca.crt": w.secret("what is no certificate")}})
	by := func(name string, bundle egainv1alpha1.CABundleReference, location egainv1alpha1.TenantLocation) *egainv1alpha1.EgainClient {
		return w.client(name, func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.TenantLocation, ec.Spec.Tenant.CABundleRef = location, &bundle
		})
	}
	endpoint := func(tokenURL string) egainv1alpha1.TenantLocation {
		return egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(tokenURL)}}
	}
	document := func(path string) egainv1alpha1.TenantLocation {
		return egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(w.gateway.URL + path)}
	}
	theirs := egainv1alpha1.CABundleReference{Name: "gateway-ca"}
	w.create(&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"}, Spec: egainv1alpha1.EgainTenantSpec{
		URL: egainv1alpha1.EgainURL(w.gateway.URL), TenantLocation: egainv1alpha1.TenantLocation{ID: "T"},
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{CABundleReference: theirs, Namespace: team},
	}})
	return append(w.borrowers(), []*egainv1alpha1.EgainClient{
		by("another-ca", theirs, endpoint(w.sim.Rigel().TokenURL(egainsim.Client))),
		by("no-ca", egainv1alpha1.CABundleReference{Kind: "Secret", Name: "no-bundle"}, endpoint(w.sim.Rigel().TokenURL(egainsim.Client))),
		by("metadata-service", theirs, endpoint("https://169.254.169.254/latest/api/token")),
		by("no-document", theirs, document("/fails-with-a-page")),
		by("another-issuer", theirs, document("/makes-it-the-issuer")),
		w.client("another-tenant", func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "elsewhere"}
		}),
	}...)
}

// borrowers are clients of an application whose client secret is wrong. One of them finds out, the others wait.
func (w *world) borrowers() []*egainv1alpha1.EgainClient {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "wrong-app", Namespace: system}, StringData: map[string]string{
		"client_id": egainsim.RigelClientID, "client_secret": w.secret("a wrong secret of an application"),
	}})
	w.create(&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "wrong"}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
			TokenURL: egainv1alpha1.HTTPSURL(w.sim.Rigel().TokenURL(egainsim.Client)),
		}},
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: team},
		Applications: []egainv1alpha1.Application{{
			Name: "default", AllowedFlows: []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials},
			AllowedNamespaces: egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{team}},
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: system, Name: "wrong-app",
			},
		}},
	}})
	var clients []*egainv1alpha1.EgainClient
	for i := range 2 {
		clients = append(clients, w.client(fmt.Sprintf("borrower-%d", i), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant, ec.Spec.CredentialsSecretRef = egainv1alpha1.Tenant{}, nil
			ec.Spec.TenantRef = &egainv1alpha1.TenantReference{Name: "wrong", Application: "default"}
		}))
	}
	return clients
}

// crowd has more clients than an EgainTenant serves within the time in which waiting is nothing to speak of. Its server is
// slow and does not fail: at one that fails, no client waits for its turn. It waits until those whose turn it is not say so.
func (w *world) crowd() {
	w.t.Helper()
	slow := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		answer(rw, http.StatusOK, `{"access_token":"slow","token_type":"Bearer","expires_in":3600}`)
	}))
	w.t.Cleanup(slow.Close)
	w.create(&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "crowded"}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(slow.URL)}},
		CABundleRef:    &egainv1alpha1.NamespacedCABundleReference{CABundleReference: egainv1alpha1.CABundleReference{Name: "gateway-ca"}, Namespace: team},
		RequestLimits:  &egainv1alpha1.RequestLimits{Concurrent: 1},
	}})
	var clients []*egainv1alpha1.EgainClient
	for i := range 20 {
		clients = append(clients, w.client(fmt.Sprintf("crowded-%d", i), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "crowded"}
		}))
	}
	w.eventually("crowded", func(g gomega.Gomega) {
		shown := ""
		for _, ec := range clients {
			w.fetch(g, ec)
			for _, c := range ec.Status.Conditions {
				shown += c.Message + "\n"
			}
		}
		g.Expect(shown).To(gomega.ContainSubstring(words[fault.Busy]))
		w.passing += shown
	})
}

// mistaken are clients whose author, or whose Secret's, made a mistake.
func (w *world) mistaken() []*egainv1alpha1.EgainClient {
	w.t.Helper()
	var clients []*egainv1alpha1.EgainClient
	for name, secret := range map[string][]byte{
		"wrong": []byte(w.secret("a wrong secret")), "two-lines": []byte(w.secret("the first line") + "\n" + w.secret("the second line")),
		"binary": []byte("\xff\xfe" + w.secret("what is not text")), "in-base64": []byte(w.secret("a secret of another client") + "=\n"),
	} {
		w.create(&corev1.Secret{ObjectMeta: named("app-" + name), Data: map[string][]byte{"client_id": []byte(egainsim.RigelClientID), "client_secret": secret}})
		clients = append(clients, w.client("secret-"+name, func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.CredentialsSecretRef.Name = egainv1alpha1.SecretName("app-" + name)
		}))
	}
	for i, template := range []egainv1alpha1.Template{"{{ index .Scopes .AccessToken }}", "{{ .AccessToken.No }}", `{{ atoi .AccessToken | div 1 }}`} {
		clients = append(clients, w.client(fmt.Sprintf("template-%d", i), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{"key": template}}
		}))
	}
	clients = append(clients, w.client("type", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Type = "kubernetes.io/dockerconfigjson"
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{".dockerconfigjson": "{{ .AccessToken }}"}}
	}))
	policed := map[string]egainv1alpha1.LabelValue{"example.com/policed": "yes"}
	w.create(w.gateway.webhook(map[string]string{"example.com/policed": "yes"}))
	clients = append(clients, w.client("policed", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Metadata: &egainv1alpha1.TargetMetadata{Labels: policed}}
	}))
	w.create(&corev1.Secret{ObjectMeta: named("theirs"), StringData: map[string]string{"password": w.secret("a password of somebody else")}})
	return append(clients, w.client("theirs"))
}
