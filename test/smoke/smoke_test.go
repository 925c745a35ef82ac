// Package smoke_test runs the operator as it is shipped: the built binary, installed by the rendered manifests of
// config/default, under the ServiceAccount and RBAC of those, against a real control plane.
package smoke_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// patience bounds waits; nothing depends on how soon they end within it. It covers a Lease that has to run out.
const patience = 60 * time.Second

// suite is what the steps of the test share.
type suite struct {
	*gomega.WithT
	t               *testing.T
	plane           *controlplane.ControlPlane
	admin           client.Client
	sim             *egainsim.Simulator
	binary          string
	kubeconfig      string
	health, metrics string
}

func TestTheOperatorAsItIsShipped(t *testing.T) {
	s := &suite{WithT: gomega.NewWithT(t), t: t, binary: filepath.Join(t.TempDir(), "egain-operator")}
	s.startCluster()
	s.install()
	s.startSimulator()
	s.build()

	operator := s.start()
	ec := s.apply()
	s.ready(ec)
	s.checkMetrics()
	s.checkLease()

	s.Expect(operator.Process.Kill()).To(gomega.Succeed())
	_ = operator.Wait() // it was killed
	secret, object := s.secret().ResourceVersion, ec.ResourceVersion
	operator = s.start()
	// One more client shows that the new process is at work.
	s.ready(s.apply())
	s.Expect(s.admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
	s.Expect(s.secret().ResourceVersion).To(gomega.Equal(secret))
	s.Expect(ec.ResourceVersion).To(gomega.Equal(object))
	s.Expect(s.sim.Stats().Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeOK)).To(gomega.Equal(2))

	s.Expect(operator.Process.Signal(syscall.SIGTERM)).To(gomega.Succeed())
	s.Expect(operator.Wait()).To(gomega.Succeed(), "a stop that was asked for is no failure")
}

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
}

func (s *suite) install() {
	var err error
	s.kubeconfig, err = s.plane.Install(s.t.Context(), s.admin, "../..")
	s.Expect(err).NotTo(gomega.HaveOccurred())
}

func (s *suite) startSimulator() {
	var err error
	s.sim, err = egainsim.New(egainsim.Config{})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(s.sim.Start("127.0.0.1:0")).To(gomega.Succeed())
	s.t.Cleanup(func() { _ = s.sim.Close() })
	for _, o := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: named("egain-ca"), Data: map[string]string{"ca.crt": string(s.sim.CABundle())}},
		&corev1.Secret{ObjectMeta: named("egain-app"), StringData: map[string]string{
			"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret,
		}},
	} {
		s.Expect(s.admin.Create(s.t.Context(), o)).To(gomega.Succeed())
	}
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}
}

func (s *suite) build() {
	output, err := exec.CommandContext(s.t.Context(), "go", "build", "-o", s.binary, "../..").CombinedOutput()
	s.Expect(err).NotTo(gomega.HaveOccurred(), string(output))
	s.health, s.metrics = s.freeAddress(), s.freeAddress()
}

func (s *suite) freeAddress() string {
	address, err := controlplane.FreeAddress(s.t.Context())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return address
}

// start starts the operator and waits until it is ready.
func (s *suite) start() *exec.Cmd {
	operator := exec.CommandContext(context.WithoutCancel(s.t.Context()), s.binary,
		"--kubeconfig="+s.kubeconfig, "--leader-election-namespace="+controlplane.OperatorNamespace, "--allow-loopback",
		"--metrics-bind-address="+s.metrics, "--health-probe-bind-address="+s.health)
	s.Expect(operator.Start()).To(gomega.Succeed())
	s.t.Cleanup(func() { _ = operator.Process.Kill() })
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	s.Expect(controlplane.AwaitReady(ctx, s.health)).To(gomega.Succeed())
	return operator
}

func (s *suite) apply() *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "sync-"}}
	ec.Spec = egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{
				MetadataURL: egainv1alpha1.HTTPSURL(s.sim.Rigel().MetadataURL(egainsim.ConsoleFlatCamel, egainsim.Client)),
			},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
		Target:               egainv1alpha1.Target{SecretName: "token"},
	}
	if s.secret() != nil {
		ec.Spec.Target.SecretName = "another-token"
	}
	s.Expect(s.admin.Create(s.t.Context(), ec)).To(gomega.Succeed())
	return ec
}

func (s *suite) ready(ec *egainv1alpha1.EgainClient) {
	s.Eventually(func(g gomega.Gomega) {
		g.Expect(s.admin.Get(s.t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
		g.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue())
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// secret is the target of the first client; nil if there is none.
func (s *suite) secret() *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: named("token")}
	err := s.admin.Get(s.t.Context(), client.ObjectKeyFromObject(secret), secret)
	s.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	if err != nil {
		return nil
	}
	return secret
}

// checkMetrics reads the metrics as nobody, as somebody who may not, and as somebody whom the metrics-reader role allows to.
func (s *suite) checkMetrics() {
	url := "https://" + s.metrics + "/metrics"
	s.Expect(s.status(url, "")).To(gomega.Equal(http.StatusUnauthorized))
	s.Expect(s.admin.Create(s.t.Context(), &corev1.ServiceAccount{ObjectMeta: named("scraper")})).To(gomega.Succeed())
	config, err := s.plane.ServiceAccountConfig(s.t.Context(), metav1.NamespaceDefault, "scraper")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(s.status(url, config.BearerToken)).To(gomega.Equal(http.StatusForbidden))

	s.Expect(s.admin.Create(s.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: "scraper"}},
	})).To(gomega.Succeed())
	// The refusal is remembered for a while by the operator, so that a new token, that is somebody it does not know, is used.
	config, err = s.plane.ServiceAccountConfig(s.t.Context(), metav1.NamespaceDefault, "scraper")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Eventually(func() string { return s.get(url, config.BearerToken) }).WithTimeout(patience).Should(gomega.And(
		gomega.ContainSubstring(`egain_token_rotations_total{cause="NoToken",result="success"} 1`),
		gomega.ContainSubstring(`flow="ClientCredentials"`),
		gomega.ContainSubstring("egain_client_ready{"),
	))
}

func (s *suite) checkLease() {
	var leases coordinationv1.LeaseList
	s.Expect(s.admin.List(s.t.Context(), &leases, client.InNamespace(controlplane.OperatorNamespace))).To(gomega.Succeed())
	s.Expect(leases.Items).To(gomega.HaveLen(1))
}

func (s *suite) status(url, token string) int {
	resp := s.request(url, token)
	if resp == nil {
		return 0
	}
	defer resp.Body.Close() //nolint:errcheck // only the status was wanted
	return resp.StatusCode
}

func (s *suite) get(url, token string) string {
	resp := s.request(url, token)
	if resp == nil {
		return ""
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return strings.Join([]string{fmt.Sprint(resp.StatusCode), string(body)}, "\n")
}

func (s *suite) request(url, token string) *http.Response {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// The operator's certificate for metrics is one that it made itself.
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := insecure.Do(req)
	if err != nil {
		return nil // it is not there yet
	}
	return resp
}
