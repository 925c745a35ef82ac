package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// Values that no output may show, except for the command whose job it is.
const (
	clientSecret = "client-secret-5d2f"
	// accessToken says {"sub":"knowledge-sync","scope":"knowledge.portalmgr.manage"}.
	accessToken = "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiJrbm93bGVkZ2Utc3luYyIsInNjb3BlIjoia25vd2xlZGdlLnBvcnRhbG1nci5tYW5hZ2UifQ." + "c2lnbmF0dXJl"
)

// The control plane that all tests share, each in a namespace of its own, an administrator's client for it, and their
// kubeconfig.
var (
	admin      client.WithWatch
	kubeconfig string
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	plane, err := controlplane.Start("../../../../config/crd/bases")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer plane.Stop() //nolint:errcheck // the tests have their verdict
	kubeconfig = filepath.Join(plane.Dir, "admin.kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, plane.Config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if admin, err = client.NewWithWatch(plane.Config, client.Options{Scheme: newScheme()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world of one test: a namespace, a clock that stands still, and the buffers that a command writes to.
type fixture struct {
	*gomega.WithT
	t         *testing.T
	namespace string
	clock     *clocktesting.FakeClock
	in        *bytes.Buffer
	out, err  *output
	env       *environment
}

// output is a buffer that can be read while a command writes to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Reset()
}

var namespaces atomic.Int64

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		WithT: gomega.NewWithT(t), t: t,
		namespace: fmt.Sprintf("test-%d", namespaces.Add(1)),
		clock:     clocktesting.NewFakeClock(time.Now().Truncate(time.Second)),
		in:        &bytes.Buffer{}, out: &output{}, err: &output{},
	}
	f.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}})
	f.operatorRuns()
	f.fresh()
	return f
}

// fresh makes the environment of another run.
func (f *fixture) fresh() {
	f.env = newEnvironment(genericiooptions.IOStreams{In: f.in, Out: f.out, ErrOut: f.err})
	f.env.clock = f.clock
}

// run runs a command line in the test's namespace and returns its exit code; what it printed is in out and err.
func (f *fixture) run(args ...string) int {
	f.t.Helper()
	return f.runUntil(f.t.Context(), args...)
}

func (f *fixture) runUntil(ctx context.Context, args ...string) int {
	f.t.Helper()
	screen, maker, answers := f.env.screen, f.env.newClient, f.env.answers
	f.fresh()
	f.env.screen, f.env.newClient, f.env.answers = screen, maker, answers
	f.out.reset()
	f.err.reset()
	code := run(ctx, f.env, append([]string{"--kubeconfig=" + kubeconfig, "--namespace=" + f.namespace}, args...))
	for _, secret := range []string{clientSecret, accessToken[strings.LastIndex(accessToken, "."):]} {
		if !slices.Contains(args, "token") && (strings.Contains(f.out.String(), secret) || strings.Contains(f.err.String(), secret)) {
			f.t.Errorf("%v printed a secret", args)
		}
	}
	return code
}

func (f *fixture) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: f.namespace, Name: name}
}

func (f *fixture) create(objects ...client.Object) {
	f.t.Helper()
	for _, object := range objects {
		f.Expect(admin.Create(f.t.Context(), object)).To(gomega.Succeed())
	}
}

// client creates an EgainClient, changed as the test wants it.
func (f *fixture) client(name string, change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
	f.t.Helper()
	ec := &egainv1alpha1.EgainClient{ObjectMeta: f.named(name), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
			TokenURL: "https://login.egain.test/token", APIURL: "https://api.egain.test",
		}}},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
		Target:               egainv1alpha1.Target{SecretName: egainv1alpha1.SecretName(name + "-token")},
	}}
	for _, c := range change {
		c(ec)
	}
	f.create(ec)
	return ec
}

func (f *fixture) credentials() {
	f.t.Helper()
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": "id", "client_secret": clientSecret}})
}

// at is a time of the status.
func (f *fixture) at(fromNow time.Duration) *metav1.Time {
	t := metav1.NewTime(f.clock.Now().Add(fromNow))
	return &t
}

// status writes the status of an EgainClient as the operator would.
func (f *fixture) status(ec *egainv1alpha1.EgainClient, change func(*egainv1alpha1.EgainClientStatus)) {
	f.t.Helper()
	f.Expect(f.tryStatus(ec, change)).To(gomega.Succeed())
}

func (f *fixture) tryStatus(ec *egainv1alpha1.EgainClient, change func(*egainv1alpha1.EgainClientStatus)) error {
	if err := admin.Get(f.t.Context(), client.ObjectKeyFromObject(ec), ec); err != nil {
		return err
	}
	before := ec.DeepCopy()
	change(&ec.Status)
	ec.Status.ObservedGeneration = ec.Generation
	return admin.Status().Patch(f.t.Context(), ec, client.MergeFrom(before))
}

// ready gives an EgainClient a token that was issued 20 minutes ago, lives an hour and renews in 20.
func (f *fixture) ready(ec *egainv1alpha1.EgainClient) {
	f.t.Helper()
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) {
		st.Token = &egainv1alpha1.TokenStatus{
			IssueTime: f.at(-20 * time.Minute), ExpirationTime: f.at(40 * time.Minute), RenewalTime: f.at(20 * time.Minute),
			Scopes: []string{"knowledge.portalmgr.manage"},
		}
		st.Endpoints = &egainv1alpha1.EndpointsStatus{TokenURL: "https://login.egain.test/token", APIURL: "https://api.egain.test", Source: egainv1alpha1.EndpointSourceSpec}
		st.Conditions = []metav1.Condition{
			f.condition(egainv1alpha1.ConditionReady, metav1.ConditionTrue, egainv1alpha1.ReasonTokenValid, "the Secret holds an unexpired token"),
			f.condition(egainv1alpha1.ConditionTokenIssued, metav1.ConditionTrue, egainv1alpha1.ReasonIssued, "the token is in the Secret"),
		}
	})
}

func (f *fixture) condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: *f.at(-20 * time.Minute)}
}

// target creates the Secret of an EgainClient as the operator would, with a token that lives for a time from now.
func (f *fixture) target(ec *egainv1alpha1.EgainClient, left time.Duration, change ...func(*corev1.Secret)) {
	f.t.Helper()
	meta := f.named(ec.TargetName())
	meta.Annotations = map[string]string{target.AnnotationOwnedBy: ec.Name, target.AnnotationIssuedForSpec: request.SpecID(ec, request.Inline(ec))}
	secret := &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{
		target.KeyAccessToken: accessToken, target.KeyAuthorization: "Bearer " + accessToken, target.KeyAPIURL: "https://api.egain.test",
		target.KeyExpiresAt: f.clock.Now().Add(left).UTC().Format(time.RFC3339),
	}}
	for _, c := range change {
		c(secret)
	}
	f.create(secret)
}

// read reads an EgainClient again.
func (f *fixture) read(ec *egainv1alpha1.EgainClient) *egainv1alpha1.EgainClient {
	f.t.Helper()
	f.Expect(admin.Get(f.t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
	return ec
}
