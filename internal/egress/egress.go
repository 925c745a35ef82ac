// Package egress knows how the operator talks to the outside: TLS, limits of time and size, which addresses may be
// reached, how many requests a host gets at a time. It knows neither OAuth nor Kubernetes.
package egress

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

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
)

// Options shape the egress.
type Options struct {
	// Timeout bounds one request, from the dial to the last byte of the body.
	Timeout time.Duration
	// Total bounds the requests under way to all hosts, of which one gets no more than half of those that are free; no bound
	// if zero.
	Total int
	// PerHost bounds the requests under way to one host.
	PerHost int
	// AllowLoopback lets requests go to this machine: for demo and tests.
	AllowLoopback bool
	// AllowPrivate lets requests go to private networks.
	AllowPrivate bool
	// AllowedHosts are those that requests may go to; all if empty.
	AllowedHosts Hosts
	// Now is the clock; only profiles with PerSecond need it.
	Now func() time.Time
	// MaxBody bounds the body of an answer in bytes; 0 stands for 256 KiB.
	MaxBody int64
}

// Profile says what is particular about the requests of one client.
type Profile struct {
	// CABundle holds the PEM certificates to trust; the system's if it is empty.
	CABundle []byte
	// Group names those whose requests are limited together; empty for nobody but the hosts.
	Group string
	// Concurrent bounds the requests of the group that are under way; no bound if zero.
	Concurrent int
	// PerSecond bounds the POST requests of the group that are begun in a second; no bound if zero. GET requests read
	// metadata, which is seldom.
	PerSecond int
}

// key is equal for profiles that can share a client.
func (p Profile) key() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %d %d %q", p.Group, p.Concurrent, p.PerSecond, p.CABundle))
}

// Egress makes HTTP clients. It is safe for concurrent use.
type Egress struct {
	options Options
	guard   guard
	slots   *slots
	clients *pool
	// proxy and lookup are those of the process.
	proxy  func(*http.Request) (*url.URL, error)
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// New returns an Egress.
func New(o Options) *Egress {
	return &Egress{
		options: o, guard: newGuard(o.AllowLoopback, o.AllowPrivate), slots: newSlots(o.Total, o.PerHost), clients: newPool(),
		proxy: http.ProxyFromEnvironment, lookup: net.DefaultResolver.LookupNetIP,
	}
}

// Client returns the client of a profile. Clients are shared by the profile's content. A bundle without a certificate is a
// Terminal failure.
//
// The client speaks https only, and follows no redirect: credentials go to the host that they were meant for or nowhere.
func (e *Egress) Client(p Profile) (*http.Client, error) {
	return e.clients.get(p.key(), func() (*http.Client, error) {
		roots, err := parseRoots(p.CABundle)
		if err != nil {
			return nil, err
		}
		return &http.Client{
			Transport: &limited{
				next: e.route(roots), hosts: e.options.AllowedHosts, slots: e.slots, group: newGroup(p, e.options.Now), maxBody: e.options.MaxBody,
			},
			Timeout:       e.options.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}, nil
	})
}

// Permits fails as a request to a URL would because of its host: with a Rejected failure if hosts are listed and it is not
// among them.
func (e *Egress) Permits(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return fault.New(fault.Terminal, fault.ReasonEndpointInvalid, "an endpoint is not a URL")
	}
	if f := e.options.AllowedHosts.check(u); f != nil {
		return f
	}
	return nil
}

func (e *Egress) route(roots *x509.CertPool) *routed {
	proxied := e.transport(roots, newGuard(true, true))
	proxied.Proxy = e.proxy
	return &routed{direct: e.transport(roots, e.guard), proxied: proxied, proxy: e.proxy, lookup: e.lookup, guard: e.guard}
}

func (e *Egress) transport(roots *x509.CertPool, g guard) *http.Transport {
	dialer := &net.Dialer{Timeout: e.options.Timeout, ControlContext: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    e.options.Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// parseRoots returns nil, which stands for the system's certificates, for an empty bundle.
func parseRoots(bundle []byte) (*x509.CertPool, error) {
	if len(bundle) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	// The decoder skips what it cannot read, so a damaged certificate shows only in the count.
	begun, found := bytes.Count(bundle, []byte("-----BEGIN ")), 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return nil, caBundleFault("the CA bundle holds a PEM block that is not a certificate: keep only CERTIFICATE blocks in it")
		}
		roots.AddCert(cert)
		found++
	}
	switch {
	case found < begun:
		return nil, caBundleFault("the CA bundle holds a PEM block that is cut off or damaged: put the whole of it in again")
	case found == 0:
		return nil, caBundleFault("the CA bundle holds no certificate: put PEM blocks of type CERTIFICATE into it")
	default:
		return roots, nil
	}
}

func caBundleFault(message string) error {
	return fault.New(fault.Terminal, fault.ReasonCABundleInvalid, "%s", message)
}
