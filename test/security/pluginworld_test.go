package security_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// hostileHost is a host of another site than the simulator's.
const hostileHost = "127.0.0.2"

// hostile is the server of an author of EgainClients, which keeps all that it hears. It answers as an authorization server does.
type hostile struct {
	*httptest.Server
	// forward is where its login page sends people: to that of another server.
	forward string
	// metadata is its document.
	metadata string

	mu    sync.Mutex
	heard []string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", hostileHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	h.Server = httptest.NewUnstartedServer(h)
	_ = h.Listener.Close()
	h.Listener, h.Config.ErrorLog = l, log.New(io.Discard, "", 0)
	h.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// certificate is one for hostileHost, signed by itself.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(hostileHost)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (h *hostile) bundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
}

// ServeHTTP keeps a request, and answers so that the next one comes.
func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dump, _ := httputil.DumpRequest(r, true)
	h.mu.Lock()
	h.heard = append(h.heard, string(dump))
	h.mu.Unlock()
	switch r.URL.Path {
	case "/authorize":
		http.Redirect(w, r, h.forward+"?"+r.URL.RawQuery, http.StatusFound)
	case "/metadata":
		answer(w, http.StatusOK, "%s", h.metadata)
	default:
		answer(w, http.StatusOK, `{"access_token":"theirs","refresh_token":"theirs","token_type":"Bearer","expires_in":3600}`)
	}
}

// hears returns what was heard since the last call.
func (h *hostile) hears() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := strings.Join(h.heard, "\n")
	h.heard = nil
	return all
}

// pluginWorld is a world in which an administrator runs the plugin on EgainClients of another user.
type pluginWorld struct {
	*gomega.WithT
	t                *testing.T
	plane            *controlplane.ControlPlane
	admin            client.Client
	honest           *egainsim.Simulator
	hostile          *hostile
	program, kubecfg string
	n                int
}

func newPluginWorld(t *testing.T) *pluginWorld {
	t.Helper()
	a := &pluginWorld{
		WithT: gomega.NewWithT(t), t: t, honest: testbed.StartSimulator(t, egainsim.Config{}), hostile: newHostile(t),
		program: filepath.Join(testbed.Build(t, "../..", "./cmd/kubectl-egain"), "kubectl-egain"),
	}
	a.plane, a.admin = testbed.StartCluster(t)
	_, err := a.plane.Install(t.Context(), a.admin, "../..", "--allow-loopback")
	a.Expect(err).NotTo(gomega.HaveOccurred())
	a.kubecfg = filepath.Join(a.plane.Dir, "admin.kubeconfig")
	a.Expect(controlplane.WriteKubeconfig(a.kubecfg, a.plane.Config)).To(gomega.Succeed())
	a.create(&corev1.ConfigMap{ObjectMeta: testbed.Named("ca"), Data: map[string]string{"ca.crt": string(a.honest.CABundle()) + string(a.hostile.bundle())}})
	a.create(&corev1.Secret{ObjectMeta: testbed.Named("egain-app"), StringData: map[string]string{
		"client_id": egainsim.RigelWebClientID, "client_secret": egainsim.RigelWebClientSecret,
	}})
	return a
}

func (a *pluginWorld) create(o client.Object) {
	a.t.Helper()
	a.Expect(a.admin.Create(a.t.Context(), o)).To(gomega.Succeed())
}

// flags gives the operator's Deployment flags.
func (a *pluginWorld) flags(flags ...string) {
	a.t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: controlplane.OperatorNamespace, Name: "egain-operator-controller-manager"}}
	a.Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := a.admin.Get(a.t.Context(), client.ObjectKeyFromObject(d), d); err != nil {
			return err
		}
		d.Spec.Template.Spec.Containers[0].Args = flags
		return a.admin.Update(a.t.Context(), d)
	})).To(gomega.Succeed())
}

// edit changes an EgainClient before it is created.
type edit func(*egainv1alpha1.EgainClient)

