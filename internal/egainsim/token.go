package egainsim

import (
	"crypto/rand"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tokenRequest is a token request whose form is in order.
type tokenRequest struct {
	sim    *Simulator
	now    time.Time
	form   url.Values
	grant  *grant
	tenant *Tenant
	actor  Actor
	client *clientState
	// lifetime and refreshLifetime are how long tokens of the two kinds live that it is answered with.
	lifetime        time.Duration
	refreshLifetime time.Duration
}

// answerToken answers at every token endpoint.
func (s *Simulator) answerToken(c *call) answer {
	request, err := s.readTokenRequest(c)
	if err != nil {
		return answerError(err)
	}
	audience, err := request.audience()
	if err != nil {
		return answerError(err)
	}
	granted, err := request.grant.permit(request)
	if err != nil {
		return answerError(err)
	}
	a, err := s.issue(request, granted, audience, c.fault.claims())
	if err != nil {
		return answerError(err)
	}
	return a
}

func (s *Simulator) readTokenRequest(c *call) (*tokenRequest, error) {
	form, err := c.form()
	if err != nil {
		return nil, err
	}
	if err := c.checkQuery(); err != nil {
		return nil, err
	}
	g, err := findGrant(c.route.grants, form)
	if err != nil {
		return nil, err
	}
	if err := c.checkParameters(form, g.required, slices.Concat(g.optional, commonParameters)); err != nil {
		return nil, err
	}
	if err := g.checkForbidden(form); err != nil {
		return nil, err
	}
	t := s.tenantOf(c.route, c.request.URL.Query().Get, form.Get("client_id"))
	if t == nil {
		return nil, refuse(invalidRequest, "neither the query nor the client tells the tenant")
	}
	request := &tokenRequest{
		sim: s, now: c.now, form: form, grant: g, tenant: t, actor: actorOf(c, g),
		lifetime: s.lifetimeOf(s.accessLifetimes, t), refreshLifetime: s.lifetimeOf(s.refreshLifetimes, t),
	}
	request.client, err = s.authenticateFor(g, t, form)
	return request, err
}

// authenticateFor is the client of a request for a grant, or nil if the grant needs none.
func (s *Simulator) authenticateFor(g *grant, t *Tenant, form url.Values) (*clientState, error) {
	if g.open && s.admitsAnonymously(t, form) {
		return nil, nil //nolint:nilnil // An anonymous customer has no client.
	}
	client, err := s.authenticate(t, form.Get("client_id"), form.Get("client_secret"))
	if err != nil {
		return nil, err
	}
	if client.public && !g.public {
		return nil, refuse(unauthorizedClient, "the grant type is not for public clients")
	}
	return client, nil
}

// actorOf is whom a token speaks for. Where one URL serves users and customers, its query tells.
func actorOf(c *call, g *grant) Actor {
	switch {
	case g.forClient:
		return Client
	case c.route.actor == "":
		return Actor(c.request.URL.Query().Get("user_type"))
	default:
		return c.route.actor
	}
}

// admitsAnonymously reports whether a request without real client credentials will do. Half a credential never will,
// and a client that the tenant knows must know its secret.
func (s *Simulator) admitsAnonymously(t *Tenant, form url.Values) bool {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if !t.config.AnonymousOpen || (id == "") != (secret == "") {
		return false
	}
	known := s.client(id)
	return known == nil || known.tenant != t
}

// audience is what the aud claim says: the API, unless the client names another resource (RFC 8707) or audience.
func (r *tokenRequest) audience() (string, error) {
	if resource := r.form.Get("resource"); resource != "" {
		if parsed, err := url.Parse(resource); err != nil || !parsed.IsAbs() || strings.Contains(resource, "#") {
			return "", refuse(invalidTarget, "the resource is not an absolute URI without a fragment")
		}
		return resource, nil
	}
	if audience := r.form.Get("audience"); audience != "" {
		return audience, nil
	}
	return r.tenant.APIURL(), nil
}

// prefix is that of the scopes of a request. Only users and customers who log in, or whose token is exchanged, have one of
// their own: client applications that act for them have the tenant's, and so have anonymous customers.
func (r *tokenRequest) prefix() string {
	if r.grant.open || r.grant.actsFor {
		return r.tenant.ScopePrefix()
	}
	return r.tenant.prefixFor(r.actor)
}

// clientID is the client_id claim, which a token of an anonymous customer may have nothing better for.
func (r *tokenRequest) clientID() string {
	if r.client == nil {
		return anonymousSubject
	}
	return r.client.id
}

// issue signs a token, remembers it and answers with it. The claims are as a fault wants them.
func (s *Simulator) issue(r *tokenRequest, granted permission, audience string, faulty map[string]json.RawMessage,
) (answer, error) {
	// Rounded up, so that a token lives at least as long as expires_in promises.
	expiry := r.now.Add(r.lifetime + time.Second - 1).Truncate(time.Second)
	scope := spellScopes(r.prefix(), granted.scopes)
	token := issuedToken{
		tenant: r.tenant, clientID: r.clientID(), subject: granted.subject, scope: scope, prefix: r.prefix(),
		issuedAt: r.now.Unix(), expiresAt: expiry.Unix(), session: granted.session,
	}
	claims := map[string]any{
		"iss": r.tenant.Issuer(r.actor), "sub": granted.subject, "aud": audience, "client_id": token.clientID, "scope": scope,
		"iat": token.issuedAt, "exp": token.expiresAt, "jti": rand.Text(),
	}
	token.expiresAt = overrideClaims(claims, faulty, token.expiresAt)
	signed, err := s.signer.sign(claims)
	if err != nil {
		return answer{}, err
	}
	s.ledger.add(signed, token, r.now)
	a := answerJSON(r.response(signed, scope, granted.refreshToken))
	a.subject = granted.subject
	return a, nil
}

// overrideClaims replaces claims, or removes those whose replacement is null, and returns when the token so made
// expires: the API goes by its exp claim, as any that is handed a JWT would.
func overrideClaims(claims map[string]any, faulty map[string]json.RawMessage, expiresAt int64) int64 {
	for name, value := range faulty {
		if string(value) == "null" {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	if exp, err := strconv.ParseFloat(string(faulty["exp"]), 64); err == nil {
		return int64(min(max(exp, 0), math.MaxInt32))
	}
	return expiresAt
}

// response is the token response of the tenant's platform.
func (r *tokenRequest) response(token, scope, refreshToken string) map[string]any {
	response := map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": r.seconds(r.lifetime), "scope": scope,
	}
	for name, value := range r.grant.extra {
		response[name] = value
	}
	if refreshToken != "" {
		response["refresh_token"] = refreshToken
	}
	if r.tenant.config.Platform != Commercial {
		return response
	}
	response["not_before"] = r.now.Unix()
	response["expires_on"] = r.now.Add(r.lifetime).Unix()
	if refreshToken != "" {
		response["refresh_token_expires_in"] = r.seconds(r.refreshLifetime)
	}
	return response
}

// seconds is a lifetime as the tenant writes it: a number, or as the commercial platform does also, a string.
func (r *tokenRequest) seconds(lifetime time.Duration) any {
	seconds := int64(lifetime / time.Second)
	if r.tenant.config.Platform != Commercial || r.tenant.config.NumericExpiresIn {
		return seconds
	}
	return strconv.FormatInt(seconds, 10)
}
