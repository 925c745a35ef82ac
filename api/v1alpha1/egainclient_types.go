package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RenewRequestedAtAnnotation asks for a new token now. Set it to any new value, by convention the current time in
// RFC 3339; the operator renews once per value and echoes it in status.lastHandledRenewal.
const RenewRequestedAtAnnotation = "auth.egain.com/renew-requested-at"

// CleanupFinalizer is on an EgainClient only while its deletion needs work: revoking the token (revokeOnDelete), or
// taking our keys out of a Secret that belongs to somebody else (creationPolicy Merge).
const CleanupFinalizer = "auth.egain.com/cleanup"

// Flow is the OAuth 2.0 flow that obtains the token.
//
// +kubebuilder:validation:Enum=ClientCredentials;AnonymousCustomer;OnBehalfOf;TokenExchange
type Flow string

// The flows. Scopes must be of the kind that the flow is for: application scopes for ClientCredentials, delegated
// scopes for TokenExchange, on-behalf-of scopes for OnBehalfOf.
const (
	// FlowClientCredentials authenticates the client application itself (RFC 6749 section 4.4).
	FlowClientCredentials Flow = "ClientCredentials"
	// FlowAnonymousCustomer obtains a token for a customer who is not logged in.
	FlowAnonymousCustomer Flow = "AnonymousCustomer"
	// FlowOnBehalfOf lets the client application act for a user or a customer.
	FlowOnBehalfOf Flow = "OnBehalfOf"
	// FlowTokenExchange trades a token of another identity provider for one of eGain's (RFC 8693).
	FlowTokenExchange Flow = "TokenExchange"
)

// CreationPolicy says how the target Secret comes to be.
//
// +kubebuilder:validation:Enum=Owner;Merge
type CreationPolicy string

// The creation policies.
const (
	// CreationPolicyOwner creates the Secret and refuses one that belongs to somebody else.
	CreationPolicyOwner CreationPolicy = "Owner"
	// CreationPolicyMerge adds keys to a Secret that already exists.
	CreationPolicyMerge CreationPolicy = "Merge"
)

// DeletionPolicy says what happens to the target Secret when the EgainClient is deleted or names another target.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyDelete deletes the Secret; of a merged Secret, only the keys that were added.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain leaves the Secret, with the last token in it, as it is.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// EndpointSource says where the token URL came from.
//
// +kubebuilder:validation:Enum=Spec;Metadata;Derived
type EndpointSource string

// The sources of endpoints, in the order in which they are asked.
const (
	// EndpointSourceSpec is spec.tenant.endpoints.
	EndpointSourceSpec EndpointSource = "Spec"
	// EndpointSourceMetadata is the document at spec.tenant.metadataURL.
	EndpointSourceMetadata EndpointSource = "Metadata"
	// EndpointSourceDerived is a URL that eGain documents, filled in with spec.tenant.id.
	EndpointSourceDerived EndpointSource = "Derived"
)

// SecretName is the name of a Secret in the namespace of the EgainClient.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a Secret: lowercase letters, digits, '-' and '.', beginning and ending with a letter or digit"
type SecretName string

// SecretKey is a key in the data of a Secret or ConfigMap.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'"
type SecretKey string

// HTTPSURL is an absolute https URL without user info or fragment. Its query string, if any, is sent along.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && size(url(self).getHost()) > 0",message="must be an absolute https URL, such as https://ai.egain.cloud/system/auth/TENANT-U/oauth2/token"
// +kubebuilder:validation:XValidation:rule="!self.contains('#') && !self.contains('@')",message="must not contain a fragment (#) or credentials (user@)"
type HTTPSURL string

// Scope is one OAuth 2.0 scope (RFC 6749 section 3.3).
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="must be one scope without spaces, quotes or backslashes; list each scope as an entry of its own"
type Scope string

// ParameterValue is the value of a form parameter.
//
// +kubebuilder:validation:MaxLength=2048
type ParameterValue string

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$')",message="the value of a label has letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
type LabelValue string

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// Template is a Go template over the token.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=8192
type Template string

