package oauth

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const tenantID = "TMPRODB88619984"

// The URLs that eGain documents, per platform and actor.
const (
	selfServiceUser     = "https://ai.egain.cloud/system/auth/TMPRODB88619984-U/oauth2/token"
	selfServiceCustomer = "https://ai.egain.cloud/system/auth/TMPRODB88619984-C/oauth2/token"
	selfServiceAnyone   = "https://api.ai.egain.cloud/core/authmgr/v3/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=TMPRODB88619984"
	commercialUser      = "https://login.egain.cloud/gw1/B2C_1_users/oauth2/v2.0/token"
	commercialCustomer  = "https://login.egain.cloud/gw1/B2C_1_customers/oauth2/v2.0/token"
	commercialClient    = "https://login.egain.cloud/global/gw1/oauth2/v2.0/token"
	commercialAnyone    = "https://login.egain.cloud/internal/oauth2/v2.0/anonymous/token?user_type=customer"

	selfServiceUserLogin     = "https://ai.egain.cloud/system/auth/TMPRODB88619984-U/oauth2/authorize"
	selfServiceCustomerLogin = "https://ai.egain.cloud/system/auth/TMPRODB88619984-C/oauth2/authorize"
	commercialUserLogin      = "https://login.egain.cloud/gw1/B2C_1_users/oauth2/v2.0/authorize"
	commercialCustomerLogin  = "https://login.egain.cloud/gw1/B2C_1_customers/oauth2/v2.0/authorize"
)

var (
	user     = Subject{Username: "agent.smith"}
	userByID = Subject{UserID: "1001"}
	customer = Subject{Email: "jo@example.com"}
	anybody  = Subject{}
	shopper  = Subject{Actor: ActorCustomer}
)

func selfServiceMetadata() *Metadata {
	return &Metadata{
		Any: ActorMetadata{APIURL: "https://api.ai.egain.cloud/"},
		Actors: map[Actor]ActorMetadata{
			ActorClient:   {TokenURL: selfServiceUser},
			ActorUser:     {TokenURL: selfServiceUser, AuthorizationURL: selfServiceUserLogin},
			ActorCustomer: {TokenURL: selfServiceCustomer, AuthorizationURL: selfServiceCustomerLogin},
		},
	}
}

func commercialMetadata() *Metadata {
	return &Metadata{
		Any: ActorMetadata{APIURL: "https://api.egain.cloud", ScopePrefix: "https://api.egain.cloud/auth/", RevocationURL: "https://login.egain.cloud/revoke"},
		Actors: map[Actor]ActorMetadata{
			ActorClient:   {TokenURL: commercialClient},
			ActorUser:     {TokenURL: commercialUser, AuthorizationURL: commercialUserLogin},
			ActorCustomer: {TokenURL: commercialCustomer, AuthorizationURL: commercialCustomerLogin},
		},
	}
}

// everyFlow is each flow with each kind of subject.
var everyFlow = map[string]struct {
	flow    Flow
	subject Subject
}{
	"ClientCredentials":        {ClientCredentials, anybody},
	"AnonymousCustomer":        {AnonymousCustomer, anybody},
	"OnBehalfOf a user":        {OnBehalfOf, user},
	"OnBehalfOf a user by id":  {OnBehalfOf, userByID},
	"OnBehalfOf a customer":    {OnBehalfOf, customer},
	"TokenExchange for a user": {TokenExchange, anybody},
}

