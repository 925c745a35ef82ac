// Package request knows what is asked of whom: of which tenant, whether that allows it, by which token request, and with what from
// which Secrets. A request is made in three steps that are types of their own: Draft says what the spec does, Addressed also where
// it goes, and oauth.Request also holds the secrets, so that it can be sent.
package request

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Tenant is the tenant that an EgainClient means, whether it describes it itself or refers to an EgainTenant.
type Tenant struct {
	// Name of the EgainTenant; empty if the EgainClient describes the tenant itself.
	Name string
	// Location says where it is found.
	Location egainv1alpha1.TenantLocation
	// Discovery says what more an EgainTenant may say of that.
	Discovery Discovery
	// CABundleRef names the certificates to trust, in whichever namespace; nil for the system's.
	CABundleRef *egainv1alpha1.NamespacedCABundleReference
	// Limits bound the token requests of all clients of an EgainTenant; zero fields do not.
	Limits egainv1alpha1.RequestLimits
	// AllowedScopes are those that an EgainTenant allows; all if empty.
	AllowedScopes []egainv1alpha1.ScopePattern
	// AllowedParameters are the names of parameters that an EgainTenant allows; none if empty.
	AllowedParameters []egainv1alpha1.ParameterName
	// Applications are those that an EgainTenant lends.
	Applications []egainv1alpha1.Application
	// ReadySince is when the EgainTenant turned Ready; zero if it is not.
	ReadySince time.Time
	// Known are the endpoints in the status of an EgainTenant, if that is about its present spec.
	Known []egainv1alpha1.ActorEndpointsStatus
}

// Discovery is the part of an EgainTenant's spec about where it is found that an EgainClient cannot have.
type Discovery struct {
	URL            egainv1alpha1.EgainURL         `json:"url,omitempty"`
	ActorEndpoints []egainv1alpha1.ActorEndpoints `json:"actorEndpoints,omitempty"`
	TrustedHosts   []egainv1alpha1.HostName       `json:"trustedHosts,omitempty"`
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
	t := Tenant{
		Name: et.Name, Location: et.Spec.TenantLocation, CABundleRef: et.Spec.CABundleRef, AllowedScopes: et.Spec.AllowedScopes,
		AllowedParameters: et.Spec.AllowedParameters, Applications: et.Spec.Applications,
		Discovery: Discovery{URL: et.Spec.URL, ActorEndpoints: et.Spec.ActorEndpoints, TrustedHosts: et.Spec.TrustedHosts},
	}
	if limits := et.Spec.RequestLimits; limits != nil {
		t.Limits = *limits
	}
	if ready := meta.FindStatusCondition(et.Status.Conditions, egainv1alpha1.ConditionReady); ready != nil && ready.Status == metav1.ConditionTrue {
		t.ReadySince = ready.LastTransitionTime.Time
	}
	if et.Status.ObservedGeneration == et.Generation {
		t.Known = et.Status.Endpoints
	}
	return t
}

// OAuth is the tenant as discovery needs it.
func (t Tenant) OAuth() oauth.Tenant {
	l := t.Location
	tenant := oauth.Tenant{ID: l.ID, URL: strings.TrimSuffix(string(t.Discovery.URL), "/"), MetadataURL: string(l.MetadataURL), ScopePrefix: l.ScopePrefix}
	if e := l.Endpoints; e != nil {
		tenant.TokenURL, tenant.AuthorizationURL = string(e.TokenURL), string(e.AuthorizationURL)
		tenant.RevocationURL, tenant.APIURL = string(e.RevocationURL), string(e.APIURL)
	}
	for _, host := range t.Discovery.TrustedHosts {
		tenant.TrustedHosts = append(tenant.TrustedHosts, string(host))
	}
	for _, e := range t.Discovery.ActorEndpoints {
		if tenant.Actors == nil {
			tenant.Actors = map[oauth.Actor]oauth.ActorEndpoints{}
		}
		tenant.Actors[oauthActor(e.Actor)] = oauth.ActorEndpoints{
			TokenURL: string(e.TokenURL), AuthorizationURL: string(e.AuthorizationURL), RevocationURL: string(e.RevocationURL), ScopePrefix: e.ScopePrefix,
		}
	}
	return tenant
}

// NameFields returns a failure that names fields as the author of the tenant wrote them. Package oauth does not know whether a tenant
// is described in spec.tenant of an EgainClient or in the spec of an EgainTenant.
func (t Tenant) NameFields(err error) error {
	f := fault.Of(err)
	if f == nil || t.Name == "" || !strings.Contains(f.Message, "spec.tenant.") {
		return err
	}
	named := *f
	named.Message = strings.ReplaceAll(f.Message, "spec.tenant.", "EgainTenant.spec.")
	return &named
}

// Role is an actor of the API, with a flow that uses its endpoints.
type Role struct {
	Name    egainv1alpha1.TenantActor
	Actor   oauth.Actor
	Flow    oauth.Flow
	Subject oauth.Subject
}

// Roles are all actors, in the order in which people are shown them.
func Roles() []Role {
	named := oauth.Subject{Username: "-"}
	return []Role{
		{egainv1alpha1.TenantActorClient, oauth.ActorClient, oauth.ClientCredentials, oauth.Subject{}},
		{egainv1alpha1.TenantActorUser, oauth.ActorUser, oauth.AuthorizationCode, oauth.Subject{Actor: oauth.ActorUser}},
		{egainv1alpha1.TenantActorCustomer, oauth.ActorCustomer, oauth.AuthorizationCode, oauth.Subject{Actor: oauth.ActorCustomer}},
		{egainv1alpha1.TenantActorAnonymousCustomer, oauth.ActorAnonymousCustomer, oauth.AnonymousCustomer, oauth.Subject{}},
		{egainv1alpha1.TenantActorOnBehalfOfUser, oauth.ActorOnBehalfOfUser, oauth.OnBehalfOf, named},
		{egainv1alpha1.TenantActorOnBehalfOfCustomer, oauth.ActorOnBehalfOfCustomer, oauth.OnBehalfOf, oauth.Subject{Email: "-"}},
	}
}

func oauthActor(name egainv1alpha1.TenantActor) oauth.Actor {
	for _, role := range Roles() {
		if role.Name == name {
			return role.Actor
		}
	}
	return ""
}

// KnownFor are the endpoints of an actor in the status of the EgainTenant; false if it has none there.
func (t Tenant) KnownFor(actor oauth.Actor) (oauth.Endpoints, bool) {
	for _, known := range t.Known {
		if oauthActor(known.Actor) == actor && known.TokenURL != "" {
			return oauth.Endpoints{
				TokenURL: known.TokenURL, RevocationURL: known.RevocationURL, APIURL: known.APIURL,
				ScopePrefix: known.ScopePrefix, Source: oauth.Source(known.Source),
			}, true
		}
	}
	return oauth.Endpoints{}, false
}
