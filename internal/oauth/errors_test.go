package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// wantOneRequest fails the test unless a provider was asked exactly once: a second try of rejected credentials brings
// their account closer to being locked.
func wantOneRequest(t *testing.T, p *provider) {
	t.Helper()
	if n := len(p.asked()); n != 1 {
		t.Errorf("%d requests were sent, want one", n)
	}
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		class  fault.Class
		reason string
	}{
		"invalid_client":          {fault.Rejected, fault.ReasonClientRejected},
		"unauthorized_client":     {fault.Rejected, fault.ReasonClientRejected},
		"access_denied":           {fault.Rejected, fault.ReasonClientRejected},
		"unsupported_grant_type":  {fault.Rejected, fault.ReasonClientRejected},
		"invalid_scope":           {fault.Rejected, fault.ReasonScopeRejected},
		"invalid_grant":           {fault.Rejected, fault.ReasonSubjectRejected},
		"invalid_target":          {fault.Rejected, fault.ReasonRequestRejected},
		"invalid_request":         {fault.Rejected, fault.ReasonRequestRejected},
		"temporarily_unavailable": {fault.Retryable, fault.ReasonServerUnavailable},
		"server_error":            {fault.Retryable, fault.ReasonServerUnavailable},
	}
	// The path is /code/status/subtype.
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		part := strings.Split(r.URL.Path, "/")
		status, _ := strconv.Atoi(part[2])
		body := `{"error":"` + part[1] + `","error_description":"canary","error_uri":"https://canary","trace_id":"canary"}`
		if part[3] != "json" {
			body = "error=" + part[1] + "&error_description=canary"
		}
		reply(status, "application/"+part[3], body, "Retry-After", "30", "Location", "/canary", "WWW-Authenticate", "canary")(w, r)
	})
	hc := p.client(t)
	for code, tc := range tests {
		// RFC 6749 asks for 400, or 401 for invalid_client; some servers answer 200.
		for _, status := range []int{200, 400, 401, 403} {
			for _, subtype := range []string{"json", "x-www-form-urlencoded"} {
				path := fmt.Sprintf("/%s/%d/%s", code, status, subtype)
				t.Run(path, func(t *testing.T) {
					t.Parallel()
					_, err := issue(t, hc, p.URL+path)
					wantFault(t, err, tc.class, tc.reason)
					wantMessage(t, err, strings.TrimPrefix(p.URL, "https://")+" answered "+code+": ")
					ofApplication := code == "invalid_client" || code == "unauthorized_client"
					if f := fault.Of(err); f != nil && f.Application != ofApplication {
						t.Errorf("it concerns the client application: %t", f.Application)
					}
					if f := fault.Of(err); f != nil && f.RetryAfter != 30*time.Second {
						t.Errorf("RetryAfter = %s, want 30s", f.RetryAfter)
					}
					if n := p.count(path); n != 1 {
						t.Errorf("%d requests were sent, want one", n)
					}
				})
			}
		}
	}
	if len(tests) != len(codes) {
		t.Errorf("%d codes are known and %d tested", len(codes), len(tests))
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	tests := map[fault.Class]map[string][]int{
		fault.Retryable: {
			fault.ReasonRateLimited:       {429},
			fault.ReasonServerUnavailable: {408, 425, 500, 501, 502, 503, 504, 520, 599},
		},
		fault.Rejected: {
			fault.ReasonClientRejected:  {401, 403},
			fault.ReasonRequestRejected: {300, 301, 302, 303, 307, 308, 400, 404, 405, 406, 410, 411, 413, 415, 422, 451},
		},
	}
	bodies := map[string][2]string{
		"html":         {"text/html", "<html><title>canary</title></html>"},
		"text":         {"text/plain", "canary: %zz;"},
		"unknown-code": {"application/json", `{"error":"canary","error_description":"canary"}`},
		"other-json":   {"application/json", `{"errors":[{"message":"canary"}]}`},
		"half-a-json":  {"application/json", `{"error":"invalid_cl`},
		"nothing":      {"", ""},
	}
	// The path is /status/body.
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		part := strings.Split(r.URL.Path, "/")
		status, _ := strconv.Atoi(part[1])
		reply(status, bodies[part[2]][0], bodies[part[2]][1], "Location", "https://canary.example/token", "WWW-Authenticate", "canary")(w, r)
	})
	hc := p.client(t)
	for class, reasons := range tests {
		for reason, statuses := range reasons {
			for _, status := range statuses {
				for body := range bodies {
					path := fmt.Sprintf("/%d/%s", status, body)
					t.Run(path, func(t *testing.T) {
						t.Parallel()
						want := reason
						if body == "html" && reason == fault.ReasonClientRejected { // no OAuth server says so
							want = fault.ReasonRequestRejected
						}
						_, err := issue(t, hc, p.URL+path)
						wantFault(t, err, class, want)
						wantMessage(t, err, fmt.Sprintf(" answered HTTP %d: ", status))
						if f := fault.Of(err); f != nil && f.Application != (status == http.StatusUnauthorized && body != "html") {
							t.Errorf("it concerns the client application: %t", f.Application)
						}
						if n := p.count(path); n != 1 {
							t.Errorf("%d requests were sent, want one", n)
						}
					})
				}
			}
		}
	}
}

