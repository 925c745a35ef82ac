package oauth

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

var (
	aLogin   = Session{Code: canary + "-code", Verifier: canary + "-verifier", RedirectURL: "http://127.0.0.1:8400/" + canary}
	aRefresh = Session{RefreshToken: canary + "-refresh", RedirectURL: "http://127.0.0.1:8400/" + canary}
)

// proceed goes on with a session, with credentials that must show nowhere.
func proceed(t *testing.T, hc *http.Client, tokenURL string, session Session) (Token, error) {
	t.Helper()
	return (&Client{Now: fixed}).Token(t.Context(), hc, Request{
		Flow: AuthorizationCode, TokenURL: tokenURL, Credentials: Credentials{ClientID: "app", ClientSecret: canary + "-secret"},
		Scopes: []string{"core.aiservices.read"}, Session: session,
	})
}

func TestSessionsSendTheirParameters(t *testing.T) {
	t.Parallel()
	public := Credentials{ClientID: "app"}
	const redirect = "http://127.0.0.1:8400/callback?x=1"
	tests := map[string]struct {
		request Request
		want    url.Values
	}{
		"the code of a confidential client": {
			Request{Credentials: credentials, Session: Session{Code: "c&de", Verifier: "ver~ifier", RedirectURL: redirect}},
			url.Values{
				"grant_type": {"authorization_code"}, "code": {"c&de"}, "code_verifier": {"ver~ifier"}, "redirect_uri": {redirect},
				"client_id": {"app"}, "client_secret": {"s&cr=t +%é"},
			},
		},
		"the code of a public client": {
			Request{Credentials: public, Session: Session{Code: "c&de", Verifier: "ver~ifier", RedirectURL: redirect}},
			url.Values{
				"grant_type": {"authorization_code"}, "code": {"c&de"}, "code_verifier": {"ver~ifier"}, "redirect_uri": {redirect}, "client_id": {"app"},
			},
		},
		"a code with nothing else": {
			Request{Session: Session{Code: "c&de"}},
			url.Values{"grant_type": {"authorization_code"}, "code": {"c&de"}},
		},
		"a refresh of a confidential client": {
			Request{Credentials: credentials, Session: Session{RefreshToken: "r/f=&", RedirectURL: redirect}},
			url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"r/f=&"}, "redirect_uri": {redirect}, "scope": {"a b"},
				"client_id": {"app"}, "client_secret": {"s&cr=t +%é"},
			},
		},
		"a refresh of a public client that knows no redirect URL": {
			Request{Credentials: public, Session: Session{RefreshToken: "r/f=&"}},
			url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r/f=&"}, "scope": {"a b"}, "client_id": {"app"}},
		},
		"a refresh with more parameters": {
			Request{Credentials: public, Session: Session{RefreshToken: "r/f=&"}, Parameters: map[string]string{"resource": "https://api"}},
			url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r/f=&"}, "scope": {"a b"}, "client_id": {"app"}, "resource": {"https://api"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, replyJSON(`{"access_token":"tok","token_type":"Bearer","expires_in":3600,"refresh_token":"next","refresh_token_expires_in":"86400"}`))
			tc.request.Flow, tc.request.Scopes, tc.request.TokenURL = AuthorizationCode, []string{"a", "b"}, p.URL+"/oauth2/token?p=B2C%5F1"
			tok, err := (&Client{Now: fixed}).Token(t.Context(), p.client(t), tc.request)
			if err != nil {
				t.Fatalf("Token: %v", err)
			}
			want := []asked{{
				Method: http.MethodPost, Path: "/oauth2/token", Query: "p=B2C%5F1", ContentType: "application/x-www-form-urlencoded", Form: tc.want,
			}}
			if diff := cmp.Diff(want, p.asked()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			wantToken := Token{
				Skew:        new(time.Duration),
				AccessToken: "tok", TokenType: "Bearer", Scopes: []string{"a", "b"},
				IssueTime: now.Truncate(time.Second), ExpirationTime: now.Add(time.Hour).Truncate(time.Second),
				RefreshToken: "next", RefreshExpirationTime: now.Add(24 * time.Hour).Truncate(time.Second),
			}
			if diff := cmp.Diff(wantToken, tok); diff != "" {
				t.Errorf("token (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoSessionIsNoRequest(t *testing.T) {
	t.Parallel()
	p := newProvider(t, replyJSON(`{"access_token":"tok"}`))
	for name, session := range map[string]Session{
		"nothing":           {},
		"a redirect URL":    {RedirectURL: "http://127.0.0.1:8400/"},
		"a verifier":        {Verifier: canary},
		"two ways to go on": {Code: canary, RefreshToken: canary},
	} {
		_, err := proceed(t, p.client(t), p.URL, session)
		wantFault(t, err, fault.Terminal, fault.ReasonReauthorizationRequired)
		if n := len(p.asked()); n != 0 {
			t.Errorf("%s: %d requests were sent", name, n)
		}
	}
}

// A refusal of the session ends it until a user logs in; one of the client or the scopes does not.
func TestErrorCodesOfSessions(t *testing.T) {
	t.Parallel()
	const dead = "log in again"
	tests := map[string]struct {
		session Session
		class   fault.Class
		reason  string
		words   string
	}{
		"invalid_grant of a refresh":            {aRefresh, fault.Terminal, fault.ReasonReauthorizationRequired, "does not accept the refresh token any more: " + dead},
		"interaction_required of a refresh":     {aRefresh, fault.Terminal, fault.ReasonReauthorizationRequired, dead},
		"login_required of a refresh":           {aRefresh, fault.Terminal, fault.ReasonReauthorizationRequired, dead},
		"consent_required of a refresh":         {aRefresh, fault.Terminal, fault.ReasonReauthorizationRequired, dead},
		"invalid_grant of a code":               {aLogin, fault.Terminal, fault.ReasonReauthorizationRequired, "does not accept the code: it has expired, was used before, or belongs to another client, redirect URL or PKCE verifier"},
		"invalid_client of a refresh":           {aRefresh, fault.Rejected, fault.ReasonClientRejected, "check the client id and secret"},
		"invalid_client of a code":              {aLogin, fault.Rejected, fault.ReasonClientRejected, "check the client id and secret"},
		"invalid_scope of a refresh":            {aRefresh, fault.Rejected, fault.ReasonScopeRejected, "set spec.scopes to delegated scopes"},
		"temporarily_unavailable of a refresh":  {aRefresh, fault.Retryable, fault.ReasonServerUnavailable, "overloaded"},
		"interaction_required of a code":        {aLogin, fault.Rejected, fault.ReasonRequestRejected, "HTTP 400"},
		"canary of a refresh":                   {aRefresh, fault.Rejected, fault.ReasonRequestRejected, "HTTP 400"},
		"unsupported_grant_type of a refresh":   {aRefresh, fault.Rejected, fault.ReasonClientRejected, "does not serve the flow"},
		"unauthorized_client of a public login": {Session{Code: canary}, fault.Rejected, fault.ReasonClientRejected, "allow this flow"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, _ := strings.Cut(name, " ")
			p := newProvider(t, reply(http.StatusBadRequest, "application/json",
				`{"error":"`+code+`","error_description":"canary","refresh_token":"canary","refresh_token_expires_in":60}`, "Retry-After", "30"))
			tok, err := proceed(t, p.client(t), p.URL, tc.session)
			wantFault(t, err, tc.class, tc.reason)
			wantMessage(t, err, tc.words)
			wantOneRequest(t, p)
			if diff := cmp.Diff(Token{Skew: new(time.Duration)}, tok); diff != "" {
				t.Errorf("a refusal brings a token (-want +got):\n%s", diff)
			}
		})
	}
	p := newProvider(t, reply(http.StatusTooManyRequests, "application/json", `{"error":"invalid_grant"}`))
	_, err := proceed(t, p.client(t), p.URL, aRefresh)
	wantFault(t, err, fault.Retryable, fault.ReasonRateLimited)
	p = newProvider(t, reply(http.StatusOK, "application/json", `{"error":"invalid_grant","refresh_token":"canary"}`))
	tok, err := proceed(t, p.client(t), p.URL, aRefresh)
	wantFault(t, err, fault.Terminal, fault.ReasonReauthorizationRequired)
	if tok.RefreshToken != "" {
		t.Error("a refusal of status 200 brings a refresh token")
	}
}

func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	day := now.Add(24 * time.Hour).Truncate(time.Second)
	tests := map[string]struct {
		more       string // of an answer that is good otherwise
		want       string
		expiration time.Time
	}{
		"none":                                   {``, "", time.Time{}},
		"none, but the life of the one that was": {`,"refresh_token_expires_in":86400`, "", day},
		"one":                                    {`,"refresh_token":"next"`, "next", time.Time{}},
		"one and its life":                       {`,"refresh_token":"next","refresh_token_expires_in":86400`, "next", day},
		"a life in a string":                     {`,"refresh_token_expires_in":"86400","refresh_token":"next"`, "next", day},
		"a life of a fraction":                   {`,"refresh_token":"next","refresh_token_expires_in":86399.9`, "next", day},
		"no life":                                {`,"refresh_token":"next","refresh_token_expires_in":0`, "next", time.Time{}},
		"a negative life":                        {`,"refresh_token":"next","refresh_token_expires_in":-1`, "next", time.Time{}},
		"a life of years":                        {`,"refresh_token":"next","refresh_token_expires_in":1795428100`, "next", time.Time{}},
		"a life that is none":                    {`,"refresh_token":"next","refresh_token_expires_in":"a day"`, "next", time.Time{}},
		"a life of no number":                    {`,"refresh_token":"next","refresh_token_expires_in":"NaN"`, "next", time.Time{}},
		"a life that is null":                    {`,"refresh_token":"next","refresh_token_expires_in":null`, "next", time.Time{}},
		"the same again":                         {`,"refresh_token":"canary-refresh"`, "canary-refresh", time.Time{}},
		"what RFC 6749 allows":                   {`,"refresh_token":"a b!\"#~\\"`, `a b!"#~\`, time.Time{}},
		"as long as it may be":                   {`,"refresh_token":"` + strings.Repeat("x", maxToken) + `"`, strings.Repeat("x", maxToken), time.Time{}},
		"longer":                                 {`,"refresh_token":"` + strings.Repeat("x", maxToken+1) + `","refresh_token_expires_in":60`, "", time.Time{}},
		"an empty one":                           {`,"refresh_token":""`, "", time.Time{}},
		"a blank one":                            {`,"refresh_token":"  "`, "", time.Time{}},
		"a line break":                           {`,"refresh_token":"a\nb"`, "", time.Time{}},
		"a NUL":                                  {`,"refresh_token":"a\u0000"`, "", time.Time{}},
		"beyond ASCII":                           {`,"refresh_token":"ä"`, "", time.Time{}},
		"the last of two, as encoding/json reads": {`,"refresh_token":"first","refresh_token":"next"`, "next", time.Time{}},
		"null, with the life of the one that was": {`,"refresh_token":null,"refresh_token_expires_in":86400`, "", day},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, replyJSON(`{"access_token":"tok","expires_in":"3600"`+tc.more+`}`))
			tok, err := proceed(t, p.client(t), p.URL, aRefresh)
			if err != nil {
				t.Fatalf("Token: %v", err)
			}
			if string(tok.RefreshToken) != tc.want || !tok.RefreshExpirationTime.Equal(tc.expiration) {
				t.Errorf("the refresh token is %q until %s, want %q until %s",
					string(tok.RefreshToken), tok.RefreshExpirationTime, tc.want, tc.expiration)
			}
			if tok.AccessToken != "tok" {
				t.Error("the access token is lost")
			}
		})
	}
	p := newProvider(t, reply(http.StatusOK, "application/x-www-form-urlencoded", "access_token=tok&refresh_token=12345&refresh_token_expires_in=86400"))
	tok, err := proceed(t, p.client(t), p.URL, aRefresh)
	if err != nil || tok.RefreshToken != "12345" || !tok.RefreshExpirationTime.Equal(day) {
		t.Errorf("a form makes %q until %s, %v", string(tok.RefreshToken), tok.RefreshExpirationTime, err)
	}
}

// The refresh token that was sent is void once the server has answered, whatever else is wrong with the answer.
func TestRefreshTokensOfAnswersThatAreNoToken(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	tests := map[string]struct {
		handler http.HandlerFunc
		reason  string
		want    Secret
	}{
		"an expires_in of zero":            {replyJSON(`{"access_token":"canary","expires_in":0,"refresh_token":"next"}`), fault.ReasonLifetimeInvalid, "next"},
		"an expires_in of words":           {replyJSON(`{"access_token":"canary","expires_in":"canary","refresh_token":"next"}`), fault.ReasonLifetimeInvalid, "next"},
		"an expires_in of a list":          {replyJSON(`{"expires_in":[1],"refresh_token":"next","access_token":"canary"}`), fault.ReasonLifetimeInvalid, "next"},
		"no access token":                  {replyJSON(`{"refresh_token":"next"}`), fault.ReasonTokenInvalid, "next"},
		"an access token with a space":     {replyJSON(`{"access_token":"canary canary","refresh_token":"next"}`), fault.ReasonTokenInvalid, "next"},
		"an access token that is a number": {replyJSON(`{"access_token":5,"refresh_token":"next"}`), fault.ReasonResponseInvalid, "next"},
		"another token_type":               {replyJSON(`{"access_token":"canary","token_type":"mac","refresh_token":"next"}`), fault.ReasonTokenInvalid, "next"},
		"another Content-Type":             {reply(200, "text/plain", `{"access_token":"canary","refresh_token":"next"}`), fault.ReasonResponseInvalid, "next"},
		"words after the JSON":             {replyJSON(`{"access_token":"canary","refresh_token":"next"}canary`), fault.ReasonResponseInvalid, "next"},
		"an end that is missing":           {replyJSON(`{"access_token":"canary","refresh_token":"next","id_token":"cana`), fault.ReasonResponseInvalid, "next"},
		"a connection that breaks":         {breaksOff(http.StatusOK, "application/json", `{"access_token":"canary","refresh_token":"next","id_token":"cana`), fault.ReasonServerUnavailable, "next"},
		"too large":                        {replyJSON(`{"refresh_token":"next","id_token":"` + strings.Repeat("canary", 100_000) + `"}`), fault.ReasonResponseInvalid, "next"},
		"a form of no life":                {reply(200, form, "access_token=canary&expires_in=0&refresh_token=next"), fault.ReasonLifetimeInvalid, "next"},
		"a form without an access token":   {reply(200, form+"; charset=utf-8", "refresh_token=next"), fault.ReasonResponseInvalid, "next"},

		"none":                              {replyJSON(`{"access_token":"canary","expires_in":0}`), fault.ReasonLifetimeInvalid, ""},
		"half of one":                       {breaksOff(http.StatusOK, "application/json", `{"access_token":"canary","refresh_token":"nex`), fault.ReasonServerUnavailable, ""},
		"perhaps half of one, in a form":    {breaksOff(http.StatusOK, form, "access_token=canary&refresh_token=nex"), fault.ReasonServerUnavailable, ""},
		"one within another member":         {replyJSON(`{"access_token":"","x":{"refresh_token":"canary"}}`), fault.ReasonTokenInvalid, ""},
		"one within a page":                 {reply(200, "text/html", `<a href="?a=b&refresh_token=canary&c=d">canary</a>`), fault.ReasonResponseInvalid, ""},
		"one within a list":                 {replyJSON(`[{"refresh_token":"canary"}]`), fault.ReasonResponseInvalid, ""},
		"a form that is none":               {reply(200, form, "refresh_token=canary&%zz"), fault.ReasonResponseInvalid, ""},
		"an error page of the status 500":   {reply(500, "application/json", `{"refresh_token":"canary"}`), fault.ReasonServerUnavailable, ""},
		"an error that breaks off":          {breaksOff(http.StatusInternalServerError, "application/json", `{"refresh_token":"canary","error":"inv`), fault.ReasonServerUnavailable, ""},
		"no answer":                         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.ReasonServerUnavailable, ""},
		"one that cannot be used, and more": {replyJSON(`{"access_token":"","refresh_token":"can\nary"}`), fault.ReasonTokenInvalid, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, tc.handler)
			tok, err := proceed(t, p.client(t), p.URL, aRefresh)
			wantFault(t, err, fault.Retryable, tc.reason)
			wantOneRequest(t, p)
			tok.Skew = nil // it has a test of its own
			if diff := cmp.Diff(Token{RefreshToken: tc.want}, tok); diff != "" {
				t.Errorf("token beside the error (-want +got):\n%s", diff)
			}
		})
	}
}

