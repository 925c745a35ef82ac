// Package transport knows how requests leave the operator and its plugin: by which rules, with which TLS, to which addresses
// and hosts, within which time and size. There is no other way out. It knows neither OAuth nor Kubernetes.
package transport

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"k8s.io/utils/lru"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// maxBody bounds a response body by default. Token responses have a few kB, metadata documents tens; the bound is that of
	// the etcd value that a token must fit into, a Secret of 1 MiB, less room for the keys that repeat it.
	maxBody = 256 << 10
	// maxHeader bounds a response header.
	maxHeader = 64 << 10
	// maxIdlePerHost bounds the connections kept open to one host.
	maxIdlePerHost = 32
	// pingAfter is how long a connection of HTTP/2 may be silent before it is probed, and how long its answer may take.
	pingAfter = 15 * time.Second
	// maxClients bounds the HTTP clients that are kept. Beyond it they take turns, each making its connections again, so it is
	// well above the tenants of one cluster. Idle connections are closed after a minute anyway.
	maxClients = 1024
)

// Options are the rules of requests.
type Options struct {
	// Timeout bounds one request, from the dial to the last byte of the body.
	Timeout time.Duration
	// Unnamed is why no request is sent for a tenant without a name, which an EgainClient describes itself; nil if one may be.
	Unnamed *fault.Error
	// AllowLoopback lets requests go to this machine: for demo and tests.
	AllowLoopback bool
	// AllowPrivate lets requests go to private networks.
	AllowPrivate bool
	// AllowedHosts are those that requests may go to; all if empty.
	AllowedHosts Hosts
	// UserAgent is sent with each request that has none; see UserAgent.
	UserAgent string
	// MaxBody bounds the body of an answer in bytes; 0 stands for 256 KiB.
	MaxBody int64
}

// Transport makes HTTP clients. It is safe for concurrent use.
type Transport struct {
	options Options
	guard   guard
	// proxy and lookup are those of the process.
	proxy  func(*http.Request) (*url.URL, error)
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu      sync.Mutex // makes one client at a time, so that all who need one share it
	clients *lru.Cache // identity to *http.Client
	skipped sync.Map   // *http.Client to []string, of the clients whose CA bundle holds something that cannot be used
}

// identity is what clients are shared by.
type identity struct{ tenant, trust string }

// New returns a Transport.
func New(o Options) *Transport {
	t := &Transport{options: o, guard: newGuard(o.AllowLoopback, o.AllowPrivate), proxy: http.ProxyFromEnvironment, lookup: net.DefaultResolver.LookupNetIP}
	t.clients = lru.NewWithEvictionFunc(maxClients, func(_ lru.Key, client any) {
		client.(*http.Client).CloseIdleConnections()
		t.skipped.Delete(client)
	})
	return t
}

// Skipped describes what of its CA bundle a client does not trust, since it cannot be used.
func (t *Transport) Skipped(c *http.Client) []string {
	if skipped, ok := t.skipped.Load(c); ok {
		return skipped.([]string)
	}
	return nil
}

// PermitTenant fails if no request may be sent for a tenant; the name is empty for one that an EgainClient describes itself.
func (t *Transport) PermitTenant(name string) error {
	if name == "" && t.options.Unnamed != nil {
		return t.options.Unnamed
	}
	return nil
}

// PermitURL fails as a request to a URL would because of its host: if it is in an unusual spelling, or hosts are listed and it is
// not among them.
func (t *Transport) PermitURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return fault.New(fault.Terminal, fault.ReasonEndpointInvalid, "an endpoint is not a URL: correct the tenant's endpoints")
	}
	if f := permitHost(u.Hostname()); f != nil {
		return f
	}
	if f := t.options.AllowedHosts.permit(u); f != nil {
		return f
	}
	return nil
}

// Known returns the client of a tenant by what identifies the version of its CA bundle; nil if there is none yet, or the tenant
// may have none.
func (t *Transport) Known(tenant, trust string) *http.Client {
	if t.PermitTenant(tenant) != nil {
		return nil
	}
	if c, ok := t.clients.Get(identity{tenant, trust}); ok && trust != "" {
		return c.(*http.Client)
	}
	return nil
}