func TestTooManyRequestsAreJustThat(t *testing.T) {
	t.Parallel()
	p := newProvider(t, reply(http.StatusTooManyRequests, "application/json", `{"error":"invalid_client"}`, "Retry-After", "90"))
	_, err := issue(t, p.client(t), p.URL)
	wantFault(t, err, fault.Retryable, fault.ReasonRateLimited)
	if f := fault.Of(err); f.RetryAfter != 90*time.Second {
		t.Errorf("RetryAfter = %s, want 90s", f.RetryAfter)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":                   {"120", 2 * time.Minute},
		"no seconds":                {"0", 0},
		"many seconds":              {"2147483647", time.Hour},
		"too many seconds to be so": {"99999999999999999999", 0},
		"a date":                    {"Mon, 23 Nov 2026 10:01:00 GMT", 59500 * time.Millisecond},
		"a date of RFC 850":         {"Monday, 23-Nov-26 10:01:00 GMT", 59500 * time.Millisecond},
		"a date of asctime":         {"Mon Nov 23 10:01:00 2026", 59500 * time.Millisecond},
		"a date in the past":        {"Mon, 23 Nov 2026 09:00:00 GMT", 0},
		"nothing":                   {"", 0},
		"negative":                  {"-5", 0},
		"signed":                    {"+5", 0},
		"a fraction":                {"1.5", 0},
		"words":                     {"in a minute", 0},
		"two values":                {"1, 2", 0},
		"another date":              {"2026-11-23T10:01:00Z", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := retryAfter(http.Header{"Retry-After": {tc.value}}, now); got != tc.want {
				t.Errorf("retryAfter(%q) = %s, want %s", tc.value, got, tc.want)
			}
		})
	}
	skewed := http.Header{"Retry-After": {"Mon, 23 Nov 2026 11:01:00 GMT"}, "Date": {"Mon, 23 Nov 2026 11:00:00 GMT"}}
	if got := retryAfter(skewed, now); got != time.Minute {
		t.Errorf("a date a minute after that of the answer is %s", got)
	}
	if got := retryAfter(http.Header{}, now); got != 0 {
		t.Errorf("retryAfter of no header = %s", got)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "", "-1", "2147483648", "Mon, 23 Nov 2026 10:01:00 GMT", "Sun, 01 Jan 9999 00:00:00 GMT", "Mon Nov 23 10:01:00 2026", "1e3", "0x10", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := retryAfter(http.Header{"Retry-After": {value}}, now)
		if got < 0 {
			t.Errorf("retryAfter(%q) = %s", value, got)
		}
		at, retries := (&fault.Error{Class: fault.Retryable, RetryAfter: got}).RetryTime(fault.Attempt{Failures: 1, Time: now})
		if wait := at.Sub(now); !retries || wait < fault.Floor || wait > time.Hour {
			t.Errorf("a Retry-After of %q makes a wait of %s", value, wait)
		}
	})
}

