package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

var credentials = Credentials{ClientID: "app", ClientSecret: "s&cr=t +%é"}

// The parameters of each flow are exactly those that eGain documents: it answers others with an error.
func TestFlowsSendTheirParameters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		request Request
		want    url.Values
	}{
		"client credentials": {
			Request{Flow: ClientCredentials, Credentials: credentials, Scopes: []string{"knowledge.portalmgr.manage", "core.aiservices.read"}},
			url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"},
				"scope": {"knowledge.portalmgr.manage core.aiservices.read"},
			},
		},
		"anonymous customer": {
			Request{Flow: AnonymousCustomer, Credentials: credentials, Scopes: []string{"knowledge.portalmgr.read"}},
			url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"}, "scope": {"knowledge.portalmgr.read"},
			},
		},
		"anonymous customer without credentials": {
			Request{Flow: AnonymousCustomer, Scopes: []string{"knowledge.portalmgr.read"}},
			url.Values{
				"grant_type": {"client_credentials"}, "scope": {"knowledge.portalmgr.read"}, "client_id": {"clientId"}, "client_secret": {"clientSecret"},
			},
		},
		"anonymous customer with a client id alone": {
			Request{Flow: AnonymousCustomer, Credentials: Credentials{ClientID: "widget"}, Scopes: []string{"a"}},
			url.Values{"grant_type": {"client_credentials"}, "client_id": {"widget"}, "scope": {"a"}},
		},
		"on behalf of a user by name": {
			Request{Flow: OnBehalfOf, Credentials: credentials, Scopes: []string{"a"}, Subject: Subject{Username: "agent.smith"}},
			url.Values{
				"grant_type": {"password"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"}, "scope": {"a"}, "subject_username": {"agent.smith"},
			},
		},
		"on behalf of a user by id": {
			Request{Flow: OnBehalfOf, Credentials: credentials, Scopes: []string{"a"}, Subject: Subject{UserID: "1001"}},
			url.Values{
				"grant_type": {"password"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"}, "scope": {"a"}, "subject_userid": {"1001"},
			},
		},
		"on behalf of a customer": {
			Request{Flow: OnBehalfOf, Credentials: credentials, Scopes: []string{"a"}, Subject: Subject{Email: "jo+x@example.com"}},
			url.Values{
				"grant_type": {"password"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"}, "scope": {"a"}, "subject_email": {"jo+x@example.com"},
			},
		},
		"token exchange": {
			Request{
				Flow: TokenExchange, Credentials: credentials, Scopes: []string{"a"},
				Exchange: Exchange{RegistrationID: "okta-prod", SubjectTokenType: "urn:ietf:params:oauth:token-type:access_token", SubjectToken: "a.b.c"},
			},
			url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"},
				"scope": {"a"}, "subject_token": {"a.b.c"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
				"registration_id": {"okta-prod"},
			},
		},
		"token exchange without a scope": {
			Request{
				Flow: TokenExchange, Credentials: credentials,
				Exchange: Exchange{RegistrationID: "okta-prod", SubjectTokenType: "urn:ietf:params:oauth:token-type:jwt", SubjectToken: "a.b.c"},
			},
			url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"},
				"subject_token": {"a.b.c"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}, "registration_id": {"okta-prod"},
			},
		},
		"more parameters": {
			Request{Flow: ClientCredentials, Credentials: credentials, Scopes: []string{"a"}, Parameters: map[string]string{"resource": "https://api?x=1&y=2", "p": ""}},
			url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"}, "scope": {"a"},
				"resource": {"https://api?x=1&y=2"}, "p": {""},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, replyJSON(`{"access_token":"tok","token_type":"Bearer","expires_in":3600}`))
			// The query string of a token URL is part of it.
			tc.request.TokenURL = p.URL + "/oauth2/token?user_type=customer&domain_hint=T%201&b&a=1"
			tok, err := (&Client{Now: fixed}).Token(t.Context(), p.client(t), tc.request)
			if err != nil {
				t.Fatalf("Token: %v", err)
			}
			want := []asked{{
				Method: http.MethodPost, Path: "/oauth2/token", Query: "user_type=customer&domain_hint=T%201&b&a=1",
				ContentType: "application/x-www-form-urlencoded", Form: tc.want,
			}}
			if diff := cmp.Diff(want, p.asked()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			wantToken := Token{
				Skew:        new(time.Duration),
				AccessToken: "tok", TokenType: "Bearer", Scopes: tc.request.Scopes,
				IssueTime: now.Truncate(time.Second), ExpirationTime: now.Add(time.Hour).Truncate(time.Second),
			}
			if diff := cmp.Diff(wantToken, tok); diff != "" {
				t.Errorf("token (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParametersCannotReplaceThoseOfTheFlow(t *testing.T) {
	t.Parallel()
	p := newProvider(t, replyJSON(`{"access_token":"tok"}`))
	hc := p.client(t)
	for _, name := range []string{
		"grant_type", "scope", "client_id", "client_secret", "subject_username", "subject_userid", "subject_email",
		"subject_token", "subject_token_type", "registration_id", "code", "code_verifier", "redirect_uri", "refresh_token",
		"Scope", "SCOPE", "Client_Secret", "Grant_Type", "assertion", "Client_Assertion", "password", "username", "actor_token", "device_code", "State", "response_mode",
	} {
		_, err := (&Client{Now: fixed}).Token(t.Context(), hc, Request{
			Flow: AnonymousCustomer, TokenURL: p.URL, Parameters: map[string]string{name: canary},
		})
		wantFault(t, err, fault.Terminal, fault.ReasonRequestRejected)
		wantMessage(t, err, "sets "+name)
	}
	for _, name := range []string{"", " scope", "scope ", "scope[]", "scope\n", "scope\x00", "\uff53cope", "\u202escope", "a=b", strings.Repeat("a", 65)} {
		_, err := (&Client{Now: fixed}).Token(t.Context(), hc, Request{
			Flow: AnonymousCustomer, TokenURL: p.URL, Parameters: map[string]string{name: canary, "resource": "a"},
		})
		wantFault(t, err, fault.Terminal, fault.ReasonRequestRejected)
		wantMessage(t, err, "is no name of a parameter")
	}
	_, err := (&Client{Now: fixed}).Token(t.Context(), hc, Request{
		Flow: AnonymousCustomer, TokenURL: p.URL, Parameters: map[string]string{"resource": "a", "Resource": "b"},
	})
	wantFault(t, err, fault.Terminal, fault.ReasonRequestRejected)
	wantMessage(t, err, "sets resource twice")
	if n := len(p.asked()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestURLsThatNothingIsSentTo(t *testing.T) {
	t.Parallel()
	hc := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a request to %s was sent", r.URL)
		return nil, http.ErrAbortHandler
	})}
	c := &Client{Now: fixed}
	for _, raw := range []string{"", "ai.egain.cloud/token", "/token", "https:///token", "https://%zz", "https://app:" + canary + "@ai.egain.cloud/token", "\x7f"} {
		_, err := c.Token(t.Context(), hc, Request{Flow: ClientCredentials, TokenURL: raw})
		wantFault(t, err, fault.Terminal, fault.ReasonEndpointInvalid)
		err = c.Revoke(t.Context(), hc, raw, credentials, AccessToken, "tok")
		wantFault(t, err, fault.Terminal, fault.ReasonEndpointInvalid)
	}
	// What parses and is no URL to send a request to.
	for _, raw := range []string{"ftp://ai.egain.cloud/token", "http://ai.egain.cloud/token"} {
		_, err := c.Token(t.Context(), guarded(t, time.Minute, nil), Request{Flow: ClientCredentials, TokenURL: raw})
		wantFault(t, err, fault.Terminal, fault.ReasonEndpointRefused)
	}
}

// The life counts from before the request: the time on the wire must not make a token outlive itself.
func TestLifeCountsFromBeforeTheRequest(t *testing.T) {
	t.Parallel()
	clock := now
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		clock = clock.Add(20 * time.Second)
		replyJSON(`{"access_token":"tok","expires_in":60}`)(w, r)
	})
	c := &Client{Now: func() time.Time { return clock }}
	tok, err := c.Token(t.Context(), p.client(t), Request{Flow: ClientCredentials, TokenURL: p.URL, Credentials: credentials})
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	if want := now.Add(time.Minute).Truncate(time.Second); !tok.ExpirationTime.Equal(want) {
		t.Errorf("the token expires at %s, want %s", tok.ExpirationTime, want)
	}
}

func TestTokenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := newProvider(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // an empty answer could still reach the client
	})
	_, err := (&Client{Now: fixed}).Token(ctx, p.client(t), Request{Flow: ClientCredentials, TokenURL: p.URL})
	wantFault(t, err, fault.Retryable, fault.ReasonServerUnavailable)
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		creds Credentials
		kind  TokenKind
		want  url.Values
	}{
		"with credentials": {
			credentials, AccessToken,
			url.Values{"token": {"t&k"}, "token_type_hint": {"access_token"}, "client_id": {"app"}, "client_secret": {"s&cr=t +%é"}},
		},
		"without": {Credentials{}, AccessToken, url.Values{"token": {"t&k"}, "token_type_hint": {"access_token"}}},
		"a refresh token of a public client": {
			Credentials{ClientID: "app"}, RefreshToken, url.Values{"token": {"t&k"}, "token_type_hint": {"refresh_token"}, "client_id": {"app"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, reply(http.StatusOK, "", ""))
			if err := (&Client{Now: fixed}).Revoke(t.Context(), p.client(t), p.URL+"/revoke?p=1", tc.creds, tc.kind, "t&k"); err != nil {
				t.Fatalf("Revoke: %v", err)
			}
			want := []asked{{
				Method: http.MethodPost, Path: "/revoke", Query: "p=1", ContentType: "application/x-www-form-urlencoded", Form: tc.want,
			}}
			if diff := cmp.Diff(want, p.asked()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRevokeFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		handler http.HandlerFunc
		class   fault.Class
		reason  string
		after   time.Duration
	}{
		"the client is refused": {
			reply(http.StatusUnauthorized, "application/json", `{"error":"invalid_client","error_description":"canary"}`),
			fault.Rejected, fault.ReasonClientRejected, 0,
		},
		"the server is busy": {
			reply(http.StatusServiceUnavailable, "text/plain", "canary", "Retry-After", "7"),
			fault.Retryable, fault.ReasonServerUnavailable, 7 * time.Second,
		},
		"the server leads elsewhere": {
			reply(http.StatusFound, "text/html", "canary", "Location", "https://canary.example"),
			fault.Rejected, fault.ReasonRequestRejected, 0,
		},
		"the connection breaks": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			fault.Retryable, fault.ReasonServerUnavailable, 0,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, tc.handler)
			err := (&Client{Now: fixed}).Revoke(t.Context(), p.client(t), p.URL, Credentials{"app", canary}, RefreshToken, canary+"-token")
			wantFault(t, err, tc.class, tc.reason)
			if f := fault.Of(err); f != nil && f.RetryAfter != tc.after {
				t.Errorf("RetryAfter = %s, want %s", f.RetryAfter, tc.after)
			}
			if n := len(p.asked()); n != 1 {
				t.Errorf("%d requests were sent, want one", n)
			}
		})
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://ai.egain.cloud/system/auth?x=1": "ai.egain.cloud",
		"https://ai.egain.cloud:8443/":           "ai.egain.cloud:8443",
		"https://user:password@ai.egain.cloud/":  "ai.egain.cloud",
		"":                                       "the endpoint",
		"/path":                                  "the endpoint",
		"https://" + strings.Repeat("%", 3) + "/": "the endpoint",
	} {
		if got := host(raw); got != want {
			t.Errorf("host(%q) = %q, want %q", raw, got, want)
		}
	}
}
