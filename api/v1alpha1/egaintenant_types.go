package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NamespaceName is the name of a Namespace.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="must be the name of a Namespace: lowercase letters, digits and '-', beginning and ending with a letter or digit"
type NamespaceName string

// ScopePattern is a scope, or the beginning of one followed by an asterisk.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-)+-\\\\[\\\\]-~]*[*]?$')",message="must be a scope such as knowledge.portalmgr.manage, or the beginning of one and '*', such as knowledge.*"
type ScopePattern string

// ParameterName is the name of a form parameter.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+$')",message="must be the name of a parameter, such as resource: letters, digits, '.', '_' and '-'"
// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['grant_type', 'scope', 'client_id', 'client_secret', 'username', 'password', 'subject_username', 'subject_userid', 'subject_email', 'subject_token', 'subject_token_type', 'registration_id', 'client_assertion', 'client_assertion_type', 'assertion', 'actor_token', 'device_code', 'code', 'code_verifier', 'redirect_uri', 'refresh_token']) && !self.matches('^(?i)(state|nonce|request|request_uri|response_.*|code_challenge.*)$')",message="must not be a parameter that flows and logins set themselves, nor a credential"
type ParameterName string

// HostName is the name of a host, without a scheme, port or path.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$')",message="must be the exact name of a host, such as acmeint.b2clogin.com: no scheme, port, path or wildcard"
type HostName string

// EgainURL is the address at which people open the customer's eGain: scheme and host.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && size(url(self).getHostname()) > 0 && size(url(self).getEscapedPath()) <= 1 && !self.contains('?') && !self.contains('#') && !self.contains('@') && !self.contains(' ')",message="must be https and a host, such as https://acme.egain.cloud: no path, query or credentials"
// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]*$') && self.matches('^(?i:https)://([A-Za-z0-9_.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]+)?([/?]|$)')",message="must be in ASCII, percent-encoded where needed; its host is a name (xn-- for other letters) or an address without a zone"
// +kubebuilder:validation:XValidation:rule="!self.matches('^(?i:https)://([^/?:]*[.])?([0-9]+|0[xX][0-9A-Fa-f]*)[.]?([:/?]|$)') || self.matches('^(?i:https)://((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([:/?]|$)')",message="must spell an IPv4 address as four decimal numbers, such as 192.0.2.1"
type EgainURL string

// TenantActor is who a token speaks for. eGain has endpoints and scope prefixes for each.
// Client: the client application itself. User: a logged-in agent. Customer: a logged-in person who is not an agent.
// AnonymousCustomer: a customer who is not logged in.
// OnBehalfOfUser and OnBehalfOfCustomer: the client application acting for a user or a customer.
//
// +kubebuilder:validation:Enum=Client;User;Customer;AnonymousCustomer;OnBehalfOfUser;OnBehalfOfCustomer
type TenantActor string

// The actors.
const (
	TenantActorClient             TenantActor = "Client"
	TenantActorUser               TenantActor = "User"
	TenantActorCustomer           TenantActor = "Customer"
	TenantActorAnonymousCustomer  TenantActor = "AnonymousCustomer"
	TenantActorOnBehalfOfUser     TenantActor = "OnBehalfOfUser"
	TenantActorOnBehalfOfCustomer TenantActor = "OnBehalfOfCustomer"
)

