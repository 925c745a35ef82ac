package controllers

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// The control plane that all tests share, each in a namespace of its own, and an administrator's client for it.
var (
	plane  *controlplane.ControlPlane
	admin  client.WithWatch
	scheme = runtime.NewScheme()
)

// apiAudiences are the audiences of tokens that the API server accepts, which no flag of the operator tells.
var apiAudiences = []string{"https://kubernetes.default.svc", "internal-api", "legacy-api"}

// mintable are the audiences that the operator of the tests mints tokens for: those of the API server too, which it refuses by itself.
var mintable = append([]string{"egain", "internal", "internal-api ", "Internal-API", "https://kubernetes.default.svc/"}, apiAudiences...)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	gomega.SetDefaultEventuallyTimeout(time.Minute) // a second, the default, is too short on a machine that is busy
	var err error
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, egainv1alpha1.AddToScheme} {
		if err = add(scheme); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if os.Getenv(envKubeconfig) != "" {
		if err := runOperator(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if plane, err = controlplane.Start("../config/crd/bases", controlplane.Audiences(apiAudiences...)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer plane.Stop() //nolint:errcheck // the tests have their verdict
	if admin, err = client.NewWithWatch(plane.Config, client.Options{Scheme: scheme}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world of one test: a namespace, a simulator and a reconciler that share a clock that stands still.
type fixture struct {
	*gomega.WithT
	t         *testing.T
	namespace string
	clock     *clocktesting.FakePassiveClock
	sim       *egainsim.Simulator
	events    *events.FakeRecorder
	// intercept injects failures of the API server.
	intercept interceptor.Funcs
	parts     Parts
	settings  Settings
	r         *EgainClientReconciler
}

var namespaces atomic.Int64

// newFixture starts what a test needs. The clock begins a while from now, so that no one mistakes it for the real one.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureOf(t, nil)
}

// newFixtureOf starts a simulator of some tenants; of the default ones if there are none.
func newFixtureOf(t *testing.T, tenants []egainsim.TenantConfig) *fixture {
	t.Helper()
	f := &fixture{
		WithT:     gomega.NewWithT(t),
		t:         t,
		namespace: newNamespace(t),
		clock:     clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second).Add(1000 * time.Hour)),
		events:    events.NewFakeRecorder(100),
		settings:  Settings{AllowedAudiences: mintable},
	}
	f.sim = startSimulator(t, egainsim.Config{Clock: f.clock, Tenants: tenants})
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": string(f.sim.CABundle())}})
	f.restart()
	return f
}

func newNamespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		t.Fatal(err)
	}
	return name
}

func startSimulator(t *testing.T, config egainsim.Config) *egainsim.Simulator {
	t.Helper()
	sim, err := egainsim.New(config)
	if err == nil {
		err = sim.Start("127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	return sim
}

// restart replaces the reconciler by one that remembers nothing.
func (f *fixture) restart() {
	c := interceptor.NewClient(admin, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if f.intercept.Apply != nil {
				return f.intercept.Apply(ctx, c, obj, opts...)
			}
			return c.Apply(ctx, obj, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			if f.intercept.SubResourcePatch != nil {
				return f.intercept.SubResourcePatch(ctx, c, sub, obj, patch, opts...)
			}
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	f.parts = Parts{Client: c, Cache: indexed{admin}, Clock: f.clock, Recorder: f.events, Metrics: metrics.New(prometheus.NewRegistry())}
	f.build(4, transport.Options{Timeout: 5 * time.Second, AllowLoopback: true})
}

// build makes a reconciler that reaches providers in a way.
func (f *fixture) build(perHost int, o transport.Options) {
	f.settings.MetadataLifetime, f.settings.RequestsPerHost, f.settings.Transport = time.Hour, perHost, o
	f.r, _ = New(f.parts, f.settings, func() (oauth.Secret, error) { return mintOwnToken() })
}

// mintOwnToken mints the token that the operator would authenticate with: one for whatever the API server accepts.
var mintOwnToken = sync.OnceValues(func() (oauth.Secret, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "operator-itself"}}
	if err := admin.Create(context.Background(), account); err != nil {
		return "", err
	}
	config, err := plane.ServiceAccountConfig(context.Background(), account.Namespace, account.Name)
	if err != nil {
		return "", err
	}
	return oauth.Secret(config.BearerToken), nil
})

// indexed stands for the manager's cache: it reads live, so that a test need not wait for a watch, and looks things up by
// the controller's indexes.
type indexed struct{ client.Reader }

func (i indexed) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	fields := o.FieldSelector
	o.FieldSelector = nil
	if err := i.Reader.List(ctx, list, &client.ListOptions{Namespace: o.Namespace}); err != nil || fields == nil {
		return err
	}
	clients := list.(*egainv1alpha1.EgainClientList)
	clients.Items = slices.DeleteFunc(clients.Items, func(ec egainv1alpha1.EgainClient) bool {
		if slices.ContainsFunc(objectsOf(&ec), func(value string) bool { return fields.String() == indexObjects+"="+value }) {
			return false
		}
		for index, extract := range indexes {
			if slices.ContainsFunc(extract(&ec), func(value string) bool { return fields.String() == index+"="+value }) {
				return false
			}
		}
		return true
	})
	return nil
}

func (f *fixture) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: f.namespace, Name: name}
}

