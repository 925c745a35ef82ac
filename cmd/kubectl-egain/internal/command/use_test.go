package command

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/target"
)

func TestTokenPrintsTheToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.target(f.client("knowledge-sync"), time.Hour)
	tests := map[string]struct{ args, want string }{
		"the token and nothing else": {"token knowledge-sync", accessToken},
		"the header":                 {"token knowledge-sync --header", "Bearer " + accessToken},
		"the claims":                 {"token knowledge-sync --claims", "{\n  \"sub\": \"knowledge-sync\",\n  \"scope\": \"knowledge.portalmgr.manage\"\n}\n"},
	}
	for name, test := range tests {
		f.Expect(f.run(strings.Fields(test.args)...)).To(gomega.Equal(0), f.err.String())
		f.Expect(f.out.String()).To(gomega.Equal(test.want), name)
	}
	f.env.screen.terminal = os.Stdin // any file: a person looks at it
	f.Expect(f.run("token", "knowledge-sync")).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.Equal(accessToken + "\n"))
}

func TestTokenRefusesAnExpiredOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.target(f.client("knowledge-sync"), -3*time.Minute)
	f.Expect(f.run("token", "knowledge-sync")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.And(gomega.ContainSubstring("expired 3m"), gomega.ContainSubstring("kubectl egain renew knowledge-sync --wait")))
	f.Expect(f.out.String()).To(gomega.BeEmpty())
	f.Expect(f.run("token", "knowledge-sync", "--expired")).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.Equal(accessToken))
	f.Expect(f.run("token", "knowledge-sync", "--claims")).To(gomega.Equal(0))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("expired"))
}

func TestTokenSaysWhyThereIsNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("none")
	f.target(f.client("empty"), time.Hour, func(s *corev1.Secret) { delete(s.StringData, target.KeyAccessToken) })
	f.target(f.client("foreign"), time.Hour, func(s *corev1.Secret) { s.Annotations = nil })
	f.target(f.client("opaque"), time.Hour, func(s *corev1.Secret) { s.StringData[target.KeyAccessToken] = "opaque-value" })
	tests := map[string]struct {
		args string
		code int
		says string
	}{
		"no Secret":                 {"token none", 1, "there is no token yet: Secret \"none-token\" not found"},
		"no token in it":            {"token empty", 1, "contains no token"},
		"a Secret of another":       {"token foreign", 1, "does not belong to EgainClient \"foreign\""},
		"claims of an opaque one":   {"token opaque --claims", 1, "not a signed JWT"},
		"no name":                   {"token", 2, "accepts 1 arg"},
		"two things at once":        {"token none --claims --header", 2, "claims header"},
		"no permission for Secrets": {"token none --as guest", 1, "ask an administrator"},
	}
	for name, test := range tests {
		f.Expect(f.run(strings.Fields(test.args)...)).To(gomega.Equal(test.code), name)
		f.Expect(f.err.String()).To(gomega.ContainSubstring(test.says), name)
		f.Expect(f.err.String()).NotTo(gomega.ContainSubstring("opaque-value"))
		f.Expect(f.out.String()).To(gomega.BeEmpty())
	}
}

// issuing makes a server the issuer of a client's tokens too.
func (f *fixture) issuing(srv *httptest.Server) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints.TokenURL, ec.Spec.Tenant.Endpoints.APIURL = egainv1alpha1.HTTPSURL(srv.URL+"/token"), egainv1alpha1.HTTPSURL(srv.URL+"/base")
	}
}

// api is an eGain API that the test scripts. It wants the token.
func (f *fixture) api(handler http.HandlerFunc) *httptest.Server {
	f.t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+accessToken {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		handler(w, r)
	}))
	f.t.Cleanup(srv.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": string(ca)}})
	ec := f.client("knowledge-sync", f.issuing(srv), func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Name: "egain-ca"}
	})
	f.ready(ec)
	f.target(ec, time.Hour, func(s *corev1.Secret) { s.StringData[target.KeyAPIURL] = srv.URL + "/base" })
	return srv
}

func TestCallPrintsTheAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var agent atomic.Value
	f.api(func(w http.ResponseWriter, r *http.Request) {
		agent.Store(r.UserAgent())
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Kind", "answer")
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Content-Type")+r.Header.Get("X-Mine")+" "+string(body))
	})
	file := filepath.Join(t.TempDir(), "body")
	f.Expect(os.WriteFile(file, []byte("from a file"), 0o600)).To(gomega.Succeed())
	f.in.WriteString("from standard input")
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"/portals?$lang=en-US"}, "GET /base/portals?$lang=en-US  "},
		{[]string{"portals", "-X", "DELETE"}, "DELETE /base/portals  "},
		{[]string{"portals", "-d", "{}"}, "POST /base/portals application/json {}"},
		{[]string{"portals", "-d", "@" + file, "-X", "PUT", "-H", "Content-Type: text/plain"}, "PUT /base/portals text/plain from a file"},
		{[]string{"portals", "-d", "-", "-H", "X-Mine: 1"}, "POST /base/portals application/json1 from standard input"},
	}
	for _, test := range tests {
		f.Expect(f.run(append([]string{"call", "knowledge-sync"}, test.args...)...)).To(gomega.Equal(0), f.err.String())
		f.Expect(f.out.String()).To(gomega.Equal(test.want))
		f.Expect(f.err.String()).To(gomega.HaveSuffix(" 200 OK\n"))
	}
	f.Expect(agent.Load()).To(gomega.HavePrefix("kubectl-egain/"))
	f.Expect(f.run("call", "knowledge-sync", "/portals", "-i")).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.ContainSubstring("X-Kind: answer\n"))
}

func TestCallTrustsTheBundleOfASharedTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	srv := f.api(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	tenant := &egainv1alpha1.EgainTenant{ObjectMeta: f.named("shared-" + f.namespace), Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{TokenURL: "https://login.egain.test/token", APIURL: egainv1alpha1.HTTPSURL(srv.URL)}},
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: egainv1alpha1.NamespaceName(f.namespace),
		},
	}}
	tenant.Namespace = ""
	f.create(tenant)
	ec := f.client("shared", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(tenant.Name)}
	})
	f.target(ec, time.Hour, func(s *corev1.Secret) { s.StringData[target.KeyAPIURL] = srv.URL })
	f.Expect(f.run("call", "shared", "/")).To(gomega.Equal(0), f.err.String())
	f.Expect(admin.Delete(t.Context(), tenant)).To(gomega.Succeed())
	f.Expect(f.run("call", "shared", "/")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("does not exist"))
}

func TestCallExplainsFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/base/401":
			w.WriteHeader(http.StatusUnauthorized)
		case "/base/403":
			w.WriteHeader(http.StatusForbidden)
		case "/base/302":
			http.Redirect(w, r, "https://elsewhere.test/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	tests := map[string]struct {
		args string
		code int
		says string
	}{
		"the token is not accepted":   {"/401", 1, "kubectl egain renew knowledge-sync --wait"},
		"a scope is missing":          {"/403", 1, "the token has the scopes knowledge.portalmgr.manage"},
		"a redirect":                  {"/302", 1, "which is not followed"},
		"another failure":             {"/502", 1, "HTTP 502"},
		"a URL of another host":       {"https://evil.test/x", 2, "the token is only sent there"},
		"a host without a scheme":     {"//evil.test/x", 2, "the token is only sent there"},
		"plain http":                  {"http://127.0.0.1/x", 2, "the token is only sent there"},
		"a header that is the call's": {"/x -H Authorization:x", 2, "is set by this command"},
		"a header that is none":       {"/x -H nonsense", 2, "Name: value"},
		"a file that is not there":    {"/x -d @/nowhere", 1, "pass another file to -d"},
		"no time":                     {"/x --timeout 0s", 2, "positive"},
		"a method that is none":       {"/x -X G/T", 2, "creating the request"},
	}
	for name, test := range tests {
		f.Expect(f.run(append([]string{"call", "knowledge-sync"}, strings.Fields(test.args)...)...)).To(gomega.Equal(test.code), "%s: %s", name, f.err.String())
		f.Expect(f.err.String()).To(gomega.And(gomega.ContainSubstring(test.says), gomega.ContainSubstring("\nnext:  ")), name)
	}
}

func TestCallSendsNoExpiredToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.target(f.client("knowledge-sync"), -time.Minute)
	f.Expect(f.run("call", "knowledge-sync", "/x")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("expired"))
}

func TestCallDoesNotTrustAnybody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	srv := f.api(func(http.ResponseWriter, *http.Request) { t.Error("the token was sent") })
	ec := f.client("distrustful", f.issuing(srv))
	f.target(ec, time.Hour, func(s *corev1.Secret) { s.StringData[target.KeyAPIURL] = srv.URL })
	f.Expect(f.run("call", "distrustful", "/x")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("caBundleRef"))
}
