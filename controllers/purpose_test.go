package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// TestTarget_WhatAnotherClientReadsIsRefused in both orders of creation and after a rename, whichever way it is to be a target.
func TestTarget_WhatAnotherClientReadsIsRefused(t *testing.T) {
	t.Parallel()
	for use, reading := range map[string]quick{
		"credentialsSecretRef": func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "theirs" },
		"sessionSecretRef": func(ec *egainv1alpha1.EgainClient) {
			byLogin(ec)
			ec.Spec.AuthorizationCode.SessionSecretRef.Name = "theirs"
		},
		"secretKeyRef": func(ec *egainv1alpha1.EgainClient) {
			exchanging(ec)
			ec.Spec.TokenExchange.SubjectToken = egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "theirs", Key: "token"}}
		},
		"caBundleRef": func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "Secret", Name: "theirs"}
		},
	} {
		for policy, wanting := range map[string]struct {
			spec   quick
			reason string
		}{
			"Owner": {targeting("theirs"), "TargetNotOwned"}, "Merge": {merging("theirs"), "TargetConflict"},
		} {
			t.Run(use+", "+policy, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.credentials()
				before := f.client("a-before", wanting.spec)
				f.client("reader", reading)
				secret := f.foreign("theirs", map[string]string{"client_id": "x", "client_secret": "x", "token": "x", "ca.crt": "x"})
				unchanged := f.unchanged(secret)
				after, renamed := f.client("b-after", wanting.spec), f.client("c-renamed")
				f.run(renamed)
				f.update(renamed, func() { wanting.spec(renamed) })
				sent := f.requests()
				for _, ec := range []*egainv1alpha1.EgainClient{before, after, renamed} {
					f.run(ec)
					f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.BeElementOf(wanting.reason, "TargetClaimed"), ec.Name)
				}
				f.Expect(condition(before, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(wanting.reason))
				f.Expect(f.requests()).To(gomega.Equal(sent))
				unchanged()
			})
		}
	}
}

// TestTarget_WhatAnotherClientWaitsForIsRefused has the operator not create the Secret that another is about to read.
func TestTarget_WhatAnotherClientWaitsForIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", targeting("theirs"))
	reader := f.client("reader", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "theirs" })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetConflict"))
	f.Expect(message(ec)).To(gomega.Equal(`EgainClient "reader" names Secret "theirs" in spec.credentialsSecretRef: set another spec.target.secretName`))
	f.Expect(f.secret("theirs")).To(gomega.BeNil())

	f.delete(reader)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))

	f.client("late", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "theirs" })
	f.restart()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), "what was created for a client contains nothing of others")
}

// TestTarget_AMergedSecretThatIsReadLaterIsRefused and keeps the token that is there until it expires.
func TestTarget_AMergedSecretThatIsReadLaterIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret})
	ec := f.client("sync", merging("app"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged := f.unchanged(f.secret("app"))
	reader := f.client("reader", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "app" })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, TargetConflict"))
	f.step(40 * time.Minute)
	f.run(ec)
	unchanged()

	f.delete(reader)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestTarget_TheCABundleOfATenantIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("bundle", map[string]string{"ca.crt": string(f.sim.CABundle())})
	tenant := f.tenant(func(et *egainv1alpha1.EgainTenant) {
		et.Spec.CABundleRef = &egainv1alpha1.NamespacedCABundleReference{
			Namespace: egainv1alpha1.NamespaceName(f.namespace), CABundleReference: egainv1alpha1.CABundleReference{Kind: "Secret", Name: "bundle"},
		}
	})
	ec := f.client("sync", merging("bundle"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetConflict"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`EgainTenant "` + tenant.Name + `" names Secret "bundle" in spec.caBundleRef`))
	f.Expect(f.requests()).To(gomega.BeZero())
}

// TestTarget_AClientIsWokenWhenItsTargetIsNamedAndWhenItIsNotAnyMore for another purpose.
func TestTarget_AClientIsWokenWhenItsTargetIsNamedAndWhenItIsNotAnyMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sync := f.client("sync", targeting("theirs"))
	reader := f.client("reader", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "theirs" })
	q := workqueue.NewTypedRateLimitingQueue(retryLimiter())
	t.Cleanup(q.ShutDown)
	clients := f.waker().clientHandler()
	clients.Create(t.Context(), event.CreateEvent{Object: sync}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("sync"))
	clients.Create(t.Context(), event.CreateEvent{Object: reader}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("reader", "sync"))
	clients.Create(t.Context(), event.CreateEvent{Object: reader, IsInInitialList: true}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("reader"))
	elsewhere := reader.DeepCopy()
	elsewhere.Spec.CredentialsSecretRef.Name = "elsewhere"
	clients.Update(t.Context(), event.UpdateEvent{ObjectOld: reader, ObjectNew: elsewhere}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("reader", "sync"))
	clients.Update(t.Context(), event.UpdateEvent{ObjectOld: elsewhere, ObjectNew: reader}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("reader", "sync"))
	clients.Update(t.Context(), event.UpdateEvent{ObjectOld: reader, ObjectNew: reader}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("reader"))
	clients.Delete(t.Context(), event.DeleteEvent{Object: reader}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("reader", "sync"))

	bundled := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "nobody-names-it"}}
	bundled.Spec.CABundleRef = &egainv1alpha1.NamespacedCABundleReference{
		Namespace: egainv1alpha1.NamespaceName(f.namespace), CABundleReference: egainv1alpha1.CABundleReference{Kind: "Secret", Name: "theirs"},
	}
	plain := &egainv1alpha1.EgainTenant{ObjectMeta: bundled.ObjectMeta}
	tenants := f.waker().tenantHandler()
	tenants.Create(t.Context(), event.CreateEvent{Object: bundled}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("sync"))
	tenants.Update(t.Context(), event.UpdateEvent{ObjectOld: bundled, ObjectNew: plain}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("sync"))
	tenants.Delete(t.Context(), event.DeleteEvent{Object: bundled}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("sync"))
}

