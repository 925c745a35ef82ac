// Package caching knows what the caches keep of an object: of its metadata only what decisions depend on, no secret, and one copy of
// what many objects have in common.
package caching

import (
	"fmt"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/status"
)

// Secret keeps of a Secret's metadata the version and the session, in a bounded form. What a target says of its token is
// remembered once it was read: see recollection.
func (v *Vocabulary) Secret(in any) (any, error) {
	return v.strip(in, func(from, to *metav1.ObjectMeta) { to.Annotations = session.Annotations(from) })
}

// ConfigMap keeps of a ConfigMap's metadata the version.
func (v *Vocabulary) ConfigMap(in any) (any, error) {
	return v.strip(in, func(*metav1.ObjectMeta, *metav1.ObjectMeta) {})
}

// Namespace keeps of a Namespace's metadata the labels, which selectors of EgainTenants refer to.
func (v *Vocabulary) Namespace(in any) (any, error) {
	return v.strip(in, func(from, to *metav1.ObjectMeta) { to.Labels = from.Labels })
}

// strip keeps of an object's metadata its version and some more. Nothing of it grows with what people write into metadata.
func (v *Vocabulary) strip(in any, keep func(from, to *metav1.ObjectMeta)) (any, error) {
	object, ok := in.(*metav1.PartialObjectMetadata)
	if !ok {
		return tombstone(in)
	}
	stripped := metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion}
	keep(&object.ObjectMeta, &stripped)
	object.ObjectMeta = stripped
	share(v, &object.Namespace)
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

// Client keeps of an EgainClient's metadata what decisions rest on, and of the strings that many of them have in common
// one copy for all. What is stripped is not lost to a patch: that holds what differs between two objects without it.
func (v *Vocabulary) Client(in any) (any, error) {
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
	share(v, &ec.Namespace)
	v.shareSpec(&ec.Spec)
	v.shareStatus(&ec.Status)
	if target := ec.Status.Target; target != nil && target.SecretName == ec.TargetName() {
		target.SecretName = ec.TargetName()
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

func (v *Vocabulary) shareSpec(spec *egainv1alpha1.EgainClientSpec) {
	share(v, &spec.Flow)
	share(v, &spec.Target.CreationPolicy)
	share(v, &spec.Target.DeletionPolicy)
	share(v, &spec.Target.Type)
	share(v, &spec.Tenant.ID)
	share(v, &spec.Tenant.MetadataURL)
	share(v, &spec.Tenant.ScopePrefix)
	if e := spec.Tenant.Endpoints; e != nil {
		share(v, &e.TokenURL)
		share(v, &e.AuthorizationURL)
		share(v, &e.RevocationURL)
		share(v, &e.APIURL)
		spec.Tenant.Endpoints = v.endpoints.copyOf(*e, e)
	}
	if ref := spec.Tenant.CABundleRef; ref != nil {
		share(v, &ref.Kind)
		share(v, &ref.Name)
		share(v, &ref.Key)
	}
	if ref := spec.TenantRef; ref != nil {
		share(v, &ref.Name)
	}
	if ref := spec.CredentialsSecretRef; ref != nil {
		share(v, &ref.ClientIDKey)
		share(v, &ref.ClientSecretKey)
	}
	for i := range spec.Scopes {
		share(v, &spec.Scopes[i])
	}
}

func (v *Vocabulary) shareStatus(status *egainv1alpha1.EgainClientStatus) {
	for i := range status.Conditions {
		c := &status.Conditions[i]
		share(v, &c.Type)
		share(v, &c.Status)
		share(v, &c.Reason)
		if c.Type == egainv1alpha1.ConditionTokenIssued {
			share(v, &c.Message) // that of others names the object
		}
	}
	if token := status.Token; token != nil {
		share(v, &token.TokenType)
		for i := range token.Scopes {
			share(v, &token.Scopes[i])
		}
	}
	if e := status.Endpoints; e != nil {
		share(v, &e.TokenURL)
		share(v, &e.APIURL)
		share(v, &e.ScopePrefix)
		share(v, &e.Issuer)
		share(v, &e.Source)
		status.Endpoints = v.used.copyOf(*e, e)
	}
}

// tombstone passes what stands for an object whose end was missed, and nothing else: a whole Secret must not come into a
// cache.
func tombstone(in any) (any, error) {
	if gone, ok := in.(cache.DeletedFinalStateUnknown); ok {
		return gone, nil
	}
	return nil, fmt.Errorf("%T in a cache that is not for it", in)
}

// Vocabulary holds a copy of each string, and of each set of endpoints, that many objects have in common: a decoder makes another
// one for each object. What is in a cache is never changed, so that objects there may have parts in common.
type Vocabulary struct {
	words     known[string, string]
	endpoints known[egainv1alpha1.Endpoints, *egainv1alpha1.Endpoints]
	used      known[egainv1alpha1.EndpointsStatus, *egainv1alpha1.EndpointsStatus]
}

// share replaces a string by the Vocabulary's copy.
func share[S ~string](v *Vocabulary, word *S) {
	if *word != "" {
		*word = S(v.words.copyOf(string(*word), string(*word)))
	}
}

// maxShared bounds what is shared. A cluster has some dozens of words, and a namespace each.
const maxShared = 4096

// known are values by what they are equal in. Past its bound it begins anew, so that what is no longer in use does not stay for
// ever. The zero value is empty.
type known[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
}

// copyOf returns the value that is known by a key, which is the given one if none was.
func (k *known[K, V]) copyOf(key K, given V) V {
	k.mu.Lock()
	defer k.mu.Unlock()
	value, ok := k.values[key]
	switch {
	case ok:
		return value
	case k.values == nil || len(k.values) >= maxShared:
		k.values = map[K]V{}
	}
	k.values[key] = given
	return given
}
