// Package e2e_test lives through a session as people and a cluster do: somebody runs kubectl egain login and logs in at a real
// Chromium, and after that the operator's binary keeps the session on a real control plane, though it is killed again and
// again.
package e2e_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/browser"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

const (
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 60 * time.Second
	// system and account are the namespace and ServiceAccount of config/default.
	system  = "egain-operator-system"
	account = "egain-operator-controller-manager"
)

// suite is what the tests share: a cluster with the operator installed, an eGain, a browser and somebody's terminal.
type suite struct {
	*gomega.WithT
	t       *testing.T
	plane   *controlplane.ControlPlane
	admin   client.Client
	sim     *egainsim.Simulator
	browser *browser.Browser
	dir     string
	// log is what the operator and the plugin have printed.
	log *os.File
	// kubeconfig is the administrator's.
	kubeconfig string
	// operator is the process that runs now, args are its flags, health is the address of its probes.
	operator *exec.Cmd
	args     []string
	health   string
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{WithT: gomega.NewWithT(t), t: t, dir: t.TempDir()}
	s.build("egain-operator", "../..")
	s.build("kubectl-egain", "../../cmd/kubectl-egain")
	var err error
	s.log, err = os.Create(filepath.Join(s.dir, "log"))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = s.log.Close() })
	s.startCluster()
	s.install()
	s.startSimulator()
	s.browser, err = browser.Start(t.Context(), s.sim.LoginURL(), s.sim.CABundle())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(s.browser.Close)
	s.start()
	t.Cleanup(func() { _ = s.operator.Process.Kill() })
	return s
}

// within has failures be those of a test within the test.
func (s *suite) within(t *testing.T) {
	t.Helper()
	s.t, s.WithT = t, gomega.NewWithT(t)
}

func (s *suite) build(name, source string) {
	output, err := exec.CommandContext(s.t.Context(), "go", "build", "-o", s.program(name), source).CombinedOutput()
	s.Expect(err).NotTo(gomega.HaveOccurred(), string(output))
}

func (s *suite) program(name string) string { return filepath.Join(s.dir, name) }

func (s *suite) startCluster() {
	var err error
	s.plane, err = controlplane.Start("")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.t.Cleanup(func() { _ = s.plane.Stop() })
	scheme := runtime.NewScheme()
	s.Expect(clientgoscheme.AddToScheme(scheme)).To(gomega.Succeed())
	s.Expect(egainv1alpha1.AddToScheme(scheme)).To(gomega.Succeed())
	s.admin, err = client.New(s.plane.Config, client.Options{Scheme: scheme})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.kubeconfig = filepath.Join(s.dir, "admin.kubeconfig")
	s.Expect(controlplane.WriteKubeconfig(s.kubeconfig, s.plane.Config)).To(gomega.Succeed())
}

// install applies config/default and prepares to run the operator as its ServiceAccount. It has no Lease, which would only
// have the next operator wait after each kill.
func (s *suite) install() {
	rendered, err := exec.CommandContext(s.t.Context(), "../../hack/render.sh", "default").Output()
	s.Expect(err).NotTo(gomega.HaveOccurred())
	objects, err := controlplane.Decode(rendered)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(controlplane.Apply(s.t.Context(), s.admin, objects...)).To(gomega.Succeed())
	config, err := s.plane.ServiceAccountConfig(s.t.Context(), system, account)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	kubeconfig := filepath.Join(s.dir, "operator.kubeconfig")
	s.Expect(controlplane.WriteKubeconfig(kubeconfig, config)).To(gomega.Succeed())
	s.health = s.freeAddress()
	s.args = []string{
		"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--allow-loopback",
		"--metrics-bind-address=0", "--health-probe-bind-address=" + s.health,
	}
}

func (s *suite) startSimulator() {
	var err error
	s.sim, err = egainsim.New(egainsim.Config{})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(s.sim.Start("127.0.0.1:0")).To(gomega.Succeed())
	s.t.Cleanup(func() { _ = s.sim.Close() })
	s.create(&corev1.ConfigMap{ObjectMeta: named("egain-ca"), Data: map[string]string{"ca.crt": string(s.sim.CABundle())}})
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}
}

func (s *suite) create(o client.Object) {
	s.Expect(s.admin.Create(s.t.Context(), o)).To(gomega.Succeed())
}

// freeAddress is one of this machine that nothing listens at.
func (s *suite) freeAddress() string {
	l, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	defer l.Close() //nolint:errcheck // only its address was wanted
	return l.Addr().String()
}

// start starts the operator and waits until it is ready.
func (s *suite) start() {
	operator := exec.CommandContext(context.WithoutCancel(s.t.Context()), s.program("egain-operator"), s.args...)
	operator.Stdout, operator.Stderr = s.log, s.log
	s.Expect(operator.Start()).To(gomega.Succeed())
	s.operator = operator
	s.Eventually(s.ready).WithTimeout(patience).Should(gomega.BeTrue())
}

func (s *suite) ready() bool {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.health+"/readyz", nil)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return false // it is not there yet
	}
	defer resp.Body.Close() //nolint:errcheck // only the status was wanted
	return resp.StatusCode == http.StatusOK
}

// kill ends the operator as kill -9 does, and starts another.
func (s *suite) kill() {
	s.Expect(s.operator.Process.Kill()).To(gomega.Succeed())
	_ = s.operator.Wait() // it was killed
	s.start()
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
	secret := &corev1.Secret{ObjectMeta: named(name)}
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
