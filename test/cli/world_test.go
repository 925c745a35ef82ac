package cli_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"os/exec"
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
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/test/controlplane"
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
	w := &world{WithT: gomega.NewWithT(t), t: t, dir: t.TempDir(), bin: t.TempDir(), secrets: map[string]string{
		egainsim.RigelClientSecret: "a client secret", egainsim.RigelWebClientSecret: "a client secret", egainsim.SubjectPassword: "a password",
	}}
	w.build()
	w.startCluster()
	w.startSimulator()
	w.startOperator()
	w.began = time.Now()
	w.pretendPod()
	w.populate()
	return w
}

func (w *world) build() {
	w.t.Helper()
	output, err := exec.CommandContext(w.t.Context(), "go", "build", "-o", w.bin, root, root+"/cmd/kubectl-egain").CombinedOutput()
	w.Expect(err).NotTo(gomega.HaveOccurred(), string(output))
}

func (w *world) startCluster() {
	w.t.Helper()
	var err error
	w.plane, err = controlplane.Start("")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.t.Cleanup(func() { _ = w.plane.Stop() })
	scheme := runtime.NewScheme()
	w.Expect(clientgoscheme.AddToScheme(scheme)).To(gomega.Succeed())
	w.Expect(egainv1alpha1.AddToScheme(scheme)).To(gomega.Succeed())
	w.admin, err = client.New(w.plane.Config, client.Options{Scheme: scheme})
	w.Expect(err).NotTo(gomega.HaveOccurred())

	w.kubeconfig = filepath.Join(w.plane.Dir, "user.kubeconfig")
	w.Expect(controlplane.WriteKubeconfig(w.kubeconfig, w.plane.Config)).To(gomega.Succeed())
	kubeconfig, err := clientcmd.LoadFromFile(w.kubeconfig)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	kubeconfig.Contexts[kubeconfig.CurrentContext].Namespace = "knowledge"
	w.Expect(clientcmd.WriteToFile(*kubeconfig, w.kubeconfig)).To(gomega.Succeed())
}

func (w *world) startSimulator() {
	w.t.Helper()
	var err error
	w.sim, err = egainsim.New(egainsim.Config{TokenLifetime: tokenLife})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(w.sim.Start("127.0.0.1:0")).To(gomega.Succeed())
	w.t.Cleanup(func() { _ = w.sim.Close() })
}

// startOperator starts the operator's binary as the ServiceAccount and under the RBAC of config/default.
func (w *world) startOperator() {
	w.t.Helper()
	kubeconfig, err := w.plane.Install(w.t.Context(), w.admin, root)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	probes, err := controlplane.FreeAddress(w.t.Context())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	operator := exec.CommandContext(ctx, filepath.Join(w.bin, "egain-operator"), "--kubeconfig="+kubeconfig,
		"--leader-elect=false", "--allow-loopback", "--metrics-bind-address=0", "--health-probe-bind-address="+probes)
	w.Expect(operator.Start()).To(gomega.Succeed())
	w.t.Cleanup(func() {
		cancel()
		_ = operator.Wait() // it was killed
	})
	ready, done := context.WithTimeout(w.t.Context(), patience)
	defer done()
	w.Expect(controlplane.AwaitReady(ready, probes)).To(gomega.Succeed())
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
		for _, key := range []string{kubesecret.KeyAccessToken, kubesecret.KeyRefreshToken, "client_secret"} {
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
