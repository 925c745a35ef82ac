package v1alpha1

// Types of conditions.
const (
	// ConditionReady is True while the target holds an unexpired token for the current spec, whatever the last attempt
	// to renew it did.
	ConditionReady = "Ready"
	// ConditionTokenIssued says how the last attempt to issue a token went. False while Ready is True means that a
	// renewal is failing and there is still time.
	ConditionTokenIssued = "TokenIssued"
	// ConditionReconciling is present, and True, while the operator works towards Ready or waits for what it needs
	// (kstatus: InProgress).
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present, and True, while there is no usable token and an action is needed (kstatus: Failed).
	ConditionStalled = "Stalled"
	// ConditionClockSkewed is present, and True, while the clocks of eGain and the operator are 30 seconds or more apart.
	ConditionClockSkewed = "ClockSkewed"
)

// Reasons of conditions without a failure, and of those that a failure does not explain.
const (
	// ReasonIssued: the last token request succeeded and the token is in the target.
	ReasonIssued = "Issued"
	// ReasonTokenValid: the target holds an unexpired token for the current spec.
	ReasonTokenValid = "TokenValid"
	// ReasonSuspended: spec.suspend is set.
	ReasonSuspended = "Suspended"
	// ReasonTokenExpired: the token in the target has expired and could not be replaced.
	ReasonTokenExpired = "TokenExpired"
	// ReasonTokenOutdated: the token in the target was issued for an earlier spec.
	ReasonTokenOutdated = "TokenOutdated"
	// ReasonNoToken: the target holds no token.
	ReasonNoToken = "NoToken"
	// ReasonClockAhead: eGain's clock is 30 seconds or more ahead of the operator's.
	ReasonClockAhead = "ClockAhead"
	// ReasonClockBehind: eGain's clock is 30 seconds or more behind the operator's.
	ReasonClockBehind = "ClockBehind"
	// ReasonEndpointsKnown: the endpoints of the EgainTenant are known.
	ReasonEndpointsKnown = "EndpointsKnown"
)

// Reasons that wait for an object in the cluster to appear or change.
const (
	// ReasonCredentialsNotFound: the Secret with the client's credentials does not exist.
	ReasonCredentialsNotFound = "CredentialsNotFound"
	// ReasonSubjectTokenNotFound: the Secret or ServiceAccount of the subject token does not exist.
	ReasonSubjectTokenNotFound = "SubjectTokenNotFound"
	// ReasonCABundleNotFound: the ConfigMap or Secret with the CA bundle does not exist.
	ReasonCABundleNotFound = "CABundleNotFound"
	// ReasonTargetNotFound: creationPolicy is Merge and the Secret to add to does not exist.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonSessionNotFound: the Secret with the session of the AuthorizationCode flow does not exist; a login creates it.
	ReasonSessionNotFound = "SessionNotFound"
	// ReasonTenantNotFound: the EgainTenant that spec.tenantRef names does not exist.
	ReasonTenantNotFound = "TenantNotFound"
	// ReasonApplicationNotFound: the EgainTenant has no application of the name in spec.tenantRef.application.
	ReasonApplicationNotFound = "ApplicationNotFound"
)

// Reasons in status.applications of an EgainTenant, beside ApplicationFailing and ApplicationInvalid.
const (
	// ApplicationAccepted: eGain has issued a token with the credentials of the application.
	ApplicationAccepted = "Accepted"
	// ApplicationUnused: no EgainClient has a token of the application yet.
	ApplicationUnused = "Unused"
)

