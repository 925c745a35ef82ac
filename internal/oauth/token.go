// Package oauth knows how OAuth 2.0 is spoken with eGain: the discovery of endpoints and the flows on the wire, over
// golang.org/x/oauth2. It knows nothing of Kubernetes.
package oauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Flow is an OAuth 2.0 flow.
type Flow string

// The flows, by the names of the API.
const (
	ClientCredentials Flow = "ClientCredentials"
	AnonymousCustomer Flow = "AnonymousCustomer"
	OnBehalfOf        Flow = "OnBehalfOf"
	TokenExchange     Flow = "TokenExchange"
	AuthorizationCode Flow = "AuthorizationCode"
)

// grantTokenExchange is the grant type of RFC 8693 section 2.1.
const grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

// Credentials authenticate the client. Both are empty for an anonymous customer of a deployment that asks for none.
type Credentials struct {
	ClientID     string
	ClientSecret Secret
}

// Subject is who the client acts for.
type Subject struct {
	// Username and UserID name a user, Email a customer, for OnBehalfOf; exactly one is set.
	Username, UserID, Email string
	// Actor is who logs in for AuthorizationCode: ActorCustomer, or else a user.
	Actor Actor
}

// Exchange describes the foreign token of a token exchange.
type Exchange struct {
	// RegistrationID of the identity provider at eGain.
	RegistrationID string
	// SubjectTokenType is a URN of RFC 8693 section 3.
	SubjectTokenType string
	// SubjectToken is the foreign token.
	SubjectToken Secret
}

// Request is a token request.
type Request struct {
	Flow        Flow
	TokenURL    string
	Credentials Credentials
	// Scopes to ask for, complete with their prefix.
	Scopes []string
	// Subject is used by OnBehalfOf. That of AuthorizationCode is known to the server by its session.
	Subject Subject
	// Exchange is used by TokenExchange.
	Exchange Exchange
	// Session is used by AuthorizationCode.
	Session Session
	// Parameters are extra form parameters. They may not repeat one that the flow sets.
	Parameters map[string]string
}

// Token is a valid token response.
type Token struct {
	AccessToken Secret
	// TokenType is Bearer, in this spelling.
	TokenType string
	// Scopes that were granted; those asked for, if the server did not say (RFC 6749 section 5.1).
	Scopes []string
	// IssueTime is when the request was sent; the life is counted from there, so that the time on the wire never makes
	// a token outlive itself.
	IssueTime time.Time
	// ExpirationTime is when it expires, truncated to seconds. It is by our clock, and not after the time at which the
	// server's clock shows a JWT's exp, as far as its answer tells that clock.
	ExpirationTime time.Time
	// RefreshToken continues the session of AuthorizationCode, whose earlier one is void now. Empty if the answer has none,
	// or none that can be used: then the earlier one stays (RFC 6749 section 6). What other flows bring is dropped.
	RefreshToken Secret
	// RefreshExpirationTime is when the refresh token expires, truncated to seconds; zero if the server does not say, or
	// nothing to believe.
	RefreshExpirationTime time.Time
	// Skew is how far the server's clock is ahead of ours, or behind it if negative, as far as that is certain. It is nil if
	// the answer had no Date, or there was no answer.
	Skew *time.Duration
}

// Client sends requests of OAuth 2.0. It is safe for concurrent use.
type Client struct {
	// Now is the clock.
	Now func() time.Time
}

