package oauth

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// next is when a failed request is sent again without a token in the target.
type next string

const (
	soon   next = "within seconds"
	rarely next = "after half an hour"
	never  next = "only after a change"
)

func nextOf(f *fault.Error) next {
	at, retries := f.RetryTime(fault.Attempt{Failures: 1, Time: now})
	switch {
	case !retries:
		return never
	case at.Sub(now) == fault.Floor:
		return soon
	case at.Sub(now) == 30*time.Minute:
		return rarely
	default:
		return next(at.Sub(now).String())
	}
}

// result is what an answer makes of a request. One that succeeds has no reason.
type result struct {
	class  fault.Class
	reason string
	next   next
	words  string
}

// The answers of the matrix. The rules below read them as the RFCs do, not as the code does.
var (
	matrixStatuses = []int{200, 204, 302, 400, 401, 403, 404, 408, 425, 429, 500, 502, 503}
	matrixTypes    = []string{"application/json", "text/plain; charset=utf-8", "text/html", "application/x-www-form-urlencoded", ""}
	matrixCodes    = []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", // RFC 6749 section 5.2
		"invalid_target",                                           // RFC 8693 section 2.2.2
		"unsupported_token_type",                                   // RFC 7009 section 2.2.1
		"access_denied", "temporarily_unavailable", "server_error", // RFC 6749 section 4.1.2.1
		"interaction_required", "canary_code_that_nobody_knows_of_yet", // OpenID Connect Core section 3.1.2.6, and none
	}
	matrixKinds = []string{"first", "exchange", "refresh", "code", "revocation"}
)

// meaningOf is what a code means for a kind of request; false if it is not one of its codes.
func meaningOf(kind, code string) (result, bool) {
	session := kind == "refresh" || kind == "code"
	client := result{fault.Rejected, fault.ReasonClientRejected, rarely, code}
	request := result{fault.Rejected, fault.ReasonRequestRejected, rarely, code}
	switch code {
	case "access_denied":
		if kind == "exchange" { // to the client, or to the subject
			client.words = "check the subject token"
		}
		return client, true
	case "invalid_client", "unauthorized_client", "unsupported_grant_type":
		return client, true
	case "invalid_scope":
		if kind == "refresh" { // section 6: no more than was granted
			return result{fault.Rejected, fault.ReasonScopeRejected, rarely, "log in again"}, true
		}
		return result{fault.Rejected, fault.ReasonScopeRejected, rarely, code}, true
	case "invalid_target":
		return request, true
	case "invalid_request":
		if kind == "refresh" { // servers say so of a void refresh token
			request.words = "log in again"
		}
		return request, true
	case "invalid_grant":
		if session { // section 5.2: the code or the refresh token is void, and nothing may be sent again
			return result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "log in again"}, true
		}
		return result{fault.Rejected, fault.ReasonSubjectRejected, rarely, code}, true
	case "interaction_required":
		return result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "log in again"}, kind == "refresh"
	case "temporarily_unavailable", "server_error":
		return result{fault.Retryable, fault.ReasonServerUnavailable, soon, code}, true
	case "unsupported_token_type":
		return request, kind == "revocation"
	default:
		return result{}, false
	}
}

// ofStatus is what a status says by itself (RFC 9110 section 15).
func ofStatus(status int) result {
	said := fmt.Sprintf("HTTP %d", status)
	if status == 401 || status == 403 {
		return result{fault.Rejected, fault.ReasonClientRejected, rarely, said}
	}
	return result{fault.Rejected, fault.ReasonRequestRejected, rarely, said}
}

// body is one of the matrix.
type matrixBody struct {
	name, text string
	// code is that of an error, token says that it is a token response in JSON, form that it is a form, page that it is HTML.
	code              string
	token, form, page bool
}

func matrixBodies() []matrixBody {
	bodies := []matrixBody{
		{name: "token", text: `{"access_token":"canary","token_type":"Bearer","expires_in":3600}`, token: true},
		{name: "token form", text: "access_token=canary&token_type=Bearer&expires_in=3600", form: true, token: true},
		{name: "page", text: "<!DOCTYPE html><html><a href='?a=b&error=invalid_grant&c=d'>canary</a></html>", page: true},
		{name: "words", text: "canary, error=invalid_grant&c"},
		{name: "nothing"},
		{name: "truncated", text: `{"error":"invalid_gra`},
		{name: "other JSON", text: `{"message":"canary","error":{"error":"invalid_grant"}}`},
		{name: "list", text: `[{"error":"invalid_grant"}]`},
	}
	for _, code := range matrixCodes {
		bodies = append(bodies,
			matrixBody{name: code, text: `{"error":"` + code + `","error_description":"canary","error_uri":"https://canary"}`, code: code},
			matrixBody{name: code + " form", text: "error=" + code + "&error_description=canary+canary", code: code, form: true},
		)
	}
	return bodies
}

