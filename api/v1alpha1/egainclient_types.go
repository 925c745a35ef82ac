package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RenewRequestedAtAnnotation requests a new token now. Set it to any new value, by convention the current time in
// RFC 3339; the operator renews once per value and echoes it in status.lastHandledRenewal.
const RenewRequestedAtAnnotation = "auth.egain.com/renew-requested-at"

// SubjectTokenLabel is on a Secret that may be sent under --require-application: its value is "true". A user who may write the
// Secret sets it.
const SubjectTokenLabel = "auth.egain.com/subject-token"

// CleanupFinalizer is on an EgainClient only while its deletion needs work: revoking the token (revokeOnDelete), or
// removing the operator's keys from a Secret of another owner (creationPolicy Merge).
const CleanupFinalizer = "auth.egain.com/cleanup"

// Flow is the OAuth 2.0 flow that obtains the token.
//
// +kubebuilder:validation:Enum=ClientCredentials;AnonymousCustomer;OnBehalfOf;TokenExchange;AuthorizationCode
type Flow string

// The flows. Scopes must be of the kind that the flow is for: application scopes for ClientCredentials, delegated
// scopes for TokenExchange and AuthorizationCode, on-behalf-of scopes for OnBehalfOf.
const (
	// FlowClientCredentials authenticates the client application itself (RFC 6749 section 4.4).
	FlowClientCredentials Flow = "ClientCredentials"
	// FlowAnonymousCustomer obtains a token for a customer who is not logged in.
	FlowAnonymousCustomer Flow = "AnonymousCustomer"
	// FlowOnBehalfOf lets the client application act for a user or a customer.
	FlowOnBehalfOf Flow = "OnBehalfOf"
	// FlowTokenExchange trades a token of another identity provider for one of eGain's (RFC 8693).
	FlowTokenExchange Flow = "TokenExchange"
	// FlowAuthorizationCode keeps the session of a person who logged in once at a browser (RFC 6749 section 4.1, RFC 7636).
	FlowAuthorizationCode Flow = "AuthorizationCode"
)

// Actor is who logs in.
//
// +kubebuilder:validation:Enum=User;Customer
type Actor string

// The actors, as the eGain console names them.
const (
	// ActorUser is a logged-in agent.
	ActorUser Actor = "User"
	// ActorCustomer is a logged-in person who is not an agent.
	ActorCustomer Actor = "Customer"
)

// CreationPolicy says how the target Secret is created.
//
// +kubebuilder:validation:Enum=Owner;Merge
type CreationPolicy string

