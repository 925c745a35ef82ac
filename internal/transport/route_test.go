package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// forwarder is a proxy that makes tunnels (CONNECT), all of them to one server, and remembers where they were to lead.
type forwarder struct {
	*httptest.Server

	mu    sync.Mutex
	asked []string
}

func forward(t *testing.T, to string) *forwarder {
	t.Helper()
	f := &forwarder{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Method+" "+r.Host)
		f.mu.Unlock()
		there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", to)
		if err != nil {
			t.Errorf("the proxy reaches no server: %v", err)
			return
		}
		defer there.Close() //nolint:errcheck // the tunnel has ended
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("taking over a connection: %v", err)
			return
		}
		defer here.Close() //nolint:errcheck // the tunnel has ended
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here) }()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *forwarder) tunnels() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// resolver knows the addresses of names; those it does not know are not found.
func resolver(names map[string][]string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if addr, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{addr}, nil
		}
		var addrs []netip.Addr
		for _, a := range names[host] {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if len(addrs) == 0 {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return addrs, nil
	}
}

// behind makes a client whose requests all go by a proxy.
func behind(t *testing.T, o Options, proxy string, bundle []byte, names map[string][]string) *http.Client {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	e := New(o)
	e.proxy, e.lookup = http.ProxyURL(u), resolver(names)
	c, err := e.Client("", "", bundle)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// The certificate of httptest is for example.com.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	names := map[string][]string{
		"public.example.com":   {"93.184.216.34", "2606:2800:220:1::1"},
		"private.example.com":  {"10.0.0.1"},
		"metadata.example.com": {"169.254.169.254"},
		"mixed.example.com":    {"93.184.216.34", "127.0.0.1"},
		"10.96.1":              {"93.184.216.34"},
	}
	strict := Options{Timeout: options.Timeout}
	tests := map[string]struct {
		host    string
		change  func(*Options)
		refused bool
		// skipsCertificate is for a tunnel that is made to a host that the certificate is not for.
		skipsCertificate bool
	}{
		"a public name, though the proxy is on this machine":          {host: "public.example.com"},
		"a name that only the proxy can resolve":                      {host: "unknown.example.com"},
		"a listed name":                                               {host: "public.example.com", change: func(o *Options) { o.AllowedHosts = Hosts{"*.example.com:443"} }},
		"a name that is not listed":                                   {host: "public.example.com", change: func(o *Options) { o.AllowedHosts = Hosts{"ai.egain.cloud:443"} }, refused: true},
		"a name that only the proxy can resolve, and is not listed":   {host: "unknown.example.com", change: func(o *Options) { o.AllowedHosts = Hosts{"ai.egain.cloud:443"} }, refused: true},
		"a private name":                                              {host: "private.example.com", refused: true},
		"a private name, allowed":                                     {host: "private.example.com", change: func(o *Options) { o.AllowPrivate = true }},
		"a name of a metadata service":                                {host: "metadata.example.com", refused: true},
		"a name of a metadata service, with all that may be allowed":  {host: "metadata.example.com", change: func(o *Options) { o.AllowPrivate, o.AllowLoopback = true, true }, refused: true},
		"a name with a good address and a bad one, of which it picks": {host: "mixed.example.com", refused: true},
		"an address of a metadata service":                            {host: "169.254.169.254", refused: true},
		"an IPv6 address that holds one":                              {host: "[::ffff:169.254.169.254]", refused: true},
		"an address as one number":                                    {host: "2852039166", refused: true},
		"an address of fewer parts":                                   {host: "127.1", refused: true},
		"an address in hexadecimal":                                   {host: "0xA9FEA9FE", refused: true},
		"an address in octal, with the dot of the root":               {host: "0251.0376.0251.0376.", refused: true},
		"an address with the dot of the root":                         {host: "93.184.216.34.", refused: true},
		"a public address in another spelling":                        {host: "0x5DB8D822", refused: true},
		"an address that is written in a name that is found":          {host: "10.96.1", refused: true},
		"a private address":                                           {host: "10.96.0.1", refused: true},
		"a private address, allowed":                                  {host: "10.96.0.1", change: func(o *Options) { o.AllowPrivate = true }, skipsCertificate: true},
		"an IPv6 address of a private network":                        {host: "[fd00::1]", refused: true},
		"an IPv6 address that leads to an IPv4 address":               {host: "[64:ff9b::a9fe:a9fe]", refused: true},
		"this machine by its name":                                    {host: "localhost", refused: true},
		"this machine by the name with the dot of the root":           {host: "LocalHost.", refused: true},
		"this machine by a name that is reserved for it":              {host: "tokens.localhost", refused: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, ok)
			proxy := forward(t, srv.Listener.Addr().String())
			o := strict
			if tc.change != nil {
				tc.change(&o)
			}
			status, _, err := get(t, behind(t, o, proxy.URL, srv.bundle(), names), "https://"+tc.host+"/token")
			if tc.refused {
				wantFault(t, err, fault.Rejected, fault.ReasonEndpointRefused)
				if got := proxy.tunnels(); len(got) != 0 {
					t.Errorf("the proxy was asked for %v", got)
				}
				return
			}
			if (err != nil || status != http.StatusOK) && !tc.skipsCertificate {
				t.Errorf("got %d, %v", status, err)
			}
			if diff := cmp.Diff([]string{"CONNECT " + tc.host + ":443"}, proxy.tunnels()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAProxyIsNoWayToAMetadataService(t *testing.T) {
	t.Parallel()
	c := behind(t, options, "http://169.254.169.254:80", nil, map[string][]string{"public.example.com": {"93.184.216.34"}})
	_, _, err := get(t, c, "https://public.example.com/token")
	wantFault(t, err, fault.Rejected, fault.ReasonEndpointRefused)
}

// What is exempt is the way to the proxy, not its address: a request that goes there directly is looked at like any other.
func TestTheAddressOfTheProxyIsNoEndpoint(t *testing.T) {
	t.Parallel()
	srv := serve(t, ok)
	e := New(Options{Timeout: options.Timeout})
	proxy, err := url.Parse("http://" + srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// As NO_PROXY would have it.
	e.proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == proxy.Host {
			return nil, nil
		}
		return proxy, nil
	}
	c, err := e.Client("", "", srv.bundle())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = get(t, c, srv.URL)
	wantFault(t, err, fault.Rejected, fault.ReasonEndpointRefused)
	if got := srv.connections.Load(); got != 0 {
		t.Errorf("the server got %d connections, want none", got)
	}
}

func TestAProxyThatIsNoURLIsNamed(t *testing.T) {
	t.Parallel()
	e := New(options)
	e.proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("canary") }
	c, err := e.Client("", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = get(t, c, "https://public.example.com/token")
	wantFault(t, err, fault.Retryable, fault.ReasonServerUnavailable)
}

// The standard library reads the environment once per process, so this one is asked in a process of its own.
func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	t.Parallel()
	const child = "EGRESS_TEST_CHILD"
	if os.Getenv(child) != "" {
		_, _, err := get(t, client(t, Options{Timeout: options.Timeout}, nil), "https://tokens.invalid/token")
		if err == nil {
			t.Error("the certificate of the server is for another name, and was taken")
		}
		return
	}
	proxy := forward(t, serve(t, ok).Listener.Addr().String())
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), child+"=1", "HTTPS_PROXY="+proxy.URL, "https_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff([]string{"CONNECT tokens.invalid:443"}, proxy.tunnels()); diff != "" {
		t.Error(diff)
	}
}

func TestALookupThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	r := &routed{guard: newGuard(false, false), lookup: func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the lookup has no deadline")
		}
		return nil, context.DeadlineExceeded
	}}
	if f := r.checkBeforeProxy(t.Context(), "public.example.com"); f != nil {
		t.Errorf("refused: %v", f)
	}
}
