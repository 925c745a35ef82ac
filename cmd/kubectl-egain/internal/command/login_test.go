package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/onsi/gomega"
	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/session"
)

// freeRedirectURL is one of this machine that nothing listens at.
func (f *simulated) freeRedirectURL(host, clientID string) string {
	f.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(f.t.Context(), "tcp", "127.0.0.1:0")
	f.Expect(err).NotTo(gomega.HaveOccurred())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	f.Expect(l.Close()).To(gomega.Succeed())
	redirectURL := "http://" + net.JoinHostPort(host, port) + "/callback"
	f.Expect(f.sim.AddRedirectURI(clientID, redirectURL)).To(gomega.Succeed())
	return redirectURL
}

// withSession makes a client one of flow AuthorizationCode.
func withSession(redirectURL string) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowAuthorizationCode, []egainv1alpha1.Scope{"core.aiservices.use"}
		ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{
			SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: egainv1alpha1.SecretName(ec.Name + "-session")},
			RedirectURL:      egainv1alpha1.RedirectURL(redirectURL),
		}
	}
}

func asCustomer(ec *egainv1alpha1.EgainClient) {
	ec.Spec.AuthorizationCode.Actor = egainv1alpha1.ActorCustomer
}

// transport trusts the simulator.
func (f *simulated) transport() *http.Transport {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(f.sim.CABundle())
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

// answer does what a user does at the pages of a login, and returns where the browser is sent.
func (f *simulated) answer(target string, who egainsim.Login) string {
	f.t.Helper()
	back, err := egainsim.LogIn(f.t.Context(), f.transport(), target, who)
	if err != nil {
		f.t.Errorf("logging in at the pages: %v", err)
		return ""
	}
	return back.String()
}

// follow goes where the browser is sent, and returns the status and the page.
func (f *simulated) follow(back string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, back, nil)
	if err != nil {
		f.t.Errorf("the browser is sent to %q: %v", back, err)
		return 0, ""
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Errorf("the browser reads the last page: %v", err)
		return 0, ""
	}
	defer resp.Body.Close() //nolint:errcheck // read whole
	page, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(page)
}

var (
	agent    = egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true}
	customer = egainsim.Login{Username: "customer@example.com", Password: egainsim.SubjectPassword, Allow: true}
)

func TestLogin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		id, secret, host string
		who              egainsim.Login
		change           func(*egainv1alpha1.EgainClient)
		shown            []string
		expires          time.Time
	}{
		"a user at a confidential client": {
			egainsim.RigelWebClientID, egainsim.RigelWebClientSecret, "127.0.0.1", agent, func(*egainv1alpha1.EgainClient) {},
			[]string{"a user (agent)", egainsim.RigelWebClientID, "core.aiservices.use"},
			time.Time{},
		},
		"a customer at a public client, by the name localhost": {
			egainsim.RigelPublicClientID, "", "localhost", customer, asCustomer, []string{"a customer", egainsim.RigelPublicClientID}, time.Time{},
		},
		"a tenant of the commercial platform, which says how long the session lasts": {
			egainsim.CommercialPublicClientID, "", "127.0.0.1", agent, func(*egainv1alpha1.EgainClient) {}, []string{egainsim.DefaultScopePrefix + "core.aiservices.use"}, time.Now().Add(24 * time.Hour),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSimulated(t)
			f.app(tc.id, tc.secret)
			ec := f.egainClient("mine", f.tenantOf(tc.id), withSession(f.freeRedirectURL(tc.host, tc.id)), tc.change)
			var opened string
			var status int
			var page string
			f.browse = func(target string) {
				opened = target
				status, page = f.follow(f.answer(target, tc.who))
			}
			r := f.run("login", "mine", "--yes", "--wait=false")
			f.Expect(r.code).To(gomega.Equal(0), r.stderr)
			f.Expect(r.stderr).To(gomega.ContainSubstring(opened), "the address is shown too")
			for _, shown := range tc.shown {
				f.Expect(r.stderr).To(gomega.ContainSubstring(shown))
			}
			f.Expect(status).To(gomega.Equal(http.StatusOK))
			f.Expect(page).To(gomega.ContainSubstring("Return to the terminal"))

			secret := f.secret("mine-session")
			f.Expect(secret).NotTo(gomega.BeNil())
			f.Expect(secret.OwnerReferences).To(gomega.HaveLen(1))
			f.Expect(secret.OwnerReferences[0].UID).To(gomega.Equal(ec.UID))
			f.Expect(secret.Annotations).To(gomega.HaveKey(session.AnnotationID))
			f.Expect(secret.Annotations).To(gomega.HaveKeyWithValue(session.AnnotationClient, ec.Namespace+"/mine"))
			f.Expect(session.Expiration(secret, time.Now())).To(gomega.BeTemporally("~", tc.expires, time.Minute))
			token := string(secret.Data[session.KeyRefreshToken])
			f.Expect(f.sim.Introspect(token).Active).To(gomega.BeTrue())
			for _, kept := range []string{token, tc.secret} {
				if kept != "" {
					f.Expect(r.stdout + r.stderr + page).NotTo(gomega.ContainSubstring(kept))
				}
			}
			query := mustParse(f, opened).Query()
			f.Expect(query.Get("code_challenge_method")).To(gomega.Equal("S256"))
			f.Expect(query.Get("state")).NotTo(gomega.BeEmpty())
		})
	}
}

