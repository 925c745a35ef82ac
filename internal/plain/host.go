package plain

import (
	"net/netip"
	"regexp"
	"strings"
)

// maxHost is the longest name of a host (RFC 1035 section 2.3.4).
const maxHost = 253

// hostName is the name of a host as DNS has it. Underscores are common, if not allowed. Letters beyond ASCII are written as
// xn-- (RFC 5890): a host in them is converted on the way, by each program in its own manner, and is another host after that.
var hostName = regexp.MustCompile(`^` + label + `(\.` + label + `)*\.?$`)

const label = `[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?`

// IsHost reports whether a host, without brackets and port, is a name as DNS has it or an address in its usual spelling. No
// other spelling reaches a resolver or a proxy, which might read it in its own way.
func IsHost(host string) bool {
	return IsAddress(host) || len(host) <= maxHost && hostName.MatchString(host) && !EndsInNumber(host)
}

// IsAddress reports whether a host is an address in its usual spelling: four decimal numbers, or IPv6 without a zone.
func IsAddress(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == ""
}

// EndsInNumber reports whether a host is, or ends like, an IPv4 address, however it is spelt. inet_aton and browsers also read 2130706433, 0x7f.1 and
// 017700000001 as one; Go does not, and would look them up (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func EndsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, prefixed := strings.CutPrefix(last, "0x"); prefixed {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}