func TestResolve(t *testing.T) {
	t.Parallel()
	type endpoint struct {
		url    string
		source Source
	}
	metadata, derived, spec := SourceMetadata, SourceDerived, SourceSpec
	const explicit = "https://login.egain.cloud/t?user_type=user&tenantId=T%201&x"
	tests := map[string]struct {
		tenant   Tenant
		document *Metadata
		rest     Endpoints // all but the token URL and its source
		want     map[string]endpoint
	}{
		"self-service, from the tenant's id": {
			tenant: Tenant{ID: tenantID},
			rest:   Endpoints{APIURL: "https://api.ai.egain.cloud"},
			want: map[string]endpoint{
				"ClientCredentials":        {selfServiceUser, derived},
				"AnonymousCustomer":        {selfServiceAnyone, derived},
				"OnBehalfOf a user":        {selfServiceUser, derived},
				"OnBehalfOf a user by id":  {selfServiceUser, derived},
				"OnBehalfOf a customer":    {selfServiceCustomer, derived},
				"TokenExchange for a user": {selfServiceUser, derived},
			},
		},
		"self-service, from metadata by actor": {
			tenant:   Tenant{ID: tenantID, MetadataURL: selfServiceURL},
			document: selfServiceMetadata(),
			rest:     Endpoints{APIURL: "https://api.ai.egain.cloud"}, // without the slash, since paths are appended to it
			want: map[string]endpoint{
				"ClientCredentials":        {selfServiceUser, metadata},
				"AnonymousCustomer":        {selfServiceAnyone, derived},
				"OnBehalfOf a user":        {selfServiceUser, metadata},
				"OnBehalfOf a user by id":  {selfServiceUser, metadata},
				"OnBehalfOf a customer":    {selfServiceCustomer, metadata},
				"TokenExchange for a user": {selfServiceUser, metadata},
			},
		},
		"self-service, from flat metadata of a user": {
			tenant:   Tenant{ID: tenantID, MetadataURL: selfServiceURL},
			document: &Metadata{Any: ActorMetadata{TokenURL: selfServiceUser + "?a=1&b=%20", APIURL: "https://api.ai.egain.cloud"}},
			rest:     Endpoints{APIURL: "https://api.ai.egain.cloud"},
			want: map[string]endpoint{
				"ClientCredentials":        {selfServiceUser + "?a=1&b=%20", metadata},
				"AnonymousCustomer":        {selfServiceAnyone, derived},
				"OnBehalfOf a user":        {selfServiceUser + "?a=1&b=%20", metadata},
				"OnBehalfOf a user by id":  {selfServiceUser + "?a=1&b=%20", metadata},
				"OnBehalfOf a customer":    {selfServiceCustomer + "?a=1&b=%20", derived},
				"TokenExchange for a user": {selfServiceUser + "?a=1&b=%20", metadata},
			},
		},
		"commercial, from metadata by actor": {
			tenant:   Tenant{MetadataURL: commercialURL},
			document: commercialMetadata(),
			rest: Endpoints{
				APIURL: "https://api.egain.cloud", ScopePrefix: "https://api.egain.cloud/auth/", RevocationURL: "https://login.egain.cloud/revoke",
			},
			want: map[string]endpoint{
				"ClientCredentials":        {commercialClient, metadata},
				"AnonymousCustomer":        {commercialAnyone, derived},
				"OnBehalfOf a user":        {"https://api.egain.cloud/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user", derived},
				"OnBehalfOf a user by id":  {"https://api.egain.cloud/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user", derived},
				"OnBehalfOf a customer":    {"https://api.egain.cloud/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=customer", derived},
				"TokenExchange for a user": {commercialUser, metadata},
			},
		},
		"commercial, from metadata, with parts of the spec": {
			tenant: Tenant{
				ID: "T 1", MetadataURL: commercialURL, APIURL: "https://api-eu.egain.cloud/", ScopePrefix: "p/", RevocationURL: "https://login.egain.cloud/r",
			},
			document: commercialMetadata(),
			rest:     Endpoints{APIURL: "https://api-eu.egain.cloud", ScopePrefix: "p/", RevocationURL: "https://login.egain.cloud/r"},
			want: map[string]endpoint{
				"ClientCredentials":        {commercialClient, metadata},
				"AnonymousCustomer":        {commercialAnyone + "&domain_hint=T+1", derived},
				"OnBehalfOf a user":        {"https://api-eu.egain.cloud/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user", derived},
				"OnBehalfOf a user by id":  {"https://api-eu.egain.cloud/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user", derived},
				"OnBehalfOf a customer":    {"https://api-eu.egain.cloud/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=customer", derived},
				"TokenExchange for a user": {commercialUser, metadata},
			},
		},
		"explicit, alone": {
			tenant: Tenant{TokenURL: explicit},
			want: map[string]endpoint{
				"ClientCredentials": {explicit, spec}, "AnonymousCustomer": {explicit, spec}, "OnBehalfOf a user": {explicit, spec},
				"OnBehalfOf a user by id": {explicit, spec}, "OnBehalfOf a customer": {explicit, spec}, "TokenExchange for a user": {explicit, spec},
			},
		},
		"explicit, before metadata and id": {
			tenant:   Tenant{ID: tenantID, MetadataURL: commercialURL, TokenURL: explicit},
			document: commercialMetadata(),
			rest: Endpoints{
				APIURL: "https://api.egain.cloud", ScopePrefix: "https://api.egain.cloud/auth/", RevocationURL: "https://login.egain.cloud/revoke",
			},
			want: map[string]endpoint{
				"ClientCredentials": {explicit, spec}, "AnonymousCustomer": {explicit, spec}, "OnBehalfOf a user": {explicit, spec},
				"OnBehalfOf a user by id": {explicit, spec}, "OnBehalfOf a customer": {explicit, spec}, "TokenExchange for a user": {explicit, spec},
			},
		},
		"derived, with an API of the spec": {
			tenant: Tenant{ID: tenantID, APIURL: "https://api.aidev.egain.cloud"},
			rest:   Endpoints{APIURL: "https://api.aidev.egain.cloud"},
			want: map[string]endpoint{
				"ClientCredentials":        {selfServiceUser, derived},
				"AnonymousCustomer":        {"https://api.aidev.egain.cloud/core/authmgr/v3/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=TMPRODB88619984", derived},
				"OnBehalfOf a user":        {selfServiceUser, derived},
				"OnBehalfOf a user by id":  {selfServiceUser, derived},
				"OnBehalfOf a customer":    {selfServiceCustomer, derived},
				"TokenExchange for a user": {selfServiceUser, derived},
			},
		},
		"derived, with an id that is no part of a path": {
			tenant: Tenant{ID: "a/b?c&d"},
			rest:   Endpoints{APIURL: "https://api.ai.egain.cloud"},
			want: map[string]endpoint{
				"ClientCredentials":        {"https://ai.egain.cloud/system/auth/a%2Fb%3Fc&d-U/oauth2/token", derived},
				"AnonymousCustomer":        {"https://api.ai.egain.cloud/core/authmgr/v3/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=a%2Fb%3Fc%26d", derived},
				"OnBehalfOf a user":        {"https://ai.egain.cloud/system/auth/a%2Fb%3Fc&d-U/oauth2/token", derived},
				"OnBehalfOf a user by id":  {"https://ai.egain.cloud/system/auth/a%2Fb%3Fc&d-U/oauth2/token", derived},
				"OnBehalfOf a customer":    {"https://ai.egain.cloud/system/auth/a%2Fb%3Fc&d-C/oauth2/token", derived},
				"TokenExchange for a user": {"https://ai.egain.cloud/system/auth/a%2Fb%3Fc&d-U/oauth2/token", derived},
			},
		},
	}
	for name, tc := range tests {
		for who, f := range everyFlow {
			t.Run(name+", "+who, func(t *testing.T) {
				t.Parallel()
				got, err := Resolve(tc.tenant, Discovery{Metadata: tc.document}, f.flow, f.subject)
				if err != nil {
					t.Fatalf("Resolve: %v", err)
				}
				want := tc.rest
				want.TokenURL, want.Source = tc.want[who].url, tc.want[who].source
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Endpoints{}, "Sources")); diff != "" {
					t.Errorf("endpoints (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestResolveForALogin(t *testing.T) {
	t.Parallel()
	type endpoint struct {
		token  string
		source Source
		login  string
	}
	tests := map[string]struct {
		tenant         Tenant
		document       *Metadata
		user, customer endpoint
	}{
		"self-service, from the tenant's id": {
			tenant:   Tenant{ID: tenantID},
			user:     endpoint{selfServiceUser, SourceDerived, selfServiceUserLogin},
			customer: endpoint{selfServiceCustomer, SourceDerived, selfServiceCustomerLogin},
		},
		"self-service, from metadata by actor": {
			tenant:   Tenant{MetadataURL: selfServiceURL},
			document: selfServiceMetadata(),
			user:     endpoint{selfServiceUser, SourceMetadata, selfServiceUserLogin},
			customer: endpoint{selfServiceCustomer, SourceMetadata, selfServiceCustomerLogin},
		},
		"self-service, from flat metadata of a user, with queries": {
			tenant:   Tenant{MetadataURL: selfServiceURL},
			document: &Metadata{Any: ActorMetadata{TokenURL: selfServiceUser + "?a=1&b=%20", AuthorizationURL: selfServiceUserLogin + "?p=x"}},
			user:     endpoint{selfServiceUser + "?a=1&b=%20", SourceMetadata, selfServiceUserLogin + "?p=x"},
			customer: endpoint{selfServiceCustomer + "?a=1&b=%20", SourceDerived, selfServiceCustomerLogin + "?p=x"},
		},
		"self-service, from flat metadata of a customer": {
			tenant:   Tenant{MetadataURL: selfServiceURL},
			document: &Metadata{Any: ActorMetadata{TokenURL: selfServiceCustomer, AuthorizationURL: selfServiceCustomerLogin}},
			user:     endpoint{selfServiceUser, SourceDerived, selfServiceUserLogin},
			customer: endpoint{selfServiceCustomer, SourceMetadata, selfServiceCustomerLogin},
		},
		// What the query of a token URL says is for that endpoint.
		"self-service, from metadata without an authorization URL": {
			tenant:   Tenant{MetadataURL: selfServiceURL},
			document: &Metadata{Any: ActorMetadata{TokenURL: selfServiceUser + "?a=1"}},
			user:     endpoint{selfServiceUser + "?a=1", SourceMetadata, selfServiceUserLogin},
			customer: endpoint{selfServiceCustomer + "?a=1", SourceDerived, selfServiceCustomerLogin},
		},
		"commercial, from metadata by actor": {
			tenant:   Tenant{MetadataURL: commercialURL},
			document: commercialMetadata(),
			user:     endpoint{commercialUser, SourceMetadata, commercialUserLogin},
			customer: endpoint{commercialCustomer, SourceMetadata, commercialCustomerLogin},
		},
		// A refresh does without.
		"commercial, from metadata without an authorization URL": {
			tenant:   Tenant{MetadataURL: commercialURL},
			document: &Metadata{Any: ActorMetadata{TokenURL: commercialUser}},
			user:     endpoint{commercialUser, SourceMetadata, ""},
			customer: endpoint{commercialUser, SourceMetadata, ""},
		},
		"explicit, before metadata": {
			tenant:   Tenant{MetadataURL: commercialURL, AuthorizationURL: "https://login.egain.cloud/a?p=1"},
			document: commercialMetadata(),
			user:     endpoint{commercialUser, SourceMetadata, "https://login.egain.cloud/a?p=1"},
			customer: endpoint{commercialCustomer, SourceMetadata, "https://login.egain.cloud/a?p=1"},
		},
		// It wins over the actor, so the login is that of the same users.
		"an explicit token URL of self-service alone": {
			tenant:   Tenant{TokenURL: selfServiceCustomer},
			user:     endpoint{selfServiceCustomer, SourceSpec, selfServiceCustomerLogin},
			customer: endpoint{selfServiceCustomer, SourceSpec, selfServiceCustomerLogin},
		},
		"an explicit token URL of another kind alone": {
			tenant:   Tenant{TokenURL: "https://login.egain.cloud/t"},
			user:     endpoint{"https://login.egain.cloud/t", SourceSpec, ""},
			customer: endpoint{"https://login.egain.cloud/t", SourceSpec, ""},
		},
		"URLs that are none": {
			tenant:   Tenant{TokenURL: "https://%zz", MetadataURL: commercialURL},
			document: &Metadata{Any: ActorMetadata{AuthorizationURL: "https://%zz/authorize"}},
			user:     endpoint{"https://%zz", SourceSpec, ""},
			customer: endpoint{"https://%zz", SourceSpec, ""},
		},
		"a token URL that is none": {
			tenant:   Tenant{TokenURL: "https://%zz"},
			user:     endpoint{"https://%zz", SourceSpec, ""},
			customer: endpoint{"https://%zz", SourceSpec, ""},
		},
		"an id that is no part of a path": {
			tenant: Tenant{ID: "a/b?c"},
			user: endpoint{
				"https://ai.egain.cloud/system/auth/a%2Fb%3Fc-U/oauth2/token", SourceDerived, "https://ai.egain.cloud/system/auth/a%2Fb%3Fc-U/oauth2/authorize",
			},
			customer: endpoint{
				"https://ai.egain.cloud/system/auth/a%2Fb%3Fc-C/oauth2/token", SourceDerived, "https://ai.egain.cloud/system/auth/a%2Fb%3Fc-C/oauth2/authorize",
			},
		},
	}
	for name, tc := range tests {
		for who, f := range map[string]struct {
			subject Subject
			want    endpoint
		}{
			"any subject": {anybody, tc.user}, "a user": {Subject{Actor: ActorUser}, tc.user}, "a customer": {shopper, tc.customer},
		} {
			t.Run(name+", "+who, func(t *testing.T) {
				t.Parallel()
				got, err := Resolve(tc.tenant, Discovery{Metadata: tc.document}, AuthorizationCode, f.subject)
				if err != nil {
					t.Fatalf("Resolve: %v", err)
				}
				if diff := cmp.Diff(f.want, endpoint{got.TokenURL, got.Source, got.AuthorizationURL}, cmp.AllowUnexported(endpoint{})); diff != "" {
					t.Errorf("endpoints (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestResolveFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		tenant   Tenant
		document *Metadata
		flow     Flow
		class    fault.Class
		words    string
	}{
		"nothing to go by": {
			Tenant{APIURL: "https://api.egain.cloud"}, nil, ClientCredentials, fault.Terminal, "set spec.tenant.id, spec.tenant.metadataURL or spec.tenant.endpoints.tokenURL",
		},
		"metadata without a token URL": {
			Tenant{MetadataURL: commercialURL},
			&Metadata{Any: ActorMetadata{APIURL: "https://api.egain.cloud"}}, ClientCredentials,
			fault.Rejected, "set spec.tenant.endpoints.tokenURL",
		},
		"metadata without a token URL for the actor": {
			Tenant{ID: tenantID, MetadataURL: commercialURL},
			&Metadata{Actors: map[Actor]ActorMetadata{ActorUser: {TokenURL: commercialUser}}}, ClientCredentials,
			fault.Rejected, "set spec.tenant.endpoints.tokenURL",
		},
		"metadata that is not there": {
			Tenant{ID: tenantID, MetadataURL: commercialURL}, nil, ClientCredentials, fault.Rejected, "set spec.tenant.endpoints.tokenURL",
		},
		"on behalf of a user without an API domain": {
			Tenant{MetadataURL: commercialURL},
			&Metadata{Any: ActorMetadata{TokenURL: commercialUser}}, OnBehalfOf,
			fault.Rejected, "set spec.tenant.endpoints.apiURL",
		},
		"an anonymous customer without an API domain": {
			Tenant{MetadataURL: selfServiceURL},
			&Metadata{Any: ActorMetadata{TokenURL: selfServiceUser}}, AnonymousCustomer,
			fault.Rejected, "set spec.tenant.endpoints.apiURL",
		},
		"a token URL that is none": {
			Tenant{MetadataURL: selfServiceURL},
			&Metadata{Any: ActorMetadata{TokenURL: "https://%zz/" + canary}}, AnonymousCustomer,
			fault.Rejected, "is not a plain https URL",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Resolve(tc.tenant, Discovery{Metadata: tc.document}, tc.flow, anybody)
			reason := fault.ReasonEndpointInvalid
			if name == "a token URL that is none" {
				reason = fault.ReasonEndpointRefused
			}
			wantFault(t, err, tc.class, reason)
			wantMessage(t, err, tc.words)
			if diff := cmp.Diff(Endpoints{}, got); diff != "" {
				t.Errorf("endpoints beside an error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNeedsDocuments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		tenant Tenant
		want   bool
	}{
		"not without its URL":                    {Tenant{ID: tenantID}, false},
		"with nothing else":                      {Tenant{MetadataURL: commercialURL}, true},
		"for the API URL":                        {Tenant{MetadataURL: commercialURL, TokenURL: "https://t"}, true},
		"for the token URL":                      {Tenant{MetadataURL: commercialURL, APIURL: "https://a"}, true},
		"not with both, which work around wrong": {Tenant{MetadataURL: commercialURL, TokenURL: "https://t", APIURL: "https://a"}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.tenant.NeedsDocuments(ActorClient); got != tc.want {
				t.Errorf("NeedsDocuments = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestWithPrefix(t *testing.T) {
	t.Parallel()
	scopes := []string{"core.aiservices.read", "https://api.egain.cloud/auth/knowledge.portalmgr.manage", ".default", "openid", "offline_access", "offline_access.x"}
	prefixed := Endpoints{ScopePrefix: "https://api.egain.cloud/auth/"}.WithPrefix(scopes)
	want := []string{
		"https://api.egain.cloud/auth/core.aiservices.read", "https://api.egain.cloud/auth/knowledge.portalmgr.manage", "https://api.egain.cloud/auth/.default",
		"openid", "offline_access", "https://api.egain.cloud/auth/offline_access.x",
	}
	if diff := cmp.Diff(want, prefixed); diff != "" {
		t.Errorf("with a prefix (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(scopes, Endpoints{}.WithPrefix(scopes)); diff != "" {
		t.Errorf("without a prefix (-want +got):\n%s", diff)
	}
	if scopes[0] != "core.aiservices.read" {
		t.Error("WithPrefix changed the scopes that it was given")
	}
	if got := (Endpoints{ScopePrefix: "p/"}).WithPrefix(nil); len(got) != 0 {
		t.Errorf("no scopes became %q", got)
	}
}
