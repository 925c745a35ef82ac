package egainsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// whoami is the end of every path that a valid token of any scope may ask for.
const whoami = "/whoami"

// PortalsPath is a resource of the API, which any knowledge.portalmgr scope may read.
const PortalsPath = "/knowledge/portalmgr/v4/portals"

// apiAnswer is what the API says to a valid token.
type apiAnswer struct {
	Path     string `json:"path"`
	Tenant   string `json:"tenant"`
	Subject  string `json:"subject"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

// answerAPI answers for the protected API: with the header that RFC 6750 section 3 demands, and errors in eGain's shape.
func (s *Simulator) answerAPI(c *call) answer {
	if err := c.checkBearer(); err != nil {
		return answerAPIError(err)
	}
	if c.request.Method != http.MethodGet && c.request.Method != http.MethodHead {
		return answerAPIError(methodNotAllowed(http.MethodGet))
	}
	if !c.token.opens(c.route.path) {
		return answerAPIError(challenge(http.StatusForbidden, insufficientScope, "the token's scope is not for this resource").
			coded(apiScope))
	}
	a := answerJSON(apiAnswer{
		Path: c.request.URL.Path, Tenant: c.token.tenantID(), Subject: c.token.subject, ClientID: c.token.clientID,
		Scope: c.token.scope,
	})
	a.subject = c.token.subject
	return a
}

// checkBearer refuses requests that bring no token, or one elsewhere than in the header.
func (c *call) checkBearer() error {
	if c.request.URL.Query().Has("access_token") {
		return challenge(http.StatusBadRequest, invalidRequest, "a token has no place in a URL")
	}
	if len(c.request.Header.Values("Authorization")) == 0 {
		return challenge(http.StatusUnauthorized, invalidToken, "the Authorization header is missing").coded(apiNoHeader)
	}
	if bearerToken(c.request) == "" {
		return challenge(http.StatusUnauthorized, invalidToken, "there is no bearer token").coded(apiBadToken)
	}
	if c.token.tenant == nil {
		return challenge(http.StatusUnauthorized, invalidToken, "the token is unknown, expired or revoked").coded(apiBadToken)
	}
	if c.route.tenant != nil && c.route.tenant != c.token.tenant {
		return challenge(http.StatusUnauthorized, invalidToken, "the token is of another tenant").coded(apiBadToken)
	}
	return nil
}

// The codes of eGain's API that the simulator uses.
const (
	apiBadToken  = "401-101"
	apiNoHeader  = "401-104"
	apiScope     = "403-197"
	apiRateLimit = "429-001"
)

// apiCodes are the codes of errors that name no other. Of a status that is not here, the code is the status alone, which
// is the simulator's own.
var apiCodes = map[int]string{
	http.StatusUnauthorized: apiBadToken, http.StatusForbidden: apiScope, http.StatusTooManyRequests: apiRateLimit,
}

// answerAPIError is an error response of eGain's API. Its outcome is that of the OAuth error.
func answerAPIError(err error) answer {
	refusal := refusalOf(err)
	return refusal.answer(apiError{Code: refusal.apiErrorCode(), DeveloperMessage: refusal.description})
}

// apiError is the body of an error response of eGain's API.
type apiError struct {
	Code             string `json:"code"`
	DeveloperMessage string `json:"developerMessage"`
}

func (e *oauthError) apiErrorCode() string {
	switch {
	case e.apiCode != "":
		return e.apiCode
	case apiCodes[e.status] != "":
		return apiCodes[e.status]
	default:
		return strconv.Itoa(e.status)
	}
}

// bearerToken is the token in the Authorization header, empty unless there is exactly one.
func bearerToken(r *http.Request) string {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// challenge refuses a request for a protected resource.
func challenge(status int, code, description string) *oauthError {
	return refuseWith(status, code, description).
		with("WWW-Authenticate", `Bearer realm="egain", error="`+code+`", error_description="`+description+`"`)
}

// opens reports whether a token's scope is for a resource: knowledge.portalmgr scopes are for /knowledge/portalmgr.
func (t issuedToken) opens(resource string) bool {
	if resource == whoami {
		return true
	}
	segments := strings.Split(resource, "/")
	family := t.prefix + segments[1] + "." + segments[2] + "."
	return slices.ContainsFunc(strings.Fields(t.scope), func(scope string) bool {
		return strings.HasPrefix(scope, family)
	})
}
