package oauth

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// The verifier of RFC 7636 appendix B and its challenge.
const (
	verifierOfTheRFC  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challengeOfTheRFC = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func aUser() Login {
	return Login{
		ClientID: "app & co", RedirectURL: "http://127.0.0.1:8400/callback?x=1", Scopes: []string{"knowledge.portalmgr.read", "offline_access"},
		State: "st&te", Verifier: verifierOfTheRFC,
	}
}

func TestLoginURL(t *testing.T) {
	t.Parallel()
	always := func(more ...string) url.Values {
		v := url.Values{
			"response_type": {"code"}, "client_id": {"app & co"}, "redirect_uri": {"http://127.0.0.1:8400/callback?x=1"}, "state": {"st&te"},
			"scope": {"knowledge.portalmgr.read offline_access"}, "code_challenge": {challengeOfTheRFC}, "code_challenge_method": {"S256"},
		}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	tests := map[string]struct {
		endpoints  Endpoints
		parameters map[string]string
		begins     string
		want       url.Values
	}{
		"plain": {
			endpoints: Endpoints{AuthorizationURL: selfServiceUserLogin},
			begins:    selfServiceUserLogin + "?", want: always(),
		},
		"with a query, which is kept as it is": {
			endpoints: Endpoints{AuthorizationURL: commercialUserLogin + "?p=B2C%5F1&b&a=%20"},
			begins:    commercialUserLogin + "?p=B2C%5F1&b&a=%20&", want: always("p", "B2C_1", "b", "", "a", " "),
		},
		"with a scope prefix": {
			endpoints: Endpoints{AuthorizationURL: commercialUserLogin, ScopePrefix: "https://api.egain.cloud/auth/"},
			begins:    commercialUserLogin + "?", want: always("scope", "https://api.egain.cloud/auth/knowledge.portalmgr.read offline_access"),
		},
		"with more parameters": {
			endpoints:  Endpoints{AuthorizationURL: selfServiceUserLogin},
			parameters: map[string]string{"prompt": "login", "login_hint": "a&b=c"},
			begins:     selfServiceUserLogin + "?", want: always("prompt", "login", "login_hint", "a&b=c"),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := aUser()
			l.Parameters = tc.parameters
			got, err := tc.endpoints.LoginURL(l)
			if err != nil {
				t.Fatalf("LoginURL: %v", err)
			}
			if !strings.HasPrefix(got, tc.begins) {
				t.Errorf("the URL is %s, want one that begins %s", got, tc.begins)
			}
			if strings.Contains(got, verifierOfTheRFC) {
				t.Errorf("the URL holds the verifier: %s", got)
			}
			u, err := url.Parse(got)
			if err != nil {
				t.Fatalf("the URL is none: %v", err)
			}
			query, err := url.ParseQuery(u.RawQuery)
			if diff := cmp.Diff(tc.want, query); err != nil || diff != "" {
				t.Errorf("query (-want +got), %v:\n%s", err, diff)
			}
		})
	}
}

func TestLoginURLFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		authorizationURL string
		parameter        string
		reason           string
		words            string
	}{
		"no URL":               {"", "", fault.ReasonEndpointInvalid, "set spec.tenant.endpoints.authorizationURL"},
		"one that is none":     {"https://%zz/canary", "", fault.ReasonEndpointInvalid, "must be https"},
		"plain HTTP":           {"http://ai.egain.cloud/canary", "", fault.ReasonEndpointInvalid, "must be https"},
		"a program":            {"javascript:canary", "", fault.ReasonEndpointInvalid, "must be https"},
		"a file":               {"file:///canary", "", fault.ReasonEndpointInvalid, "must be https"},
		"no host":              {"https:///canary", "", fault.ReasonEndpointInvalid, "must be https"},
		"a user name":          {"https://canary:canary@ai.egain.cloud/", "", fault.ReasonEndpointInvalid, "without a user name"},
		"a fragment":           {"https://ai.egain.cloud/#canary", "", fault.ReasonEndpointInvalid, "a fragment"},
		"a query of the login": {"https://ai.egain.cloud/?scope=canary", "", fault.ReasonEndpointInvalid, "sets scope"},
		"a parameter of the URL's query, once more": {"https://ai.egain.cloud/?p=canary", "p", fault.ReasonRequestRejected, "sets p,"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := aUser()
			l.Parameters = map[string]string{tc.parameter: canary}
			got, err := Endpoints{AuthorizationURL: tc.authorizationURL}.LoginURL(l)
			wantFault(t, err, fault.Terminal, tc.reason)
			wantMessage(t, err, tc.words)
			if got != "" {
				t.Errorf("LoginURL returns %q beside an error", got)
			}
		})
	}
	for _, name := range loginParameters {
		l := aUser()
		l.Parameters = map[string]string{name: canary}
		_, err := Endpoints{AuthorizationURL: selfServiceUserLogin}.LoginURL(l)
		wantFault(t, err, fault.Terminal, fault.ReasonRequestRejected)
		wantMessage(t, err, "sets "+name+",")
	}
}

func TestVerifiers(t *testing.T) {
	t.Parallel()
	one, other := NewVerifier(), NewVerifier()
	// RFC 7636 section 4.1.
	if shape := regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`); !shape.MatchString(string(one)) || one == other {
		t.Errorf("verifiers are %q and %q", string(one), string(other))
	}
}
