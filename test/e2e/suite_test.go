// Package e2e_test lives through a session as people and a cluster do: a user runs kubectl egain login and logs in at a real
// Chromium, and after that the operator's binary keeps the session on a real control plane, though it is killed again and
// again.
package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/browser"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 60 * time.Second
	root     = "../.."
)

// suite is what the tests share: a cluster with the operator installed, an eGain, a browser and a user's terminal.
type suite struct {
	*gomega.WithT
	t *testing.T
	// whole is the test that operators end with, whichever part of it starts them.
	whole   *testing.T
	plane   *controlplane.ControlPlane
	admin   client.Client
	sim     *egainsim.Simulator
	browser *browser.Browser
	dir     string
	// log is what the operator and the plugin have printed.
	log *os.File
	// kubeconfig is the administrator's.
	kubeconfig string
	// operator is how it is run, and process the one that runs now.
	operator testbed.Operator
	process  *exec.Cmd
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{WithT: gomega.NewWithT(t), t: t, whole: t, dir: testbed.Build(t, root, "./cmd/kubectl-egain")}
	var err error
	s.log, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = s.log.Close() })
	s.plane, s.admin = testbed.StartCluster(t)
	s.kubeconfig = filepath.Join(s.dir, "admin.kubeconfig")
	s.Expect(controlplane.WriteKubeconfig(s.kubeconfig, s.plane.Config)).To(gomega.Succeed())
	s.install()
	s.sim = testbed.StartSimulator(t, egainsim.Config{})
	s.create(testbed.CABundle(s.sim))
	s.browser, err = browser.Start(t.Context(), s.sim.LoginURL(), s.sim.CABundle())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(s.browser.Close)
	s.process = s.operator.Start(t)
	return s
}

// within has failures be those of a test within the test.
func (s *suite) within(t *testing.T) {
	t.Helper()
	s.t, s.WithT = t, gomega.NewWithT(t)
}

func (s *suite) program(name string) string { return filepath.Join(s.dir, name) }

// install applies config/default and prepares to run the operator as its ServiceAccount. It has no Lease, which would only
// have the next operator wait after each kill.
func (s *suite) install() {
	kubeconfig, err := s.plane.Install(s.t.Context(), s.admin, root, "--allow-loopback")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.operator = testbed.Operator{
		Bin: s.dir, Kubeconfig: kubeconfig, Log: s.log.Name(), Flags: []string{"--leader-elect=false", "--allow-loopback", "--metrics-bind-address=0"},
	}
}

func (s *suite) create(o client.Object) {
	s.Expect(s.admin.Create(s.t.Context(), o)).To(gomega.Succeed())
}

// kill ends the operator as kill -9 does, and starts another.
func (s *suite) kill() {
	testbed.Kill(s.t, s.process)
	s.process = s.operator.Start(s.whole)
}

// plugin is a command of the plugin, by an administrator.
func (s *suite) plugin(args ...string) *exec.Cmd {
	args = append(args, "--kubeconfig="+s.kubeconfig)
	cmd := exec.CommandContext(s.t.Context(), s.program("kubectl-egain"), args...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	return cmd
}

// run runs a command of the plugin to its end.
func (s *suite) run(args ...string) {
	s.Expect(s.plugin(args...).Run()).To(gomega.Succeed(), "%v: %s", args, s.printed())
}

// printed is all that the operator and the plugin have printed.
func (s *suite) printed() []byte {
	content, err := os.ReadFile(s.log.Name())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return content
}

// secret reads a Secret.
func (s *suite) secret(name string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: testbed.Named(name)}
	s.Expect(s.admin.Get(s.t.Context(), client.ObjectKeyFromObject(secret), secret)).To(gomega.Succeed())
	return secret
}

// printedNone fails for every secret that was printed. It does not show them.
func (s *suite) printedNone(secrets map[string]string) {
	printed := s.printed()
	for secret, what := range secrets {
		if bytes.Contains(printed, []byte(secret)) {
			s.t.Errorf("%s was printed", what)
		}
	}
}
