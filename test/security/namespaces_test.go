package security_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// other is a watched namespace in which the operator has no rights at first.
const other = "team-b"

// access are the Role and RoleBinding of the operator in a namespace, as config/namespaced has them.
func (w *world) access(namespace string) (all []client.Object) {
	for _, o := range w.installed {
		if kind := o.GetKind(); o.GetNamespace() == team && (kind == "Role" || kind == "RoleBinding") {
			object := o.DeepCopy()
			object.SetNamespace(namespace)
			object.SetResourceVersion("")
			object.SetUID("")
			all = append(all, object)
		}
	}
	return all
}

// clientIn creates a client and all that it names.
func (w *world) clientIn(namespace string) *egainv1alpha1.EgainClient {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "sync"}
	credentials := testbed.Credentials()
	credentials.Namespace = namespace
	w.create(credentials)
	if namespace != team {
		bundle := testbed.CABundle(w.sim)
		bundle.Namespace = namespace
		w.create(bundle)
	}
	ec := testbed.Client(w.sim, meta)
	w.create(ec)
	return ec
}

// stopsInTime ends the operator as the end of its pod does.
func (w *world) stopsInTime(process *exec.Cmd) {
	w.t.Helper()
	ended := make(chan error, 1)
	w.Expect(process.Process.Signal(syscall.SIGTERM)).To(gomega.Succeed())
	go func() { ended <- process.Wait() }()
	select {
	case err := <-ended:
		w.Expect(err).NotTo(gomega.HaveOccurred())
	case <-time.After(50 * time.Second): // ten times what it may take
		w.t.Error("the process does not end")
	}
}

func TestNamespaces_OneThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "namespaced", "", "--watch-namespaces="+team+","+other)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}})
	process := w.start()

	testbed.AwaitReady(t, w.admin, w.clientIn(team))
	w.eventually("a metric names the namespace", func(g gomega.Gomega) {
		_, body := w.get("https://"+w.metrics+"/metrics", w.scraper.BearerToken)
		g.Expect(body).To(gomega.ContainSubstring(`egain_namespace_unreadable{namespace="` + other + `"} 1`))
		g.Expect(body).To(gomega.ContainSubstring(`egain_client_ready{name="sync",namespace="` + team + `"} 1`))
	})
	said, err := os.ReadFile(w.operator.Log)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(bytes.Contains(said, []byte(other))).To(gomega.BeTrue(), "the log names it")

	late := w.clientIn(other)
	for _, o := range w.access(other) {
		w.create(o)
	}
	testbed.AwaitReady(t, w.admin, late)
	w.eventually("the metric goes", func(g gomega.Gomega) {
		_, body := w.get("https://"+w.metrics+"/metrics", w.scraper.BearerToken)
		g.Expect(body).To(gomega.ContainSubstring(`egain_client_ready{name="sync",namespace="` + other + `"} 1`))
		g.Expect(body).NotTo(gomega.ContainSubstring("egain_namespace_unreadable{"))
	})
	w.Expect(process.ProcessState).To(gomega.BeNil(), "it is the same process")
	w.stopsInTime(process)
}

// TestNamespaces_AnApplicationServesOnceItsNamespaceCanBeRead: a namespace of applications that cannot be read holds up nothing else.
func TestNamespaces_AnApplicationServesOnceItsNamespaceCanBeRead(t *testing.T) {
	t.Parallel()
	const platform = "platform"
	w := newWorld(t, "namespaced", "", "--watch-namespaces="+team, "--application-namespaces="+platform)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: platform}})
	lent := testbed.Credentials()
	lent.Namespace = platform
	w.create(lent)
	w.create(&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: testbed.Client(w.sim, named("any")).Spec.Tenant.TenantLocation,
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: team,
		},
		Applications: []egainv1alpha1.Application{{
			Name: "default", AllowedFlows: []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials},
			AllowedNamespaces: egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{team}},
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: platform, Name: egainv1alpha1.SecretName(lent.Name),
			},
		}},
	}})
	process := w.start()
	ec := testbed.Client(w.sim, named("borrower"))
	ec.Spec.Tenant, ec.Spec.CredentialsSecretRef = egainv1alpha1.Tenant{}, nil
	ec.Spec.TenantRef = &egainv1alpha1.TenantReference{Name: "production", Application: "default"}
	w.create(ec)
	w.reaches(ec, egainv1alpha1.ReasonNoToken, egainv1alpha1.ReasonApplicationInvalid)

	for _, o := range w.installed {
		if o.GetName() == "egain-operator-applications" {
			object := o.DeepCopy()
			object.SetNamespace(platform)
			object.SetResourceVersion("")
			object.SetUID("")
			w.create(object)
		}
	}
	testbed.AwaitReady(t, w.admin, ec)
	w.stopsInTime(process)
}

