package plain

import (
	"strings"
	"testing"
)

func TestIsHost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hosts         []string
		host, address bool
	}{
		"names": {[]string{
			"ai.egain.cloud", "AI.eGain.cloud.", "localhost", "egress", "acme_int.example", "xn--bcher-kva.example", "0x7f.example", "1.egain.cloud",
			"egain.cloud1", "0xg", strings.Repeat("a", 63) + ".example", strings.Repeat("a.", 126) + "a",
		}, true, false},
		"addresses": {[]string{"10.96.0.1", "0.0.0.0", "2001:db8::1", "::1", "::ffff:10.96.0.1", "64:ff9b::a9fe:a9fe"}, true, true},
		"IPv4 addresses in other spellings": {[]string{
			"2130706433", "0x7f000001", "0X7F.1", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.1.", "0x7f.0.0.0x1", "1.2.3.4.5",
			"256.0.0.1", "010.96.0.1", "egain.0x", "egain.7",
		}, false, false},
		"IPv6 addresses with a zone": {[]string{"fe80::1%eth0", "fe80::1%25eth0", "::1%lo", "fd00:ec2::254%x.egain.cloud"}, false, false},
		"letters, digits and stops beyond ASCII": {[]string{
			"①⓪.⑨⑥.⓪.①", "１０.９６.０.１", "１０。９６。０。１", "10。96。0。1", "ai．egain．cloud", "ⅼocalhost", "bücher.example", "\u212Aubernetes", "egain.clou\u0501",
			"ai.egain.cloud\u202e", "ai\u200b.egain.cloud", "\u0130.example",
		}, false, false},
		"what is no name": {[]string{
			"", ".", "a..b", ".a", "*.egain.cloud", "a b", "a/b", "a%2eb", "a:443", "[::1]", "a\x00", "a\nb", "a@b", "-a.b", "a-.b", "a.b..", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a",
		}, false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, host := range tc.hosts {
				if got := IsHost(host); got != tc.host {
					t.Errorf("IsHost(%q) = %t", host, got)
				}
				if got := IsAddress(host); got != tc.address {
					t.Errorf("IsAddress(%q) = %t", host, got)
				}
			}
		})
	}
}

func TestEndsInNumber(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.1": true, "2130706433": true, "0x7f.1": true, "127.0x1": true, "0X7F000001": true, "0x": true, "10.0.0.010.": true,
		"example.com": false, "1.example": false, "0xg": false, "a1": false, "": false, ".": false, "x.0x1.com": false,
	} {
		if got := EndsInNumber(host); got != want {
			t.Errorf("%q ends in a number: %t, want %t", host, got, want)
		}
	}
}