func mustParse(f *simulated, raw string) *url.URL {
	f.t.Helper()
	u, err := url.Parse(raw)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	return u
}

func TestLoginShowsItsParameters(t *testing.T) {
	t.Parallel()
	const found = "tmprodc30000002.egain.cloud"
	none := func(*egainv1alpha1.EgainClient) {}
	tests := map[string]struct {
		tenant, app string
		change      func(*egainv1alpha1.EgainClient)
		// explicit has every URL in the spec.
		explicit, down bool
		shown, hint    string
	}{
		"a hint that was found on the way": {
			egainsim.AmericasTenantID, egainsim.AmericasPublicClientID, none, false, false, `with domain_hint   tmprodc30000002\.egain\.cloud\n`, found,
		},
		"parameters of the spec": {
			egainsim.AmericasTenantID, egainsim.AmericasPublicClientID, func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.AuthorizationCode.Parameters = map[string]egainv1alpha1.ParameterValue{"prompt": "consent", "domain_hint": "other.egain.cloud"}
			}, false, false, `with domain_hint   other\.egain\.cloud\n +with prompt +consent\n`, "other.egain.cloud",
		},
		"a hint that is asked for although the spec has all URLs": {
			egainsim.AmericasTenantID, egainsim.AmericasPublicClientID, none, true, false, `with domain_hint   tmprodc30000002\.egain\.cloud\n`, found,
		},
		"no hint, which the self-service platform does without": {
			egainsim.SelfServiceAddressTenantID, egainsim.SelfServiceAddressPublicClientID, none, true, true,
			`Could not read domain_hint, and continuing without it: localhost:`, "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDeployed(t)
			tenant := s.deployed(tc.tenant)
			s.app(tc.app, "")
			s.egainClient("mine", s.byAddress(tc.tenant, func(et *egainv1alpha1.EgainTenantSpec) {
				if tc.explicit {
					et.ScopePrefix = tenant.ScopePrefix()
					et.Endpoints = &egainv1alpha1.Endpoints{
						TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.User)), APIURL: egainv1alpha1.HTTPSURL(tenant.APIURL()),
						AuthorizationURL: egainv1alpha1.HTTPSURL(tenant.AuthorizationURL(egainsim.User)),
					}
				}
			}), withSession(s.freeRedirectURL("127.0.0.1", tc.app)), tc.change)
			if tc.down {
				s.sim.SetFault(deploymentInfo, egainsim.Fault{Status: http.StatusServiceUnavailable})
			}
			var opened string
			s.browse = func(target string) {
				opened = target
				s.follow(s.answer(target, agent))
			}
			r := s.run("login", "mine", "--yes", "--wait=false", "--timeout=1m")
			s.Expect(r.code).To(gomega.Equal(0), r.stderr)
			s.Expect(r.stderr).To(gomega.MatchRegexp(tc.shown))
			s.Expect(mustParse(s, opened).Query().Get("domain_hint")).To(gomega.Equal(tc.hint))
		})
	}
}

