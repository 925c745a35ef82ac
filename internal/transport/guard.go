package transport

import (
	"context"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// metadataServices are where clouds serve metadata and credentials to machines outside the link-local ranges.
var metadataServices = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),          // AWS, all services of the instance and of EKS over IPv6
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google Cloud over IPv6
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle Cloud over IPv6
	netip.MustParsePrefix("192.0.0.192/32"),         // Oracle Cloud Classic
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure, the host agent
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba Cloud
}

// The ranges that networks of companies, clusters and service meshes are built on, though the last two of each list were
// not meant for it: meshes number outside hosts with them.
var (
	privateV4 = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),     // RFC 1918
		netip.MustParsePrefix("172.16.0.0/12"),  // RFC 1918
		netip.MustParsePrefix("192.168.0.0/16"), // RFC 1918
		netip.MustParsePrefix("100.64.0.0/10"),  // carriers and clouds (RFC 6598)
		netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks (RFC 2544)
		netip.MustParsePrefix("240.0.0.0/4"),    // reserved (RFC 1112 section 4)
	}
	privateV6 = []netip.Prefix{
		netip.MustParsePrefix("fc00::/7"),    // RFC 4193
		netip.MustParsePrefix("2001:2::/48"), // benchmarks (RFC 5180)
	}
)

var (
	loopbackV4 = netip.MustParsePrefix("127.0.0.0/8")
	loopbackV6 = netip.MustParsePrefix("::1/128")
	broadcast  = netip.MustParseAddr("255.255.255.255")
	// nat64 is the prefix under which an IPv6-only cluster reaches IPv4 addresses (RFC 6052 section 2.1).
	nat64 = ssrf.IPv6NAT64Prefix
)

// guard looks at each address after its name was resolved and before it is dialled, so that a name cannot be bound to
// another address in between.
//
// The special-purpose ranges are those that code.dny.dev/ssrf generates from the registries of IANA. It refuses all of
// them, and of IPv6 all but global unicast; what it lacks is here: addresses inside others, and metadata services in
// ranges that may be allowed. doyensec/safeurl was looked at too: its clients bring transports of their own, without
// proxies, and its list of ranges is kept by hand.
type guard struct {
	ranges *ssrf.Guardian
}

func newGuard(allowLoopback, allowPrivate bool) guard {
	var v4, v6 []netip.Prefix
	if allowLoopback {
		v4, v6 = append(v4, loopbackV4), append(v6, loopbackV6)
	}
	if allowPrivate {
		v4, v6 = append(v4, privateV4...), append(v6, privateV6...)
	}
	return guard{ranges: ssrf.New(ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))}
}

// control is for net.Dialer.
func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return refusedAddress()
	}
	if f := g.check(ap.Addr()); f != nil {
		return f
	}
	return nil
}

// check refuses as Rejected rather than Terminal, since no event tells that a DNS record or a flag was corrected. It
// returns nil for an address that may be reached.
func (g guard) check(addr netip.Addr) *fault.Error {
	addr = reached(addr)
	switch {
	case addr == broadcast || within(metadataServices, addr):
		return refusedAddress()
	case g.ranges.SafeAddr(addr) == nil:
		return nil
	case within(privateV4, addr) || within(privateV6, addr):
		return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "the host resolves to a private address, which is allowed only with --allow-private: correct the URL or its DNS record, or have the flag set")
	default:
		return refusedAddress()
	}
}

func refusedAddress() *fault.Error {
	return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "the host resolves to an address that is never allowed (loopback, link-local, metadata service, multicast or reserved): correct the URL or its DNS record")
}

// reached is the address that is reached by dialling one: IPv4 addresses are found inside IPv6 ones.
func reached(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		bytes := addr.As16()
		return netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return addr
}

func within(ranges []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(addr) })
}
