package interop_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/test/browser"
)

// application is a client application that is registered at a server.
type application struct{ id, secret string }

// server is an OAuth server of others, behind TLS of the test.
type server struct {
	*httptest.Server
	// metadata are the endpoints that its document names.
	metadata struct {
		Introspection string `json:"introspection_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
		Token         string `json:"token_endpoint"`
	}

	mu sync.Mutex
	// held is closed by the next token request, which gets no answer.
	held chan struct{}
}

// startServer starts a server of a handler that is made for its URL.
func startServer(t *testing.T, made func(url string) http.Handler) *server {
	t.Helper()
	g := gomega.NewWithT(t)
	s := &server{Server: httptest.NewUnstartedServer(nil)}
	handler := made("https://" + s.Listener.Addr().String())
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if held := s.holds(r); held != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			close(held)
			<-r.Context().Done()
			return
		}
		handler.ServeHTTP(w, r)
	})
	s.StartTLS()
	t.Cleanup(s.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.metadataURL(), http.NoBody)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := s.Client().Do(request)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer resp.Body.Close() //nolint:errcheck // it was read
	g.Expect(json.NewDecoder(resp.Body).Decode(&s.metadata)).To(gomega.Succeed())
	return s
}

func (s *server) metadataURL() string { return s.URL + "/.well-known/openid-configuration" }

// caBundle is what the server's certificate is trusted by.
func (s *server) caBundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// hold keeps the next token request from the server, and says when it has come. It ends with its connection.
func (s *server) hold() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
	return s.held
}

func (s *server) holds(r *http.Request) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil || !strings.HasSuffix(s.metadata.Token, r.URL.Path) {
		return nil
	}
	held := s.held
	s.held = nil
	return held
}

// active asks the server whether a token is valid (RFC 7662), as an application that may know.
func (s *server) active(t *testing.T, as application, token string) bool {
	t.Helper()
	var answer struct {
		Active bool `json:"active"`
	}
	gomega.NewWithT(t).Expect(s.post(t, s.metadata.Introspection, as, url.Values{"token": {token}}, &answer)).To(gomega.Equal(http.StatusOK))
	return answer.Active
}

// refreshes reports whether the server accepts a refresh token. One that it accepts may be void then.
func (s *server) refreshes(t *testing.T, as application, token string) bool {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	var answer struct {
		Error string `json:"error"`
	}
	status := s.post(t, s.metadata.Token, as, form, &answer)
	if status != http.StatusOK {
		gomega.NewWithT(t).Expect(answer.Error).To(gomega.Equal("invalid_grant"))
	}
	return status == http.StatusOK
}

// post sends a form with the credentials of an application and returns the status of the answer.
func (s *server) post(t *testing.T, to string, as application, form url.Values, answer any) int {
	t.Helper()
	g := gomega.NewWithT(t)
	form.Set("client_id", as.id)
	if as.secret != "" {
		form.Set("client_secret", as.secret)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Client().Do(req)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer resp.Body.Close() //nolint:errcheck // it was read
	if answer != nil {
		g.Expect(json.NewDecoder(resp.Body).Decode(answer)).To(gomega.Succeed())
	}
	return resp.StatusCode
}

// logsIn has a person log in who was never there, with Chromium, and returns where the browser arrives.
func (s *server) logsIn(t *testing.T, address string, pages []browser.Page) (*url.URL, error) {
	t.Helper()
	b, err := browser.Start(t.Context(), s.URL, s.caBundle())
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.Visit(address, pages...)
}
