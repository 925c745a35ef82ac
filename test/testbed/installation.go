package testbed

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/test/controlplane"
)

// Installation is a cluster with the operator installed and running, and an administrator's terminal with the plugin.
type Installation struct {
	*gomega.WithT
	T     *testing.T
	Admin client.Client
	// Dir is where the programs are, and files of the test may be.
	Dir string

	// whole is the test that operators end with, whichever part of it starts them.
	whole *testing.T
	// log is what the operator and the plugin have printed.
	log *os.File
	// kubeconfig is the administrator's.
	kubeconfig string
	// operator is how it is run, and process the one that runs now.
	operator Operator
	process  *exec.Cmd
}

// Install builds the programs of a checkout, installs config/default and runs the operator as its ServiceAccount. It may send
// requests to this machine. It has no Lease, which would only have the next operator wait after each kill.
func Install(t *testing.T, root string) *Installation {
	t.Helper()
	i := &Installation{WithT: gomega.NewWithT(t), T: t, whole: t, Dir: Build(t, root, "./cmd/kubectl-egain")}
	var err error
	i.log, err = os.OpenFile(filepath.Join(i.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	i.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = i.log.Close() })
	plane, admin := StartCluster(t)
	i.Admin = admin
	i.kubeconfig = filepath.Join(i.Dir, "admin.kubeconfig")
	i.Expect(controlplane.WriteKubeconfig(i.kubeconfig, plane.Config)).To(gomega.Succeed())
	kubeconfig, err := plane.Install(t.Context(), admin, root, "--allow-loopback")
	i.Expect(err).NotTo(gomega.HaveOccurred())
	i.operator = Operator{
		Bin: i.Dir, Kubeconfig: kubeconfig, Log: i.log.Name(), Flags: []string{"--leader-elect=false", "--allow-loopback", "--metrics-bind-address=0"},
	}
	i.process = i.operator.Start(t)
	return i
}

// Within makes failures those of a test within the test.
func (i *Installation) Within(t *testing.T) {
	t.Helper()
	i.T, i.WithT = t, gomega.NewWithT(t)
}

// Create creates an object.
func (i *Installation) Create(o client.Object) {
	i.T.Helper()
	i.Expect(i.Admin.Create(i.T.Context(), o)).To(gomega.Succeed())
}

// Secret reads a Secret of namespace default.
func (i *Installation) Secret(name string) *corev1.Secret {
	i.T.Helper()
	secret := &corev1.Secret{ObjectMeta: Named(name)}
	i.Expect(i.Admin.Get(i.T.Context(), client.ObjectKeyFromObject(secret), secret)).To(gomega.Succeed())
	return secret
}

// Kill ends the operator as kill -9 does, and starts another.
func (i *Installation) Kill() {
	i.T.Helper()
	Kill(i.T, i.process)
	i.process = i.operator.Start(i.whole)
}

// Plugin is a command of the plugin, by an administrator.
func (i *Installation) Plugin(args ...string) *exec.Cmd {
	args = append(args, "--kubeconfig="+i.kubeconfig)
	cmd := exec.CommandContext(i.T.Context(), filepath.Join(i.Dir, "kubectl-egain"), args...) //nolint:gosec // ours
	cmd.Stdout, cmd.Stderr = i.log, i.log
	return cmd
}

// Run runs a command of the plugin to its end.
func (i *Installation) Run(args ...string) {
	i.T.Helper()
	i.Expect(i.Plugin(args...).Run()).To(gomega.Succeed(), "%v: %s", args, i.Printed())
}

// LogIn runs the plugin's login for an EgainClient. It visits the address that the plugin has the desktop's browser open, and
// returns where the browser arrived.
func (i *Installation) LogIn(name string, visit func(address string) (*url.URL, error)) *url.URL {
	i.T.Helper()
	desktop, opened := i.desktop()
	login := i.Plugin("login", name, "--yes")
	login.Env = append(os.Environ(), "PATH="+desktop)
	i.Expect(login.Start()).To(gomega.Succeed())
	ended := make(chan error, 1)
	go func() { ended <- login.Wait() }()

	var address string
	i.Eventually(func() string {
		content, _ := os.ReadFile(opened) //nolint:gosec // the test's own; it does not exist at first
		address = strings.TrimSpace(string(content))
		return string(content)
	}).WithTimeout(patience).Should(gomega.HaveSuffix("\n"), "%s", i.Printed())
	i.Expect(string(i.Printed())).To(gomega.ContainSubstring(address), "the browser may fail to open")
	arrived, err := visit(address)
	i.Expect(err).NotTo(gomega.HaveOccurred())
	i.Eventually(ended).WithTimeout(patience).Should(gomega.Receive(gomega.Succeed()), "%s", i.Printed())
	return arrived
}

// desktop makes a directory with all the programs of a desktop that has one way to open a browser, which notes the address in
// a file.
func (i *Installation) desktop() (dir, opened string) {
	dir = i.T.TempDir()
	opened = filepath.Join(dir, "opened")
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$1\" >'%s'\n", opened)
	for _, program := range []string{"xdg-open", "open"} { // of Linux, and of macOS
		i.Expect(os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700)).To(gomega.Succeed()) //nolint:gosec // a program
	}
	return dir, opened
}

// Printed is all that the operator and the plugin have printed.
func (i *Installation) Printed() []byte {
	content, err := os.ReadFile(i.log.Name())
	i.Expect(err).NotTo(gomega.HaveOccurred())
	return content
}

// PrintedNone fails for every secret that was printed. It does not show them.
func (i *Installation) PrintedNone(secrets map[string]string) {
	printed := i.Printed()
	for secret, what := range secrets {
		if bytes.Contains(printed, []byte(secret)) {
			i.T.Errorf("%s was printed", what)
		}
	}
}
