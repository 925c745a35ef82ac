package security_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// arrives is where a person's browser ends that opens an address and logs in, whatever the pages there forward to.
func (a *pluginWorld) arrives(address string) *url.URL {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(append(a.honest.CABundle(), a.hostile.bundle()...))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, address, nil)
	a.Expect(err).NotTo(gomega.HaveOccurred())
	if req.URL.Hostname() == hostileHost {
		resp, err := transport.RoundTrip(req)
		a.Expect(err).NotTo(gomega.HaveOccurred())
		_ = resp.Body.Close()
		address = resp.Header.Get("Location")
	}
	back, err := egainsim.LogIn(a.t.Context(), transport, address, egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true})
	a.Expect(err).NotTo(gomega.HaveOccurred())
	return back
}

// TestALoginTakesNoCodeToAnotherServer is the mix-up attack: the login page of a tenant forwards to that of an honest server,
// whose code would go to the tenant's token URL (RFC 9700 section 4.4).
func TestALoginTakesNoCodeToAnotherServer(t *testing.T) {
	a := newPluginWorld(t)
	a.flags("--allow-loopback")
	a.hostile.forward = a.honest.Rigel().AuthorizationURL(egainsim.User)
	honest := a.honest.Rigel().Issuer(egainsim.User)
	document := func(more string) string {
		return fmt.Sprintf(`{"issuer":"%[1]s","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token","api_domain":"%[1]s"%[2]s}`, a.hostile.URL, more)
	}
	byDocument := func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.TenantLocation = egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(a.hostile.URL + "/metadata")}
	}
	honestly := func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.TenantLocation = egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(a.honest.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))}
	}
	for name, tc := range map[string]struct {
		tenant   edit
		document string
		iss      []string
		args     []string
		code     int
		said     string
		// lost says that the code arrives: what --yes takes upon itself.
		lost bool
	}{
		"without iss, no metadata":              {tenant: a.inline, code: 1, said: "the code was not sent"},
		"without iss, an EgainTenant":           {tenant: a.of, code: 1, said: "the code was not sent"},
		"without iss, and --yes":                {tenant: a.inline, args: []string{"--yes"}, lost: true},
		"with iss, no metadata":                 {tenant: a.inline, iss: []string{honest}, args: []string{"--yes"}, code: 1, said: "is of server " + honest},
		"with iss, metadata of the author's":    {tenant: byDocument, document: document(""), iss: []string{honest}, args: []string{"--yes"}, code: 1, said: "and the tenant's is " + a.hostile.URL},
		"with iss twice":                        {tenant: byDocument, document: document(""), iss: []string{a.hostile.URL, honest}, args: []string{"--yes"}, code: 1, said: "more than once"},
		"metadata that promise iss, without it": {tenant: byDocument, document: document(`,"authorization_response_iss_parameter_supported":true`), args: []string{"--yes"}, code: 1, said: "does not name its server"},
		"a token URL beside honest metadata": {tenant: func(ec *egainv1alpha1.EgainClient) {
			honestly(ec)
			ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(a.hostile.URL + "/token")}
		}, iss: []string{honest}, code: 1, said: hostileHost},
		"an honest tenant, with iss":               {tenant: honestly, iss: []string{honest}, said: "Logged in"},
		"an honest tenant, without iss, and --yes": {tenant: honestly, args: []string{"--yes"}, said: "Logged in"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			a.hostile.metadata = tc.document
			ec := a.client(a.byLogin, tc.tenant)
			var got string
			code, said := a.logIn(ec.Name, func(address string) string {
				back := a.arrives(address)
				got = back.Query().Get("code")
				if tc.iss != nil {
					query := back.Query()
					query["iss"] = tc.iss
					back.RawQuery = query.Encode()
				}
				return back.String()
			}, tc.args...)
			heard := a.hostile.hears()
			g.Expect(code).To(gomega.Equal(tc.code), said)
			g.Expect(said).To(gomega.ContainSubstring(tc.said))
			if tc.lost {
				g.Expect(heard).To(gomega.ContainSubstring("code="+got), "the attack does not work, so that this test shows nothing")
				return
			}
			for what, secret := range map[string]string{"the code": "code=", "the verifier": "code_verifier", "the client secret": egainsim.RigelWebClientSecret} {
				if what != "the code" || got != "" {
					g.Expect(afterLogin(heard)).NotTo(gomega.ContainSubstring(secret), what)
				}
			}
			kept := &corev1.Secret{ObjectMeta: testbed.Named(ec.Name + "-session")}
			err := a.admin.Get(t.Context(), client.ObjectKeyFromObject(kept), kept)
			g.Expect(err == nil).To(gomega.Equal(tc.code == 0), "whether a session was stored")
		})
	}
}

// afterLogin is what was heard, except the requests for the login page and the document, which hold no secret.
func afterLogin(heard string) string {
	for _, harmless := range []string{"GET /authorize?", "GET /metadata "} {
		for {
			i := strings.Index(heard, harmless)
			if i < 0 {
				break
			}
			end := strings.Index(heard[i:], "\r\n\r\n")
			heard = heard[:i] + heard[i+end+4:]
		}
	}
	return heard
}

// inline leaves the tenant in the spec as it is: the author's.
func (*pluginWorld) inline(*egainv1alpha1.EgainClient) {}
