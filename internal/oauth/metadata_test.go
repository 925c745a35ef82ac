package oauth

import (
	stdcmp "cmp"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	selfServiceURL = "https://ai.egain.cloud/system/auth/TMPRODB88619984/metadata"
	commercialURL  = "https://login.egain.cloud/gw1/B2C_1_users/v2.0/.well-known/openid-configuration"
)

func TestParseMetadata(t *testing.T) {
	t.Parallel()
	issued := func(issuer string, all ActorMetadata) *Metadata {
		return &Metadata{Any: all, Actors: map[Actor]ActorMetadata{}, Issuer: issuer}
	}
	flat := func(all ActorMetadata) *Metadata { return issued("", all) }
	tests := map[string]struct {
		from, document string
		want           *Metadata
	}{
		"RFC 8414": {
			"https://ai.egain.cloud/.well-known/oauth-authorization-server/tenant1",
			`{"issuer":"https://ai.egain.cloud/tenant1","authorization_endpoint":"https://ai.egain.cloud/authorize",
			  "token_endpoint":"https://ai.egain.cloud/token?user_type=user&x=%20","revocation_endpoint":"https://ai.egain.cloud/revoke",
			  "scopes_supported":["a","b"],"response_types_supported":["code"],"service_documentation":5}`,
			issued("https://ai.egain.cloud/tenant1", ActorMetadata{
				TokenURL: "https://ai.egain.cloud/token?user_type=user&x=%20", AuthorizationURL: "https://ai.egain.cloud/authorize",
				RevocationURL: "https://ai.egain.cloud/revoke",
			}),
		},
		"RFC 8414 of an issuer without a path": {
			"https://ai.egain.cloud/.well-known/oauth-authorization-server",
			`{"issuer":"https://ai.egain.cloud","token_endpoint":"https://ai.egain.cloud/token"}`,
			issued("https://ai.egain.cloud", ActorMetadata{TokenURL: "https://ai.egain.cloud/token"}),
		},
		"RFC 8414 of an issuer with a slash too many": {
			"https://ai.egain.cloud/.well-known/oauth-authorization-server/tenant1",
			`{"issuer":"https://ai.egain.cloud/tenant1/","token_endpoint":"https://ai.egain.cloud/token"}`,
			issued("https://ai.egain.cloud/tenant1/", ActorMetadata{TokenURL: "https://ai.egain.cloud/token"}),
		},
		// Azure AD B2C names the policy in the URL and its own directory in the issuer.
		"OpenID Connect Discovery of another path": {
			commercialURL,
			`{"issuer":"https://LOGIN.egain.cloud/6f0c/v2.0/","token_endpoint":"https://login.egain.cloud/gw1/B2C_1_users/oauth2/v2.0/token",
			  "jwks_uri":"https://elsewhere.example/keys","id_token_signing_alg_values_supported":["RS256"]}`,
			issued("https://LOGIN.egain.cloud/6f0c/v2.0/", ActorMetadata{TokenURL: "https://login.egain.cloud/gw1/B2C_1_users/oauth2/v2.0/token"}),
		},
		"the console, flat, camelCase": {
			selfServiceURL,
			`{"authorizationUrl":"https://ai.egain.cloud/system/auth/T-U/oauth2/authorize","accessTokenUrl":"https://ai.egain.cloud/system/auth/T-U/oauth2/token",
			  "domainUrl":"https://api.ai.egain.cloud/","apiPermissionPrefix":"https://api.egain.cloud/auth/"}`,
			flat(ActorMetadata{
				TokenURL: "https://ai.egain.cloud/system/auth/T-U/oauth2/token", AuthorizationURL: "https://ai.egain.cloud/system/auth/T-U/oauth2/authorize",
				APIURL: "https://api.ai.egain.cloud/", ScopePrefix: "https://api.egain.cloud/auth/",
			}),
		},
		"the console, flat, snake_case": {
			selfServiceURL,
			`{"access_token_url":"https://ai.egain.cloud/t","authorize_url":"https://ai.egain.cloud/a","revocation_url":"https://ai.egain.cloud/r","api_domain":"https://api.ai.egain.cloud","api_permission_prefix":"p/"}`,
			flat(ActorMetadata{
				TokenURL: "https://ai.egain.cloud/t", AuthorizationURL: "https://ai.egain.cloud/a", RevocationURL: "https://ai.egain.cloud/r",
				APIURL: "https://api.ai.egain.cloud", ScopePrefix: "p/",
			}),
		},
		"the console, as it is read on the screen": {
			selfServiceURL,
			`{"Access Token URL":"https://ai.egain.cloud/t","Authorization URL":"https://ai.egain.cloud/a","API Domain":"api.ai.egain.cloud","API Permission Prefix":"p/"}`,
			flat(ActorMetadata{
				TokenURL: "https://ai.egain.cloud/t", AuthorizationURL: "https://ai.egain.cloud/a", APIURL: "https://api.ai.egain.cloud", ScopePrefix: "p/",
			}),
		},
		"the console, by actor": {
			selfServiceURL,
			`{"apiUrl":"https://api.ai.egain.cloud",
			  "user":{"tokenUrl":"https://ai.egain.cloud/u","authorizationUrl":"https://ai.egain.cloud/a"},
			  "Customer":{"token_url":"https://ai.egain.cloud/c","api-url":"https://other.egain.cloud"},
			  "CLIENT":{"Token-URL":"https://ai.egain.cloud/k","apiPermissionPrefix":"p/"},
			  "partner":{"tokenUrl":"https://elsewhere.example/x"}}`,
			&Metadata{Any: ActorMetadata{APIURL: "https://api.ai.egain.cloud"}, Actors: map[Actor]ActorMetadata{
				ActorUser:     {TokenURL: "https://ai.egain.cloud/u", AuthorizationURL: "https://ai.egain.cloud/a"},
				ActorCustomer: {TokenURL: "https://ai.egain.cloud/c", APIURL: "https://other.egain.cloud"},
				ActorClient:   {TokenURL: "https://ai.egain.cloud/k", ScopePrefix: "p/"},
			}},
		},
		"the standard's name wins over the console's": {
			selfServiceURL,
			`{"accessTokenUrl":"https://ai.egain.cloud/b","tokenUrl":"https://ai.egain.cloud/c","token_endpoint":"https://ai.egain.cloud/a",
			  "apiUrl":"https://ai.egain.cloud/b","domainUrl":"https://ai.egain.cloud/a","revocationUrl":"https://ai.egain.cloud/b","revocation_endpoint":"https://ai.egain.cloud/a",
			  "authorizeUrl":"https://ai.egain.cloud/c","authorizationUrl":"https://ai.egain.cloud/b","authorization_endpoint":"https://ai.egain.cloud/a"}`,
			flat(ActorMetadata{TokenURL: "https://ai.egain.cloud/a", AuthorizationURL: "https://ai.egain.cloud/a", RevocationURL: "https://ai.egain.cloud/a", APIURL: "https://ai.egain.cloud/a"}),
		},
		"eGain's name of the authorization URL in the console's form": {
			selfServiceURL,
			`{"accessTokenURL":"https://ai.egain.cloud/t","authURL":"https://ai.egain.cloud/a?p=1"}`,
			flat(ActorMetadata{TokenURL: "https://ai.egain.cloud/t", AuthorizationURL: "https://ai.egain.cloud/a?p=1"}),
		},
		"a byte order mark before it": {
			selfServiceURL, "\xef\xbb\xbf" + `{"accessTokenURL":"https://ai.egain.cloud/t"}`,
			flat(ActorMetadata{TokenURL: "https://ai.egain.cloud/t"}),
		},
		"fields of other types are no fields": {
			selfServiceURL,
			`{"token_endpoint":5,"accessTokenUrl":["https://ai.egain.cloud/b"],"tokenUrl":"https://ai.egain.cloud/a","apiUrl":null,"user":"x","customer":{},"client":null}`,
			flat(ActorMetadata{TokenURL: "https://ai.egain.cloud/a"}),
		},
		"a port": {
			"https://localhost:8443/metadata",
			`{"token_endpoint":"https://127.0.0.1:9443/token","api_domain":"localhost:8444"}`,
			flat(ActorMetadata{TokenURL: "https://127.0.0.1:9443/token", APIURL: "https://localhost:8444"}),
		},
		"names in capitals": {
			"https://AI.eGain.Cloud/metadata", `{"issuer":"https://ai.egain.cloud/x","token_endpoint":"https://API.ai.egain.cloud/token"}`,
			issued("https://ai.egain.cloud/x", ActorMetadata{TokenURL: "https://API.ai.egain.cloud/token"}),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// More than once, since maps have no order and a document must mean the same each time.
			for range 20 {
				got, err := ParseMetadata([]byte(tc.document), tc.from)
				if err != nil {
					t.Fatalf("ParseMetadata: %v", err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Fatalf("metadata (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestParseMetadataRefuses(t *testing.T) {
	t.Parallel()
	const wellKnown = "https://ai.egain.cloud/.well-known/oauth-authorization-server/tenant1"
	refused := func(class fault.Class, reason string) fault.Error { return fault.Error{Class: class, Reason: reason} }
	unavailable := refused(fault.Retryable, fault.ReasonMetadataUnavailable)
	invalid := refused(fault.Rejected, fault.ReasonEndpointInvalid)
	elsewhere := refused(fault.Rejected, fault.ReasonEndpointRefused)
	tests := map[string]struct {
		from, document string
		want           fault.Error
	}{
		"nothing":                       {selfServiceURL, ``, unavailable},
		"HTML":                          {selfServiceURL, `<html>canary</html>`, unavailable},
		"half a document":               {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/canary`, unavailable},
		"two documents":                 {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/canary"}{}`, unavailable},
		"a list":                        {selfServiceURL, `["https://ai.egain.cloud/canary"]`, unavailable},
		"null":                          {selfServiceURL, `null`, unavailable},
		"an empty object":               {selfServiceURL, `{}`, unavailable},
		"no endpoint":                   {selfServiceURL, `{"canary":"https://ai.egain.cloud/token","userinfo_endpoint":"https://ai.egain.cloud/a"}`, unavailable},
		"an endpoint that is a number":  {selfServiceURL, `{"token_endpoint":5}`, unavailable},
		"an endpoint of plain HTTP":     {selfServiceURL, `{"token_endpoint":"http://ai.egain.cloud/canary"}`, elsewhere},
		"an endpoint of another site":   {selfServiceURL, `{"token_endpoint":"https://other.example/canary"}`, elsewhere},
		"a site that looks alike":       {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud.other.example/canary"}`, elsewhere},
		"a site that ends alike":        {selfServiceURL, `{"token_endpoint":"https://other-egain.cloud/token"}`, elsewhere},
		"a name before the host":        {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud@other.example/canary"}`, elsewhere},
		"a user name":                   {selfServiceURL, `{"token_endpoint":"https://canary:canary@ai.egain.cloud/token"}`, elsewhere},
		"an address":                    {selfServiceURL, `{"token_endpoint":"https://127.0.0.1/canary"}`, elsewhere},
		"no host":                       {selfServiceURL, `{"token_endpoint":"https:///canary"}`, elsewhere},
		"a relative URL":                {selfServiceURL, `{"token_endpoint":"/canary/token"}`, elsewhere},
		"no URL":                        {selfServiceURL, `{"token_endpoint":"canary"}`, elsewhere},
		"no URL either":                 {selfServiceURL, `{"token_endpoint":"https://%zz/canary"}`, elsewhere},
		"a revocation URL elsewhere":    {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","revocation_endpoint":"https://other.example"}`, elsewhere},
		"a login elsewhere":             {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","authorization_endpoint":"https://other.example/login"}`, elsewhere},
		"a login of another scheme":     {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","user":{"authorizationUrl":"javascript:canary"}}`, elsewhere},
		"an API elsewhere":              {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","api_domain":"other.example"}`, elsewhere},
		"an API of another scheme":      {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","api_domain":"ftp://ai.egain.cloud"}`, elsewhere},
		"an API domain that is none":    {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","api_domain":"javascript:canary"}`, elsewhere},
		"another site for one actor":    {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","customer":{"token_url":"https://other.example"}}`, elsewhere},
		"addresses that end alike":      {"https://10.0.0.1/metadata", `{"token_endpoint":"https://192.168.0.1/canary"}`, elsewhere},
		"two addresses of one network":  {"https://10.0.0.1/metadata", `{"token_endpoint":"https://10.0.0.2/canary"}`, elsewhere},
		"two sites of one hosting firm": {"https://a.azurewebsites.net/metadata", `{"token_endpoint":"https://b.azurewebsites.net/canary"}`, elsewhere},
		"a prefix with a space":         {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","api_permission_prefix":"core.admin canary/"}`, invalid},
		"a prefix beyond ASCII":         {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","user":{"api_permission_prefix":"canarý/"}}`, invalid},
		"a prefix with a quote":         {selfServiceURL, `{"token_endpoint":"https://ai.egain.cloud/t","api_permission_prefix":"canary\"/"}`, invalid},
		"an issuer of another host":     {selfServiceURL, `{"issuer":"https://canary.egain.cloud","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer of plain HTTP":       {selfServiceURL, `{"issuer":"http://ai.egain.cloud","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer of another port":     {selfServiceURL, `{"issuer":"https://ai.egain.cloud:8443","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer that is a number":    {selfServiceURL, `{"issuer":5,"token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer that is null":        {selfServiceURL, `{"issuer":null,"token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer that is no URL":      {selfServiceURL, `{"issuer":"https://%zz/canary","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer of another path":     {wellKnown, `{"issuer":"https://ai.egain.cloud/canary","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"a template of another host":    {selfServiceURL, `{"issuer":"https://canary.egain.cloud/{tenantid}/v2.0","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer without the path":    {wellKnown, `{"issuer":"https://ai.egain.cloud","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer with a query":        {wellKnown, `{"issuer":"https://ai.egain.cloud/tenant1?canary","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"an issuer with a fragment":     {wellKnown, `{"issuer":"https://ai.egain.cloud/tenant1#canary","token_endpoint":"https://ai.egain.cloud/t"}`, invalid},
		"a URL that is none":            {"https://%zz", `{"token_endpoint":"https://ai.egain.cloud/t"}`, refused(fault.Terminal, fault.ReasonEndpointInvalid)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseMetadata([]byte(tc.document), tc.from)
			if got != nil && err != nil {
				t.Errorf("ParseMetadata returns %+v beside an error", got)
			}
			if err == nil {
				err = refusal(Tenant{MetadataURL: tc.from}, got)
			}
			wantFault(t, err, tc.want.Class, tc.want.Reason)
		})
	}
}

// refusal is the first failure that a document means for any flow; nil if each gets all that the document names.
func refusal(t Tenant, m *Metadata) error {
	for _, flow := range []struct {
		Flow
		Subject
	}{{ClientCredentials, anybody}, {AuthorizationCode, Subject{Actor: ActorUser}}, {AuthorizationCode, shopper}} {
		e, err := Resolve(t, Discovery{Metadata: m}, flow.Flow, flow.Subject)
		if err = stdcmp.Or(err, e.Unusable.First()); err != nil {
			return err
		}
	}
	return nil
}

func TestMetadataForAnActor(t *testing.T) {
	t.Parallel()
	m := &Metadata{
		Any: ActorMetadata{TokenURL: "any", AuthorizationURL: "any", RevocationURL: "any", APIURL: "any", ScopePrefix: "any"},
		Actors: map[Actor]ActorMetadata{
			ActorUser:     {TokenURL: "user", AuthorizationURL: "user", ScopePrefix: "user"},
			ActorCustomer: {RevocationURL: "customer", APIURL: "customer"},
		},
	}
	for actor, want := range map[Actor]ActorMetadata{
		ActorClient:   m.Any,
		ActorUser:     {TokenURL: "user", AuthorizationURL: "user", RevocationURL: "any", APIURL: "any", ScopePrefix: "user"},
		ActorCustomer: {TokenURL: "any", AuthorizationURL: "any", RevocationURL: "customer", APIURL: "customer", ScopePrefix: "any"},
	} {
		if diff := cmp.Diff(want, m.EndpointsOf(actor)); diff != "" {
			t.Errorf("for the %s (-want +got):\n%s", actor, diff)
		}
	}
	if diff := cmp.Diff(ActorMetadata{}, (&Metadata{}).EndpointsOf(ActorUser)); diff != "" {
		t.Errorf("of no metadata (-want +got):\n%s", diff)
	}
}

func TestTrustedHostsMayBeOfAnotherSite(t *testing.T) {
	t.Parallel()
	trusting := Tenant{MetadataURL: selfServiceURL, TrustedHosts: []string{"login.partner.example"}}
	tests := map[string]struct {
		document string
		fine     bool
	}{
		"a token endpoint on a trusted host":       {`{"token_endpoint":"https://login.partner.example/token"}`, true},
		"an endpoint of the same site":             {`{"token_endpoint":"https://api.ai.egain.cloud/token"}`, true},
		"one on a trusted host, one on another":    {`{"token_endpoint":"https://login.partner.example/token","api_domain":"api.partner.example"}`, false},
		"a trusted host, but not https":            {`{"token_endpoint":"http://login.partner.example/token"}`, false},
		"a trusted host, but with a user name":     {`{"token_endpoint":"https://u:p@login.partner.example/token"}`, false},
		"a trusted host as the user name":          {`{"token_endpoint":"https://login.partner.example@evil.example/token"}`, false},
		"the issuer stays that of the document":    {`{"issuer":"https://login.partner.example","token_endpoint":"https://ai.egain.cloud/token"}`, false},
		"a trusted host for people who log in":     {`{"token_endpoint":"https://ai.egain.cloud/t","authorization_endpoint":"https://login.partner.example/a"}`, true},
		"a host that is not trusted, to log in at": {`{"token_endpoint":"https://ai.egain.cloud/t","authorization_endpoint":"https://evil.example/a"}`, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := ParseMetadata([]byte(tc.document), selfServiceURL)
			if err == nil {
				err = refusal(trusting, m)
			}
			if (err == nil) != tc.fine {
				t.Errorf("got %v, want it accepted: %t", err, tc.fine)
			}
		})
	}
}

func FuzzParseMetadata(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"issuer":"https://ai.egain.cloud","token_endpoint":"https://ai.egain.cloud/token"}`,
		`{"token_endpoint":"http://ai.egain.cloud/token"}`, `{"token_endpoint":"https://evil.example/token"}`,
		`{"token_endpoint":"https://ai.egain.cloud@evil.example/"}`, `{"token_endpoint":"https://evil.example\\@ai.egain.cloud/"}`,
		`{"tokenURL":"https://ai.egain.cloud/a","token_url":"https://ai.egain.cloud/b","TOKEN-URL":"https://ai.egain.cloud/c"}`,
		`{"user":{"Access Token URL":"https://ai.egain.cloud/u"},"USER":{"tokenUrl":"https://ai.egain.cloud/v"},"api_domain":"api.ai.egain.cloud"}`,
		`{"api_domain":"//evil.example","apiPermissionPrefix":"a b"}`, `{"issuer":5}`, `{"token_endpoint":"https://ai.egain.cloud:99999999/t"}`,
		`{"issuer":"https://ai.egain.cloud","authorization_endpoint":"https://ai.egain.cloud/a?p=1","user":{"authorizeURL":"https://evil.example/a"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := ParseMetadata(document, selfServiceURL)
		again, errAgain := ParseMetadata(document, selfServiceURL)
		if diff := cmp.Diff(m, again); diff != "" || (err == nil) != (errAgain == nil) || (err != nil && err.Error() != errAgain.Error()) {
			t.Fatalf("a document means two things: %v, %v\n%s", err, errAgain, diff)
		}
		if err != nil {
			if fault.Of(err) == nil || m != nil {
				t.Fatalf("ParseMetadata returns %+v and the unclassified %v", m, err)
			}
			return
		}
		for _, f := range everyFlow {
			e, err := Resolve(Tenant{ID: tenantID, MetadataURL: selfServiceURL}, Discovery{Metadata: m}, f.flow, f.subject)
			if err != nil && fault.Of(err) == nil {
				t.Errorf("Resolve returns the unclassified %v", err)
			}
			for _, raw := range []string{e.TokenURL, e.AuthorizationURL, e.RevocationURL, e.APIURL} {
				u, err := url.Parse(raw)
				if raw == "" {
					continue
				}
				if host := strings.ToLower(u.Hostname()); err != nil || u.Scheme != "https" || u.User != nil ||
					(host != "egain.cloud" && !strings.HasSuffix(host, ".egain.cloud")) {
					t.Errorf("credentials would be sent to %q", raw)
				}
			}
		}
		if !json.Valid(document) {
			t.Error("what is no JSON was read")
		}
	})
}
