package transport

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Hosts are the hosts and ports that requests may go to, each a name or an address with a port, or "*." and the name of a
// domain, which stands for all that is below it. No hosts at all stand for every host.
type Hosts []string

// hostName is a name in DNS: what is written otherwise is not what is looked up. Underscores are common, if not allowed.
var hostName = regexp.MustCompile(`^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$`)

// ParseHosts reads hosts as ai.egain.cloud, *.egain.cloud, gateway.corp.example:8443 or [2001:db8::1]. Without a port, 443 is
// meant.
func ParseHosts(entries []string) (Hosts, error) {
	var hosts Hosts
	for _, entry := range entries {
		domain, wild := strings.CutPrefix(entry, "*.")
		u, err := url.Parse("https://" + domain)
		if err != nil || u.Host != domain || !plain(u) || (wild && isAddress(u)) {
			return nil, fmt.Errorf("%q is not a host: write a name, an address or *. and a domain, with a port or without", entry)
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
	if !plain(u) {
		return false
	}
	host := HostPort(u)
	return slices.ContainsFunc(h, func(listed string) bool {
		domain, wild := strings.CutPrefix(listed, "*")
		return host == listed || (wild && strings.HasSuffix(host, domain) && !isAddress(u))
	})
}

// permit refuses as Rejected rather than Terminal, since no event tells that the flag, or the metadata document that names the
// host, was changed.
func (h Hosts) permit(u *url.URL) *fault.Error {
	if len(h) == 0 || h.Lists(u) {
		return nil
	}
	return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "%s is not among the hosts that the operator may send requests to: correct the URL, or list the host in --allowed-hosts", u.Host)
}

// plain reports whether the host of a URL is an address or a name as DNS has it.
func plain(u *url.URL) bool {
	return isAddress(u) || hostName.MatchString(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."))
}

func isAddress(u *url.URL) bool {
	_, err := netip.ParseAddr(u.Hostname())
	return err == nil
}

// HostPort is the host and port that a URL leads to, so that no other spelling of a name counts as another host.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port)
}
