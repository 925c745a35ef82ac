package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func http2(s *httptest.Server) { s.EnableHTTP2 = true }

// protocols are those that servers speak.
var protocols = map[string]func(*httptest.Server){"HTTP/1.1": func(*httptest.Server) {}, "HTTP/2": http2}

// moving is a client of a name whose address can be changed. Its TLS trusts one server, which all others share the certificate with.
func moving(t *testing.T, srv *server) (c *http.Client, moveTo func(*server)) {
	t.Helper()
	var address atomic.Value
	address.Store(srv.Listener.Addr().String())
	c = client(t, options, srv.bundle())
	p := c.Transport.(*ruled).next.(*routed).direct
	renew := p.renew
	p.renew = func() *http.Transport {
		fresh := renew()
		fresh.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address.Load().(string))
		}
		return fresh
	}
	p.current.Store(p.renew())
	return c, func(to *server) { address.Store(to.Listener.Addr().String()) }
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

func TestConnections_AreGivenUpForANewAddress(t *testing.T) {
	t.Parallel()
	for name, configure := range protocols {
		for _, busy := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", idle", true: ", with a request under way"}[busy], func(t *testing.T) {
				t.Parallel()
				release := make(chan struct{})
				before := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						<-release
					}
					unavailable(w, r)
				}, configure)
				after := serve(t, ok, configure)
				c, moveTo := moving(t, before)
				slow := make(chan int, 1)
				if busy {
					go func() {
						status, _, _ := get(t, c, before.URL+"/slow")
						slow <- status
					}()
					for before.requests.Load() == 0 {
						time.Sleep(time.Millisecond)
					}
				}
				if status, _, err := get(t, c, before.URL); err != nil || status != http.StatusServiceUnavailable {
					t.Fatalf("got %d, %v", status, err)
				}
				moveTo(after)
				c.CloseIdleConnections()
				if status, _, err := get(t, c, before.URL); err != nil || status != http.StatusOK {
					t.Errorf("after the move: %d, %v", status, err)
				}
				close(release)
				if busy && <-slow != http.StatusServiceUnavailable {
					t.Error("a request under way was cut off")
				}
			})
		}
	}
}

// TestConnections_OfAnotherBundleAreNotUsed holds that a server that a new CA bundle does not vouch for gets no further request.
func TestConnections_OfAnotherBundleAreNotUsed(t *testing.T) {
	t.Parallel()
	for name, configure := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, tr := serve(t, ok, configure), New(options)
			for version, tc := range map[string]struct {
				bundle  []byte
				trusted bool
			}{"1": {srv.bundle(), true}, "2": {pemOf("CERTIFICATE", certificate(t)), false}} {
				c, err := tr.Client("production", version, tc.bundle)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if _, _, err := get(t, c, srv.URL); (err == nil) != tc.trusted {
						t.Errorf("bundle %s: %v", version, err)
					}
				}
			}
			if n := srv.requests.Load(); n != 2 {
				t.Errorf("%d requests came, want the 2 of the bundle that trusts the server", n)
			}
		})
	}
}

// TestConnections_EndWhateverAServerDoes bounds what a server may make of a connection.
func TestConnections_EndWhateverAServerDoes(t *testing.T) {
	t.Parallel()
	drip := func(w io.Writer, flush func() error, part string, until <-chan struct{}) {
		for {
			select {
			case <-until:
				return
			case <-time.After(time.Millisecond):
			}
			if _, err := io.WriteString(w, part); err != nil || flush() != nil {
				return
			}
		}
	}
	hijacked := func(part string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close() //nolint:errcheck // the client has gone
			_, _ = buf.WriteString("HTTP/1.1 200 OK\r\n")
			drip(buf, buf.Flush, part, r.Context().Done())
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"headers without end":  hijacked("X-More: x\r\n"),
		"a header without end": hijacked("x"),
		"a body that drips": func(w http.ResponseWriter, r *http.Request) {
			drip(w, http.NewResponseController(w).Flush, " ", r.Context().Done())
		},
		"informational without end": hijacked("\r\nHTTP/1.1 103 Early Hints\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, handler)
			impatient := options
			impatient.Timeout = 300 * time.Millisecond
			if _, _, err := get(t, client(t, impatient, srv.bundle()), srv.URL); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) { got.Store(r.UserAgent()) })
	named := options
	named.UserAgent = UserAgent("egain-operator")
	if !strings.HasPrefix(named.UserAgent, "egain-operator/") || notInVersion.MatchString(strings.TrimPrefix(named.UserAgent, "egain-operator/")) || len(named.UserAgent) < len("egain-operator/x") {
		t.Errorf("the program is called %q", named.UserAgent)
	}
	c := client(t, named, srv.bundle())
	if _, _, err := get(t, c, srv.URL); err != nil || got.Load() != named.UserAgent {
		t.Errorf("got %v, %v", got.Load(), err)
	}
	req := request(t, srv.URL)
	req.Header.Set("User-Agent", "mine")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got.Load() != "mine" {
		t.Errorf("a User-Agent that is given becomes %v", got.Load())
	}
}

// TestUserAgent_OfTunnels holds that a proxy is told too.
func TestUserAgent_OfTunnels(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Method + " " + r.UserAgent())
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	tr := New(Options{Timeout: time.Minute, AllowLoopback: true, UserAgent: "egain-operator/v1"})
	tr.proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	c, err := tr.Client("", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, c, "https://127.0.0.1:1/"); err == nil || got.Load() != "CONNECT egain-operator/v1" {
		t.Errorf("the proxy got %v, %v", got.Load(), err)
	}
}
