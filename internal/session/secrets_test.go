package session

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/client-go/applyconfigurations"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

var name = types.NamespacedName{Namespace: "team-a", Name: "session"}

// fakeSecrets is an API server that has one Secret, or none. Its managed fields are the real ones.
type fakeSecrets struct {
	t      *testing.T
	fields managedfieldstest.TestFieldManager
	uid    types.UID
	// version is the resourceVersion, and gone says that there is no Secret.
	version int
	gone    bool
	// calls are those that were made, in order: get, or the name of a field manager for an apply.
	calls []string
	// before comes before a call; an error of its is the answer.
	before func(call string) error
}

// secretsOf is a fake that has a session as the plugin writes it, with a refresh token.
func secretsOf(t *testing.T, token string) *fakeSecrets {
	t.Helper()
	f := &fakeSecrets{
		t: t, uid: "uid-1", before: func(string) error { return nil },
		fields: managedfieldstest.NewTestFieldManager(applyconfigurations.NewTypeConverter(scheme.Scheme), corev1.SchemeGroupVersion.WithKind("Secret")),
	}
	f.logIn(token)
	return f
}

// logIn writes a session as a login does.
func (f *fakeSecrets) logIn(token string) {
	f.t.Helper()
	f.apply(Render(&metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}, Content{RefreshToken: "x"}).
		WithData(map[string][]byte{KeyRefreshToken: []byte(token)}).WithAnnotations(map[string]string{AnnotationID: "login-of-" + token}), "egain-cli")
}

// apply applies, whatever the version.
func (f *fakeSecrets) apply(secret *corev1ac.SecretApplyConfiguration, manager string) {
	f.t.Helper()
	raw, err := json.Marshal(secret)
	object := &unstructured.Unstructured{}
	if err == nil {
		err = json.Unmarshal(raw, &object.Object)
	}
	if err == nil {
		unstructured.RemoveNestedField(object.Object, "metadata", "uid")
		unstructured.RemoveNestedField(object.Object, "metadata", "resourceVersion")
		err = f.fields.Apply(object, manager, true)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.version++
}

// live is the Secret as it is.
func (f *fakeSecrets) live() *corev1.Secret {
	f.t.Helper()
	secret := &corev1.Secret{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(f.fields.Live().(*unstructured.Unstructured).Object, secret); err != nil {
		f.t.Fatal(err)
	}
	secret.UID, secret.ResourceVersion = f.uid, strconv.Itoa(f.version)
	return secret
}

// Get returns the Secret.
func (f *fakeSecrets) Get(_ context.Context, asked types.NamespacedName) (*corev1.Secret, error) {
	f.calls = append(f.calls, "get")
	if err := f.before("get"); err != nil {
		return nil, err
	}
	if f.gone || asked != name {
		return nil, apierrors.NewNotFound(corev1.Resource("secrets"), asked.Name)
	}
	return f.live(), nil
}

// Apply checks UID and resourceVersion.
func (f *fakeSecrets) Apply(_ context.Context, desired *corev1ac.SecretApplyConfiguration, options metav1.ApplyOptions) (*metav1.ObjectMeta, error) {
	f.calls = append(f.calls, options.FieldManager)
	if err := f.before(options.FieldManager); err != nil {
		return nil, err
	}
	if !options.Force || desired.UID == nil || desired.ResourceVersion == nil {
		f.t.Error("an apply that could create a Secret, or overwrite another version")
	}
	if f.gone || *desired.UID != f.uid || *desired.ResourceVersion != strconv.Itoa(f.version) {
		return nil, apierrors.NewConflict(corev1.Resource("secrets"), name.Name, nil)
	}
	f.apply(desired, options.FieldManager)
	return &f.live().ObjectMeta, nil
}

// token is the refresh token in the Secret.
func (f *fakeSecrets) token() string { return string(f.live().Data[KeyRefreshToken]) }

// owned are the names of the keys and annotations that a field manager owns, in order.
func (f *fakeSecrets) owned(manager string) []string {
	f.t.Helper()
	fields, err := corev1ac.ExtractSecret(f.live(), manager)
	if err != nil {
		f.t.Fatal(err)
	}
	all := []string{}
	for key := range fields.Data {
		all = append(all, key)
	}
	for key := range fields.Annotations {
		all = append(all, key)
	}
	return all
}
