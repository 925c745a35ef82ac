// Package api_test tries the API on a real API server: every rule and bound of the CRDs, their defaults, their subresource,
// what kubectl shows of them, and the samples. The operator does not run here.
package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

const (
	crdDirectory = "../../config/crd/bases"

	// stored is the namespace of the bases, and empty one without any, where the same objects are created. Objects without a
	// namespace are created by another name.
	stored = "stored"
	empty  = "empty"
)

// The control plane that all tests share, and an administrator's client that refuses fields that the API does not know.
var (
	plane *controlplane.ControlPlane
	admin client.Client
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if plane, err = controlplane.Start(crdDirectory); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer plane.Stop() //nolint:errcheck // the tests have their verdict
	if err := prepare(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func prepare(ctx context.Context) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, egainv1alpha1.AddToScheme, apiextensionsv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	c, err := client.New(plane.Config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	admin = client.WithFieldValidation(c, metav1.FieldValidationStrict)
	for _, name := range []string{stored, empty} {
		if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("creating namespace %s: %w", name, err)
		}
	}
	for _, k := range kinds {
		for name := range k.bases {
			if err := admin.Create(ctx, baseObject(stored, name)); err != nil {
				return fmt.Errorf("creating %s: %w", name, err)
			}
		}
	}
	return nil
}

// baseObject is a base as a user writes it.
func baseObject(namespace, name string) *unstructured.Unstructured {
	k := kindOf(name)
	spec := map[string]any{}
	if err := yaml.Unmarshal([]byte(k.bases[name]), &spec); err != nil {
		panic(fmt.Sprintf("the spec of base %s: %v", name, err))
	}
	object := k.object()
	object.Object["spec"] = spec
	object.SetName(name)
	if k.namespaced {
		object.SetNamespace(namespace)
	} else if namespace == empty {
		object.SetName(name + "-" + empty)
	}
	return object
}

// change sets fields of an object by their paths; nil removes one. Structs on the way are made.
type change map[string]any

// applied returns an object with the changes made.
func (c change) applied(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	for path, value := range c {
		fields := strings.Split(path, ".")
		if value == nil {
			unstructured.RemoveNestedField(object.Object, fields...)
			continue
		}
		if err := unstructured.SetNestedField(object.Object, plain(t, value), fields...); err != nil {
			t.Fatalf("setting %s: %v", path, err)
		}
	}
	return object
}

// plain turns a value into what JSON is decoded to.
func plain(t *testing.T, value any) any {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := utiljson.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// attempts are the ways in which a changed base reaches the API server. None of them leaves anything behind.
func attempts(t *testing.T, base string, c change) map[string]error {
	t.Helper()
	base = cmp.Or(base, clientCredentials)
	there := fetch(t, stored, base)
	for path := range c {
		if strings.HasPrefix(path, "status.") || path == "status" {
			return map[string]error{"status": admin.Status().Update(t.Context(), c.applied(t, there), client.DryRunAll)}
		}
	}
	return map[string]error{
		"create": admin.Create(t.Context(), c.applied(t, baseObject(empty, base)), client.DryRunAll),
		"update": admin.Update(t.Context(), c.applied(t, there), client.DryRunAll),
	}
}

// expectAccepted fails unless the API server accepts a changed base, created and updated.
func expectAccepted(t *testing.T, base string, c change) {
	t.Helper()
	for how, err := range attempts(t, base, c) {
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// expectRefused fails unless the API server refuses a changed base, created and updated, and says why about a field.
func expectRefused(t *testing.T, base string, c change, field, says string) {
	t.Helper()
	for how, err := range attempts(t, base, c) {
		if !apierrors.IsInvalid(err) {
			t.Errorf("%s: got %v, want a refusal that says of %s: %s", how, err, field, says)
			continue
		}
		if !refuses(err, field, says) {
			t.Errorf("%s: %v\nwant it to say of %s: %s", how, err, field, says)
		}
	}
}

func refuses(err error, field, says string) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	for _, cause := range status.Status().Details.Causes {
		if fieldPattern(field).MatchString(cause.Field) && strings.Contains(cause.Message, says) {
			return true
		}
	}
	return false
}
