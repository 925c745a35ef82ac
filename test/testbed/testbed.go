// Package testbed sets up what the tests of the whole operator share: a control plane with an administrator's client, a
// simulated eGain, and the operator's binary as a process beside them. What it starts ends with the test that asked for it.
package testbed

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// patience bounds waits; nothing depends on how soon they end within it. It covers a Lease that has to run out.
const patience = 90 * time.Second

// StartCluster starts a control plane without CRDs, and makes an administrator's client of it.
func StartCluster(t *testing.T, options ...controlplane.Option) (*controlplane.ControlPlane, client.Client) {
	t.Helper()
	g := gomega.NewWithT(t)
	plane, err := controlplane.Start("", options...)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = plane.Stop() })
	return plane, Admin(t, plane)
}

// Admin is an administrator's client of a control plane that knows the CRDs of the operator.
func Admin(t *testing.T, plane *controlplane.ControlPlane) client.Client {
	t.Helper()
	g := gomega.NewWithT(t)
	plane.Config.WarningHandler = rest.NoWarnings{} // of old versions that are listed with all others
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, egainv1alpha1.AddToScheme, apiextensionsv1.AddToScheme} {
		g.Expect(add(scheme)).To(gomega.Succeed())
	}
	admin, err := client.New(plane.Config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	return admin
}

// StartSimulator starts a simulated eGain at a free port.
func StartSimulator(t *testing.T, config egainsim.Config) *egainsim.Simulator {
	t.Helper()
	return StartSimulatorAt(t, "127.0.0.1:0", config)
}

// StartSimulatorAt starts a simulated eGain at an address of this machine.
func StartSimulatorAt(t *testing.T, address string, config egainsim.Config) *egainsim.Simulator {
	t.Helper()
	g := gomega.NewWithT(t)
	sim, err := egainsim.New(config)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(sim.Start(address)).To(gomega.Succeed())
	t.Cleanup(func() { _ = sim.Close() })
	return sim
}

// Named is the name of an object in namespace default.
func Named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}
}

// CABundle is the ConfigMap egain-ca with the certificate of a simulator's CA.
func CABundle(sim *egainsim.Simulator) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: Named("egain-ca"), Data: map[string]string{"ca.crt": string(sim.CABundle())}}
}

// Credentials is the Secret egain-app with those of a client application of the simulator's tenant Rigel.
func Credentials() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: Named("egain-app"), StringData: map[string]string{
		"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret,
	}}
}

// Client is an EgainClient of the simulator's tenant Rigel, with CABundle and Credentials.
func Client(sim *egainsim.Simulator, meta metav1.ObjectMeta) *egainv1alpha1.EgainClient {
	return &egainv1alpha1.EgainClient{ObjectMeta: meta, Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{
				MetadataURL: egainv1alpha1.HTTPSURL(sim.Rigel().MetadataURL(egainsim.ConsoleFlatCamel, egainsim.Client)),
			},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
	}}
}

// AwaitReady waits until an EgainClient is Ready, and leaves it as it was read then.
func AwaitReady(t *testing.T, reader client.Reader, ec *egainv1alpha1.EgainClient) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func(g gomega.Gomega) {
		g.Expect(reader.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
		g.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue())
	}).WithTimeout(patience).Should(gomega.Succeed(), "%s", ec.Name)
}
