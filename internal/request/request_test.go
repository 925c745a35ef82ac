package request

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// clientFrom is an EgainClient with a spec, in JSON as the API server stores it.
func clientFrom(t *testing.T, spec string) *egainv1alpha1.EgainClient {
	t.Helper()
	ec := &egainv1alpha1.EgainClient{}
	ec.Name, ec.Namespace = "sync", "team-a"
	if err := json.Unmarshal([]byte(spec), &ec.Spec); err != nil {
		t.Fatal(err)
	}
	return ec
}

func TestRequest_SaysWhatTheSpecSays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec string
		want oauth.Request
	}{
		"client credentials": {
			`{"flow":"ClientCredentials","scopes":["a.read","b.write"],"parameters":{"resource":"r"}}`,
			oauth.Request{Flow: oauth.ClientCredentials, Scopes: []string{"a.read", "b.write"}, Parameters: map[string]string{"resource": "r"}},
		},
		"an anonymous customer": {
			`{"flow":"AnonymousCustomer","scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.AnonymousCustomer, Scopes: []string{"a.read"}},
		},
		"on behalf of a user, by name": {
			`{"flow":"OnBehalfOf","onBehalfOf":{"username":"agent.smith"},"scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.OnBehalfOf, Scopes: []string{"a.read"}, Subject: oauth.Subject{Username: "agent.smith"}},
		},
		"on behalf of a user, by id": {
			`{"flow":"OnBehalfOf","onBehalfOf":{"userID":"4711"},"scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.OnBehalfOf, Scopes: []string{"a.read"}, Subject: oauth.Subject{UserID: "4711"}},
		},
		"on behalf of a customer": {
			`{"flow":"OnBehalfOf","onBehalfOf":{"email":"a@b.example"},"scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.OnBehalfOf, Scopes: []string{"a.read"}, Subject: oauth.Subject{Email: "a@b.example"}},
		},
		"a token exchange": {
			`{"flow":"TokenExchange","tokenExchange":{"registrationID":"okta","subjectTokenType":"urn:x","subjectToken":{"egainClientRef":{"name":"other"}}}}`,
			oauth.Request{Flow: oauth.TokenExchange, Exchange: oauth.Exchange{RegistrationID: "okta", SubjectTokenType: "urn:x"}},
		},
		"the login of a user": {
			`{"flow":"AuthorizationCode","authorizationCode":{"actor":"User","sessionSecretRef":{"name":"s"}},"scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.AuthorizationCode, Scopes: []string{"a.read"}, Subject: oauth.Subject{Actor: oauth.ActorUser}},
		},
		"the login of a user, the default actor": {
			`{"flow":"AuthorizationCode","authorizationCode":{"sessionSecretRef":{"name":"s"}},"scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.AuthorizationCode, Scopes: []string{"a.read"}, Subject: oauth.Subject{Actor: oauth.ActorUser}},
		},
		"the login of a customer": {
			`{"flow":"AuthorizationCode","authorizationCode":{"actor":"Customer","sessionSecretRef":{"name":"s"}},"scopes":["a.read"]}`,
			oauth.Request{Flow: oauth.AuthorizationCode, Scopes: []string{"a.read"}, Subject: oauth.Subject{Actor: oauth.ActorCustomer}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.want.Parameters == nil {
				tc.want.Parameters = map[string]string{}
			}
			if tc.want.Scopes == nil {
				tc.want.Scopes = []string{}
			}
			got := For(clientFrom(t, tc.spec)).Address(oauth.Endpoints{}).Complete(Secrets{})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The specs that the tests of ids change, with all that can be in them.
const (
	crowded = `{
		"tenant": {
			"metadataURL": "https://login.egain.cloud/m",
			"endpoints": {"tokenURL": "https://login.egain.cloud/t", "revocationURL": "https://login.egain.cloud/r", "apiURL": "https://api.egain.cloud"},
			"scopePrefix": "api.egain.cloud/auth/", "caBundleRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}
		},
		"credentialsSecretRef": {"name": "app", "clientIDKey": "client_id", "clientSecretKey": "client_secret"},
		"flow": "OnBehalfOf", "onBehalfOf": {"username": "agent.smith"}, "scopes": ["a", "b"], "parameters": {"resource": "r"},
		"target": {"secretName": "x"}, "renewal": {"percent": 75}, "revokeOnDelete": false, "suspend": false
	}`
	exchange = `{
		"tenant": {"id": "T"},
		"credentialsSecretRef": {"name": "app", "clientIDKey": "client_id", "clientSecretKey": "client_secret"},
		"flow": "TokenExchange", "tokenExchange": {
			"registrationID": "okta", "subjectTokenType": "urn:ietf:params:oauth:token-type:access_token",
			"subjectToken": {"secretKeyRef": {"name": "s", "key": "k"}}
		}
	}`
	minted = `{
		"tenant": {"id": "T"},
		"credentialsSecretRef": {"name": "app", "clientIDKey": "client_id", "clientSecretKey": "client_secret"},
		"flow": "TokenExchange", "tokenExchange": {
			"registrationID": "okta", "subjectTokenType": "urn:ietf:params:oauth:token-type:access_token",
			"subjectToken": {"serviceAccountToken": {"name": "s", "audience": "a", "expirationSeconds": 600}}
		}
	}`
	login = `{
		"tenant": {"id": "T"},
		"credentialsSecretRef": {"name": "app", "clientIDKey": "client_id", "clientSecretKey": "client_secret"},
		"flow": "AuthorizationCode", "scopes": ["a"], "authorizationCode": {
			"actor": "User", "sessionSecretRef": {"name": "session"}, "redirectURL": "http://127.0.0.1:8765/callback"
		}
	}`
)

// TestSpecIDsStayWhatTheyAre keeps an upgrade from renewing every token at once: targets hold the ids that earlier
// versions of the operator wrote. Fields that are added to the API must be left out of the encoding while they are not set.
func TestSpecIDsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ spec, want string }{
		"a tenant by its id":                {`{"tenant":{"id":"T"},"flow":"ClientCredentials","scopes":["a"]}`, "0b6ee1dc642117b285f7852b7093847d"},
		"a crowded spec":                    {crowded, "f7ff3903612790570add033671e89c38"},
		"an exchange of a Secret's token":   {exchange, "e7ac1a23e386c5dd78d3bd7df365624f"},
		"an exchange of a workload's token": {minted, "1dad992cb153ff5dda43b5e782d0cff1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := clientFrom(t, tc.spec)
			if got := SpecID(ec, Inline(ec)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

type client = egainv1alpha1.EgainClient

func TestSpecIDLeavesOutWhatAsksNothingOfTheServer(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*client){
		"the target":         func(c *client) { c.Spec.Target = egainv1alpha1.Target{SecretName: "y", Type: "example.com/token"} },
		"the renewal":        func(c *client) { c.Spec.Renewal = nil },
		"suspend":            func(c *client) { c.Spec.Suspend = new(true) },
		"revokeOnDelete":     func(c *client) { c.Spec.RevokeOnDelete = new(true) },
		"the CA bundle":      func(c *client) { c.Spec.Tenant.CABundleRef = nil },
		"the metadata":       func(c *client) { c.Labels, c.Annotations = map[string]string{"a": "b"}, map[string]string{"c": "d"} },
		"the object's names": func(c *client) { c.Name, c.Namespace = "other", "team-b" },
	}
	before := clientFrom(t, crowded)
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := clientFrom(t, crowded)
			change(after)
			if SpecID(before, Inline(before)) != SpecID(after, Inline(after)) {
				t.Error("the id changed")
			}
		})
	}
}

func TestSpecIDCountsWhatIsAskedOfTheServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec   string
		change func(*client)
	}{
		"the flow":                       {crowded, func(c *client) { c.Spec.Flow = "ClientCredentials" }},
		"the tenant's id":                {crowded, func(c *client) { c.Spec.Tenant.ID = "U" }},
		"the metadata URL":               {crowded, func(c *client) { c.Spec.Tenant.MetadataURL += "x" }},
		"the token URL":                  {crowded, func(c *client) { c.Spec.Tenant.Endpoints.TokenURL += "x" }},
		"the authorization URL":          {crowded, func(c *client) { c.Spec.Tenant.Endpoints.AuthorizationURL = "https://a.example" }},
		"the API's URL":                  {crowded, func(c *client) { c.Spec.Tenant.Endpoints.APIURL += "x" }},
		"the scope prefix":               {crowded, func(c *client) { c.Spec.Tenant.ScopePrefix = "" }},
		"the Secret of the credentials":  {crowded, func(c *client) { c.Spec.CredentialsSecretRef.Name += "x" }},
		"the key of the client id":       {crowded, func(c *client) { c.Spec.CredentialsSecretRef.ClientIDKey += "x" }},
		"the user":                       {crowded, func(c *client) { c.Spec.OnBehalfOf.Username += "x" }},
		"the scopes":                     {crowded, func(c *client) { c.Spec.Scopes = c.Spec.Scopes[:1] }},
		"a parameter":                    {crowded, func(c *client) { c.Spec.Parameters["resource"] = "s" }},
		"the registration":               {exchange, func(c *client) { c.Spec.TokenExchange.RegistrationID += "x" }},
		"the key of the subject token":   {exchange, func(c *client) { c.Spec.TokenExchange.SubjectToken.SecretKeyRef.Key += "x" }},
		"the audience of what is minted": {minted, func(c *client) { c.Spec.TokenExchange.SubjectToken.ServiceAccountToken.Audience += "x" }},
		"who logs in":                    {login, func(c *client) { c.Spec.AuthorizationCode.Actor = "Customer" }},
		"the Secret of the session":      {login, func(c *client) { c.Spec.AuthorizationCode.SessionSecretRef.Name += "x" }},
		"the redirect URL":               {login, func(c *client) { c.Spec.AuthorizationCode.RedirectURL += "x" }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := clientFrom(t, tc.spec), clientFrom(t, tc.spec)
			tc.change(after)
			if SpecID(before, Inline(before)) == SpecID(after, Inline(after)) {
				t.Error("the id stayed the same")
			}
		})
	}
}

func TestSpecIDLeavesOutTheParametersOfALogin(t *testing.T) {
	t.Parallel()
	before, after := clientFrom(t, login), clientFrom(t, login)
	after.Spec.AuthorizationCode.Parameters = map[string]egainv1alpha1.ParameterValue{"prompt": "consent"}
	if SpecID(before, Inline(before)) != SpecID(after, Inline(after)) || idOf(before) != idOf(after) {
		t.Error("the id changed")
	}
	if len(after.Spec.AuthorizationCode.Parameters) != 1 {
		t.Error("the spec was changed")
	}
}

func TestSpecIDCountsWhatLeadsToEndpoints(t *testing.T) {
	t.Parallel()
	ec := clientFrom(t, crowded)
	id := func(change func(*egainv1alpha1.EgainTenantSpec)) string {
		et := tenantWith(egainv1alpha1.EgainTenantSpec{URL: "https://acme.egain.cloud"})
		change(&et.Spec)
		return SpecID(ec, Shared(et))
	}
	before := id(func(*egainv1alpha1.EgainTenantSpec) {})
	for name, change := range map[string]func(*egainv1alpha1.EgainTenantSpec){
		"the address": func(s *egainv1alpha1.EgainTenantSpec) { s.URL = "https://shop.egain.cloud" },
		"the endpoints of an actor": func(s *egainv1alpha1.EgainTenantSpec) {
			s.ActorEndpoints = []egainv1alpha1.ActorEndpoints{{Actor: "Client", TokenURL: "https://a.example"}}
		},
		"the trusted hosts": func(s *egainv1alpha1.EgainTenantSpec) { s.TrustedHosts = []egainv1alpha1.HostName{"a.example"} },
	} {
		if id(change) == before {
			t.Errorf("%s: the id stayed the same", name)
		}
	}
}

func TestLoginParameters(t *testing.T) {
	t.Parallel()
	ec := clientFrom(t, login)
	ec.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{"resource": "https://api.example", "audience": "a", "other": "x"}
	ec.Spec.AuthorizationCode.Parameters = map[string]egainv1alpha1.ParameterValue{"prompt": "consent", "audience": "b"}
	want := map[string]string{"resource": "https://api.example", "audience": "b", "prompt": "consent"}
	if got := LoginParameters(ec); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSpecIDIsTheSameForATenantInlineAndShared(t *testing.T) {
	t.Parallel()
	inline := clientFrom(t, crowded)
	shared := clientFrom(t, crowded)
	shared.Spec.Tenant, shared.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "production"}
	et := tenantWith(egainv1alpha1.EgainTenantSpec{
		TenantLocation: inline.Spec.Tenant.TenantLocation,
		AllowedScopes:  []egainv1alpha1.ScopePattern{"*"}, RequestLimits: &egainv1alpha1.RequestLimits{PerSecond: 1},
	})
	if a, b := SpecID(inline, Inline(inline)), SpecID(shared, Shared(et)); a != b {
		t.Errorf("inline %s, shared %s", a, b)
	}
	et.Spec.ID = "U"
	if SpecID(inline, Inline(inline)) == SpecID(shared, Shared(et)) {
		t.Error("a change of the EgainTenant does not show")
	}
}

var someEndpoints = oauth.Endpoints{TokenURL: "https://t.example/token", ScopePrefix: "https://p.example/"}

func idOf(ec *client) string { return For(ec).Address(someEndpoints).ID() }

// TestRequestIDsStayWhatTheyAre prevents an upgrade that renews every token: targets contain the IDs that earlier versions wrote.
func TestRequestIDsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ spec, want string }{
		"a plain spec":                      {`{"tenant":{"id":"T"},"flow":"ClientCredentials","scopes":["a"]}`, "459d6161ac587123083ffe75e291da0e"},
		"a crowded spec":                    {crowded, "6e28115a0ed975a7102d75804ca08277"},
		"an exchange of a Secret's token":   {exchange, "dd378a3cc138d178fe49640d661a4d4e"},
		"an exchange of a workload's token": {minted, "1d955c172f0b455350be9e139058da72"},
		"a login":                           {login, "fbf0cf5ccd9b1d5e68f7eba4c16870f2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := idOf(clientFrom(t, tc.spec)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRequestIDCountsWhatIsAskedOfWhom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec   string
		change func(*client)
	}{
		"the flow":              {crowded, func(c *client) { c.Spec.Flow = egainv1alpha1.FlowTokenExchange }},
		"the scopes":            {crowded, func(c *client) { c.Spec.Scopes = append(c.Spec.Scopes, "c") }},
		"the user's name":       {crowded, func(c *client) { c.Spec.OnBehalfOf.Username += "x" }},
		"the user's ID":         {crowded, func(c *client) { c.Spec.OnBehalfOf.UserID = "1" }},
		"the customer":          {crowded, func(c *client) { c.Spec.OnBehalfOf.Email = "a@b.example" }},
		"a parameter":           {crowded, func(c *client) { c.Spec.Parameters["resource"] = "s" }},
		"the registration":      {exchange, func(c *client) { c.Spec.TokenExchange.RegistrationID += "x" }},
		"the type of the token": {exchange, func(c *client) { c.Spec.TokenExchange.SubjectTokenType += "x" }},
		"who logs in":           {login, func(c *client) { c.Spec.AuthorizationCode.Actor = egainv1alpha1.ActorCustomer }},
		"the redirect URL":      {login, func(c *client) { c.Spec.AuthorizationCode.RedirectURL += "x" }},

		// A token for the wrong person: the version of a Secret does not change with the key that is read of it, and a
		// ServiceAccount has none.
		"the key of the client id":     {crowded, func(c *client) { c.Spec.CredentialsSecretRef.ClientIDKey += "x" }},
		"the key of the client secret": {crowded, func(c *client) { c.Spec.CredentialsSecretRef.ClientSecretKey += "x" }},
		"no credentials":               {crowded, func(c *client) { c.Spec.CredentialsSecretRef = nil }},
		"the key of the subject token": {exchange, func(c *client) { c.Spec.TokenExchange.SubjectToken.SecretKeyRef.Key += "x" }},
		"the ServiceAccount":           {minted, func(c *client) { c.Spec.TokenExchange.SubjectToken.ServiceAccountToken.Name += "x" }},
		"the audience":                 {minted, func(c *client) { c.Spec.TokenExchange.SubjectToken.ServiceAccountToken.Audience += "x" }},
		"the Secret of the session":    {login, func(c *client) { c.Spec.AuthorizationCode.SessionSecretRef.Name += "x" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := clientFrom(t, tc.spec), clientFrom(t, tc.spec)
			tc.change(after)
			if idOf(before) == idOf(after) {
				t.Error("the ID stayed the same")
			}
		})
	}
	ec := clientFrom(t, crowded)
	for name, e := range map[string]oauth.Endpoints{
		"the token URL": {TokenURL: someEndpoints.TokenURL + "?a=b", ScopePrefix: someEndpoints.ScopePrefix},
		"the prefix":    {TokenURL: someEndpoints.TokenURL, ScopePrefix: "https://q.example/"},
	} {
		if For(ec).Address(e).ID() == idOf(ec) {
			t.Errorf("%s: the ID stayed the same", name)
		}
	}
}

