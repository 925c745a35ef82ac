package egress

import (
	"testing"

	"github.com/egain-operator/egain-operator/internal/fault"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	const (
		never    = iota // refused whatever the options say
		loopback        // allowed with AllowLoopback
		always          // allowed
	)
	tests := map[string]struct {
		addresses []string
		want      int
	}{
		"public addresses": {
			[]string{"93.184.216.34:443", "[2606:2800:220:1::1]:443", "[::ffff:93.184.216.34]:443", "[64:ff9b::5db8:d822]:443"}, always,
		},
		"private addresses, where tenants and gateways may be": {
			[]string{"10.0.0.1:443", "172.16.0.1:443", "192.168.1.1:8443", "100.64.0.1:443", "[fd12:3456::1]:443", "[::ffff:10.0.0.1]:443"}, always,
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
				check(t, guard{}, address, tc.want == always)
				check(t, guard{allowLoopback: true}, address, tc.want != never)
			}
		})
	}
}

func check(t *testing.T, g guard, address string, want bool) {
	t.Helper()
	err := g.control(t.Context(), "tcp", address, nil)
	if (err == nil) != want {
		t.Errorf("guard %+v of %q: %v, want it allowed: %t", g, address, err, want)
	}
	if err == nil {
		return
	}
	f := fault.Of(err)
	if f == nil || f.Class != fault.Rejected || f.Reason != fault.ReasonEndpointRefused {
		t.Errorf("guard of %q fails with %#v, want a Rejected %s", address, err, fault.ReasonEndpointRefused)
	}
}
