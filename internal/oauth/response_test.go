package oauth

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// jwt makes an unsigned JWT of a payload.
func jwt(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("signature"))
}

// expiring makes a JWT that expires some time after now.
func expiring(after time.Duration) string {
	return jwt(fmt.Sprintf(`{"exp":%d,"iat":%d,"sub":"app"}`, now.Add(after).Unix(), now.Unix()))
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		want   time.Duration // of the token, from the second of its issue
		wrong  string        // what the message says instead
	}{
		"a number":                                 {answer: `{"access_token":"tok","expires_in":1800}`, want: 30 * time.Minute},
		"a number in a string, as B2C":             {answer: `{"access_token":"tok","expires_in":"1800"}`, want: 30 * time.Minute},
		"one second":                               {answer: `{"access_token":"tok","expires_in":1}`, want: time.Second},
		"more fields of B2C change nothing":        {answer: `{"access_token":"tok","expires_in":"1800","not_before":1,"expires_on":"5","refresh_token_expires_in":9}`, want: 30 * time.Minute},
		"the longest that is believed":             {answer: `{"access_token":"tok","expires_in":31622400}`, want: 366 * 24 * time.Hour},
		"a form":                                   {answer: `access_token=tok&expires_in=1800&token_type=bearer`, want: 30 * time.Minute},
		"a form with a fraction":                   {answer: `access_token=tok&expires_in=1800.4`, want: 30 * time.Minute},
		"expires_in wins over the JWT":             {answer: `{"access_token":"` + expiring(2*time.Hour) + `","expires_in":1800}`, want: 30 * time.Minute},
		"the JWT where there is none":              {answer: `{"access_token":"` + expiring(2*time.Hour) + `"}`, want: 2 * time.Hour},
		"the JWT where it is null":                 {answer: `{"access_token":"` + expiring(2*time.Hour) + `","expires_in":null}`, want: 2 * time.Hour},
		"the JWT where a form leaves it empty":     {answer: `expires_in=&access_token=` + expiring(2*time.Hour), want: 2 * time.Hour},
		"a JWT of the next second":                 {answer: `{"access_token":"` + expiring(time.Second) + `"}`, want: time.Second},
		"a JWT of a fraction of a second":          {answer: `{"access_token":"` + jwt(fmt.Sprintf(`{"exp":%d.75}`, now.Unix()+60)) + `"}`, want: time.Minute},
		"a JWT with an exponent":                   {answer: `{"access_token":"` + jwt(`{"exp":1.7954281e9}`) + `"}`, want: 1795428100*time.Second - time.Duration(now.Unix())*time.Second},
		"the default for an opaque token":          {answer: `{"access_token":"tok"}`, want: time.Hour},
		"the default for a JWT without exp":        {answer: `{"access_token":"` + jwt(`{"sub":"app"}`) + `"}`, want: time.Hour},
		"the default for a JWT with a null exp":    {answer: `{"access_token":"` + jwt(`{"exp":null}`) + `"}`, want: time.Hour},
		"the default for an exp that is no number": {answer: `{"access_token":"` + jwt(`{"exp":"soon"}`) + `"}`, want: time.Hour},
		"zero":                              {answer: `{"access_token":"tok","expires_in":0}`, wrong: "expires_in gives the token a lifetime of less than a second"},
		"zero in a string":                  {answer: `{"access_token":"tok","expires_in":"0"}`, wrong: "expires_in gives the token a lifetime of less than a second"},
		"negative":                          {answer: `{"access_token":"tok","expires_in":-1}`, wrong: "expires_in gives the token a lifetime of less than a second"},
		"zero although the JWT lives":       {answer: `{"access_token":"` + expiring(time.Hour) + `","expires_in":0}`, wrong: "expires_in gives the token a lifetime of less than a second"},
		"milliseconds for seconds":          {answer: `{"access_token":"tok","expires_in":86400000}`, wrong: "expires_in gives the token a lifetime of more than 366 days"},
		"a time for a life":                 {answer: `{"access_token":"tok","expires_in":1795428100}`, wrong: "more than 366 days"},
		"more than 32 bits":                 {answer: `{"access_token":"tok","expires_in":4294967296}`, wrong: "more than 366 days"},
		"more than 64 bits":                 {answer: `{"access_token":"canary","expires_in":99999999999999999999}`, wrong: "not a whole number of seconds"},
		"a fraction":                        {answer: `{"access_token":"canary","expires_in":3600.5}`, wrong: "not a whole number of seconds"},
		"a fraction of nothing":             {answer: `{"access_token":"canary","expires_in":3600.0}`, wrong: "not a whole number of seconds"},
		"an exponent":                       {answer: `{"access_token":"canary","expires_in":3.6e3}`, wrong: "not a whole number of seconds"},
		"words":                             {answer: `{"access_token":"canary","expires_in":"canary"}`, wrong: "not a whole number of seconds"},
		"an empty string":                   {answer: `{"access_token":"canary","expires_in":""}`, wrong: "not a whole number of seconds"},
		"a duration":                        {answer: `{"access_token":"canary","expires_in":"1h"}`, wrong: "not a whole number of seconds"},
		"a list":                            {answer: `{"access_token":"canary","expires_in":[3600]}`, wrong: "not a whole number of seconds"},
		"a truth":                           {answer: `{"access_token":"canary","expires_in":true}`, wrong: "not a whole number of seconds"},
		"words in a form":                   {answer: `access_token=canary&expires_in=canary`, wrong: "expires_in is not a number"},
		"infinity in a form":                {answer: `access_token=canary&expires_in=inf`, wrong: "more than 366 days"},
		"no number in a form":               {answer: `access_token=canary&expires_in=nan`, wrong: "a lifetime of less than a second"},
		"a JWT that has expired":            {answer: `{"access_token":"` + expiring(-time.Minute) + `"}`, wrong: "the exp claim of the token gives the token a lifetime of less than a second"},
		"a JWT that expires in this second": {answer: `{"access_token":"` + expiring(0) + `"}`, wrong: "the exp claim of the token gives the token a lifetime of less than a second"},
		"a JWT in milliseconds":             {answer: `{"access_token":"` + jwt(`{"exp":1795428100000}`) + `"}`, wrong: "the exp claim of the token gives the token a lifetime of more than 366 days"},
		"a JWT of another age":              {answer: `{"access_token":"` + jwt(`{"exp":1e300}`) + `"}`, wrong: "more than 366 days"},
		"a JWT of the time before":          {answer: `{"access_token":"` + jwt(`{"exp":-1e300}`) + `"}`, wrong: "a lifetime of less than a second"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := "application/json"
			if !strings.HasPrefix(tc.answer, "{") {
				kind = "application/x-www-form-urlencoded"
			}
			tok, err := answered(t, kind, tc.answer)
			if tc.wrong != "" {
				wantFault(t, err, fault.Retryable, fault.ReasonLifetimeInvalid)
				wantMessage(t, err, tc.wrong)
				return
			}
			if err != nil {
				t.Fatalf("Token: %v", err)
			}
			if got := tok.ExpirationTime.Sub(tok.IssueTime); got != tc.want {
				t.Errorf("the token lives %s, want %s", got, tc.want)
			}
			if !tok.IssueTime.Equal(now.Truncate(time.Second)) {
				t.Errorf("the token was issued at %s, want %s", tok.IssueTime, now.Truncate(time.Second))
			}
		})
	}
}