func (f *fixture) create(o client.Object) {
	f.t.Helper()
	f.Expect(admin.Create(f.t.Context(), o)).To(gomega.Succeed())
}

// credentials creates the Secret of the simulator's self-service client.
func (f *fixture) credentials() *corev1.Secret {
	f.t.Helper()
	secret := &corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{
		"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret,
	}}
	f.create(secret)
	return secret
}

// client creates an EgainClient of the simulator's self-service tenant, changed as the test wants it.
func (f *fixture) client(name string, change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
	f.t.Helper()
	tenant := f.sim.Tenant(egainsim.RigelTenantID)
	ec := &egainv1alpha1.EgainClient{ObjectMeta: f.named(name), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
				TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client)), APIURL: egainv1alpha1.HTTPSURL(f.sim.APIURL()),
			}},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
	}}
	for _, c := range change {
		c(ec)
	}
	f.create(ec)
	return ec
}

// reconcile reconciles an object once and reads it again.
func (f *fixture) reconcile(ec *egainv1alpha1.EgainClient) ctrl.Result {
	f.t.Helper()
	result, err := f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	return result
}

func (f *fixture) tryReconcile(ec *egainv1alpha1.EgainClient) (ctrl.Result, error) {
	f.t.Helper()
	result, err := f.r.Reconcile(f.t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
	f.Expect(client.IgnoreNotFound(admin.Get(f.t.Context(), client.ObjectKeyFromObject(ec), ec))).To(gomega.Succeed())
	return result, err
}

// update changes an object as a user would.
func (f *fixture) update(ec *egainv1alpha1.EgainClient, change func()) {
	f.t.Helper()
	before := ec.DeepCopy()
	change()
	f.Expect(admin.Patch(f.t.Context(), ec, client.MergeFrom(before))).To(gomega.Succeed())
}

// step lets time pass.
func (f *fixture) step(d time.Duration) {
	f.clock.SetTime(f.clock.Now().Add(d))
	f.r.Providers.Gate.Tick()
}

// secret reads a Secret; nil if there is none.
func (f *fixture) secret(name string) *corev1.Secret {
	f.t.Helper()
	secret := &corev1.Secret{}
	err := admin.Get(f.t.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, secret)
	f.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	if err != nil {
		return nil
	}
	return secret
}

// value is that of a key of a Secret.
func (f *fixture) value(secret, key string) string {
	f.t.Helper()
	s := f.secret(secret)
	f.Expect(s).NotTo(gomega.BeNil(), "Secret %q", secret)
	return string(s.Data[key])
}

// requests counts the token requests that the simulator got, whatever it answered.
func (f *fixture) requests() int {
	total := 0
	for _, c := range f.sim.Stats().Counts {
		if c.Endpoint == egainsim.TokenEndpoint {
			total += c.Count
		}
	}
	return total
}

// active reports whether the token in a Secret is one that the provider accepts now.
func (f *fixture) active(secret string) bool {
	f.t.Helper()
	return f.sim.Introspect(f.value(secret, target.KeyAccessToken)).Active
}