// EgainTenantSpec says where tokens of a tenant come from, and who may have them.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) || has(self.id) || has(self.metadataURL) || (has(self.endpoints) && has(self.endpoints.tokenURL)) || (has(self.actorEndpoints) && self.actorEndpoints.exists(e, has(e.tokenURL)))",message="set at least one of url, id, metadataURL, endpoints.tokenURL or a tokenURL in actorEndpoints"
type EgainTenantSpec struct {
	// url is the address at which people open your eGain, such as https://acme.egain.cloud: scheme and host.
	// The operator discovers the rest there: tenant id, API domain, and endpoints and scope prefix of each actor.
	// Other fields win over what is discovered. An id that differs from the discovered one is refused.
	// +optional
	URL EgainURL `json:"url,omitempty"`

	TenantLocation `json:",inline"`

	// actorEndpoints are the endpoints of single actors: 1 to 6. They win over endpoints, documents and derived URLs.
	// Use them for a tenant whose documents cannot be read.
	// +optional
	// +listType=map
	// +listMapKey=actor
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	ActorEndpoints []ActorEndpoints `json:"actorEndpoints,omitempty"`

	// trustedHosts are hosts of other sites that documents of this tenant may name: 1 to 16 exact names.
	// Without it, a document may only name hosts of the site of url or metadataURL.
	// Under domains where anyone gets a name, such as b2clogin.com, that is the same host only.
	// Other hosts of the site of a trusted host stay refused.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	TrustedHosts []HostName `json:"trustedHosts,omitempty"`

	// caBundleRef names a ConfigMap or Secret with the PEM certificates to trust for this tenant.
	// Default: those that the operator's image trusts.
	// +optional
	CABundleRef *NamespacedCABundleReference `json:"caBundleRef,omitempty"`

	// allowedNamespaces says from which namespaces EgainClients may refer to this tenant. Default: all.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// allowedScopes are the scopes that EgainClients may request: 1 to 256. Default: all.
	// An entry that ends in '*' allows every scope that begins with what stands before it.
	// They are compared without the scope prefix of the flow's actor, in either spelling (with or without https://).
	// openid and offline_access pass for flow AuthorizationCode. Other scopes of OpenID, and .default, must be listed literally.
	// A client must then list scopes, whatever its flow.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	AllowedScopes []ScopePattern `json:"allowedScopes,omitempty"`

	// allowedParameters are the names of form parameters that EgainClients may set: 1 to 32, such as resource and audience.
	// Default: none. They are what spec.parameters of an EgainClient may hold, and resource and audience of a login.
	// A name is compared byte for byte. A name that is removed from the list is no longer sent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	AllowedParameters []ParameterName `json:"allowedParameters,omitempty"`

	// requestLimits bound the token requests of all EgainClients of this tenant together.
	// +optional
	RequestLimits *RequestLimits `json:"requestLimits,omitempty"`

	// applications are client applications whose credentials stay with the platform: 1 to 32, by name.
	// An EgainClient uses one by spec.tenantRef.application, and its namespace needs no client secret.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Applications []Application `json:"applications,omitempty"`
}

// NamespacedCABundleReference names a key of a ConfigMap or Secret.
type NamespacedCABundleReference struct {
	CABundleReference `json:",inline"`

	// namespace of the object. An operator with --watch-namespaces can read only those.
	// +required
	Namespace NamespaceName `json:"namespace,omitempty"`
}

