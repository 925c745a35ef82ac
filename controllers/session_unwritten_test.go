package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// policy refuses writes of the session Secret while it is on, as an admission policy does.
type admissionPolicy struct{ on bool }

func (p *admissionPolicy) refusal() error {
	if !p.on {
		return nil
	}
	return apierrors.NewForbidden(corev1.Resource("secrets"), "session", errors.New("no refresh tokens here"))
}

// refused is a client whose new refresh token a policy refuses.
func (f *fixture) refused(change ...quick) (*egainv1alpha1.EgainClient, *admissionPolicy) {
	f.t.Helper()
	ec := f.client("desk", append([]quick{byLogin}, change...)...)
	f.logIn()
	p := &admissionPolicy{on: true}
	f.failSession(p.refusal)
	_, _ = f.tryReconcile(ec)
	f.Expect(f.session().Refreshes).To(gomega.Equal(1))
	return ec, p
}

// expectUnwritten checks that a status says what keeps the refresh token from being written.
func (f *fixture) expectUnwritten(ec *egainv1alpha1.EgainClient) {
	f.t.Helper()
	issued := condition(ec, egainv1alpha1.ConditionTokenIssued)
	f.Expect(issued.Status).To(gomega.Equal(metav1.ConditionFalse))
	f.Expect(issued.Reason).To(gomega.Equal("SessionRejected"), issued.Message)
	f.Expect(issued.Message).To(gomega.HavePrefix(`the API server does not accept Secret "session": `))
	f.Expect(issued.Message).To(gomega.ContainSubstring("no refresh tokens here"))
	f.Expect(issued.Message).To(gomega.ContainSubstring("the new refresh token is only in memory until it is written"))
}

// soon matches the wait for another attempt to write a refresh token.
func soon() gomega.OmegaMatcher {
	return gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", 31*time.Second))
}

