package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// vendors are the documents of testdata/providers by the URL that each is served at.
var vendors = map[string]struct {
	at string
	// want is what a login gets; nothing if the document is refused.
	want Endpoints
	// refused is how the refusal of the document begins.
	refused string
}{
	"entra-common": {
		// {tenantid} names no issuer.
		at: "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://login.microsoftonline.com/common/oauth2/v2.0/token",
			AuthorizationURL: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
		},
	},
	"entra-tenant": {
		at: "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/oauth2/v2.0/token",
			AuthorizationURL: "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/oauth2/v2.0/authorize",
			Issuer:           "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0",
		},
	},
	"entra-v1-common": {
		at: "https://login.microsoftonline.com/common/.well-known/openid-configuration",
		refused: "the issuer in the metadata document is not on login.microsoftonline.com, where the document is from: " +
			"check spec.tenant.metadataURL, or set spec.tenant.endpoints.tokenURL",
	},
	"b2c-path": {
		at: "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/b2c_1_sign_in/v2.0/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/b2c_1_sign_in/oauth2/v2.0/token",
			AuthorizationURL: "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/b2c_1_sign_in/oauth2/v2.0/authorize",
			Issuer:           "https://fabrikamb2c.b2clogin.com/775527ff-9a37-4307-8b3d-cc311f58d925/v2.0/",
		},
	},
	"b2c-query": {
		at: "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/v2.0/.well-known/openid-configuration?p=b2c_1_sign_in",
		want: Endpoints{
			TokenURL:         "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/oauth2/v2.0/token?p=b2c_1_sign_in",
			AuthorizationURL: "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/oauth2/v2.0/authorize?p=b2c_1_sign_in",
			Issuer:           "https://fabrikamb2c.b2clogin.com/775527ff-9a37-4307-8b3d-cc311f58d925/v2.0/",
		},
	},
	"b2c-tfp": {
		at: "https://fabrikamb2c.b2clogin.com/tfp/fabrikamb2c.onmicrosoft.com/b2c_1_sign_in/v2.0/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://fabrikamb2c.b2clogin.com/tfp/fabrikamb2c.onmicrosoft.com/b2c_1_sign_in/oauth2/v2.0/token",
			AuthorizationURL: "https://fabrikamb2c.b2clogin.com/tfp/fabrikamb2c.onmicrosoft.com/b2c_1_sign_in/oauth2/v2.0/authorize",
			Issuer:           "https://fabrikamb2c.b2clogin.com/tfp/775527ff-9a37-4307-8b3d-cc311f58d925/b2c_1_sign_in/v2.0/",
		},
	},
	"okta-org": {
		at: "https://example.okta.com/.well-known/oauth-authorization-server",
		want: Endpoints{
			TokenURL:         "https://example.okta.com/oauth2/v1/token",
			AuthorizationURL: "https://example.okta.com/oauth2/v1/authorize",
			RevocationURL:    "https://example.okta.com/oauth2/v1/revoke",
			Issuer:           "https://example.okta.com",
		},
	},
	"okta-custom": {
		// The well-known path follows the issuer's, unlike in RFC 8414 section 3.
		at: "https://example.okta.com/oauth2/default/.well-known/oauth-authorization-server",
		want: Endpoints{
			TokenURL:         "https://example.okta.com/oauth2/default/v1/token",
			AuthorizationURL: "https://example.okta.com/oauth2/default/v1/authorize",
			RevocationURL:    "https://example.okta.com/oauth2/default/v1/revoke",
			Issuer:           "https://example.okta.com/oauth2/default",
		},
	},
	"auth0": {
		at: "https://example.us.auth0.com/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://example.us.auth0.com/oauth/token",
			AuthorizationURL: "https://example.us.auth0.com/authorize",
			RevocationURL:    "https://example.us.auth0.com/oauth/revoke",
			Issuer:           "https://example.us.auth0.com/",
		},
	},
	"keycloak": {
		at: "https://sso.example.com/realms/Customer%20Care/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:          "https://sso.example.com/realms/Customer%20Care/protocol/openid-connect/token",
			AuthorizationURL:  "https://sso.example.com/realms/Customer%20Care/protocol/openid-connect/auth",
			RevocationURL:     "https://sso.example.com/realms/Customer%20Care/protocol/openid-connect/revoke",
			Issuer:            "https://sso.example.com/realms/Customer%20Care",
			AnswersNameIssuer: true,
		},
	},
	"keycloak-http": {
		at: "https://sso.example.com/auth/realms/master/.well-known/openid-configuration",
		refused: "the issuer in the metadata document of sso.example.com is an http URL, as of a server that does not know its own https address: " +
			"set that address at the server, or set spec.tenant.endpoints.tokenURL",
	},
	"pingone": {
		at: "https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as/token",
			AuthorizationURL: "https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as/authorize",
			RevocationURL:    "https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as/revoke",
			Issuer:           "https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as",
		},
	},
	"pingone-aic": {
		at: "https://openam-example.forgeblocks.com/am/oauth2/realms/root/realms/alpha/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://openam-example.forgeblocks.com/am/oauth2/realms/root/realms/alpha/access_token",
			AuthorizationURL: "https://openam-example.forgeblocks.com/am/oauth2/realms/root/realms/alpha/authorize",
			RevocationURL:    "https://openam-example.forgeblocks.com/am/oauth2/realms/root/realms/alpha/token/revoke",
			Issuer:           "https://openam-example.forgeblocks.com/am/oauth2/realms/root/realms/alpha",
		},
	},
	"pingfederate": {
		at: "https://localhost:9031/.well-known/openid-configuration",
		want: Endpoints{
			TokenURL:         "https://localhost:9031/as/token.oauth2",
			AuthorizationURL: "https://localhost:9031/as/authorization.oauth2",
			RevocationURL:    "https://localhost:9031/as/revoke_token.oauth2",
			Issuer:           "https://localhost:9031",
		},
	},
}

