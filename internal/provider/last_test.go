package provider

import (
	"testing"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// TestTheStatusOfAClientSendsNoCredentialsAnywhere holds that the credentials of an EgainTenant's clients go where the
// EgainTenant says, even if the documents are down, and the status of a client and the annotation of its target that guards it
// name another server.
func TestTheStatusOfAClientSendsNoCredentialsAnywhere(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://elsewhere.example.com/token"
	ec := &egainv1alpha1.EgainClient{Spec: egainv1alpha1.EgainClientSpec{TenantRef: &egainv1alpha1.TenantReference{Name: "acme"}}}
	ec.Status.Endpoints = &egainv1alpha1.EndpointsStatus{TokenURL: elsewhere, Source: egainv1alpha1.EndpointSourceMetadata}
	tok := &rotation.Token{Request: request.For(ec).Address(oauth.Endpoints{TokenURL: elsewhere, Source: oauth.SourceMetadata}).ID()}
	down := fault.New(fault.Retryable, egainv1alpha1.ReasonMetadataUnavailable, "down")
	known := request.Tenant{Name: "acme", Known: []egainv1alpha1.ActorEndpointsStatus{{
		Actor: egainv1alpha1.TenantActorClient, TokenURL: "https://acme.example.com/token",
	}}}
	for name, tc := range map[string]struct {
		tenant request.Tenant
		tok    *rotation.Token
		want   string
	}{
		"an EgainTenant without known endpoints": {request.Tenant{Name: "acme"}, tok, ""},
		"an EgainTenant with known endpoints":    {known, tok, "https://acme.example.com/token"},
		"a client without a token":               {known, nil, ""},
		"a tenant of the client's own":           {request.Tenant{}, tok, elsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, ok := lastEndpoints(ec, tc.tenant, tc.tok, down)
			if e.TokenURL != tc.want || ok != (tc.want != "") {
				t.Errorf("credentials would go to %q (%t), want %q", e.TokenURL, ok, tc.want)
			}
		})
	}
}
