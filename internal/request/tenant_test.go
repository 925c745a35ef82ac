package request

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// location is that of a tenant with everything in it.
func location() egainv1alpha1.TenantLocation {
	return egainv1alpha1.TenantLocation{
		ID:          "TMPRODB88619984",
		MetadataURL: "https://login.egain.cloud/metadata",
		Endpoints: &egainv1alpha1.Endpoints{
			TokenURL:         "https://login.egain.cloud/token",
			AuthorizationURL: "https://login.egain.cloud/authorize",
			RevocationURL:    "https://login.egain.cloud/revoke",
			APIURL:           "https://api.egain.cloud",
		},
		ScopePrefix: "https://api.egain.cloud/auth/",
	}
}

var bundle = egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: "corp-ca", Key: "ca.crt"}

func TestInline(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		tenant egainv1alpha1.Tenant
		want   Tenant
	}{
		"a tenant with everything, whose CA bundle is in the client's namespace": {
			egainv1alpha1.Tenant{TenantLocation: location(), CABundleRef: &bundle},
			Tenant{Location: location(), CABundleRef: &egainv1alpha1.NamespacedCABundleReference{CABundleReference: bundle, Namespace: "team-a"}},
		},
		"a tenant known by its id": {
			egainv1alpha1.Tenant{TenantLocation: egainv1alpha1.TenantLocation{ID: "T"}},
			Tenant{Location: egainv1alpha1.TenantLocation{ID: "T"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := &egainv1alpha1.EgainClient{Spec: egainv1alpha1.EgainClientSpec{Tenant: tc.tenant}}
			ec.Namespace = "team-a"
			if diff := cmp.Diff(tc.want, Inline(ec)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	ref := &egainv1alpha1.NamespacedCABundleReference{CABundleReference: bundle, Namespace: "platform"}
	tests := map[string]struct {
		spec egainv1alpha1.EgainTenantSpec
		want Tenant
	}{
		"a tenant with everything, whose CA bundle is where it says": {
			egainv1alpha1.EgainTenantSpec{
				TenantLocation: location(), CABundleRef: ref,
				RequestLimits: &egainv1alpha1.RequestLimits{Concurrent: 4, PerSecond: 20},
			},
			Tenant{Name: "production", Location: location(), CABundleRef: ref, Limits: egainv1alpha1.RequestLimits{Concurrent: 4, PerSecond: 20}},
		},
		"a tenant without limits": {
			egainv1alpha1.EgainTenantSpec{TenantLocation: egainv1alpha1.TenantLocation{ID: "T"}},
			Tenant{Name: "production", Location: egainv1alpha1.TenantLocation{ID: "T"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			et := &egainv1alpha1.EgainTenant{Spec: tc.spec}
			et.Name = "production"
			if diff := cmp.Diff(tc.want, Shared(et)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOAuthOfAnEgainTenant(t *testing.T) {
	t.Parallel()
	et := &egainv1alpha1.EgainTenant{Spec: egainv1alpha1.EgainTenantSpec{
		URL: "https://acme.egain.cloud/", TrustedHosts: []egainv1alpha1.HostName{"acmeint.b2clogin.com"},
		ActorEndpoints: []egainv1alpha1.ActorEndpoints{
			{Actor: egainv1alpha1.TenantActorOnBehalfOfUser, TokenURL: "https://t", RevocationURL: "https://r", ScopePrefix: "p/"},
			{Actor: egainv1alpha1.TenantActorUser, AuthorizationURL: "https://a"},
		},
	}}
	want := oauth.Tenant{
		URL: "https://acme.egain.cloud", TrustedHosts: []string{"acmeint.b2clogin.com"},
		Actors: map[oauth.Actor]oauth.ActorEndpoints{
			oauth.ActorOnBehalfOfUser: {TokenURL: "https://t", RevocationURL: "https://r", ScopePrefix: "p/"},
			oauth.ActorUser:           {AuthorizationURL: "https://a"},
		},
	}
	if diff := cmp.Diff(want, Shared(et).OAuth()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRolesUseTheEndpointsOfTheirActor(t *testing.T) {
	t.Parallel()
	for _, role := range Roles() {
		if got := oauth.ActorOf(role.Flow, role.Subject); got != role.Actor || oauthActor(role.Name) != role.Actor {
			t.Errorf("%s: the flow uses the endpoints of %q", role.Name, got)
		}
	}
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		location egainv1alpha1.TenantLocation
		want     oauth.Tenant
	}{
		"every field": {location(), oauth.Tenant{
			ID: "TMPRODB88619984", MetadataURL: "https://login.egain.cloud/metadata", ScopePrefix: "https://api.egain.cloud/auth/",
			TokenURL: "https://login.egain.cloud/token", AuthorizationURL: "https://login.egain.cloud/authorize",
			RevocationURL: "https://login.egain.cloud/revoke", APIURL: "https://api.egain.cloud",
		}},
		"no endpoints": {egainv1alpha1.TenantLocation{ID: "T"}, oauth.Tenant{ID: "T"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Tenant{Location: tc.location}.OAuth()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
