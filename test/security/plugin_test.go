package security_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// TestThePluginHoldsToTheRulesOfTheOperator is an author of EgainClients who asks an administrator to run commands on them.
func TestThePluginHoldsToTheRulesOfTheOperator(t *testing.T) {
	a := newPluginWorld(t)
	inline, session := a.client(), a.client(a.byLogin)
	shared, sharedSession := a.client(a.of), a.client(a.byLogin, a.of)
	for _, ec := range []*egainv1alpha1.EgainClient{inline, session, shared, sharedSession} {
		a.issue(ec, a.hostile.URL+"/api")
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	a.Expect(os.WriteFile(ca, a.hostile.bundle(), 0o600)).To(gomega.Succeed())
	commands := func(ec, login *egainv1alpha1.EgainClient) map[string][]string {
		return map[string][]string{
			"doctor":           {"doctor", ec.Name},
			"revoke":           {"revoke", ec.Name, "--yes"},
			"revoke --session": {"revoke", login.Name, "--session", "--yes"},
			"login":            {"login", login.Name, "--yes", "--no-browser", "--wait=false"},
			"call":             {"call", ec.Name, "/", "--yes"},
			"create client":    {"create", "client", "x", "--from-metadata", a.hostile.URL + "/metadata", "--ca-file", ca, "--dry-run=client"},
		}
	}
	silent := func(t *testing.T, commands map[string][]string, without ...string) {
		t.Helper()
		for name, args := range commands {
			if len(without) > 0 && name == without[0] {
				continue
			}
			_, said := a.run(nil, args...)
			if heard := a.hostile.hears(); heard != "" {
				t.Errorf("%s: the author's server heard\n%s\n%s", name, heard, said)
			}
		}
	}
	t.Run("the author's server hears what is sent", func(t *testing.T) {
		g := gomega.NewWithT(t)
		a.flags("--require-tenant-ref")
		_, said := a.run(nil, "doctor", inline.Name, "--insecure-skip-operator-rules")
		g.Expect(a.hostile.hears()).To(gomega.ContainSubstring(egainsim.RigelWebClientSecret), said)
		g.Expect(said).To(gomega.ContainSubstring("Warning: --insecure-skip-operator-rules is set."))
	})
	t.Run("a tenant in the spec", func(t *testing.T) {
		a.flags("--allow-loopback", "--require-tenant-ref")
		silent(t, commands(inline, session))
	})
	t.Run("loopback", func(t *testing.T) {
		a.flags()
		silent(t, commands(shared, sharedSession))
		silent(t, commands(inline, session))
	})
	t.Run("a host", func(t *testing.T) {
		a.flags("--allow-loopback", "--allowed-hosts=*.egain.cloud")
		silent(t, commands(shared, sharedSession), "call") // --allowed-hosts is not about the API
	})
	t.Run("flags of another version", func(t *testing.T) {
		a.flags("--allow-loopback", "--of-the-future")
		silent(t, commands(inline, session))
	})
	t.Run("another API than the tenant's", func(t *testing.T) {
		a.flags("--allow-loopback")
		ec := a.client(func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(a.honest.Rigel().TokenURL(egainsim.Client))
			ec.Spec.Tenant.Endpoints.RevocationURL = ""
		})
		a.issue(ec, a.hostile.URL+"/api")
		silent(t, map[string][]string{"call": {"call", ec.Name, "/"}, "doctor": {"doctor", ec.Name}})
	})
	t.Run("the status of a client, while documents are down", func(t *testing.T) {
		g := gomega.NewWithT(t)
		a.flags("--allow-loopback")
		ec := a.client(func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.TenantLocation = egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(a.honest.LoginURL() + "/gone")}
			a.of(ec)
		})
		a.issue(ec, a.honest.APIURL())
		before := ec.DeepCopy()
		ec.Status.Endpoints = &egainv1alpha1.EndpointsStatus{TokenURL: a.hostile.URL + "/token", APIURL: a.hostile.URL + "/api", Source: egainv1alpha1.EndpointSourceMetadata}
		g.Expect(a.admin.Status().Patch(t.Context(), ec, client.MergeFrom(before))).To(gomega.Succeed())
		silent(t, map[string][]string{"revoke": {"revoke", ec.Name, "--yes"}, "doctor": {"doctor", ec.Name}, "call": {"call", ec.Name, "/", "--yes"}})
	})
	t.Run("an address behind a proxy", func(t *testing.T) {
		g := gomega.NewWithT(t)
		a.flags("--allow-loopback")
		var asked atomic.Int32
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusBadGateway)
		}))
		defer proxy.Close()
		ec := a.client(func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: "https://10.96.0.1/token", RevocationURL: "https://169.254.169.254/revoke", APIURL: "https://10.96.0.1"}
		})
		a.issue(ec, "https://10.96.0.1")
		for _, args := range [][]string{{"doctor", ec.Name}, {"revoke", ec.Name, "--yes"}, {"call", ec.Name, "/", "--yes"}} {
			code, said := a.run([]string{"HTTPS_PROXY=" + proxy.URL}, args...)
			g.Expect(code).To(gomega.Equal(1), said)
		}
		g.Expect(asked.Load()).To(gomega.BeZero(), "the proxy was asked")
	})
	t.Run("an operator that the author pretends", func(t *testing.T) {
		g := gomega.NewWithT(t)
		a.flags("--require-tenant-ref")
		labels := map[string]string{"app.kubernetes.io/part-of": "egain-operator"}
		pretended := &appsv1.Deployment{ObjectMeta: testbed.Named("egain-operator"), Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "manager", Image: "pretended", Args: []string{"--allow-loopback", "--allow-private"}}},
			}},
		}}
		pretended.Labels = labels
		a.create(pretended)
		silent(t, commands(inline, session))
		own := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: controlplane.OperatorNamespace, Name: "egain-operator-controller-manager"}}
		g.Expect(a.admin.Delete(t.Context(), own)).To(gomega.Succeed())
		silent(t, commands(inline, session))
	})
}