// A difference of floating point numbers would fall short of the second in about half of these.
func TestJWTsExpireOnTheirSecond(t *testing.T) {
	t.Parallel()
	want := now.Add(time.Hour).Truncate(time.Second)
	for i := range 1000 {
		issued := now.Truncate(time.Second).Add(time.Duration(i) * 999_983)
		tok, err := validateToken(&oauth2.Token{AccessToken: jwt(fmt.Sprintf(`{"exp":%d}`, want.Unix()))}, nil, issued, time.Time{})
		if err != nil || !tok.ExpirationTime.Equal(want) {
			t.Fatalf("issued at %s the token expires at %s (%v), want %s", issued, tok.ExpirationTime, err, want)
		}
	}
}

// answered asks a provider that gives one answer of status 200.
func answered(t *testing.T, kind, body string) (Token, error) {
	t.Helper()
	p := newProvider(t, reply(200, kind, body))
	return issue(t, p.client(t), p.URL)
}

func TestTokenTypes(t *testing.T) {
	t.Parallel()
	for _, spelling := range []string{`"Bearer"`, `"bearer"`, `"BEARER"`, `""`, `null`} {
		tok, err := answered(t, "application/json", `{"access_token":"tok","token_type":`+spelling+`}`)
		if err != nil || tok.TokenType != "Bearer" {
			t.Errorf("token_type %s makes %q, %v", spelling, tok.TokenType, err)
		}
	}
	if tok, err := answered(t, "application/json", `{"access_token":"tok"}`); err != nil || tok.TokenType != "Bearer" {
		t.Errorf("no token_type makes %q, %v", tok.TokenType, err)
	}
}