// AllowedNamespaces says which namespaces may use a tenant: those that names lists and those that selector selects.
//
// +kubebuilder:validation:MinProperties=1
type AllowedNamespaces struct {
	// names of namespaces: 1 to 256.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Names []NamespaceName `json:"names,omitempty"`

	// selector of namespaces by their labels. An empty one selects all.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// RequestLimits bound the token requests to a tenant.
//
// +kubebuilder:validation:MinProperties=1
type RequestLimits struct {
	// concurrent is the number of concurrent token requests, 1 to 1024.
	// Default: what the operator allows for each host (--requests-per-host), which is also never exceeded.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Concurrent int32 `json:"concurrent,omitempty"`

	// perSecond is the number of token requests per second, 1 to 10000. Default: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	PerSecond int32 `json:"perSecond,omitempty"`
}

// EgainTenantStatus is what the operator last found about a tenant.
//
// +kubebuilder:validation:MinProperties=1
type EgainTenantStatus struct {
	// conditions of the object.
	// Ready: at least one actor has a token URL; status.endpoints says which, and why others have none.
	// Reconciling and Stalled are present only while True, for tools that follow kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the rest of the status is about.
	// It is -1 until the operator has reconciled the object.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// endpoints of the tenant by actor: at most 6.
	// Each entry has URLs and scope prefix with their sources, or the reason why the actor has no usable token URL.
	// +optional
	// +listType=map
	// +listMapKey=actor
	// +kubebuilder:validation:MaxItems=6
	Endpoints []ActorEndpointsStatus `json:"endpoints,omitempty"`

	// deployment is what the address in spec.url says of itself.
	// +optional
	Deployment *DeploymentStatus `json:"deployment,omitempty"`

	// metadata is about the documents that were read.
	// +optional
	Metadata *MetadataStatus `json:"metadata,omitempty"`

	// clients is how many EgainClients refer to the tenant.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Clients *int32 `json:"clients,omitempty"`

	// applications says of each application in spec.applications whether its credentials work, and how many EgainClients use it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Applications []ApplicationStatus `json:"applications,omitempty"`
}

// ActorEndpoints are the endpoints of a tenant for one actor.
//
// +kubebuilder:validation:XValidation:rule="has(self.tokenURL) || has(self.authorizationURL) || has(self.revocationURL) || has(self.scopePrefix)",message="set at least one of tokenURL, authorizationURL, revocationURL and scopePrefix"
// +kubebuilder:validation:XValidation:rule="!has(self.authorizationURL) || self.actor in ['User', 'Customer']",message="authorizationURL is for the actors User and Customer, who log in"
type ActorEndpoints struct {
	// actor that the endpoints are for: Client, User, Customer, AnonymousCustomer, OnBehalfOfUser or OnBehalfOfCustomer.
	// +required
	Actor TenantActor `json:"actor,omitempty"`

	// tokenURL is the token endpoint. Its query string, if any, is kept.
	// +optional
	TokenURL HTTPSURL `json:"tokenURL,omitempty"`

	// authorizationURL is where a user logs in at a browser, for User and Customer.
	// +optional
	AuthorizationURL HTTPSURL `json:"authorizationURL,omitempty"`

	// revocationURL is the RFC 7009 revocation endpoint, used by revokeOnDelete.
	// +optional
	RevocationURL HTTPSURL `json:"revocationURL,omitempty"`

	// scopePrefix is put before every scope of the actor that lacks it. Default: spec.scopePrefix.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="must not contain spaces, quotes or backslashes"
	ScopePrefix string `json:"scopePrefix,omitempty"`
}

// ActorEndpointsStatus are the endpoints of a tenant for one actor, or why there are none.
type ActorEndpointsStatus struct {
	// actor that the endpoints are for.
	// +required
	Actor TenantActor `json:"actor,omitempty"`

	// tokenURL is the token endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	TokenURL string `json:"tokenURL,omitempty"`

	// source of tokenURL: Spec, Metadata or Derived.
	// +optional
	Source EndpointSource `json:"source,omitempty"`

	// authorizationURL is where a user logs in at a browser.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	AuthorizationURL string `json:"authorizationURL,omitempty"`

	// authorizationURLSource is where authorizationURL comes from.
	// +optional
	AuthorizationURLSource EndpointSource `json:"authorizationURLSource,omitempty"`

	// revocationURL is the RFC 7009 revocation endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	RevocationURL string `json:"revocationURL,omitempty"`

	// revocationURLSource is where revocationURL comes from.
	// +optional
	RevocationURLSource EndpointSource `json:"revocationURLSource,omitempty"`

	// apiURL is the base URL of API calls.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	APIURL string `json:"apiURL,omitempty"`

	// apiURLSource is where apiURL comes from.
	// +optional
	APIURLSource EndpointSource `json:"apiURLSource,omitempty"`

	// scopePrefix is put before every scope of the actor that lacks it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ScopePrefix string `json:"scopePrefix,omitempty"`

	// scopePrefixSource is where scopePrefix comes from.
	// +optional
	ScopePrefixSource EndpointSource `json:"scopePrefixSource,omitempty"`

	// reason why a URL of the actor is missing: that of the condition that EgainClients get for it.
	// Absent if all that the documents name can be used.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// message says what is wrong and what to change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// DeploymentStatus is what the address of a customer's eGain says of itself.
//
// +kubebuilder:validation:MinProperties=1
type DeploymentStatus struct {
	// tenantID is the id of the tenant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TenantID string `json:"tenantID,omitempty"`

	// domainHint is sent with logins, so that a gateway of several tenants finds this one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=260
	DomainHint string `json:"domainHint,omitempty"`
}

// MetadataStatus is about the documents of a tenant.
type MetadataStatus struct {
	// readTime is when the present content was first read.
	// +optional
	ReadTime *metav1.Time `json:"readTime,omitempty"`

	// issuer that the metadata document names, if it names one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`
}

// EgainTenant describes an eGain tenant once for all EgainClients of a cluster, and says which of them may use it.
// EgainClients refer to it by spec.tenantRef.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=egt,categories=egain,path=egaintenants
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Clients",type=integer,JSONPath=`.status.clients`,description="How many EgainClients refer to the tenant."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Metadata since",type=date,priority=1,JSONPath=`.status.metadata.readTime`,description="How long the documents have had their present content."
// +kubebuilder:printcolumn:name="Failing applications",type=string,priority=1,JSONPath=`.status.applications[?(@.ready=="False")].name`
// +kubebuilder:printcolumn:name="API",type=string,priority=1,JSONPath=`.status.endpoints[0].apiURL`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type EgainTenant struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says where tokens of the tenant come from, and who may have them.
	// +required
	Spec EgainTenantSpec `json:"spec,omitzero"`

	// status is what the operator last found.
	// +optional
	// +default={"observedGeneration":-1}
	Status EgainTenantStatus `json:"status,omitzero"`
}

// EgainTenantList is a list of EgainTenants.
//
// +kubebuilder:object:root=true
type EgainTenantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	// items of the list.
	Items []EgainTenant `json:"items"`
}