// Answers of status 200 that are no token response.
func TestAnswersThatAreNoToken(t *testing.T) {
	t.Parallel()
	huge := `{"access_token":"` + strings.Repeat("canary", 100_000) + `"}`
	tests := map[string]struct {
		kind, body string
		reason     string
		words      string
	}{
		"a login page":                     {"text/html", "<html>canary</html>", fault.ReasonResponseInvalid, "token response in JSON"},
		"HTML that says it is JSON":        {"application/json", "<html>canary</html>", fault.ReasonResponseInvalid, "token response in JSON"},
		"nothing":                          {"application/json", "", fault.ReasonResponseInvalid, "token response in JSON"},
		"nothing of no type":               {"", "", fault.ReasonResponseInvalid, "token response in JSON"},
		"half a JSON":                      {"application/json", `{"access_token":"canary","expires`, fault.ReasonResponseInvalid, "token response in JSON"},
		"a JSON list":                      {"application/json", `["canary"]`, fault.ReasonResponseInvalid, "token response in JSON"},
		"a JSON string":                    {"application/json", `"canary"`, fault.ReasonResponseInvalid, "token response in JSON"},
		"two JSON documents":               {"application/json", `{"access_token":"canary"}{}`, fault.ReasonResponseInvalid, "token response in JSON"},
		"plain text":                       {"text/plain", "canary", fault.ReasonResponseInvalid, "token response in JSON"},
		"plain text that does not parse":   {"text/plain", "canary=%zz", fault.ReasonResponseInvalid, "token response in JSON"},
		"a form without a token":           {"application/x-www-form-urlencoded", "token_type=canary", fault.ReasonResponseInvalid, "token response in JSON"},
		"null":                             {"application/json", `null`, fault.ReasonTokenInvalid, "has no access_token"},
		"no access_token":                  {"application/json", `{"id_token":"canary"}`, fault.ReasonTokenInvalid, "has no access_token"},
		"an empty access_token":            {"application/json", `{"access_token":"","id_token":"canary"}`, fault.ReasonTokenInvalid, "has no access_token"},
		"a null access_token":              {"application/json", `{"access_token":null,"id_token":"canary"}`, fault.ReasonTokenInvalid, "has no access_token"},
		"a number for an access_token":     {"application/json", `{"access_token":5,"expires_in":3600,"id_token":"canary"}`, fault.ReasonResponseInvalid, "is not a token response"},
		"a list for a token_type":          {"application/json", `{"access_token":"canary","token_type":["Bearer"],"expires_in":"3600"}`, fault.ReasonResponseInvalid, "is not a token response"},
		"JSON that says it is text":        {"text/plain", `{"access_token":"canary","expires_in":3600}`, fault.ReasonResponseInvalid, "Content-Type application/json"},
		"JSON that says it is a form":      {"application/x-www-form-urlencoded", `{"access_token":"canary"}`, fault.ReasonResponseInvalid, "Content-Type application/json"},
		"an answer that is too large":      {"application/json", huge, fault.ReasonResponseInvalid, "larger than 256 KiB"},
		"a token with a line break":        {"application/json", `{"access_token":"canary\r\nX-Injected: 1"}`, fault.ReasonTokenInvalid, "not safe in an HTTP header"},
		"a token with a space":             {"application/json", `{"access_token":"canary canary"}`, fault.ReasonTokenInvalid, "not safe in an HTTP header"},
		"a token of a space":               {"application/json", `{"access_token":" "}`, fault.ReasonTokenInvalid, "not safe in an HTTP header"},
		"a token with a NUL":               {"application/json", `{"access_token":"canary\u0000"}`, fault.ReasonTokenInvalid, "not safe in an HTTP header"},
		"a token with a DEL":               {"application/json", `{"access_token":"canary\u007f"}`, fault.ReasonTokenInvalid, "not safe in an HTTP header"},
		"a token beyond ASCII":             {"application/json", `{"access_token":"canarý"}`, fault.ReasonTokenInvalid, "not safe in an HTTP header"},
		"a token larger than 64 KiB":       {"application/json", `{"access_token":"` + strings.Repeat("x", 64<<10) + `y"}`, fault.ReasonTokenInvalid, "longer than 64 KiB"},
		"a token_type of another kind":     {"application/json", `{"access_token":"canary","token_type":"mac"}`, fault.ReasonTokenInvalid, "token_type is not Bearer"},
		"a token_type of DPoP":             {"application/json", `{"access_token":"canary","token_type":"DPoP"}`, fault.ReasonTokenInvalid, "token_type is not Bearer"},
		"a token_type that is a canary":    {"application/json", `{"access_token":"canary","token_type":"canary"}`, fault.ReasonTokenInvalid, "token_type is not Bearer"},
		"N_A, which token exchange allows": {"application/json", `{"access_token":"canary","token_type":"N_A"}`, fault.ReasonTokenInvalid, "token_type is not Bearer"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, reply(http.StatusOK, tc.kind, tc.body))
			_, err := issue(t, p.client(t), p.URL)
			wantFault(t, err, fault.Retryable, tc.reason)
			wantMessage(t, err, tc.words)
			wantOneRequest(t, p)
		})
	}
}

func TestRedirectsOfTheTokenEndpointAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := newProvider(t, replyJSON(`{"access_token":"tok"}`))
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/"+canary, status)
		})
		_, err := issue(t, p.client(t), p.URL)
		wantFault(t, err, fault.Rejected, fault.ReasonRequestRejected)
		wantMessage(t, err, "redirects are not followed with credentials")
		wantOneRequest(t, p)
	}
	// A redirect that leads nowhere.
	p := newProvider(t, reply(http.StatusFound, "text/html", canary, "Location", "https://%zz/"+canary))
	_, err := issue(t, p.client(t), p.URL)
	wantFault(t, err, fault.Retryable, fault.ReasonResponseInvalid)
	if n := len(elsewhere.asked()); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestServersThatHangOrBreakOff(t *testing.T) {
	t.Parallel()
	// It ends no answer once the client hangs up: one could still reach the client, whose socket is closed a moment later.
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); panic(http.ErrAbortHandler) }
	half := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"access_token":"canary","expires_in":`)
		_ = http.NewResponseController(w).Flush()
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		words   string
	}{
		"no answer":                {hang, "did not answer in time"},
		"half an answer":           {func(w http.ResponseWriter, r *http.Request) { half(w); hang(w, r) }, "did not answer in time"},
		"a connection that breaks": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "closed the connection before its answer was complete"},
		"an answer that breaks off": {
			func(w http.ResponseWriter, _ *http.Request) { half(w); panic(http.ErrAbortHandler) }, "closed the connection before its answer was complete",
		},
		"an error that breaks off": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"error":"invalid_client`)
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}, "closed the connection before its answer was complete",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, tc.handler)
			timeout := time.Minute
			if tc.words == "did not answer in time" {
				timeout = 2 * time.Second // enough for the request to arrive on a slow machine
			}
			_, err := issue(t, guarded(t, timeout, p.bundle()), p.URL)
			wantFault(t, err, fault.Retryable, fault.ReasonServerUnavailable)
			wantMessage(t, err, tc.words)
			wantOneRequest(t, p)
		})
	}
}

func TestTLSFailures(t *testing.T) {
	t.Parallel()
	t.Run("a certificate of an unknown CA", func(t *testing.T) {
		t.Parallel()
		p := newProvider(t, replyJSON(`{"access_token":"tok"}`))
		_, err := issue(t, guarded(t, time.Minute, nil), p.URL)
		wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
		wantMessage(t, err, "that is not trusted: if a private CA signed it, put the CA's certificate into spec.tenant.caBundleRef")
	})
	t.Run("a certificate of another CA", func(t *testing.T) {
		t.Parallel()
		p := newProvider(t, replyJSON(`{"access_token":"tok"}`))
		_, err := issue(t, guarded(t, time.Minute, otherCA(t)), p.URL)
		wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
	})
	t.Run("a certificate of another name", func(t *testing.T) {
		t.Parallel()
		p := newProvider(t, replyJSON(`{"access_token":"tok"}`))
		_, err := issue(t, p.client(t), strings.Replace(p.URL, "127.0.0.1", "localhost", 1))
		wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
		wantMessage(t, err, "has a TLS certificate for another name: check the host name in the URL", "caBundleRef")
	})
	t.Run("a certificate that has expired", func(t *testing.T) {
		t.Parallel()
		expired := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
		err := unreachable(&url.Error{Op: "Post", URL: "https://ai.egain.cloud", Err: expired}, "ai.egain.cloud", false)
		wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
		wantMessage(t, err, "has expired or is not valid yet: have it renewed at the server, and check the operator's clock", "caBundleRef")
	})
	t.Run("a server of old TLS", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewUnstartedServer(replyJSON(`{"access_token":"tok"}`))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		_, err := issue(t, guarded(t, time.Minute, nil), srv.URL)
		wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
		wantMessage(t, err, "refuses the TLS connection")
	})
	t.Run("a server without TLS", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(replyJSON(`{"access_token":"tok"}`))
		t.Cleanup(srv.Close)
		_, err := issue(t, guarded(t, time.Minute, nil), strings.Replace(srv.URL, "http:", "https:", 1))
		wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
		wantMessage(t, err, "does not speak TLS")
	})
}

