// Package smoke_test runs the operator as it is shipped: the built binary, installed by the rendered manifests of
// config/default, under the ServiceAccount and RBAC of those, against a real control plane.
package smoke_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/election"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	root = "../.."
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 60 * time.Second
)

// suite is what the steps of the test share.
type suite struct {
	*gomega.WithT
	t        *testing.T
	plane    *controlplane.ControlPlane
	admin    client.Client
	sim      *egainsim.Simulator
	operator testbed.Operator
	metrics  string
}

func TestTheOperatorAsItIsShipped(t *testing.T) {
	s := newSuite(t)
	operator := s.operator.Start(t)
	ec := s.apply()
	testbed.AwaitReady(t, s.admin, ec)
	s.checkMetrics()
	lease := s.lease()

	testbed.Kill(t, operator)
	secret, object := s.secret().ResourceVersion, ec.ResourceVersion
	operator = s.operator.Start(t)
	// One more client shows that the new process is at work. It did not wait for the Lease to end, as its pod is the same.
	testbed.AwaitReady(t, s.admin, s.apply())
	s.Expect(s.lease().Spec).To(gomega.And(
		gomega.HaveField("HolderIdentity", lease.Spec.HolderIdentity),
		gomega.HaveField("AcquireTime", lease.Spec.AcquireTime),
		gomega.HaveField("LeaseTransitions", lease.Spec.LeaseTransitions),
	))
	s.Expect(s.admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
	s.Expect(s.secret().ResourceVersion).To(gomega.Equal(secret))
	s.Expect(ec.ResourceVersion).To(gomega.Equal(object))
	s.Expect(s.sim.Stats().Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeOK)).To(gomega.Equal(2))

	testbed.Stop(t, operator)
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{WithT: gomega.NewWithT(t), t: t, metrics: testbed.FreeAddress(t)}
	s.plane, s.admin = testbed.StartCluster(t)
	kubeconfig, err := s.plane.Install(t.Context(), s.admin, root)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.sim = testbed.StartSimulator(t, egainsim.Config{})
	for _, o := range []client.Object{testbed.CABundle(s.sim), testbed.Credentials()} {
		s.Expect(s.admin.Create(t.Context(), o)).To(gomega.Succeed())
	}
	s.operator = testbed.Operator{
		Bin: testbed.Build(t, root), Kubeconfig: kubeconfig,
		Flags: []string{
			"--leader-election-namespace=" + controlplane.OperatorNamespace, "--allow-loopback", "--metrics-bind-address=" + s.metrics,
		},
		Environment: []string{election.PodUID + "=" + string(uuid.NewUUID())},
	}
	return s
}

func (s *suite) apply() *egainv1alpha1.EgainClient {
	ec := testbed.Client(s.sim, metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "sync-"})
	ec.Spec.Target.SecretName = "token"
	if s.secret() != nil {
		ec.Spec.Target.SecretName = "another-token"
	}
	s.Expect(s.admin.Create(s.t.Context(), ec)).To(gomega.Succeed())
	return ec
}

// secret is the target of the first client; nil if there is none.
func (s *suite) secret() *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: testbed.Named("token")}
	err := s.admin.Get(s.t.Context(), client.ObjectKeyFromObject(secret), secret)
	s.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	if err != nil {
		return nil
	}
	return secret
}

// checkMetrics reads the metrics as no one, as a user who may not, and as a user whom the metrics-reader role allows to.
func (s *suite) checkMetrics() {
	url := "https://" + s.metrics + "/metrics"
	s.Expect(s.status(url, "")).To(gomega.Equal(http.StatusUnauthorized))
	s.Expect(s.admin.Create(s.t.Context(), &corev1.ServiceAccount{ObjectMeta: testbed.Named("scraper")})).To(gomega.Succeed())
	config, err := s.plane.ServiceAccountConfig(s.t.Context(), metav1.NamespaceDefault, "scraper")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(s.status(url, config.BearerToken)).To(gomega.Equal(http.StatusForbidden))

	s.Expect(s.admin.Create(s.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: "scraper"}},
	})).To(gomega.Succeed())
	// The refusal is remembered for a while by the operator, so that a new token, that is a user it does not know, is used.
	config, err = s.plane.ServiceAccountConfig(s.t.Context(), metav1.NamespaceDefault, "scraper")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Eventually(func() string { return s.get(url, config.BearerToken) }).WithTimeout(patience).Should(gomega.And(
		gomega.ContainSubstring(`egain_token_rotations_total{cause="NoToken",result="success"} 1`),
		gomega.ContainSubstring(`flow="ClientCredentials"`),
		gomega.ContainSubstring("egain_client_ready{"),
	))
}

// lease is the only one in the operator's namespace.
func (s *suite) lease() coordinationv1.Lease {
	var leases coordinationv1.LeaseList
	s.Expect(s.admin.List(s.t.Context(), &leases, client.InNamespace(controlplane.OperatorNamespace))).To(gomega.Succeed())
	s.Expect(leases.Items).To(gomega.HaveLen(1))
	return leases.Items[0]
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