func TestSession_AnUnwrittenRefreshTokenWinsOverEveryOtherFailure(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		meanwhile func(*fixture, *egainv1alpha1.EgainClient)
		// after is the reason of TokenIssued once the refresh token is written.
		after string
	}{
		"nothing else":                {func(*fixture, *egainv1alpha1.EgainClient) {}, "Issued"},
		"the credentials are missing": {func(f *fixture, _ *egainv1alpha1.EgainClient) { f.delete(f.secret("egain-web")) }, "CredentialsNotFound"},
		"the credentials are empty": {func(f *fixture, _ *egainv1alpha1.EgainClient) {
			f.change("egain-web", func(s *corev1.Secret) { s.Data = nil })
		}, "CredentialsInvalid"},
		"the CA bundle is missing": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.delete(&corev1.ConfigMap{ObjectMeta: f.named("egain-ca")})
			f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
		}, "CABundleNotFound"},
		"the server is not trusted": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			bundle := &corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": string(startSimulator(f.t, egainsim.Config{}).CABundle())}}
			f.Expect(admin.Update(f.t.Context(), bundle)).To(gomega.Succeed())
			f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
		}, "TLSFailed"},
		"the metadata are unavailable": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 500})
			f.update(ec, func() {
				ec.Spec.Tenant.Endpoints = nil
				ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Commercial().MetadataURL(egainsim.ConsoleNestedSnake, egainsim.User))
			})
		}, "MetadataUnavailable"},
		"the EgainTenant is missing": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.update(ec, func() {
				ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "nowhere"}
			})
		}, "TenantNotFound"},
		"the client is suspended": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.update(ec, func() { ec.Spec.Suspend = new(true) })
		}, "Suspended"},
		"the spec names another session": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.update(ec, func() { ec.Spec.AuthorizationCode.SessionSecretRef.Name = "another" })
		}, "SessionNotFound"},
		"the spec has another flow": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.credentials()
			f.update(ec, func() {
				ec.Spec.Flow, ec.Spec.AuthorizationCode = egainv1alpha1.FlowClientCredentials, nil
				ec.Spec.Scopes, ec.Spec.CredentialsSecretRef.Name = []egainv1alpha1.Scope{"knowledge.portalmgr.manage"}, "egain-app"
				ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().TokenURL(egainsim.Client))
			})
		}, "Issued"},
		"the target is another's": {func(f *fixture, _ *egainv1alpha1.EgainClient) { f.foreign("desk", nil) }, "TargetNotOwned"},
		"the target is missing":   {func(f *fixture, ec *egainv1alpha1.EgainClient) { f.update(ec, func() { merging("app")(ec) }) }, "TargetNotFound"},
		"a template fails": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.update(ec, func() { templated("KEY", "{{ .No }}")(ec) })
		}, "TemplateInvalid"},
		"the EgainTenant does not allow the namespace": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			tenant := f.tenant(func(et *egainv1alpha1.EgainTenant) {
				et.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"elsewhere"}}
			})
			f.update(ec, func() {
				ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(tenant.Name)}
			})
		}, "TenantNotAllowed"},
		"another client reads the target": {func(f *fixture, _ *egainv1alpha1.EgainClient) {
			f.client("reader", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "desk" })
		}, "TargetConflict"},
		"the session has lost its mark": {func(f *fixture, _ *egainv1alpha1.EgainClient) {
			f.change("session", func(s *corev1.Secret) { s.Annotations = nil })
		}, "SessionInvalid"},
		"the session is marked as another's": {func(f *fixture, _ *egainv1alpha1.EgainClient) {
			f.change("session", func(s *corev1.Secret) { s.Annotations[session.AnnotationClient] = f.namespace + "/other" })
		}, "SessionInvalid"},
		"the session is another's target": {func(f *fixture, _ *egainv1alpha1.EgainClient) {
			f.change("session", func(s *corev1.Secret) { s.Annotations[target.AnnotationOwnedBy] = "other" })
			f.client("other", targeting("session"))
			f.delete(f.secret("egain-web"))
		}, "CredentialsNotFound"},
		"an earlier failure waits for a login": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			before := ec.DeepCopy()
			ec.Status.ConsecutiveFailures = 1
			ec.Status.LastFailure = &egainv1alpha1.FailureStatus{Time: second(f.clock.Now()), Reason: egainv1alpha1.ReasonReauthorizationRequired, Message: "log in"}
			f.Expect(admin.Status().Patch(f.t.Context(), ec, client.MergeFrom(before))).To(gomega.Succeed())
		}, "Issued"},
		"the endpoint fails for all": {func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Status: 503})
			f.credentials()
			other := f.client("other", func(other *egainv1alpha1.EgainClient) { other.Spec.Tenant = ec.Spec.Tenant })
			for range 8 {
				f.step(f.run(other).RequeueAfter)
			}
			f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
		}, "ServerUnavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec, policy := f.refused()
			f.expectUnwritten(ec)
			void, before := f.value("session", session.KeyRefreshToken), f.requests()

			tc.meanwhile(f, ec)
			others := f.requests() - before
			for range 6 {
				result := f.run(ec)
				f.expectUnwritten(ec)
				f.Expect(result.RequeueAfter).To(soon(), "the refresh token is tried again")
				f.step(result.RequeueAfter)
			}
			f.Expect(f.requests()).To(gomega.Equal(before+others), "the refresh token that is in the Secret is void")

			policy.on = false
			f.run(ec)
			f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(void))
			f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
			f.Expect(f.session().End).To(gomega.BeEmpty())
			f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(tc.after), message(ec))
		})
	}
}

func TestSession_AnUnwrittenRefreshTokenIsWrittenThoughNothingElseCanBeRead(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	f.run(ec)
	f.step(f.run(ec).RequeueAfter)
	policy := &admissionPolicy{on: true}
	f.failSession(policy.refusal)
	f.run(ec)
	f.expectUnwritten(ec)

	f.change("desk", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, name client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if name.Name == "desk" {
			if _, is := o.(*corev1.Secret); is {
				return apierrors.NewInternalError(errors.New("no leader"))
			}
		}
		return c.Get(ctx, name, o, opts...)
	}})
	result := f.run(ec)
	f.expectUnwritten(ec)
	f.Expect(state(ec)).To(gomega.HavePrefix("Current: TokenValid"), "the target could not be read, so that what was known of it stays")
	f.Expect(result.RequeueAfter).To(soon())
}

