package egainsim

import "net/http"

// RevokeToken makes an access token invalid, or all that has come of the login that a refresh token is of, and reports
// whether the token was valid.
func (s *Simulator) RevokeToken(token string) bool {
	now := s.now()
	_, valid := s.ledger.find(token, now)
	s.ledger.remove(token)
	return s.sessions.revoke(token, now) || valid
}

// RevokeAll makes every token of a client invalid, and says how many were valid: access tokens, and logins that could be
// refreshed.
func (s *Simulator) RevokeAll(clientID string) int {
	if clientID == "" {
		return 0
	}
	return s.ledger.removeOf(clientID, s.now()) + s.EndSessions(clientID, "")
}

// answerRevocation answers at the revocation endpoints. A token that is not valid is as revoked as can be (RFC 7009
// section 2.2), but one of another client is none of this client's business. With a refresh token go the access tokens of
// the same login (section 2.1).
func (s *Simulator) answerRevocation(c *call) answer {
	token, client, err := s.readTokenParameter(c)
	if err != nil {
		return answerError(err)
	}
	found, valid := s.inspect(token, c.now)
	if valid && found.ClientID != client.id {
		return answerError(refuse(unauthorizedClient, "the token was issued to another client"))
	}
	s.ledger.remove(token)
	s.sessions.revoke(token, c.now)
	return answer{status: http.StatusOK, header: jsonHeader(), outcome: OutcomeOK, subject: found.Subject}
}

// readTokenParameter reads a request about a token by an authenticated client.
func (s *Simulator) readTokenParameter(c *call) (string, *clientState, error) {
	form, err := c.form()
	if err != nil {
		return "", nil, err
	}
	if err := c.checkQuery(); err != nil {
		return "", nil, err
	}
	optional := []string{"token_type_hint", "client_id", "client_secret"}
	if err := c.checkParameters(form, []string{"token"}, optional); err != nil {
		return "", nil, err
	}
	client, err := s.authenticate(c.route.tenant, form.Get("client_id"), form.Get("client_secret"))
	return form.Get("token"), client, err
}
