package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// calls notes what the reconciler asks of the API server from now on, but for the EgainClient itself, which a manager's
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
	f.Expect(calls()).To(gomega.Equal([]string{"get egain-app", "get egain-ca", "apply a Secret", "patch status"}))
	f.Expect(f.requests()).To(gomega.Equal(2))

	f.change("sync", func(s *corev1.Secret) { s.Labels["theirs"] = "x" })
	f.run(ec)
	f.Expect(calls()).To(gomega.Equal([]string{"get sync"}), "a change by somebody else is looked at once")
	f.run(ec)
	f.Expect(calls()).To(gomega.BeEmpty())
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

func TestATargetIsInOrderOnlyOnceItWasMended(t *testing.T) {
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
	f.credentials()
	ec := f.client("sync")
	unseen := ec.DeepCopy()
	f.Expect(f.r.Client.Get(t.Context(), client.ObjectKeyFromObject(ec), unseen)).To(gomega.Succeed())
	f.run(ec)
	f.Expect(f.sent()).To(gomega.HaveLen(1), "the event of the first token")

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
	f.Expect(f.r.memory.recall(ec).written).To(gomega.BeNil(), "what the cache has caught up with is kept")
}
