package egainsim

import (
	"net/http"
	"slices"
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

// answerAPI answers for the protected API, as RFC 6750 section 3 says.
func (s *Simulator) answerAPI(c *call) answer {
	if err := c.checkBearer(); err != nil {
		return answerError(err)
	}
	if c.token.tenant == nil {
		return answerError(challenge(http.StatusUnauthorized, invalidToken, "the token is unknown, expired or revoked"))
	}
	if c.request.Method != http.MethodGet && c.request.Method != http.MethodHead {
		return answerError(methodNotAllowed(http.MethodGet))
	}
	if !c.token.opens(c.route.path) {
		return answerError(challenge(http.StatusForbidden, insufficientScope, "the token's scope is not for this resource"))
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
	if bearerToken(c.request) == "" {
		return challenge(http.StatusUnauthorized, invalidToken, "there is no bearer token")
	}
	return nil
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
func challenge(status int, code, description string) error {
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