// The creation policies.
const (
	// CreationPolicyOwner creates the Secret and refuses one of another owner.
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

// The sources of endpoints, in the order of precedence.
const (
	// EndpointSourceSpec is spec.tenant.endpoints.
	EndpointSourceSpec EndpointSource = "Spec"
	// EndpointSourceMetadata is a document: the one at metadataURL, or one that the url of an EgainTenant leads to.
	EndpointSourceMetadata EndpointSource = "Metadata"
	// EndpointSourceDerived is a URL that eGain documents, filled in with spec.tenant.id.
	EndpointSourceDerived EndpointSource = "Derived"
)

// SecretName is the name of a Secret, or another object, in the namespace of the EgainClient.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of an object: lowercase letters, digits, '-' and '.', beginning and ending with a letter or digit"
type SecretName string

// SecretKey is a key in the data of a Secret or ConfigMap.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^([-_a-zA-Z0-9]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]*$')",message="must be a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.', not beginning with '..'"
type SecretKey string

// HTTPSURL is an absolute https URL without user info or fragment. Its query string, if any, is sent along.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && size(url(self).getHostname()) > 0",message="must be an absolute https URL, such as https://api.egain.cloud"
// +kubebuilder:validation:XValidation:rule="!self.contains('#') && !self.contains('@') && !self.contains(' ')",message="must not contain spaces, a fragment (#) or credentials (user@)"
// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]*$') && self.matches('^(?i:https)://([A-Za-z0-9_.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]+)?([/?]|$)')",message="must be in ASCII, percent-encoded where needed; its host is a name (xn-- for other letters) or an address without a zone"
// +kubebuilder:validation:XValidation:rule="!self.matches('^(?i:https)://([^/?:]*[.])?([0-9]+|0[xX][0-9A-Fa-f]*)[.]?([:/?]|$)') || self.matches('^(?i:https)://((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([:/?]|$)')",message="must spell an IPv4 address as four decimal numbers, such as 192.0.2.1"
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
// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
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

// RedirectURL is where a browser is sent with the authorization code: http on this machine (RFC 8252 section 7.3), or https.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="isURL(self) && (url(self).getScheme() == 'https' && size(url(self).getHostname()) > 0 || url(self).getScheme() == 'http' && url(self).getHostname() in ['127.0.0.1', 'localhost', '::1', '[::1]'])",message="must be an http URL of this machine, such as http://127.0.0.1:8765/callback, or an https URL"
// +kubebuilder:validation:XValidation:rule="!self.contains('#') && !self.contains('@') && !self.contains(' ')",message="must not contain spaces, a fragment (#) or credentials (user@)"
// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]*$') && self.matches('^(?i:https?)://([A-Za-z0-9_.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]+)?([/?]|$)')",message="must be in ASCII, percent-encoded where needed; its host is a name (xn-- for other letters) or an address without a zone"
// +kubebuilder:validation:XValidation:rule="!self.matches('^(?i:https?)://([^/?:]*[.])?([0-9]+|0[xX][0-9A-Fa-f]*)[.]?([:/?]|$)') || self.matches('^(?i:https?)://((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([:/?]|$)')",message="must spell an IPv4 address as four decimal numbers, such as 192.0.2.1"
type RedirectURL string

// EgainClientSpec says which token to keep, and where.
//
// +kubebuilder:validation:XValidation:rule="has(self.tenant) != has(self.tenantRef)",message="set exactly one of tenant (where the tokens come from) and tenantRef (the name of an EgainTenant that says so)"
// +kubebuilder:validation:XValidation:rule="self.flow == 'AnonymousCustomer' || has(self.credentialsSecretRef) || (has(self.tenantRef) && has(self.tenantRef.application))",message="credentialsSecretRef is required: name the Secret that holds the client id and secret, or an application of the EgainTenant in tenantRef.application (only flow AnonymousCustomer can do without)"
// +kubebuilder:validation:XValidation:rule="!has(self.credentialsSecretRef) || !has(self.tenantRef) || !has(self.tenantRef.application)",message="set either credentialsSecretRef or tenantRef.application, whose credentials stay with the EgainTenant: remove one of them"
// +kubebuilder:validation:XValidation:rule="self.flow != 'AuthorizationCode' || !has(self.tenantRef) || !has(self.tenantRef.application)",message="flow AuthorizationCode cannot use tenantRef.application, since its login needs the client secret at a terminal: set credentialsSecretRef"
// +kubebuilder:validation:XValidation:rule="self.flow == 'TokenExchange' || (has(self.scopes) && size(self.scopes) > 0)",message="scopes is required: list at least one scope (only flow TokenExchange can do without)"
// +kubebuilder:validation:XValidation:rule="(self.flow == 'OnBehalfOf') == has(self.onBehalfOf)",message="flow OnBehalfOf needs spec.onBehalfOf with one of username, userID, email; no other flow takes it"
// +kubebuilder:validation:XValidation:rule="(self.flow == 'TokenExchange') == has(self.tokenExchange)",message="flow TokenExchange needs spec.tokenExchange with registrationID and subjectToken; no other flow takes it"
// +kubebuilder:validation:XValidation:rule="(self.flow == 'AuthorizationCode') == has(self.authorizationCode)",message="flow AuthorizationCode needs spec.authorizationCode with redirectURL and sessionSecretRef; no other flow takes it"
// +kubebuilder:validation:XValidation:rule="self.flow != 'AnonymousCustomer' || !has(self.tenant) || has(self.tenant.id) || (has(self.tenant.endpoints) && has(self.tenant.endpoints.tokenURL))",message="flow AnonymousCustomer needs tenant.id (or the whole URL in tenant.endpoints.tokenURL)"
// +kubebuilder:validation:XValidation:rule="!has(self.credentialsSecretRef) || !has(self.target) || !has(self.target.secretName) || self.target.secretName != self.credentialsSecretRef.name",message="target.secretName must not be the Secret that credentialsSecretRef names: the token would overwrite the Secret it is made from"
// +kubebuilder:validation:XValidation:rule="!has(self.tenant) || !has(self.tenant.caBundleRef) || self.tenant.caBundleRef.kind != 'Secret' || !has(self.target) || !has(self.target.secretName) || self.target.secretName != self.tenant.caBundleRef.name",message="target.secretName must not be the Secret that tenant.caBundleRef names"
// +kubebuilder:validation:XValidation:rule="!has(self.tokenExchange) || !has(self.tokenExchange.subjectToken.secretKeyRef) || !has(self.target) || !has(self.target.secretName) || self.target.secretName != self.tokenExchange.subjectToken.secretKeyRef.name",message="target.secretName must not be the Secret that tokenExchange.subjectToken.secretKeyRef names"
// +kubebuilder:validation:XValidation:rule="!has(self.authorizationCode) || !has(self.target) || !has(self.target.secretName) || self.target.secretName != self.authorizationCode.sessionSecretRef.name",message="target.secretName must not be the Secret that authorizationCode.sessionSecretRef names: workloads would see the refresh token"
// +kubebuilder:validation:XValidation:rule="!has(self.authorizationCode) || !has(self.credentialsSecretRef) || self.credentialsSecretRef.name != self.authorizationCode.sessionSecretRef.name",message="authorizationCode.sessionSecretRef must not be the Secret that credentialsSecretRef names: the operator writes to the one and only reads the other"
type EgainClientSpec struct {
	// tenant says where the tokens come from: at least one of id, metadataURL and endpoints.tokenURL.
	// Set either tenant or tenantRef.
	// +optional
	Tenant Tenant `json:"tenant,omitzero"`

	// tenantRef names the EgainTenant that says where the tokens come from, for a platform that describes each tenant once.
	// A change from tenant to tenantRef, or back, needs no new token if both lead to the same endpoints.
	// Set either tenant or tenantRef; an operator with --require-tenant-ref allows only tenantRef.
	// +optional
	TenantRef *TenantReference `json:"tenantRef,omitempty"`

	// credentialsSecretRef names the Secret that holds the client id and client secret of the client application.
	// Client applications are made in the eGain console: Partition, Integration, Client Application.
	// The Secret may be created later: a token is requested when it appears, and again when the credentials change.
	// Required unless flow is AnonymousCustomer, or tenantRef.application names the client application.
	// +optional
	CredentialsSecretRef *CredentialsSecretReference `json:"credentialsSecretRef,omitempty"`

	// flow is the OAuth 2.0 flow that obtains the token. Default: ClientCredentials.
	// ClientCredentials: a server acts as itself, with application scopes.
	// AnonymousCustomer: a customer who is not logged in.
	// OnBehalfOf: a server acts for a user or customer that onBehalfOf names, with on-behalf-of scopes.
	// TokenExchange: a token of another identity provider is exchanged for one of eGain's, with delegated scopes.
	// AuthorizationCode: a person logs in once with kubectl egain login, with delegated scopes; the operator refreshes.
	// +optional
	// +default="ClientCredentials"
	Flow Flow `json:"flow,omitempty"`

	// onBehalfOf names the user or customer to act for: exactly one of username, userID and email.
	// Required by, and only for, flow OnBehalfOf.
	// +optional
	OnBehalfOf *OnBehalfOf `json:"onBehalfOf,omitempty"`

	// tokenExchange says which foreign token is exchanged (RFC 8693). Required by, and only for, flow TokenExchange.
	// +optional
	TokenExchange *TokenExchange `json:"tokenExchange,omitempty"`

	// authorizationCode says who logs in, and where the session is kept. Required by, and only for, flow AuthorizationCode.
	// +optional
	AuthorizationCode *AuthorizationCode `json:"authorizationCode,omitempty"`

	// scopes to request: 1 to 64, each of at most 256 characters. Request no more than the workload needs.
	// Required unless flow is TokenExchange, where the server decides if none are given.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// parameters are extra form parameters of the token request: 1 to 16, with values of at most 2048 characters.
	// Under a tenantRef, only those may be set that allowedParameters of the EgainTenant lists; it lists none by default.
	// With flow AuthorizationCode, resource and audience go with the login as well (RFC 8707).
	// Those that a flow sets itself (grant_type, scope, client_id and so on), and credentials, are refused in any case.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[A-Za-z0-9._-]{1,64}$'))",message="the name of a parameter has 1 to 64 characters: letters, digits, '.', '_' and '-'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, self.exists_one(other, other.lowerAscii() == k.lowerAscii()))",message="two parameters must not differ only in upper and lower case: keep one of them"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k.lowerAscii() in ['grant_type', 'scope', 'client_id', 'client_secret', 'username', 'password', 'subject_username', 'subject_userid', 'subject_email', 'subject_token', 'subject_token_type', 'registration_id', 'client_assertion', 'client_assertion_type', 'assertion', 'actor_token', 'device_code', 'code', 'code_verifier', 'redirect_uri', 'refresh_token']))",message="must not contain what the flow sets itself (grant_type, scope, client_id, subject_token and so on) nor credentials (client_secret, password, code, refresh_token, client_assertion): use scopes, onBehalfOf, tokenExchange, authorizationCode or credentialsSecretRef"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^(?i)(state|nonce|request|request_uri|response_.*|code_challenge.*)$'))",message="must not contain what a login sets itself: state, nonce, response_*, code_challenge*, request, request_uri"
	Parameters map[string]ParameterValue `json:"parameters,omitempty"`

	// target is the Secret in which the token is kept. Default: a Secret with the name of the EgainClient.
	// Its keys are access_token, token_type, expires_at (RFC 3339), scope, authorization and api_url.
	// authorization is the whole value of the HTTP header of that name.
	// +optional
	// +default={}
	Target Target `json:"target,omitzero"`

	// renewal overrides when a token is replaced: exactly one of percent and before.
	// Default: after two thirds of the token's lifetime, or half of a lifetime below one minute.
	// Never before half of the lifetime, nor so late that a mounted file could lag behind its Secret.
	// The latest is two minutes before the expiry, or a third of the lifetime if that is less.
	// Up to a tenth of the lifetime is subtracted, so that clients created together do not renew together.
	// The amount differs between objects, and a little between tokens.
	// +optional
	Renewal *Renewal `json:"renewal,omitempty"`

	// revokeOnDelete revokes the token (RFC 7009) when the EgainClient is deleted. Default: false.
	// With flow AuthorizationCode the refresh token is revoked too, which ends the session.
	// It needs a revocation endpoint: tenant.endpoints.revocationURL, or one in the metadata document.
	// It is tried for at most a minute; then the object is deleted, and an event says that the token was not revoked.
	// +optional
	// +default=false
	RevokeOnDelete *bool `json:"revokeOnDelete,omitempty"`

	// suspend stops token requests, and writes to the target, for this object. Default: false.
	// The target keeps the token that it contains, which is not replaced when it expires.
	// +optional
	// +default=false
	Suspend *bool `json:"suspend,omitempty"`
}

// TenantReference names an EgainTenant.
type TenantReference struct {
	// name of the EgainTenant.
	// +required
	Name SecretName `json:"name,omitempty"`

	// application is the name of an entry of spec.applications of the EgainTenant, whose client id and secret are used.
	// They stay with the platform: set no credentialsSecretRef then. Flow AuthorizationCode cannot use it.
	// +optional
	Application ApplicationName `json:"application,omitempty"`
}

// Tenant says where the tokens come from.
// Endpoints given explicitly win over the metadata document, which wins over URLs derived from the id.
//
// +kubebuilder:validation:XValidation:rule="has(self.id) || has(self.metadataURL) || (has(self.endpoints) && has(self.endpoints.tokenURL))",message="set at least one of tenant.id, tenant.metadataURL or tenant.endpoints.tokenURL"
// +kubebuilder:validation:MinProperties=1
type Tenant struct {
	TenantLocation `json:",inline"`

	// caBundleRef names a ConfigMap or Secret with the PEM certificates to trust for this tenant.
	// Default: those that the operator's image trusts.
	// +optional
	CABundleRef *CABundleReference `json:"caBundleRef,omitempty"`
}

// TenantLocation says where a tenant is found, for an EgainClient and an EgainTenant alike.
type TenantLocation struct {
	// id of the tenant, such as TMPRODB88619984: at most 64 letters, digits, '-' and '_'.
	// Alone it means a tenant of the self-service platform (ai.egain.cloud).
	// A tenant of another platform also needs metadataURL or endpoints.tokenURL.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9_-]*$')",message="must be a tenant id such as TMPRODB88619984: letters, digits, '-' and '_'"
	ID string `json:"id,omitempty"`

	// metadataURL is the Metadata URL that the eGain console shows for the client application.
	// A document by RFC 8414 or OpenID Connect Discovery works as well.
	// The URLs in it must be https, on the same site as itself; give those that are not in endpoints.
	// An EgainTenant may list hosts of other sites in trustedHosts.
	// It is not read if endpoints has both tokenURL and apiURL, unless revokeOnDelete needs it.
	// +optional
	MetadataURL HTTPSURL `json:"metadataURL,omitempty"`

	// endpoints are the URLs of the tenant: https, each of at most 2048 characters.
	// They win over the metadata document, which wins over URLs derived from the id.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`

	// scopePrefix is put before every scope that lacks it, such as https://api.egain.cloud/auth/: at most 256 characters.
	// It is the API Permission Prefix that the eGain console shows for tenants of the commercial platform.
	// Scopes that are whole URIs, and those of OpenID Connect, stay as they are.
	// Default: what the metadata document says, if it is read; else none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="must not contain spaces, quotes or backslashes"
	ScopePrefix string `json:"scopePrefix,omitempty"`
}

// Endpoints are the URLs of a tenant.
//
// +kubebuilder:validation:MinProperties=1
type Endpoints struct {
	// tokenURL is the token endpoint of the flow that is used. Its query string, if any, is kept.
	// +optional
	TokenURL HTTPSURL `json:"tokenURL,omitempty"`

	// authorizationURL is where a user logs in at a browser, used by flow AuthorizationCode.
	// +optional
	AuthorizationURL HTTPSURL `json:"authorizationURL,omitempty"`

	// revocationURL is the RFC 7009 revocation endpoint, used by revokeOnDelete.
	// +optional
	RevocationURL HTTPSURL `json:"revocationURL,omitempty"`

	// apiURL is the base URL of API calls, which the eGain console calls Domain URL or API Domain.
	// It is written to the key api_url of the target.
	// The token URLs of flows AnonymousCustomer and OnBehalfOf may be derived from it.
	// +optional
	APIURL HTTPSURL `json:"apiURL,omitempty"`
}

// CABundleReference names a key of a ConfigMap or Secret in the namespace of the EgainClient.
type CABundleReference struct {
	// kind of the object: ConfigMap or Secret. Default: ConfigMap.
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
//
// +kubebuilder:validation:XValidation:rule="self.clientIDKey != self.clientSecretKey",message="clientIDKey and clientSecretKey must be different keys of the Secret"
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
	// username of a user, at most 256 characters. eGain recommends it over userID, since it is found faster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
	Username string `json:"username,omitempty"`

	// userID of a user, at most 256 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
	UserID string `json:"userID,omitempty"`

	// email of a customer, at most 320 characters.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@ ]+@[^@ ]+$')",message="must be an e-mail address"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
	Email string `json:"email,omitempty"`
}

// TokenExchange says which foreign token is exchanged (RFC 8693).
type TokenExchange struct {
	// registrationID of the identity provider, from its registration for single sign-on at eGain.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
	RegistrationID string `json:"registrationID,omitempty"`

	// subjectTokenType is the type of the subject token (RFC 8693 section 3).
	// Default: urn:ietf:params:oauth:token-type:access_token.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
	// +default="urn:ietf:params:oauth:token-type:access_token"
	SubjectTokenType string `json:"subjectTokenType,omitempty"`

	// subjectToken is where the foreign token comes from.
	// Exactly one of secretKeyRef, serviceAccountToken and egainClientRef.
	// +required
	SubjectToken SubjectToken `json:"subjectToken,omitzero"`
}

// SubjectToken is where the foreign token comes from.
//
// +kubebuilder:validation:ExactlyOneOf=secretKeyRef;serviceAccountToken;egainClientRef
type SubjectToken struct {
	// secretKeyRef names a key of a Secret that another tool keeps up to date.
	// When the token in it changes, it is exchanged again immediately.
	// +optional
	SecretKeyRef *SecretKeyReference `json:"secretKeyRef,omitempty"`

	// serviceAccountToken makes the operator mint a token of a ServiceAccount of this namespace for each exchange.
	// The token is not stored. The operator needs permission to create serviceaccounts/token.
	// Its audience must be in the operator's flag --allowed-audiences.
	// +optional
	ServiceAccountToken *ServiceAccountToken `json:"serviceAccountToken,omitempty"`

	// egainClientRef names another EgainClient of this namespace, whose access token is exchanged.
	// When that one rotates, it is exchanged again immediately.
	// +optional
	EgainClientRef *EgainClientReference `json:"egainClientRef,omitempty"`
}

// EgainClientReference names an EgainClient in the namespace of the one that refers to it.
type EgainClientReference struct {
	// name of the EgainClient.
	// +required
	Name SecretName `json:"name,omitempty"`
}

// AuthorizationCode says who logs in, and where the session is kept.
type AuthorizationCode struct {
	// actor is who logs in: User, an agent, or Customer. Default: User.
	// It decides which of the tenant's endpoints are used.
	// +optional
	// +default="User"
	Actor Actor `json:"actor,omitempty"`

	// sessionSecretRef names the Secret in which the refresh token is kept, under the key refresh_token.
	// kubectl egain login writes and marks it; the operator replaces the refresh token whenever eGain does.
	// A Secret without the mark, or with that of another EgainClient, is not used: annotations auth.egain.com/session and session-of.
	// Each EgainClient needs one of its own, and no workload should read it.
	// +required
	SessionSecretRef SessionSecretReference `json:"sessionSecretRef,omitzero"`

	// redirectURL is where the browser is sent after the login, exactly as registered for the client application.
	// One of this machine is received by kubectl egain login; of another, the code is pasted (--no-browser).
	// Default: http://127.0.0.1:8765/callback.
	// +optional
	// +default="http://127.0.0.1:8765/callback"
	RedirectURL RedirectURL `json:"redirectURL,omitempty"`

	// parameters go with the login only: 1 to 10, with values of at most 2048 characters.
	// Allowed are prompt, domain_hint, login_hint, ui_locales, acr_values, max_age, resource, audience, kc_idp_hint and p.
	// Under a tenantRef, resource and audience must be in allowedParameters of the EgainTenant.
	// domain_hint is discovered for an EgainTenant with a url; a value given here wins.
	// A change of parameters needs no new token.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule="self.all(k, k in ['prompt', 'domain_hint', 'login_hint', 'ui_locales', 'acr_values', 'max_age', 'resource', 'audience', 'kc_idp_hint', 'p'])",message="must be one of prompt, domain_hint, login_hint, ui_locales, acr_values, max_age, resource, audience, kc_idp_hint and p: a login sets the rest itself"
	Parameters map[string]ParameterValue `json:"parameters,omitempty"`
}

// SessionSecretReference names the Secret of a session, in the namespace of the EgainClient.
type SessionSecretReference struct {
	// name of the Secret.
	// +required
	Name SecretName `json:"name,omitempty"`
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

	// audience of the token, as registered at eGain: at most 512 characters.
	// The operator mints tokens for listed audiences only (--allowed-audiences), compared character by character.
	// One that the API server itself accepts is refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
	Audience string `json:"audience,omitempty"`

	// expirationSeconds is the lifetime of the minted token in seconds, 600 to 86400. Default: 600.
	// The token is used once, immediately.
	// +optional
	// +kubebuilder:validation:Minimum=600
	// +kubebuilder:validation:Maximum=86400
	// +default=600
	ExpirationSeconds int64 `json:"expirationSeconds,omitempty"`
}

// Target is the Secret in which the token is kept.
type Target struct {
	// secretName is the name of the Secret. Default: the name of the EgainClient.
	// When it changes, the Secret of the old name is cleaned up as deletionPolicy says.
	// +optional
	SecretName SecretName `json:"secretName,omitempty"`

	// creationPolicy says how the Secret is created. Default: Owner.
	// Owner: the operator creates it, and refuses one of another owner.
	// Merge: keys are added to a Secret that exists; a key, label or annotation that another writer put there is not overwritten.
	// Refused are sessions, Secrets that an EgainClient or EgainTenant reads, and those that log in to the cluster.
	// +optional
	// +default="Owner"
	CreationPolicy CreationPolicy `json:"creationPolicy,omitempty"`

	// deletionPolicy says what happens to the Secret when the EgainClient is deleted. Default: Delete.
	// Delete: it is deleted; of one with creationPolicy Merge, only the keys that were added are removed.
	// Retain: it stays as it is, with the last token in it.
	// +optional
	// +default="Delete"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// type of the Secret. Default: Opaque. With creationPolicy Merge it is not used.
	// Kubernetes does not let the type of a Secret change: when this changes, the Secret is deleted and created again.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!(self in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",message="must not be a type that Kubernetes itself uses for logins: use Opaque"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
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

	// data holds extra keys: 1 to 32, with templates of at most 8192 characters. Keys of the operator are refused.
	// Each value is a Go template; most functions of the Sprig library on strings and numbers may be used.
	// Fields: .AccessToken, .TokenType, .Authorization, .ExpiresAt (RFC 3339), .Scope (text), .Scopes (list), .APIURL.
	// There are no variables, and range may only be over .Scopes.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && k.matches('^([-_a-zA-Z0-9]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]*$'))",message="a key has 1 to 253 letters, digits, '-', '_' and '.', and does not begin with '..'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k in ['access_token', 'token_type', 'expires_at', 'scope', 'authorization', 'api_url']))",message="access_token, token_type, expires_at, scope, authorization and api_url are written by the operator: choose another key"
	Data map[string]Template `json:"data,omitempty"`
}

// TargetMetadata holds labels and annotations for the target.
//
// +kubebuilder:validation:MinProperties=1
type TargetMetadata struct {
	// labels to add: 1 to 16. Those under auth.egain.com/ are refused.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="the key of a label is a name of at most 63 characters, such as team, or has a domain before it, such as example.com/team"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('auth.egain.com/'))",message="labels under auth.egain.com/ are the operator's own"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations to add: 1 to 16, with values of at most 4096 characters. Those under auth.egain.com/ are refused.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="the key of an annotation is a name of at most 63 characters, such as note, or has a domain before it, such as example.com/note"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('auth.egain.com/'))",message="annotations under auth.egain.com/ are the operator's own"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// Renewal overrides when a token is replaced.
//
// +kubebuilder:validation:ExactlyOneOf=percent;before
type Renewal struct {
	// percent of the token's lifetime after which it is replaced, 50 to 90 percent.
	// +optional
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=90
	Percent int32 `json:"percent,omitempty"`

	// before is how long before its expiry a token is replaced: a duration from 5s to 720h, such as 10m or 1h30m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=28
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('5s') && duration(self) <= duration('720h')",message="must be a duration from 5s to 720h, such as 10m or 1h30m"
	Before *metav1.Duration `json:"before,omitempty"`
}

// EgainClientStatus is what the operator last observed and did.
//
// +kubebuilder:validation:MinProperties=1
type EgainClientStatus struct {
	// conditions of the object.
	// Ready: the target holds an unexpired token for the current spec.
	// TokenIssued: how the last attempt to issue one went; a failing renewal shows here while Ready is still True.
	// Reconciling and Stalled are present only while True, for tools that follow kstatus.
	// ClockSkewed is present only while the clocks of eGain and the operator are 30 seconds or more apart.
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

	// token describes the token in the target; the token itself is only in the target.
	// +optional
	Token *TokenStatus `json:"token,omitempty"`

	// session describes the refresh token of flow AuthorizationCode; the token itself is only in the session Secret.
	// +optional
	Session *SessionStatus `json:"session,omitempty"`

	// endpoints are those that were used last, and where they came from.
	// +optional
	Endpoints *EndpointsStatus `json:"endpoints,omitempty"`

	// target is the Secret that holds the token.
	// +optional
	Target *TargetStatus `json:"target,omitempty"`

	// lastHandledRenewal echoes the value of the annotation auth.egain.com/renew-requested-at that was last acted on.
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
	// issueTime is when the token was requested. Its lifetime counts from then.
	// +optional
	IssueTime *metav1.Time `json:"issueTime,omitempty"`

	// expirationTime is when the token expires.
	// +optional
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`

	// renewalTime is when the token will be replaced.
	// +optional
	RenewalTime *metav1.Time `json:"renewalTime,omitempty"`

	// scopes that the server granted; those requested, if it did not say.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=512
	Scopes []string `json:"scopes,omitempty"`

	// tokenType of the token: Bearer.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TokenType string `json:"tokenType,omitempty"`
}

// SessionStatus describes a session.
type SessionStatus struct {
	// expirationTime is when the refresh token expires unless it is replaced before, if the server says.
	// +optional
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`
}

// EndpointsStatus says which endpoints were used.
type EndpointsStatus struct {
	// tokenURL is the token endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	TokenURL string `json:"tokenURL,omitempty"`

	// apiURL is the base URL of API calls, if known.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	APIURL string `json:"apiURL,omitempty"`

	// scopePrefix that was put before every scope that lacked it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ScopePrefix string `json:"scopePrefix,omitempty"`

	// issuer that the metadata document names, if it was read and names one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`

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

	// reason of the failure: that of the condition TokenIssued at the time.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// message says what failed and what to change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// retryTime is when the next attempt is made, unless the spec or a Secret changes first.
	// Absent if only such a change can help.
	// Absent too while the circuit of an endpoint is open, as the message says.
	// Absent as well while the API server fails.
	// +optional
	RetryTime *metav1.Time `json:"retryTime,omitempty"`

	// inputs identifies the spec and the versions of the Secrets that the attempt was made with.
	// A retry does not wait once they change.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Inputs string `json:"inputs,omitempty"`
}

// EgainClient keeps a fresh OAuth 2.0 access token of an eGain tenant in a Secret, which workloads mount.
// The operator runs the flow that spec.flow names with the credentials of a client application.
// It writes the token to the target Secret, and replaces it before it expires.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=egc,categories=egain,path=egainclients
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="TokenIssued")].reason`,description="How the last token request went."
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.token.expirationTime`,description="When the token in the target expires."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Target",type=string,priority=1,JSONPath=`.status.target.secretName`
// +kubebuilder:printcolumn:name="Flow",type=string,priority=1,JSONPath=`.spec.flow`
// +kubebuilder:printcolumn:name="Renews",type=string,priority=1,JSONPath=`.status.token.renewalTime`,description="When the token will be replaced, unless the reason says otherwise."
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="TokenIssued")].message`
// +kubebuilder:validation:XValidation:rule="!has(self.spec.credentialsSecretRef) || (has(self.spec.target) && has(self.spec.target.secretName)) || self.metadata.name != self.spec.credentialsSecretRef.name",message="the target Secret defaults to the name of the EgainClient, which is the Secret that spec.credentialsSecretRef names: set spec.target.secretName to another name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.tenant) || !has(self.spec.tenant.caBundleRef) || self.spec.tenant.caBundleRef.kind != 'Secret' || (has(self.spec.target) && has(self.spec.target.secretName)) || self.metadata.name != self.spec.tenant.caBundleRef.name",message="the target Secret defaults to the name of the EgainClient, which is the Secret that spec.tenant.caBundleRef names: set spec.target.secretName to another name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.tokenExchange) || !has(self.spec.tokenExchange.subjectToken.secretKeyRef) || (has(self.spec.target) && has(self.spec.target.secretName)) || self.metadata.name != self.spec.tokenExchange.subjectToken.secretKeyRef.name",message="the target Secret defaults to the name of the EgainClient, which is the Secret that spec.tokenExchange.subjectToken.secretKeyRef names: set spec.target.secretName to another name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.authorizationCode) || (has(self.spec.target) && has(self.spec.target.secretName)) || self.metadata.name != self.spec.authorizationCode.sessionSecretRef.name",message="the target Secret defaults to the name of the EgainClient, which is the Secret that spec.authorizationCode.sessionSecretRef names: set spec.target.secretName to another name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.tokenExchange) || !has(self.spec.tokenExchange.subjectToken.egainClientRef) || self.metadata.name != self.spec.tokenExchange.subjectToken.egainClientRef.name",message="spec.tokenExchange.subjectToken.egainClientRef must name another EgainClient: one cannot exchange its own token"
type EgainClient struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which token to keep, and where.
	// +required
	Spec EgainClientSpec `json:"spec,omitzero"`

	// status is what the operator last observed and did.
	// +optional
	// +default={"observedGeneration":-1}
	Status EgainClientStatus `json:"status,omitzero"`
}

// TargetName is the name of the target Secret: spec.target.secretName, else the name of the EgainClient.
func (c *EgainClient) TargetName() string {
	if c.Spec.Target.SecretName != "" {
		return string(c.Spec.Target.SecretName)
	}
	return c.Name
}

// Application is the name of the application that an EgainClient uses; empty if it names none.
func (c *EgainClient) Application() string {
	if c.Spec.TenantRef == nil {
		return ""
	}
	return string(c.Spec.TenantRef.Application)
}

// Suspended reports whether spec.suspend is set.
func (c *EgainClient) Suspended() bool {
	return c.Spec.Suspend != nil && *c.Spec.Suspend
}

// RevokesOnDelete reports whether spec.revokeOnDelete is set.
func (c *EgainClient) RevokesOnDelete() bool {
	return c.Spec.RevokeOnDelete != nil && *c.Spec.RevokeOnDelete
}

// OlderThan reports whether an EgainClient was created before another one, or is first by name if both are of one second.
func (c *EgainClient) OlderThan(other *EgainClient) bool {
	if !c.CreationTimestamp.Equal(&other.CreationTimestamp) {
		return c.CreationTimestamp.Before(&other.CreationTimestamp)
	}
	return c.Name < other.Name
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
