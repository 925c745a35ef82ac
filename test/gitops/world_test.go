// Package gitops_test brings EgainClients and EgainTenants into every state that the operator reports, with its binary on a
// real control plane, and looks at them as GitOps tools do: with kstatus, with Argo CD's health checks, and with the
// comparisons by which Flux and Argo CD find drift.
package gitops_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	root = "../.."
	// tool is the field manager that applies what is in Git: Flux's. Argo CD's is another word for the same thing.
	tool = "kustomize-controller"
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 90 * time.Second
	scope    = "knowledge.portalmgr.manage"
)

// world is a cluster with the operator's permissions and an eGain. The operator runs from start to stop.
type world struct {
	*gomega.WithT
	t        *testing.T
	plane    *controlplane.ControlPlane
	admin    client.Client
	sim      *egainsim.Simulator
	operator testbed.Operator
	// manifests are what is in Git, by kind and name.
	manifests map[string]*unstructured.Unstructured
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: gomega.NewWithT(t), t: t, manifests: map[string]*unstructured.Unstructured{}}
	w.plane, w.admin = testbed.StartCluster(t)
	kubeconfig, err := w.plane.Install(t.Context(), w.admin, root)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.sim = testbed.StartSimulator(t, egainsim.Config{})
	w.apply(testbed.CABundle(w.sim))
	w.operator = testbed.Operator{
		Bin: testbed.Build(t, root, "./cmd/kubectl-egain"), Kubeconfig: kubeconfig, Flags: []string{"--leader-elect=false", "--allow-loopback", "--metrics-bind-address=0"},
	}
	return w
}

// apply puts an object into Git, or changes it there, and applies it as Flux does.
func (w *world) apply(o client.Object) {
	w.t.Helper()
	if secret, is := o.(*corev1.Secret); is {
		// Flux does so too: the API server does not keep what an apply of stringData owns.
		secret.Data = map[string][]byte{}
		for key, value := range secret.StringData {
			secret.Data[key] = []byte(value)
		}
		secret.StringData = nil
	}
	gvk, err := w.admin.GroupVersionKindFor(o)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	manifest := &unstructured.Unstructured{Object: content}
	manifest.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(manifest.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(manifest.Object, "status")
	w.manifests[gvk.Kind+" "+o.GetName()] = manifest
	w.Expect(w.sync(manifest)).To(gomega.Succeed())
}

// sync applies a manifest. What is in Git is not changed by it.
func (w *world) sync(manifest *unstructured.Unstructured, opts ...client.ApplyOption) error {
	return w.admin.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(manifest.DeepCopy()),
		append(opts, client.FieldOwner(tool), client.ForceOwnership)...)
}

// live is an object as it is in the cluster.
func (w *world) live(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	w.t.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(manifest.GroupVersionKind())
	w.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(manifest), o)).To(gomega.Succeed())
	return o
}

// client makes an EgainClient with an eGain tenant of its own, so that what befalls its token endpoint befalls no other.
// Nothing of it is applied yet.
func (w *world) client(name string) *egainv1alpha1.EgainClient {
	w.t.Helper()
	tenant, err := w.sim.AddTenant(egainsim.TenantConfig{
		ID: name, Platform: egainsim.Rigel, Clients: []egainsim.ClientApp{{ID: name, Secrets: []string{"secret of " + name}}},
	})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(name), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
				TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client)),
				APIURL:   egainv1alpha1.HTTPSURL(w.sim.APIURL()),
			}},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(name + "-app")},
		Scopes:               []egainv1alpha1.Scope{scope},
		Target:               egainv1alpha1.Target{SecretName: egainv1alpha1.SecretName(name + "-token")},
	}}
}

// credentials applies those of a client.
func (w *world) credentials(ec *egainv1alpha1.EgainClient) {
	w.t.Helper()
	w.apply(&corev1.Secret{ObjectMeta: testbed.Named(ec.Name + "-app"), StringData: map[string]string{
		"client_id": ec.Name, "client_secret": "secret of " + ec.Name,
	}})
}

// fault has requests for a client's tokens misbehave, after those that were set before are used up.
func (w *world) fault(ec *egainv1alpha1.EgainClient, fault egainsim.Fault) {
	w.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint, ClientID: ec.Name}, fault)
}

// await waits until the conditions have the reasons.
func (w *world) await(o client.Object, reasons string) {
	w.t.Helper()
	if reasons == "" {
		return
	}
	w.Eventually(func(g gomega.Gomega) {
		g.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(o), o)).To(gomega.Succeed())
		g.Expect(reasonsOf(o)).To(gomega.Equal(reasons))
	}).WithTimeout(patience).Should(gomega.Succeed(), "%s", o.GetName())
}

// reasonsOf are the reasons of Ready and, of an EgainClient, TokenIssued and ClockSkewed; nothing if they are about an earlier
// spec.
func reasonsOf(o client.Object) string {
	var conditions []metav1.Condition
	switch o := o.(type) {
	case *egainv1alpha1.EgainClient:
		conditions = o.Status.Conditions
	case *egainv1alpha1.EgainTenant:
		conditions = o.Status.Conditions
	}
	var reasons []string
	for _, kind := range []string{egainv1alpha1.ConditionReady, egainv1alpha1.ConditionTokenIssued, egainv1alpha1.ConditionClockSkewed} {
		if c := meta.FindStatusCondition(conditions, kind); c != nil && c.ObservedGeneration == o.GetGeneration() {
			reasons = append(reasons, c.Reason)
		}
	}
	return strings.Join(reasons, ", ")
}
