package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
)

// revoking has the token revoked at the simulator's endpoint when the client is deleted.
func (f *fixture) revoking(ec *egainv1alpha1.EgainClient) {
	ec.Spec.RevokeOnDelete = new(true)
	if ec.Spec.Tenant.Endpoints != nil {
		ec.Spec.Tenant.Endpoints.RevocationURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().RevocationURL(egainsim.Client))
	}
}

func TestHasAFinalizerOnlyWhereItsDeletionNeedsWork(t *testing.T) {
	t.Parallel()
	revoking := func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) }
	nothing := func(*egainv1alpha1.EgainClient) {}
	tests := map[string]struct {
		change quick
		want   bool
	}{
		"Owner and Delete":                {nothing, false},
		"Owner and Retain":                {retaining, false},
		"Owner, revoked":                  {revoking, true},
		"Merge and Delete":                {merging("app"), true},
		"Merge and Retain":                {func(ec *egainv1alpha1.EgainClient) { merging("app")(ec); retaining(ec) }, false},
		"Merge and Retain, revoked":       {func(ec *egainv1alpha1.EgainClient) { merging("app")(ec); retaining(ec); revoking(ec) }, true},
		"revoked, said explicitly not to": {func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(false) }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.foreign("app", nil)
			ec := f.client("sync", tc.change)

			f.run(ec)
			f.Expect(controllerutil.ContainsFinalizer(ec, egainv1alpha1.CleanupFinalizer)).To(gomega.Equal(tc.want))
		})
	}
}

func TestTheFinalizerComesAndGoesWithTheNeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) { ec.Finalizers = []string{"example.com/theirs"} })
	f.run(ec)
	f.Expect(ec.Finalizers).To(gomega.ConsistOf("example.com/theirs"))

	f.update(ec, func() { ec.Spec.RevokeOnDelete = new(true) })
	f.run(ec)
	f.Expect(ec.Finalizers).To(gomega.ConsistOf("example.com/theirs", egainv1alpha1.CleanupFinalizer))

	f.update(ec, func() { ec.Spec.RevokeOnDelete = nil })
	f.run(ec)
	f.Expect(ec.Finalizers).To(gomega.ConsistOf("example.com/theirs"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestTheFinalizerIsThereBeforeAnythingElseIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.revoking)
	f.through(interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return apierrors.NewConflict(egainv1alpha1.SchemeGroupVersion.WithResource("egainclients").GroupResource(), "sync", errors.New("changed"))
	}})

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("changing the finalizers")))
	f.Expect(f.requests()).To(gomega.BeZero())
	f.Expect(f.secret("sync")).To(gomega.BeNil())
}

func TestLeavesTheFinalizersOfOthersWhenItIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.revoking, func(ec *egainv1alpha1.EgainClient) { ec.Finalizers = []string{"example.com/theirs"} })
	f.run(ec)

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(ec.Finalizers).To(gomega.ConsistOf("example.com/theirs"))
	unchanged := f.unchanged(ec)
	f.Expect(f.reconcile(ec).RequeueAfter).To(gomega.BeZero())
	unchanged()
	f.Expect(f.asked(egainsim.RevocationEndpoint)).To(gomega.Equal(1))
	f.Expect(f.requests()).To(gomega.Equal(1), "a client that is going away gets no token")
	f.update(ec, func() { ec.Finalizers = nil })
}

func TestRevokesTheTokenOnDeletion(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*fixture, *egainv1alpha1.EgainClient){
		"at an endpoint that the spec names": func(*fixture, *egainv1alpha1.EgainClient) {},
		"at one that the metadata name": func(f *fixture, ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))
			ec.Spec.Tenant.Endpoints.RevocationURL = ""
		},
		"though it is suspended": func(_ *fixture, ec *egainv1alpha1.EgainClient) { ec.Spec.Suspend = new(false) },
		"though it is retained":  func(_ *fixture, ec *egainv1alpha1.EgainClient) { retaining(ec) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", f.revoking, func(ec *egainv1alpha1.EgainClient) { change(f, ec) })
			f.run(ec)
			if ec.Spec.Suspend != nil {
				f.update(ec, func() { ec.Spec.Suspend = new(true) })
				f.run(ec)
			}
			token := f.token("sync")
			f.sent()

			f.delete(ec)
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse())
			f.Expect(f.sent()).To(gomega.Equal([]string{"Normal TokenRevoked the token was revoked"}))
		})
	}
}

