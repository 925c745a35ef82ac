// Package issuance knows what a token is asked for: of which tenant, whether that allows it, by which request, and what
// identifies all that. It is pure: it does no I/O and takes no clock.
package issuance

import (
	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Tenant is the tenant that an EgainClient means, whether it describes it itself or refers to an EgainTenant.
type Tenant struct {
	// Name of the EgainTenant; empty if the EgainClient describes the tenant itself.
	Name string
	// Location says where it is found.
	Location egainv1alpha1.TenantLocation
	// CABundleRef names the certificates to trust, in whichever namespace; nil for the system's.
	CABundleRef *egainv1alpha1.NamespacedCABundleReference
	// Limits bound the token requests of all clients of an EgainTenant; zero fields do not.
	Limits egainv1alpha1.RequestLimits
}

// Inline is the tenant that an EgainClient describes itself.
func Inline(ec *egainv1alpha1.EgainClient) Tenant {
	t := Tenant{Location: ec.Spec.Tenant.TenantLocation}
	if ref := ec.Spec.Tenant.CABundleRef; ref != nil {
		t.CABundleRef = &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: *ref, Namespace: egainv1alpha1.NamespaceName(ec.Namespace),
		}
	}
	return t
}

// Shared is the tenant that an EgainTenant describes.
func Shared(et *egainv1alpha1.EgainTenant) Tenant {
	t := Tenant{Name: et.Name, Location: et.Spec.TenantLocation, CABundleRef: et.Spec.CABundleRef}
	if limits := et.Spec.RequestLimits; limits != nil {
		t.Limits = *limits
	}
	return t
}

// OAuth is the tenant as discovery needs it.
func (t Tenant) OAuth() oauth.Tenant {
	l := t.Location
	tenant := oauth.Tenant{ID: l.ID, MetadataURL: string(l.MetadataURL), ScopePrefix: l.ScopePrefix}
	if e := l.Endpoints; e != nil {
		tenant.TokenURL, tenant.AuthorizationURL = string(e.TokenURL), string(e.AuthorizationURL)
		tenant.RevocationURL, tenant.APIURL = string(e.RevocationURL), string(e.APIURL)
	}
	return tenant
}
