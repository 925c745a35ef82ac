package oauth

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// shelf answers with documents by URL, and records what was asked for. What is not there is not found.
type shelf struct {
	documents map[string]string
	asked     []string
}

func (s *shelf) read(_ context.Context, at Place) (*Document, error) {
	s.asked = append(s.asked, at.URL)
	body, ok := s.documents[at.URL]
	if !ok {
		return nil, fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "%s answered HTTP 404 for the %s", host(at.URL), at.Kind)
	}
	return at.parse([]byte(body), host(at.URL))
}

// golden is a document of testdata/egain.
func golden(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "egain", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The addresses of the golden documents.
const (
	acme         = "https://acme.egain.cloud"
	acmeInfo     = acme + "/system/deploymentInfo"
	selfAPI      = "https://api.ai.egain.cloud"
	selfTenant   = selfAPI + "/core/authmgr/v3/metadata/tenant/TMPRODB88619984"
	americasAPI  = "https://api.egain.cloud"
	americas     = americasAPI + "/core/authmgr/v3/metadata/tenant/TMPRODC30000002"
	deployment   = americasAPI + "/core/authmgr/v3/metadata/deployment"
	emeaAPI      = "https://api-emea.egain.cloud"
	emea         = emeaAPI + "/core/authmgr/v3/metadata/deployment"
	gateway      = "https://login.egain.cloud/f51302dd-7036-41b5-b619-e1a52a67c780/"
	onBehalf     = "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type="
	metadataPath = "/core/authmgr/v3/metadata/"
)

// roles are the flows by the actor that they are of.
var roles = map[string]struct {
	flow    Flow
	subject Subject
}{
	"client":               {ClientCredentials, anybody},
	"user":                 {AuthorizationCode, Subject{Actor: ActorUser}},
	"exchange":             {TokenExchange, anybody},
	"customer":             {AuthorizationCode, shopper},
	"anonymousCustomer":    {AnonymousCustomer, anybody},
	"on behalf of a user":  {OnBehalfOf, user},
	"on behalf of someone": {OnBehalfOf, customer},
}

// outcome is what a role gets: URLs and prefix, or the beginning of the failure's message.
type outcome struct{ token, source, login, prefix, failure string }

func outcomes(t *testing.T, tenant Tenant, s *shelf) map[string]outcome {
	t.Helper()
	got := map[string]outcome{}
	for name, role := range roles {
		d, err := tenant.Discover(t.Context(), s.read, ActorOf(role.flow, role.subject))
		var e Endpoints
		if err == nil {
			e, err = Resolve(tenant, d, role.flow, role.subject)
		}
		if err != nil {
			if fault.Of(err) == nil {
				t.Errorf("%s: %v is not classified", name, err)
			}
			got[name] = outcome{failure: fault.Of(err).Reason + ": " + err.Error()}
			continue
		}
		got[name] = outcome{token: e.TokenURL, source: string(e.Source), login: e.AuthorizationURL, prefix: e.ScopePrefix}
	}
	return got
}

func TestDiscoverySelfService(t *testing.T) {
	t.Parallel()
	s := &shelf{documents: map[string]string{acmeInfo: golden(t, "deploymentinfo-selfservice"), selfTenant: golden(t, "metadata-selfservice")}}
	want := map[string]outcome{
		"client":               {selfServiceUser, "Derived", "", "", ""},
		"user":                 {selfServiceUser, "Metadata", selfServiceUserLogin, "", ""},
		"exchange":             {selfServiceUser, "Metadata", "", "", ""},
		"customer":             {selfServiceCustomer, "Metadata", selfServiceCustomerLogin, "", ""},
		"anonymousCustomer":    {selfServiceAnyone, "Metadata", "", "", ""},
		"on behalf of a user":  {selfServiceUser, "Metadata", "", "", ""},
		"on behalf of someone": {selfServiceCustomer, "Metadata", "", "", ""},
	}
	got := outcomes(t, Tenant{URL: acme}, s)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, asked := range s.asked {
		if asked != acmeInfo && asked != selfTenant {
			t.Errorf("asked for %s, which nothing needs", asked)
		}
	}
}

func TestDiscoveryCommercial(t *testing.T) {
	t.Parallel()
	s := &shelf{documents: map[string]string{
		acmeInfo: golden(t, "deploymentinfo-americas"), americas: golden(t, "metadata-americas"), deployment: golden(t, "metadata-deployment"),
	}}
	const prefix = "https://api.egain.cloud/auth/"
	users, customers := gateway+"B2C_1A_User_V3_SignIn_OIDC/oauth2/v2.0/", gateway+"B2C_1A_Customer_SignIn/oauth2/v2.0/"
	want := map[string]outcome{
		"client":   {"https://login.egain.cloud/global/f51302dd-7036-41b5-b619-e1a52a67c780/oauth2/v2.0/token", "Derived", "", prefix, ""},
		"user":     {users + "token", "Metadata", users + "authorize", prefix + "int/", ""},
		"exchange": {users + "token", "Metadata", "", prefix + "int/", ""},
		"customer": {customers + "token", "Metadata", customers + "authorize", prefix + "ext/", ""},
		// The entry is the deployment's, the prefix the tenant's.
		"anonymousCustomer": {
			"https://login.egain.cloud/internal/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=TMPRODC30000002", "Metadata", "", prefix + "anonymous/", "",
		},
		"on behalf of a user":  {americasAPI + onBehalf + "user", "Derived", "", prefix, ""},
		"on behalf of someone": {americasAPI + onBehalf + "customer", "Derived", "", prefix, ""},
	}
	if diff := cmp.Diff(want, outcomes(t, Tenant{URL: acme}, s), cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Only anonymous customers need the deployment's document, so that its failure is theirs alone.
	delete(s.documents, deployment)
	s.asked = nil
	want["anonymousCustomer"] = outcome{failure: "MetadataUnavailable: api.egain.cloud answered HTTP 404 for the metadata document: check that the deployment serves anonymous customers, or set spec.tenant.endpoints.tokenURL"}
	if diff := cmp.Diff(want, outcomes(t, Tenant{URL: acme}, s), cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("without the deployment's document (-want +got):\n%s", diff)
	}
	if n := strings.Count(strings.Join(s.asked, " "), deployment); n != 1 {
		t.Errorf("the deployment's document was asked for %d times, want once", n)
	}
}

func TestDiscoveryWithoutATenantID(t *testing.T) {
	t.Parallel()
	s := &shelf{documents: map[string]string{acmeInfo: golden(t, "deploymentinfo-shared"), emea: golden(t, "metadata-deployment")}}
	got := outcomes(t, Tenant{URL: acme}, s)
	if login := got["user"].login; login != gateway+"B2C_1A_User_V3_SignIn_OIDC/oauth2/v2.0/authorize" {
		t.Errorf("users log in at %s: the hints of a deployment's document are another tenant's", login)
	}
	const unfilled = "EndpointInvalid: the metadata document of api-emea.egain.cloud names a token URL with <DOMAIN_NAME>, which stands for the tenant's id, and the id is unknown: set spec.tenant.id"
	if got["anonymousCustomer"].failure != unfilled {
		t.Errorf("anonymous customers: %q", got["anonymousCustomer"].failure)
	}
	const missing = "EndpointInvalid: the metadata document of api-emea.egain.cloud has no token URL for this flow (actor Customer): set spec.tenant.endpoints.tokenURL"
	if got["customer"].failure != missing {
		t.Errorf("customers: %q", got["customer"].failure)
	}
	// With the id in the spec it is the tenant's document that decides.
	s = &shelf{documents: map[string]string{acmeInfo: golden(t, "deploymentinfo-shared"), emeaAPI + metadataPath + "tenant/T1": golden(t, "metadata-deployment")}}
	got = outcomes(t, Tenant{URL: acme, ID: "T1"}, s)
	if want := "https://login.egain.cloud/internal/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=T1"; got["anonymousCustomer"].token != want {
		t.Errorf("anonymous customers: %+v", got["anonymousCustomer"])
	}
}

func TestDiscoveryOfHostsOfAnotherSite(t *testing.T) {
	t.Parallel()
	documents := map[string]string{acmeInfo: golden(t, "deploymentinfo-americas"), americas: golden(t, "metadata-elsewhere"), deployment: golden(t, "metadata-deployment")}
	const (
		prefix  = "https://api.egain.cloud/auth/"
		b2c     = "https://acmeint.b2clogin.com/acmeint.onmicrosoft.com/B2C_1A_User/oauth2/v2.0/"
		shops   = "https://login.egain.cloud/0e1f/B2C_1A_Customer/oauth2/v2.0/"
		refused = "EndpointRefused: the metadata document of api.egain.cloud names a token URL on acmeint.b2clogin.com, a host of another site: if it is right, add it to EgainTenant.spec.trustedHosts, or set the URL in spec.tenant.endpoints"
	)
	want := map[string]outcome{
		"client":   {"https://login.egain.cloud/global/0e1f/oauth2/v2.0/token", "Metadata", "", prefix, ""},
		"user":     {failure: refused},
		"exchange": {failure: refused},
		"customer": {shops + "token", "Metadata", shops + "authorize", "https://acmeext.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000002/", ""},
		"anonymousCustomer": {
			"https://login.egain.cloud/internal/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=TMPRODC30000002", "Metadata", "", prefix, "",
		},
		"on behalf of a user":  {americasAPI + onBehalf + "user&tenantId=TMPRODC30000002", "Metadata", "", prefix, ""},
		"on behalf of someone": {americasAPI + onBehalf + "customer&tenantId=TMPRODC30000002", "Metadata", "", prefix, ""},
	}
	if diff := cmp.Diff(want, outcomes(t, Tenant{URL: acme}, &shelf{documents: documents}), cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	trusting := Tenant{URL: acme, TrustedHosts: []string{"acmeint.b2clogin.com"}}
	agents := outcome{b2c + "token", "Metadata", b2c + "authorize", "https://acmeint.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000001/", ""}
	want["user"], want["exchange"] = agents, agents
	exchange := agents
	exchange.login = ""
	want["exchange"] = exchange
	if diff := cmp.Diff(want, outcomes(t, trusting, &shelf{documents: documents}), cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("with the host trusted (-want +got):\n%s", diff)
	}
	// A client application has no token endpoint at an identity provider of its users.
	documents[americas] = strings.Replace(strings.Replace(documents[americas], "oAuthClient", "x", 1), "oAuthCustomer", "y", 1)
	got := outcomes(t, trusting, &shelf{documents: documents})["client"]
	if !strings.HasPrefix(got.failure, "EndpointInvalid: the metadata document of api.egain.cloud has no token URL for this flow (actor Client)") {
		t.Errorf("the client application gets %+v", got)
	}
}

// TestDiscoveryStaysWithinItsSite holds that trust is for the hosts listed, and for no host that those name or that is beside
// them.
func TestDiscoveryStaysWithinItsSite(t *testing.T) {
	t.Parallel()
	native := func(tokenURL string) string {
		return `{"authenticationDetails":{"oAuthUser":[{"accessTokenURL":"` + tokenURL + `"}]}}`
	}
	for name, tc := range map[string]struct {
		tenant   Tenant
		tokenURL string
		refused  string // host; "" if it is fine
	}{
		"a sibling under a domain that anyone rents names of": {Tenant{MetadataURL: "https://acmeint.b2clogin.com/m"}, "https://other.b2clogin.com/t", "other.b2clogin.com"},
		"the same host there":                                       {Tenant{MetadataURL: "https://acmeint.b2clogin.com/m"}, "https://acmeint.b2clogin.com/t", ""},
		"a host below the same host there":                          {Tenant{MetadataURL: "https://acme.eu.auth0.com/m"}, "https://x.acme.eu.auth0.com/t", "x.acme.eu.auth0.com"},
		"a sibling at another identity provider":                    {Tenant{MetadataURL: "https://acme.okta.com/m"}, "https://evil.okta.com/t", "evil.okta.com"},
		"a sibling under a private entry of the public suffix list": {Tenant{MetadataURL: "https://a.b.github.io/m"}, "https://c.b.github.io/t", "c.b.github.io"},
		"a sibling under a public suffix":                           {Tenant{MetadataURL: "https://acme.co.uk/m"}, "https://evil.co.uk/t", "evil.co.uk"},
		"a sibling of a trusted host":                               {Tenant{MetadataURL: "https://acme.egain.cloud/m", TrustedHosts: []string{"login.partner.example"}}, "https://api.partner.example/t", "api.partner.example"},
		"a host below a trusted host":                               {Tenant{MetadataURL: "https://acme.egain.cloud/m", TrustedHosts: []string{"partner.example"}}, "https://x.partner.example/t", "x.partner.example"},
		"a trusted host in capitals":                                {Tenant{MetadataURL: "https://acme.egain.cloud/m", TrustedHosts: []string{"Login.Partner.example"}}, "https://LOGIN.partner.example/t", ""},
		"another name of this machine":                              {Tenant{MetadataURL: "https://localhost:1/m"}, "https://127.0.0.1:2/t", ""},
		"another address of this machine":                           {Tenant{MetadataURL: "https://localhost:1/m"}, "https://127.0.0.2:1/t", "127.0.0.2"},
		"a host in other letters":                                   {Tenant{MetadataURL: "https://acme.egain.cloud/m"}, "https://ｌogin.egain.cloud/t", `plain https URL`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{documents: map[string]string{tc.tenant.MetadataURL: native(tc.tokenURL)}}
			got := outcomes(t, tc.tenant, s)["exchange"]
			if tc.refused == "" {
				if got.token != tc.tokenURL {
					t.Errorf("got %+v", got)
				}
				return
			}
			if !strings.HasPrefix(got.failure, "EndpointRefused") || !strings.Contains(got.failure, tc.refused) || strings.Contains(got.failure, "--allowed-hosts") {
				t.Errorf("got %+v, want a refusal of %s", got, tc.refused)
			}
		})
	}
	// A document on a trusted host begins no site of its own.
	trusting := Tenant{URL: acme, TrustedHosts: []string{"api.partner.example"}}
	s := &shelf{documents: map[string]string{
		acmeInfo: `{"apiDomain":"api.partner.example","tenantId":"T1"}`,
		"https://api.partner.example" + metadataPath + "tenant/T1": native("https://login.partner.example/t"),
	}}
	if got := outcomes(t, trusting, s)["exchange"]; !strings.Contains(got.failure, "names a token URL on login.partner.example") {
		t.Errorf("a sibling of the trusted host that serves the document: %+v", got)
	}
}

func TestDiscoveryOfBrokenDocuments(t *testing.T) {
	t.Parallel()
	info := `{"apiDomain":"api.ai.egain.cloud","tenantId":"TMPRODB88619984"}`
	user := func(entry string) string {
		return `{"authenticationDetails":{"oAuthUser":` + entry + `,"oAuthCustomer":[{"accessTokenURL":"` + selfServiceCustomer + `"}]}}`
	}
	const (
		checkURL = ": check that EgainTenant.spec.url is the address at which people open eGain, or set EgainTenant.spec.metadataURL"
		noUser   = "EndpointInvalid: the metadata document of api.ai.egain.cloud has no token URL for this flow (actor User): set spec.tenant.endpoints.tokenURL"
	)
	for name, tc := range map[string]struct {
		tenant         Tenant
		info, metadata string
		want           string // for a user
	}{
		"the address answers a page":       {Tenant{URL: acme}, "\n<!DOCTYPE html>", "", "MetadataUnavailable: the document /system/deploymentInfo of acme.egain.cloud is an HTML or XML page, not a JSON object" + checkURL},
		"the address answers nothing":      {Tenant{URL: acme}, " ", "", "MetadataUnavailable: the document /system/deploymentInfo of acme.egain.cloud is empty" + checkURL},
		"the address answers a list":       {Tenant{URL: acme}, "[]", "", "MetadataUnavailable: the document /system/deploymentInfo of acme.egain.cloud is not a JSON object" + checkURL},
		"no apiDomain":                     {Tenant{URL: acme}, `{"tenantId":"T"}`, "", "EndpointInvalid: acme.egain.cloud names no apiDomain: set EgainTenant.spec.endpoints.apiURL"},
		"an apiDomain of another type":     {Tenant{URL: acme}, `{"tenantId":"T","apiDomain":7}`, "", "EndpointInvalid: acme.egain.cloud names no apiDomain: set EgainTenant.spec.endpoints.apiURL"},
		"an apiDomain with http":           {Tenant{URL: acme}, `{"apiDomain":"http://api.egain.cloud"}`, "", "EndpointInvalid: the apiDomain that acme.egain.cloud names is not an https host of the same port: set EgainTenant.spec.endpoints.apiURL"},
		"an apiDomain with a user":         {Tenant{URL: acme}, `{"apiDomain":"u@api.egain.cloud"}`, "", "EndpointInvalid: the apiDomain that"},
		"an apiDomain with a path":         {Tenant{URL: acme}, `{"apiDomain":"api.egain.cloud/x"}`, "", "EndpointInvalid: the apiDomain that"},
		"an apiDomain with a query":        {Tenant{URL: acme}, `{"apiDomain":"api.egain.cloud?x"}`, "", "EndpointInvalid: the apiDomain that"},
		"an apiDomain with another port":   {Tenant{URL: acme}, `{"apiDomain":"api.egain.cloud:8443"}`, "", "EndpointInvalid: the apiDomain that"},
		"an apiDomain that is no host":     {Tenant{URL: acme}, `{"apiDomain":"<API_DOMAIN>"}`, "", "EndpointInvalid: the apiDomain that"},
		"an apiDomain of another site":     {Tenant{URL: acme}, `{"apiDomain":"api.evil.example"}`, "", "EndpointRefused: acme.egain.cloud names the apiDomain api.evil.example, a host of another site: if it is right, add it to EgainTenant.spec.trustedHosts, or set EgainTenant.spec.endpoints.apiURL"},
		"another tenant than the spec's":   {Tenant{URL: acme, ID: "T9"}, info, "", "TenantMismatch: acme.egain.cloud is the address of another tenant than EgainTenant.spec.id: correct EgainTenant.spec.url or the id, or remove the id"},
		"a tenantId that is none":          {Tenant{URL: acme}, `{"apiDomain":"api.egain.cloud","tenantId":"../x"}`, "", "EndpointInvalid: the tenantId that acme.egain.cloud names is not the id of a tenant: set EgainTenant.spec.metadataURL"},
		"no metadata":                      {Tenant{URL: acme}, info, "", "MetadataUnavailable: api.ai.egain.cloud answered HTTP 404 for the metadata document: check EgainTenant.spec.url and EgainTenant.spec.id, or set EgainTenant.spec.metadataURL"},
		"metadata that are a page":         {Tenant{URL: acme}, info, "<html>", "MetadataUnavailable: the metadata document of api.ai.egain.cloud is an HTML or XML page, not a JSON object: check EgainTenant.spec.url and EgainTenant.spec.id, or set EgainTenant.spec.metadataURL"},
		"metadata without an endpoint":     {Tenant{URL: acme}, info, `{"authenticationDetails":{"oAuthUser":[{}]}}`, "MetadataUnavailable: the metadata document of api.ai.egain.cloud names no endpoint: check EgainTenant.spec.url and EgainTenant.spec.id, or set EgainTenant.spec.metadataURL"},
		"no oAuthUser":                     {Tenant{URL: acme}, info, user("null"), noUser},
		"an empty array":                   {Tenant{URL: acme}, info, user("[]"), noUser},
		"an array of strings":              {Tenant{URL: acme}, info, user(`["https://ai.egain.cloud/t"]`), noUser},
		"an object instead of an array":    {Tenant{URL: acme}, info, user(`{"accessTokenURL":"https://ai.egain.cloud/t"}`), noUser},
		"authURL only":                     {Tenant{URL: acme}, info, user(`[{"authURL":"https://ai.egain.cloud/a"}]`), noUser},
		"a token URL of plain HTTP":        {Tenant{URL: acme}, info, user(`[{"accessTokenURL":"http://ai.egain.cloud/t"}]`), "EndpointRefused: the metadata document of api.ai.egain.cloud names a token URL that is not a plain https URL: set it in spec.tenant.endpoints"},
		"a placeholder of documentation":   {Tenant{URL: acme}, info, user(`[{"accessTokenURL":"https://ai.egain.cloud/GATEWAY_ID/t"}]`), "EndpointInvalid: the metadata document of api.ai.egain.cloud names a token URL with the placeholder GATEWAY_ID: set the URL in spec.tenant.endpoints"},
		"a placeholder in the spec's url":  {Tenant{URL: "https://TENANT_NAME.egain.cloud"}, info, "", "EndpointInvalid: the spec has a url with the placeholder TENANT_NAME: replace it with the tenant's own value"},
		"a placeholder in the metadataURL": {Tenant{MetadataURL: selfAPI + metadataPath + "tenant/<TENANT>"}, "", "", `EndpointInvalid: the spec has a metadataURL with the placeholder "<": replace it with the tenant's own value`},
		"a placeholder in the token URL":   {Tenant{TokenURL: "https://login.egain.cloud/GATEWAY_ID/p/token"}, "", "", "EndpointInvalid: the spec has a token URL with the placeholder GATEWAY_ID: replace it with the tenant's own value"},
		"a prefix with a space": {
			Tenant{URL: acme},
			info, `{"authenticationDetails":{"oAuthUser":[{"accessTokenURL":"` + selfServiceUser + `"}]},"apiMetadata":{"CORE":{"iApiPermissionPrefix":"a b/"}}}`,
			"EndpointInvalid: the metadata document of api.ai.egain.cloud has an API permission prefix with characters that no scope may contain: set spec.tenant.scopePrefix",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{documents: map[string]string{acmeInfo: tc.info}}
			if tc.metadata != "" {
				s.documents[selfTenant] = tc.metadata
			}
			var got error
			d, err := Discovery{}, error(nil)
			if tc.tenant.Discovers() {
				d, err = tc.tenant.Discover(t.Context(), s.read, ActorUser)
			}
			if got = err; err == nil {
				_, got = Resolve(tc.tenant, d, TokenExchange, anybody)
			}
			if got == nil {
				t.Fatalf("no failure, want %q", tc.want)
			}
			if said := fault.Of(got).Reason + ": " + got.Error(); !strings.HasPrefix(said, tc.want) {
				t.Errorf("got  %q\nwant %q", said, tc.want)
			}
		})
	}
	// What is wrong with users is theirs alone.
	s := &shelf{documents: map[string]string{acmeInfo: info, selfTenant: user(`[{"accessTokenURL":"https://evil.example/t"}]`)}}
	got := outcomes(t, Tenant{URL: acme}, s)
	if got["client"].token != selfServiceUser || got["customer"].token != selfServiceCustomer || !strings.Contains(got["user"].failure, "evil.example") {
		t.Errorf("users on another site: %+v", got)
	}
}

func TestActorEndpointsWin(t *testing.T) {
	t.Parallel()
	s := &shelf{documents: map[string]string{acmeInfo: golden(t, "deploymentinfo-americas"), americas: golden(t, "metadata-americas")}}
	tenant := Tenant{
		URL: acme, RevocationURL: "https://login.egain.cloud/r", ScopePrefix: "all/",
		Actors: map[Actor]ActorEndpoints{
			ActorClient: {TokenURL: "https://other.example/t", ScopePrefix: "own/"}, ActorUser: {AuthorizationURL: "https://other.example/a", RevocationURL: "https://other.example/r"},
		},
	}
	got := outcomes(t, tenant, s)
	if got["client"] != (outcome{"https://other.example/t", "Spec", "", "own/", ""}) {
		t.Errorf("the client application gets %+v", got["client"])
	}
	if u := got["user"]; u.login != "https://other.example/a" || u.prefix != "all/" || u.source != "Metadata" {
		t.Errorf("a user gets %+v", u)
	}
	d, err := tenant.Discover(t.Context(), s.read)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Resolve(tenant, d, AuthorizationCode, anybody)
	if err != nil || e.RevocationURL != "https://other.example/r" || e.APIURL != americasAPI || e.DomainHint != "shop.egain.cloud" {
		t.Errorf("a user gets %+v, %v", e, err)
	}
	want := Sources{AuthorizationURL: SourceSpec, RevocationURL: SourceSpec, APIURL: SourceMetadata, ScopePrefix: SourceSpec}
	if e.Sources != want {
		t.Errorf("sources %+v, want %+v", e.Sources, want)
	}
	// Without a document, those without an entry have none.
	alone := Tenant{Actors: map[Actor]ActorEndpoints{ActorClient: {TokenURL: "https://other.example/t"}}}
	if e, err := Resolve(alone, Discovery{}, ClientCredentials, anybody); err != nil || e.TokenURL != "https://other.example/t" || e.APIURL != "" {
		t.Errorf("the client application gets %+v, %v", e, err)
	}
	if _, err := Resolve(alone, Discovery{}, TokenExchange, anybody); err == nil {
		t.Error("a user has endpoints that nothing names")
	}
}

func TestTheMetadataURLOfATenantAlone(t *testing.T) {
	t.Parallel()
	tenant := Tenant{MetadataURL: selfTenant}
	s := &shelf{documents: map[string]string{selfTenant: golden(t, "metadata-selfservice")}}
	got := outcomes(t, tenant, s)
	if got["anonymousCustomer"].token != selfServiceAnyone {
		t.Errorf("the tenant's id in the URL does not fill %s: %+v", domainName, got["anonymousCustomer"])
	}
	d, err := tenant.Discover(t.Context(), s.read, ActorClient)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := Resolve(tenant, d, ClientCredentials, anybody); err != nil || e.APIURL != selfAPI {
		t.Errorf("got %+v, %v: the API is where the document is", e, err)
	}
}

func TestAnExplicitAPIURLReplacesTheAPIDomain(t *testing.T) {
	t.Parallel()
	s := &shelf{documents: map[string]string{acmeInfo: `{"apiDomain":"api.evil.example","tenantId":"TMPRODB88619984"}`, selfTenant: golden(t, "metadata-selfservice")}}
	tenant := Tenant{URL: acme, APIURL: selfAPI + "/base/"}
	d, err := tenant.Discover(t.Context(), s.read, ActorClient)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Resolve(tenant, d, ClientCredentials, anybody)
	if err != nil || e.APIURL != selfAPI+"/base" || e.TokenURL != selfServiceUser {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestEndpointsThatATokenDoesNotNeed(t *testing.T) {
	t.Parallel()
	const document = `{"token_endpoint":"https://ai.egain.cloud/t","authorization_endpoint":"https://a.evil.example","revocation_endpoint":"https://r.evil.example","api_domain":"api.evil.example"}`
	m, err := ParseMetadata([]byte(document), selfServiceURL)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Resolve(Tenant{MetadataURL: selfServiceURL}, Discovery{Metadata: m, MetadataURL: selfServiceURL}, AuthorizationCode, anybody)
	if err != nil || e.TokenURL != "https://ai.egain.cloud/t" || e.AuthorizationURL+e.RevocationURL+e.APIURL != "" {
		t.Errorf("got %+v, %v", e, err)
	}
	_, errLogin := e.LoginURL(aUser())
	for host, err := range map[string]error{"a.evil.example": errLogin, "r.evil.example": e.Unusable.RevocationURL, "api.evil.example": e.Unusable.APIURL} {
		if f := fault.Of(err); f == nil || f.Reason != fault.ReasonEndpointRefused || !strings.Contains(f.Message, "on "+host+",") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := Resolve(Tenant{MetadataURL: selfServiceURL}, Discovery{Metadata: m, MetadataURL: selfServiceURL}, OnBehalfOf, user); err == nil || !strings.Contains(err.Error(), "api.evil.example") {
		t.Errorf("a flow that needs the API domain: %v", err)
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://ai.egain.cloud/system/auth/TMPRODB88619984-U/oauth2/token": "",
		"https://login.egain.cloud/<GATEWAY_ID>/p/token":                    `"<"`,
		"https://login.egain.cloud/%3CGATEWAY_ID%3E/p/token":                `"<"`,
		"https://login.egain.cloud/{gateway}/p/token":                       `"{"`,
		"https://login.egain.cloud/${gateway}/token":                        `"{"`,
		"https://login.egain.cloud/GATEWAY_ID/p/token":                      "GATEWAY_ID",
		"https://login.egain.cloud/gateway_id/p/token":                      "GATEWAY_ID",
		"https://LOGIN_DOMAIN/token":                                        "LOGIN_DOMAIN",
		"https://domain_name.egain.cloud/token":                             "DOMAIN_NAME",
		"https://login.egain.cloud/t?domain_hint=TENANT_ID":                 "TENANT_ID",
		"https://login.egain.cloud/t?tenant_id=T1":                          "",
		"https://login.egain.cloud/MY_GATEWAY_ID_1/token":                   "",
	} {
		if got := placeholderIn(raw); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}
