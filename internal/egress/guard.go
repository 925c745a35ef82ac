package egress

import (
	"context"
	"net/netip"
	"slices"
	"syscall"

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

// nat64 is the prefix under which an IPv6-only cluster reaches IPv4 addresses (RFC 6052 section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// guard looks at each address after its name was resolved and before it is dialled, so that a name cannot be bound to
// another address in between.
type guard struct {
	allowLoopback bool
}

// control refuses as Rejected rather than Terminal, since no event tells that a DNS record was corrected.
func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !g.allows(reached(ap.Addr())) {
		return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "the host name leads to an address that credentials are never sent to (loopback, link-local, metadata service, multicast or unspecified): correct the URL or its DNS record")
	}
	return nil
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

func (g guard) allows(addr netip.Addr) bool {
	switch {
	case addr.IsLoopback():
		return g.allowLoopback
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return false
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	default:
		return !slices.ContainsFunc(metadataServices, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
}
