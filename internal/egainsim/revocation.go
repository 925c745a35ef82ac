package egainsim

import "net/http"

// RevokeToken makes a token invalid, and reports whether it was valid.
func (s *Simulator) RevokeToken(token string) bool {
	_, valid := s.ledger.find(token, s.now())
	s.ledger.remove(token)
	return valid
}

// RevokeAll makes every token of a client invalid, and says how many were valid.
func (s *Simulator) RevokeAll(clientID string) int {
	return s.ledger.removeOf(clientID, s.now())
}

// answerRevocation answers at the revocation endpoints. A token that is not valid is as revoked as can be (RFC 7009
// section 2.2), but one of another client is none of this client's business.
func (s *Simulator) answerRevocation(c *call) answer {
	token, client, err := s.readTokenParameter(c)
	if err != nil {
		return answerError(err)
	}
	issued, valid := s.ledger.find(token, c.now)
	if valid && issued.clientID != client.id {
		return answerError(refuse(unauthorizedClient, "the token was issued to another client"))
	}
	s.ledger.remove(token)
	return answer{status: http.StatusOK, header: jsonHeader(), outcome: OutcomeOK, subject: issued.subject}
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
	if err := checkParameters(form, []string{"token"}, optional); err != nil {
		return "", nil, err
	}
	client, err := s.authenticate(c.route.tenant, form.Get("client_id"), form.Get("client_secret"))
	return form.Get("token"), client, err
}