// EgainClientSpec says which token to keep, and where.
//
// +kubebuilder:validation:XValidation:rule="self.flow == 'AnonymousCustomer' || has(self.credentialsSecretRef)",message="credentialsSecretRef is required: name the Secret that holds the client id and secret (only flow AnonymousCustomer can do without)"
// +kubebuilder:validation:XValidation:rule="self.flow == 'TokenExchange' || (has(self.scopes) && size(self.scopes) > 0)",message="scopes is required: list at least one scope (only flow TokenExchange can do without)"
// +kubebuilder:validation:XValidation:rule="(self.flow == 'OnBehalfOf') == has(self.onBehalfOf)",message="onBehalfOf belongs to flow OnBehalfOf: set both or neither"
// +kubebuilder:validation:XValidation:rule="(self.flow == 'TokenExchange') == has(self.tokenExchange)",message="tokenExchange belongs to flow TokenExchange: set both or neither"
// +kubebuilder:validation:XValidation:rule="self.flow != 'AnonymousCustomer' || has(self.tenant.id) || (has(self.tenant.endpoints) && has(self.tenant.endpoints.tokenURL))",message="flow AnonymousCustomer needs tenant.id (or the whole URL in tenant.endpoints.tokenURL)"
// +kubebuilder:validation:XValidation:rule="!has(self.credentialsSecretRef) || !has(self.target) || !has(self.target.secretName) || self.target.secretName != self.credentialsSecretRef.name",message="target.secretName must not be the Secret that credentialsSecretRef names: the token would overwrite the Secret it is made from"
// +kubebuilder:validation:XValidation:rule="!has(self.tokenExchange) || !has(self.tokenExchange.subjectToken.secretKeyRef) || !has(self.target) || !has(self.target.secretName) || self.target.secretName != self.tokenExchange.subjectToken.secretKeyRef.name",message="target.secretName must not be the Secret that tokenExchange.subjectToken.secretKeyRef names"
type EgainClientSpec struct {
	// tenant says where the tokens come from: by the tenant's id, its metadata URL, or its endpoints.
	// +required
	Tenant Tenant `json:"tenant,omitzero"`

	// credentialsSecretRef names the Secret that holds the client id and client secret of the client application
	// (in the eGain console: Partition, Integration, Client Application). The Secret may be created later; the
	// token is issued the moment it appears, and issued anew when the credentials in it change. Required unless flow
	// is AnonymousCustomer.
	// +optional
	CredentialsSecretRef *CredentialsSecretReference `json:"credentialsSecretRef,omitempty"`

	// flow is the OAuth 2.0 flow to run. Default: ClientCredentials.
	// +optional
	// +default="ClientCredentials"
	Flow Flow `json:"flow,omitempty"`

	// onBehalfOf names the user or customer to act for. Required by, and only for, flow OnBehalfOf.
	// +optional
	OnBehalfOf *OnBehalfOf `json:"onBehalfOf,omitempty"`

	// tokenExchange says which foreign token is exchanged. Required by, and only for, flow TokenExchange.
	// +optional
	TokenExchange *TokenExchange `json:"tokenExchange,omitempty"`

	// scopes to ask for, at most 64. Ask for no more than the workload needs. Required unless flow is TokenExchange,
	// which then gets the scopes that the server grants by default.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// parameters are extra form parameters of the token request, at most 16. Parameters that a flow sets itself
	// (grant_type, scope, client_id, …) are refused.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) >= 1 && size(k) <= 64)",message="a parameter name may have 1 to 64 characters"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k in ['grant_type', 'scope', 'client_id', 'client_secret', 'username', 'password', 'subject_username', 'subject_userid', 'subject_email', 'subject_token', 'subject_token_type', 'registration_id', 'client_assertion', 'client_assertion_type', 'code', 'code_verifier', 'redirect_uri', 'refresh_token']))",message="a parameter that the flow sets itself cannot be given here: use scopes, onBehalfOf, tokenExchange or credentialsSecretRef"
	Parameters map[string]ParameterValue `json:"parameters,omitempty"`

	// target is the Secret in which the token is kept. Default: a Secret with the name of the EgainClient.
	// +optional
	// +kubebuilder:default={}
	Target Target `json:"target,omitzero"`

	// renewal overrides when a token is replaced. Default: after two thirds of its life, less up to a tenth of it that
	// is fixed per object, so that clients created together do not renew together.
	// +optional
	Renewal *Renewal `json:"renewal,omitempty"`

	// revokeOnDelete revokes the token (RFC 7009) when the EgainClient is deleted, if the tenant has a revocation
	// endpoint. Deletion never waits longer than a minute for it. Default: false.
	// +optional
	// +default=false
	RevokeOnDelete *bool `json:"revokeOnDelete,omitempty"`

	// suspend stops all token requests and writes for this object. The target keeps the token it has until that
	// expires. Default: false.
	// +optional
	// +default=false
	Suspend *bool `json:"suspend,omitempty"`
}

