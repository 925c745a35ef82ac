package egainsim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// adminPath is what the paths of the administration endpoints begin with. They are on the login host and no part of
// eGain. Faults do not concern them, and requests to them are not counted.
const adminPath = "/_sim/"

// faultRequest is the body of POST /_sim/faults.
type faultRequest struct {
	Match Match `json:"match"`
	Fault Fault `json:"fault"`
}

// lifetimeRequest is the body of POST /_sim/lifetime and /_sim/refresh-lifetime. Without a tenant it is about all that have no life of their own.
type lifetimeRequest struct {
	Tenant   string   `json:"tenant,omitempty"`
	Lifetime duration `json:"lifetime"`
}

// redirectURIRequest is the body of POST /_sim/redirect-uris.
type redirectURIRequest struct {
	ClientID    string `json:"clientID"`
	RedirectURI string `json:"redirectURI"`
}

// endRequest is the body of POST /_sim/end-sessions.
type endRequest struct {
	ClientID string `json:"clientID,omitempty"`
	Subject  string `json:"subject,omitempty"`
}

// endResult is the answer to it.
type endResult struct {
	Ended int `json:"ended"`
}

// secretsRequest is the body of POST /_sim/secrets. Secrets are added before others are removed.
type secretsRequest struct {
	ClientID string   `json:"clientID"`
	Add      []string `json:"add,omitempty"`
	Remove   []string `json:"remove,omitempty"`
}

// providerRequest is the body of POST /_sim/providers.
type providerRequest struct {
	RegistrationID string             `json:"registrationID"`
	Issuer         string             `json:"issuer"`
	Audience       string             `json:"audience"`
	JWKS           jose.JSONWebKeySet `json:"jwks"`
	// Subjects maps external subjects as MapSubject does.
	Subjects map[string]string `json:"subjects,omitempty"`
}

// revokeRequest is the body of POST /_sim/revoke. It names a token, or a client for all of its tokens.
type revokeRequest struct {
	Token    string `json:"token,omitempty"`
	ClientID string `json:"clientID,omitempty"`
}

// revokeResult is the answer to it.
type revokeResult struct {
	Revoked int `json:"revoked"`
}

// introspectRequest is the body of POST /_sim/introspect.
type introspectRequest struct {
	Tokens []string `json:"tokens"`
}

// clientRequest is the body of POST /_sim/clients.
type clientRequest struct {
	Tenant string    `json:"tenant"`
	Client ClientApp `json:"client"`
}

// skewRequest is the body of POST /_sim/clock.
type skewRequest struct {
	Skew duration `json:"skew"`
}

// adminOperation answers an administration request with a document, or with nothing.
type adminOperation func(*Simulator, []byte) (any, error)

var adminOperations = map[string]adminOperation{
	"GET stats":             func(s *Simulator, _ []byte) (any, error) { return s.Stats(), nil },
	"DELETE stats":          func(s *Simulator, _ []byte) (any, error) { s.ClearRecord(); return nil, nil },
	"GET requests":          func(s *Simulator, _ []byte) (any, error) { return s.Requests(), nil },
	"GET subjects":          func(s *Simulator, _ []byte) (any, error) { return s.allSubjects(), nil },
	"DELETE faults":         func(s *Simulator, _ []byte) (any, error) { s.ClearFaults(); return nil, nil },
	"POST faults":           decoded((*Simulator).adminFault),
	"POST lifetime":         decoded((*Simulator).adminLifetime),
	"POST refresh-lifetime": decoded((*Simulator).adminRefreshLifetime),
	"POST redirect-uris":    decoded((*Simulator).adminRedirectURI),
	"GET sessions":          func(s *Simulator, _ []byte) (any, error) { return s.Sessions(), nil },
	"POST end-sessions":     decoded((*Simulator).adminEnd),
	"POST secrets":          decoded((*Simulator).adminSecrets),
	"POST providers":        decoded((*Simulator).adminProvider),
	"POST revoke":           decoded((*Simulator).adminRevoke),
	"POST introspect":       decoded((*Simulator).adminIntrospect),
	"POST tenants":          decoded((*Simulator).adminTenant),
	"POST clients":          decoded((*Simulator).adminClient),
	"POST certificate":      decoded((*Simulator).adminCertificate),
	"POST clock":            decoded((*Simulator).adminClock),
}

// decoded makes an operation of a method that takes the body's content.
func decoded[T any](operation func(*Simulator, T) (any, error)) adminOperation {
	return func(s *Simulator, body []byte) (any, error) {
		var content T
		if err := decodeStrictly(body, &content); err != nil {
			return nil, err
		}
		return operation(s, content)
	}
}

