package egainsim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorization is an authorization request that is in order (RFC 6749 section 4.1.1).
type authorization struct {
	tenant      *Tenant
	actor       Actor
	client      *clientState
	redirectURI string
	state       string
	scopes      []string
	// challenge is PKCE's, made by S256. A confidential client may do without (RFC 7636).
	challenge string
}

// delegated is what a person can give an application.
var delegated = scopeRule{kinds: []ScopeKind{DelegatedScope}}

// authorizationParameters are those that eGain documents, those of RFC 7636, and the hint that eGain's own clients send.
var authorizationParameters = []string{
	"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method", domainHintParam,
}

// domainHintParam names the host of the customer's instance.
const domainHintParam = "domain_hint"

// answerAuthorization answers at the authorization endpoints, with the login page. Until it is certain where the browser
// may be sent back to, whatever is wrong is shown; after that it is the application's to hear.
func (s *Simulator) answerAuthorization(c *call) answer {
	t := c.route.tenant
	query, err := c.authorizationQuery()
	if err != nil {
		return answerProblem(t, err)
	}
	c.noteHint(query)
	if err := t.checkHint(query); err != nil {
		return answerProblem(t, err)
	}
	client, err := s.redirectee(t, query)
	if err != nil {
		return answerProblem(t, err)
	}
	asked, err := c.readAuthorization(client, query)
	if err != nil {
		return answerRedirectedError(http.StatusFound, query.Get("redirect_uri"), query.Get("state"), err)
	}
	return s.showLogin(c, asked, http.StatusOK, "")
}

// authorizationQuery decodes the query. What is there twice is left for later, since it may be the application's to hear.
func (c *call) authorizationQuery() (url.Values, error) {
	if c.request.Method != http.MethodGet {
		return nil, methodNotAllowed(http.MethodGet)
	}
	return parseForm(c.request.URL.RawQuery)
}

// redirectee is the client that a browser comes from, if it may be sent back to where the request says.
func (s *Simulator) redirectee(t *Tenant, query url.Values) (*clientState, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(query[name]) != 1 || query.Get(name) == "" {
			return nil, refuse(invalidRequest, "the request does not have exactly one "+name)
		}
	}
	client := s.clientOf(t, query.Get("client_id"))
	if client == nil {
		return nil, refuse(invalidRequest, "the client is unknown")
	}
	if !s.redirectsTo(client, query.Get("redirect_uri")) {
		return nil, refuse(invalidRequest, "the redirect_uri is not, to the letter, one that is registered for the client")
	}
	return client, nil
}

// noteHint takes note of the host that a login names, if it is one.
func (c *call) noteHint(query url.Values) {
	hint := query.Get(domainHintParam)
	if len(hint) <= maxHostName && hint != "" && strings.Trim(strings.ToLower(hint), hostNameCharacters) == "" {
		c.domainHint = hint
	}
}

const (
	maxHostName        = 253
	hostNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-"
)

// checkHint demands the hint where a gateway serves several tenants. That it is needed there is a guess: every public
// client of eGain's sends it.
func (t *Tenant) checkHint(query url.Values) error {
	if t.config.Platform != Commercial || t.config.Deployment == nil || query.Get(domainHintParam) != "" {
		return nil
	}
	return refuse(invalidRequest, "the gateway serves several tenants: domain_hint is missing")
}

func (c *call) readAuthorization(client *clientState, query url.Values) (*authorization, error) {
	t, actor := c.route.tenant, c.route.actor
	if err := checkOnce(query, "query"); err != nil {
		return nil, err
	}
	if query.Has("client_secret") {
		return nil, refuse(invalidRequest, "a client_secret has no place in a URL")
	}
	if err := c.checkParameters(query, []string{"response_type"}, authorizationParameters); err != nil {
		return nil, err
	}
	if query.Get("response_type") != "code" {
		return nil, refuse(unsupportedResponse, "the response_type is not code")
	}
	if query.Get("state") == "" {
		return nil, refuse(invalidRequest, "the parameter state is required")
	}
	if err := checkChallenge(client, query); err != nil {
		return nil, err
	}
	scopes, err := t.grantScopes(query.Get("scope"), t.prefixFor(actor), delegated, client)
	if err != nil {
		return nil, err
	}
	return &authorization{
		tenant: t, actor: actor, client: client, redirectURI: query.Get("redirect_uri"), state: query.Get("state"),
		scopes: scopes, challenge: query.Get("code_challenge"),
	}, nil
}

// answerRedirectedError sends the browser back to the application with an error (RFC 6749 section 4.1.2.1).
func answerRedirectedError(status int, redirectURI, state string, err error) answer {
	refusal := refusalOf(err)
	answered := url.Values{"error": {refusal.code}, "error_description": {refusal.description}}
	if state != "" {
		answered.Set("state", state)
	}
	return answerRedirect(status, redirectURI, answered, refusal.code)
}

// answerRedirect sends the browser to a redirect URI. Its own query stays (RFC 6749 section 3.1.2).
func answerRedirect(status int, redirectURI string, answered url.Values, outcome string) answer {
	target, err := url.Parse(redirectURI)
	if err != nil {
		return answerError(err)
	}
	query := target.Query()
	for name, values := range answered {
		query[name] = slices.Clone(values)
	}
	target.RawQuery = query.Encode()
	return answer{status: status, outcome: outcome, header: http.Header{
		"Location":        {target.String()},
		"Cache-Control":   {"no-store"},
		"Pragma":          {"no-cache"},
		"Referrer-Policy": {"no-referrer"},
	}}
}