// breaksOff answers in part.
func breaksOff(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply(status, contentType, body, "Content-Length", "1000")(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// A number that is cut looks whole.
func TestNoLifeFromAnAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	p := newProvider(t, breaksOff(http.StatusOK, "application/json", `{"refresh_token":"next","refresh_token_expires_in":86`))
	tok, err := proceed(t, p.client(t), p.URL, aRefresh)
	wantFault(t, err, fault.Retryable, fault.ReasonServerUnavailable)
	if diff := cmp.Diff(Token{RefreshToken: "next", Skew: new(time.Duration)}, tok); diff != "" {
		t.Errorf("token beside the error (-want +got):\n%s", diff)
	}
}

func TestOtherFlowsKeepNoRefreshToken(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"access_token":"tok","refresh_token":"canary","refresh_token_expires_in":60}`, `{"refresh_token":"canary"}`} {
		for _, flow := range []Flow{ClientCredentials, AnonymousCustomer, OnBehalfOf, TokenExchange} {
			p := newProvider(t, replyJSON(answer))
			tok, _ := (&Client{Now: fixed}).Token(t.Context(), p.client(t), Request{Flow: flow, TokenURL: p.URL})
			if tok.RefreshToken != "" || !tok.RefreshExpirationTime.IsZero() {
				t.Errorf("%s keeps a refresh token", flow)
			}
		}
	}
}

func FuzzRefreshToken(f *testing.F) {
	for _, seed := range []string{
		"", "{", "{}", "[]", "null", `{"refresh_token":"next","refresh_token_expires_in":60}`, `{"refresh_token":"next`, `{"refresh_token":5}`,
		`{"a":{"b":[1,{}]},"refresh_token":"n"`, `{"refresh_token":"a\nb"}`, "refresh_token=next&refresh_token_expires_in=60", "refresh_token=%zz",
		`{"refresh_token_expires_in":1e400}`, `{"refresh_token_expires_in":"NaN"}`, `{"refresh_token":"\ud800"}`, "{\"refresh_token\":\"\xff\"}",
	} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
			f.Add(seed, kind, false)
			f.Add(seed, kind, true)
		}
	}
	f.Fuzz(func(t *testing.T, body, kind string, broke bool) {
		r := &recorder{status: http.StatusOK, contentType: kind}
		r.body.WriteString(body)
		if broke {
			r.readErr = io.ErrUnexpectedEOF
		}
		token, expiration := r.refreshToken(now)
		if token != "" && !refreshable(string(token)) {
			t.Errorf("the refresh token %q cannot be used", string(token))
		}
		if life := expiration.Sub(now.Truncate(time.Second)); !expiration.IsZero() && (life < time.Second || life > MaxLifetime || broke) {
			t.Errorf("the refresh token lives %s", life)
		}
	})
}

func TestLeadingMembers(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		``: {}, `"a"`: {}, `[1]`: {}, `{`: {}, `{"a"`: {}, `{"a":`: {}, `{"a":1`: {"a"}, `{"a":1,`: {"a"}, `{"a":1,"b":{"c":2`: {"a"},
		`{"a":1,"b":{"c":2}}`: {"a", "b"}, `{"a":1}{"b":2}`: {"a"}, `{"a":1,5:2}`: {"a"}, `{"a":1 "b":2}`: {"a"},
	} {
		got := slices.AppendSeq([]string{}, maps.Keys(leadingMembers([]byte(body))))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("members of %s (-want +got):\n%s", fmt.Sprintf("%q", body), diff)
		}
	}
}