// Tenant says where the tokens come from. Endpoints given explicitly win over the metadata document, which wins over
// URLs derived from the id.
//
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.metadataURL) || (has(self.endpoints) && has(self.endpoints.tokenURL))",message="set at least one of tenant.id, tenant.metadataURL or tenant.endpoints.tokenURL"
type Tenant struct {
	// id of the tenant, such as TMPRODB88619984. Alone it stands for a tenant of the self-service platform
	// (ai.egain.cloud); a tenant of any other platform also needs metadataURL or endpoints.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9_-]*$')",message="must be a tenant id such as TMPRODB88619984: letters, digits, '-' and '_'"
	ID string `json:"id,omitempty"`

	// metadataURL of the tenant: an RFC 8414 or OpenID Connect Discovery document, or the Metadata URL that the
	// eGain console shows for the client application.
	// +optional
	MetadataURL HTTPSURL `json:"metadataURL,omitempty"`

	// endpoints given here win over the metadata document and over derived URLs.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`

	// scopePrefix is put before every scope that lacks it: the API Permission Prefix that the console shows for
	// tenants of the commercial platform, such as api.egain.cloud/auth/. Default: what the metadata document says, else
	// none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="must not contain spaces, quotes or backslashes"
	ScopePrefix string `json:"scopePrefix,omitempty"`

	// caBundleRef names a ConfigMap or Secret with PEM certificates to trust for this tenant, in place of the
	// system's.
	// +optional
	CABundleRef *CABundleReference `json:"caBundleRef,omitempty"`
}

// Endpoints are the URLs of a tenant.
//
// +kubebuilder:validation:MinProperties=1
type Endpoints struct {
	// tokenURL is the token endpoint of the flow in use. Its query string, if any, is kept.
	// +optional
	TokenURL HTTPSURL `json:"tokenURL,omitempty"`

	// revocationURL is the RFC 7009 revocation endpoint, used by revokeOnDelete.
	// +optional
	RevocationURL HTTPSURL `json:"revocationURL,omitempty"`

	// apiURL is the base URL of API calls (in the console: Domain URL, API Domain). It is written to the key api_url of
	// the target and otherwise not used.
	// +optional
	APIURL HTTPSURL `json:"apiURL,omitempty"`
}

// CABundleReference names a key of a ConfigMap or Secret in the namespace of the EgainClient.
type CABundleReference struct {
	// kind of the object: ConfigMap (default) or Secret.
	// +optional
	// +kubebuilder:validation:Enum=ConfigMap;Secret
	// +default="ConfigMap"
	Kind string `json:"kind,omitempty"`

	// name of the object.
	// +required
	Name SecretName `json:"name,omitempty"`

	// key that holds the PEM certificates. Default: ca.crt.
	// +optional
	// +default="ca.crt"
	Key SecretKey `json:"key,omitempty"`
}