func TestTriesToRevokeForAMinute(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	registry := f.measured()
	// A deletion is dated by the API server.
	f.clock.SetTime(time.Now())
	ec := f.client("sync", f.revoking)
	f.run(ec)
	f.sent()
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, egainsim.Fault{Status: 503})
	f.delete(ec)

	for range 5 {
		result := f.reconcile(ec)
		f.Expect(result.RequeueAfter).To(gomega.Equal(5 * time.Second))
		f.Expect(f.gone(ec)).To(gomega.BeFalse())
		f.step(result.RequeueAfter)
	}
	f.step(time.Minute)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue(), "no deletion hangs on a server that is down")
	f.Expect(f.asked(egainsim.RevocationEndpoint)).To(gomega.Equal(6))
	f.Expect(f.sent()).To(gomega.ConsistOf(gomega.And(gomega.HavePrefix("Warning TokenNotRevoked"),
		gomega.ContainSubstring("HTTP 503"), gomega.ContainSubstring("stays valid until it expires"))), "once, and only when it is given up")
	f.Expect(f.counted(registry, "egain_client_failures_total", "TokenNotRevoked")).To(gomega.Equal(1.0))
}

func TestRevokesAtTheSecondTry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.clock.SetTime(time.Now())
	ec := f.client("sync", f.revoking)
	f.run(ec)
	token := f.token("sync")
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, egainsim.Fault{Drop: true, Times: 1})
	f.delete(ec)

	f.step(f.reconcile(ec).RequeueAfter)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse())
}

func TestDoesNotWaitForARevocationThatCannotSucceed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*fixture, *egainv1alpha1.EgainClient)
		before func(*fixture)
		says   string
	}{
		"the tenant has no revocation endpoint": {
			change: func(_ *fixture, ec *egainv1alpha1.EgainClient) { ec.Spec.Tenant.Endpoints.RevocationURL = "" },
			says:   "no revocation endpoint",
		},
		"the CA bundle is none any more": {
			before: func(f *fixture) {
				f.Expect(admin.Update(f.t.Context(), &corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": "none"}})).To(gomega.Succeed())
			},
			says: "CA bundle",
		},
		"the client is rejected": {
			before: func(f *fixture) { _ = f.sim.RemoveSecret(egainsim.RigelClientID, egainsim.RigelClientSecret) },
			says:   "HTTP 401",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.clock.SetTime(time.Now())
			ec := f.client("sync", f.revoking, func(ec *egainv1alpha1.EgainClient) {
				if tc.change != nil {
					tc.change(f, ec)
				}
			})
			f.run(ec)
			f.sent()
			if tc.before != nil {
				tc.before(f)
			}

			f.delete(ec)
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.sent()).To(gomega.ConsistOf(gomega.And(gomega.HavePrefix("Warning TokenNotRevoked"), gomega.ContainSubstring(tc.says))))
		})
	}
}

// withoutWhatRevokingNeeds are objects whose absence a revocation waits for, and what is said of it at the end.
var withoutWhatRevokingNeeds = map[string]struct {
	object func(*fixture) client.Object
	says   string
}{
	"the credentials are gone": {func(f *fixture) client.Object { return f.secret("egain-app") }, `Secret "egain-app"`},
	"the CA bundle is gone": {func(f *fixture) client.Object {
		bundle := &corev1.ConfigMap{ObjectMeta: f.named("egain-ca")}
		f.Expect(admin.Get(f.t.Context(), client.ObjectKeyFromObject(bundle), bundle)).To(gomega.Succeed())
		return bundle
	}, `ConfigMap "egain-ca"`},
}

// deletedWithout deletes a client that revokes, and an object that this needs.
func deletedWithout(t *testing.T, missing func(*fixture) client.Object) (*fixture, *egainv1alpha1.EgainClient, client.Object) {
	t.Helper()
	f := newFixture(t)
	f.credentials()
	f.clock.SetTime(time.Now())
	ec := f.client("sync", f.revoking)
	f.run(ec)
	f.sent()
	object := missing(f)
	f.delete(object)
	f.delete(ec)
	return f, ec, object
}

