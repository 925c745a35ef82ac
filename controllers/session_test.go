package controllers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/transport"
)

const redirectURL = "http://127.0.0.1:8765/callback"

// byLogin makes a client's flow a session of agent.smith.
func byLogin(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowAuthorizationCode, []egainv1alpha1.Scope{"core.aiservices.use"}
	ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: "session"}}
	ec.Spec.CredentialsSecretRef.Name = "egain-web"
	if ec.Spec.Tenant.Endpoints != nil {
		ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(strings.Replace(string(ec.Spec.Tenant.Endpoints.TokenURL), "-C/", "-U/", 1))
	}
}

// withLogins is a fixture with the credentials of the simulator's web application.
func withLogins(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.foreign("egain-web", map[string]string{"client_id": egainsim.RigelWebClientID, "client_secret": egainsim.RigelWebClientSecret})
	return f
}

// logIn has agent.smith log in, as kubectl egain login does, and keeps the refresh token in the Secret session.
func (f *fixture) logIn() {
	f.t.Helper()
	tenant := f.sim.Rigel()
	hc, err := transport.New(transport.Options{Timeout: 10 * time.Second, AllowLoopback: true}).Client("", "", f.sim.CABundle())
	f.Expect(err).NotTo(gomega.HaveOccurred())
	login := oauth.Login{
		ClientID: egainsim.RigelWebClientID, RedirectURL: redirectURL, Scopes: []string{"core.aiservices.use"},
		State: "state", Verifier: oauth.NewVerifier(),
	}
	at, err := oauth.Endpoints{AuthorizationURL: tenant.AuthorizationURL(egainsim.User)}.LoginURL(login)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	back, err := egainsim.LogIn(f.t.Context(), hc.Transport, at, egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	tok, err := f.r.Tokens.OAuth.Token(f.t.Context(), hc, oauth.Request{
		Flow: oauth.AuthorizationCode, TokenURL: tenant.TokenURL(egainsim.User),
		Credentials: oauth.Credentials{ClientID: egainsim.RigelWebClientID, ClientSecret: egainsim.RigelWebClientSecret},
		Session:     oauth.Session{Code: oauth.Secret(back.Query().Get("code")), Verifier: login.Verifier, RedirectURL: redirectURL},
	})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.keepSession(string(tok.RefreshToken))
}

// keepSession writes the Secret session as a login does.
func (f *fixture) keepSession(refreshToken string) {
	f.t.Helper()
	loggedIn := corev1ac.Secret("session", f.namespace).
		WithData(map[string][]byte{session.KeyRefreshToken: []byte(refreshToken)}).
		WithAnnotations(map[string]string{session.AnnotationID: rand.Text()})
	f.Expect(admin.Apply(f.t.Context(), loggedIn, client.FieldOwner("egain-cli"), client.ForceOwnership)).To(gomega.Succeed())
}

// session is that of agent.smith at the simulator.
func (f *fixture) session() egainsim.Session {
	f.t.Helper()
	sessions := f.sim.Sessions()
	f.Expect(sessions).NotTo(gomega.BeEmpty())
	return sessions[len(sessions)-1]
}

func TestWaitsForALoginAndThenKeepsTheTokenFresh(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SessionNotFound"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("kubectl egain login desk --namespace " + f.namespace))
	f.Expect(f.requests()).To(gomega.BeZero())

	f.logIn()
	for i := range 4 {
		refreshToken := f.value("session", session.KeyRefreshToken)
		result := f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		f.Expect(f.sim.Introspect(f.token("desk")).Subject).To(gomega.Equal("agent.smith"))
		f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(refreshToken), "the server replaces it each time")
		f.Expect(f.session().Refreshes).To(gomega.Equal(i + 1))
		f.Expect(f.session().End).To(gomega.BeEmpty())
		f.run(ec)
		f.restart()
		f.run(ec)
		f.Expect(f.session().Refreshes).To(gomega.Equal(i+1), "its own write to the session is no reason to refresh")
		f.step(result.RequeueAfter)
	}
	f.Expect(f.secret("desk").Data).NotTo(gomega.HaveKey(session.KeyRefreshToken))
}

func TestRefreshesOnceForANewLogin(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	f.run(ec)
	token, before := f.token("desk"), f.requests()

	f.step(time.Second)
	f.logIn()
	f.run(ec)
	f.run(ec)
	f.Expect(f.token("desk")).NotTo(gomega.Equal(token))
	f.Expect(f.requests()).To(gomega.Equal(before+2), "a code and a refresh token were redeemed")
}

func TestADeadSessionIsAskedForOnceAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	f.step(f.run(ec).RequeueAfter)
	f.sim.EndSessions(egainsim.RigelWebClientID, "agent.smith")

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ReauthorizationRequired"), "the last token stays")
	f.Expect(message(ec)).To(gomega.ContainSubstring("run kubectl egain login desk --namespace " + f.namespace))
	before := f.requests()
	f.restart()
	f.run(ec)
	f.step(time.Hour)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: TokenExpired, ReauthorizationRequired"))
	f.Expect(f.requests()).To(gomega.Equal(before), "a refresh token that comes twice looks stolen")

	f.logIn()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestASessionThatAUserRepairsIsTriedImmediately(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	good := f.value("session", session.KeyRefreshToken)
	put := func(token string) {
		f.change("session", func(s *corev1.Secret) { s.Data[session.KeyRefreshToken] = []byte(token) })
	}
	put("void")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ReauthorizationRequired"))

	put(good)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestARefreshTokenIsWrittenBeforeAllElse(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	var written []string
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		written = append(written, *obj.(*corev1ac.SecretApplyConfiguration).Name)
		return c.Apply(ctx, obj, opts...)
	}

	f.run(ec)
	f.Expect(written).To(gomega.Equal([]string{"session", "desk"}))
}

// failSession has writes of the session Secret fail while broken says so.
func (f *fixture) failSession(broken func() error) {
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if *obj.(*corev1ac.SecretApplyConfiguration).Name == "session" {
			if err := broken(); err != nil {
				return err
			}
		}
		return c.Apply(ctx, obj, opts...)
	}
}

func TestARefreshTokenThatCannotBeWrittenIsHeld(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	down := true
	f.failSession(func() error {
		if down {
			return apierrors.NewInternalError(errors.New("no leader"))
		}
		return nil
	})
	before := f.requests()
	for range 2 {
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`writing the refresh token to Secret "session"`)))
	}
	f.Expect(f.secret("desk")).To(gomega.BeNil(), "the session goes first")
	f.Expect(f.requests()).To(gomega.Equal(before+1), "the refresh token that is in the Secret is void")

	down = false
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(before + 1))
	f.Expect(f.holdsSession("session")).To(gomega.BeFalse(), "a refresh token rests in its Secret and nowhere else")
	f.step(40 * time.Minute)
	f.run(ec)
	f.Expect(f.session().End).To(gomega.BeEmpty())
}

func TestARefreshTokenIsKeptThoughTheRestOfTheAnswerIsUnusable(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	refreshToken := f.value("session", session.KeyRefreshToken)
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{"expires_in": json.RawMessage("0")}, Times: 1})

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, LifetimeInvalid"))
	f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(refreshToken))
	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestWhatBecomesOfARefreshTokenWhileItsSecretChanges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(*fixture)
		want      func(f *fixture, before string)
	}{
		"it was only labelled: written": {
			func(f *fixture) {
				f.change("session", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
			},
			func(f *fixture, before string) {
				f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(before))
				f.Expect(f.secret("session").Labels).To(gomega.HaveKey("team"))
			},
		},
		"a user logged in again: the new session stays": {
			func(f *fixture) { f.keepSession("a-new-login") },
			func(f *fixture, _ string) {
				f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal("a-new-login"))
			},
		},
		"a user logged out: it is not made again": {
			func(f *fixture) { f.delete(f.secret("session")) },
			func(f *fixture, _ string) { f.Expect(f.secret("session")).To(gomega.BeNil()) },
		},
		"it was replaced by another Secret: that stays": {
			func(f *fixture) {
				f.delete(f.secret("session"))
				f.keepSession("a-new-login")
			},
			func(f *fixture, _ string) {
				f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal("a-new-login"))
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec := f.client("desk", byLogin)
			f.logIn()
			before, done := f.value("session", session.KeyRefreshToken), false
			f.failSession(func() error {
				if !done {
					done = true
					tc.meanwhile(f)
				}
				return nil
			})

			_, err := f.tryReconcile(ec)
			f.Expect(err).NotTo(gomega.HaveOccurred())
			tc.want(f, before)
			f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
		})
	}
}

func TestOneSessionServesOneClient(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	first, second := f.client("a-desk", byLogin), f.client("b-desk", byLogin)
	f.logIn()
	f.run(first)
	f.run(second)
	f.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(state(second)).To(gomega.Equal("Failed: NoToken, SessionInvalid"))
	f.Expect(message(second)).To(gomega.ContainSubstring(`EgainClient "a-desk"`))
	f.Expect(f.session().Refreshes).To(gomega.Equal(1))
}

func TestASessionSecretWithoutARefreshTokenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.foreign("session", map[string]string{"token": "x"})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SessionInvalid"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("run kubectl egain login desk"))
}
