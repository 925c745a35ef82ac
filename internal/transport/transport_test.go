package transport

import (
	"bytes"
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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// options for a server on this machine, with time enough for a slow one.
var options = Options{Timeout: time.Minute, AllowLoopback: true}

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
	c, err := New(o).Client("", "", bundle)
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
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	// A listener that no one accepts from completes TCP handshakes and nothing else.
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
		c, err := e.Client("", "", bundle)
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
	if _, err := e.Client("", "", []byte("junk")); err == nil {
		t.Error("junk makes a client")
	}
	if _, err := e.Client("", "", []byte("junk")); err == nil {
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
		"junk":                                    {[]byte("not a certificate"), "contains no certificate"},
		"white space":                             {[]byte("\n \n"), "contains no certificate"},
		"bytes of no encoding":                    {[]byte{0xff, 0x00, 0x80}, "contains no certificate"},
		"a certificate that is not in PEM":        {cert, "contains no certificate"},
		"a certificate and its private key":       {join(good, pemOf("PRIVATE KEY", der)), "contains a private key"},
		"a private key":                           {pemOf("EC PRIVATE KEY", der), "contains a private key"},
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
			_, err := New(options).Client("", "", tc.bundle)
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

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func answer(body io.Reader) roundTripper {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
	}
}

// body tells whether it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("a=b"))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	return req
}

// wantFault fails the test unless an error is a fault of a class and reason.
func wantFault(t *testing.T, err error, class fault.Class, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Class != class || f.Reason != reason {
		t.Errorf("got error %v (%#v), want one of class %d and reason %s", err, f, class, reason)
	}
}

// idle counts how often its idle connections are closed.
type idle struct {
	http.RoundTripper
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestTransport_closesConnectionsOfAClientThatIsForgotten(t *testing.T) {
	t.Parallel()
	var made []*idle
	tr := New(Options{})
	client := func(i int) *http.Client {
		t.Helper()
		c, err := tr.Client(fmt.Sprint(i), "v1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, known := c.Transport.(*idle); !known {
			made = append(made, &idle{})
			c.Transport = made[len(made)-1]
		}
		return c
	}
	first := client(0)
	for i := 1; i < maxClients; i++ {
		client(i)
	}
	if client(0) != first || len(made) != maxClients {
		t.Fatalf("%d clients were made for %d tenants", len(made), maxClients)
	}
	client(maxClients)
	for i, m := range made {
		want := 0
		if i == 1 { // client 0 was used since
			want = 1
		}
		if m.closed != want {
			t.Errorf("the idle connections of client %d were closed %d times, want %d", i, m.closed, want)
		}
	}
	if tr.Known("1", "v1") != nil {
		t.Error("the least recently used client was kept")
	}
}

func TestTransport_makesOneClientForManyWhoAskTogether(t *testing.T) {
	t.Parallel()
	tr := New(options)
	var clients [32]*http.Client
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { clients[i], _ = tr.Client("production", "v1", nil) })
	}
	wg.Wait()
	for _, c := range clients {
		if c == nil || c != clients[0] || c != tr.Known("production", "v1") {
			t.Error("the clients of one tenant differ")
		}
	}
	for name, other := range map[string]func() (*http.Client, error){
		"another tenant": func() (*http.Client, error) { return tr.Client("staging", "v1", nil) },
		"no tenant":      func() (*http.Client, error) { return tr.Client("", "v1", nil) },
		"another bundle": func() (*http.Client, error) { return tr.Client("production", "v2", nil) },
	} {
		if c, err := other(); err != nil || c == clients[0] {
			t.Errorf("%s has the same client, or none: %v", name, err)
		}
	}
	if tr.Known("production", "") != nil {
		t.Error("a bundle of an unknown version has a client")
	}
}

func TestTransport_hasNoClientForATenantThatARuleRefuses(t *testing.T) {
	t.Parallel()
	refused := fault.New(fault.Terminal, "Refused", "no")
	tr := New(Options{Unnamed: refused})
	if c, err := tr.Client("", "v1", nil); c != nil || !errors.Is(err, refused) {
		t.Errorf("got %v, %v", c, err)
	}
	if tr.Known("", "v1") != nil || tr.PermitTenant("") == nil {
		t.Error("a tenant without a name is permitted")
	}
	if c, err := tr.Client("production", "v1", nil); c == nil || err != nil || tr.PermitTenant("production") != nil {
		t.Errorf("a tenant with a name is refused: %v", err)
	}
}