func TestASecondLoginReplacesTheFirst(t *testing.T) {
	t.Parallel()
	f := newSimulated(t)
	f.app(egainsim.RigelWebClientID, egainsim.RigelWebClientSecret)
	f.egainClient("mine", withSession(f.freeRedirectURL("127.0.0.1", egainsim.RigelWebClientID)))
	f.browse = func(target string) { f.follow(f.answer(target, agent)) }
	f.Expect(f.run("login", "mine", "--yes", "--wait=false").code).To(gomega.Equal(0))
	first := f.secret("mine-session")
	// The operator's refresh takes the refresh token over.
	rotated := session.Render(first, session.Content{RefreshToken: "rotated"})
	f.Expect(admin.Apply(t.Context(), rotated, client.FieldOwner(session.Manager), client.ForceOwnership)).To(gomega.Succeed())

	f.Expect(f.run("login", "mine", "--yes", "--wait=false").code).To(gomega.Equal(0))
	second := f.secret("mine-session")
	f.Expect(second.UID).To(gomega.Equal(first.UID))
	f.Expect(second.OwnerReferences).To(gomega.HaveLen(1))
	f.Expect(second.Annotations[session.AnnotationID]).NotTo(gomega.Equal(first.Annotations[session.AnnotationID]))
	f.Expect(f.sim.Introspect(string(second.Data[session.KeyRefreshToken])).Active).To(gomega.BeTrue())
}

func TestLoginByPasting(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://login.example.com/done"
	code := func(back string) string {
		u, _ := url.Parse(back)
		return u.Query().Get("code")
	}
	tests := map[string]struct {
		redirectURL string
		args        []string
		pasted      func(back string) string
		code        int
		said        string
	}{
		"the whole address":                      {"", []string{"--no-browser"}, func(back string) string { return back }, 0, "Logged in"},
		"the code alone":                         {"", []string{"--no-browser"}, code, 0, "Logged in"},
		"a redirect URL elsewhere needs no flag": {elsewhere, nil, func(back string) string { return back }, 0, "Logged in"},
		"the address of another login": {
			"", []string{"--no-browser"}, func(back string) string { return strings.Replace(back, "state=", "state=x", 1) }, 1, "its state differs",
		},
		"the address of another page": {
			"", []string{"--no-browser"}, func(string) string { return "https://mail.example.com/inbox" }, 1, "does not start with the redirect URL",
		},
		"a code that was never issued": {"", []string{"--no-browser"}, func(string) string { return "made-up" }, 1, "does not accept the code"},
		"nothing":                      {"", []string{"--no-browser"}, func(string) string { return "" }, 1, "the code is empty"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSimulated(t)
			f.app(egainsim.RigelPublicClientID, "")
			if tc.redirectURL == "" {
				tc.redirectURL = f.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)
			} else {
				f.Expect(f.sim.AddRedirectURI(egainsim.RigelPublicClientID, tc.redirectURL)).To(gomega.Succeed())
			}
			f.egainClient("mine", withSession(tc.redirectURL))
			typed, typing := io.Pipe()
			stderr := &watcher{seen: "Paste the", do: func(shown string) {
				_, _ = io.WriteString(typing, tc.pasted(f.answer(addressIn(shown), agent))+"\n")
				_ = typing.Close()
			}}
			got := f.start(t.Context(), typed, io.Discard, stderr, append([]string{"login", "mine", "--yes", "--wait=false"}, tc.args...)...)
			f.Expect(got).To(gomega.Equal(tc.code), stderr.String())
			f.Expect(stderr.String()).To(gomega.ContainSubstring(tc.said))
			f.Expect(f.secret("mine-session") != nil).To(gomega.Equal(tc.code == 0), "whether something was stored")
		})
	}
}

// watcher is an output that acts once, in a goroutine of its own, when something has been shown.
type watcher struct {
	strings.Builder
	seen string
	do   func(shown string)
}

func (w *watcher) Write(p []byte) (int, error) {
	n, err := w.Builder.Write(p)
	if w.do != nil && strings.Contains(w.String(), w.seen) {
		go w.do(w.String())
		w.do = nil
	}
	return n, err
}

