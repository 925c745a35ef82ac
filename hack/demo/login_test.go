package main

import (
	"bufio"
	"strings"
	"testing"
)

func TestAddressIn(t *testing.T) {
	for name, tc := range map[string]struct{ said, address, before, after string }{
		"an address after an explanation": {
			"Log in:\n  at  localhost:1\n\nOpen this address in a browser:\n\nhttps://localhost:1/authorize?state=s\n\nPaste: ",
			"https://localhost:1/authorize?state=s", "Open this address in a browser:", "Paste: ",
		},
		"an error instead": {"error: no such EgainClient\n", "", "error: no such EgainClient", ""},
		"nothing":          {"", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			lines := bufio.NewScanner(strings.NewReader(tc.said))
			address, before := addressIn(lines)
			if address != tc.address || before != tc.before {
				t.Errorf("address %q after %q", address, before)
			}
			if after := remainder(lines); after != tc.after {
				t.Errorf("%q is left", after)
			}
		})
	}
}