func TestRequest_HoldsTheSecretsItIsGiven(t *testing.T) {
	t.Parallel()
	credentials := oauth.Credentials{ClientID: "app", ClientSecret: "hush"}
	exchanged := For(clientFrom(t, exchange)).Address(someEndpoints).Complete(Secrets{Credentials: credentials, SubjectToken: "foreign"})
	if exchanged.Credentials != credentials || exchanged.Exchange.SubjectToken != "foreign" || exchanged.TokenURL != someEndpoints.TokenURL {
		t.Errorf("got %+v", exchanged)
	}
	refreshed := For(clientFrom(t, login)).Address(someEndpoints).Complete(Secrets{Session: oauth.Session{RefreshToken: "refresh"}})
	want := oauth.Session{RefreshToken: "refresh", RedirectURL: "http://127.0.0.1:8765/callback"}
	if refreshed.Session != want {
		t.Errorf("got %+v", refreshed.Session)
	}
	if diff := cmp.Diff([]string{"https://p.example/a"}, refreshed.Scopes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRequestIDIsTheSameForATenantInlineAndShared(t *testing.T) {
	t.Parallel()
	inline, shared := clientFrom(t, crowded), clientFrom(t, crowded)
	shared.Spec.Tenant, shared.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "production"}
	shared.Spec.Target, shared.Spec.Renewal = egainv1alpha1.Target{}, nil
	if idOf(inline) != idOf(shared) {
		t.Error("the id changed")
	}
}