func TestWaitsAMinuteForWhatARevocationNeeds(t *testing.T) {
	t.Parallel()
	for name, tc := range withoutWhatRevokingNeeds {
		t.Run(name+", and comes back", func(t *testing.T) {
			t.Parallel()
			f, ec, object := deletedWithout(t, tc.object)
			token := f.token("sync")
			f.Expect(f.reconcile(ec).RequeueAfter).To(gomega.Equal(5 * time.Second))
			object.SetResourceVersion("")
			f.Expect(admin.Create(t.Context(), object)).To(gomega.Succeed())
			f.step(5 * time.Second)
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse())
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal TokenRevoked"}))
		})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, ec, _ := deletedWithout(t, tc.object)
			f.step(50 * time.Second)
			f.Expect(f.reconcile(ec).RequeueAfter).To(gomega.Equal(5 * time.Second))
			f.Expect(f.sent()).To(gomega.BeEmpty())
			f.step(15 * time.Second)
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.sent()).To(gomega.ConsistOf(gomega.And(gomega.HavePrefix("Warning TokenNotRevoked"), gomega.ContainSubstring(tc.says))))
		})
		t.Run(name+", as is the namespace soon", func(t *testing.T) {
			t.Parallel()
			f, ec, _ := deletedWithout(t, tc.object)
			f.r.Cache = interceptor.NewClient(admin, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				err := c.Get(ctx, key, obj, opts...)
				if obj.GetObjectKind().GroupVersionKind() == namespaceKind {
					obj.SetDeletionTimestamp(new(metav1.Now()))
				}
				return err
			}})
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue(), "nothing can be created there")
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning TokenNotRevoked"}))
		})
	}
}

// TestADeletionHasOneVerdict reconciles a deletion whose revocation has ended again, when it could only end otherwise.
func TestADeletionHasOneVerdict(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(egainv1alpha1.SchemeGroupVersion.WithResource("egainclients").GroupResource(), "sync", errors.New("changed"))
	for name, first := range map[string]error{"from a cache that still has the object": nil, "after a conflict": conflict} {
		for verdict, rejected := range map[string]bool{"Normal TokenRevoked": false, "Warning TokenNotRevoked": true} {
			t.Run(verdict+" "+name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.credentials()
				registry := f.measured()
				f.clock.SetTime(time.Now())
				ec := f.client("sync", f.revoking)
				f.run(ec)
				f.sent()
				if rejected {
					f.Expect(f.sim.RemoveSecret(egainsim.RigelClientID, egainsim.RigelClientSecret)).To(gomega.Succeed())
				}
				f.delete(ec)
				f.Expect(admin.Get(t.Context(), journal.Name(ec), ec)).To(gomega.Succeed())
				stale := ec.DeepCopy()
				fail := failOnce(first)
				f.through(interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
					if err := fail(); err != nil {
						return err
					}
					return c.Patch(ctx, obj, patch, opts...)
				}})
				_, _ = f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
				f.Expect(reasons(f.sent())).To(gomega.Equal([]string{verdict}))

				f.delete(f.secret("egain-app"))
				f.sim.SetFault(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, egainsim.Fault{Status: 404})
				f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
					if ec, is := obj.(*egainv1alpha1.EgainClient); is {
						stale.DeepCopyInto(ec)
						return nil
					}
					return c.Get(ctx, key, obj, opts...)
				}})
				f.step(2 * time.Minute)
				_, err := f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
				f.Expect(err).NotTo(gomega.HaveOccurred())
				f.Expect(f.gone(ec)).To(gomega.BeTrue())
				f.Expect(f.sent()).To(gomega.BeEmpty())
				f.Expect(f.asked(egainsim.RevocationEndpoint)).To(gomega.Equal(1))
				failures := map[bool]float64{true: 1}[rejected]
				f.Expect(f.counted(registry, "egain_client_failures_total", "TokenNotRevoked")).To(gomega.Equal(failures))
			})
		}
	}
}