func TestNamespaces_WithoutOneThatCanBeReadTheProcessAnswersAndEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "namespaced", "", "--watch-namespaces="+other)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}})
	process := w.operator.StartUnready(t)
	w.eventually("metrics are served", func(g gomega.Gomega) {
		_, body := w.get("https://"+w.metrics+"/metrics", w.scraper.BearerToken)
		g.Expect(body).To(gomega.ContainSubstring(`egain_namespace_unreadable{namespace="` + other + `"} 1`))
	})
	w.eventually("it leads: what the process may read is read", func(g gomega.Gomega) {
		said, err := os.ReadFile(w.operator.Log)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		g.Expect(string(said)).To(gomega.ContainSubstring("Successfully acquired lease"))
	})
	w.Expect(w.status("http://"+w.operator.Health+"/healthz", "")).To(gomega.Equal(http.StatusOK), "a restart would change nothing")
	w.Expect(w.status("http://"+w.operator.Health+"/readyz", "")).To(gomega.Equal(http.StatusInternalServerError))
	w.stopsInTime(process)

	process = w.operator.StartUnready(t)
	late := w.clientIn(other)
	for _, o := range w.access(other) {
		w.create(o)
	}
	testbed.AwaitReady(t, w.admin, late)
	w.stopsInTime(process)
}

// With a namespace go the Role and the RoleBinding that the operator has in it, before the finalizers of its EgainClients.
func TestNamespaces_OneThatIsDeletedDoesNotHang(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"while the operator runs": false, "while the operator is down": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "namespaced", "", "--watch-namespaces="+team+","+other)
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}}
			w.create(namespace)
			for _, o := range w.access(other) {
				w.create(o)
			}
			revoked, merged := w.clientIn(other), testbed.Client(w.sim, metav1.ObjectMeta{Namespace: other, Name: "merged"})
			before := revoked.DeepCopy()
			revoked.Spec.RevokeOnDelete = new(true)
			w.Expect(w.admin.Patch(t.Context(), revoked, client.MergeFrom(before))).To(gomega.Succeed())
			w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "shared"}})
			merged.Spec.Target.CreationPolicy, merged.Spec.Target.SecretName = egainv1alpha1.CreationPolicyMerge, "shared"
			w.create(merged)
			process := w.start()
			for _, ec := range []*egainv1alpha1.EgainClient{revoked, merged} {
				testbed.AwaitReady(t, w.admin, ec)
			}
			w.eventually("the finalizers are set", func(g gomega.Gomega) {
				w.fetch(g, revoked)
				w.fetch(g, merged)
				g.Expect(revoked.Finalizers).NotTo(gomega.BeEmpty())
				g.Expect(merged.Finalizers).NotTo(gomega.BeEmpty())
			})

			if down {
				w.stopsInTime(process)
			}
			for _, o := range w.access(other) { // the namespace controller has no order; this one is the worst
				w.Expect(w.admin.Delete(t.Context(), o)).To(gomega.Succeed())
			}
			w.Expect(w.admin.Delete(t.Context(), namespace)).To(gomega.Succeed())
			if down {
				w.start()
			}
			w.eventually("the namespace is gone", func(g gomega.Gomega) {
				err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(namespace), &corev1.Namespace{})
				g.Expect(apierrors.IsNotFound(err)).To(gomega.BeTrue(), "%v", namespace.Status)
			})
			said, err := os.ReadFile(w.operator.Log)
			w.Expect(err).NotTo(gomega.HaveOccurred())
			w.Expect(string(said)).To(gomega.MatchRegexp(`its token was not revoked","namespace":"` + other + `","name":"sync"`))
		})
	}
}