// Token runs a flow: one request, never repeated. Errors are *fault.Error and hold neither secrets nor any part of the
// answer but a known error code.
//
// An answer may bring a new refresh token and be unusable otherwise. Then the error comes with a Token that holds the
// refresh token and its expiry: since the earlier one is void, it must be kept, whatever the error. The Token of an error
// also holds the skew of the clocks, and nothing else.
func (c *Client) Token(ctx context.Context, hc *http.Client, r Request) (Token, error) {
	if err := r.validate(); err != nil {
		return Token{}, err
	}
	credentials := r.credentials()
	cfg := clientcredentials.Config{
		ClientID:       credentials.ClientID,
		ClientSecret:   string(credentials.ClientSecret),
		TokenURL:       r.TokenURL,
		Scopes:         r.scopes(),
		EndpointParams: r.form(),
		// The zero value would probe, that is log in twice whenever the first try fails.
		AuthStyle: oauth2.AuthStyleInParams,
	}
	rec := &recorder{next: hc.Transport, now: c.Now}
	recording := *hc
	recording.Transport = rec
	// http.Client tells above the transport that its own timeout ended a body, a context tells below it, where the recorder is.
	if hc.Timeout > 0 {
		recording.Timeout = 0
		limited, cancel := context.WithTimeout(ctx, hc.Timeout)
		defer cancel()
		ctx = limited
	}
	issue := c.Now()
	tok, err := cfg.Token(context.WithValue(ctx, oauth2.HTTPClient, &recording))
	if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused {
		return Token{Skew: rec.clock.skew()}, classify(err, rec, r, c.Now())
	}
	var answer Token
	if err == nil {
		answer, err = validateToken(tok, r.Scopes, issue, rec.clock.serverTime())
	} else {
		err = classify(err, rec, r, c.Now())
	}
	if r.Flow == AuthorizationCode && rec.succeeded() {
		// Not from x/oauth2: it hands out the one that was sent if the answer has none.
		answer.RefreshToken, answer.RefreshExpirationTime = rec.refreshToken(issue)
	}
	answer.Skew = rec.clock.skew()
	return answer, err
}

// reserved are the form parameters that the flows set themselves, and credentials, in lower case. The CRD refuses them too.
var reserved = []string{
	"grant_type", "scope", "client_id", "client_secret", "username", "password",
	"subject_username", "subject_userid", "subject_email",
	"subject_token", "subject_token_type", "registration_id",
	"client_assertion", "client_assertion_type", "assertion", "actor_token", "device_code",
	"code", "code_verifier", "redirect_uri", "refresh_token",
}

// parameterName is the name of a form parameter: servers trim, fold or index what is named otherwise (" scope", "scope[]").
var parameterName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// checkParameters refuses parameters that a server could take for one that the flow sets.
func checkParameters(parameters map[string]string) error {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		folded := strings.ToLower(name)
		switch {
		case !parameterName.MatchString(name):
			return fault.New(fault.Terminal, fault.ReasonRequestRejected, "spec.parameters sets %+q, which is no name of a parameter: use letters, digits, '.', '_' and '-'", name)
		case slices.Contains(reserved, folded) || setByLogin(folded):
			return fault.New(fault.Terminal, fault.ReasonRequestRejected, "spec.parameters sets %s, which is for the flow to set: remove it", name)
		case seen[folded]:
			return fault.New(fault.Terminal, fault.ReasonRequestRejected, "spec.parameters sets %s twice, in upper and lower case: remove one", name)
		}
		seen[folded] = true
	}
	return nil
}

func (r Request) validate() error {
	if !isEndpoint(r.TokenURL) {
		return endpointFault("the token URL is not a URL, or holds a user name: credentials belong in the Secret")
	}
	if err := checkParameters(r.Parameters); err != nil {
		return err
	}
	if r.Flow == AuthorizationCode {
		return r.Session.validateGrant()
	}
	return nil
}

// scopes are those that the request says. A code stands for those that the login asked for (RFC 6749 section 4.1.3).
func (r Request) scopes() []string {
	if r.Session.Code != "" {
		return nil
	}
	return r.Scopes
}

// anonymousPlaceholders are what eGain's own clients send where a deployment asks anonymous customers for no credentials.
var anonymousPlaceholders = Credentials{ClientID: "clientId", ClientSecret: "clientSecret"}

func (r Request) credentials() Credentials {
	if r.Flow == AnonymousCustomer && r.Credentials == (Credentials{}) {
		return anonymousPlaceholders
	}
	return r.Credentials
}

// isEndpoint reports whether a string is a URL that a request can be sent to. With a user name in it, net/http would add
// Basic authentication.
func isEndpoint(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Host != "" && u.User == nil
}

func (r Request) form() url.Values {
	form := url.Values{}
	for name, value := range r.Parameters {
		form.Set(name, value)
	}
	switch r.Flow {
	case ClientCredentials, AnonymousCustomer:
	case OnBehalfOf:
		form.Set("grant_type", "password")
		setIfAny(form, "subject_username", r.Subject.Username)
		setIfAny(form, "subject_userid", r.Subject.UserID)
		setIfAny(form, "subject_email", r.Subject.Email)
	case TokenExchange:
		form.Set("grant_type", grantTokenExchange)
		form.Set("subject_token", string(r.Exchange.SubjectToken))
		form.Set("subject_token_type", r.Exchange.SubjectTokenType)
		form.Set("registration_id", r.Exchange.RegistrationID)
	case AuthorizationCode:
		r.Session.addTo(form)
	}
	return form
}

