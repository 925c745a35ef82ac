package command

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/transport"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// simulated is the world of a test with an eGain, on the real clock, as certificates are.
type simulated struct {
	*fixture
	sim *egainsim.Simulator
	// kubeconfig is the user's.
	kubeconfig string
	// flags are those of the operator's pod, in addition to --allow-loopback.
	flags []string
	// atTerminal says that a person answers.
	atTerminal bool
	// browse is what the browser does with a URL.
	browse func(url string)
}

func newSimulated(t *testing.T) *simulated {
	t.Helper()
	return newSimulatedWith(t, egainsim.Config{})
}

// newDeployed is a world whose eGain has tenants with addresses of their own too.
func newDeployed(t *testing.T) *simulated {
	t.Helper()
	return newSimulatedWith(t, egainsim.Config{Tenants: append(egainsim.DefaultTenants(), egainsim.DeploymentTenants()...)})
}

func newSimulatedWith(t *testing.T, config egainsim.Config) *simulated {
	t.Helper()
	s := &simulated{
		fixture: newFixture(t), kubeconfig: kubeconfig, sim: testbed.StartSimulator(t, config),
		browse: func(string) { t.Error("the browser was opened") },
	}
	s.create(&corev1.ConfigMap{ObjectMeta: s.named("egain-ca"), Data: map[string]string{"ca.crt": string(s.sim.CABundle())}})
	return s
}

// result is what a run of the plugin left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command line in the namespace of the test.
func (s *simulated) run(args ...string) result { return s.runWith(s.t.Context(), args...) }

func (s *simulated) runWith(ctx context.Context, args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code := s.start(ctx, strings.NewReader(""), &stdout, &stderr, args...)
	return result{code, stdout.String(), stderr.String()}
}

func (s *simulated) start(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, args ...string) int {
	env := s.environment()
	env.In, env.Out, env.ErrOut, env.browse = stdin, stdout, stderr, s.browse
	env.answers = s.atTerminal
	if connect := env.cluster; s.flags != nil {
		env.cluster = func() (client.WithWatch, error) {
			c, err := connect()
			return interceptor.NewClient(c, interceptor.Funcs{Get: s.getWithFlags}), err
		}
	}
	return run(ctx, env, append(args, "--kubeconfig", s.kubeconfig, "--namespace", s.namespace))
}

func (s *simulated) getWithFlags(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	err := c.Get(ctx, key, o, opts...)
	if pod, is := o.(*corev1.Pod); is && err == nil {
		pod.Spec.Containers[0].Args = append([]string{"--allow-loopback"}, s.flags...)
	}
	return err
}

// environment is one on the real clock.
func (s *simulated) environment() *environment {
	return newEnvironment(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard})
}

// app creates the Secret of a client application; a public one has no secret.
func (s *simulated) app(id, secret string) {
	s.t.Helper()
	o := &corev1.Secret{ObjectMeta: s.named("egain-app"), StringData: map[string]string{"client_id": id}}
	if secret != "" {
		o.StringData["client_secret"] = secret
	}
	s.create(o)
}

// egainClient creates an EgainClient of the simulator's self-service tenant, changed as the test wants it.
func (s *simulated) egainClient(name string, change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
	s.t.Helper()
	simulate := func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant = egainv1alpha1.Tenant{CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"}}
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(s.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))
		ec.Spec.Target.SecretName = ""
	}
	return s.client(name, append([]func(*egainv1alpha1.EgainClient){simulate}, change...)...)
}

// deployed is a tenant of newDeployed.
func (s *simulated) deployed(id string) *egainsim.Tenant {
	s.t.Helper()
	return tenantByID(s.t, s.sim, id)
}

func tenantByID(t *testing.T, sim *egainsim.Simulator, id string) *egainsim.Tenant {
	t.Helper()
	for _, tenant := range sim.Tenants() {
		if tenant.ID() == id {
			return tenant
		}
	}
	t.Fatalf("there is no tenant %s", id)
	return nil
}

// tenantOf makes the tenant that of a default client application.
func (s *simulated) tenantOf(id string) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		if strings.HasPrefix(id, "commercial") {
			ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(s.sim.Commercial().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
		}
	}
}

// secret reads a Secret; nil if there is none.
func (s *simulated) secret(name string) *corev1.Secret {
	s.t.Helper()
	secret := &corev1.Secret{}
	err := admin.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, secret)
	s.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	if err != nil {
		return nil
	}
	return secret
}

// typing runs a command line at a terminal at which a person types; without anything to type, there is no terminal.
func (s *simulated) typing(typed string, args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	s.atTerminal = typed != ""
	code := s.start(s.t.Context(), strings.NewReader(typed), &stdout, &stderr, args...)
	s.atTerminal = false
	return result{code, stdout.String(), stderr.String()}
}

// recordingTransport answers 204 and keeps the hosts that were asked.
type recordingTransport struct{ hosts []string }

func (r *recordingTransport) client(transport.Options, string, []byte) (*http.Client, error) {
	return &http.Client{Transport: r}, nil
}

func (r *recordingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	r.hosts = append(r.hosts, req.URL.Host)
	return &http.Response{StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", Status: "204 No Content", Body: http.NoBody, Header: http.Header{}}, nil
}
