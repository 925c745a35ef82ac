package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/command"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

var update = flag.Bool("update", false, "write the golden files rather than compare with them")

// The control plane that all tests share, as an administrator reaches it: by a client, by its configuration and by a
// kubeconfig.
var (
	admin      client.Client
	config     *rest.Config
	kubeconfig string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	plane, err := controlplane.Start("../../config/crd/bases")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer plane.Stop() //nolint:errcheck // the tests have their verdict
	config = plane.Config
	kubeconfig = filepath.Join(plane.Dir, "admin.kubeconfig")
	if err = controlplane.WriteKubeconfig(kubeconfig, plane.Config); err == nil {
		admin, err = client.New(plane.Config, client.Options{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// result is what a run of the plugin left behind.
type result struct {
	code           int
	stdout, stderr string
}

// egain runs a command line as kubectl would, with answers on standard input.
func egain(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := command.Run(t.Context(), append([]string{"kubectl-egain", "--kubeconfig=" + kubeconfig}, args...),
		genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &stdout, ErrOut: &stderr})
	return result{code, stdout.String(), stderr.String()}
}

// succeed is egain for a command line that must work.
func succeed(t *testing.T, args ...string) result {
	t.Helper()
	r := egain(t, "", args...)
	if r.code != 0 {
		t.Fatalf("%q: exit code %d\n%s", args, r.code, r.stderr)
	}
	return r
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