func TestTokensThatAreSafe(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{
		"a b64token":                    "AZaz09-._~+/==",
		"visible characters":            `!"#$%&'()*,:;<>?@[]^{|}`,
		"one character":                 "x",
		"as long as a token may be":     strings.Repeat("x", maxToken),
		"a JWT":                         expiring(time.Hour),
		"what looks like a JWT, nearly": "a.b.c",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok, err := validateToken(&oauth2.Token{AccessToken: token}, nil, now, now)
			if err != nil || string(tok.AccessToken) != token {
				t.Errorf("refused: %v", err)
			}
		})
	}
	_, err := validateToken(&oauth2.Token{}, nil, now, now)
	wantFault(t, err, fault.Retryable, fault.ReasonTokenInvalid)
}

func TestGrantedScopes(t *testing.T) {
	t.Parallel()
	askedFor := []string{"core.aiservices.read"}
	tests := map[string]struct {
		scope string
		want  []string
	}{
		"fewer or others":             {`,"scope":"a b"`, []string{"a", "b"}},
		"one":                         {`,"scope":"a"`, []string{"a"}},
		"with spaces around":          {`,"scope":" a  b "`, []string{"a", "b"}},
		"those asked for, if unsaid":  {``, askedFor},
		"those asked for, if empty":   {`,"scope":""`, askedFor},
		"those asked for, if blank":   {`,"scope":"  "`, askedFor},
		"those asked for, if null":    {`,"scope":null`, askedFor},
		"those asked for, if a list":  {`,"scope":["a","b"]`, askedFor},
		"those asked for, if unsafe":  {`,"scope":"a\nb"`, askedFor},
		"those asked for, if foreign": {`,"scope":"ä"`, askedFor},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok, err := answered(t, "application/json", `{"access_token":"tok"`+tc.scope+`}`)
			if err != nil {
				t.Fatalf("Token: %v", err)
			}
			if diff := cmp.Diff(tc.want, tok.Scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJWTExpiry(t *testing.T) {
	t.Parallel()
	padded := func(payload string) string {
		return "e30." + base64.URLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	tests := map[string]struct {
		token string
		want  float64 // zero for none
	}{
		"a JWT":                        {jwt(`{"exp":1795428100}`), 1795428100},
		"a JWT without a signature":    {strings.TrimSuffix(jwt(`{"exp":1795428100}`), "c2lnbmF0dXJl"), 1795428100},
		"a JWT with padding":           {padded(`{"exp":1795428100,"a":1}`), 1795428100},
		"an opaque token":              {"tok", 0},
		"two parts":                    {"a.b", 0},
		"five parts, as encrypted":     {"a.b.c.d.e", 0},
		"a payload that is no base64":  {"a.!.c", 0},
		"a payload that is no JSON":    {"a." + base64.RawURLEncoding.EncodeToString([]byte("exp=5")) + ".c", 0},
		"a payload that is no object":  {jwt(`[5]`), 0},
		"an exp that is out of bounds": {jwt(`{"exp":1e400}`), 0},
		"nothing":                      {"", 0},
		"dots":                         {"..", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := jwtClaims(tc.token).Exp
			if (got != nil) != (tc.want != 0) || (got != nil && *got != tc.want) {
				t.Errorf("exp is %v, want %f", got, tc.want)
			}
		})
	}
}

func FuzzJWTClaims(f *testing.F) {
	for _, seed := range []string{
		"", "tok", "..", "a.b.c", "a.!.c", "a.b.c.d.e", expiring(time.Hour), expiring(-time.Hour), jwt(`{"exp":1e400}`),
		jwt(`{"exp":-1e300}`), jwt(`{"exp":9223372036854775807}`), jwt(`{"exp":null}`), jwt(`{"exp":{}}`), jwt(`[]`), "e30.e30=.e30",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, claim := range []*float64{jwtClaims(token).Exp, jwtClaims(token).Iat} {
			if claim != nil && (math.IsNaN(*claim) || math.IsInf(*claim, 0)) {
				t.Errorf("a claim of %q is %f", token, *claim)
			}
		}
		tok, err := validateToken(&oauth2.Token{AccessToken: token}, nil, now, now)
		if err != nil {
			if fault.Of(err) == nil {
				t.Errorf("the error for %q is not classified: %v", token, err)
			}
			return
		}
		if life := tok.ExpirationTime.Sub(tok.IssueTime); life <= 0 || life > MaxLifetime {
			t.Errorf("the token %q lives %s", token, life)
		}
	})
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, raw := range []any{true, []any{1.0}, map[string]any{}, "", "1h"} {
		if got, ok := number(raw); ok {
			t.Errorf("number(%v) = %f, want none", raw, got)
		}
	}
}
