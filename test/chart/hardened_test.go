package chart_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/options"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// hardened are the values that hardened takes at least.
var hardened = []string{"--set=hardened=true", "--set=allowedHosts={*.egain.cloud}"}

// policies are the names of the policies that are rendered.
func policies(t *testing.T, args ...string) []string {
	t.Helper()
	names := []string{}
	for _, object := range rendered(t, args...) {
		if object.GetKind() == "ValidatingAdmissionPolicy" {
			names = append(names, strings.TrimPrefix(object.GetName(), release+"-"))
			find(t, rendered(t, args...), "ValidatingAdmissionPolicyBinding", object.GetName())
		}
	}
	return names
}

func TestHardened_TurnsOnAllThatProtects(t *testing.T) {
	t.Parallel()
	objects := rendered(t, hardened...)
	var o options.Options
	if err := flags(&o).Parse(container(t, objects).Args); err != nil {
		t.Fatal(err)
	}
	if !o.RequireTenantRef || !o.RequireApplication || o.AllowPrivate || o.AllowLoopback || len(o.AllowedAudiences) != 0 || !cmp.Equal([]string(o.AllowedHosts), []string{"*.egain.cloud:443"}) {
		t.Errorf("got %+v", o)
	}
	find(t, objects, "NetworkPolicy", manager)
	// A value of its own does not turn it off again: it may be the default that was written out.
	more := rendered(t, append(hardened, "--set=requireTenantRef=false", "--set=networkPolicy.enabled=false")...)
	find(t, more, "NetworkPolicy", manager)
	if diff := cmp.Diff(container(t, objects).Args, container(t, more).Args); diff != "" {
		t.Error(diff)
	}
}

