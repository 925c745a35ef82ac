package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/journal"
)

func TestAnObjectIsWokenByEverythingThatItNames(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{}
	ec.Name = "sync"
	if diff := cmp.Diff([]string{"Secret/sync"}, objectsOf(ec)); diff != "" {
		t.Error(diff)
	}
	ec.Spec.Target.SecretName = "target"
	ec.Spec.CredentialsSecretRef = &egainv1alpha1.CredentialsSecretReference{Name: "app"}
	ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{SubjectToken: egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "okta"}}}
	ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: "ca"}
	if diff := cmp.Diff([]string{"Secret/target", "Secret/app", "Secret/okta", "ConfigMap/ca"}, objectsOf(ec)); diff != "" {
		t.Error(diff)
	}
	ec.Spec.TokenExchange.SubjectToken = egainv1alpha1.SubjectToken{ServiceAccountToken: &egainv1alpha1.ServiceAccountToken{Name: "sync"}}
	if diff := cmp.Diff([]string{"Secret/target", "Secret/app", "ConfigMap/ca"}, objectsOf(ec)); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyChangesThatMayMatterWakeAnObject(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*egainv1alpha1.EgainClient)
		want   bool
	}{
		"nothing":            {func(*egainv1alpha1.EgainClient) {}, false},
		"a label":            {func(ec *egainv1alpha1.EgainClient) { ec.Labels = map[string]string{"team": "a"} }, false},
		"another annotation": {func(ec *egainv1alpha1.EgainClient) { ec.Annotations = map[string]string{"note": "a"} }, false},
		"the status":         {func(ec *egainv1alpha1.EgainClient) { ec.Status.ObservedGeneration = 1 }, false},
		"the spec":           {func(ec *egainv1alpha1.EgainClient) { ec.Generation++ }, true},
		"a request to renew": {func(ec *egainv1alpha1.EgainClient) {
			ec.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: "a"}
		}, true},
		"another object of that name": {func(ec *egainv1alpha1.EgainClient) { ec.UID = "another" }, true},
		"the deletion":                {func(ec *egainv1alpha1.EgainClient) { ec.DeletionTimestamp = second(noon) }, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
			is := was.DeepCopy()
			tc.change(is)
			if got := clientChanged.Update(event.UpdateEvent{ObjectOld: was, ObjectNew: is}); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
	if !clientChanged.Create(event.CreateEvent{Object: &egainv1alpha1.EgainClient{}}) || !clientChanged.Delete(event.DeleteEvent{Object: &egainv1alpha1.EgainClient{}}) {
		t.Error("a creation and a deletion always matter")
	}
}

// player returns a function that lets time pass in steps of 100 ms, and reconciles each client when it is due or woken.
func (f *fixture) player(all []*egainv1alpha1.EgainClient) func(time.Duration) {
	due := map[string]time.Time{}
	q := workqueue.NewTypedRateLimitingQueue(retryLimiter())
	f.t.Cleanup(q.ShutDown)
	f.Expect(f.r.wakeups.clients.Start(f.t.Context(), q)).To(gomega.Succeed())
	return func(d time.Duration) {
		for until := f.clock.Now().Add(d); f.clock.Now().Before(until); f.step(100 * time.Millisecond) {
			for _, name := range woken(q) {
				due[name] = f.clock.Now()
			}
			for _, ec := range all {
				if !due[ec.Name].After(f.clock.Now()) {
					due[ec.Name] = f.clock.Now().Add(f.run(ec).RequeueAfter)
				}
			}
		}
	}
}

// woken are the names in a queue, which is then empty.
func woken(q workqueue.TypedRateLimitingInterface[reconcile.Request]) []string {
	names := []string{}
	for q.Len() > 0 {
		request, _ := q.Get()
		q.Done(request)
		names = append(names, request.Name)
	}
	return names
}