// expected applies the rules in order; the first that fits decides.
func expected(kind string, status int, contentType string, b matrixBody) result {
	success := status/100 == 2
	if status == http.StatusNoContent { // RFC 9110 section 15.3.5: it has no content
		b = matrixBody{name: "nothing"}
	}
	meant, known := meaningOf(kind, b.code)
	page := b.page || (contentType == "text/html" && (b.form || (b.code == "" && !b.token && b.name != "other JSON" && b.name != "truncated")))
	if contentType == "text/html" && (b.name == "truncated" || (b.form && b.code == "")) {
		page = true
	}
	switch {
	case kind == "revocation" && success: // RFC 7009 section 2.2
		return result{}
	case status == 429: // RFC 6585 section 4: whatever the code
		return result{fault.Retryable, fault.ReasonRateLimited, soon, "HTTP 429"}
	case status == 408, status == 425, status >= 500: // the server's failure, whatever the code
		return result{fault.Retryable, fault.ReasonServerUnavailable, soon, fmt.Sprintf("HTTP %d", status)}
	case known: // RFC 6749 section 5.2, whatever the type
		return meant
	case !success && status >= 400 && page: // no OAuth server answers so
		return result{fault.Rejected, fault.ReasonRequestRejected, rarely, "in front of the server"}
	case !success:
		return ofStatus(status)
	}
	return ofSuccess(status, contentType, b)
}

// ofSuccess is what the token endpoint's answer of success makes (RFC 6749 section 5.1).
func ofSuccess(status int, contentType string, b matrixBody) result {
	asForm := strings.HasPrefix(contentType, "text/plain") || contentType == "application/x-www-form-urlencoded" // as x/oauth2 reads them
	switch {
	case b.token && b.form == asForm:
		return result{}
	case b.code != "" && b.form == asForm: // a code that is not known
		return ofStatus(status)
	case b.page:
		return result{fault.Retryable, fault.ReasonResponseInvalid, soon, "HTML"}
	case b.token && !b.form:
		return result{fault.Retryable, fault.ReasonResponseInvalid, soon, "Content-Type"}
	case b.name == "other JSON" && asForm, b.code != "" && !b.form:
		return result{fault.Retryable, fault.ReasonTokenInvalid, soon, "no access_token"}
	default:
		return result{class: fault.Retryable, next: soon} // TestAnswersThatAreNoToken has the words
	}
}