// Reasons that need an edit of the spec or of an object that it names.
const (
	// ReasonCredentialsInvalid: the credentials Secret lacks a key, or a key is empty or not one line of printable ASCII.
	ReasonCredentialsInvalid = "CredentialsInvalid"
	// ReasonSubjectTokenInvalid: the Secret of the subject token lacks the key, or its value is empty or not text.
	ReasonSubjectTokenInvalid = "SubjectTokenInvalid"
	// ReasonSubjectTokenForbidden: the operator may not mint tokens for the ServiceAccount or the audience, or the API
	// server itself accepts tokens of that audience.
	ReasonSubjectTokenForbidden = "SubjectTokenForbidden"
	// ReasonCABundleInvalid: the CA bundle lacks the key or holds no certificate that can be used.
	ReasonCABundleInvalid = "CABundleInvalid"
	// ReasonTargetNotOwned: creationPolicy is Owner and a Secret of that name has another owner.
	ReasonTargetNotOwned = "TargetNotOwned"
	// ReasonTargetClaimed: another EgainClient keeps its token in that Secret.
	ReasonTargetClaimed = "TargetClaimed"
	// ReasonTargetConflict: the Secret is for something else. It is a session, another EgainClient or an EgainTenant reads it, its
	// content logs in to the cluster, or with creationPolicy Merge it already has a key, label or annotation of the target.
	ReasonTargetConflict = "TargetConflict"
	// ReasonTargetImmutable: creationPolicy is Merge and the Secret is immutable.
	ReasonTargetImmutable = "TargetImmutable"
	// ReasonTargetRejected: the API server does not accept the Secret as the spec describes it.
	ReasonTargetRejected = "TargetRejected"
	// ReasonTemplateInvalid: a template of target.template.data does not parse, or fails.
	ReasonTemplateInvalid = "TemplateInvalid"
	// ReasonEndpointInvalid: no usable token endpoint comes out of spec.tenant and the metadata document.
	ReasonEndpointInvalid = "EndpointInvalid"
	// ReasonEndpointRefused: the address of an endpoint is one that the operator does not send credentials to, or a document
	// names it although it is of another site.
	ReasonEndpointRefused = "EndpointRefused"
	// ReasonTenantMismatch: the url of the EgainTenant is the address of another tenant than its id says, or a metadataURL names the
	// document of another.
	ReasonTenantMismatch = "TenantMismatch"
	// ReasonReauthorizationRequired: the server does not accept the session's refresh token any more; a user must log in
	// again. It is not retried before the session Secret changes, since servers take a void refresh token that comes twice
	// for a theft.
	ReasonReauthorizationRequired = "ReauthorizationRequired"
	// ReasonSessionInvalid: the session Secret is not marked as the session of the EgainClient, is the target of another, or lacks
	// the refresh token, or that is empty or not text.
	ReasonSessionInvalid = "SessionInvalid"
	// ReasonSessionRejected: the API server does not accept the session Secret with a new refresh token, which is held in memory
	// until it is written.
	ReasonSessionRejected = "SessionRejected"
	// ReasonTenantNotAllowed: the EgainTenant does not allow the namespace of the EgainClient.
	ReasonTenantNotAllowed = "TenantNotAllowed"
	// ReasonTenantInvalid: the EgainTenant has a selector of namespaces that is not valid.
	ReasonTenantInvalid = "TenantInvalid"
	// ReasonApplicationNotAllowed: the application does not allow the namespace, flow, scopes, subject or registration.
	ReasonApplicationNotAllowed = "ApplicationNotAllowed"
	// ReasonApplicationInvalid: the application has no credentials that the operator may read and can use.
	ReasonApplicationInvalid = "ApplicationInvalid"
	// ReasonSecretNotLabelled: the operator runs with --require-application, and a Secret that would be sent has no label that allows it.
	ReasonSecretNotLabelled = "SecretNotLabelled"
	// ReasonScopeNotAllowed: the EgainTenant does not allow one of spec.scopes.
	ReasonScopeNotAllowed = "ScopeNotAllowed"
	// ReasonParameterNotAllowed: the EgainTenant does not allow one of spec.parameters.
	ReasonParameterNotAllowed = "ParameterNotAllowed"
	// ReasonTenantRefRequired: the operator runs with --require-tenant-ref and the tenant is given inline.
	ReasonTenantRefRequired = "TenantRefRequired"
)

// Reasons that need an action at eGain; they are retried, rarely.
const (
	// ReasonClientRejected: the server does not accept the client id and secret, or this client for this flow.
	ReasonClientRejected = "ClientRejected"
	// ReasonSubjectRejected: the server does not accept the user, the customer or the subject token.
	ReasonSubjectRejected = "SubjectRejected"
	// ReasonScopeRejected: the server does not grant the scopes; they may be of the wrong kind for the flow.
	ReasonScopeRejected = "ScopeRejected"
	// ReasonRequestRejected: the server does not accept the request, for a reason other than those above.
	ReasonRequestRejected = "RequestRejected"
)

// Reasons of transient failures; they are retried soon.
const (
	// ReasonServerUnavailable: the server could not be reached, timed out, or answered with a server error.
	ReasonServerUnavailable = "ServerUnavailable"
	// ReasonRateLimited: the server asked for fewer requests (HTTP 429).
	ReasonRateLimited = "RateLimited"
	// ReasonTLSFailed: the server's certificate is not trusted or not valid for its name.
	ReasonTLSFailed = "TLSFailed"
	// ReasonMetadataUnavailable: the metadata document could not be read and none was read before.
	ReasonMetadataUnavailable = "MetadataUnavailable"
	// ReasonResponseInvalid: the server's answer is not a token response (RFC 6749 section 5.1).
	ReasonResponseInvalid = "ResponseInvalid"
	// ReasonLifetimeInvalid: the lifetime in the server's answer is zero, negative or absurd, and the token is not used; or it is
	// less than 10 seconds, and the token is used although renewal cannot keep up.
	ReasonLifetimeInvalid = "LifetimeInvalid"
	// ReasonTokenInvalid: the server's answer has an empty token, one that is not safe in an HTTP header, or one
	// that is no Bearer token.
	ReasonTokenInvalid = "TokenInvalid"
	// ReasonAPIServerFailed: the API server, or an admission webhook that it calls, has failed a request of the operator
	// repeatedly.
	ReasonAPIServerFailed = "APIServerFailed"
	// ReasonApplicationFailing: eGain refuses the credentials of the application. One EgainClient tries them for all; the others keep
	// their tokens and resume once it succeeds.
	ReasonApplicationFailing = "ApplicationFailing"
)
