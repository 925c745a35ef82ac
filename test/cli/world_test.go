package cli_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	root = "../.."
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 90 * time.Second
	// tokenLife is long, so that how much of it is left reads the same however long the commands take.
	tokenLife = 24 * time.Hour
)

// world is a cluster with the operator, an eGain, the objects of testdata/world.yaml, and a directory to run the plugin in.
type world struct {
	*gomega.WithT
	t     *testing.T
	plane *controlplane.ControlPlane
	admin client.Client
	sim   *egainsim.Simulator
	// dir is where the plugin runs; bin holds the binaries.
	dir, bin   string
	kubeconfig string
	began      time.Time
	// secrets are the values that no document may hold, with what they are.
	secrets map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: gomega.NewWithT(t), t: t, dir: t.TempDir(), bin: testbed.Build(t, root, "./cmd/kubectl-egain"), secrets: map[string]string{
		egainsim.RigelClientSecret: "a client secret", egainsim.RigelWebClientSecret: "a client secret", egainsim.SubjectPassword: "a password",
	}}
	w.plane, w.admin = testbed.StartCluster(t)
	w.writeKubeconfig()
	w.sim = testbed.StartSimulator(t, egainsim.Config{
		TokenLifetime: tokenLife, Tenants: append(egainsim.DefaultTenants(), egainsim.DeploymentTenants()...),
	})
	w.Expect(os.WriteFile(w.caFile(), w.sim.CABundle(), 0o600)).To(gomega.Succeed())
	w.startOperator()
	w.began = time.Now()
	w.pretendPod()
	w.populate()
	return w
}

// caFile holds the CA of the simulator, which the plugin trusts as the system's.
func (w *world) caFile() string { return filepath.Join(w.dir, "system-ca.crt") }

// writeKubeconfig makes the user's kubeconfig, whose namespace is knowledge.
func (w *world) writeKubeconfig() {
	w.t.Helper()
	w.kubeconfig = filepath.Join(w.plane.Dir, "user.kubeconfig")
	w.Expect(controlplane.WriteKubeconfig(w.kubeconfig, w.plane.Config)).To(gomega.Succeed())
	kubeconfig, err := clientcmd.LoadFromFile(w.kubeconfig)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	kubeconfig.Contexts[kubeconfig.CurrentContext].Namespace = "knowledge"
	w.Expect(clientcmd.WriteToFile(*kubeconfig, w.kubeconfig)).To(gomega.Succeed())
}

// startOperator starts the operator's binary as the ServiceAccount and under the RBAC of config/default.
func (w *world) startOperator() {
	w.t.Helper()
	kubeconfig, err := w.plane.Install(w.t.Context(), w.admin, root, "--allow-loopback")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	operator := testbed.Operator{
		Bin: w.bin, Kubeconfig: kubeconfig, Flags: []string{"--leader-elect=false", "--allow-loopback", "--metrics-bind-address=0"},
	}
	operator.Start(w.t)
}

// pretendPod puts the Pod of config/default and its Lease into the cluster: the operator runs as a process beside it, while
// doctor looks for what there is of an operator elsewhere.
func (w *world) pretendPod() {
	w.t.Helper()
	deployment, pod := &appsv1.Deployment{}, &corev1.Pod{}
	key := client.ObjectKey{Namespace: controlplane.OperatorNamespace, Name: "egain-operator-controller-manager"}
	w.Expect(w.admin.Get(w.t.Context(), key, deployment)).To(gomega.Succeed())
	pod.Namespace, pod.Name, pod.Spec = key.Namespace, key.Name+"-0", deployment.Spec.Template.Spec
	w.Expect(w.admin.Create(w.t.Context(), pod)).To(gomega.Succeed())
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "egain-operator.auth.egain.com"}}
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: &pod.Name, LeaseDurationSeconds: new(int32(time.Hour / time.Second)), RenewTime: &metav1.MicroTime{Time: w.began},
	}
	w.Expect(w.admin.Create(w.t.Context(), lease)).To(gomega.Succeed())
}

// populate applies testdata/world.yaml and waits until the operator has had its say about every EgainClient.
func (w *world) populate() {
	w.t.Helper()
	var manifests bytes.Buffer
	w.Expect(template.Must(template.ParseFiles("testdata/world.yaml")).Execute(&manifests, map[string]string{
		"CABundle": string(w.sim.CABundle()), "TenantID": w.sim.Rigel().ID(),
		"MetadataURL": w.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.User), "RevocationURL": w.sim.Rigel().RevocationURL(egainsim.User),
		"ClientID": egainsim.RigelClientID, "ClientSecret": egainsim.RigelClientSecret,
		"WebClientID": egainsim.RigelWebClientID, "WebClientSecret": egainsim.RigelWebClientSecret,
		"RedirectURL": egainsim.DefaultRedirectURIs()[0],
	})).To(gomega.Succeed())
	objects, err := controlplane.Decode(manifests.Bytes())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(controlplane.Apply(w.t.Context(), w.admin, objects...)).To(gomega.Succeed())
	w.Eventually(func(g gomega.Gomega) {
		var all egainv1alpha1.EgainClientList
		g.Expect(w.admin.List(w.t.Context(), &all)).To(gomega.Succeed())
		for i := range all.Items {
			g.Expect(meta.FindStatusCondition(all.Items[i].Status.Conditions, egainv1alpha1.ConditionTokenIssued)).NotTo(gomega.BeNil(), all.Items[i].Name)
		}
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// logIn does at eGain's login page what a person does, and returns the address that the browser shows in the end.
func (w *world) logIn(address string) string {
	w.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.sim.CABundle())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	back, err := egainsim.LogIn(w.t.Context(), transport, address, egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return back.String()
}

// noteSecrets adds the secrets that the cluster holds now.
func (w *world) noteSecrets() {
	w.t.Helper()
	var all corev1.SecretList
	w.Expect(w.admin.List(w.t.Context(), &all)).To(gomega.Succeed())
	for _, secret := range all.Items {
		for _, key := range []string{target.KeyAccessToken, session.KeyRefreshToken, "client_secret"} {
			if value := secret.Data[key]; len(value) > 0 {
				w.secrets[string(value)] = secret.Namespace + "/" + secret.Name + " " + key
			}
		}
	}
}

// give puts a file of testdata where the plugin runs.
func (w *world) give(file string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(os.WriteFile(filepath.Join(w.dir, file), content, 0o600)).To(gomega.Succeed())
	return strings.TrimSpace(string(content))
}
