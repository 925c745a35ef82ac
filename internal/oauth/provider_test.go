package oauth

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// now is on half a second, so that a life counted in whole ones shows where it starts.
var now = time.Date(2026, time.November, 23, 10, 0, 0, 500_000_000, time.UTC)

// canary is in everything that no error and no log line may repeat: secrets, and bodies of answers.
const canary = "canary"

// provider is an authorization server that answers as its handler says and remembers what it was asked.
type provider struct {
	*httptest.Server

	mu       sync.Mutex
	requests []asked
}

// asked is what a token request said.
type asked struct {
	Method, Path, Query string
	ContentType         string
	Authorization       []string
	Form                url.Values
}

func newProvider(t *testing.T, handler http.HandlerFunc) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Errorf("a request is not form-encoded: %v", err)
		}
		p.mu.Lock()
		p.requests = append(p.requests, asked{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
			ContentType: r.Header.Get("Content-Type"), Authorization: r.Header.Values("Authorization"), Form: form,
		})
		p.mu.Unlock()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		handler(w, r)
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are the point of some tests
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *provider) asked() []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]asked{}, p.requests...)
}

// count is how often a path was asked for.
func (p *provider) count(path string) (n int) {
	for _, a := range p.asked() {
		if a.Path == path {
			n++
		}
	}
	return n
}

// bundle holds the certificate of the provider.
func (p *provider) bundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
}

// client returns the client that the operator would use for the provider.
func (p *provider) client(t *testing.T) *http.Client {
	t.Helper()
	return guarded(t, time.Minute, p.bundle())
}

func guarded(t *testing.T, timeout time.Duration, bundle []byte) *http.Client {
	t.Helper()
	hc, err := transport.New(transport.Options{Timeout: timeout, AllowLoopback: true}).Client("", "", bundle)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(hc.CloseIdleConnections)
	return hc
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func fixed() time.Time { return now }

// issue asks for a token at a URL with credentials and a subject token that must show nowhere.
func issue(t *testing.T, hc *http.Client, tokenURL string) (Token, error) {
	t.Helper()
	c := &Client{Now: fixed}
	return c.Token(t.Context(), hc, Request{
		Flow:        TokenExchange,
		TokenURL:    tokenURL,
		Credentials: Credentials{ClientID: "app", ClientSecret: canary + "-secret"},
		Scopes:      []string{"core.aiservices.read"},
		Exchange:    Exchange{RegistrationID: "okta", SubjectTokenType: "urn:x", SubjectToken: canary + "-subject"},
		Parameters:  map[string]string{"resource": canary + "-parameter"},
	})
}

// reply answers with a status and a body.
func reply(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func replyJSON(body string) http.HandlerFunc { return reply(http.StatusOK, "application/json", body) }

// wantFault fails the test unless an error is a fault of a class and reason that gives nothing away.
func wantFault(t *testing.T, err error, class fault.Class, reason string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil {
		t.Errorf("got error %v, want a fault of class %d and reason %s", err, class, reason)
		return
	}
	if f.Class != class || f.Reason != reason {
		t.Errorf("got %q of class %d and reason %s, want class %d and reason %s", f, f.Class, f.Reason, class, reason)
	}
	wantNoCanary(t, err)
}

// wantNoCanary looks for secrets in whatever a program may print of an error.
func wantNoCanary(t *testing.T, err error) {
	t.Helper()
	var printed strings.Builder
	for e := err; e != nil; e = errors.Unwrap(e) {
		encoded, _ := json.Marshal(e) //nolint:errchkjson // what cannot be encoded shows nothing
		fmt.Fprintf(&printed, "%v %+v %#v %q %s\n", e, e, e, e.Error(), encoded)
	}
	if strings.Contains(strings.ToLower(printed.String()), canary) {
		t.Errorf("the error shows a secret or a part of the answer: %s", &printed)
	}
}

// wantMessage fails the test unless the text of an error holds words and not others.
func wantMessage(t *testing.T, err error, words string, not ...string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("the message is %q, want one with %q", err, words)
		return
	}
	for _, n := range not {
		if strings.Contains(err.Error(), n) {
			t.Errorf("the message is %q, which should not hold %q", err, n)
		}
	}
}
