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

// EgainTenantSpec says where tokens of a tenant come from, and who may have them.
//
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.metadataURL) || (has(self.endpoints) && has(self.endpoints.tokenURL))",message="set at least one of id, metadataURL or endpoints.tokenURL"
type EgainTenantSpec struct {
	TenantLocation `json:",inline"`

	// caBundleRef names a ConfigMap or Secret with the PEM certificates to trust for this tenant.
	// Default: those that the operator's image trusts.
	// +optional
	CABundleRef *NamespacedCABundleReference `json:"caBundleRef,omitempty"`

	// allowedNamespaces says from which namespaces EgainClients may refer to this tenant. Default: all.
	// Credentials always come from the namespace of the EgainClient; a tenant holds none.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// allowedScopes are the scopes that EgainClients may ask for: 1 to 256. Default: all.
	// An entry that ends in '*' allows every scope that begins with what stands before it.
	// They are compared without scopePrefix. A flow that could do without scopes must then list some.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	AllowedScopes []ScopePattern `json:"allowedScopes,omitempty"`

	// requestLimits bound the token requests of all EgainClients of this tenant together.
	// +optional
	RequestLimits *RequestLimits `json:"requestLimits,omitempty"`
}

// NamespacedCABundleReference names a key of a ConfigMap or Secret.
type NamespacedCABundleReference struct {
	CABundleReference `json:",inline"`

	// namespace of the object. An operator that is limited to some namespaces can read only those.
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
	// concurrent is how many token requests are under way at a time, 1 to 1024.
	// Default: what the operator allows for each host (--requests-per-host), which is also never exceeded.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Concurrent int32 `json:"concurrent,omitempty"`

	// perSecond is how many token requests are begun in a second, 1 to 10000. Default: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	PerSecond int32 `json:"perSecond,omitempty"`
}

// EgainTenantStatus is what the operator last found out about a tenant.
//
// +kubebuilder:validation:MinProperties=1
type EgainTenantStatus struct {
	// conditions of the object.
	// Ready: the endpoints of the tenant are known.
	// Reconciling and Stalled are present only while True, for tools that follow kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the rest of the status is about.
	// It is -1 until the operator has looked at the object.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// endpoints of the tenant, one entry for each actor that has any.
	// +optional
	// +listType=map
	// +listMapKey=actor
	// +kubebuilder:validation:MaxItems=3
	Endpoints []ActorEndpoints `json:"endpoints,omitempty"`

	// scopePrefix is put before every scope that lacks it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ScopePrefix string `json:"scopePrefix,omitempty"`

	// metadata says what was last read from metadataURL.
	// +optional
	Metadata *MetadataStatus `json:"metadata,omitempty"`

	// clients is how many EgainClients refer to the tenant.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Clients *int32 `json:"clients,omitempty"`
}

// ActorEndpoints are the endpoints of a tenant for one actor.
type ActorEndpoints struct {
	// actor that the endpoints are for: Client (a server), User (an agent) or Customer.
	// +required
	// +kubebuilder:validation:Enum=Client;User;Customer
	Actor string `json:"actor,omitempty"`

	// tokenURL is the token endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	TokenURL string `json:"tokenURL,omitempty"`

	// authorizationURL is where a person logs in at a browser.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	AuthorizationURL string `json:"authorizationURL,omitempty"`

	// revocationURL is the RFC 7009 revocation endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	RevocationURL string `json:"revocationURL,omitempty"`

	// apiURL is the base URL of API calls.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	APIURL string `json:"apiURL,omitempty"`

	// source of tokenURL: Spec, Metadata or Derived.
	// +optional
	Source EndpointSource `json:"source,omitempty"`
}

// MetadataStatus says what was last read of a metadata document.
type MetadataStatus struct {
	// readTime is when the document was last read.
	// +optional
	ReadTime *metav1.Time `json:"readTime,omitempty"`

	// issuer that the document names, if it names one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`
}

// EgainTenant describes an eGain tenant once for the EgainClients of a whole cluster, and says which of them may use it.
// EgainClients refer to it by spec.tenantRef.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=egt,categories=egain,path=egaintenants
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Clients",type=integer,JSONPath=`.status.clients`,description="How many EgainClients refer to the tenant."
// +kubebuilder:printcolumn:name="Metadata read",type=date,JSONPath=`.status.metadata.readTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="API",type=string,priority=1,JSONPath=`.status.endpoints[0].apiURL`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type EgainTenant struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says where tokens of the tenant come from, and who may have them.
	// +required
	Spec EgainTenantSpec `json:"spec,omitzero"`

	// status is what the operator last found out.
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
