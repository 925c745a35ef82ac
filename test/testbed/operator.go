package testbed

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/test/controlplane"
)

// shown is how much of what a program printed last a test that failed shows, in bytes.
const shown = 5000

// Build builds the operator of a checkout, and more of its programs, and returns the directory that they are in.
func Build(t *testing.T, checkout string, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build", "-o", dir + "/", "."}, more)...) //nolint:gosec // ours
	build.Dir = checkout
	output, err := build.CombinedOutput()
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred(), string(output))
	return dir
}

// FreeAddress is a loopback address that no one listens on.
func FreeAddress(t *testing.T) string {
	t.Helper()
	address, err := controlplane.FreeAddress(t.Context())
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	return address
}

// Operator says how the operator's binary is run.
type Operator struct {
	// Bin is the directory with the binary, and Kubeconfig who the operator is to the API server.
	Bin, Kubeconfig string
	// Flags are added to those for the kubeconfig and the probes.
	Flags []string
	// Environment is added to that of the test.
	Environment []string
	// Log is where its output is added to; a file of its own if it is empty.
	Log string
	// Health is the address of its probes, a free one once it was started if it is empty.
	Health string
}

// Start starts the operator and waits until it is ready.
func (o *Operator) Start(t *testing.T) *exec.Cmd {
	t.Helper()
	process := o.StartUnready(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	gomega.NewWithT(t).Expect(controlplane.AwaitReady(ctx, o.Health)).To(gomega.Succeed())
	return process
}

// StartUnready starts the operator and does not wait.
func (o *Operator) StartUnready(t *testing.T) *exec.Cmd {
	t.Helper()
	if o.Health == "" {
		o.Health = FreeAddress(t)
	}
	if o.Log == "" {
		o.Log = filepath.Join(t.TempDir(), "egain-operator.log")
	}
	process := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(o.Bin, "egain-operator"), //nolint:gosec // ours
		slices.Concat([]string{"--kubeconfig=" + o.Kubeconfig}, o.Flags, []string{"--health-probe-bind-address=" + o.Health})...)
	process.Env = append(os.Environ(), o.Environment...)
	Launch(t, process, o.Log)
	return process
}

// Launch starts a program that ends with the test, which then shows the end of its log if it failed.
func Launch(t *testing.T, program *exec.Cmd, log string) {
	t.Helper()
	g := gomega.NewWithT(t)
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the test's own
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer file.Close() //nolint:errcheck // the program has its own descriptor
	program.Stdout, program.Stderr = file, file
	g.Expect(program.Start()).To(gomega.Succeed())
	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait()                                           // it was killed, or waited for already
		if said, err := os.ReadFile(log); err == nil && t.Failed() { //nolint:gosec // the test's own
			t.Logf("%s printed:\n%s", filepath.Base(program.Path), said[max(0, len(said)-shown):])
		}
	})
}

// Stop ends a program as the end of its pod does. A stop that was asked for is no failure.
func Stop(t *testing.T, program *exec.Cmd) {
	t.Helper()
	g := gomega.NewWithT(t)
	g.Expect(program.Process.Signal(syscall.SIGTERM)).To(gomega.Succeed())
	g.Expect(program.Wait()).To(gomega.Succeed())
}

// Kill ends a program as kill -9 does.
func Kill(t *testing.T, program *exec.Cmd) {
	t.Helper()
	gomega.NewWithT(t).Expect(program.Process.Kill()).To(gomega.Succeed())
	_ = program.Wait() // it was killed
}