// TestSession_ATargetIsNoSession in both orders of creation: the one that had the Secret first keeps it, and no login is lost.
func TestSession_ATargetIsNoSession(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]quick{"Owner": targeting("session"), "Merge": merging("session")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			f.credentials()
			if name == "Merge" {
				f.foreign("session", map[string]string{"password": "theirs"})
			}
			ec := f.client("sync", policy)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			desk := f.client("the-desk", byLogin) // by its name the younger one
			f.run(desk)
			f.Expect(state(desk)).To(gomega.Equal("Failed: NoToken, SessionInvalid"))

			f.logIn() // by force: the plugin refuses
			refreshToken := f.value("session", session.KeyRefreshToken)
			for range 2 {
				f.run(desk)
				f.Expect(state(desk)).To(gomega.Equal("Failed: NoToken, SessionInvalid"))
				f.Expect(message(desk)).To(gomega.ContainSubstring(`Secret "session" is the target of EgainClient "sync"`))
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, TargetConflict"))
			}
			f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(refreshToken))
			f.Expect(f.session().Refreshes).To(gomega.BeZero())
		})
	}
}

// TestSession_WithoutItsMarkNothingIsSentAndNothingWritten whatever the server would answer.
func TestSession_WithoutItsMarkNothingIsSentAndNothingWritten(t *testing.T) {
	t.Parallel()
	for name, annotations := range map[string]map[string]string{
		"of another program":         nil,
		"restored without its mark":  {session.AnnotationExpirationTime: ""},
		"of another client":          {session.AnnotationID: "a-login", session.AnnotationClient: "NAMESPACE/other"},
		"of another namespace":       {session.AnnotationID: "a-login", session.AnnotationClient: "elsewhere/desk"},
		"a mark that is empty":       {session.AnnotationID: ""},
		"with the mark of its owner": {session.AnnotationClient: "NAMESPACE/desk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec := f.client("desk", byLogin, f.revoking)
			secret := &corev1.Secret{ObjectMeta: f.named("session"), StringData: map[string]string{session.KeyRefreshToken: "1//of-google"}}
			secret.Annotations = map[string]string{}
			for key, value := range annotations {
				if value == "NAMESPACE/other" || value == "NAMESPACE/desk" {
					value = f.namespace + value[len("NAMESPACE"):]
				}
				secret.Annotations[key] = value
			}
			f.create(secret)
			unchanged := f.unchanged(secret)
			f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{"expires_in": json.RawMessage("0")}})
			for range 2 {
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SessionInvalid"))
				f.Expect(message(ec)).To(gomega.ContainSubstring("run kubectl egain login desk"))
				f.Expect(message(ec)).NotTo(gomega.ContainSubstring("of-google"))
				f.restart()
			}
			f.delete(ec)
			f.reconcile(ec)
			f.Expect(f.sim.Requests()).To(gomega.BeEmpty(), "no refresh, and no revocation")
			unchanged()
		})
	}
}