func TestAnEventWakesThoseThatItMattersTo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.client("a", targeting("shared")), f.client("b", targeting("shared"))
	f.client("c", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "other" })
	q := workqueue.NewTypedRateLimitingQueue(retryLimiter())
	t.Cleanup(q.ShutDown)
	clients, secrets, configMaps := f.waker().clientHandler(), f.waker().objectHandler("Secret"), f.waker().objectHandler("ConfigMap")
	object := func(name string) client.Object {
		return &metav1.PartialObjectMetadata{ObjectMeta: f.named(name)}
	}
	ctx := t.Context()

	clients.Create(ctx, event.CreateEvent{Object: a}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("a"))
	clients.Update(ctx, event.UpdateEvent{ObjectOld: a, ObjectNew: a}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("a"))
	renamed := a.DeepCopy()
	renamed.Spec.Target.SecretName = "elsewhere"
	clients.Update(ctx, event.UpdateEvent{ObjectOld: a, ObjectNew: renamed}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("a", "b"), "who waited for the target that is given up")
	f.delete(a)
	clients.Delete(ctx, event.DeleteEvent{Object: a}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("a", "b"))

	secrets.Create(ctx, event.CreateEvent{Object: object("egain-app")}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("b"))
	secrets.Update(ctx, event.UpdateEvent{ObjectOld: object("other"), ObjectNew: object("other")}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("c"))
	secrets.Delete(ctx, event.DeleteEvent{Object: object("shared")}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("b"))
	secrets.Create(ctx, event.CreateEvent{Object: object("egain-ca")}, q)
	f.Expect(woken(q)).To(gomega.BeEmpty(), "a Secret with the name of a ConfigMap")
	configMaps.Create(ctx, event.CreateEvent{Object: object("egain-ca")}, q)
	f.Expect(woken(q)).To(gomega.ConsistOf("b", "c"))

	f.r.Cache = brokenCache{f.r.Cache, false, true}
	secrets = f.waker().objectHandler("Secret")
	secrets.Create(ctx, event.CreateEvent{Object: object("egain-app")}, q)
	f.Expect(woken(q)).To(gomega.BeEmpty())
	_ = b
}

func TestAtAStartAClientIsWokenForItselfOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.tenant()
	ec := f.client("sync", f.referring)
	f.client("exchanged", exchangingTokenOf("sync"))
	secret := &metav1.PartialObjectMetadata{ObjectMeta: f.named("egain-app")}
	for _, initial := range []bool{true, false} {
		q := workqueue.NewTypedRateLimitingQueue(retryLimiter())
		t.Cleanup(q.ShutDown)
		f.waker().clientHandler().Create(t.Context(), event.CreateEvent{Object: ec, IsInInitialList: initial}, q)
		self := woken(q)
		f.waker().objectHandler("Secret").Create(t.Context(), event.CreateEvent{Object: secret, IsInInitialList: initial}, q)
		f.waker().tenantHandler().Create(t.Context(), event.CreateEvent{Object: tenant, IsInInitialList: initial}, q)
		if initial {
			f.Expect(self).To(gomega.ConsistOf("sync"))
			f.Consistently(func() int { return q.Len() }, 200*time.Millisecond).Should(gomega.BeZero())
		} else {
			f.Expect(self).To(gomega.ConsistOf("sync", "exchanged"))
			f.eventually(func(g gomega.Gomega) {
				g.Expect(q.Len()).To(gomega.Equal(2), "both for the Secret, the one for the tenant too")
			})
		}
	}
}

func TestARetryAfterAnErrorOfTheAPIServerComesWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	limiter := retryLimiter()
	request := reconcile.Request{}
	if first := limiter.When(request); first != 250*time.Millisecond {
		t.Errorf("the first after %v", first)
	}
	for range 20 {
		limiter.When(request)
	}
	if last := limiter.When(request); last != 30*time.Second {
		t.Errorf("the last after %v", last)
	}
}

func TestAReconcileOutlivesTheStopOfTheOperator(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	stopped, stop := context.WithCancel(t.Context())
	stop()

	_, err := f.r.Reconcile(stopped, reconcile.Request{NamespacedName: journal.Name(ec)})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(f.active("sync")).To(gomega.BeTrue())
}

func (f *fixture) waker() waker { return waker{f.r.Cache, &f.r.references} }
