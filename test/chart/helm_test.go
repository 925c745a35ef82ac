// Package chart_test holds the Helm chart against the operator's flags and against config, and lives through its life in a
// real cluster: installed, upgraded and uninstalled by the real helm.
package chart_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/test/controlplane"
)

const (
	root  = "../.."
	chart = root + "/charts/egain-operator"
	// release and namespace are those that the manifests of config/default have in their names.
	release   = "egain-operator"
	namespace = controlplane.OperatorNamespace
)

// program is the path of helm.
var program string

func TestMain(m *testing.M) {
	output, err := exec.Command(root+"/hack/tools/run.sh", "-path", "helm").Output() //nolint:noctx // a first build takes minutes
	if err != nil {
		fmt.Fprintln(os.Stderr, "building helm:", err)
		os.Exit(1)
	}
	program = strings.TrimSpace(string(output))
	os.Exit(m.Run())
}

// read opens every file of the chart: what go test takes from its cache depends on the files that the tests have opened
// themselves, not on those that helm has.
var read = sync.OnceValue(func() error {
	return filepath.WalkDir(chart, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
})

// helm runs helm, which reads and writes nothing of the user's. A failure's error is what it printed.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if err := read(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	home := t.TempDir()
	cmd.Env = []string{
		"HOME=" + home, "HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home, "PATH=" + os.Getenv("PATH"),
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %s: %w: %s%s", args[0], err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// template renders the chart with more arguments for helm, such as values.
func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", release, chart, "--namespace=" + namespace}, args...)...)
}

// rendered are the objects of the chart.
func rendered(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	text, err := template(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

func decode(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := controlplane.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// find returns the one object of a kind and name.
func find(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// valuesOf reads a file of values.
func valuesOf(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart, file))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return values
}

// valuesFile writes values for helm.
func valuesFile(t *testing.T, values map[string]any) string {
	t.Helper()
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