func TestRevokesNothingWhereThereIsNoTokenOfItsOwn(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*fixture, *egainv1alpha1.EgainClient){
		"the target is gone":    func(f *fixture, _ *egainv1alpha1.EgainClient) { f.delete(f.secret("sync")) },
		"the token has expired": func(f *fixture, _ *egainv1alpha1.EgainClient) { f.step(time.Hour) },
		"the token was tampered with": func(f *fixture, _ *egainv1alpha1.EgainClient) {
			f.change("sync", func(s *corev1.Secret) { s.Data["access_token"] = []byte("x") })
		},
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.clock.SetTime(time.Now())
			ec := f.client("sync", f.revoking)
			f.run(ec)
			f.sent()
			before(f, ec)

			f.delete(ec)
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.asked(egainsim.RevocationEndpoint)).To(gomega.BeZero())
			f.Expect(f.sent()).To(gomega.BeEmpty())
		})
	}
}

func TestDoesNotRevokeTheTokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	holder := f.client("a", targeting("shared"))
	f.run(holder)
	other := f.client("b", targeting("shared"), f.revoking)
	f.run(other)
	f.Expect(state(other)).To(gomega.Equal("Failed: NoToken, TargetClaimed"))

	f.delete(other)
	f.reconcile(other)
	f.Expect(f.gone(other)).To(gomega.BeTrue())
	f.Expect(f.active("shared")).To(gomega.BeTrue())
}

func TestABusyHostIsWaitedForBeforeTheTokenIsLetGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.clock.SetTime(time.Now())
	ec := f.client("sync", f.revoking)
	f.run(ec)
	f.sent()
	f.occupy()

	f.delete(ec)
	f.Expect(f.reconcile(ec).RequeueAfter).To(gomega.Equal(5 * time.Second))
	f.Expect(f.gone(ec)).To(gomega.BeFalse())
	f.Expect(f.sent()).To(gomega.BeEmpty(), "nothing was tried yet")

	f.step(2 * time.Minute)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
}

func TestADeletionGoesOnOnceTheAPIServerRecovers(t *testing.T) {
	t.Parallel()
	secretsFail := func(f *fixture) {
		fail := failOnce(apierrors.NewInternalError(errors.New("no leader")))
		f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, is := obj.(*corev1.Secret); is {
				if err := fail(); err != nil {
					return err
				}
			}
			return c.Get(ctx, key, obj, opts...)
		}})
	}
	t.Run("of revoking", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		f.clock.SetTime(time.Now())
		ec := f.client("sync", f.revoking)
		f.run(ec)
		token := f.token("sync")
		secretsFail(f)

		f.delete(ec)
		f.Expect(f.reconcile(ec).RequeueAfter).To(gomega.Equal(5 * time.Second))
		f.reconcile(ec)
		f.Expect(f.gone(ec)).To(gomega.BeTrue())
		f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse())
	})
	t.Run("of releasing a merged Secret", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		f.foreign("app", map[string]string{"password": "theirs"})
		ec := f.client("sync", merging("app"))
		f.run(ec)
		secretsFail(f)

		f.delete(ec)
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`reading the former target "app"`)))
		f.reconcile(ec)
		f.Expect(f.gone(ec)).To(gomega.BeTrue())
		f.Expect(f.keys("app")).To(gomega.ConsistOf("password"))
	})
}

// awaitCollector waits until the garbage collector knows every Secret that exists: it orphans those only. It receives Secrets in
// their order, and deletes one whose owner does not exist.
func (f *fixture) awaitCollector() {
	f.t.Helper()
	orphan := &corev1.Secret{ObjectMeta: f.named("orphan")}
	orphan.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: egainv1alpha1.SchemeGroupVersion.String(), Kind: "EgainClient", Name: "none", UID: "00000000-0000-0000-0000-000000000000",
	}}
	f.create(orphan)
	f.Eventually(func() bool { return f.gone(orphan) }, collected).Should(gomega.BeTrue())
}