func TestDocumentsOfIdentityProviders(t *testing.T) {
	t.Parallel()
	hc := vendorServer(t)
	files, err := filepath.Glob("testdata/providers/*.json")
	if err != nil || len(files) != len(vendors) {
		t.Errorf("%d documents for %d rows: %v", len(files), len(vendors), err)
	}
	for name, v := range vendors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tenant := Tenant{MetadataURL: v.at}
			d, err := tenant.Discover(t.Context(), (&Directory{Now: fixed, Lifetime: shelfLife}).Reader(hc))
			if v.refused != "" {
				wantFault(t, err, fault.Rejected, fault.ReasonEndpointInvalid)
				wantMessage(t, err, v.refused)
				return
			}
			if err != nil {
				t.Fatalf("Discover: %v", err)
			}
			got, err := Resolve(tenant, d, AuthorizationCode, Subject{Actor: ActorUser})
			if err != nil {
				t.Fatalf("Resolve: %v", err)
			}
			want := v.want
			want.Source, want.Sources.AuthorizationURL = SourceMetadata, SourceMetadata
			if want.RevocationURL != "" {
				want.Sources.RevocationURL = SourceMetadata
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("endpoints of a login (-want +got):\n%s", diff)
			}
			client, err := Resolve(tenant, d, ClientCredentials, Subject{})
			if err != nil || client.TokenURL != want.TokenURL {
				t.Errorf("the token URL of client applications is %q, %v", client.TokenURL, err)
			}
			// eGain's own flows have no endpoint at other providers.
			_, err = Resolve(tenant, d, AnonymousCustomer, Subject{})
			wantFault(t, err, fault.Rejected, fault.ReasonEndpointInvalid)
			wantMessage(t, err, "has no token URL for this flow (actor AnonymousCustomer)")
			_, err = Resolve(tenant, d, OnBehalfOf, Subject{Username: "agent"})
			wantFault(t, err, fault.Rejected, fault.ReasonEndpointInvalid)
			wantMessage(t, err, "this flow needs the API domain, which the metadata document does not name")
		})
	}
}

// vendorServer serves the documents over TLS under the names of their hosts. The client that it returns reaches no other server.
func vendorServer(t *testing.T) *http.Client {
	t.Helper()
	documents, hosts := map[string][]byte{}, []string{}
	for name, v := range vendors {
		content, err := os.ReadFile(filepath.Join("testdata", "providers", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		documents[v.at] = content
		hosts = append(hosts, hostname(v.at))
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, found := documents["https://"+r.Host+r.URL.RequestURI()]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		_, _ = w.Write(content)
	}))
	certificate, roots := selfSigned(t, hosts)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}}
}

// selfSigned is a certificate of hosts, and a pool that trusts it.
func selfSigned(t *testing.T, hosts []string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: hosts, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}
