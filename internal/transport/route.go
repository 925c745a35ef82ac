package transport

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// lookupTimeout bounds the look at the addresses of a name that a proxy resolves. Behind a proxy, DNS often knows nothing
// of the outside, or does not answer, and the request has still to be made in its time.
const lookupTimeout = 2 * time.Second

// routed sends a request directly, or by a proxy if the environment names one for it.
//
// The transport of proxied requests dials nothing but proxies, which are for the administrator to choose: they may be on
// this machine or in a private network.
type routed struct {
	direct, proxied *pool
	// proxy is the proxy of a request; nil for none.
	proxy func(*http.Request) (*url.URL, error)
	// lookup is that of net.Resolver.
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	guard  guard
}

// RoundTrip fails with a Rejected failure if the request would go to an address that is refused. What a proxy does with a
// name is beyond our sight; so that it gets none that is known to lead where it should not.
func (r *routed) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := r.proxy(req)
	if err != nil {
		return nil, refuse(req, fault.New(fault.Retryable, fault.ReasonServerUnavailable, "the proxy in the operator's environment is not a URL: correct HTTPS_PROXY"))
	}
	if proxy == nil {
		return r.direct.RoundTrip(req)
	}
	if f := r.checkBeforeProxy(req.Context(), req.URL.Hostname()); f != nil {
		return nil, refuse(req, f)
	}
	return r.proxied.RoundTrip(req)
}

// checkBeforeProxy refuses a host of which any address is refused, since the proxy may take any. A name that cannot be resolved here
// is left to the proxy, except those that mean the proxy's own machine (RFC 6761 section 6.3).
func (r *routed) checkBeforeProxy(ctx context.Context, host string) *fault.Error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.guard.check(addr)
	}
	if name := "." + strings.ToLower(strings.TrimSuffix(host, ".")); strings.HasSuffix(name, ".localhost") {
		return r.guard.check(loopbackV4.Addr().Next())
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := r.lookup(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for _, addr := range addrs {
		if f := r.guard.check(addr); f != nil {
			return f
		}
	}
	return nil
}

// CloseIdleConnections has requests from then on make connections of their own, both ways.
func (r *routed) CloseIdleConnections() {
	r.direct.CloseIdleConnections()
	r.proxied.CloseIdleConnections()
}

// pool is a transport whose connections can be given up. A connection of HTTP/2 that has requests under way is not idle, and would
// take further ones: to an address that the name no longer has, or one at which nothing answers any more.
type pool struct {
	renew   func() *http.Transport
	current atomic.Pointer[http.Transport]
}

func newPool(renew func() *http.Transport) *pool {
	p := &pool{renew: renew}
	p.current.Store(renew())
	return p
}

// RoundTrip sends a request by a connection that is not given up.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	return p.current.Load().RoundTrip(req)
}

// CloseIdleConnections gives up all connections: those that are idle at once, the others once they are.
func (p *pool) CloseIdleConnections() {
	p.current.Swap(p.renew()).CloseIdleConnections()
}
