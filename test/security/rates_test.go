package security_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// watched is how long a hostile author goes on. Bounds are those for the time that it took, however slow the machine is.
const watched = 12 * time.Second

// authored is a world in which an author edits EgainClients, by the role that is made for that, and the objects that a team has.
func authored(t *testing.T) (w *world, author client.Client) {
	t.Helper()
	w = newWorld(t, "default", "")
	const user = "author@example.com"
	w.create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"*"},
	}}})
	for _, role := range []string{"team", "egain-operator-egainclient-editor"} {
		w.create(&rbacv1.RoleBinding{
			ObjectMeta: named(role), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
		})
	}
	config := rest.CopyConfig(w.plane.Config)
	config.QPS, config.Impersonate = -1, rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	author, err := client.New(config, client.Options{Scheme: w.admin.Scheme()})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.create(&corev1.Secret{ObjectMeta: named("egain-app"), StringData: map[string]string{"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret}})
	w.start()
	return w, author
}

// during repeats what an author does, and returns how long that took.
func (w *world) during(act func(i int) error) time.Duration {
	w.t.Helper()
	began := time.Now()
	for i := 0; time.Since(began) < watched; i++ {
		if err := act(i); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err) {
			w.Expect(err).NotTo(gomega.HaveOccurred())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func (w *world) tokenRequests() int {
	return w.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")
}

// floors is the most requests that one object may get in a time.
func floors(took time.Duration) int { return rotation.FreeChanges + 1 + int(took/rotation.Floor) }

func TestAShortLifetimeIsBoundedByTheFloor(t *testing.T) {
	t.Parallel()
	w, _ := authored(t)
	w.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{"expires_in": json.RawMessage("1")}})
	began := time.Now()
	ec := w.client("sync")
	w.eventually("the lifetime is reported", func(g gomega.Gomega) {
		w.fetch(g, ec)
		g.Expect(ec.Status.LastFailure).NotTo(gomega.BeNil())
		g.Expect(ec.Status.LastFailure.Reason).To(gomega.Equal(egainv1alpha1.ReasonLifetimeInvalid))
	})
	w.during(func(int) error { return nil })
	w.Expect(w.tokenRequests()).To(gomega.And(gomega.BeNumerically(">=", 2), gomega.BeNumerically("<=", floors(time.Since(began)))))
}

func TestWhatAnAuthorEditsCostsFewRequests(t *testing.T) {
	t.Parallel()
	w, author := authored(t)
	untrusted := func(i int) map[string]string {
		return map[string]string{"ca.crt": fmt.Sprintf("%s\n# %d\n", w.gateway.bundle(), i)}
	}
	w.create(&corev1.ConfigMap{ObjectMeta: named("their-ca"), Data: untrusted(-1)})
	tests := map[string]struct {
		client change
		act    func(name string, i int) error
	}{
		"parameters": {nil, func(name string, i int) error {
			ec := &egainv1alpha1.EgainClient{ObjectMeta: named(name)}
			return author.Patch(t.Context(), ec, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"parameters":{"edit":"%d"}}}`, i)))
		}},
		"renewals": {nil, func(name string, i int) error {
			ec := &egainv1alpha1.EgainClient{ObjectMeta: named(name)}
			return author.Patch(t.Context(), ec, client.RawPatch("application/merge-patch+json",
				fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"%d"}}}`, egainv1alpha1.RenewRequestedAtAnnotation, i)))
		}},
		"target": {nil, func(name string, _ int) error {
			return author.Patch(t.Context(), &corev1.Secret{ObjectMeta: named(name)}, client.RawPatch("application/merge-patch+json", []byte(`{"data":{"access_token":null}}`)))
		}},
		"deleted": {nil, func(name string, _ int) error {
			return author.Delete(t.Context(), &corev1.Secret{ObjectMeta: named(name)})
		}},
		"bundle": {func(ec *egainv1alpha1.EgainClient) { ec.Spec.Tenant.CABundleRef.Name = "their-ca" }, func(_ string, i int) error {
			return author.Update(t.Context(), &corev1.ConfigMap{ObjectMeta: named("their-ca"), Data: untrusted(i)})
		}},
	}
	for name, tc := range tests {
		changes := []change{}
		if tc.client != nil {
			changes = append(changes, tc.client)
		}
		ec := w.client(name, changes...)
		w.eventually("an attempt", func(g gomega.Gomega) {
			w.fetch(g, ec)
			g.Expect(ec.Status.Conditions).NotTo(gomega.BeEmpty())
		})
		before := w.attempts()
		took := w.during(func(i int) error { return tc.act(name, i) })
		w.Expect(w.attempts()-before).To(gomega.BeNumerically("<=", floors(took)), "%s for %s", name, took)
		w.Expect(w.admin.Delete(t.Context(), ec)).To(gomega.Succeed())
	}
	var events eventsv1.EventList
	w.Expect(w.admin.List(t.Context(), &events, client.InNamespace(team))).To(gomega.Succeed())
	contested := false
	for _, e := range events.Items {
		contested = contested || (e.Reason == "TargetContested" && e.Regarding.Name == "target")
	}
	w.Expect(contested).To(gomega.BeTrue(), "an event says that another writer changes the target")
}

