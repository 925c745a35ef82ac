package egainsim

import "time"

// Introspection is what the simulator knows of a token, in the words of RFC 7662. Of a token that is not valid it says
// nothing but that.
type Introspection struct {
	Active    bool   `json:"active"`
	Subject   string `json:"sub,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Scope     string `json:"scope,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	// Tenant is the id of the tenant that issued the token.
	Tenant string `json:"tenant,omitempty"`
}

// Introspect tells whether an access or refresh token is valid now, and what for.
func (s *Simulator) Introspect(token string) Introspection {
	found, _ := s.inspect(token, s.now())
	return found
}

// inspect finds an access or refresh token that is valid now.
func (s *Simulator) inspect(token string, now time.Time) (Introspection, bool) {
	if issued, ok := s.ledger.find(token, now); ok {
		return issued.introspection(), true
	}
	if refresh, ok := s.sessions.look(token, now); ok {
		return refresh.introspection(), true
	}
	return Introspection{}, false
}

func (t issuedToken) introspection() Introspection {
	return Introspection{
		Active: true, Subject: t.subject, ClientID: t.clientID, Scope: t.scope, TokenType: "Bearer",
		IssuedAt: t.issuedAt, ExpiresAt: t.expiresAt, Tenant: t.tenantID(),
	}
}

// introspection has no token_type, since that is how access tokens are used (RFC 6749 section 7.1).
func (t refreshToken) introspection() Introspection {
	return Introspection{
		Active: true, Subject: t.session.subject, ClientID: t.session.client.id,
		Scope:    spellScopes(t.session.tenant.prefixFor(t.session.actor), t.session.scopes),
		IssuedAt: t.issuedAt.Unix(), ExpiresAt: t.expiresAt.Unix(), Tenant: t.session.tenant.config.ID,
	}
}

// answerIntrospection answers at the introspection endpoints. A client may ask about any token of its tenant, if it has
// proved who it is (RFC 7662 section 2.1).
func (s *Simulator) answerIntrospection(c *call) answer {
	token, client, err := s.readTokenParameter(c)
	if err != nil {
		return answerError(err)
	}
	if client.public {
		return answerError(refuse(unauthorizedClient, "introspection is not for public clients"))
	}
	found, ok := s.inspect(token, c.now)
	if !ok || found.Tenant != client.tenant.config.ID {
		return answerJSON(Introspection{})
	}
	return answerJSON(found)
}
