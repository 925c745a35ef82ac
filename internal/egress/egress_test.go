package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// options for a server on this machine, with time enough for a slow one.
var options = Options{Timeout: time.Minute, PerHost: 10, AllowLoopback: true}

// server is a TLS server that counts the connections and requests that it got.
type server struct {
	*httptest.Server
	connections, requests atomic.Int32
}

func serve(t *testing.T, handler http.HandlerFunc, configure ...func(*httptest.Server)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are the point of some tests
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	for _, c := range configure {
		c(s.Server)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// bundle holds the certificate of the server.
func (s *server) bundle() []byte { return pemOf("CERTIFICATE", s.Certificate().Raw) }

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func client(t *testing.T, o Options, bundle []byte) *http.Client {
	t.Helper()
	c, err := New(o).Client(Profile{CABundle: bundle})
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// get returns the status and the body at a URL.
func get(t *testing.T, c *http.Client, rawURL string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // the body was read
	read, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(read), err
}

func TestClientReachesAServer(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*httptest.Server){
		"HTTP/1.1": func(*httptest.Server) {},
		"HTTP/2":   func(s *httptest.Server) { s.EnableHTTP2 = true },
		"TLS 1.2":  func(s *httptest.Server) { s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, ok, configure)
			if status, body, err := get(t, client(t, options, srv.bundle()), srv.URL); err != nil || status != http.StatusOK || body != "ok" {
				t.Errorf("got %d %q, %v", status, body, err)
			}
		})
	}
}

func TestGuardLooksAtTheAddressThatIsDialled(t *testing.T) {
	t.Parallel()
	srv := serve(t, ok)
	guarded := options
	guarded.AllowLoopback = false
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatalf("splitting the address of the server: %v", err)
	}
	// A name, an address, and other spellings of it: what counts is where the connection would go.
	for _, host := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]"} {
		_, _, err := get(t, client(t, guarded, srv.bundle()), "https://"+host+":"+port)
		wantFault(t, err, fault.Rejected, fault.ReasonEndpointRefused)
	}
	if got := srv.connections.Load(); got != 0 {
		t.Errorf("the server got %d connections, want none", got)
	}
}

func TestClientTrustsTheBundleOnly(t *testing.T) {
	t.Parallel()
	srv := serve(t, ok)
	for name, bundle := range map[string][]byte{
		"the certificates of the system": nil,
		"another certificate":            pemOf("CERTIFICATE", certificate(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := get(t, client(t, options, bundle), srv.URL)
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
				t.Errorf("got %v, want a failed verification", err)
			}
		})
	}
	t.Run("another name than that in the certificate", func(t *testing.T) {
		t.Parallel()
		_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
		_, _, err := get(t, client(t, options, srv.bundle()), "https://localhost:"+port)
		if _, ok := errors.AsType[x509.HostnameError](err); !ok {
			t.Errorf("got %v, want a wrong host name", err)
		}
	})
}

func TestExpiredCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, expiry := range map[string]time.Duration{"valid": time.Hour, "expired": -time.Hour} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(expiry),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		srv := serve(t, ok, func(s *httptest.Server) {
			s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		})
		_, _, err = get(t, client(t, options, pemOf("CERTIFICATE", der)), srv.URL)
		if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused != (expiry < 0) {
			t.Errorf("a certificate that is %s: %v", name, err)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	srv := serve(t, ok, func(s *httptest.Server) {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	})
	if _, _, err := get(t, client(t, options, srv.bundle()), srv.URL); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v, want the protocol version refused", err)
	}
	if got := srv.requests.Load(); got != 0 {
		t.Errorf("the server got %d requests, want none", got)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, ok)
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		c := client(t, options, append(srv.bundle(), elsewhere.bundle()...))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("client_secret=s"))
		if err != nil {
			t.Fatalf("making a request: %v", err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Errorf("status %d: %v", status, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("status %d became %d", status, resp.StatusCode)
		}
	}
	if got := elsewhere.requests.Load(); got != 0 {
		t.Errorf("%d redirects were followed", got)
	}
}

