package target

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// The calls of a fake.
const (
	callGet      = "get"
	callRehearse = "rehearse"
	callApply    = "apply"
	callForce    = "apply with force"
	callDelete   = "delete"
)

// fakeSecrets are the Secrets of one namespace, as far as the package can tell them from an API server's. Applying is that
// of Manager, which owns all that it applied last.
type fakeSecrets struct {
	t       *testing.T
	stored  map[string]*corev1.Secret
	version int
	// calls are those that were made, in order.
	calls []string
	// fails are the errors of calls, each instead of its effect.
	fails map[string]error
	// before is called before a call has its effect.
	before map[string]func()
}

// secretsWith is a fake that has Secrets.
func secretsWith(t *testing.T, secrets ...*corev1.Secret) *fakeSecrets {
	t.Helper()
	s := &fakeSecrets{t: t, stored: map[string]*corev1.Secret{}, fails: map[string]error{}, before: map[string]func(){}}
	for _, secret := range secrets {
		s.put(secret)
	}
	return s
}

// put stores another version of a Secret, and gives it a UID if it has none.
func (s *fakeSecrets) put(secret *corev1.Secret) {
	s.version++
	stored := secret.DeepCopy()
	stored.ResourceVersion = strconv.Itoa(s.version)
	if stored.UID == "" {
		stored.UID = types.UID("uid-" + stored.ResourceVersion)
	}
	s.stored[stored.Name] = stored
}

func (s *fakeSecrets) call(name string) error {
	s.calls = append(s.calls, name)
	if before := s.before[name]; before != nil {
		before()
	}
	return s.fails[name]
}

// Get returns a copy.
func (s *fakeSecrets) Get(_ context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	if err := s.call(callGet); err != nil {
		return nil, err
	}
	if secret := s.stored[name.Name]; secret != nil {
		return secret.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name.Name)
}

// Apply checks UID and resourceVersion, and takes away what Manager applied before and does not now.
func (s *fakeSecrets) Apply(_ context.Context, secret *corev1ac.SecretApplyConfiguration, options metav1.ApplyOptions) (*metav1.ObjectMeta, error) {
	if options.FieldManager != Manager {
		s.t.Errorf("applied as %q", options.FieldManager)
	}
	if secret.Name == nil {
		if len(options.DryRun) == 0 || *secret.GenerateName == "" {
			s.t.Error("a rehearsal that stores something")
		}
		return nil, s.call(callRehearse)
	}
	name := map[bool]string{false: callApply, true: callForce}[options.Force]
	if err := s.call(name); err != nil {
		return nil, err
	}
	is := s.stored[*secret.Name]
	if secret.UID != nil && (is == nil || is.UID != *secret.UID || is.ResourceVersion != ptr.Deref(secret.ResourceVersion, is.ResourceVersion)) {
		return nil, apierrors.NewConflict(corev1.Resource("secrets"), *secret.Name, nil)
	}
	if is == nil {
		is = &corev1.Secret{}
	}
	s.put(afterApply(s.t, is, secret))
	return &s.stored[*secret.Name].ObjectMeta, nil
}

// afterApply is a Secret after an apply over it.
func afterApply(t *testing.T, is *corev1.Secret, secret *corev1ac.SecretApplyConfiguration) *corev1.Secret {
	t.Helper()
	after := written(t, secret)
	after.UID, after.Immutable = is.UID, is.Immutable
	if after.Type == "" {
		after.Type = is.Type
	}
	applied, err := extract(is)
	if err != nil {
		t.Fatal(err)
	}
	before := written(t, applied)
	after.Data = others(after.Data, is.Data, before.Data)
	after.Labels = others(after.Labels, is.Labels, before.Labels)
	after.Annotations = others(after.Annotations, is.Annotations, before.Annotations)
	return after
}

// others adds to what is applied what a Secret had of others.
func others[V any](applied, is, before map[string]V) map[string]V {
	all := maps.Clone(is)
	if all == nil {
		all = map[string]V{}
	}
	maps.DeleteFunc(all, func(key string, _ V) bool { _, ours := before[key]; return ours })
	maps.Copy(all, applied)
	return all
}

// Delete checks UID and resourceVersion.
func (s *fakeSecrets) Delete(_ context.Context, meta *metav1.ObjectMeta) error {
	if err := s.call(callDelete); err != nil {
		return err
	}
	is := s.stored[meta.Name]
	switch {
	case is == nil:
		return apierrors.NewNotFound(corev1.Resource("secrets"), meta.Name)
	case is.UID != meta.UID || is.ResourceVersion != meta.ResourceVersion:
		return apierrors.NewConflict(corev1.Resource("secrets"), meta.Name, nil)
	}
	delete(s.stored, meta.Name)
	return nil
}

// fakeClients are the EgainClients of one namespace.
type fakeClients []egainv1alpha1.EgainClient

// Naming returns all, since an index may know more roles than the target's.
func (c fakeClients) Naming(context.Context, types.NamespacedName) ([]egainv1alpha1.EgainClient, error) {
	return c, nil
}

// Tenants are those that fakeTenants has.
func (c fakeClients) Tenants(context.Context) ([]egainv1alpha1.EgainTenant, error) { return nil, nil }

// fakeTenants are EgainTenants beside the EgainClients of one namespace.
type fakeTenants struct {
	fakeClients
	tenants []egainv1alpha1.EgainTenant
}

// Tenants returns all.
func (c fakeTenants) Tenants(context.Context) ([]egainv1alpha1.EgainTenant, error) {
	return c.tenants, nil
}

// Exists looks for a name.
func (c fakeClients) Exists(_ context.Context, name types.NamespacedName) (bool, error) {
	for i := range c {
		if c[i].Name == name.Name {
			return true, nil
		}
	}
	return false, nil
}

// encoded compares Secrets by what is stored.
func encoded(t *testing.T, secret *corev1.Secret) string {
	t.Helper()
	raw, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
