// Package security_test runs the built operator under the RBAC of its manifests on a real control plane, has every feature
// of it used and every flow attacked, and searches all that anybody but the target may read for secrets.
package security_test

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	// patience bounds waits; nothing depends on how soon they end within it. It covers a Lease that has to run out.
	patience = 90 * time.Second
	// system and account are the namespace and ServiceAccount of config/default, team the namespace of config/namespaced.
	system  = "egain-operator-system"
	account = "egain-operator-controller-manager"
	team    = "team-a"
)

// everything is config/default with all that can be added to its permissions.
const everything = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../default]
components: [../components/service-account-tokens]
`

// policy has the requests of the operator logged, and no others.
const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["system:serviceaccount:` + system + `:` + account + `"]
- level: None
`

// world is a control plane with an operator, an eGain, and a gateway that is no one's friend.
type world struct {
	*gomega.WithT
	t         *testing.T
	plane     *controlplane.ControlPlane
	admin     client.Client
	sim       *egainsim.Simulator
	gateway   *gateway
	installed []*unstructured.Unstructured

	operator       testbed.Operator
	audit, metrics string
	scraper        *rest.Config
	// scraped is all that the metrics endpoint ever said.
	scraped string
	// passing is what objects said for a while only.
	passing string

	mu sync.Mutex
	// secrets to look for, by what they are.
	secrets map[string]string
}

// newWorld starts all but the operator. The overlay is one of config, or one that is written next to those.
func newWorld(t *testing.T, overlay, kustomization string, flags ...string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		WithT: gomega.NewWithT(t), t: t, secrets: map[string]string{},
		audit: filepath.Join(dir, "audit.log"), metrics: testbed.FreeAddress(t), sim: testbed.StartSimulator(t, egainsim.Config{}),
	}
	policyFile := filepath.Join(dir, "policy.yaml")
	w.Expect(os.WriteFile(policyFile, []byte(policy), 0o600)).To(gomega.Succeed())
	w.plane, w.admin = testbed.StartCluster(t, controlplane.AuditLog(policyFile, w.audit))
	w.operator = testbed.Operator{
		Bin: testbed.Build(t, "../.."), Kubeconfig: filepath.Join(dir, "kubeconfig"), Log: filepath.Join(dir, "output"), Health: testbed.FreeAddress(t),
		Flags: append([]string{
			"--leader-election-namespace=" + system, "--allow-loopback", "--allowed-audiences=egain", "--application-namespaces=" + system, "--log-level=debug", "--metrics-bind-address=" + w.metrics,
		}, flags...),
	}
	w.install(dir, overlay, kustomization)
	w.trust()
	return w
}

func (w *world) install(dir, overlay, kustomization string) {
	config := filepath.Join(dir, "config")
	w.Expect(os.CopyFS(config, os.DirFS("../../config"))).To(gomega.Succeed())
	if kustomization != "" {
		w.Expect(os.Mkdir(filepath.Join(config, overlay), 0o700)).To(gomega.Succeed())
		w.Expect(os.WriteFile(filepath.Join(config, overlay, "kustomization.yaml"), []byte(kustomization), 0o600)).To(gomega.Succeed())
	}
	rendered, err := exec.CommandContext(w.t.Context(), "../../hack/tools/run.sh", "kustomize", "build", filepath.Join(config, overlay)).Output()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.installed, err = controlplane.Decode(rendered)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team}})
	w.Expect(controlplane.Apply(w.t.Context(), w.admin, w.installed...)).To(gomega.Succeed())

	own, err := w.plane.ServiceAccountConfig(w.t.Context(), system, account)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.keep("the operator's own token", own.BearerToken)
	w.Expect(controlplane.WriteKubeconfig(w.operator.Kubeconfig, own)).To(gomega.Succeed())

	w.create(&corev1.ServiceAccount{ObjectMeta: named("scraper")})
	w.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: team, Name: "scraper"}},
	})
	w.scraper, err = w.plane.ServiceAccountConfig(w.t.Context(), team, "scraper")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.keep("the token of who reads the metrics", w.scraper.BearerToken)
}

// trust starts the gateway, and has its CA and the simulator's where EgainClients can name them.
func (w *world) trust() {
	w.gateway = newGateway(w)
	for name, bundle := range map[string][]byte{"egain-ca": w.sim.CABundle(), "gateway-ca": w.gateway.bundle()} {
		w.create(&corev1.ConfigMap{ObjectMeta: named(name), Data: map[string]string{"ca.crt": string(bundle)}})
	}
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: team, Name: name}
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	w.Expect(w.admin.Create(w.t.Context(), o)).To(gomega.Succeed())
}

// keep has one more secret looked for.
func (w *world) keep(what, secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if secret != "" {
		w.secrets[secret] = what
	}
}

// secret makes a secret that is in nothing by chance, and has it looked for.
func (w *world) secret(what string) string {
	secret := rand.Text()
	w.keep(what, secret)
	return secret
}

// start starts the operator, as talkative as it can be, and waits until it is ready. What it says is added to the output.
func (w *world) start(environment ...string) *exec.Cmd {
	w.t.Helper()
	w.operator.Environment = environment
	return w.operator.Start(w.t)
}

// scrape reads the metrics as a monitoring system does.
func (w *world) scrape() {
	w.t.Helper()
	w.Eventually(func(g gomega.Gomega) {
		status, body := w.get("https://"+w.metrics+"/metrics", w.scraper.BearerToken)
		g.Expect(status).To(gomega.Equal(http.StatusOK))
		g.Expect(body).To(gomega.ContainSubstring("egain_token_rotations_total"))
		w.scraped += body
	}).WithTimeout(patience).Should(gomega.Succeed())
}

func (w *world) status(url, token string) int {
	status, _ := w.get(url, token)
	return status
}

// get asks one of the operator's servers, as a user with a token or as no one; the status is 0 if there is no answer.
func (w *world) get(url, token string) (status int, body string) {
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// The operator's certificate for metrics is one that it made itself.
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := insecure.Do(req)
	if err != nil {
		return 0, "" // it is not there yet
	}
	defer resp.Body.Close() //nolint:errcheck // it is read
	content, err := io.ReadAll(resp.Body)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return resp.StatusCode, string(content)
}

// fetch reads an object again.
func (w *world) fetch(g gomega.Gomega, o client.Object) {
	g.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(o), o)).To(gomega.Succeed())
}

// eventually waits until a check passes.
func (w *world) eventually(what string, check func(g gomega.Gomega)) {
	w.t.Helper()
	w.Eventually(check).WithTimeout(patience).Should(gomega.Succeed(), func() string {
		said, _ := os.ReadFile(w.operator.Log) // it helps, if it can be read
		return fmt.Sprintf("%s\n%s", what, said[max(0, len(said)-4000):])
	})
}
