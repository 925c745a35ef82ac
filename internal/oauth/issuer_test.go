package oauth

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckIssuer(t *testing.T) {
	t.Parallel()
	const issuer, tokenURL = "https://login.egain.cloud/tfp/g/p/v2.0/", "https://login.egain.cloud/g/p/oauth2/v2.0/token"
	by := func(e Endpoints) func(*Endpoints) { return func(to *Endpoints) { *to = e } }
	documented := by(Endpoints{TokenURL: tokenURL, Source: SourceMetadata, Issuer: issuer})
	announced := by(Endpoints{TokenURL: tokenURL, Source: SourceMetadata, Issuer: issuer, AnswersNameIssuer: true})
	anonymous := by(Endpoints{TokenURL: tokenURL, Source: SourceMetadata, AnswersNameIssuer: true})
	explicit := by(Endpoints{TokenURL: tokenURL, Source: SourceSpec})
	elsewhere := by(Endpoints{TokenURL: "https://evil.example/token", Source: SourceSpec, Issuer: issuer})
	derived := by(Endpoints{TokenURL: "https://auth.egain.cloud/token", Source: SourceDerived, Issuer: issuer})
	type given = []string
	for name, tc := range map[string]struct {
		endpoints func(*Endpoints)
		iss       given
		known     bool
		refused   string
	}{
		"the issuer of the metadata":                    {documented, given{issuer}, true, ""},
		"the same, and the token URL is derived":        {derived, given{issuer}, true, ""},
		"none, and none is announced":                   {documented, nil, false, ""},
		"none, although it is announced":                {announced, nil, false, "although the metadata document says that each does"},
		"an announced one":                              {announced, given{issuer}, true, ""},
		"another":                                       {documented, given{"https://evil.example"}, false, "is of server https://evil.example, and the tenant's is " + issuer},
		"another policy of the same host":               {documented, given{"https://login.egain.cloud/tfp/g/other/v2.0/"}, false, "the tenant's is"},
		"another spelling: without the slash":           {documented, given{strings.TrimSuffix(issuer, "/")}, false, "the tenant's is"},
		"another spelling: upper case":                  {documented, given{"https://LOGIN.egain.cloud/tfp/g/p/v2.0/"}, false, "the tenant's is"},
		"another spelling: the port":                    {documented, given{"https://login.egain.cloud:443/tfp/g/p/v2.0/"}, false, "the tenant's is"},
		"an empty one":                                  {documented, given{""}, false, "the tenant's is"},
		"two, the same":                                 {documented, given{issuer, issuer}, false, "more than once"},
		"two, the right one first":                      {announced, given{issuer, "https://evil.example"}, false, "more than once"},
		"no issuer is known, the host of the token URL": {explicit, given{"https://login.egain.cloud"}, true, ""},
		"no issuer is known, its host in another case":  {explicit, given{"https://Login.Egain.Cloud/x"}, true, ""},
		"no issuer is known, another host":              {explicit, given{"https://evil.example"}, false, "is of server https://evil.example, and the token URL is on login.egain.cloud"},
		"no issuer is known, a host of the same site":   {explicit, given{"https://other.egain.cloud"}, false, "the token URL is on"},
		"no issuer is known, another port":              {explicit, given{"https://login.egain.cloud:8443"}, false, "the token URL is on"},
		"no issuer is known, not https":                 {explicit, given{"http://login.egain.cloud"}, false, "the token URL is on"},
		"no issuer is known, the host as user name":     {explicit, given{"https://login.egain.cloud@evil.example"}, false, "the token URL is on"},
		"no issuer is known, the host before a slash":   {explicit, given{`https://evil.example\@login.egain.cloud`}, false, "the token URL is on"},
		"no issuer is known, an empty one":              {explicit, given{""}, false, "the token URL is on"},
		"no issuer is known, none":                      {explicit, nil, false, ""},
		"a document without an issuer announces it":     {anonymous, nil, false, "although the metadata"},
		"the same, on the host of the token URL":        {anonymous, given{"https://login.egain.cloud/"}, true, ""},
		"a spec that takes the code to another host":    {elsewhere, given{issuer}, false, ""},
		"what a terminal would act on":                  {explicit, given{"https://\x1b[2Jevil\u202e"}, false, `"https://\x1b[2Jevil\u202e"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e Endpoints
			tc.endpoints(&e)
			known, err := e.CheckIssuer(tc.iss)
			if known != tc.known {
				t.Errorf("known: %t, want %t", known, tc.known)
			}
			if tc.refused == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if _, is := errors.AsType[*IssuerError](err); !is || !strings.Contains(err.Error(), tc.refused) {
				t.Errorf("got %v, want a refusal with %q", err, tc.refused)
			}
		})
	}
}

func TestADocumentAnnouncesTheIssuerOfAnswers(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		`true`: true, `false`: false, `null`: false, `"true"`: false, `1`: false, `[true]`: false,
	} {
		m, err := ParseMetadata([]byte(`{"token_endpoint":"https://ai.egain.cloud/t","authorization_response_iss_parameter_supported":`+value+`}`), selfServiceURL)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Resolve(Tenant{MetadataURL: selfServiceURL}, Discovery{Metadata: m, MetadataURL: selfServiceURL}, AuthorizationCode, Subject{Actor: ActorUser})
		if err != nil || e.AnswersNameIssuer != want {
			t.Errorf("%s: %t, %v; want %t", value, e.AnswersNameIssuer, err, want)
		}
	}
}
