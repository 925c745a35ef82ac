package chart_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 60 * time.Second
	// manager is the name of the Deployment and of its ServiceAccount.
	manager = release + "-controller-manager"
	// crd is that of EgainClients.
	crd = "egainclients.auth.egain.com"
)

// world is a cluster, an eGain, and the operator that the chart has put there: as no kubelet runs the pods of its
// Deployment, a process does, with the arguments and the ServiceAccount of those.
type world struct {
	*gomega.WithT
	t          *testing.T
	plane      *controlplane.ControlPlane
	admin      client.Client
	sim        *egainsim.Simulator
	bin        string
	kubeconfig string
	operator   *exec.Cmd
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: gomega.NewWithT(t), t: t, bin: testbed.Build(t, root), sim: testbed.StartSimulator(t, egainsim.Config{})}
	w.plane, w.admin = testbed.StartCluster(t)
	w.kubeconfig = filepath.Join(w.plane.Dir, "admin.kubeconfig")
	w.Expect(controlplane.WriteKubeconfig(w.kubeconfig, w.plane.Config)).To(gomega.Succeed())
	for _, o := range []client.Object{testbed.CABundle(w.sim), testbed.Credentials()} {
		w.Expect(w.admin.Create(t.Context(), o)).To(gomega.Succeed())
	}
	return w
}

// helm runs helm against the cluster.
func (w *world) helm(args ...string) string {
	w.t.Helper()
	output, err := helm(w.t, append(args, "--namespace="+namespace, "--kubeconfig="+w.kubeconfig)...)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return output
}

// start runs the operator as the Deployment says, except for the addresses and the credentials, which are this machine's.
func (w *world) start() {
	w.t.Helper()
	deployment := &appsv1.Deployment{}
	w.Expect(w.admin.Get(w.t.Context(), types.NamespacedName{Namespace: namespace, Name: manager}, deployment)).To(gomega.Succeed())
	pod := deployment.Spec.Template.Spec
	config, err := w.plane.ServiceAccountConfig(w.t.Context(), namespace, pod.ServiceAccountName)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	kubeconfig := filepath.Join(w.plane.Dir, "operator.kubeconfig")
	w.Expect(controlplane.WriteKubeconfig(kubeconfig, config)).To(gomega.Succeed())
	operator := testbed.Operator{Bin: w.bin, Kubeconfig: kubeconfig, Flags: append(
		pod.Containers[0].Args, "--leader-election-namespace="+namespace, "--metrics-bind-address=127.0.0.1:0",
	)}
	w.operator = operator.Start(w.t)
}

// apply creates an EgainClient whose target has its name, and waits until it is ready.
func (w *world) apply(name string) *egainv1alpha1.EgainClient {
	w.t.Helper()
	ec := testbed.Client(w.sim, testbed.Named(name))
	w.Expect(w.admin.Create(w.t.Context(), ec)).To(gomega.Succeed())
	testbed.AwaitReady(w.t, w.admin, ec)
	return ec
}

func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: testbed.Named(name)}
	w.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(secret), secret)).To(gomega.Succeed())
	return secret
}

// tokens is how many tokens the simulator has issued.
func (w *world) tokens() int {
	return w.sim.Stats().Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeOK)
}

// may says whether the operator's ServiceAccount may do something to Secrets.
func (w *world) may(verb, inNamespace, name string) bool {
	w.t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "system:serviceaccount:" + namespace + ":" + manager,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: "secrets", Namespace: inNamespace, Name: name},
	}}
	w.Expect(w.admin.Create(w.t.Context(), review)).To(gomega.Succeed())
	return review.Status.Allowed
}

