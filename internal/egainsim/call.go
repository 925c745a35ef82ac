package egainsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxBody is far above any request that the flows make, subject tokens included.
const maxBody = 1 << 20

// call is one request while it is answered.
type call struct {
	request *http.Request
	route   *route
	now     time.Time
	body    []byte
	bodyErr error
	token   issuedToken
	labels  Labels
	fault   *Fault
	// ignored are names of parameters that the endpoint does not know, and domainHint is the host that a login names.
	ignored    []string
	domainHint string
}

// Labels say what a request was about, in words that the simulator knows: what a client made up is not repeated.
type Labels struct {
	Endpoint Endpoint `json:"endpoint,omitempty"`
	Tenant   string   `json:"tenant,omitempty"`
	ClientID string   `json:"clientID,omitempty"`
	// Grant is the grant_type of a token request.
	Grant string `json:"grant,omitempty"`
}

// unknownLabel stands for a client id or grant type that the simulator does not know.
const unknownLabel = "(unknown)"

// receive reads a request and finds out what it is about, forgivingly: refusing it is the endpoint's business.
func (s *Simulator) receive(r *http.Request) *call {
	c := &call{request: r, route: s.route(r), now: s.now()}
	c.labels.Endpoint = c.route.endpoint
	c.body, c.bodyErr = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if c.route.endpoint == APIEndpoint {
		c.token, _ = s.ledger.find(bearerToken(r), c.now)
		c.labels.Tenant, c.labels.ClientID = c.token.tenantID(), c.token.clientID
		return c
	}
	form, _ := url.ParseQuery(string(c.body))
	clientID := s.clientIDOf(c, form)
	if t := s.tenantOf(c.route, r.URL.Query().Get, clientID); t != nil {
		c.labels.Tenant = t.config.ID
	}
	c.labels.ClientID = s.clientLabel(clientID)
	if c.route.endpoint == TokenEndpoint {
		c.labels.Grant = grantLabel(form.Get("grant_type"))
	}
	return c
}

// clientIDOf is the client that a request is about: in the query of an authorization request, by its transaction at a page,
// in the form of any other.
func (s *Simulator) clientIDOf(c *call, form url.Values) string {
	if c.route.endpoint == AuthorizationEndpoint {
		return c.request.URL.Query().Get("client_id")
	}
	if open := s.transactions.look(form.Get("transaction"), c.now); open != nil {
		return open.client.id
	}
	return form.Get("client_id")
}

func (s *Simulator) clientLabel(id string) string {
	if id == "" || s.client(id) != nil {
		return id
	}
	return unknownLabel
}

func grantLabel(grantType string) string {
	if grantType == "" || slices.ContainsFunc(allGrants, func(g *grant) bool { return g.grantType == grantType }) {
		return grantType
	}
	return unknownLabel
}

// answer is what an endpoint says to a request.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	outcome string
	subject string
}

// The outcomes of requests that no error code of RFC 6749 names.
const (
	// OutcomeOK is a request that was granted.
	OutcomeOK = "ok"
	// OutcomeFault is a request that a fault kept from being answered.
	OutcomeFault    = "fault"
	outcomeNotFound = "not_found"
)

// answerJSON is a JSON document with status 200, which no cache may keep.
func answerJSON(document any) answer {
	body, err := json.Marshal(document)
	if err != nil {
		return answerError(refuseWith(http.StatusInternalServerError, serverError, err.Error()))
	}
	return answer{status: http.StatusOK, header: jsonHeader(), body: body, outcome: OutcomeOK}
}

func jsonHeader() http.Header {
	return http.Header{
		"Content-Type":  {"application/json;charset=UTF-8"},
		"Cache-Control": {"no-store"},
		"Pragma":        {"no-cache"},
	}
}

// answerError is an error response as RFC 6749 section 5.2 has it.
func answerError(err error) answer {
	refusal := refusalOf(err)
	return refusal.answer(map[string]string{"error": refusal.code, "error_description": refusal.description})
}

// answer refuses a request with a document.
func (e *oauthError) answer(document any) answer {
	a := answerJSON(document)
	a.status, a.outcome = e.status, e.code
	for name, value := range e.header {
		a.header.Set(name, value)
	}
	return a
}
