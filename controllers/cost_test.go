package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// calls notes what the reconciler asks of the API server from now on, except for the EgainClient itself, which a manager's
// client reads from the cache.
func (f *fixture) calls() func() []string {
	var all []string
	note := func(verb string, what any) { all = append(all, fmt.Sprintf("%s %v", verb, what)) }
	f.through(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, is := obj.(*egainv1alpha1.EgainClient); !is {
				note("get", key.Name)
			}
			return c.Get(ctx, key, obj, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			note("create", obj.GetName())
			return c.Create(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			note("delete", obj.GetName())
			return c.Delete(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			note("patch", obj.GetName())
			return c.Patch(ctx, obj, patch, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			note("apply", "a Secret")
			return c.Apply(ctx, obj, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			note("patch", sub)
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	return func() []string {
		since := all
		all = nil
		return since
	}
}

func TestARotationCostsNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	result := f.run(ec)
	calls := f.calls()

	f.run(ec)
	f.Expect(calls()).To(gomega.BeEmpty(), "a look that finds all in order")

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(calls()).To(gomega.Equal([]string{"get egain-app", "apply a Secret", "patch status"}))
	f.Expect(f.requests()).To(gomega.Equal(2))

	f.change("sync", func(s *corev1.Secret) { s.Labels["theirs"] = "x" })
	f.run(ec)
	f.Expect(calls()).To(gomega.Equal([]string{"get sync"}), "a change by another client is read once")
	f.run(ec)
	f.Expect(calls()).To(gomega.BeEmpty())
}

func TestAFirstTokenCostsNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	first, second := f.client("first"), f.client("second")
	calls := f.calls()
	f.run(first)
	f.Expect(calls()).To(gomega.Equal([]string{"get egain-ca", "get egain-app", "get first", "apply a Secret", "patch status"}))
	f.run(second)
	f.Expect(calls()).To(gomega.Equal([]string{"get egain-app", "get second", "apply a Secret", "patch status"}), "the CA bundle is known")

	f.Expect(admin.Delete(t.Context(), f.secret("second"))).To(gomega.Succeed())
	f.step(rotation.Floor)
	f.run(second)
	f.Expect(calls()).To(gomega.Equal([]string{"get second", "get egain-app", "get second", "apply a Secret", "patch status"}),
		"that one which was written is gone is looked at, since the cache may not have it yet")
}

func TestACABundleIsReadOnceForEachVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	bundle := &corev1.ConfigMap{}
	f.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: "egain-ca"}, bundle)).To(gomega.Succeed())
	bundle.Labels = map[string]string{"team": "x"}
	f.Expect(admin.Update(t.Context(), bundle)).To(gomega.Succeed())
	calls := f.calls()
	for _, reads := range []gomega.OmegaMatcher{gomega.ContainElement("get egain-ca"), gomega.Not(gomega.ContainElement("get egain-ca"))} {
		f.update(ec, func() {
			metav1.SetMetaDataAnnotation(&ec.ObjectMeta, egainv1alpha1.RenewRequestedAtAnnotation, f.clock.Now().String())
		})
		f.run(ec)
		f.Expect(calls()).To(reads)
		f.step(time.Minute)
	}
	f.Expect(f.requests()).To(gomega.Equal(3))
}

func TestAQueuedClientCostsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.limited(egainv1alpha1.RequestLimits{PerSecond: 1})
	f.run(first)
	f.run(second)
	calls := f.calls()
	f.run(second)
	f.Expect(calls()).To(gomega.BeEmpty(), "nothing is read for a request that is not sent")
	f.step(time.Second + 100*time.Millisecond)
	f.run(second)
	f.Expect(calls()).To(gomega.ContainElements("get egain-app", "apply a Secret"))
}

func TestARequestThatCannotBeMadeGivesItsSlotBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.limited(egainv1alpha1.RequestLimits{Concurrent: 1})
	f.foreign("empty", map[string]string{"client_id": "x"})
	f.update(first, func() { first.Spec.CredentialsSecretRef.Name = "empty" })
	f.run(first)
	f.Expect(state(first)).To(gomega.HavePrefix("Failed: NoToken, Credentials"))
	f.run(second)
	f.Expect(state(second)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestARestartCostsOneReadOfTheTarget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.restart()
	calls := f.calls()

	f.run(ec)
	f.Expect(calls()).To(gomega.Equal([]string{"get sync"}))
	f.run(ec)
	f.Expect(calls()).To(gomega.BeEmpty())
}

func TestATargetIsInOrderOnlyAfterItsRepair(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
	f.run(ec)
	f.change("sync", func(s *corev1.Secret) { delete(s.Data, "TOKEN") })
	f.failApply(errors.New("no leader"))

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.run(ec)
	f.Expect(f.keys("sync")).To(gomega.ContainElement("TOKEN"))
}

func TestAStatusThatTheCacheDoesNotHaveYetIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("sync")
	f.run(ec)
	f.sent()
	unseen := ec.DeepCopy()
	f.Expect(f.r.Client.Get(t.Context(), client.ObjectKeyFromObject(ec), unseen)).To(gomega.Succeed())
	f.credentials()
	f.run(ec)
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal Issued"}))

	lag := true
	f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		if cached, is := obj.(*egainv1alpha1.EgainClient); is && lag {
			unseen.DeepCopyInto(cached)
			return nil
		}
		return c.Get(ctx, key, obj, opts...)
	}})
	calls := f.calls()
	_, err := f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(calls()).To(gomega.BeEmpty(), "the change of the target wakes the client before the status is in the cache")
	f.Expect(f.sent()).To(gomega.BeEmpty(), "an event is not sent again")

	lag = false
	f.run(ec)
	f.Expect(calls()).To(gomega.BeEmpty())
	f.Expect(f.r.statuses.Last(journal.Name(ec))).To(gomega.BeNil(), "what the cache has caught up with is kept")
}
