package fault

// Reasons of failures that are found below the API of Kubernetes. They are the condition reasons of the same names,
// which api/v1alpha1 documents; a test holds the two lists equal.
const (
	ReasonClientRejected      = "ClientRejected"
	ReasonSubjectRejected     = "SubjectRejected"
	ReasonScopeRejected       = "ScopeRejected"
	ReasonRequestRejected     = "RequestRejected"
	ReasonServerUnavailable   = "ServerUnavailable"
	ReasonRateLimited         = "RateLimited"
	ReasonTLSFailed           = "TLSFailed"
	ReasonMetadataUnavailable = "MetadataUnavailable"
	ReasonResponseInvalid     = "ResponseInvalid"
	ReasonLifetimeInvalid     = "LifetimeInvalid"
	ReasonTokenInvalid        = "TokenInvalid"
	ReasonEndpointInvalid     = "EndpointInvalid"
	ReasonEndpointRefused     = "EndpointRefused"
	ReasonCABundleInvalid     = "CABundleInvalid"
	ReasonTenantMismatch      = "TenantMismatch"

	ReasonReauthorizationRequired = "ReauthorizationRequired"
	ReasonAPIServerFailed         = "APIServerFailed"
	ReasonApplicationFailing      = "ApplicationFailing"
)

// PassesByItself reports whether a reason is one of a Retryable or Paused failure only: time heals it. A status with such a
// reason and no time of the next attempt is about an endpoint that single requests ask for all, or about the API server.
func PassesByItself(reason string) bool {
	switch reason {
	case ReasonServerUnavailable, ReasonRateLimited, ReasonTLSFailed, ReasonMetadataUnavailable,
		ReasonResponseInvalid, ReasonLifetimeInvalid, ReasonTokenInvalid, ReasonAPIServerFailed, ReasonApplicationFailing:
		return true
	default:
		return false
	}
}

// IsRejection reports whether a reason is one of a Rejected failure: a person must act at the provider. Endpoints are
// among them since a metadata document or a DNS record may be to blame.
func IsRejection(reason string) bool {
	switch reason {
	case ReasonClientRejected, ReasonSubjectRejected, ReasonScopeRejected, ReasonRequestRejected,
		ReasonEndpointInvalid, ReasonEndpointRefused, ReasonTenantMismatch:
		return true
	default:
		return false
	}
}