// CredentialsSecretReference names the Secret with the client's credentials, in the namespace of the EgainClient.
type CredentialsSecretReference struct {
	// name of the Secret.
	// +required
	Name SecretName `json:"name,omitempty"`

	// clientIDKey is the key that holds the client id. Default: client_id.
	// +optional
	// +default="client_id"
	ClientIDKey SecretKey `json:"clientIDKey,omitempty"`

	// clientSecretKey is the key that holds the client secret. Default: client_secret.
	// +optional
	// +default="client_secret"
	ClientSecretKey SecretKey `json:"clientSecretKey,omitempty"`
}

// OnBehalfOf names who the client application acts for.
//
// +kubebuilder:validation:ExactlyOneOf=username;userID;email
type OnBehalfOf struct {
	// username of a user. Recommended for users: the fastest look-up at eGain.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Username string `json:"username,omitempty"`

	// userID of a user.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	UserID string `json:"userID,omitempty"`

	// email of a customer.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@ ]+@[^@ ]+$')",message="must be an e-mail address"
	Email string `json:"email,omitempty"`
}

// TokenExchange says which foreign token is exchanged (RFC 8693).
type TokenExchange struct {
	// registrationID of the identity provider at eGain, from its registration for single sign-on.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	RegistrationID string `json:"registrationID,omitempty"`

	// subjectTokenType is the type of the subject token. Default: urn:ietf:params:oauth:token-type:access_token.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +default="urn:ietf:params:oauth:token-type:access_token"
	SubjectTokenType string `json:"subjectTokenType,omitempty"`

	// subjectToken is where the foreign token comes from.
	// +required
	SubjectToken SubjectToken `json:"subjectToken,omitzero"`
}

// SubjectToken is where the foreign token comes from.
//
// +kubebuilder:validation:ExactlyOneOf=secretKeyRef;serviceAccountToken
type SubjectToken struct {
	// secretKeyRef names a key of a Secret that somebody else keeps fresh. When the token in it changes, it is
	// exchanged again at once.
	// +optional
	SecretKeyRef *SecretKeyReference `json:"secretKeyRef,omitempty"`

	// serviceAccountToken has a token minted for a ServiceAccount of this namespace for each exchange, so that
	// nothing is stored. The operator needs the permission to do so, which is off by default.
	// +optional
	ServiceAccountToken *ServiceAccountToken `json:"serviceAccountToken,omitempty"`
}

// SecretKeyReference names a key of a Secret in the namespace of the EgainClient.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	Name SecretName `json:"name,omitempty"`

	// key in the Secret.
	// +required
	Key SecretKey `json:"key,omitempty"`
}

// ServiceAccountToken describes the token to mint by the TokenRequest API.
type ServiceAccountToken struct {
	// name of the ServiceAccount, in the namespace of the EgainClient.
	// +required
	Name SecretName `json:"name,omitempty"`

	// audience of the token, as registered at eGain. An audience that the API server itself accepts is refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Audience string `json:"audience,omitempty"`

	// expirationSeconds is the life of the minted token, 600 (default) to 86400 seconds. It is used once, at once.
	// +optional
	// +kubebuilder:validation:Minimum=600
	// +kubebuilder:validation:Maximum=86400
	// +default=600
	ExpirationSeconds int64 `json:"expirationSeconds,omitempty"`
}

// Target is the Secret in which the token is kept.
type Target struct {
	// secretName is the name of the Secret. Default: the name of the EgainClient. When it changes, the Secret of the
	// old name is cleaned up as deletionPolicy says.
	// +optional
	SecretName SecretName `json:"secretName,omitempty"`

	// creationPolicy Owner (default) creates the Secret and refuses one that belongs to somebody else; Merge adds our
	// keys to a Secret that exists already and refuses to overwrite a key of it.
	// +optional
	// +default="Owner"
	CreationPolicy CreationPolicy `json:"creationPolicy,omitempty"`

	// deletionPolicy says what becomes of the Secret when the EgainClient is deleted: Delete (default) or Retain. Of a
	// merged Secret, Delete takes out only the keys that were added.
	// +optional
	// +default="Delete"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// type of the Secret when it is created. Default: Opaque. Kubernetes does not let a type change, so with
	// creationPolicy Owner a change replaces the Secret; with Merge this is not used.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!(self in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",message="must not be a type that Kubernetes itself gives a meaning to logins by: use Opaque"
	// +default="Opaque"
	Type string `json:"type,omitempty"`

	// template adds keys, labels and annotations.
	// +optional
	Template *TargetTemplate `json:"template,omitempty"`
}