// remains lists the objects that the chart has put into the cluster, of every kind that there is.
func (w *world) remains() []string {
	w.t.Helper()
	disco, err := discovery.NewDiscoveryClientForConfig(w.plane.Config)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	lists, err := disco.ServerPreferredResources()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	objects, err := metadata.NewForConfig(w.plane.Config)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var found []string
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "get"}}, lists) {
		for _, resource := range list.APIResources {
			gv, err := schema.ParseGroupVersion(list.GroupVersion)
			w.Expect(err).NotTo(gomega.HaveOccurred())
			items, err := objects.Resource(gv.WithResource(resource.Name)).List(w.t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) {
				continue // a kind that has just gone
			}
			w.Expect(err).NotTo(gomega.HaveOccurred())
			for _, item := range items.Items {
				if item.Labels["app.kubernetes.io/instance"] == release || item.Labels["owner"] == "helm" {
					found = append(found, resource.Kind+" "+item.Name)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// TestTheChartFromInstallToUninstall is what a release lives through: it is installed, gives tokens, is upgraded to other
// values and other CRDs, is uninstalled, and comes back to clients that have waited for it.
func TestTheChartFromInstallToUninstall(t *testing.T) {
	w := newWorld(t)

	w.helm("install", release, earlierChart(t), "--create-namespace", "--set=allowLoopback=true")
	w.Expect(w.columns()).NotTo(gomega.ContainElement("Renews"), "the earlier chart has another CRD")
	w.start()
	ec := w.apply("knowledge")
	w.Expect(w.may("list", "kube-system", "")).To(gomega.BeTrue())
	testbed.Stop(t, w.operator)

	token := w.secret("knowledge")
	w.helm("upgrade", release, chart, "--reuse-values", "--set=watchNamespaces={default}", "--set=rbac.secretNames={knowledge,search}", "--set=log.level=debug")
	w.Expect(w.columns()).To(gomega.ContainElement("Renews"), "CRDs are upgraded with the chart")
	w.start()
	w.checkPermissions()
	w.apply("search") // the new operator is at work
	w.Expect(w.secret("knowledge")).To(gomega.Equal(token), "an upgrade changes no target")
	w.Expect(w.tokens()).To(gomega.Equal(2), "an upgrade costs no token")
	w.renew(ec)
	testbed.Stop(t, w.operator)

	token = w.secret("knowledge")
	w.helm("uninstall", release)
	w.Expect(w.remains()).To(gomega.Equal([]string{
		"CustomResourceDefinition " + crd, "CustomResourceDefinition egaintenants.auth.egain.com",
	}), "nothing is left but the CRDs")
	w.Expect(w.secret("knowledge")).To(gomega.Equal(token), "targets outlive the chart")

	w.helm("install", release, chart, "--set=allowLoopback=true")
	w.start()
	w.apply("portal")
	w.Expect(w.secret("knowledge")).To(gomega.Equal(token), "a chart that comes back changes no target")
	w.Expect(w.tokens()).To(gomega.Equal(4), "a chart that comes back costs no token")
	testbed.Stop(t, w.operator)

	w.helm("upgrade", release, chart, "--reuse-values", "--set=crds.keep=false")
	w.helm("uninstall", release)
	w.Eventually(func() bool {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		return apierrors.IsNotFound(w.admin.Get(t.Context(), types.NamespacedName{Name: crd}, definition))
	}).WithTimeout(patience).Should(gomega.BeTrue(), "crds.keep=false removes them")
	w.Eventually(w.remains).WithTimeout(patience).Should(gomega.BeEmpty())
}

// TestTheChartTakesOverFromConfig follows what docs/install.md says of a user who has installed config/default.
func TestTheChartTakesOverFromConfig(t *testing.T) {
	w := newWorld(t)
	_, err := w.plane.Install(t.Context(), w.admin, root)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(w.admin.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: manager}})).To(gomega.Succeed())
	w.helm("install", release, chart, "--take-ownership", "--force-conflicts", "--set=allowLoopback=true")
	w.start()
	w.apply("knowledge")
	testbed.Stop(t, w.operator)
	w.helm("uninstall", release)
	w.Expect(w.remains()).To(gomega.HaveLen(2), "nothing is left but the CRDs")
}

// TestTheChartTakesOverFromFlux follows what docs/install.md says of later upgrades: of fields that the first release did not
// change, Flux remains a manager.
func TestTheChartTakesOverFromFlux(t *testing.T) {
	w := newWorld(t)
	for _, object := range decode(t, kustomize(t, "default", nil)) {
		w.Expect(w.admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("kustomize-controller"),
			client.ForceOwnership)).To(gomega.Succeed())
	}
	w.Expect(w.admin.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: manager}})).To(gomega.Succeed())
	w.helm("install", release, chart, "--take-ownership", "--force-conflicts")

	other := earlierChart(t)
	_, err := helm(t, "upgrade", release, other, "--namespace="+namespace, "--kubeconfig="+w.kubeconfig)
	w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("kustomize-controller")), "without the flag it conflicts")
	w.helm("upgrade", release, other, "--force-conflicts")
	w.Expect(w.columns()).NotTo(gomega.ContainElement("Renews"), "the CRD is that of the upgrade")
	w.helm("upgrade", release, chart, "--force-conflicts")
	w.Expect(w.columns()).To(gomega.ContainElement("Renews"))
}

// earlierChart is a copy of the chart whose CRD has no column for the time of the renewal.
func earlierChart(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "files", "crds", "auth.egain.com_egainclients.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	version := &definition.Spec.Versions[0]
	version.AdditionalPrinterColumns = slices.DeleteFunc(version.AdditionalPrinterColumns,
		func(column apiextensionsv1.CustomResourceColumnDefinition) bool { return column.Name == "Renews" })
	if text, err = yaml.Marshal(definition); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// columns are those that kubectl get shows of EgainClients.
func (w *world) columns() []string {
	w.t.Helper()
	definition := &apiextensionsv1.CustomResourceDefinition{}
	w.Expect(w.admin.Get(w.t.Context(), types.NamespacedName{Name: crd}, definition)).To(gomega.Succeed())
	var names []string
	for _, column := range definition.Spec.Versions[0].AdditionalPrinterColumns {
		names = append(names, column.Name)
	}
	return names
}

// checkPermissions is about an operator that is limited to namespace default and two Secrets.
func (w *world) checkPermissions() {
	w.t.Helper()
	for question, want := range map[string]bool{
		"list kube-system":        false,
		"watch ":                  false,
		"list default":            true,
		"patch default knowledge": true,
		"patch default egain-app": false,
		"create default":          false,
	} {
		words := strings.Split(question+"  ", " ")
		w.Expect(w.may(words[0], words[1], words[2])).To(gomega.Equal(want), "%s", question)
	}
}

// renew asks for another token, and waits for it.
func (w *world) renew(ec *egainv1alpha1.EgainClient) {
	w.t.Helper()
	before := w.secret(ec.Name).Data["access_token"]
	patch := client.MergeFrom(ec.DeepCopy())
	ec.Annotations = map[string]string{"auth.egain.com/renew-requested-at": "now"}
	w.Expect(w.admin.Patch(w.t.Context(), ec, patch)).To(gomega.Succeed())
	w.Eventually(func() []byte { return w.secret(ec.Name).Data["access_token"] }).WithTimeout(patience).ShouldNot(gomega.Equal(before))
}