func addressIn(shown string) string {
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "https://") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestLoginThatComesToNothing(t *testing.T) {
	t.Parallel()
	denied := agent
	denied.Allow = false
	tests := map[string]struct {
		app    egainsim.ClientApp
		secret string
		browse func(f *simulated, target string)
		args   []string
		said   []string
	}{
		"the access is denied": {
			egainsim.ClientApp{Public: true},
			"", func(f *simulated, target string) { f.follow(f.answer(target, denied)) }, nil,
			[]string{"access_denied", "allow the access"},
		},
		"the client application gets no refresh tokens": {
			egainsim.ClientApp{Public: true, RefreshTokens: egainsim.NoRefreshTokens},
			"",
			func(f *simulated, target string) { f.follow(f.answer(target, agent)) }, nil,
			[]string{"issued no refresh token", "offline_access", "nothing was stored"},
		},
		"the secret is wrong": {
			egainsim.ClientApp{Secrets: []string{"right"}},
			"wrong-and-secret",
			func(f *simulated, target string) { f.follow(f.answer(target, agent)) }, nil,
			[]string{"invalid_client", "correct Secret egain-app"},
		},
		"no user logs in": {
			egainsim.ClientApp{Public: true},
			"", func(*simulated, string) {},
			[]string{"--timeout", "10ms"},
			[]string{"no login within 10ms", "--timeout"},
		},
		"another program sends a code": {
			egainsim.ClientApp{Public: true}, "", func(f *simulated, target string) {
				u := mustParse(f, target)
				status, page := f.follow(u.Query().Get("redirect_uri") + "?code=theirs&state=guessed")
				f.Expect(status).To(gomega.Equal(http.StatusBadRequest))
				f.Expect(page).NotTo(gomega.ContainSubstring("theirs"))
				f.follow(f.answer(target, denied))
			}, nil, []string{"access_denied"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSimulated(t)
			tc.app.ID = "app"
			f.Expect(f.sim.AddClient(egainsim.RigelTenantID, tc.app)).To(gomega.Succeed())
			f.app("app", tc.secret)
			f.egainClient("mine", withSession(f.freeRedirectURL("127.0.0.1", "app")))
			f.browse = func(target string) { tc.browse(f, target) }
			r := f.run(append([]string{"login", "mine", "--yes", "--wait=false"}, tc.args...)...)
			f.Expect(r.code).To(gomega.Equal(1), r.stderr)
			for _, said := range tc.said {
				f.Expect(r.stderr).To(gomega.ContainSubstring(said))
			}
			if tc.secret != "" {
				f.Expect(r.stderr).NotTo(gomega.ContainSubstring(tc.secret))
			}
			f.Expect(f.secret("mine-session")).To(gomega.BeNil())
		})
	}
}

// What makes the outcome of a login impossible to keep is found out before anybody logs in.
func TestLoginIsRefusedBeforeItBegins(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(f *simulated)
		args    []string
		code    int
		said    string
	}{
		"another flow":   {func(f *simulated) { f.egainClient("mine") }, nil, 1, "flow ClientCredentials, which needs no login"},
		"no time":        {func(*simulated) {}, []string{"--timeout", "0s"}, 2, "must be positive"},
		"no EgainClient": {func(*simulated) {}, nil, 1, `EgainClient "mine" not found`},
		"the session Secret is another's session": {func(f *simulated) {
			f.egainClient("theirs", withSession("http://127.0.0.1:8765/callback"))
			f.egainClient("mine", withSession("http://127.0.0.1:8765/callback"), func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.AuthorizationCode.SessionSecretRef.Name = "theirs-session"
			})
		}, nil, 1, `contains the session of EgainClient "theirs"`},
		"the session Secret is another's target": {func(f *simulated) {
			f.egainClient("mine-session")
			f.egainClient("mine", withSession("http://127.0.0.1:8765/callback"))
		}, nil, 1, `contains the access token of EgainClient "mine-session"`},
		"the session Secret is another's credentials": {func(f *simulated) {
			f.egainClient("other", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "mine-session" })
			f.egainClient("mine", withSession("http://127.0.0.1:8765/callback"))
		}, nil, 1, `contains the credentials of EgainClient "other"`},
		"the session Secret belongs to a ConfigMap": {func(f *simulated) {
			owner := &corev1.ConfigMap{ObjectMeta: f.named("web")}
			f.create(owner)
			secret := &corev1.Secret{ObjectMeta: f.named("mine-session")}
			secret.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "web", UID: owner.UID}}
			f.create(secret)
			f.egainClient("mine", withSession("http://127.0.0.1:8765/callback"))
		}, nil, 1, `belongs to ConfigMap "web"`},
		"the session Secret contains the refresh token of another program": {func(f *simulated) {
			f.create(&corev1.Secret{ObjectMeta: f.named("mine-session"), StringData: map[string]string{session.KeyRefreshToken: "1//of-google"}})
			f.egainClient("mine", withSession("http://127.0.0.1:8765/callback"))
		}, nil, 1, "contains a refresh token that no kubectl egain login stored"},
		"the session Secret is immutable": {func(f *simulated) {
			f.create(&corev1.Secret{ObjectMeta: f.named("mine-session"), Immutable: new(true)})
			f.egainClient("mine", withSession("http://127.0.0.1:8765/callback"))
		}, nil, 1, "immutable"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSimulated(t)
			f.app(egainsim.RigelPublicClientID, "")
			tc.prepare(f)
			r := f.run(append([]string{"login", "mine"}, tc.args...)...)
			f.Expect(r.code).To(gomega.Equal(tc.code), r.stderr)
			f.Expect(r.stderr).To(gomega.And(gomega.ContainSubstring(tc.said), gomega.ContainSubstring("next:  ")))
		})
	}
}

