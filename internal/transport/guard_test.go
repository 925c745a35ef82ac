package transport

import (
	"strings"
	"testing"

	"github.com/egain-operator/egain-operator/internal/fault"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	const (
		never    = iota // refused whatever the options say
		loopback        // allowed with AllowLoopback
		private         // allowed with AllowPrivate
		always          // allowed
	)
	tests := map[string]struct {
		addresses []string
		want      int
	}{
		"public addresses": {
			[]string{"93.184.216.34:443", "[2606:2800:220:1::1]:443", "[::ffff:93.184.216.34]:443", "[64:ff9b::5db8:d822]:443"}, always,
		},
		"the last addresses before ranges that are refused, and the first after them": {
			[]string{
				"9.255.255.255:443", "11.0.0.0:443", "172.15.255.255:443", "172.32.0.0:443", "192.167.255.255:443", "192.169.0.0:443",
				"100.63.255.255:443", "100.128.0.0:443", "198.17.255.255:443", "198.20.0.0:443", "223.255.255.255:443",
				"126.255.255.255:443", "128.0.0.0:443", "169.253.255.255:443", "169.255.0.0:443", "168.63.129.15:443",
				"[2001:db7:ffff::1]:443", "[2001:db9::]:443", "[2003::]:443", "[2001:200::]:443",
			}, always,
		},
		"private addresses, where gateways may be": {
			[]string{
				"10.0.0.1:443", "10.255.255.255:443", "172.16.0.1:443", "172.31.255.255:443", "192.168.1.1:8443", "192.168.255.255:443",
				"100.64.0.1:443", "100.127.255.255:443", "[fc00::1]:443", "[fd12:3456::1]:443", "[fd12:3456::1%eth0]:443",
				"[::ffff:10.0.0.1]:443", "[64:ff9b::a00:1]:443",
			}, private,
		},
		"addresses that service meshes make up": {
			[]string{"198.18.0.1:443", "198.19.255.255:443", "240.240.0.1:443", "255.255.255.254:443", "[2001:2::1]:443"}, private,
		},
		"ranges for documentation and protocols, where no server listens": {
			[]string{
				"192.0.0.8:443", "192.0.2.1:443", "198.51.100.1:443", "203.0.113.1:443", "192.88.99.1:443", "0.1.2.3:443",
				"[2001:db8::1]:443", "[3fff::1]:443", "[100::1]:443", "[5f00::1]:443", "[fec0::1]:443",
			}, never,
		},
		"addresses inside others": {
			// 6to4 and Teredo with a public address and a private one, IPv4-compatible, and NAT64 with a prefix for local use.
			[]string{
				"[2002:5db8:d822::1]:443", "[2002:a00:1::1]:443", "[2001:0:5db8:d822::1]:443", "[2001:0:a9fe:a9fe::1]:443",
				"[::a00:1]:443", "[64:ff9b:1::a00:1]:443",
			}, never,
		},
		"loopback": {
			[]string{"127.0.0.1:443", "127.8.9.10:443", "[::1]:443", "[::ffff:127.0.0.1]:443", "[64:ff9b::7f00:1]:443"}, loopback,
		},
		"link-local, where most metadata services are": {
			[]string{
				"169.254.169.254:443", "169.254.0.1:80", "[::ffff:169.254.169.254]:443", "[fe80::1]:443", "[fe80::1%eth0]:443",
				"[febf::1]:443", "[64:ff9b::a9fe:a9fe]:443",
			}, never,
		},
		"metadata services elsewhere": {
			[]string{
				"100.100.100.200:443", "192.0.0.192:443", "168.63.129.16:443", "[::ffff:100.100.100.200]:443", "[fd00:ec2::254]:443",
				"[fd00:ec2::23]:443", "[fd20:ce::254]:443", "[fd00:c1::a9fe:a9fe]:443", "[fd00:ec2::254%eth0]:443",
				"[64:ff9b::a83f:8110]:443",
			}, never,
		},
		"unspecified, which means this machine": {
			[]string{"0.0.0.0:443", "[::]:443", "[::ffff:0.0.0.0]:443", "[64:ff9b::]:443"}, never,
		},
		"multicast and broadcast": {
			[]string{"224.0.0.1:443", "239.255.255.255:443", "[ff01::1]:443", "[ff02::1]:443", "[ff0e::1]:443", "255.255.255.255:443"}, never,
		},
		"what is no address": {
			[]string{"", "93.184.216.34", "localhost:443", "[::1:443", "/var/run/docker.sock"}, never,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, address := range tc.addresses {
				check(t, newGuard(false, false), address, tc.want == always)
				check(t, newGuard(true, false), address, tc.want == always || tc.want == loopback)
				check(t, newGuard(false, true), address, tc.want == always || tc.want == private)
				check(t, newGuard(true, true), address, tc.want != never)
			}
		})
	}
}

func check(t *testing.T, g guard, address string, want bool) {
	t.Helper()
	err := g.control(t.Context(), "tcp", address, nil)
	if (err == nil) != want {
		t.Errorf("guard of %q: %v, want it allowed: %t", address, err, want)
	}
	if err == nil {
		return
	}
	f := fault.Of(err)
	if f == nil || f.Class != fault.Rejected || f.Reason != fault.ReasonEndpointRefused {
		t.Errorf("guard of %q fails with %#v, want a Rejected %s", address, err, fault.ReasonEndpointRefused)
	}
}

func TestARefusalOfAPrivateAddressNamesTheFlag(t *testing.T) {
	t.Parallel()
	g := newGuard(false, false)
	for address, want := range map[string]bool{
		"10.0.0.1:443": true, "[fd12:3456::1]:443": true, "240.0.0.1:443": true,
		// These the flag does not help.
		"127.0.0.1:443": false, "169.254.169.254:443": false, "100.100.100.200:443": false, "255.255.255.255:443": false, "junk": false,
	} {
		if err := g.control(t.Context(), "tcp", address, nil); strings.Contains(err.Error(), "--allow-private") != want {
			t.Errorf("%s is refused with %q, want the flag named: %t", address, err, want)
		}
	}
}