func TestHardened_DecidesAboutPoliciesThatAreNotSet(t *testing.T) {
	t.Parallel()
	secrets, hosts, targets := []string{"egainclient-secrets"}, []string{"egainclient-hosts", "egaintenant-hosts"}, []string{"egain-written-secrets", "egainclient-targets"}
	all := append(append(append([]string{}, secrets...), hosts...), targets...)
	for name, tc := range map[string]struct{ args, want []string }{
		"by default, none":        {nil, []string{}},
		"hardened, all":           {hardened, all},
		"one by itself":           {[]string{"--set=policies.secrets.enabled=true"}, secrets},
		"another by itself":       {[]string{"--set=policies.targets.enabled=true"}, targets},
		"hosts by itself":         {[]string{"--set=policies.hosts.enabled=true", "--set=allowedHosts={a.example}"}, hosts},
		"hardened, one by hand":   {append(hardened, "--set=policies.secrets.enabled=false"), append(append([]string{}, hosts...), targets...)},
		"hardened, one by a null": {append(hardened, "--set=policies.secrets.enabled=null"), all},
		"a null of all":           {append(hardened, "--set=policies=null"), all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, policies(t, tc.args...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// notes are what helm prints after an installation.
func notes(t *testing.T, args ...string) string {
	t.Helper()
	text, err := helm(t, append([]string{"install", release, chart, "--dry-run=client", "--namespace=" + namespace}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(text, "NOTES:\n")
	if !found {
		t.Fatalf("no notes in\n%s", text)
	}
	return after
}

func TestHardened_NotesListWhatWeakensIt(t *testing.T) {
	t.Parallel()
	const weakened, whole = "hardened is true, but other values weaken it:\n", "hardened is true, and no other value weakens it."
	if text := notes(t); strings.Contains(text, "hardened") {
		t.Errorf("the notes of the default say\n%s", text)
	}
	if text := notes(t, hardened...); !strings.Contains(text, whole) {
		t.Errorf("got\n%s", text)
	}
	for set, want := range map[string]string{
		"allowPrivate=true": "- allowPrivate is true",
		"serviceAccountTokens.enabled=true,serviceAccountTokens.audiences={egain}":                                "- serviceAccountTokens.enabled is true: the operator may act as any ServiceAccount",
		"serviceAccountTokens.enabled=true,serviceAccountTokens.audiences={egain},serviceAccountTokens.names={x}": "- serviceAccountTokens.enabled is true: the operator may act as the ServiceAccounts x",
		"policies.secrets.enabled=false":                    "- policies.secrets.enabled is false",
		"policies.hosts.enabled=false":                      "- policies.hosts.enabled is false",
		"policies.targets.enabled=false":                    "- policies.targets.enabled is false",
		"policies.targets.names=null":                       "- policies.targets.names is empty",
		"policies.actions={Warn,Audit}":                     "- policies.actions lacks Deny",
		"metrics.secure=false":                              "- metrics.secure is false",
		"profiling.enabled=true":                            "- profiling.enabled is true",
		"extraArgs={--allowed-hosts=}":                      "- extraArgs has --allowed-hosts=, which wins over the values",
		"extraArgs={--allow-loopback}":                      "- extraArgs has --allow-loopback, which wins",
		"extraArgs={-require-tenant-ref=false,--workers=1}": "- extraArgs has -require-tenant-ref=false, which wins",
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			text := notes(t, append(hardened, "--set="+set)...)
			_, list, found := strings.Cut(text, weakened)
			if !found || !strings.HasPrefix(list, want) || strings.Count(list, "\n- ") != 0 || strings.Contains(text, whole) {
				t.Errorf("got\n%s", text)
			}
		})
	}
}

// TestHardened_OnACluster installs it with lists of its own, and an author who has the chart's editor role and no right on Secrets.
func TestHardened_OnACluster(t *testing.T) {
	w := newWorld(t)
	api, err := url.Parse(w.sim.APIURL())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	host := "localhost:" + api.Port()
	w.helm("install", release, chart, "--create-namespace", "--set=hardened=true", "--set=allowedHosts={"+host+","+api.Host+",*.egain.cloud}", "--set=extraArgs={--allow-loopback}",
		"--set=watchNamespaces={default}", "--set=policies.targets.names={*-kubeconfig}", "--set=policies.targets.types=null", "--set=policies.targets.keys={example.com/*}")
	w.start()
	w.checkTypes()
	w.Expect(w.admin.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: testbed.Named("author"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: release + "-egainclient-editor"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "author"}},
	})).To(gomega.Succeed())
	config := rest.CopyConfig(w.plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "author", Groups: []string{"system:authenticated"}}
	author, err := client.New(config, client.Options{Scheme: w.admin.Scheme()})
	w.Expect(err).NotTo(gomega.HaveOccurred())

	anonymous := func(name, tokenURL string, change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
		ec := testbed.Client(w.sim, testbed.Named(name))
		ec.Spec.Flow, ec.Spec.CredentialsSecretRef = egainv1alpha1.FlowAnonymousCustomer, nil
		ec.Spec.Tenant.TenantLocation = egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(tokenURL)}}
		for _, c := range change {
			c(ec)
		}
		return ec
	}
	for _, tc := range []struct {
		ec   *egainv1alpha1.EgainClient
		want string // of the refusal; empty if there is none
	}{
		{testbed.Client(w.sim, testbed.Named("credentials")), `author may not get Secret "egain-app"`},
		{anonymous("elsewhere", "https://evil.example.com/token"), "evil.example.com:443 is not among the hosts that URLs may be of (" + host + ", " + api.Host + ", *.egain.cloud)"},
		{anonymous("listed", "https://ai.egain.cloud/token"), ""},
		{anonymous("my-kubeconfig", "https://ai.egain.cloud/token"), `"my-kubeconfig" are reserved`},
		{anonymous("label", "https://ai.egain.cloud/token", func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Metadata: &egainv1alpha1.TargetMetadata{Labels: map[string]egainv1alpha1.LabelValue{"example.com/role": "x"}}}
		}), "example.com/role are reserved"},
		{anonymous("type", "https://ai.egain.cloud/token", func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Type = "helm.sh/release.v1" }), ""},
	} {
		w.Eventually(func() string { return fmt.Sprint(author.Create(t.Context(), tc.ec.DeepCopy(), client.DryRunAll)) }).WithTimeout(patience).Should(gomega.And(
			gomega.ContainSubstring(tc.want), gomega.WithTransform(func(said string) bool { return said == "<nil>" }, gomega.Equal(tc.want == ""))), tc.ec.Name)
	}
	elsewhere := testbed.Client(w.sim, metav1.ObjectMeta{Namespace: "kube-system", Name: "elsewhere"})
	elsewhere.Spec.Tenant.MetadataURL = "https://evil.example.com/m"
	w.Expect(w.admin.Create(t.Context(), elsewhere, client.DryRunAll)).To(gomega.Succeed(), "the operator does not work in kube-system")

	tenant := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(w.sim.Rigel().MetadataURL(egainsim.ConsoleFlatCamel, egainsim.Client))},
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: metav1.NamespaceDefault,
		},
	}}
	w.Expect(w.admin.Create(t.Context(), tenant)).To(gomega.Succeed())
	credentials := &corev1.Secret{}
	w.Expect(w.admin.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "egain-app"}, credentials)).To(gomega.Succeed())
	credentials.Labels = map[string]string{egainv1alpha1.SubjectTokenLabel: "true"}
	w.Expect(w.admin.Update(t.Context(), credentials)).To(gomega.Succeed())
	ec := testbed.Client(w.sim, testbed.Named("knowledge"))
	ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "production"}
	ec.Spec.RevokeOnDelete = new(true)
	w.Expect(w.admin.Create(t.Context(), ec)).To(gomega.Succeed())
	testbed.AwaitReady(t, w.admin, ec)
	w.Expect(client.IgnoreNotFound(w.admin.Delete(t.Context(), ec))).To(gomega.Succeed())
	w.Eventually(func() error { return w.admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec) }).WithTimeout(patience).ShouldNot(gomega.Succeed(), "no policy holds the finalizer up")
	testbed.Stop(t, w.operator)
	w.Expect(w.admin.Delete(t.Context(), tenant)).To(gomega.Succeed())
	w.helm("uninstall", release)
	w.Expect(w.remains()).To(gomega.HaveLen(2), "nothing is left but the CRDs")
}

// checkTypes waits until the API server has checked the types of the chart's policies, and found nothing.
func (w *world) checkTypes() {
	w.t.Helper()
	w.Eventually(func(g gomega.Gomega) {
		list := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
		g.Expect(w.admin.List(w.t.Context(), list)).To(gomega.Succeed())
		g.Expect(list.Items).To(gomega.HaveLen(5))
		for i := range list.Items {
			p := &list.Items[i]
			g.Expect(p.Status.TypeChecking).NotTo(gomega.BeNil(), p.Name)
			g.Expect(p.Status.TypeChecking.ExpressionWarnings).To(gomega.BeEmpty(), p.Name)
		}
	}).WithTimeout(patience).Should(gomega.Succeed())
}