// untilHungUp holds a request until the client hangs up, and then ends no answer: one could still reach the client, whose
// socket is closed a moment after it says so.
func untilHungUp(r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) { untilHungUp(r) }
	tests := map[string]http.HandlerFunc{
		"a server that never answers": hang,
		"a server that never ends its answer": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"access_token":`)
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, handler)
			impatient := options
			impatient.Timeout = 250 * time.Millisecond
			c := client(t, impatient, srv.bundle())
			_, _, err := get(t, c, srv.URL)
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
				t.Errorf("got %v, want a timeout", err)
			}
			if taken := c.Transport.(*limited).slots.taken; len(taken) != 0 {
				t.Errorf("slots are taken after the timeout: %v", taken)
			}
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	// A listener that nobody accepts from completes TCP handshakes and nothing else.
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	impatient := options
	impatient.Timeout = 100 * time.Millisecond
	_, _, err = get(t, client(t, impatient, nil), "https://"+silent.Addr().String())
	if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestCancelledRequestsReleaseTheirSlot(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		untilHungUp(r)
	})
	c := client(t, options, srv.bundle())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) { //nolint:bodyclose // there is none
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if taken := c.Transport.(*limited).slots.taken; len(taken) != 0 {
		t.Errorf("slots are taken after the cancellation: %v", taken)
	}
}

func TestLargeAnswersAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = w.Write(make([]byte, maxBody))
			}
		})
		_, _, err := get(t, client(t, options, srv.bundle()), srv.URL)
		wantFault(t, err, fault.Retryable, fault.ReasonResponseInvalid)
	})
	t.Run("header", func(t *testing.T) {
		t.Parallel()
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", maxHeader))
		})
		if _, _, err := get(t, client(t, options, srv.bundle()), srv.URL); err == nil {
			t.Error("a header above the bound was accepted")
		}
	})
	t.Run("header below the bound", func(t *testing.T) {
		t.Parallel()
		srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", maxHeader/2))
		})
		if _, _, err := get(t, client(t, options, srv.bundle()), srv.URL); err != nil {
			t.Errorf("a header below the bound was refused: %v", err)
		}
	})
}

func TestPlainHTTPIsRefused(t *testing.T) {
	t.Parallel()
	_, _, err := get(t, client(t, options, nil), "http://127.0.0.1:1/token")
	wantFault(t, err, fault.Terminal, fault.ReasonEndpointRefused)
}

func TestClientsAreSharedByBundle(t *testing.T) {
	t.Parallel()
	e := New(options)
	one, other := pemOf("CERTIFICATE", certificate(t)), pemOf("CERTIFICATE", certificate(t))
	get := func(bundle []byte) *http.Client {
		t.Helper()
		c, err := e.Client(Profile{CABundle: bundle})
		if err != nil {
			t.Fatalf("making a client: %v", err)
		}
		return c
	}
	if get(one) != get([]byte(string(one))) {
		t.Error("clients of one bundle differ")
	}
	if get(one) == get(other) {
		t.Error("clients of two bundles are one")
	}
	if get(nil) != get([]byte{}) {
		t.Error("clients of the system's certificates differ")
	}
	if get(nil) == get(one) {
		t.Error("the client of a bundle is that of the system's certificates")
	}
	// A host gets its slots once, whatever CA it is asked with.
	if get(one).Transport.(*limited).slots != get(other).Transport.(*limited).slots {
		t.Error("each bundle has slots of its own")
	}
	if _, err := e.Client(Profile{CABundle: []byte("junk")}); err == nil {
		t.Error("junk makes a client")
	}
	if _, err := e.Client(Profile{CABundle: []byte("junk")}); err == nil {
		t.Error("junk makes a client the second time")
	}
}

func TestCABundles(t *testing.T) {
	t.Parallel()
	cert, der := certificate(t), privateKey(t)
	good := pemOf("CERTIFICATE", cert)
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	tests := map[string]struct {
		bundle []byte
		wrong  string // what the message says; empty if the bundle is right
	}{
		"nothing stands for the system's":         {nil, ""},
		"one certificate":                         {good, ""},
		"several certificates":                    {join(good, pemOf("CERTIFICATE", certificate(t))), ""},
		"words around certificates":               {join([]byte("# Corp CA\n"), good, []byte("\n# end\n")), ""},
		"certificates of another system's lines":  {[]byte(strings.ReplaceAll(string(good), "\n", "\r\n")), ""},
		"junk":                                    {[]byte("not a certificate"), "holds no certificate"},
		"white space":                             {[]byte("\n \n"), "holds no certificate"},
		"bytes of no encoding":                    {[]byte{0xff, 0x00, 0x80}, "holds no certificate"},
		"a certificate that is not in PEM":        {cert, "holds no certificate"},
		"a certificate and its private key":       {join(good, pemOf("PRIVATE KEY", der)), "not a certificate"},
		"a private key":                           {pemOf("EC PRIVATE KEY", der), "not a certificate"},
		"a certificate request":                   {pemOf("CERTIFICATE REQUEST", cert), "not a certificate"},
		"a block that is no certificate inside":   {pemOf("CERTIFICATE", []byte("junk")), "not a certificate"},
		"an empty block":                          {pemOf("CERTIFICATE", nil), "not a certificate"},
		"a certificate that is cut off":           {good[:len(good)/2], "cut off or damaged"},
		"a second certificate that is cut off":    {join(good, good[:len(good)/2]), "cut off or damaged"},
		"a damaged certificate before a good one": {join([]byte(strings.Replace(string(good), "M", "!", 1)), good), "cut off or damaged"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(options).Client(Profile{CABundle: tc.bundle})
			if tc.wrong == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			wantFault(t, err, fault.Terminal, fault.ReasonCABundleInvalid)
			if err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("refused with %q, want a message with %q", err, tc.wrong)
			}
		})
	}
}

func TestBrokenConnectionsReleaseTheirSlotAndAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fine" {
			ok(w, r)
			return
		}
		panic(http.ErrAbortHandler)
	})
	c := client(t, options, srv.bundle())
	// The connection is used before: for one that proves dead net/http would try again what may be tried again.
	if _, _, err := get(t, c, srv.URL+"/fine"); err != nil {
		t.Fatalf("using the connection: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/broken", strings.NewReader("a=b"))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	_, err = c.Do(req) //nolint:bodyclose // there is none
	if _, ok := errors.AsType[*url.Error](err); !ok {
		t.Errorf("got %v, want a network error", err)
	}
	if got := srv.requests.Load(); got != 2 {
		t.Errorf("the server got %d requests, want 2: a token request is sent once", got)
	}
	if taken := c.Transport.(*limited).slots.taken; len(taken) != 0 {
		t.Errorf("slots are taken after the failure: %v", taken)
	}
}

// certificate makes a certificate, in DER, of a CA that signed nothing.
func certificate(t *testing.T) []byte {
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
	return der
}

func privateKey(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("encoding a key: %v", err)
	}
	return der
}
