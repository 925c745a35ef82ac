package controllers

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/session"
)

// bulky is metadata with as much in each field as an API server takes, in strings of its own.
func bulky(i int) metav1.ObjectMeta {
	long := func() string { return strings.Repeat(fmt.Sprintf("%04d", i), 60<<10/4) }
	meta := metav1.ObjectMeta{
		Namespace: "team-a", Name: fmt.Sprintf("object-%d", i), UID: "uid", ResourceVersion: "7", Labels: map[string]string{},
		Annotations: map[string]string{
			session.AnnotationID: long(), session.AnnotationExpirationTime: long(), egainv1alpha1.RenewRequestedAtAnnotation: long(),
			"kubectl.kubernetes.io/last-applied-configuration": long(),
		},
		Finalizers: []string{egainv1alpha1.CleanupFinalizer},
	}
	for j := range 200 {
		name := fmt.Sprintf("example.com/%d-%d-%s", i, j, strings.Repeat("x", 40))
		meta.Labels[name] = name
		meta.Finalizers = append(meta.Finalizers, name)
		meta.OwnerReferences = append(meta.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: name, UID: "uid"})
		meta.ManagedFields = append(meta.ManagedFields, metav1.ManagedFieldsEntry{Manager: name, FieldsV1: metav1.NewFieldsV1(name)})
	}
	return meta
}

// It measures the heap, so that it runs alone.
func TestTheCacheDoesNotGrowWithMetadata(t *testing.T) { //nolint:paralleltest // see above
	const objects, bound = 200, 2 << 10
	tests := map[string]struct {
		strip cache.TransformFunc
		make  func(metav1.ObjectMeta) any
	}{
		"Secrets":      {caching.Secret, func(m metav1.ObjectMeta) any { return &metav1.PartialObjectMetadata{ObjectMeta: m} }},
		"ConfigMaps":   {caching.ConfigMap, func(m metav1.ObjectMeta) any { return &metav1.PartialObjectMetadata{ObjectMeta: m} }},
		"EgainClients": {caching.Client, func(m metav1.ObjectMeta) any { return &egainv1alpha1.EgainClient{ObjectMeta: m} }},
		"EgainTenants": {caching.Tenant, func(m metav1.ObjectMeta) any { return &egainv1alpha1.EgainTenant{ObjectMeta: m} }},
		"Namespaces": {caching.Namespace, func(m metav1.ObjectMeta) any {
			m.Labels = map[string]string{"team": "a"} // those are kept
			return &metav1.PartialObjectMetadata{ObjectMeta: m}
		}},
	}
	for name, tc := range tests {
		kept := make([]any, 0, objects)
		before := liveHeap()
		for i := range objects {
			object, err := tc.strip(tc.make(bulky(i)))
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, object)
		}
		each := (liveHeap() - before) / objects
		t.Logf("%s: %d bytes each", name, each)
		if each > bound {
			t.Errorf("%s: %d bytes are kept of each, want at most %d", name, each, bound)
		}
		runtime.KeepAlive(kept)
	}
}

// What is left out must not look like a change when the Secret is read live.
func TestALongSessionIsTheSameInTheCache(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 26, 64, 65, 250 << 10} {
		live := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			session.AnnotationID: strings.Repeat("x", length), session.AnnotationClient: strings.Repeat("y", length),
			session.AnnotationExpirationTime: "2027-01-01T00:00:00Z",
		}}}
		cached, err := caching.Secret(live.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		is := cached.(*metav1.PartialObjectMetadata)
		if session.ID(is) != session.ID(live) || session.Of(is) != session.Of(live) || !session.Expiration(is, noon).Equal(session.Expiration(live, noon)) || len(session.ID(is)) > 64 {
			t.Errorf("%d bytes: %q is %q in the cache", length, session.ID(live), session.ID(is))
		}
		again, err := caching.Secret(is)
		if err != nil || session.ID(again.(*metav1.PartialObjectMetadata)) != session.ID(live) {
			t.Errorf("%d bytes: it is another one once it was stripped twice", length)
		}
	}
}

// Finalizers that are left out of the cache belong to others: a patch must not remove them.
func TestFinalizersThatAreLeftOutAreNotPatched(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := &egainv1alpha1.EgainClient{ObjectMeta: bulky(0)}
	if _, err := caching.Client(ec); err != nil {
		t.Fatal(err)
	}
	f.Expect(ec.Finalizers).To(gomega.HaveLen(2))
	f.Expect(dropFinalizer(t.Context(), admin, ec)).To(gomega.MatchError(gomega.ContainSubstring("more than 4 KiB")))
	few := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"example.com/a", egainv1alpha1.CleanupFinalizer}}}
	if _, err := caching.Client(few); err != nil {
		t.Fatal(err)
	}
	f.Expect(few.Finalizers).To(gomega.HaveLen(2))
}
