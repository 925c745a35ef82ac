package transport

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/plain"
)

// Hosts are the hosts and ports that requests may go to, each a name or an address with a port, or "*." and the name of a
// domain, which stands for all that is below it. No hosts at all stand for every host.
type Hosts []string

// ParseHosts reads hosts as ai.egain.cloud, *.egain.cloud, gateway.corp.example:8443 or [2001:db8::1]. Without a port, 443 is
// meant.
func ParseHosts(entries []string) (Hosts, error) {
	var hosts Hosts
	for _, entry := range entries {
		domain, wild := strings.CutPrefix(entry, "*.")
		u, err := url.Parse("https://" + domain)
		if err != nil || u.Host != domain || !plain.IsHost(u.Hostname()) || (wild && plain.IsAddress(u.Hostname())) {
			return nil, fmt.Errorf("%q is not a host: write a name, an address, or *. and a domain, each with or without a port", entry)
		}
		host := HostPort(u)
		if wild {
			host = "*." + host
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// Lists reports whether a URL is of a host that is listed.
func (h Hosts) Lists(u *url.URL) bool {
	if !plain.IsHost(u.Hostname()) {
		return false
	}
	host := HostPort(u)
	return slices.ContainsFunc(h, func(listed string) bool {
		domain, wild := strings.CutPrefix(listed, "*")
		return host == listed || (wild && strings.HasSuffix(host, domain) && !plain.IsAddress(u.Hostname()))
	})
}

// permit refuses as Rejected rather than Terminal, since no event tells that the flag, or the metadata document that names the
// host, was changed.
func (h Hosts) permit(u *url.URL) *fault.Error {
	if len(h) == 0 || h.Lists(u) {
		return nil
	}
	return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "%s is not in the operator's --allowed-hosts: correct the URL, or have the host added", u.Host)
}

// permitHost refuses a host that is not spelt as DNS has it: a resolver or a proxy might read it as another one, and net/http dials one
// in Unicode without end. An address in an unusual spelling is refused as the address that it may be.
func permitHost(host string) *fault.Error {
	switch {
	case plain.IsHost(host):
		return nil
	case plain.EndsInNumber(host):
		return refusedAddress()
	default:
		return fault.New(fault.Terminal, fault.ReasonEndpointRefused, "the host of a URL is neither an ASCII DNS name (xn-- for other letters) nor an IP address without a zone: correct the URL")
	}
}

// HostPort is the host and port that a URL leads to, so that no other spelling of a name counts as another host.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port)
}