func TestSession_MarkedByHandItIsUsed(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	f.change("session", func(s *corev1.Secret) { s.Annotations = nil })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SessionInvalid"))
	f.change("session", func(s *corev1.Secret) {
		s.Annotations = map[string]string{session.AnnotationID: "by-hand-1", session.AnnotationClient: f.namespace + "/desk"}
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestSession_AnExpiryThatNoServerSaysIsNotShown(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	f.run(ec)
	f.change("session", func(s *corev1.Secret) { s.Annotations[session.AnnotationExpirationTime] = "2099-01-01T00:00:00Z" })
	f.run(ec)
	f.Expect(ec.Status.Session).To(gomega.BeNil())
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// TestMerge_AKeyThatAppearsDuringTheRequestIsLeft and the token waits until it is gone.
func TestMerge_AKeyThatAppearsDuringTheRequestIsLeft(t *testing.T) {
	t.Parallel()
	template := func(ec *egainv1alpha1.EgainClient) {
		templated("TOKEN", "{{ .AccessToken }}")(ec)
		ec.Spec.Target.Template.Metadata = &egainv1alpha1.TargetMetadata{Labels: map[string]egainv1alpha1.LabelValue{"team": "a"}}
	}
	for name, tc := range map[string]struct{ put, remove func(*corev1.Secret) }{
		"a key of the operator": {func(s *corev1.Secret) { s.Data["access_token"] = []byte("theirs") }, func(s *corev1.Secret) { delete(s.Data, "access_token") }},
		"a key of the template": {func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("theirs") }, func(s *corev1.Secret) { delete(s.Data, "TOKEN") }},
		"a key of equal value":  {func(s *corev1.Secret) { s.Data["token_type"] = []byte("Bearer") }, func(s *corev1.Secret) { delete(s.Data, "token_type") }},
		"a label":               {func(s *corev1.Secret) { s.Labels = map[string]string{"team": "b"} }, func(s *corev1.Secret) { s.Labels = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.foreign("app", map[string]string{"password": "theirs"})
			ec := f.client("sync", merging("app"), template)
			var theirs *corev1.Secret
			put := func() { theirs = f.change("app", tc.put) }
			f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				err := c.Get(ctx, key, obj, opts...)
				if key.Name == "egain-app" && theirs == nil { // the target was looked at before, and is written after
					put()
				}
				return err
			}})
			_, err := f.tryReconcile(ec)
			f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`applying Secret "app"`)))
			unchanged := f.unchanged(theirs)
			for range 2 {
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetConflict"))
				unchanged()
			}
			f.Expect(f.holds(ec)).To(gomega.BeTrue())

			f.change("app", tc.remove)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.requests()).To(gomega.Equal(1), "the token was held meanwhile")
			f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("password", "TOKEN")))
		})
	}
}

// TestMerge_WhatOthersDoToTheSecretDuringTheRequestCostsNoToken and is left as it is.
func TestMerge_WhatOthersDoToTheSecretDuringTheRequestCostsNoToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"))
	times := 0
	put := func() {
		f.change("app", func(s *corev1.Secret) { s.Data["password"] = []byte{byte('0' + times)} })
	}
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if times++; times <= 2 {
			put()
		}
		return c.Apply(ctx, obj, opts...)
	}
	for range 2 {
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.HaveOccurred())
	}
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.value("app", "password")).To(gomega.Equal("2"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

// TestMerge_SecretsThatLogInToTheClusterAreRefused as every other use of them is.
func TestMerge_SecretsThatLogInToTheClusterAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*corev1.Secret){
		"a ServiceAccount's": func(s *corev1.Secret) {
			s.Type, s.Annotations = corev1.SecretTypeServiceAccountToken, map[string]string{corev1.ServiceAccountNameKey: "builder"}
		},
		"a bootstrap token": func(s *corev1.Secret) { s.Type = corev1.SecretTypeBootstrapToken },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.create(&corev1.ServiceAccount{ObjectMeta: f.named("builder")})
			secret := &corev1.Secret{ObjectMeta: f.named("login"), StringData: map[string]string{"token-id": "abcdef"}}
			change(secret)
			f.create(secret)
			unchanged := f.unchanged(secret)
			ec := f.client("sync", merging("login"), templated("auth-extra-groups", "system:bootstrappers:{{ .TokenType }}"))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetConflict"))
			f.Expect(message(ec)).To(gomega.ContainSubstring("logs in to the cluster"))
			f.Expect(f.requests()).To(gomega.BeZero())
			unchanged()
		})
	}
}

// TestTarget_TimesThatATokenCannotHaveAreDamage also when another writer applies them as the operator's field manager.
func TestTarget_TimesThatATokenCannotHaveAreDamage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ issue, expiration time.Duration }{
		"an expiry in decades":       {0, 70 * 365 * 24 * time.Hour},
		"a life of 367 days":         {0, 367 * 24 * time.Hour},
		"an issue in the future":     {2 * time.Hour, 3 * time.Hour},
		"both in the far future":     {50 * 365 * 24 * time.Hour, 50*365*24*time.Hour + time.Hour},
		"an expiry before the issue": {0, -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.run(ec)
			was := f.token("sync")
			f.step(time.Minute)
			issue, expiration := f.clock.Now().Add(tc.issue).UTC(), f.clock.Now().Add(tc.expiration).UTC()
			f.forge("sync", issue, expiration)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.token("sync")).NotTo(gomega.Equal(was))
			f.Expect(ec.Status.Token.ExpirationTime.Time).To(gomega.BeTemporally("<=", f.clock.Now().Add(time.Hour)))
			f.Expect(f.requests()).To(gomega.Equal(2))
		})
	}
}

// forge applies the target again as the operator's field manager, with other times.
func (f *fixture) forge(name string, issue, expiration time.Time) {
	f.t.Helper()
	applied, err := corev1ac.ExtractSecret(f.secret(name), target.Manager)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	applied.Annotations[target.AnnotationIssueTime] = issue.Format(time.RFC3339)
	applied.Annotations[target.AnnotationExpirationTime] = expiration.Format(time.RFC3339)
	applied.Data[target.KeyExpiresAt] = []byte(expiration.Format(time.RFC3339))
	f.Expect(errors.Join(admin.Apply(f.t.Context(), applied, client.FieldOwner(target.Manager), client.ForceOwnership))).To(gomega.Succeed())
}
