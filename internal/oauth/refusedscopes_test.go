package oauth

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/egain-operator/egain-operator/internal/fault"
)

func TestOtherSpelling(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		scopes, want []string
		prefix       string
	}{
		"the bare prefix": {
			[]string{"api.egain.cloud/auth/core.aiservices.read"}, []string{"https://api.egain.cloud/auth/core.aiservices.read"}, "https://api.egain.cloud/auth/",
		},
		"the bare prefix of EMEA": {
			[]string{"api-emea.egain.cloud/auth/.default"}, []string{"https://api-emea.egain.cloud/auth/.default"}, "https://api-emea.egain.cloud/auth/",
		},
		"the prefix with a scheme": {
			[]string{"https://api.egain.cloud/auth/.default"}, []string{"api.egain.cloud/auth/.default"}, "api.egain.cloud/auth/",
		},
		"a prefix of another host": {
			[]string{"acmeint.onmicrosoft.com/038c150c/x"}, []string{"https://acmeint.onmicrosoft.com/038c150c/x"}, "https://acmeint.onmicrosoft.com/038c150c/",
		},
		"scopes beside it": {
			[]string{"openid", "https://api.egain.cloud/auth/a", "https://api.egain.cloud/auth/b"}, []string{"openid", "api.egain.cloud/auth/a", "api.egain.cloud/auth/b"}, "api.egain.cloud/auth/",
		},
		"both spellings": {
			[]string{"https://api.egain.cloud/auth/a", "api.egain.cloud/auth/b"}, []string{"https://api.egain.cloud/auth/a", "https://api.egain.cloud/auth/b"}, "https://api.egain.cloud/auth/",
		},
		"plain scopes":            {[]string{"knowledge.portalmgr.manage", "openid"}, nil, ""},
		"a name with a slash":     {[]string{"core.aiservices/read"}, nil, ""},
		"a path without a host":   {[]string{"auth/core/read"}, nil, ""},
		"another scheme":          {[]string{"api://egain.cloud/auth/a", "http://api.egain.cloud/auth/a"}, nil, ""},
		"a URN":                   {[]string{"urn:egain.cloud/auth/a"}, nil, ""},
		"a prefix without a name": {[]string{"api.egain.cloud/auth/"}, nil, ""},
		"no scopes":               {nil, nil, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tc.scopes)
			got, ok := OtherSpelling(tc.scopes)
			if ok != (tc.want != nil) || !slices.Equal(got, tc.want) {
				t.Errorf("OtherSpelling(%q) = %q, %t, want %q", tc.scopes, got, ok, tc.want)
			}
			if prefix := OtherPrefix(tc.scopes); prefix != tc.prefix {
				t.Errorf("OtherPrefix(%q) = %q, want %q", tc.scopes, prefix, tc.prefix)
			}
			if !slices.Equal(before, tc.scopes) {
				t.Errorf("the argument was changed to %q", tc.scopes)
			}
		})
	}
}

