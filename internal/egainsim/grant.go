package egainsim

import (
	"net/url"
	"slices"
)

// grant is a flow as a token endpoint sees it.
type grant struct {
	grantType string
	required  []string
	optional  []string
	// forbidden shows a client that takes the grant for another.
	forbidden []string
	// permit finds what a request may have. Only it changes anything, and only if nothing is wrong with the rest.
	permit func(*tokenRequest) (permission, error)
	// public lets public clients use the grant.
	public bool
	// open lets clients in without credentials, at tenants that allow it.
	open bool
	// actsFor says that the client application acts for a person who has not logged in.
	actsFor bool
	// forClient has the token speak for the client application at an endpoint that it shares with users.
	forClient bool
	// extra is added to the answer.
	extra map[string]string
}

// permission is what a token request is granted.
type permission struct {
	subject string
	// scopes are names without prefix.
	scopes []string
	// session is the login that it comes from, and refreshToken goes on with it. Other grants have neither.
	session      *session
	refreshToken string
}

// permitScopes is for grants that find whom the token is for, and then grant what the scope parameter asks for. The client
// is nil for an anonymous customer without one.
func permitScopes(rule scopeRule, subjectOf func(*tokenRequest) (string, error)) func(*tokenRequest) (permission, error) {
	return func(r *tokenRequest) (permission, error) {
		subject, err := subjectOf(r)
		if err != nil {
			return permission{}, err
		}
		scopes, err := r.tenant.grantScopes(r.form.Get("scope"), r.prefix(), rule, r.client)
		return permission{subject: subject, scopes: scopes}, err
	}
}

const (
	tokenExchangeGrant  = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType     = "urn:ietf:params:oauth:token-type:access_token"
	anonymousSubject    = "anonymous"
	subjectTokenParam   = "subject_token"
	registrationIDParam = "registration_id"
)

// commonParameters may be in any token request. Resource and audience are of RFC 8707 and RFC 8693.
var commonParameters = []string{"grant_type", "client_id", "client_secret", "resource", "audience"}

var clientCredentials = grant{
	grantType: "client_credentials",
	optional:  []string{"scope"},
	permit: permitScopes(scopeRule{kinds: []ScopeKind{ApplicationScope}, defaults: true},
		func(r *tokenRequest) (string, error) { return r.client.id, nil }),
	forClient: true,
}

// anonymous is asked for as client credentials are. The documentation does not say which kind of scope an anonymous
// customer has: those of the grant and those of customers are accepted alike.
var anonymous = grant{
	grantType: "client_credentials",
	optional:  []string{"scope"},
	permit: permitScopes(scopeRule{kinds: []ScopeKind{ApplicationScope, DelegatedScope}},
		func(*tokenRequest) (string, error) { return anonymousSubject, nil }),
	open: true,
}

var onBehalfOf = grant{
	grantType: "password",
	optional:  []string{"scope", "subject_username", "subject_userid", "subject_email"},
	forbidden: []string{"password"},
	permit:    permitScopes(scopeRule{kinds: []ScopeKind{OnBehalfOfScope}}, (*tokenRequest).namedSubject),
	actsFor:   true,
}

var tokenExchange = grant{
	grantType: tokenExchangeGrant,
	required:  []string{subjectTokenParam, "subject_token_type", registrationIDParam},
	optional:  []string{"scope"},
	permit: permitScopes(scopeRule{kinds: []ScopeKind{DelegatedScope}, optional: true},
		(*tokenRequest).externalSubject),
	extra: map[string]string{"issued_token_type": accessTokenType},
}

var allGrants = []*grant{
	&clientCredentials, &anonymous, &onBehalfOf, &tokenExchange, &authorizationCodeGrant, &refreshTokenGrant,
}

// namedSubject is the user or customer on whose behalf a client acts: named in one way, and in one that the endpoint's
// actor has.
func (r *tokenRequest) namedSubject() (string, error) {
	ways := map[string]func(Subject) string{
		"subject_username": func(s Subject) string { return s.Username },
		"subject_userid":   func(s Subject) string { return s.UserID },
		"subject_email":    func(s Subject) string { return s.Email },
	}
	var used []string
	for way := range ways {
		if r.form.Get(way) != "" {
			used = append(used, way)
		}
	}
	if len(used) != 1 {
		return "", refuse(invalidRequest, "exactly one of subject_username, subject_userid and subject_email is required")
	}
	if (used[0] == "subject_email") != (r.actor == Customer) {
		return "", refuse(invalidRequest, "users have a user name or id, customers an email address")
	}
	name, nameOf := r.form.Get(used[0]), ways[used[0]]
	subject, ok := r.tenant.find(r.actor, func(s Subject) bool { return nameOf(s) == name })
	if !ok {
		return "", refuse(invalidGrant, "the subject is unknown")
	}
	return subject.Name(), nil
}

// checkForbidden refuses what no request for the grant may have.
func (g *grant) checkForbidden(form url.Values) error {
	for _, name := range g.forbidden {
		if form.Has(name) {
			return refuse(invalidRequest, "the flow does not have the parameter "+name)
		}
	}
	return nil
}

// findGrant is the grant of a request, among those that the endpoint offers.
func findGrant(offered []*grant, form url.Values) (*grant, error) {
	grantType := form.Get("grant_type")
	if grantType == "" {
		return nil, refuse(invalidRequest, "the parameter grant_type is required")
	}
	i := slices.IndexFunc(offered, func(g *grant) bool { return g.grantType == grantType })
	if i < 0 {
		return nil, refuse(unsupportedGrantType, "the grant type is not offered at this endpoint")
	}
	return offered[i], nil
}
