package egainsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

var everyActor = []egainsim.Actor{egainsim.User, egainsim.Customer, egainsim.Client}

func TestOAuthMetadataHasTheIssuerThatItsURLWasMadeOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tenant := range w.Tenants() {
		for _, actor := range everyActor {
			t.Run(string(tenant.Platform())+" "+string(actor), func(t *testing.T) {
				t.Parallel()
				g := gomega.NewWithT(t)
				r := w.get(t, tenant.MetadataURL(egainsim.OAuthMetadata, actor), "")
				g.Expect(r.status).To(gomega.Equal(http.StatusOK))
				issuer, _ := r.json["issuer"].(string)
				parsed, err := url.Parse(issuer)
				g.Expect(err).NotTo(gomega.HaveOccurred())
				parsed.Path = "/.well-known/oauth-authorization-server" + parsed.Path
				g.Expect(parsed.String()).To(gomega.Equal(tenant.MetadataURL(egainsim.OAuthMetadata, actor)))
				g.Expect(issuer).To(gomega.Equal(tenant.Issuer(actor)))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("token_endpoint", tenant.TokenURL(actor)))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("revocation_endpoint", tenant.RevocationURL(actor)))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("introspection_endpoint", tenant.IntrospectionURL(actor)))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("jwks_uri", tenant.JWKSURL(actor)))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("scopes_supported", gomega.ContainElement(tenant.Scope("core.aiservices.read"))))
				g.Expect(r.json).To(gomega.HaveKeyWithValue("introspection_endpoint_auth_methods_supported", gomega.ConsistOf("client_secret_post")))
			})
		}
	}
}

func TestMetadataOffersLoginsWherePeopleLogIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tenant := range w.Tenants() {
		for _, actor := range []egainsim.Actor{egainsim.User, egainsim.Customer} {
			g := gomega.NewWithT(t)
			document := w.get(t, tenant.MetadataURL(egainsim.OAuthMetadata, actor), "").json
			g.Expect(document).To(gomega.HaveKeyWithValue("authorization_endpoint", tenant.AuthorizationURL(actor)))
			g.Expect(document).To(gomega.HaveKeyWithValue("response_types_supported", gomega.ConsistOf("code")))
			g.Expect(document).To(gomega.HaveKeyWithValue("response_modes_supported", gomega.ConsistOf("query")))
			g.Expect(document).To(gomega.HaveKeyWithValue("code_challenge_methods_supported", gomega.ConsistOf("S256")))
			g.Expect(document).To(gomega.HaveKeyWithValue("grant_types_supported", gomega.ContainElements("authorization_code", "refresh_token")))
			for _, endpoint := range []string{"token", "revocation"} {
				g.Expect(document).To(gomega.HaveKeyWithValue(endpoint+"_endpoint_auth_methods_supported",
					gomega.ConsistOf("client_secret_post", "none")))
			}
		}
	}
	g := gomega.NewWithT(t)
	server := w.get(t, w.Commercial().MetadataURL(egainsim.OAuthMetadata, egainsim.Client), "").json
	g.Expect(server).NotTo(gomega.HaveKey("authorization_endpoint"), "a server does not log in")
	g.Expect(server).To(gomega.HaveKeyWithValue("response_types_supported", gomega.BeEmpty()))
	g.Expect(server).To(gomega.HaveKeyWithValue("grant_types_supported", gomega.ConsistOf("client_credentials")))
	g.Expect(server).To(gomega.HaveKeyWithValue("token_endpoint_auth_methods_supported", gomega.ConsistOf("client_secret_post")))
}

func TestOAuthMetadataOfAnIssuerWithoutAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	r := w.get(t, w.RootMetadataURL(), "")
	g.Expect(r.json).To(gomega.HaveKeyWithValue("issuer", w.LoginURL()))
	g.Expect(r.json).To(gomega.HaveKeyWithValue("token_endpoint", w.Rigel().TokenURL(egainsim.User)))
}

func TestOpenIDMetadataIsUnderThePolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	for _, actor := range []egainsim.Actor{egainsim.User, egainsim.Customer} {
		location := w.Commercial().MetadataURL(egainsim.OpenIDMetadata, actor)
		r := w.get(t, location, "")
		g.Expect(r.json).To(gomega.HaveKeyWithValue("issuer", strings.TrimSuffix(location, "/.well-known/openid-configuration")))
		g.Expect(r.json).To(gomega.HaveKeyWithValue("token_endpoint", w.Commercial().TokenURL(actor)))
		g.Expect(r.json).To(gomega.HaveKeyWithValue("subject_types_supported", gomega.ConsistOf("public")))
		g.Expect(r.json).To(gomega.HaveKeyWithValue("id_token_signing_alg_values_supported", gomega.ConsistOf("RS256")))
		g.Expect(r.json).To(gomega.HaveKeyWithValue("authorization_endpoint", w.Commercial().AuthorizationURL(actor)))
	}
	rigel := w.get(t, w.Rigel().MetadataURL(egainsim.OpenIDMetadata, egainsim.User), "")
	g.Expect(rigel.status).To(gomega.Equal(http.StatusNotFound))
}

func TestConsoleMetadataComesInEverySpelling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rigel, commercial := w.Rigel(), w.Commercial()
	for name, tc := range map[string]struct {
		tenant *egainsim.Tenant
		form   egainsim.MetadataForm
		actor  egainsim.Actor
		want   map[string]any
	}{
		"Rigel, a user, camel case": {rigel, egainsim.ConsoleFlatCamel, egainsim.User, map[string]any{
			"authorizationUrl": rigel.AuthorizationURL(egainsim.User),
			"accessTokenUrl":   rigel.TokenURL(egainsim.User),
			"domainUrl":        w.APIURL() + "/",
			"metadataUrl":      rigel.MetadataURL(egainsim.ConsoleFlatCamel, egainsim.User),
		}},
		"Rigel, a client, snake case": {rigel, egainsim.ConsoleFlatSnake, egainsim.Client, map[string]any{
			"access_token_url": rigel.TokenURL(egainsim.Client),
			"domain_url":       w.APIURL() + "/",
			"metadata_url":     rigel.MetadataURL(egainsim.ConsoleFlatSnake, egainsim.Client),
		}},
		"commercial, a customer, camel case": {commercial, egainsim.ConsoleFlatCamel, egainsim.Customer, map[string]any{
			"authorizationUrl":    commercial.AuthorizationURL(egainsim.Customer),
			"tokenUrl":            commercial.TokenURL(egainsim.Customer),
			"apiDomain":           w.APIURL() + "/",
			"apiPermissionPrefix": egainsim.DefaultScopePrefix,
			"metadataUrl":         commercial.MetadataURL(egainsim.ConsoleFlatCamel, egainsim.Customer),
		}},
		"commercial, a client, snake case": {commercial, egainsim.ConsoleFlatSnake, egainsim.Client, map[string]any{
			"token_url":             commercial.TokenURL(egainsim.Client),
			"api_domain":            w.APIURL() + "/",
			"api_permission_prefix": egainsim.DefaultScopePrefix,
			"metadata_url":          commercial.MetadataURL(egainsim.ConsoleFlatSnake, egainsim.Client),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			flat := w.get(t, tc.tenant.MetadataURL(tc.form, tc.actor), "")
			g.Expect(cmp.Diff(flat.json, tc.want)).To(gomega.BeEmpty())

			nestedForm := map[egainsim.MetadataForm]egainsim.MetadataForm{
				egainsim.ConsoleFlatCamel: egainsim.ConsoleNestedCamel, egainsim.ConsoleFlatSnake: egainsim.ConsoleNestedSnake,
			}[tc.form]
			nested := w.get(t, tc.tenant.MetadataURL(nestedForm, tc.actor), "")
			g.Expect(nested.json).To(gomega.HaveLen(3))
			g.Expect(cmp.Diff(nested.json[string(tc.actor)], any(tc.want))).To(gomega.BeEmpty())
		})
	}
}

func TestDocumentsAreReadWithGETAndTheirOwnQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	g.Expect(w.Rigel().MetadataURL("unheard-of", egainsim.User)).To(gomega.BeEmpty())
	for _, location := range []string{
		w.RootMetadataURL(),
		w.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User),
		w.Commercial().MetadataURL(egainsim.OpenIDMetadata, egainsim.User),
		w.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.User),
		w.Rigel().JWKSURL(egainsim.User),
	} {
		posted := w.post(t, location, rigelForm())
		g.Expect(posted.status).To(gomega.Equal(http.StatusMethodNotAllowed), location)
		g.Expect(posted.header.Get("Allow")).To(gomega.Equal("GET"))
		separator := "?"
		if strings.Contains(location, "?") {
			separator = "&"
		}
		g.Expect(w.get(t, location+separator+"x=y", "").status).To(gomega.Equal(http.StatusBadRequest), location)
	}
}