// TrustOf identifies a CA bundle of which no version is known.
func TrustOf(bundle []byte) string {
	sum := sha256.Sum256(bundle)
	return "sha256:" + string(sum[:])
}

// Forget drops a client, whose requests that are under way go on.
func (t *Transport) Forget(tenant, trust string) { t.clients.Remove(identity{tenant, trust}) }

// Client returns the client of a tenant. It is shared by what identifies the CA bundle, or by the bundle itself if that is
// empty. It fails if the tenant may have none, or the bundle as ParseBundle does; the system's are trusted without a bundle.
//
// The client speaks https only, and follows no redirect: credentials go to the host that they were meant for or nowhere.
func (t *Transport) Client(tenant, trust string, bundle []byte) (*http.Client, error) {
	if err := t.PermitTenant(tenant); err != nil {
		return nil, err
	}
	trust = cmp.Or(trust, TrustOf(bundle))
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.clients.Get(identity{tenant, trust}); ok {
		return c.(*http.Client), nil
	}
	parsed, err := ParseBundle(bundle)
	if err != nil {
		return nil, err
	}
	way := &ruled{next: t.route(parsed.Roots), hosts: t.options.AllowedHosts, userAgent: t.options.UserAgent, maxBody: cmp.Or(t.options.MaxBody, maxBody)}
	c := &http.Client{
		Transport: way, Timeout: t.options.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if len(parsed.Skipped) > 0 {
		t.skipped.Store(c, parsed.Skipped)
	}
	t.clients.Add(identity{tenant, trust}, c)
	return c, nil
}

func (t *Transport) route(roots *x509.CertPool) *routed {
	direct := func() *http.Transport { return t.dial(roots, t.guard) }
	proxied := func() *http.Transport {
		proxied := t.dial(roots, newGuard(true, true))
		proxied.Proxy = t.proxy
		if t.options.UserAgent != "" {
			proxied.ProxyConnectHeader = http.Header{"User-Agent": {t.options.UserAgent}}
		}
		return proxied
	}
	return &routed{direct: newPool(direct), proxied: newPool(proxied), proxy: t.proxy, lookup: t.lookup, guard: t.guard}
}

func (t *Transport) dial(roots *x509.CertPool, g guard) *http.Transport {
	dialer := &net.Dialer{Timeout: t.options.Timeout, ControlContext: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    t.options.Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHeader,
		// Or a connection that leads nowhere would take every request until its time is over.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
	}
}

// ruled refuses plain HTTP, hosts in an unusual spelling and hosts that are not listed, says whose the requests are, and bounds bodies.
type ruled struct {
	next      http.RoundTripper
	hosts     Hosts
	userAgent string
	maxBody   int64
}

// RoundTrip fails before anything is sent if a rule refuses the URL.
func (r *ruled) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, refuse(req, fault.New(fault.Terminal, fault.ReasonEndpointRefused, "the URL on %s is not https, which is required: correct it", req.URL.Host))
	}
	if f := permitHost(req.URL.Hostname()); f != nil {
		return nil, refuse(req, f)
	}
	if f := r.hosts.permit(req.URL); f != nil {
		return nil, refuse(req, f)
	}
	if _, given := req.Header["User-Agent"]; r.userAgent != "" && !given {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", r.userAgent)
	}
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, bound: r.maxBody, left: r.maxBody}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the connections.
func (r *ruled) CloseIdleConnections() {
	if c, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// refuse fails a request that is not sent; a RoundTripper closes the body even then.
func refuse(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return err
}

type boundedBody struct {
	io.ReadCloser
	bound int64
	left  int64
}

// Read fails once the body proves longer than the bound, rather than cut it off: half a document must not pass for a
// whole one.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fault.New(fault.Retryable, fault.ReasonResponseInvalid, "the answer is larger than %d KiB: check that the URL is the right one", b.bound>>10)
	}
	return n, err
}
