package oauth

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Login is what a person is sent to the authorization URL with.
type Login struct {
	ClientID string
	// RedirectURL is where the code is sent; the server compares it with those of the client application, exactly.
	RedirectURL string
	// Scopes to ask for; the tenant's prefix is put before those that lack it.
	Scopes []string
	// State comes back with the code. It must be hard to guess and be compared: who sends a code of their own does not
	// know it (RFC 6749 section 10.12).
	State string
	// Verifier is kept until the code is redeemed; only its digest is in the URL (RFC 7636, S256).
	Verifier Secret
	// Parameters are more of the URL's query. They may not repeat one that the login sets or that the authorization URL has.
	// Without a domain_hint here or there, the one that the address of the customer's eGain names is sent.
	Parameters map[string]string
}

// NewVerifier makes a PKCE verifier of 32 random octets. Each login needs one of its own.
func NewVerifier() Secret { return Secret(oauth2.GenerateVerifier()) }

// loginParameters are those that a login sets itself (RFC 6749 section 4.1.1, RFC 7636 section 4.3), or that would change what
// it sets: how the answer comes back (OpenID Connect Core section 3.1.2.1), and all of them at once (RFC 9101).
var loginParameters = []string{
	"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
	"nonce", "response_mode", "request", "request_uri",
}

// setByLogin reports whether a parameter is for the login to set, in whatever case it is written.
func setByLogin(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(loginParameters, name) || strings.HasPrefix(name, "response_") || strings.HasPrefix(name, "code_challenge")
}

// LoginURL is where a person logs in, with a browser. A query of the authorization URL is kept. Errors are *fault.Error of
// class Terminal: nothing names a usable authorization URL, or a parameter is set twice (RFC 6749 section 3.1 forbids it).
func (e Endpoints) LoginURL(l Login) (string, error) {
	if e.Unusable.AuthorizationURL != nil {
		return "", e.Unusable.AuthorizationURL
	}
	if e.AuthorizationURL == "" {
		return "", endpointFault("the tenant has no authorization URL: set spec.tenant.endpoints.authorizationURL")
	}
	u, err := url.Parse(e.AuthorizationURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "", endpointFault("the authorization URL must be https, without a user name and a fragment: check spec.tenant.endpoints.authorizationURL")
	}
	more, err := l.options(u.Query(), e.DomainHint)
	if err != nil {
		return "", err
	}
	cfg := oauth2.Config{
		ClientID:    l.ClientID,
		Endpoint:    oauth2.Endpoint{AuthURL: u.String()},
		RedirectURL: l.RedirectURL,
		Scopes:      e.WithPrefix(l.Scopes),
	}
	return cfg.AuthCodeURL(l.State, more...), nil
}

// domainHint is the parameter by which a gateway that several tenants share finds the one of a login.
const domainHint = "domain_hint"

// options are what x/oauth2 does not set by itself, for an authorization URL with a query.
func (l Login) options(query url.Values, hint string) ([]oauth2.AuthCodeOption, error) {
	for name := range query {
		if setByLogin(name) {
			return nil, endpointFault("the query of the authorization URL sets %s, which the login sets: check spec.tenant.endpoints.authorizationURL", strings.ToLower(name))
		}
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(string(l.Verifier))}
	for name, value := range l.Parameters {
		if setByLogin(name) || query.Has(name) {
			return nil, fault.New(fault.Terminal, fault.ReasonRequestRejected, "spec.authorizationCode.parameters sets %s, which the login or the authorization URL sets: remove it", name)
		}
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	if _, given := l.Parameters[domainHint]; hint != "" && !given && !query.Has(domainHint) {
		options = append(options, oauth2.SetAuthURLParam(domainHint, hint))
	}
	return options, nil
}