// refuse sends a token request that is answered with invalid_scope.
func refuse(t *testing.T, status int, r Request) error {
	t.Helper()
	hc := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Request: req, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"error":"invalid_scope","error_description":"canary"}`))}, nil
	})}
	_, err := (&Client{Now: fixed}).Token(t.Context(), hc, r)
	return err
}

func TestRefusedScopesAreNamed(t *testing.T) {
	t.Parallel()
	long, wide := strings.Repeat("s", 512), strings.Repeat("é", 300)
	const kinds = "check spec.scopes and spec.tenant.scopePrefix (flow ClientCredentials takes application scopes)"
	tests := map[string]struct {
		scopes []string
		says   []string
		not    []string
	}{
		"a plain scope": {
			[]string{"core.aiservices.read"}, []string{`ai.egain.cloud answered invalid_scope: ` + kinds + `; sent "core.aiservices.read"`}, []string{"spelling"},
		},
		"the bare prefix": {
			[]string{"api.egain.cloud/auth/a"},
			[]string{`answered invalid_scope: eGain's own clients write the prefix "https://api.egain.cloud/auth/": correct spec.tenant.scopePrefix`, `; sent "api.egain.cloud/auth/a"`},
			[]string{"more"},
		},
		"the bare prefix of EMEA": {
			[]string{"api-emea.egain.cloud/auth/a"}, []string{`eGain's own clients write the prefix "https://api-emea.egain.cloud/auth/"`}, nil,
		},
		"a bare prefix of another host": {
			[]string{"acmeint.onmicrosoft.com/038c/a"}, []string{`try "https://acmeint.onmicrosoft.com/038c/"`}, []string{"own clients"},
		},
		"the prefix with a scheme": {
			[]string{"https://api.egain.cloud/auth/a"}, []string{kinds + `; the other spelling of the prefix is "api.egain.cloud/auth/"; sent "https://`}, []string{"own clients"},
		},
		"five scopes": {[]string{"a", "b", "c", "d", "e"}, []string{`; sent "a", "b", "c", "d", "e"`}, []string{"more"}},
		"six scopes":  {[]string{"a", "b", "c", "d", "e", "f"}, []string{`; sent "a", "b", "c", "d", "e" and 1 more`}, []string{`"f"`}},
		"256 scopes":  {slices.Repeat([]string{"a"}, 256), []string{`"a" and 251 more`}, nil},
		"scopes that are long": {
			slices.Repeat([]string{long}, 5), []string{kinds, `; sent "` + long[:251] + `"..., "`, `"... and 2 more`}, []string{long[:252]},
		},
		"scopes that escape to more": {[]string{wide, "b"}, []string{`\u00e9"..., "b"`}, []string{"é"}},
		"what a terminal obeys":      {[]string{"a\x1b[31m\r\nb"}, []string{`; sent "a\x1b[31m\r\nb"`}, []string{"\x1b", "\n"}},
		"a long prefix":              {[]string{strings.Repeat("a.", 300) + "b/c/d", "x"}, []string{`"https://a.a.`}, nil},
		"no scopes":                  {nil, []string{kinds}, []string{"sent"}},
	}
	for name, tc := range tests {
		for _, status := range []int{200, 400, 401, 403} {
			t.Run(fmt.Sprintf("%s, HTTP %d", name, status), func(t *testing.T) {
				t.Parallel()
				r := Request{Flow: ClientCredentials, TokenURL: "https://ai.egain.cloud/token", Scopes: tc.scopes}
				err := refuse(t, status, r)
				wantFault(t, err, fault.Rejected, fault.ReasonScopeRejected)
				for _, says := range tc.says {
					wantMessage(t, err, says, tc.not...)
				}
				if n := len(err.Error()); n >= 1024 {
					t.Errorf("the message has %d bytes: %s", n, err)
				}
				if again := refuse(t, status, r); again.Error() != err.Error() {
					t.Errorf("the message changes from %q to %q", err, again)
				}
			})
		}
	}
}

// A code is redeemed without scopes, and a longer host leaves less room.
func TestOnlyScopesThatWereSentAreNamed(t *testing.T) {
	t.Parallel()
	r := Request{Flow: AuthorizationCode, TokenURL: "https://ai.egain.cloud/token", Scopes: []string{"a"}, Session: Session{Code: "code"}}
	if err := refuse(t, 400, r); strings.Contains(err.Error(), "sent") {
		t.Errorf("the request had no scopes: %s", err)
	}
	r.Session = Session{RefreshToken: "refresh"}
	wantMessage(t, refuse(t, 400, r), `; sent "a"`)
	label := strings.Repeat("h", 60) + "."
	r.TokenURL = "https://" + strings.Repeat(label, 4) + "cloud:65535/token"
	r.Scopes = slices.Repeat([]string{label + "egain.cloud/" + strings.Repeat("p", 300) + "/x"}, 9)
	if err := refuse(t, 400, r); len(err.Error()) >= 1024 || !strings.Contains(err.Error(), " and 8 more") {
		t.Errorf("the message has %d bytes: %s", len(err.Error()), err)
	}
}

func FuzzOtherSpelling(f *testing.F) {
	for _, seed := range []string{"a", "api.egain.cloud/auth/a b", "https://api.egain.cloud/auth/a openid", "https://https://a.b/c/d", "\xff/\x00/é", strings.Repeat("\x91", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, joined string) {
		scopes := strings.Fields(joined)
		if other, ok := OtherSpelling(scopes); ok {
			if back, again := OtherSpelling(other); !again || len(back) != len(scopes) || OtherPrefix(scopes) == "" {
				t.Errorf("%q becomes %q and then %q", scopes, other, back)
			}
		}
		if v := codes["invalid_scope"].refusedScopes(scopes, "ai.egain.cloud"); len(v.message("invalid_scope", "ai.egain.cloud")) >= 1024 {
			t.Errorf("a message of %d bytes", len(v.advice))
		}
	})
}