func TestLeavesTheTargetThatADeletionIsToOrphan(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.revoking)
	f.run(ec)
	token := f.token("sync")
	f.awaitCollector()

	f.Expect(admin.Delete(t.Context(), ec, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(gomega.Succeed())
	f.Eventually(func() bool {
		_, _ = f.tryReconcile(ec) // the garbage collector removes a finalizer of its own at the same time
		return f.gone(ec)
	}, collected).Should(gomega.BeTrue())
	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.Expect(f.secret("sync").OwnerReferences).To(gomega.BeEmpty())
}

func TestEndsTheSessionOnDeletion(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		setUp func(f *fixture, ec *egainv1alpha1.EgainClient)
		ends  egainsim.SessionEnd
		event []string
	}{
		"with a valid token":        {func(*fixture, *egainv1alpha1.EgainClient) {}, egainsim.SessionRevoked, []string{"Normal TokenRevoked"}},
		"with an expired token":     {func(f *fixture, _ *egainv1alpha1.EgainClient) { f.step(2 * time.Hour) }, egainsim.SessionRevoked, []string{"Normal TokenRevoked"}},
		"without its target":        {func(f *fixture, _ *egainv1alpha1.EgainClient) { f.delete(f.secret("desk")) }, egainsim.SessionRevoked, []string{"Normal TokenRevoked"}},
		"not without a session":     {func(f *fixture, _ *egainv1alpha1.EgainClient) { f.delete(f.secret("session")) }, "", []string{"Normal TokenRevoked"}},
		"not if it is not asked to": {func(f *fixture, ec *egainv1alpha1.EgainClient) { f.update(ec, func() { ec.Spec.RevokeOnDelete = nil }) }, "", []string{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			ec := f.client("desk", byLogin, f.revoking)
			f.logIn()
			f.run(ec)
			tc.setUp(f, ec)
			f.sent()

			f.delete(ec)
			_, err := f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
			f.Expect(err).NotTo(gomega.HaveOccurred())
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.session().End).To(gomega.Equal(tc.ends))
			f.Expect(reasons(f.sent())).To(gomega.Equal(tc.event))
		})
	}
}

func TestEveryPolicyDoesWhatItSaysWhenTheClientIsDeleted(t *testing.T) {
	t.Parallel()
	type outcome struct{ secret, token, others bool }
	tests := map[string]struct {
		change quick
		want   outcome
	}{
		"Owner, Delete": {func(*egainv1alpha1.EgainClient) {}, outcome{}},
		"Owner, Retain": {retaining, outcome{secret: true, token: true}},
		"Merge, Delete": {merging("sync"), outcome{secret: true, others: true}},
		"Merge, Retain": {func(ec *egainv1alpha1.EgainClient) { merging("sync")(ec); retaining(ec) }, outcome{secret: true, token: true, others: true}},
	}
	for name, tc := range tests {
		for _, revoked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, revoked %t", name, revoked), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.credentials()
				ec := f.client("sync", tc.change, func(ec *egainv1alpha1.EgainClient) {
					if revoked {
						f.revoking(ec)
					}
				})
				if tc.want.others {
					f.foreign("sync", map[string]string{"theirs": "x"})
				}
				f.run(ec)
				token := f.token("sync")

				f.delete(ec)
				_, err := f.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
				f.Expect(err).NotTo(gomega.HaveOccurred())
				f.Expect(f.gone(ec)).To(gomega.BeTrue())
				if !tc.want.secret {
					f.Eventually(func() *corev1.Secret { return f.secret("sync") }).WithTimeout(collected).Should(gomega.BeNil())
				} else {
					_, holds := f.secret("sync").Data["access_token"]
					_, theirs := f.secret("sync").Data["theirs"]
					f.Expect(outcome{true, holds, theirs}).To(gomega.Equal(tc.want))
				}
				f.Expect(f.sim.Introspect(token).Active).To(gomega.Equal(!revoked))
			})
		}
	}
}

func TestAnOperatorAtWorkHoldsUpNoNamespace(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	home := newNamespace(t) // the operator's own, which stays
	f.r, _ = startManager(t, operatorConfig(t, home), 4, f.namespace)
	f.credentials()
	f.foreign("egain-web", map[string]string{"client_id": egainsim.RigelWebClientID, "client_secret": egainsim.RigelWebClientSecret})
	f.foreign("app", map[string]string{"theirs": "x"})
	clients := []*egainv1alpha1.EgainClient{
		f.client("revoked", f.revoking), f.client("merged", merging("app")), f.client("desk", byLogin, f.revoking),
		f.client("nowhere", func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) }),
	}
	f.logIn()
	for _, ec := range clients {
		f.ready(ec, true)
	}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
	f.delete(namespace)
	f.eventually(func(g gomega.Gomega) { g.Expect(f.gone(namespace)).To(gomega.BeTrue()) })
}
