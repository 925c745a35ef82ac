package api_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const samplesDirectory = "../../config/samples"

// samples are the objects in the directory of samples, by file.
func samples(t *testing.T) map[string][]*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(samplesDirectory + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]*unstructured.Unstructured{}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "kustomization.yaml" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), len(content))
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(object.Object) > 0 {
				found[name] = append(found[name], object)
			}
		}
	}
	return found
}

// TestSamples creates every sample, in a namespace of their own, as `kubectl apply` would.
func TestSamples(t *testing.T) {
	t.Parallel()
	const namespace = "samples"
	if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	created := map[string]int{}
	for file, objects := range samples(t) {
		for _, object := range objects {
			created[object.GetKind()]++
			t.Run(file+" "+object.GetKind()+" "+object.GetName(), func(t *testing.T) {
				t.Parallel()
				k := kindNamed(object.GetKind())
				if k == nil || k.namespaced {
					object.SetNamespace(namespace)
				}
				written := object.DeepCopy()
				if err := admin.Create(t.Context(), object); err != nil {
					t.Fatal(err)
				}
				if k != nil {
					expectRoundTrip(t, k, written, object)
				}
			})
		}
	}
	for _, k := range kinds {
		if created[k.name] == 0 {
			t.Errorf("there is no %s in %s", k.name, samplesDirectory)
		}
	}
}

// expectRoundTrip fails unless all that was written is there, and the Go types know all that is there.
func expectRoundTrip(t *testing.T, k *kind, written, stored *unstructured.Unstructured) {
	t.Helper()
	if diff := cmp.Diff(plain(t, written.Object["spec"]), stored.Object["spec"], cmp.FilterPath(added, cmp.Ignore())); diff != "" {
		t.Errorf("spec (-written +stored):\n%s", diff)
	}
	typed := k.typed()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(stored.Object, typed, true); err != nil {
		t.Errorf("the Go types do not know what is stored: %v", err)
	}
	if err := admin.Update(t.Context(), typed, client.DryRunAll); err != nil {
		t.Errorf("the API server does not accept what the Go types write: %v", err)
	}
}

// added are entries of maps that only the stored object has, that is, defaults.
func added(path cmp.Path) bool {
	entry, ok := path.Last().(cmp.MapIndex)
	if !ok {
		return false
	}
	before, _ := entry.Values()
	return !before.IsValid()
}