func TestSession_AnAPIServerThatFailsIsReportedAndRetriedWhateverElseFails(t *testing.T) {
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
	_, _ = f.tryReconcile(ec)
	void, before := f.value("session", session.KeyRefreshToken), f.requests()
	f.delete(f.secret("egain-web"))
	for range 5 {
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.HaveOccurred(), "the queue retries an error")
	}
	f.Expect(state(ec)).To(gomega.HaveSuffix("APIServerFailed"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`writing the refresh token to Secret "session"`))

	down = false
	f.run(ec)
	f.Expect(state(ec)).To(gomega.HaveSuffix("CredentialsNotFound"))
	f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(void))
	f.Expect(f.requests()).To(gomega.Equal(before))
}

func TestSession_WhatKeepsARefreshTokenFromBeingWritten(t *testing.T) {
	t.Parallel()
	secrets := corev1.Resource("secrets")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a quota or a webhook": {apierrors.NewForbidden(secrets, "session", errors.New("quota")), "quota"},
		"a policy":             {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "session", nil), `Secret "session" is invalid`},
		"a bad request":        {apierrors.NewBadRequest("admission webhook denied the request"), "admission webhook denied the request"},
		"too large a request":  {apierrors.NewRequestEntityTooLargeError("limit is 1"), "limit is 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec := f.client("desk", byLogin)
			f.logIn()
			f.failSession(func() error { return tc.err })
			for range 2 {
				f.Expect(f.run(ec).RequeueAfter).To(soon())
				f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SessionRejected"))
				f.Expect(message(ec)).To(gomega.ContainSubstring(tc.want))
			}
		})
	}
}

func TestSession_ARefusalThatQuotesARefreshTokenIsNotShown(t *testing.T) {
	t.Parallel()
	for name, quote := range map[string]func(*fixture) string{
		"the new one":  func(f *fixture) string { return string(f.heldSession("session").Content.RefreshToken) },
		"the void one": func(f *fixture) string { return f.value("session", session.KeyRefreshToken) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec := f.client("desk", byLogin)
			f.logIn()
			quoted := ""
			f.failSession(func() error {
				quoted = quote(f)
				return apierrors.NewBadRequest(fmt.Sprintf("admission webhook denied %q", quoted))
			})
			f.run(ec)
			f.Expect(quoted).NotTo(gomega.BeEmpty())
			f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring("is not shown"), gomega.Not(gomega.ContainSubstring(quoted))))
		})
	}
}

func TestSession_ALoginEndsTheWaitForARefusedRefreshToken(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec, _ := f.refused()
	f.logIn()
	f.step(time.Second)
	before := f.requests()

	f.run(ec)
	f.Expect(f.holdsSession("session")).To(gomega.BeTrue(), "that of the login, which the policy refuses too")
	f.Expect(f.requests()).To(gomega.Equal(before + 1))
	f.Expect(f.session().Refreshes).To(gomega.Equal(1))
}

// TestSession_TheNextClientDoesNotUseAVoidRefreshToken recreates a client, or creates another, while the session Secret is refused.
func TestSession_TheNextClientDoesNotUseAVoidRefreshToken(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"desk", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec, policy := f.refused()
			f.delete(ec)
			next := f.client(name, byLogin)
			before := f.requests()
			f.run(next)
			f.expectUnwritten(next)
			f.Expect(f.requests()).To(gomega.Equal(before))

			policy.on = false
			f.run(next)
			f.Expect(state(next)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.session().End).To(gomega.BeEmpty())
		})
	}
}

func TestSession_TheRefreshTokenOfADeletedClientIsWritten(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec, policy := f.refused()
	void := f.value("session", session.KeyRefreshToken)
	f.delete(ec)
	result, err := f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(result.RequeueAfter).To(soon())

	policy.on = false
	result, err = f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(result.RequeueAfter).To(gomega.BeZero())
	f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(void))
	f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
}

func TestSession_ADeletionRevokesTheRefreshTokenThatIsHeld(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec, _ := f.refused(f.revoking)
	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue(), "no policy holds up a deletion")
	f.Expect(f.session().End).To(gomega.Equal(egainsim.SessionRevoked))
	f.Expect(f.holdsSession("session")).To(gomega.BeFalse(), "what was revoked is not written")
}

