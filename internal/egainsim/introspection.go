package egainsim

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

// Introspect tells whether a token is valid now, and what for.
func (s *Simulator) Introspect(token string) Introspection {
	issued, ok := s.ledger.find(token, s.now())
	if !ok {
		return Introspection{}
	}
	return issued.introspection()
}

func (t issuedToken) introspection() Introspection {
	return Introspection{
		Active: true, Subject: t.subject, ClientID: t.clientID, Scope: t.scope, TokenType: "Bearer",
		IssuedAt: t.issuedAt, ExpiresAt: t.expiresAt, Tenant: t.tenantID(),
	}
}

// answerIntrospection answers at the introspection endpoints. A client may ask about any token of its tenant.
func (s *Simulator) answerIntrospection(c *call) answer {
	token, client, err := s.readTokenParameter(c)
	if err != nil {
		return answerError(err)
	}
	issued, ok := s.ledger.find(token, c.now)
	if !ok || issued.tenant != client.tenant {
		return answerJSON(Introspection{})
	}
	return answerJSON(issued.introspection())
}
