package transport

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

func TestParseHosts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		entry string
		want  Hosts // nil if it is refused
	}{
		"a name stands for port 443":                            {"ai.egain.cloud", Hosts{"ai.egain.cloud:443"}},
		"a name with a port":                                    {"gateway.corp.example:8443", Hosts{"gateway.corp.example:8443"}},
		"a name without a dot":                                  {"egress", Hosts{"egress:443"}},
		"capitals and the dot of the root":                      {"AI.eGain.cloud.", Hosts{"ai.egain.cloud:443"}},
		"all that is below a domain":                            {"*.egain.cloud", Hosts{"*.egain.cloud:443"}},
		"all that is below, at another port":                    {"*.egain.cloud:8443", Hosts{"*.egain.cloud:8443"}},
		"an address":                                            {"192.0.2.1:8443", Hosts{"192.0.2.1:8443"}},
		"an IPv6 address":                                       {"[2001:db8::1]", Hosts{"[2001:db8::1]:443"}},
		"an IPv6 address without brackets":                      {"2001:db8::1", nil},
		"everything":                                            {"*", nil},
		"everything, with a dot":                                {"*.", nil},
		"a star within":                                         {"ai.*.cloud", nil},
		"two stars":                                             {"*.*.cloud", nil},
		"a star and an address":                                 {"*.192.0.2.1", nil},
		"a star and the end of an address":                      {"*.0.2.3", nil},
		"an address in another spelling":                        {"0x7f.1", nil},
		"an IPv6 address with a zone":                           {"[fe80::1%25eth0]", nil},
		"a letter that is one of ASCII's once it is lower case": {"\u212Aubernetes.example", nil},
		"a URL":                               {"https://ai.egain.cloud", nil},
		"a path":                              {"ai.egain.cloud/system", nil},
		"a user":                              {"user@ai.egain.cloud", nil},
		"a port that is none":                 {"ai.egain.cloud:https", nil},
		"white space":                         {"ai egain.cloud", nil},
		"a name that is not in DNS's letters": {"bücher.example", nil},
		"an empty label":                      {"ai..cloud", nil},
		"nothing":                             {"", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseHosts([]string{tc.entry})
			if diff := cmp.Diff(tc.want, got); diff != "" || (err == nil) != (tc.want != nil) {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestHostsList(t *testing.T) {
	t.Parallel()
	hosts, err := ParseHosts([]string{"login.egain.example", "*.egain.cloud", "gateway.corp.example:8443", "192.0.2.1", "[2001:db8::1]:8443"})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"https://login.egain.example/token":        true,
		"https://LOGIN.egain.example.:443/token":   true,
		"https://login.egain.example:8443/token":   false,
		"https://x.login.egain.example/token":      false,
		"https://login.egain.example.evil.example": false,
		"https://ai.egain.cloud/token":             true,
		"https://api.ai.egain.cloud/token":         true,
		"https://egain.cloud/token":                false,
		"https://ai.egain.cloud:8443/token":        false,
		"https://evilegain.cloud/token":            false,
		"https://evil.example/x.egain.cloud":       false,
		"https://ai.egain.cloud@evil.example/":     false,
		"https://gateway.corp.example:8443/":       true,
		"https://gateway.corp.example/":            false,
		"https://192.0.2.1/":                       true,
		"https://192.0.2.2/":                       false,
		"https://192.0.2.3/":                       false,
		"https://[2001:db8::1]:8443/":              true,
		// What is not written as DNS has it could be another host by the time that it is dialled.
		"https://evil.example／.egain.cloud/": false,
		"https://evil。egain.cloud/":          false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := hosts.Lists(u); got != want {
			t.Errorf("%s is listed: %t, want %t", raw, got, want)
		}
		if f := hosts.permit(u); (f == nil) != want {
			t.Errorf("%s is refused with %v, want it allowed: %t", raw, f, want)
		}
		if f := Hosts(nil).permit(u); f != nil || Hosts(nil).Lists(u) {
			t.Errorf("without a list, %s is refused with %v, or listed", raw, f)
		}
	}
}

func TestNothingIsSentToHostsThatAreNotListed(t *testing.T) {
	t.Parallel()
	hosts, err := ParseHosts([]string{"ai.egain.cloud"})
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	l := &ruled{next: roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{Body: io.NopCloser(strings.NewReader(""))}, nil
	}), hosts: hosts, maxBody: maxBody}
	req := request(t, "https://login.egain.cloud:8443/token")
	given := &body{Reader: req.Body}
	req.Body = given
	_, err = l.RoundTrip(req) //nolint:bodyclose // there is none
	wantFault(t, err, fault.Rejected, fault.ReasonEndpointRefused)
	for _, words := range []string{"login.egain.cloud:8443", "--allowed-hosts"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("refused with %q, want a message with %q", err, words)
		}
	}
	if sent != 0 || !given.closed {
		t.Errorf("%d requests were sent, the body is closed: %t", sent, given.closed)
	}
	resp, err := l.RoundTrip(request(t, "https://ai.egain.cloud/token"))
	if err != nil || sent != 1 {
		t.Fatalf("a request to a listed host: %v, %d sent", err, sent)
	}
	_ = resp.Body.Close()
}

func TestEgressSaysBeforeARequestWhatItAllows(t *testing.T) {
	t.Parallel()
	limited := New(Options{AllowedHosts: Hosts{"*.egain.cloud:443"}})
	if err := limited.PermitURL("https://ai.egain.cloud/token"); err != nil {
		t.Errorf("a listed host: %v", err)
	}
	wantFault(t, limited.PermitURL("https://evil.example/token"), fault.Rejected, fault.ReasonEndpointRefused)
	wantFault(t, limited.PermitURL("https://ai.egain.cloud:x/token"), fault.Terminal, fault.ReasonEndpointInvalid)
	if err := New(Options{}).PermitURL("https://evil.example/token"); err != nil {
		t.Errorf("without a list: %v", err)
	}
}