func TestSession_ADeletionThatIsHeldUpByOthersGoesOnWriting(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec, policy := f.refused(func(ec *egainv1alpha1.EgainClient) { ec.Finalizers = []string{"example.com/theirs"} })
	void := f.value("session", session.KeyRefreshToken)
	f.delete(ec)
	f.Expect(f.reconcile(ec).RequeueAfter).To(soon())
	policy.on = false
	f.Expect(f.reconcile(ec).RequeueAfter).To(gomega.BeZero())
	f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(void))
}

// heldSession is the refresh token that the operator holds for a session Secret.
func (f *fixture) heldSession(secret string) session.Successor {
	held, _ := f.r.sessions.Held(types.NamespacedName{Namespace: f.namespace, Name: secret})
	return held
}

// holdsSession reports whether the operator holds a refresh token for a session Secret.
func (f *fixture) holdsSession(secret string) bool {
	return f.heldSession(secret).Content.RefreshToken != ""
}

func TestSession_AnImmutableSecretIsReportedUntilALogin(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	f.failSession(sync.OnceValue(func() error {
		f.change("session", func(s *corev1.Secret) { s.Immutable = new(true) })
		return nil
	}))
	for range 2 {
		f.Expect(f.run(ec).RequeueAfter).To(soon())
		f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SessionRejected"))
		f.Expect(message(ec)).To(gomega.ContainSubstring("field is immutable"))
	}

	f.delete(f.secret("session"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.HaveSuffix("SessionNotFound"))
	f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
	f.logIn()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestSession_WhatAProcessCannotWriteBeforeItEndsIsLogged(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	_, policy := f.refused()
	void, held := f.value("session", session.KeyRefreshToken), f.heldSession("session").Content.RefreshToken
	var logged strings.Builder
	logger := funcr.New(func(_, args string) { logged.WriteString(args + "\n") }, funcr.Options{})
	end := func() string {
		logged.Reset()
		f.r.WriteHeldSessions(log.IntoContext(t.Context(), logger))
		return logged.String()
	}

	f.Expect(end()).To(gomega.And(
		gomega.ContainSubstring("A refresh token is lost, since it could not be written before the process ended"), gomega.ContainSubstring(`"session"`),
		gomega.Not(gomega.ContainSubstring(void)), gomega.Not(gomega.ContainSubstring(string(held)))))
	policy.on = false
	f.Expect(end()).To(gomega.BeEmpty())
	f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(string(held)))
	f.Expect(end()).To(gomega.BeEmpty(), "nothing is held")
}

// TestSession_ADeletionWritesTheRefreshTokenThoughItsOtherStepsFail and whichever of them does.
func TestSession_ADeletionWritesTheRefreshTokenThoughItsOtherStepsFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec  quick
		fails func(*fixture)
	}{
		"the revocation": {func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) }, func(f *fixture) { f.delete(f.secret("egain-web")) }},
		"the release of a merged target": {merging("app"), func(f *fixture) {
			f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, name client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if name.Name == "app" {
					return apierrors.NewInternalError(errors.New("no leader"))
				}
				return c.Get(ctx, name, o, opts...)
			}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			f.foreign("app", nil)
			ec, policy := f.refused(tc.spec)
			void := f.value("session", session.KeyRefreshToken)
			f.delete(ec)
			policy.on = false
			tc.fails(f)
			_, _ = f.tryReconcile(ec)
			f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(void))
			f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
			f.Expect(f.session().End).To(gomega.BeEmpty())
		})
	}
}

// TestSession_OneThatIsDeletedMeanwhileIsNotMadeAgain so that a logout stays one, even before the operator has seen it.
func TestSession_OneThatIsDeletedMeanwhileIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fixture, *egainv1alpha1.EgainClient){
		"and nothing else": func(*fixture, *egainv1alpha1.EgainClient) {},
		"and the client is suspended": func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.update(ec, func() { ec.Spec.Suspend = new(true) })
		},
		"and the client too": func(f *fixture, ec *egainv1alpha1.EgainClient) { f.delete(ec) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec, policy := f.refused()
			f.delete(f.secret("session"))
			change(f, ec)
			policy.on = false
			_, err := f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
			f.Expect(err).NotTo(gomega.HaveOccurred())
			f.Expect(f.secret("session")).To(gomega.BeNil())
			f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
		})
	}
}