// client creates an EgainClient with credentials, whose tenant is the author's, unless a change says otherwise.
func (a *pluginWorld) client(changes ...edit) *egainv1alpha1.EgainClient {
	a.t.Helper()
	a.n++
	ec := &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(fmt.Sprintf("client-%d", a.n)), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: a.endpoints()},
			CABundleRef:    &egainv1alpha1.CABundleReference{Name: "ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"core.aiservices.use"},
	}}
	for _, c := range changes {
		c(ec)
	}
	a.create(ec)
	return ec
}

func (a *pluginWorld) endpoints() *egainv1alpha1.Endpoints {
	at := func(path string) egainv1alpha1.HTTPSURL { return egainv1alpha1.HTTPSURL(a.hostile.URL + path) }
	return &egainv1alpha1.Endpoints{TokenURL: at("/token"), AuthorizationURL: at("/authorize"), RevocationURL: at("/revoke"), APIURL: at("/api")}
}

// byLogin makes a client one of flow AuthorizationCode.
func (a *pluginWorld) byLogin(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Flow = egainv1alpha1.FlowAuthorizationCode
	ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{
		SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: egainv1alpha1.SecretName(ec.Name + "-session")},
		RedirectURL:      egainv1alpha1.RedirectURL(egainsim.DefaultRedirectURIs()[0]),
	}
}

// of makes a client one of an EgainTenant with the author's endpoints.
func (a *pluginWorld) of(ec *egainv1alpha1.EgainClient) {
	et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: ec.Name}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: ec.Spec.Tenant.TenantLocation, CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: *ec.Spec.Tenant.CABundleRef, Namespace: egainv1alpha1.NamespaceName(ec.Namespace),
		},
	}}
	a.create(et)
	ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(et.Name)}
}

const (
	ownToken   = "access-token-of-the-victim"
	ownSession = "refresh-token-of-the-victim"
)

// issue puts a token into the target of a client, as the operator does, and a session into its session Secret.
func (a *pluginWorld) issue(ec *egainv1alpha1.EgainClient, api string) {
	a.t.Helper()
	tok := &target.Token{AccessToken: oauth.Secret(ownToken), TokenType: "Bearer", Scopes: []string{"core.aiservices.use"}, APIURL: api}
	tok.IssueTime, tok.ExpirationTime, tok.Sources, tok.Spec = time.Now(), time.Now().Add(time.Hour), "sources", request.SpecID(ec, request.Inline(ec))
	rendered, err := target.Render(ec, tok)
	a.Expect(err).NotTo(gomega.HaveOccurred())
	a.Expect(a.admin.Apply(a.t.Context(), rendered, client.FieldOwner(target.Manager), client.ForceOwnership)).To(gomega.Succeed())
	if code := ec.Spec.AuthorizationCode; code != nil {
		a.create(&corev1.Secret{ObjectMeta: testbed.Named(string(code.SessionSecretRef.Name)), StringData: map[string]string{"refresh_token": ownSession}})
	}
}

// run runs the plugin as an administrator, without a terminal.
func (a *pluginWorld) run(environment []string, args ...string) (int, string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.program, append(args, "--kubeconfig="+a.kubecfg)...)
	cmd.Env = append(os.Environ(), environment...)
	output, _ := cmd.CombinedOutput() // the exit code says how it ended
	return cmd.ProcessState.ExitCode(), string(output)
}

// logIn runs the plugin's login, and pastes what a person's browser arrives at, given the address that is shown.
func (a *pluginWorld) logIn(name string, arrives func(address string) string, args ...string) (int, string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.program, append([]string{"login", name, "--no-browser", "--wait=false", "--kubeconfig=" + a.kubecfg}, args...)...)
	paste, err := cmd.StdinPipe()
	a.Expect(err).NotTo(gomega.HaveOccurred())
	says, err := cmd.StderrPipe()
	a.Expect(err).NotTo(gomega.HaveOccurred())
	a.Expect(cmd.Start()).To(gomega.Succeed())
	var said bytes.Buffer
	for lines := bufio.NewScanner(says); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "https://") {
			_, _ = io.WriteString(paste, arrives(lines.Text())+"\n")
			_ = paste.Close()
		}
	}
	_ = cmd.Wait() // the exit code says how it ended
	return cmd.ProcessState.ExitCode(), said.String()
}
