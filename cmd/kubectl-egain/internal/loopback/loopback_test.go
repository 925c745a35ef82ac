package loopback

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const state = "the-state"

// freeURL is a redirect URL at a port that nothing listens at.
func freeURL(t *testing.T, host, path string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // to be free again
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "http://" + net.JoinHostPort(host, port) + path
}

type visit struct {
	status int
	page   string
	header http.Header
}

func get(t *testing.T, method, target, host string) visit {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read whole
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return visit{resp.StatusCode, string(page), resp.Header}
}

// login expects the state, and no iss.
var login = Expected{State: state, Issuer: func(iss []string) (bool, error) {
	if len(iss) > 0 {
		return false, errors.New("another server")
	}
	return false, nil
}}

func listening(t *testing.T, redirectURL string) *Receiver {
	t.Helper()
	r, err := Listen(t.Context(), redirectURL, login)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func TestTheFirstAnswerCounts(t *testing.T) {
	t.Parallel()
	redirectURL := freeURL(t, "localhost", "/callback")
	r := listening(t, redirectURL)
	first := get(t, http.MethodGet, redirectURL+"?code=one&state="+state, "")
	if first.status != http.StatusOK || !strings.Contains(first.page, "Return to the terminal") {
		t.Errorf("the first answer gets %d and %q", first.status, first.page)
	}
	if strings.Contains(first.page, "one<") || first.header.Get("Cache-Control") != "no-store" || first.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the page shows or leaks the code: %v %q", first.header, first.page)
	}
	if second := get(t, http.MethodGet, redirectURL+"?code=two&state="+state, ""); second.status != http.StatusConflict {
		t.Errorf("a second answer gets %d", second.status)
	}
	answer, err := r.Answer(t.Context())
	if err != nil || string(answer.Code) != "one" {
		t.Errorf("Answer() = %q, %v", string(answer.Code), err)
	}
}

func TestWhatIsNotTheAnswerEndsNothing(t *testing.T) {
	t.Parallel()
	redirectURL := freeURL(t, "127.0.0.1", "/callback")
	r := listening(t, redirectURL)
	complete := redirectURL + "?code=one&state=" + state
	tests := map[string]struct {
		method, target, host string
		status               int
	}{
		"another state":                    {http.MethodGet, redirectURL + "?code=one&state=guessed", "", http.StatusBadRequest},
		"no state":                         {http.MethodGet, redirectURL + "?code=one", "", http.StatusBadRequest},
		"two states":                       {http.MethodGet, complete + "&state=" + state, "", http.StatusBadRequest},
		"an error without a state":         {http.MethodGet, redirectURL + "?error=access_denied", "", http.StatusBadRequest},
		"another path":                     {http.MethodGet, strings.Replace(complete, "/callback", "/favicon.ico", 1), "", http.StatusNotFound},
		"a form that a web page sends":     {http.MethodPost, complete, "", http.StatusMethodNotAllowed},
		"a name that is made to lead here": {http.MethodGet, complete, "attacker.example.com", http.StatusNotFound},
	}
	for name, tc := range tests {
		if got := get(t, tc.method, tc.target, tc.host); got.status != tc.status {
			t.Errorf("%s: status %d, want %d", name, got.status, tc.status)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if answer, err := r.Answer(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Answer() = %q, %v; want to be still waiting", string(answer.Code), err)
	}
}

func TestAPortInUseIsAnError(t *testing.T) {
	t.Parallel()
	redirectURL := freeURL(t, "localhost", "/callback")
	listening(t, strings.Replace(redirectURL, "localhost", "127.0.0.1", 1))
	if r, err := Listen(t.Context(), redirectURL, login); err == nil {
		r.Close(t.Context())
		t.Error("Listen takes a port that is in use")
	}
}

func TestServes(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"http://127.0.0.1:8765/callback":   true,
		"http://localhost:8765/callback":   true,
		"http://[::1]:8765/callback":       true,
		"https://localhost:8765/callback":  false,
		"https://login.example.com/done":   false,
		"http://0.0.0.0:8765/callback":     false,
		"http://localhost.example.com:80/": false,
		"://":                              false,
	}
	for redirectURL, want := range tests {
		if got := Serves(redirectURL); got != want {
			t.Errorf("Serves(%q) = %t, want %t", redirectURL, got, want)
		}
	}
}

func TestReadPasted(t *testing.T) {
	t.Parallel()
	const redirectURL = "https://login.example.com/done"
	tests := map[string]struct {
		text, code, err string
	}{
		"a code":                           {" abc.DEF-123 \n", "abc.DEF-123", ""},
		"an address":                       {redirectURL + "?code=a%2Bb&state=" + state, "a+b", ""},
		"an address in another spelling":   {"https://LOGIN.example.com:443/done?code=one&state=" + state, "one", ""},
		"an address with another state":    {redirectURL + "?code=one&state=other", "", ErrState.Error()},
		"an address of another place":      {"https://evil.example.com/done?code=one&state=" + state, "", "the pasted address does not start with the redirect URL, " + redirectURL},
		"an address that is cut off":       {redirectURL + "?state=" + state, "", "the answer contains neither one code nor an error"},
		"an address with two codes":        {redirectURL + "?code=one&code=two&state=" + state, "", "the answer contains neither one code nor an error"},
		"an address with an empty code":    {redirectURL + "?code=&state=" + state, "", "the code is empty"},
		"nothing":                          {"\n", "", "the code is empty"},
		"something with a line break":      {"a\x00b", "", "the code is not one line of printable characters"},
		"an address that is none":          {"http://[::1?code=one", "", "the pasted text is not a complete address"},
		"an error of the server":           {redirectURL + "?error=access_denied&error_description=No%20way.&state=" + state, "", `the login was refused: access_denied ("No way.")`},
		"an error with control characters": {redirectURL + "?error=server_error&error_description=%1b%5B2Jred%0A&state=" + state, "", `the login was refused: server_error ("[2Jred")`},
		"an address of another server":     {redirectURL + "?code=one&iss=https%3A%2F%2Fevil.example&state=" + state, "", "another server"},
		"an error of another server":       {redirectURL + "?error=access_denied&iss=https%3A%2F%2Fevil.example&state=" + state, "", "another server"},
		"an error without a description":   {redirectURL + "?error=server_error&state=" + state, "", "the login was refused: server_error"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ReadPasted(tc.text, redirectURL, login)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if string(answer.Code) != tc.code || said != tc.err {
				t.Errorf("ReadPasted(%q) = %q, %q; want %q, %q", tc.text, string(answer.Code), said, tc.code, tc.err)
			}
		})
	}
}

func TestLongDescriptionsAreCut(t *testing.T) {
	t.Parallel()
	_, err := Read(url.Values{"state": {state}, "error": {"e"}, "error_description": {strings.Repeat("x", 10_000)}}, login)
	if err == nil || len(err.Error()) > 2*maxDescription {
		t.Errorf("the error has %d characters", len(err.Error()))
	}
}