// TargetTemplate adds keys, labels and annotations to the target.
//
// +kubebuilder:validation:MinProperties=1
type TargetTemplate struct {
	// metadata is added to the Secret.
	// +optional
	Metadata *TargetMetadata `json:"metadata,omitempty"`

	// data holds extra keys, at most 32. Each value is a Go template over the token: .AccessToken, .TokenType,
	// .Authorization, .ExpiresAt (RFC 3339), .Scope, .Scopes and .APIURL, with string functions of the Sprig library. The keys
	// that the operator writes itself are refused.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$'))",message="a key may have letters, digits, '-', '_' and '.', at most 253 of them"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k in ['access_token', 'token_type', 'expires_at', 'scope', 'authorization', 'api_url']))",message="access_token, token_type, expires_at, scope, authorization and api_url are written by the operator: choose another key"
	Data map[string]Template `json:"data,omitempty"`
}

// TargetMetadata holds labels and annotations for the target.
//
// +kubebuilder:validation:MinProperties=1
type TargetMetadata struct {
	// labels to add, at most 16.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$'))",message="the key of a label is a name such as team or example.com/team"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('auth.egain.com/'))",message="labels under auth.egain.com/ are the operator's own"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations to add, at most 16.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$'))",message="the key of an annotation is a name such as note or example.com/note"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('auth.egain.com/'))",message="annotations under auth.egain.com/ are the operator's own"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// Renewal overrides when a token is replaced. Whatever is set here, a token is not replaced before half of its life,
// and replaced early enough for a mounted file to follow: two minutes, or a third of a shorter life, before expiry. Up
// to a tenth of the life is taken off, fixed per object, so that clients created together do not renew together.
//
// +kubebuilder:validation:ExactlyOneOf=percent;before
type Renewal struct {
	// percent of the token's life after which it is replaced, 50 to 90.
	// +optional
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=90
	Percent int32 `json:"percent,omitempty"`

	// before is how long before its expiry a token is replaced, such as 10m; 5s to 720h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5s') && duration(self) <= duration('720h')",message="must be a duration from 5s to 720h, such as 10m"
	Before *metav1.Duration `json:"before,omitempty"`
}

// EgainClientStatus is what the operator last saw and did.
//
// +kubebuilder:validation:MinProperties=1
type EgainClientStatus struct {
	// conditions. Ready: the target holds an unexpired token for the current spec. TokenIssued: how the last attempt
	// to issue one went, so that a failing renewal shows while Ready is still True. Reconciling and Stalled are
	// present only while True, for tools that follow kstatus.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the rest of the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// token describes the token in the target; the token itself is only in the target.
	// +optional
	Token *TokenStatus `json:"token,omitempty"`

	// endpoints that were used last, and where they came from.
	// +optional
	Endpoints *EndpointsStatus `json:"endpoints,omitempty"`

	// target is the Secret that holds the token.
	// +optional
	Target *TargetStatus `json:"target,omitempty"`

	// lastHandledRenewal echoes the annotation auth.egain.com/renew-requested-at that was last acted on.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	LastHandledRenewal string `json:"lastHandledRenewal,omitempty"`

	// consecutiveFailures counts failed attempts since the last success.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ConsecutiveFailures int32 `json:"consecutiveFailures,omitempty"`

	// lastFailure is the last failed attempt since the last success.
	// +optional
	LastFailure *FailureStatus `json:"lastFailure,omitempty"`
}

// TokenStatus describes a token.
type TokenStatus struct {
	// issueTime is when the token was asked for.
	// +optional
	IssueTime *metav1.Time `json:"issueTime,omitempty"`

	// expirationTime is when the token expires.
	// +optional
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`

	// renewalTime is when the token will be replaced.
	// +optional
	RenewalTime *metav1.Time `json:"renewalTime,omitempty"`

	// scopes that the server granted; those asked for, if it did not say.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=512
	Scopes []string `json:"scopes,omitempty"`

	// tokenType of the token: Bearer.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TokenType string `json:"tokenType,omitempty"`
}

// EndpointsStatus says which endpoints were used.
type EndpointsStatus struct {
	// tokenURL is the token endpoint.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	TokenURL string `json:"tokenURL,omitempty"`

	// apiURL is the base URL of API calls, if known.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	APIURL string `json:"apiURL,omitempty"`

	// source of tokenURL: Spec, Metadata or Derived.
	// +optional
	Source EndpointSource `json:"source,omitempty"`
}

// TargetStatus names the target.
type TargetStatus struct {
	// secretName is the name of the Secret that holds the token.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
}

// FailureStatus describes a failed attempt.
type FailureStatus struct {
	// time of the attempt.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// reason, the same as that of the condition TokenIssued at the time.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// message says what failed and what to change.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// retryTime is when the next attempt is made, unless the spec or a Secret changes first. Absent if only such a
	// change can help.
	// +optional
	RetryTime *metav1.Time `json:"retryTime,omitempty"`

	// inputs identifies the spec and the versions of the Secrets that the attempt was made with; a retry does not wait
	// once they change.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Inputs string `json:"inputs,omitempty"`
}

// EgainClient keeps a fresh OAuth 2.0 access token of an eGain tenant in a Secret: it runs the flow that spec.flow
// names with the credentials of a client application, writes the token to the target Secret, and replaces it before it
// expires. Workloads mount that Secret.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=egc,categories=egain,path=egainclients
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Flow",type=string,JSONPath=`.spec.flow`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.token.expirationTime`,description="When the token in the target expires."
// +kubebuilder:printcolumn:name="Renews",type=string,JSONPath=`.status.token.renewalTime`,description="When the token will be replaced."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Target",type=string,priority=1,JSONPath=`.status.target.secretName`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="TokenIssued")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="TokenIssued")].message`
// +kubebuilder:validation:XValidation:rule="!has(self.spec.credentialsSecretRef) || (has(self.spec.target) && has(self.spec.target.secretName)) || self.metadata.name != self.spec.credentialsSecretRef.name",message="the target Secret defaults to the name of the EgainClient, which is the Secret that spec.credentialsSecretRef names: set spec.target.secretName to another name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.tokenExchange) || !has(self.spec.tokenExchange.subjectToken.secretKeyRef) || (has(self.spec.target) && has(self.spec.target.secretName)) || self.metadata.name != self.spec.tokenExchange.subjectToken.secretKeyRef.name",message="the target Secret defaults to the name of the EgainClient, which is the Secret that spec.tokenExchange.subjectToken.secretKeyRef names: set spec.target.secretName to another name"
type EgainClient struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which token to keep, and where.
	// +required
	Spec EgainClientSpec `json:"spec,omitzero"`

	// status is what the operator last saw and did.
	// +optional
	Status EgainClientStatus `json:"status,omitzero"`
}

// TargetName is the name of the target Secret: spec.target.secretName, else the name of the EgainClient.
func (c *EgainClient) TargetName() string {
	if c.Spec.Target.SecretName != "" {
		return string(c.Spec.Target.SecretName)
	}
	return c.Name
}

// Suspended reports whether spec.suspend is set.
func (c *EgainClient) Suspended() bool {
	return c.Spec.Suspend != nil && *c.Spec.Suspend
}

// RevokesOnDelete reports whether spec.revokeOnDelete is set.
func (c *EgainClient) RevokesOnDelete() bool {
	return c.Spec.RevokeOnDelete != nil && *c.Spec.RevokeOnDelete
}

// EgainClientList is a list of EgainClients.
//
// +kubebuilder:object:root=true
type EgainClientList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	// items of the list.
	Items []EgainClient `json:"items"`
}