func setIfAny(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// TokenKind says which of a session's tokens one is (the token_type_hint of RFC 7009 section 2.1).
type TokenKind string

// The kinds of tokens.
const (
	AccessToken  TokenKind = "access_token"
	RefreshToken TokenKind = "refresh_token"
)

// Revoke revokes a token (RFC 7009); with a refresh token the access tokens of its session may go too. A server that does
// not know the token reports success, as the RFC says.
func (c *Client) Revoke(ctx context.Context, hc *http.Client, revocationURL string, creds Credentials, kind TokenKind, token Secret) error {
	if !isEndpoint(revocationURL) {
		return endpointFault("the revocation URL is not a URL, or holds a user name: credentials belong in the Secret")
	}
	form := url.Values{"token": {string(token)}, "token_type_hint": {string(kind)}}
	setIfAny(form, "client_id", creds.ClientID)
	setIfAny(form, "client_secret", string(creds.ClientSecret))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, revocationURL, bytes.NewBufferString(form.Encode()))
	if err != nil {
		return endpointFault("the revocation URL is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", accepted)
	resp, err := send(hc, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()       //nolint:errcheck // what is wanted of the body has been read
	if resp.StatusCode/100 == 2 { // RFC 7009 section 2.2: the body says nothing
		return nil
	}
	body, _ := io.ReadAll(resp.Body) // what came before an error is enough for the code
	refused := readReceived(resp, body)
	refused.statusFirst = true
	return refused.refusal(ofRevocation, host(revocationURL), c.Now(), nil)
}

// accepted is the type of answers (RFC 6749 section 5.1, RFC 8414 section 3.2).
const accepted = "application/json"

// send sends a request. Its error is a *fault.Error that says why there is no answer.
func send(hc *http.Client, req *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	resp, err := hc.Do(traced(req, &connected))
	if err != nil {
		return nil, unreachable(err, host(req.URL.String()), connected.Load())
	}
	return resp, nil
}

// traced notes when a request gets a connection.
func traced(req *http.Request, connected *atomic.Bool) *http.Request {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
}

// recorder keeps what x/oauth2 does not tell: the answer, and why reading it failed. It serves one request.
type recorder struct {
	next        http.RoundTripper
	now         func() time.Time
	status      int // zero if there was no answer
	clock       clockReading
	contentType string
	header      http.Header
	body        bytes.Buffer
	readErr     error
	connected   atomic.Bool
}

func (r *recorder) received() received {
	return readReceived(&http.Response{StatusCode: r.status, Header: r.header}, r.body.Bytes())
}

// succeeded reports whether the answer's status is one of success.
func (r *recorder) succeeded() bool { return r.status >= 200 && r.status < 300 }

// RoundTrip records the answer as it is read.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := r.now()
	req = traced(req, &r.connected)
	req.Header = req.Header.Clone()
	req.Header.Set("Accept", accepted)
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.clock = readClock(resp.Header, sent, r.now())
	r.status, r.header, r.contentType = resp.StatusCode, resp.Header, resp.Header.Get("Content-Type")
	resp.Body = &recordedBody{ReadCloser: resp.Body, to: r}
	return resp, nil
}

type recordedBody struct {
	io.ReadCloser
	to *recorder
	// unmarked is the body without a byte order mark, which encoding/json does not read; nil before the first read.
	unmarked *bytes.Reader
	err      error
}

// Read reads the whole body first: a mark may come in pieces.
func (b *recordedBody) Read(p []byte) (int, error) {
	if b.unmarked == nil {
		if _, b.err = b.to.body.ReadFrom(b.ReadCloser); b.err != nil {
			b.to.readErr = b.err
		}
		b.unmarked = bytes.NewReader(bytes.TrimPrefix(b.to.body.Bytes(), byteOrderMark))
	}
	n, err := b.unmarked.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}

// host is the host and port of a URL, to name it in messages.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "the endpoint"
	}
	return u.Host
}
