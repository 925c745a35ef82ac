package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApplicationName is the name of an application of an EgainTenant.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="must be a DNS label, such as default: lowercase letters, digits and '-', beginning and ending with a letter or digit"
type ApplicationName string

// SubjectPattern is a subject, or a pattern of subjects with one asterisk.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=320
// +kubebuilder:validation:XValidation:rule="self.matches('^[^*]*[*]?[^*]*$')",message="must have at most one '*', such as agent.*"
// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
type SubjectPattern string

// RegistrationID is the id of an identity provider, from its registration for single sign-on at eGain.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\p{Cc}\\\\p{Cf}\\\\p{Zl}\\\\p{Zp}\\\\x{34F}\\\\x{115F}\\\\x{1160}\\\\x{3164}\\\\x{FFA0}]')",message="must not contain control characters, or characters that are invisible or turn the direction of text"
type RegistrationID string

// Application is a client application whose credentials stay with the platform: EgainClients use it without reading them.
//
// +kubebuilder:validation:XValidation:rule="!('OnBehalfOf' in self.allowedFlows) || has(self.allowedSubjects)",message="allowedSubjects is required with flow OnBehalfOf: list the users and customers that EgainClients may act for"
// +kubebuilder:validation:XValidation:rule="!('TokenExchange' in self.allowedFlows) || has(self.allowedRegistrations)",message="allowedRegistrations is required with flow TokenExchange: list the registrations of identity providers whose tokens may be exchanged"
type Application struct {
	// name of the application, by which EgainClients refer to it in spec.tenantRef.application: a DNS label.
	// +required
	Name ApplicationName `json:"name,omitempty"`

	// credentialsSecretRef names the Secret that holds the client id and client secret.
	// It is read only in the namespaces of --application-namespaces. Default of that: the operator's own namespace.
	// +required
	CredentialsSecretRef ApplicationCredentialsReference `json:"credentialsSecretRef,omitzero"`

	// allowedNamespaces says from which namespaces EgainClients may use the application.
	// The EgainTenant must allow them too. A selector must select by something.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.selector) || (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)",message="an empty selector would allow every namespace: set matchLabels or matchExpressions, or list the namespaces in names"
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitzero"`

	// allowedFlows are the flows that EgainClients may use the application with: 1 to 4.
	// AuthorizationCode is not among them: its login needs the client secret at a terminal.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:XValidation:rule="!('AuthorizationCode' in self)",message="must not contain AuthorizationCode: its login needs the client secret at a terminal; such EgainClients name a Secret of their own"
	AllowedFlows []Flow `json:"allowedFlows,omitempty"`

	// allowedScopes are the scopes that EgainClients may request with the application: 1 to 64. Default: those of the EgainTenant.
	// They are compared as allowedScopes of the EgainTenant are. Both must allow a scope.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	AllowedScopes []ScopePattern `json:"allowedScopes,omitempty"`

	// allowedSubjects are the users and customers that EgainClients may act for. Required with flow OnBehalfOf.
	// A kind of subject without a list is not allowed.
	// +optional
	AllowedSubjects *AllowedSubjects `json:"allowedSubjects,omitempty"`

	// allowedRegistrations are the registrations of identity providers whose tokens may be exchanged: 1 to 32.
	// They are compared byte for byte. Required with flow TokenExchange.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	AllowedRegistrations []RegistrationID `json:"allowedRegistrations,omitempty"`
}

// ApplicationCredentialsReference names the Secret with the credentials of an application.
//
// +kubebuilder:validation:XValidation:rule="has(self.clientIDKey) && has(self.clientSecretKey) ? self.clientIDKey != self.clientSecretKey : (!has(self.clientIDKey) || self.clientIDKey != 'client_secret') && (!has(self.clientSecretKey) || self.clientSecretKey != 'client_id')",message="clientIDKey and clientSecretKey must be different keys of the Secret"
type ApplicationCredentialsReference struct {
	// name of the Secret.
	// +required
	Name SecretName `json:"name,omitempty"`

	// clientIDKey is the key that holds the client id. Default: client_id.
	// +optional
	ClientIDKey SecretKey `json:"clientIDKey,omitempty"`

	// clientSecretKey is the key that holds the client secret. Default: client_secret.
	// +optional
	ClientSecretKey SecretKey `json:"clientSecretKey,omitempty"`

	// namespace of the Secret: one of --application-namespaces.
	// +required
	Namespace NamespaceName `json:"namespace,omitempty"`
}

// WithDefaults is the reference with both keys. The API server does not fill them in: tools that compare lists as a whole, such
// as Argo CD by default and kubectl diff, would report what it adds to an item of a list as drift.
func (r ApplicationCredentialsReference) WithDefaults() ApplicationCredentialsReference {
	r.ClientIDKey = cmp.Or(r.ClientIDKey, "client_id")
	r.ClientSecretKey = cmp.Or(r.ClientSecretKey, "client_secret")
	return r
}

// Keys is the Secret and its keys, without the namespace.
func (r ApplicationCredentialsReference) Keys() *CredentialsSecretReference {
	r = r.WithDefaults()
	return &CredentialsSecretReference{Name: r.Name, ClientIDKey: r.ClientIDKey, ClientSecretKey: r.ClientSecretKey}
}

// AllowedSubjects are the users and customers that EgainClients may act for.
// An entry is compared byte for byte. One '*' in it stands for one or more letters, digits, '.', '_', '+' and '-', never for '@'.
// A subject with a space, or a character that is not printable ASCII, must be listed literally.
// The list of '*' alone allows all others of its kind.
//
// +kubebuilder:validation:MinProperties=1
type AllowedSubjects struct {
	// usernames of users: 1 to 128, such as agent.*.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="size(self) == 1 || !('*' in self)",message="'*' allows all: list it alone, or remove it"
	Usernames []SubjectPattern `json:"usernames,omitempty"`

	// userIDs of users: 1 to 128.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="size(self) == 1 || !('*' in self)",message="'*' allows all: list it alone, or remove it"
	UserIDs []SubjectPattern `json:"userIDs,omitempty"`

	// emails of customers: 1 to 128, such as *@acme.com.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="size(self) == 1 || !('*' in self)",message="'*' allows all: list it alone, or remove it"
	Emails []SubjectPattern `json:"emails,omitempty"`
}

// ApplicationStatus says whether the credentials of an application work.
type ApplicationStatus struct {
	// name of the application.
	// +required
	Name ApplicationName `json:"name,omitempty"`

	// ready is True once eGain has issued a token with the credentials.
	// It is False while eGain refuses them or they cannot be read, and Unknown while no EgainClient has a token of the application.
	// +required
	// +kubebuilder:validation:Enum=True;False;Unknown
	Ready metav1.ConditionStatus `json:"ready,omitempty"`

	// reason for ready: Accepted, Unused, ApplicationFailing or ApplicationInvalid.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// message says what is wrong and what to change. Absent if nothing is.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// clients is how many EgainClients name the application.
	// +required
	// +kubebuilder:validation:Minimum=0
	Clients *int32 `json:"clients,omitempty"`

	// rejectedClients is how many of those get no token for a reason of their own.
	// The EgainTenant or the application does not allow them, or eGain rejects their scope, subject or request.
	// +required
	// +kubebuilder:validation:Minimum=0
	RejectedClients *int32 `json:"rejectedClients,omitempty"`
}
