package egainsim

import (
	"errors"
	"net/http"
)

// The error codes of RFC 6749, 6750 and 8707 that the simulator uses.
const (
	invalidRequest       = "invalid_request"
	invalidClient        = "invalid_client"
	invalidGrant         = "invalid_grant"
	invalidScope         = "invalid_scope"
	invalidTarget        = "invalid_target"
	unauthorizedClient   = "unauthorized_client"
	unsupportedGrantType = "unsupported_grant_type"
	unsupportedResponse  = "unsupported_response_type"
	accessDenied         = "access_denied"
	invalidToken         = "invalid_token"
	insufficientScope    = "insufficient_scope"
	serverError          = "server_error"
	unavailable          = "temporarily_unavailable"
)

// oauthError refuses a request.
type oauthError struct {
	status      int
	code        string
	description string
	// apiCode is eGain's own code, in answers of the API.
	apiCode string
	header  map[string]string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

// refusalOf is the refusal that an error is, or else the simulator's own failure.
func refusalOf(err error) *oauthError {
	if refusal, ok := errors.AsType[*oauthError](err); ok {
		return refusal
	}
	return refuseWith(http.StatusInternalServerError, serverError, err.Error())
}

// refuse refuses a request with the status that RFC 6749 gives the code.
func refuse(code, description string) *oauthError {
	if code == invalidClient {
		return refuseWith(http.StatusUnauthorized, code, description)
	}
	return refuseWith(http.StatusBadRequest, code, description)
}

func refuseWith(status int, code, description string) *oauthError {
	return &oauthError{status: status, code: code, description: description}
}

// coded gives the refusal a code of eGain's API.
func (e *oauthError) coded(apiCode string) *oauthError {
	e.apiCode = apiCode
	return e
}

// with adds a header to the refusal.
func (e *oauthError) with(name, value string) *oauthError {
	if e.header == nil {
		e.header = map[string]string{}
	}
	e.header[name] = value
	return e
}
