package controllers

import (
	"testing"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// TestNoRequestGoesToATenantThatARuleRefuses holds that --require-tenant-ref is a rule of the sender, so that no way leads
// around it: above all not the deletion of a client, which sends credentials and tokens.
func TestNoRequestGoesToATenantThatARuleRefuses(t *testing.T) {
	t.Parallel()
	// The server that the author names is told apart from the tenant's by its path.
	theirs := func(f *fixture) egainv1alpha1.Tenant {
		rigel := f.sim.Rigel()
		return egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
				TokenURL: egainv1alpha1.HTTPSURL(rigel.TokenURL(egainsim.Customer)), RevocationURL: egainv1alpha1.HTTPSURL(rigel.RevocationURL(egainsim.Customer)),
			}},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		}
	}
	byDocument := func(f *fixture) egainv1alpha1.Tenant {
		return egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))},
			CABundleRef:    &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		}
	}
	for name, tc := range map[string]struct {
		setUp  func(*fixture) *egainv1alpha1.EgainClient
		tenant func(*fixture) egainv1alpha1.Tenant
	}{
		"a good token, taken elsewhere by one patch": {func(f *fixture) *egainv1alpha1.EgainClient {
			f.tenant()
			ec := f.client("sync", f.referring, f.revoking)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			return ec
		}, theirs},
		"a good token, taken to a document by one patch": {func(f *fixture) *egainv1alpha1.EgainClient {
			f.tenant()
			ec := f.client("sync", f.referring, f.revoking)
			f.run(ec)
			return ec
		}, byDocument},
		"a token from before the rule": {func(f *fixture) *egainv1alpha1.EgainClient {
			f.requireTenantRef(false)
			ec := f.client("sync", f.revoking)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.requireTenantRef(true)
			return ec
		}, theirs},
		"a session": {func(f *fixture) *egainv1alpha1.EgainClient {
			f.foreign("egain-web", map[string]string{"client_id": "x", "client_secret": "y"})
			f.keepSession("refresh-token-of-another")
			ec := f.client("sync", byLogin, f.revoking)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TenantRefRequired"))
			return ec
		}, theirs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.requireTenantRef(true)
			f.credentials()
			ec := tc.setUp(f)
			before := f.sim.Stats().Counts
			f.update(ec, func() { ec.Spec.TenantRef, ec.Spec.Tenant = nil, tc.tenant(f) })
			f.delete(ec)
			f.sent()
			f.reconcile(ec)

			f.Expect(f.sim.Stats().Counts).To(gomega.Equal(before), "a request was sent to the author's server")
			f.Expect(f.gone(ec)).To(gomega.BeTrue(), "the object waits for what will not come")
			events := f.sent()
			f.Expect(reasons(events)).To(gomega.Equal([]string{"Warning TokenNotRevoked"}))
			f.Expect(events[0]).To(gomega.ContainSubstring("this operator allows only EgainTenants (--require-tenant-ref)"))
		})
	}
}

// TestAClientThatItsTenantNoLongerAllowsIsStillRevoked holds that a right that is taken away does not keep a token alive.
func TestAClientThatItsTenantNoLongerAllowsIsStillRevoked(t *testing.T) {
	t.Parallel()
	for name, withdraw := range map[string]func(*egainv1alpha1.EgainTenant){
		"its namespace": func(et *egainv1alpha1.EgainTenant) {
			et.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"elsewhere"}}
		},
		"its scopes": func(et *egainv1alpha1.EgainTenant) { et.Spec.AllowedScopes = []egainv1alpha1.ScopePattern{"other"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.requireTenantRef(true)
			f.credentials()
			et := f.tenant(func(et *egainv1alpha1.EgainTenant) {
				et.Spec.Endpoints.RevocationURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().RevocationURL(egainsim.Client))
			})
			ec := f.client("sync", f.referring, f.revoking)
			f.run(ec)
			token := f.token("sync")
			f.updateTenant(et, func() { withdraw(et) })
			f.delete(ec)
			f.sent()
			f.reconcile(ec)
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal TokenRevoked"}))
			f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse())
		})
	}
}

// TestRevokesAtTheEndpointsOfTheTenantsStatusWhileDocumentsAreDown is a deletion in an outage of the documents alone.
func TestRevokesAtTheEndpointsOfTheTenantsStatusWhileDocumentsAreDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	et := f.tenant(func(et *egainv1alpha1.EgainTenant) {
		et.Spec.Endpoints = nil
		et.Spec.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))
	})
	f.inspect(et)
	ec := f.client("sync", f.referring, func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) })
	f.run(ec)
	token := f.token("sync")
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})
	f.restart()
	f.delete(ec)
	f.sent()
	f.reconcile(ec)
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal TokenRevoked"}))
	f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse())
}
