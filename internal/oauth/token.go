// Package oauth knows how OAuth 2.0 is spoken with eGain: the discovery of endpoints and the flows on the wire, over
// golang.org/x/oauth2. It knows nothing of Kubernetes.
package oauth

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
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
	// ExpirationTime is when it expires, truncated to seconds.
	ExpirationTime time.Time
}

// Client sends requests of OAuth 2.0. It is safe for concurrent use.
type Client struct {
	// Now is the clock.
	Now func() time.Time
}

// Token runs a flow: one request, never repeated. Errors are *fault.Error and hold neither secrets nor any part of the
// answer but a known error code.
func (c *Client) Token(ctx context.Context, hc *http.Client, r Request) (Token, error) {
	if err := r.check(); err != nil {
		return Token{}, err
	}
	cfg := clientcredentials.Config{
		ClientID:       r.Credentials.ClientID,
		ClientSecret:   string(r.Credentials.ClientSecret),
		TokenURL:       r.TokenURL,
		Scopes:         r.Scopes,
		EndpointParams: r.form(),
		// The zero value would probe, that is log in twice whenever the first try fails.
		AuthStyle: oauth2.AuthStyleInParams,
	}
	rec := &recorder{next: hc.Transport}
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
	if err != nil {
		return Token{}, classify(err, rec, host(r.TokenURL), c.Now())
	}
	return validate(tok, r.Scopes, issue)
}

// reserved are the form parameters that the flows set themselves.
var reserved = []string{
	"grant_type", "scope", "client_id", "client_secret",
	"subject_username", "subject_userid", "subject_email",
	"subject_token", "subject_token_type", "registration_id",
}

func (r Request) check() error {
	if !isEndpoint(r.TokenURL) {
		return endpointFault("the token URL is not a URL, or holds a user name: credentials belong in the Secret")
	}
	for _, name := range reserved {
		if _, ok := r.Parameters[name]; ok {
			return fault.New(fault.Terminal, fault.ReasonRequestRejected, "spec.parameters sets %s, which is for the flow to set: remove it", name)
		}
	}
	return nil
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
	}
	return form
}

func setIfAny(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// Revoke revokes an access token (RFC 7009). A server that does not know the token reports success, as the RFC says.
func (c *Client) Revoke(ctx context.Context, hc *http.Client, revocationURL string, creds Credentials, token Secret) error {
	if !isEndpoint(revocationURL) {
		return endpointFault("the revocation URL is not a URL, or holds a user name: credentials belong in the Secret")
	}
	form := url.Values{"token": {string(token)}, "token_type_hint": {"access_token"}}
	setIfAny(form, "client_id", creds.ClientID)
	setIfAny(form, "client_secret", string(creds.ClientSecret))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, revocationURL, bytes.NewBufferString(form.Encode()))
	if err != nil {
		return endpointFault("the revocation URL is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := hc.Do(req)
	if err != nil {
		return unreachable(err, host(revocationURL))
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was asked of the body
	if resp.StatusCode != http.StatusOK {
		return rejected(resp, "", host(revocationURL), c.Now())
	}
	return nil
}

// recorder keeps what x/oauth2 does not tell: the answer's body, and why reading it failed. It serves one request.
type recorder struct {
	next     http.RoundTripper
	answered bool
	body     bytes.Buffer
	readErr  error
}

// RoundTrip records the answer as it is read.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.answered = true
	resp.Body = &recordedBody{ReadCloser: resp.Body, to: r}
	return resp, nil
}

type recordedBody struct {
	io.ReadCloser
	to *recorder
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.to.body.Write(p[:n])
	if err != nil && err != io.EOF {
		b.to.readErr = err
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