func TestABodyMayHaveABoundOfItsOwn(t *testing.T) {
	t.Parallel()
	for size, fits := range map[int]bool{10 * maxBody: true, 10*maxBody + 1: false} {
		l := &ruled{next: answer(bytes.NewReader(make([]byte, size))), maxBody: 10 * maxBody}
		resp, err := l.RoundTrip(request(t, "https://api.ai.egain.cloud/"))
		if err != nil {
			t.Fatalf("asking: %v", err)
		}
		if _, err := io.ReadAll(resp.Body); (err == nil) != fits {
			t.Errorf("reading %d bytes gives %v, want it to fit: %t", size, err, fits)
		}
		_ = resp.Body.Close()
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		size int
		read func(io.Reader) io.Reader
		fits bool
	}{
		"an empty body":                           {0, nil, true},
		"a body of the bound":                     {maxBody, nil, true},
		"a body of the bound, a byte at a time":   {maxBody, iotest.OneByteReader, true},
		"a body that ends with its data":          {maxBody, iotest.DataErrReader, true},
		"one byte more":                           {maxBody + 1, nil, false},
		"one byte more, a byte at a time":         {maxBody + 1, iotest.OneByteReader, false},
		"one byte more that ends with its data":   {maxBody + 1, iotest.DataErrReader, false},
		"a body much larger, read in small parts": {10 * maxBody, iotest.HalfReader, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var source io.Reader = bytes.NewReader(make([]byte, tc.size))
			if tc.read != nil {
				source = tc.read(source)
			}
			l := &ruled{next: answer(source), maxBody: maxBody}
			resp, err := l.RoundTrip(request(t, "https://ai.egain.cloud/token"))
			if err != nil {
				t.Fatalf("asking: %v", err)
			}
			defer resp.Body.Close() //nolint:errcheck // a test double
			got, err := io.ReadAll(resp.Body)
			if tc.fits {
				if err != nil || len(got) != tc.size {
					t.Errorf("read %d bytes and %v, want %d", len(got), err, tc.size)
				}
				return
			}
			wantFault(t, err, fault.Retryable, fault.ReasonResponseInvalid)
			if len(got) > maxBody {
				t.Errorf("read %d bytes, want at most %d", len(got), maxBody)
			}
			if _, err := resp.Body.Read(make([]byte, 10)); fault.Of(err) == nil {
				t.Errorf("reading on gives %v, want the same failure", err)
			}
		})
	}
}

func TestRefusedRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	unreachable := roundTripper(func(req *http.Request) (*http.Response, error) {
		t.Errorf("a request to %s was sent", req.URL)
		return nil, io.EOF
	})
	tests := map[string]struct {
		url    string
		class  fault.Class
		reason string
	}{
		"plain HTTP":        {"http://ai.egain.cloud/token", fault.Terminal, fault.ReasonEndpointRefused},
		"plain HTTP at 443": {"http://ai.egain.cloud:443/token", fault.Terminal, fault.ReasonEndpointRefused},
		"no scheme":         {"//ai.egain.cloud/token", fault.Terminal, fault.ReasonEndpointRefused},
		"another scheme":    {"ftp://ai.egain.cloud/token", fault.Terminal, fault.ReasonEndpointRefused},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &ruled{next: unreachable, maxBody: maxBody}
			req := request(t, tc.url)
			sent := &body{Reader: req.Body}
			req.Body = sent
			_, err := l.RoundTrip(req) //nolint:bodyclose // there is none
			wantFault(t, err, tc.class, tc.reason)
			if !sent.closed {
				t.Error("the body of the request was left open, which a RoundTripper must not do")
			}
			req = request(t, tc.url)
			req.Body = nil
			_, err = l.RoundTrip(req) //nolint:bodyclose // there is none
			wantFault(t, err, tc.class, tc.reason)
		})
	}
}

// TestTransport_RefusesHostsThatAreNoNames guards against a host that net/http dials again and again, since it is another one once
// it is converted for DNS, and against one that a proxy converts. Nothing is looked up, dialled or asked of a proxy.
func TestTransport_RefusesHostsThatAreNoNames(t *testing.T) {
	t.Parallel()
	proxy := forward(t, serve(t, ok).Listener.Addr().String())
	everything := Options{AllowLoopback: true, AllowPrivate: true, Timeout: options.Timeout}
	clients := map[string]*http.Client{
		"directly": client(t, everything, nil), "by a proxy": behind(t, everything, proxy.URL, nil, nil),
	}
	for _, host := range []string{
		"%E2%85%BCogin.egain.cloud", "a%EF%BC%8F.egain.cloud", "*.egain.cloud", "ⅼocalhost", "①⓪.⑨⑥.⓪.①", "１０.９６.０.１", "１０。９６。０。１", "10。96。0。1",
		"bücher.example", "\u212Aubernetes.example", "%E2%84%AAubernetes.example", "ai.egain.cloud%E2%80%AE", "[fe80::1%25eth0]", "[fd00::1%25a]",
		"[::1%25lo]:8443", "-a.egain.cloud", "a..egain.cloud",
	} {
		for way, c := range clients {
			_, _, err := get(t, c, "https://"+host+"/token")
			t.Logf("%s %s: %v", way, host, err)
			wantFault(t, err, fault.Terminal, fault.ReasonEndpointRefused)
		}
	}
	for _, host := range []string{"2130706433", "0x7f.1", "0X7F000001", "017700000001", "127.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.4.5", "0x5db8d822", "%EF%BC%91%EF%BC%90.96.0.1"} {
		for way, c := range clients {
			_, _, err := get(t, c, "https://"+host+"/token")
			t.Logf("%s %s: %v", way, host, err)
			wantFault(t, err, fault.Rejected, fault.ReasonEndpointRefused)
		}
	}
	if got := proxy.tunnels(); len(got) != 0 {
		t.Errorf("the proxy was asked for %v", got)
	}
	for _, host := range []string{"xn--bcher-kva.example", "93.184.216.34", "[2606:2800:220:1::1]", "acme_int.example"} {
		if err := New(Options{}).PermitURL("https://" + host + "/token"); err != nil {
			t.Errorf("%s is refused: %v", host, err)
		}
	}
	wantFault(t, New(Options{}).PermitURL("https://ⅼocalhost/token"), fault.Terminal, fault.ReasonEndpointRefused)
}