func TestLoginWaitsForTheOperator(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status egainv1alpha1.EgainClientStatus
		code   int
		said   string
	}{
		"which issues a token": {egainv1alpha1.EgainClientStatus{
			Conditions: []metav1.Condition{{
				Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: egainv1alpha1.ReasonTokenValid, LastTransitionTime: metav1.Now(),
			}},
			Token: &egainv1alpha1.TokenStatus{IssueTime: new(metav1.Now()), ExpirationTime: new(metav1.NewTime(time.Now().Add(time.Hour)))},
		}, 0, "egainclient/mine: ready, the token expires in"},
		"which cannot": {egainv1alpha1.EgainClientStatus{
			LastFailure: &egainv1alpha1.FailureStatus{Time: new(metav1.Now()), Reason: egainv1alpha1.ReasonReauthorizationRequired, Message: "log in again"},
		}, 1, "the operator got no token: ReauthorizationRequired: log in again"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSimulated(t)
			f.app(egainsim.RigelPublicClientID, "")
			ec := f.egainClient("mine", withSession(f.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)))
			f.browse = func(target string) { f.follow(f.answer(target, agent)) }
			stdout, stderr := &strings.Builder{}, &watcher{seen: "Waiting for the operator", do: func(string) {
				ec.Status = tc.status
				if err := admin.Status().Update(context.Background(), ec); err != nil {
					t.Errorf("acting as the operator: %v", err)
				}
			}}
			got := f.start(t.Context(), strings.NewReader(""), stdout, stderr, "login", "mine", "--yes")
			f.Expect(got).To(gomega.Equal(tc.code), stderr.String())
			f.Expect(stdout.String() + stderr.String()).To(gomega.ContainSubstring(tc.said))
		})
	}
}