// TestAnswers_MeanWhatTheRFCsSay sends every kind of request to every kind of answer.
func TestAnswers_MeanWhatTheRFCsSay(t *testing.T) {
	t.Parallel()
	var status int
	var contentType, body string
	hc := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			header := http.Header{"Location": {"/canary"}}
			if contentType != "" {
				header.Set("Content-Type", contentType)
			}
			sent := body
			if status == http.StatusNoContent {
				sent = ""
			}
			return &http.Response{StatusCode: status, Status: "canary", Header: header, Body: http.NoBody, Request: req, Proto: sent}, nil
		}),
	}
	inner := hc.Transport
	hc.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		if got := req.Header.Get("Accept"); got != "application/json" {
			t.Errorf("Accept is %q", got)
		}
		resp, err := inner.RoundTrip(req)
		resp.Body = readCloser{strings.NewReader(resp.Proto)}
		return resp, err
	})
	tried := 0
	for _, status = range matrixStatuses {
		for _, contentType = range matrixTypes {
			for _, b := range matrixBodies() {
				for _, kind := range matrixKinds {
					body = b.text
					tried++
					name := fmt.Sprintf("%s, HTTP %d, type %q, %s", kind, status, contentType, b.name)
					checkAnswer(t, name, requestOf(t, hc, kind), expected(kind, status, contentType, b))
				}
			}
		}
	}
	if tried < 10_000 {
		t.Errorf("only %d answers were tried", tried)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// requestOf sends a request of a kind.
func requestOf(t *testing.T, hc *http.Client, kind string) error {
	t.Helper()
	const server = "https://ai.egain.cloud/token"
	switch kind {
	case "refresh":
		_, err := proceed(t, hc, server, aRefresh)
		return err
	case "code":
		_, err := proceed(t, hc, server, aLogin)
		return err
	case "exchange":
		_, err := issue(t, hc, server)
		return err
	case "revocation":
		return (&Client{Now: fixed}).Revoke(t.Context(), hc, server, Credentials{ClientID: "app", ClientSecret: canary}, RefreshToken, canary)
	default:
		_, err := (&Client{Now: fixed}).Token(t.Context(), hc, Request{Flow: ClientCredentials, TokenURL: server, Credentials: Credentials{ClientID: "app", ClientSecret: canary}})
		return err
	}
}

func checkAnswer(t *testing.T, name string, err error, want result) {
	t.Helper()
	if want == (result{}) {
		if err != nil {
			t.Errorf("%s: %v, want success", name, err)
		}
		return
	}
	f := fault.Of(err)
	if f == nil || f.Class != want.class || (want.reason != "" && f.Reason != want.reason) || nextOf(f) != want.next || !strings.Contains(f.Message, want.words) {
		t.Errorf("%s: %#v, want %#v", name, f, want)
		return
	}
	if strings.Contains(f.Message, canary) {
		t.Errorf("%s: the message quotes the answer: %s", name, f)
	}
}

// Answers that are unusual, and mean what they say.
func TestAnswers_ThatAreUnusual(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(`{"access_token":"tok","expires_in":60}`))
	_ = z.Close()
	const tok = `{"access_token":"tok","expires_in":60}`
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    result
	}{
		"a byte order mark before a token":       {replyJSON("\ufeff" + tok), result{}},
		"a mark before an error":                 {reply(400, "application/json", "\ufeff"+`{"error":"invalid_grant"}`), result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "invalid_grant"}},
		"white space around":                     {replyJSON(" \r\n" + tok + "\r\n"), result{}},
		"a charset":                              {reply(200, "application/json;charset=ISO-8859-1", tok), result{}},
		"a type of its own":                      {reply(200, "application/vnd.egain+json", tok), result{}},
		"gzip":                                   {reply(200, "application/json", zipped.String(), "Content-Encoding", "gzip"), result{}},
		"gzip that is none":                      {reply(200, "application/json", tok, "Content-Encoding", "gzip"), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "closed the connection before its answer"}},
		"gzip of an error":                       {reply(500, "application/json", zipped.String(), "Content-Encoding", "gzip"), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "HTTP 500"}},
		"null for all that may be missing":       {replyJSON(`{"access_token":"tok","expires_in":null,"token_type":null,"refresh_token":null,"scope":null,"error":null}`), result{}},
		"the last of two access tokens":          {replyJSON(`{"access_token":"","access_token":"tok"}`), result{}},
		"the last of two codes":                  {reply(400, "application/json", `{"error":"invalid_request","error":"invalid_grant"}`), result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "invalid_grant"}},
		"a code and a token":                     {replyJSON(`{"access_token":"tok","error":"invalid_grant"}`), result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "invalid_grant"}},
		"a code in capitals of the member":       {reply(400, "application/json", `{"Error":"invalid_client"}`), result{fault.Rejected, fault.ReasonClientRejected, rarely, "invalid_client"}},
		"a code whose answer breaks off":         {breaksOff(400, "application/json", `{"error":"invalid_grant","error_descr`), result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "invalid_grant"}},
		"half a code":                            {breaksOff(400, "application/json", `{"error":"invalid_gr`), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "closed the connection before its answer was complete"}},
		"too many requests that break off":       {breaksOff(429, "application/json", `{`), result{fault.Retryable, fault.ReasonRateLimited, soon, "HTTP 429"}},
		"a 503 that breaks off":                  {breaksOff(503, "text/html", `<html`), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "HTTP 503"}},
		"a chunk that is none":                   {chunk, result{fault.Retryable, fault.ReasonServerUnavailable, soon, "closed the connection before its answer was complete"}},
		"a page of a firewall":                   {reply(403, "text/html", "<html><title>canary</title>Request blocked</html>"), result{fault.Rejected, fault.ReasonRequestRejected, rarely, "in front of the server"}},
		"a page that says it is JSON":            {reply(403, "application/json", "<!DOCTYPE html><p>canary"), result{fault.Rejected, fault.ReasonRequestRejected, rarely, "in front of the server"}},
		"an error as text":                       {reply(400, "text/plain; charset=utf-8", `{"error":"invalid_grant"}`), result{fault.Terminal, fault.ReasonReauthorizationRequired, never, "invalid_grant"}},
		"a gateway's answer as JSON":             {reply(403, "application/json", `{"message":"canary"}`), result{fault.Rejected, fault.ReasonClientRejected, rarely, "a gateway may have answered"}},
		"an error of status 200 as text":         {reply(200, "text/plain", `{"error":"invalid_client"}`), result{fault.Rejected, fault.ReasonClientRejected, rarely, "invalid_client"}},
		"a code of a server that fails":          {reply(500, "application/json", `{"error":"invalid_request"}`), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "HTTP 500 (invalid_request)"}},
		"the end of a session that fails":        {reply(503, "application/json", `{"error":"invalid_grant"}`), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "HTTP 503 (invalid_grant)"}},
		"an answer of a status that has no name": {reply(520, "text/html", "<html>canary</html>"), result{fault.Retryable, fault.ReasonServerUnavailable, soon, "HTTP 520"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, tc.handler)
			_, err := proceed(t, p.client(t), p.URL, aRefresh)
			checkAnswer(t, name, err, tc.want)
			wantOneRequest(t, p)
		})
	}
}

// chunk answers with a chunk whose length is no number.
func chunk(w http.ResponseWriter, _ *http.Request) {
	c, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"acc\r\nzz\r\n")
	_ = buf.Flush()
	_ = c.Close()
}

func TestAnswers_EverySuccessOfARevocationIsOne(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204} {
		p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		err := (&Client{Now: fixed}).Revoke(t.Context(), p.client(t), p.URL, Credentials{ClientID: "app"}, AccessToken, "tok")
		if err != nil {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
}
