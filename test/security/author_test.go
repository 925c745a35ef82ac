package security_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// TestAnAuthorWritesFields has a person who may edit EgainClients, and nothing else, write what they like into fields: first under
// the rules of the API server, then without those, as an object that is older than a rule, or was written past it.
func TestAnAuthorWritesFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "default", "")
	w.create(&corev1.Secret{ObjectMeta: named("egain-app"), StringData: map[string]string{"client_id": "id", "client_secret": w.secret("the client secret")}})
	a := &writer{world: w, server: listenForms(w), proxy: listenProxy(t), client: w.author()}
	w.start("HTTPS_PROXY="+a.proxy.URL, "https_proxy="+a.proxy.URL, "NO_PROXY=", "no_proxy=")
	a.refusedByTheAPIServer()
	w.dropRules("egainclients.auth.egain.com")
	a.hosts()
	a.parameters()
	a.scopes()
	a.templates()
	a.text()
}

// writer is a person with the role egainclient-editor in one namespace.
type writer struct {
	*world
	server *formServer
	proxy  *proxy
	client client.Client
}

// object is an EgainClient of the author's, which asks the author's server, changed as wanted.
func (a *writer) object(name string, changes ...change) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{ObjectMeta: named(name), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(a.server.URL + "/" + name)}},
			CABundleRef:    &egainv1alpha1.CABundleReference{Name: "author-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
	}}
	for _, c := range changes {
		c(ec)
	}
	return ec
}

// writes has the author create an EgainClient.
func (a *writer) writes(name string, changes ...change) *egainv1alpha1.EgainClient {
	a.t.Helper()
	ec := a.object(name, changes...)
	a.Expect(a.client.Create(a.t.Context(), ec)).To(gomega.Succeed(), name)
	return ec
}

// dropRules removes all rules in CEL from a CustomResourceDefinition.
func (w *world) dropRules(name string) {
	w.t.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	crd.SetName(name)
	w.fetch(w.WithT, crd)
	dropKey(crd.Object, "x-kubernetes-validations")
	w.Expect(w.admin.Update(w.t.Context(), crd)).To(gomega.Succeed())
	w.eventually("rules that are gone", func(g gomega.Gomega) {
		ec := &egainv1alpha1.EgainClient{ObjectMeta: named("probe"), Spec: egainv1alpha1.EgainClientSpec{
			Flow:   egainv1alpha1.FlowClientCredentials,
			Tenant: egainv1alpha1.Tenant{TenantLocation: egainv1alpha1.TenantLocation{MetadataURL: "https://\u2460/"}},
		}}
		g.Expect(w.admin.Create(w.t.Context(), ec, client.DryRunAll)).To(gomega.Succeed())
	})
}

func dropKey(value any, key string) {
	switch v := value.(type) {
	case map[string]any:
		delete(v, key)
		for _, inner := range v {
			dropKey(inner, key)
		}
	case []any:
		for _, inner := range v {
			dropKey(inner, key)
		}
	}
}

// formServer is a server of the author's that issues tokens and remembers the form of each request by its path.
type formServer struct {
	*httptest.Server
	mu    sync.Mutex
	forms map[string][]url.Values
}

// metadataPath is where the server has a document that names a token URL at a host in Unicode.
const metadataPath = "/metadata"

func listenForms(w *world) *formServer {
	l := &formServer{forms: map[string][]url.Values{}}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == metadataPath {
			answer(rw, http.StatusOK, `{"token_endpoint":%q}`, "https://%EF%BC%91%EF%BC%90.\uff19\uff16.0.1/token")
			return
		}
		_ = r.ParseForm()
		w.keep("a client secret", r.PostForm.Get("client_secret"))
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forms[r.URL.Path] = append(l.forms[r.URL.Path], r.PostForm)
		answer(rw, http.StatusOK, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, "token-of"+r.URL.Path)
	}))
	w.t.Cleanup(l.Close)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw})
	w.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "author-ca"}, Data: map[string]string{"ca.crt": string(bundle)}})
	return l
}

// got are the forms that came for an EgainClient.
func (l *formServer) got(name string) []url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forms["/"+name]
}

// proxy refuses every tunnel, and remembers where it was to lead.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func listenProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = append(p.asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "no")
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) tunnels() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}