var attempt = regexp.MustCompile(`(?m)^egain_token_request_duration_seconds_count\{.*\} (\d+)$`)

// attempts is how many token requests were tried, as the metrics say, whether or not they reached a server.
func (w *world) attempts() (total int) {
	w.t.Helper()
	w.eventually("the metrics", func(g gomega.Gomega) {
		total = 0
		status, body := w.get("https://"+w.metrics+"/metrics", w.scraper.BearerToken)
		g.Expect(status).To(gomega.Equal(200))
		for _, match := range attempt.FindAllStringSubmatch(body, -1) {
			var n int
			_, err := fmt.Sscan(match[1], &n)
			g.Expect(err).NotTo(gomega.HaveOccurred())
			total += n
		}
	})
	return total
}

// Limits are kept apart from what is edited: the CA bundle, the EgainTenant, its limits, and the clients.
func TestLimitsHoldWhileCABundlesChange(t *testing.T) {
	t.Parallel()
	w, _ := authored(t)
	ca := func(i int) map[string]string {
		return map[string]string{"ca.crt": fmt.Sprintf("%s\n# %d\n", w.sim.CABundle(), i)}
	}
	limits := &egainv1alpha1.RequestLimits{Concurrent: 1}
	tenant := func() *egainv1alpha1.EgainTenant {
		return &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "limited"}, Spec: egainv1alpha1.EgainTenantSpec{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
				TokenURL: egainv1alpha1.HTTPSURL(w.sim.Rigel().TokenURL(egainsim.Client)), APIURL: egainv1alpha1.HTTPSURL(w.sim.APIURL()),
			}},
			CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
				CABundleReference: egainv1alpha1.CABundleReference{Name: "limited-ca"}, Namespace: team,
			},
			RequestLimits: limits,
		}}
	}
	w.create(&corev1.ConfigMap{ObjectMeta: named("limited-ca"), Data: ca(-1)})
	w.create(tenant())
	w.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Delay: 300 * time.Millisecond})
	var clients []*egainv1alpha1.EgainClient
	for i := range 6 {
		clients = append(clients, w.client(fmt.Sprintf("sync-%d", i), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "limited"}
		}))
	}
	w.during(func(i int) error {
		ec := clients[i%len(clients)]
		renew := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"%d"}}}`, egainv1alpha1.RenewRequestedAtAnnotation, i)
		if err := w.admin.Patch(t.Context(), ec.DeepCopy(), client.RawPatch("application/merge-patch+json", renew)); err != nil {
			return err
		}
		switch i % 40 {
		case 20: // recreated
			if err := w.admin.Delete(t.Context(), tenant()); err != nil {
				return err
			}
			return w.admin.Create(t.Context(), tenant())
		case 30: // edited while requests are under way
			return w.admin.Patch(t.Context(), tenant(), client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"requestLimits":{"concurrent":1,"perSecond":%d}}}`, 50+i%7)))
		default:
			return w.admin.Update(t.Context(), &corev1.ConfigMap{ObjectMeta: named("limited-ca"), Data: ca(i)})
		}
	})
	w.Expect(w.tokenRequests()).To(gomega.BeNumerically(">", len(clients)))
	w.Expect(w.sim.Stats().MaxConcurrent[egainsim.TokenEndpoint]).To(gomega.Equal(1))
}

func TestHostsInMetricsGoWithTheEdit(t *testing.T) {
	t.Parallel()
	w, author := authored(t)
	ec := w.client("sync")
	w.reaches(ec, egainv1alpha1.ReasonTokenValid, egainv1alpha1.ReasonIssued)
	host := regexp.MustCompile(`host="([^"]*example\.com[^"]*)"`)
	w.during(func(i int) error {
		return author.Patch(t.Context(), &egainv1alpha1.EgainClient{ObjectMeta: named("sync")}, client.RawPatch("application/merge-patch+json",
			fmt.Appendf(nil, `{"spec":{"tenant":{"endpoints":{"tokenURL":"https://%d.example.com/token"}}}}`, i)))
	})
	hosts := func() map[string]bool {
		seen := map[string]bool{}
		_, body := w.get("https://"+w.metrics+"/metrics", w.scraper.BearerToken)
		for _, match := range host.FindAllStringSubmatch(body, -1) {
			seen[match[1]] = true
		}
		return seen
	}
	w.Expect(len(hosts())).To(gomega.BeNumerically("<=", 16))
	w.Expect(w.admin.Delete(t.Context(), ec)).To(gomega.Succeed())
	w.eventually("the hosts are gone", func(g gomega.Gomega) { g.Expect(hosts()).To(gomega.BeEmpty()) })
}
