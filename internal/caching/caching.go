// Package caching knows what the caches keep of an object: of its metadata only what decisions depend on, and no secret.
package caching

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/status"
)

// Secret keeps of a Secret's metadata the version and the session, in a bounded form. What a target says of its token is
// remembered once it was read: see recollection.
func Secret(in any) (any, error) {
	return strip(in, func(from, to *metav1.ObjectMeta) { to.Annotations = session.Annotations(from) })
}

// ConfigMap keeps of a ConfigMap's metadata the version.
func ConfigMap(in any) (any, error) {
	return strip(in, func(*metav1.ObjectMeta, *metav1.ObjectMeta) {})
}

// Namespace keeps of a Namespace's metadata the labels, which selectors of EgainTenants refer to.
func Namespace(in any) (any, error) {
	return strip(in, func(from, to *metav1.ObjectMeta) { to.Labels = from.Labels })
}

// strip keeps of an object's metadata its version and some more. Nothing of it grows with what people write into metadata.
func strip(in any, keep func(from, to *metav1.ObjectMeta)) (any, error) {
	object, ok := in.(*metav1.PartialObjectMetadata)
	if !ok {
		return tombstone(in)
	}
	stripped := metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion}
	keep(&object.ObjectMeta, &stripped)
	object.ObjectMeta = stripped
	return object, nil
}

// Tenant keeps of an EgainTenant's metadata what reconcilers and predicates use.
func Tenant(in any) (any, error) {
	et, ok := in.(*egainv1alpha1.EgainTenant)
	if !ok {
		return tombstone(in)
	}
	et.ObjectMeta = metav1.ObjectMeta{
		Name: et.Name, UID: et.UID, ResourceVersion: et.ResourceVersion, Generation: et.Generation,
		CreationTimestamp: et.CreationTimestamp, DeletionTimestamp: et.DeletionTimestamp,
	}
	return et, nil
}

// Client keeps of an EgainClient's metadata what decisions depend on. What is stripped is not lost to a patch: that contains what
// differs between two objects without it.
func Client(in any) (any, error) {
	ec, ok := in.(*egainv1alpha1.EgainClient)
	if !ok {
		return tombstone(in)
	}
	ec.ManagedFields, ec.Labels, ec.OwnerReferences = nil, nil, nil
	boundFinalizers(ec)
	if _, requested := ec.Annotations[egainv1alpha1.RenewRequestedAtAnnotation]; requested {
		// A copy, or the whole of a long one would stay in memory.
		ec.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: strings.Clone(status.RenewalRequest(ec))}
	} else {
		ec.Annotations = nil
	}
	return ec, nil
}

// MaxFinalizers bounds the finalizers that are kept of an object, in bytes. The operator's own has 25.
const MaxFinalizers = 4 << 10

// FinalizersLeftOut stands in place of the finalizers that are more than are kept. No API server accepts one of that name.
const FinalizersLeftOut = "/"

// boundFinalizers leaves the finalizers of others out if they are too many. They cannot be patched then: see patchFinalizers in controllers.
func boundFinalizers(ec *egainv1alpha1.EgainClient) {
	size := 0
	for _, name := range ec.Finalizers {
		size += len(name)
	}
	if size <= MaxFinalizers {
		return
	}
	left := []string{FinalizersLeftOut}
	if controllerutil.ContainsFinalizer(ec, egainv1alpha1.CleanupFinalizer) {
		left = append(left, egainv1alpha1.CleanupFinalizer)
	}
	ec.Finalizers = left
}

// tombstone passes what stands for an object whose end was missed, and nothing else: a whole Secret must not come into a
// cache.
func tombstone(in any) (any, error) {
	if gone, ok := in.(cache.DeletedFinalStateUnknown); ok {
		return gone, nil
	}
	return nil, fmt.Errorf("%T in a cache that is not for it", in)
}
