package chart_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// A registry gives back the package that was pushed, and an install from there is that of the checkout.
func TestTheChartIsInstalledFromAnOCIRegistry(t *testing.T) {
	const version = "9.8.7"
	reference, authority := ociRegistry(t)
	packages, pulled := t.TempDir(), t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		output, err := helm(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		return output
	}
	file := release + "-" + version + ".tgz"
	run("package", chart, "--version="+version, "--app-version=v"+version, "--destination="+packages)
	run("push", filepath.Join(packages, file), reference, authority)
	run("pull", reference+"/"+release, "--version="+version, "--destination="+pulled, authority)
	if !cmp.Equal(content(t, filepath.Join(packages, file)), content(t, filepath.Join(pulled, file))) {
		t.Error("the registry gives back another package than was pushed")
	}
	if shown := run("show", "chart", reference+"/"+release, "--version="+version, authority); !strings.Contains(shown, "artifacthub.io/crds: |") {
		t.Errorf("the chart in the registry lacks the annotations of Artifact Hub:\n%s", shown)
	}

	install := func(from ...string) string {
		t.Helper()
		output := run(append([]string{"install", release, "--namespace=" + namespace, "--dry-run=client"}, from...)...)
		_, manifests, found := strings.Cut(output, "\nHOOKS:\n")
		if !found || !strings.Contains(manifests, "\nkind: Deployment\n") {
			t.Fatalf("helm install says\n%s", output)
		}
		return manifests
	}
	want := install(filepath.Join(packages, file))
	if diff := cmp.Diff(want, install(reference+"/"+release, "--version="+version, authority)); diff != "" {
		t.Errorf("an install from the registry (-package +registry):\n%s", diff)
	}
	if !strings.Contains(want, "egain-operator:v"+version) {
		t.Errorf("the install does not name the image of version %s", version)
	}
}

// ociRegistry starts an empty registry. It returns where charts are in it, and the flag by which helm trusts it.
func ociRegistry(t *testing.T) (reference, authority string) {
	t.Helper()
	server := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return "oci://" + strings.TrimPrefix(server.URL, "https://") + "/charts", "--ca-file=" + bundle
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
