package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// patience bounds waits for watches and controllers; nothing depends on how soon they end within it.
const patience = 30 * time.Second

// operatorConfig is that of a ServiceAccount that may do what the generated role says and nothing else.
func operatorConfig(t *testing.T, namespace string) *rest.Config {
	t.Helper()
	manifest, err := os.ReadFile("../config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(manifest, role); err != nil {
		t.Fatal(err)
	}
	role.Name = "manager-role-" + namespace
	account := metav1.ObjectMeta{Namespace: namespace, Name: "egain-operator"}
	for _, o := range []client.Object{
		role,
		&corev1.ServiceAccount{ObjectMeta: account},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account.Name}},
		},
	} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	c, err := plane.ServiceAccountConfig(t.Context(), namespace, account.Name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startManager runs the operator in this process, over the namespaces given, until the test ends or stop is called; stop
// returns once it has stopped.
func startManager(t *testing.T, c *rest.Config, workers int, namespaces ...string) (r *EgainClientReconciler, stop func()) {
	t.Helper()
	options := ManagerOptions(namespaces, nil)
	options.GracefulShutdownTimeout, options.Metrics.BindAddress = new(ActTimeout), "0"
	options.Controller.SkipNameValidation = new(true)
	mgr, err := ctrl.NewManager(c, options)
	if err != nil {
		t.Fatal(err)
	}
	r = live(mgr, workers)
	if err := r.SetupWithManager(t.Context(), mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return r, stop
}

// live is the reconciler of a manager, in real time.
func live(mgr ctrl.Manager, workers int) *EgainClientReconciler {
	r, _ := New(Parts{
		Client: mgr.GetClient(), Cache: mgr.GetCache(), Clock: clock.RealClock{}, Recorder: mgr.GetEventRecorder("egain-operator"),
		Metrics: metrics.New(prometheus.NewRegistry()),
	}, Settings{
		Workers: workers, MetadataLifetime: time.Hour, RequestsPerHost: 16, Transport: transport.Options{Timeout: 10 * time.Second, AllowLoopback: true},
	}, request.OwnToken(mgr.GetConfig()))
	return r
}

// liveFixture is a fixture with the real time and no reconciler of its own: a manager does the work.
func liveFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{WithT: gomega.NewWithT(t), t: t, namespace: newNamespace(t)}
	f.sim = startSimulator(t, egainsim.Config{})
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": string(f.sim.CABundle())}})
	return f
}

func (f *fixture) eventually(check func(g gomega.Gomega)) {
	f.t.Helper()
	f.Eventually(check).WithTimeout(patience).WithPolling(20 * time.Millisecond).Should(gomega.Succeed())
}

// ready waits until an object is Ready, or not, in its current generation.
func (f *fixture) ready(ec *egainv1alpha1.EgainClient, want bool) {
	f.t.Helper()
	f.eventually(func(g gomega.Gomega) {
		g.Expect(admin.Get(f.t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
		g.Expect(ec.Status.ObservedGeneration).To(gomega.Equal(ec.Generation))
		g.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.Equal(want))
	})
}

func TestTheWatchesWakeAClientWithoutPolling(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	r, _ := startManager(t, operatorConfig(t, f.namespace), 4, f.namespace)

	ec := f.client("sync")
	f.ready(ec, false)
	f.Expect(meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(egainv1alpha1.ReasonCredentialsNotFound))

	credentials := f.credentials()
	f.ready(ec, true)
	first := f.value("sync", "access_token")
	f.eventually(func(g gomega.Gomega) { g.Expect(r.journal.Load(ec, time.Now()).Recent).To(gomega.BeNil()) }) // else it is written again

	f.Expect(admin.Delete(t.Context(), f.secret("sync"))).To(gomega.Succeed())
	f.eventually(func(g gomega.Gomega) { g.Expect(f.secret("sync")).NotTo(gomega.BeNil()) })

	f.Expect(f.sim.AddSecret(egainsim.RigelClientID, "rotated-secret")).To(gomega.Succeed())
	second := f.value("sync", "access_token")
	f.Expect(second).NotTo(gomega.Equal(first))
	credentials.StringData = map[string]string{"client_secret": "rotated-secret"}
	f.Expect(admin.Update(t.Context(), credentials)).To(gomega.Succeed())
	f.eventually(func(g gomega.Gomega) { g.Expect(f.value("sync", "access_token")).NotTo(gomega.Equal(second)) })
	f.Expect(f.requests()).To(gomega.Equal(3), "one request for each of the three reasons")

	f.Expect(admin.Delete(t.Context(), ec)).To(gomega.Succeed())
	f.eventually(func(g gomega.Gomega) {
		g.Expect(f.secret("sync")).To(gomega.BeNil(), "collected by its owner reference")
	})
}

func TestARestartAsksForNothingAndWritesNothing(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	c := operatorConfig(t, f.namespace)
	_, stop := startManager(t, c, 4, f.namespace)
	f.credentials()
	var clients []*egainv1alpha1.EgainClient
	for i := range 5 {
		clients = append(clients, f.client(fmt.Sprintf("sync-%d", i)))
	}
	for _, ec := range clients {
		f.ready(ec, true)
	}
	stop()
	versions := map[string]string{}
	for _, ec := range clients {
		versions["client "+ec.Name], versions["secret "+ec.Name] = ec.ResourceVersion, f.secret(ec.Name).ResourceVersion
	}

	startManager(t, c, 4, f.namespace)
	// One more client, which is served after those that were there before it was, shows that the new manager is at work.
	f.ready(f.client("afterwards"), true)

	for _, ec := range clients {
		f.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
		f.Expect(ec.ResourceVersion).To(gomega.Equal(versions["client "+ec.Name]))
		f.Expect(f.secret(ec.Name).ResourceVersion).To(gomega.Equal(versions["secret "+ec.Name]))
	}
	f.Expect(f.requests()).To(gomega.Equal(6))
}

func TestAStopFinishesTheRotationInFlight(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Delay: time.Second})
	_, stop := startManager(t, operatorConfig(t, f.namespace), 4, f.namespace)
	f.credentials()
	ec := f.client("sync")
	f.eventually(func(g gomega.Gomega) {
		g.Expect(f.sim.Stats().MaxConcurrent[egainsim.TokenEndpoint]).To(gomega.Equal(1))
	})

	stop()

	f.Expect(f.active("sync")).To(gomega.BeTrue(), "the token that was asked for is written")
	f.ready(ec, true)
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestTheSeriesOfAnObjectEndWithIt(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	r, _ := startManager(t, operatorConfig(t, f.namespace), 4, f.namespace)
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.New(registry).Objects(Observed(t.Context(), r.Cache, r.Providers.Gate), true))
	var names []string
	for _, d := range metrics.PerClient() {
		names = append(names, d.Name)
	}
	f.credentials()
	ec := f.client("sync")
	f.ready(ec, true)
	f.eventually(func(g gomega.Gomega) {
		count, err := testutil.GatherAndCount(registry, names...)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		g.Expect(count).To(gomega.Equal(4))
	})

	f.Expect(admin.Delete(t.Context(), ec)).To(gomega.Succeed())

	f.eventually(func(g gomega.Gomega) { g.Expect(testutil.GatherAndCount(registry, names...)).To(gomega.BeZero()) })
}

func TestTheCacheHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-the-client-secret"
	f := liveFixture(t)
	r, _ := startManager(t, operatorConfig(t, f.namespace), 4, f.namespace)
	// kubectl apply leaves the whole Secret in an annotation.
	f.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "applied", Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: canary,
		}},
		StringData: map[string]string{"client_secret": canary},
	})
	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	f.eventually(func(g gomega.Gomega) {
		g.Expect(r.Cache.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: "applied"}, cached)).To(gomega.Succeed())
	})

	encoded, err := json.Marshal(cached)

	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(string(encoded)).NotTo(gomega.ContainSubstring("canary"))
	f.Expect(cached.ManagedFields).To(gomega.BeEmpty())
}