func TestFailedForGood(t *testing.T) {
	t.Parallel()
	failure := func(reason, inputs string) *egainv1alpha1.FailureStatus {
		return &egainv1alpha1.FailureStatus{Time: new(metav1.Unix(1, 0)), Reason: reason, Inputs: inputs}
	}
	retried := failure(egainv1alpha1.ReasonServerUnavailable, "2")
	retried.RetryTime = new(metav1.Unix(9, 0))
	for name, tc := range map[string]struct {
		is, was *egainv1alpha1.FailureStatus
		want    bool
	}{
		"nothing failed":                       {nil, nil, false},
		"the session is refused":               {failure(egainv1alpha1.ReasonReauthorizationRequired, "2"), nil, true},
		"it is refused as one was before":      {failure(egainv1alpha1.ReasonReauthorizationRequired, "2"), failure(egainv1alpha1.ReasonReauthorizationRequired, "1"), true},
		"nothing new failed":                   {failure(egainv1alpha1.ReasonReauthorizationRequired, "1"), failure(egainv1alpha1.ReasonReauthorizationRequired, "1"), false},
		"it is tried again":                    {retried, nil, false},
		"the operator looked before the login": {failure(egainv1alpha1.ReasonSessionNotFound, "1"), nil, false},
	} {
		ec, before := &egainv1alpha1.EgainClient{}, &egainv1alpha1.EgainClient{}
		ec.Status.LastFailure, before.Status.LastFailure = tc.is, tc.was
		if got := failedForGood(ec, before); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestAnInterruptedLoginStoresNothing(t *testing.T) {
	t.Parallel()
	f := newSimulated(t)
	f.app(egainsim.RigelPublicClientID, "")
	f.egainClient("mine", withSession(f.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)))
	ctx, interrupt := context.WithCancel(t.Context())
	f.browse = func(string) { interrupt() }
	r := f.runWith(ctx, "login", "mine")
	f.Expect(r.code).To(gomega.Equal(1))
	f.Expect(r.stderr).To(gomega.ContainSubstring("interrupted: nothing was stored"))
	f.Expect(f.secret("mine-session")).To(gomega.BeNil())
}

// A terminal passes on lines of 4,095 bytes at most, 1,024 on macOS, and drops the rest of a longer one.
func TestLoginReadsAnAddressThatIsLongerThanALineOfTheTerminal(t *testing.T) {
	t.Parallel()
	f := newSimulated(t)
	f.app(egainsim.RigelPublicClientID, "")
	redirectURL := f.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)
	f.egainClient("mine", withSession(redirectURL))
	person, terminal, err := pty.Open()
	f.Expect(err).NotTo(gomega.HaveOccurred())
	defer person.Close()   //nolint:errcheck // it is read
	defer terminal.Close() //nolint:errcheck // it is read
	stderr := &watcher{seen: "the code in it", do: func(shown string) {
		pasted := strings.Replace(f.answer(addressIn(shown), agent), "?", "?pad="+strings.Repeat("x", 10_000)+"&", 1)
		go func() { _, _ = io.WriteString(person, "typo\x7f\x7f\x7f\x7f"+pasted+"\r") }()
	}}
	got := f.start(t.Context(), terminal, io.Discard, stderr, "login", "mine", "--yes", "--wait=false", "--no-browser")
	f.Expect(got).To(gomega.Equal(0), stderr.String())
	f.Expect(f.secret("mine-session")).NotTo(gomega.BeNil())
}

func TestLoginAtATerminalEndsWithCtrlC(t *testing.T) {
	t.Parallel()
	f := newSimulated(t)
	f.app(egainsim.RigelPublicClientID, "")
	f.egainClient("mine", withSession(f.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)))
	person, terminal, err := pty.Open()
	f.Expect(err).NotTo(gomega.HaveOccurred())
	defer person.Close()   //nolint:errcheck // it is read
	defer terminal.Close() //nolint:errcheck // it is read
	before, err := term.GetState(int(terminal.Fd()))
	f.Expect(err).NotTo(gomega.HaveOccurred())
	stderr := &watcher{seen: "the code in it", do: func(string) { _, _ = io.WriteString(person, "half a code\x03") }}
	got := f.start(t.Context(), terminal, io.Discard, stderr, "login", "mine", "--yes", "--wait=false", "--no-browser")
	f.Expect(got).To(gomega.Equal(1), stderr.String())
	f.Expect(stderr.String()).To(gomega.ContainSubstring("interrupted: nothing was stored"))
	after, err := term.GetState(int(terminal.Fd()))
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(after).To(gomega.Equal(before), "the terminal is as it was")
}

// The session Secret says what the login was granted, which is all that the operator's refreshes ask for.
func TestLoginSaysWhatWasNotGranted(t *testing.T) {
	t.Parallel()
	f := newSimulated(t)
	f.app(egainsim.RigelPublicClientID, "")
	f.egainClient("mine", withSession(f.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)), func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.use", "core.aiservices.read"}
	})
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{"scope": json.RawMessage(`"core.aiservices.use"`)}})
	f.browse = func(target string) { f.follow(f.answer(target, agent)) }
	r := f.run("login", "mine", "--yes", "--wait=false")
	f.Expect(r.code).To(gomega.Equal(0), r.stderr)
	f.Expect(strings.Join(strings.Fields(r.stderr), " ")).To(gomega.ContainSubstring("Scopes not granted: core.aiservices.read."))
	stored := f.secret("mine-session")
	f.Expect(stored.Annotations).To(gomega.HaveKeyWithValue(session.AnnotationScopes, "core.aiservices.use"))
	f.Expect(stored.Annotations).To(gomega.HaveKeyWithValue(session.AnnotationScopesNotGranted, "core.aiservices.read"))
}