// decodeStrictly refuses unknown fields, so that a misspelt fault does not pass for none.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func (s *Simulator) adminFault(r faultRequest) (any, error) {
	s.SetFault(r.Match, r.Fault)
	return nil, nil
}

func (s *Simulator) adminLifetime(r lifetimeRequest) (any, error) {
	if r.Tenant == "" {
		return nil, s.SetLifetime(time.Duration(r.Lifetime))
	}
	return nil, s.SetTenantLifetime(r.Tenant, time.Duration(r.Lifetime))
}

func (s *Simulator) adminRefreshLifetime(r lifetimeRequest) (any, error) {
	return nil, s.SetRefreshLifetime(r.Tenant, time.Duration(r.Lifetime))
}

func (s *Simulator) adminRedirectURI(r redirectURIRequest) (any, error) {
	return nil, s.AddRedirectURI(r.ClientID, r.RedirectURI)
}

func (s *Simulator) adminEnd(r endRequest) (any, error) {
	return endResult{s.EndSessions(r.ClientID, r.Subject)}, nil
}

func (s *Simulator) adminSecrets(r secretsRequest) (any, error) {
	for _, secret := range r.Add {
		if err := s.AddSecret(r.ClientID, secret); err != nil {
			return nil, err
		}
	}
	for _, secret := range r.Remove {
		if err := s.RemoveSecret(r.ClientID, secret); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Simulator) adminProvider(r providerRequest) (any, error) {
	for sub, name := range r.Subjects {
		if err := s.MapSubject(sub, name); err != nil {
			return nil, err
		}
	}
	return nil, s.RegisterProvider(r.RegistrationID, r.Issuer, r.Audience, r.JWKS)
}

func (s *Simulator) adminRevoke(r revokeRequest) (any, error) {
	switch {
	case (r.Token == "") == (r.ClientID == ""):
		return nil, errors.New("exactly one of token and clientID is required")
	case r.ClientID != "":
		return revokeResult{s.RevokeAll(r.ClientID)}, nil
	case s.RevokeToken(r.Token):
		return revokeResult{1}, nil
	default:
		return revokeResult{}, nil
	}
}

func (s *Simulator) adminIntrospect(r introspectRequest) (any, error) {
	found := make([]Introspection, 0, len(r.Tokens))
	for _, token := range r.Tokens {
		found = append(found, s.Introspect(token))
	}
	return found, nil
}

func (s *Simulator) adminTenant(r TenantConfig) (any, error) {
	t, err := s.AddTenant(r)
	if err != nil {
		return nil, err
	}
	return t.describe(), nil
}

func (s *Simulator) adminClient(r clientRequest) (any, error) {
	return nil, s.AddClient(r.Tenant, r.Client)
}

func (s *Simulator) adminCertificate(r Certificate) (any, error) {
	return nil, s.SetCertificate(r)
}

func (s *Simulator) adminClock(r skewRequest) (any, error) {
	s.SetClockSkew(time.Duration(r.Skew))
	return nil, nil
}

// allSubjects are the users and customers by tenant.
func (s *Simulator) allSubjects() map[string][]Subject {
	all := map[string][]Subject{}
	for _, t := range s.Tenants() {
		all[t.ID()] = t.Subjects()
	}
	return all
}

func (s *Simulator) isAdmin(r *http.Request) bool {
	host, deployed := s.placeOf(r)
	return host == loginHost && deployed == nil && strings.HasPrefix(r.URL.Path, adminPath)
}

func (s *Simulator) serveAdmin(w http.ResponseWriter, r *http.Request) {
	a := s.administer(r)
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (s *Simulator) administer(r *http.Request) answer {
	if subtle.ConstantTimeCompare([]byte(bearerToken(r)), []byte(s.adminToken)) != 1 {
		return answerError(challenge(http.StatusUnauthorized, invalidToken, "the administration token is missing or wrong"))
	}
	operation := adminOperations[r.Method+" "+strings.TrimPrefix(r.URL.Path, adminPath)]
	if operation == nil {
		return answerError(refuseWith(http.StatusNotFound, outcomeNotFound, "there is no such operation"))
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return answerError(refuse(invalidRequest, "the body cannot be read"))
	}
	result, err := operation(s, body)
	if err != nil {
		return answerError(refuse(invalidRequest, err.Error()))
	}
	if result == nil {
		return answer{status: http.StatusNoContent}
	}
	return answerJSON(result)
}