// otherCA makes the certificate of a CA that signed nothing.
func otherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("making a certificate: %v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// The text of network errors holds addresses, ports and resolvers, which differ each time: a condition that holds them
// would change with every attempt.
// late is what is said of a server that does not answer in time.
const late = "ai.egain.cloud did not answer in time: check that no firewall drops the connection; if the server is only slow, raise --request-timeout"

// lookup is what is said of a name that DNS does not answer for.
const lookup = "ai.egain.cloud could not be looked up: check that the DNS server answers, and that network policies allow DNS"

func TestNetworkErrors(t *testing.T) {
	t.Parallel()
	address := &net.TCPAddr{IP: net.IPv4(10, 96, 0, 10), Port: 50123}
	noHost := &net.DNSError{Err: "no such host", Name: "ai.egain.cloud", Server: "10.96.0.10:53", IsNotFound: true}
	tests := map[string]struct {
		err    error
		class  fault.Class
		reason string
		want   string
	}{
		"an unknown host": {
			&net.OpError{Op: "dial", Net: "tcp", Err: noHost},
			fault.Retryable, fault.ReasonServerUnavailable, "ai.egain.cloud has no address in DNS: check the host name in the URL",
		},
		"a resolver that does not answer": {
			&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Server: "10.96.0.10:53", IsTimeout: true}},
			fault.Retryable, fault.ReasonServerUnavailable, lookup,
		},
		"a resolver that fails": {
			&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Server: "10.96.0.10:53", IsTemporary: true}},
			fault.Retryable, fault.ReasonServerUnavailable, lookup,
		},
		"a connection refused": {
			&net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
			fault.Retryable, fault.ReasonServerUnavailable, "ai.egain.cloud could not be reached: check the URL, network policies, egress rules and proxies",
		},
		"a connection reset": {
			&net.OpError{Op: "read", Net: "tcp", Source: address, Addr: address, Err: os.NewSyscallError("read", syscall.ECONNRESET)},
			fault.Retryable, fault.ReasonServerUnavailable, "ai.egain.cloud could not be reached: check the URL, network policies, egress rules and proxies",
		},
		"a timeout": {
			&net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.ErrDeadlineExceeded},
			fault.Retryable, fault.ReasonServerUnavailable, late,
		},
		"a deadline": {
			context.DeadlineExceeded, fault.Retryable, fault.ReasonServerUnavailable, late,
		},
		"a TLS alert": {
			&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")},
			fault.Retryable, fault.ReasonTLSFailed, "ai.egain.cloud refuses the TLS connection: it may ask for a client certificate or a version of TLS older than 1.2",
		},
		"an answer that is no TLS": {
			tls.RecordHeaderError{Msg: "10.96.0.10"},
			fault.Retryable, fault.ReasonTLSFailed, "ai.egain.cloud does not speak TLS: check the port in the URL",
		},
		"a refused address": {
			&net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: fault.New(fault.Rejected, fault.ReasonEndpointRefused, "refused")},
			fault.Rejected, fault.ReasonEndpointRefused, "refused",
		},
		"no slot": {
			fault.New(fault.Busy, fault.ReasonServerUnavailable, "busy"), fault.Busy, fault.ReasonServerUnavailable, "busy",
		},
		"anything else": {
			errors.New(canary), fault.Retryable, fault.ReasonServerUnavailable, "ai.egain.cloud could not be reached: check the URL, network policies, egress rules and proxies",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := 0
			hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				sent++
				return nil, tc.err
			})}
			_, err := issue(t, hc, "https://ai.egain.cloud/token?"+canary)
			wantFault(t, err, tc.class, tc.reason)
			if err != nil && err.Error() != tc.want {
				t.Errorf("the message is %q, want %q", err, tc.want)
			}
			if sent != 1 {
				t.Errorf("%d requests were sent, want one", sent)
			}
		})
	}
}

// What is left to say if x/oauth2 fails in a way that is not foreseen here.
func TestUnknownFailuresAreClassified(t *testing.T) {
	t.Parallel()
	rec := &recorder{status: 200}
	rec.body.WriteString(`{"access_token":"canary"}`)
	wantFault(t, classify(errors.New(canary), rec, Request{}, now), fault.Retryable, fault.ReasonResponseInvalid)
	wantFault(t, classify(&url.Error{Op: "Post", URL: canary, Err: io.EOF}, &recorder{}, Request{}, now), fault.Retryable, fault.ReasonServerUnavailable)
}
