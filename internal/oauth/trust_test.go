package oauth

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// TestTrust_RefusesHostsThatAreNoNames guards against a host that is decoded, or resolved, as another one.
func TestTrust_RefusesHostsThatAreNoNames(t *testing.T) {
	t.Parallel()
	site := boundary{start: "https://acme.egain.cloud"}
	for raw, want := range map[string]bool{
		"https://login.egain.cloud/t":                              true,
		"https://LOGIN.egain.cloud/t":                              true,
		"https://login.egain.cloud./t":                             true,
		"https://%E2%85%BCogin.egain.cloud/t":                      false,
		"https://evil.com%EF%BC%8F.egain.cloud/t":                  false,
		"https://x%E2%93%A8.egain.cloud/t":                         false,
		"https://*.egain.cloud/t":                                  false,
		"https://a;b'!.egain.cloud/t":                              false,
		"https://-a.egain.cloud/t":                                 false,
		"https://%E2%84%AAnowledge.egain.cloud/t":                  false,
		"https://%EF%BC%91.egain.cloud/t":                          false,
		"https://\u212Anowledge.egain.cloud/t":                     false,
		"https://[fd00::1%25a.egain.cloud]/t":                      false,
		"https://0x7f.1/t":                                         false,
		"https://a..egain.cloud/t":                                 false,
		"https://" + strings.Repeat("a.", 150) + "egain.cloud/t":   false,
		"https://login.egain.cloud/" + strings.Repeat("a", maxURL): false,
		"https://login.egain.cloud.evil.com/t":                     false,
		"https://[2001:db8::1]/t":                                  false,
	} {
		err := site.check(raw, "a token URL", "acme.egain.cloud")
		if (err == nil) != want {
			t.Errorf("%.60s: %v", raw, err)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("a message of %d bytes", len(err.Error()))
		}
	}
}

func TestTrust_RentedNamesAreNoSite(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{
		"b2clogin.com", "B2CLogin.com", "b2clogin.com.", "b2clogin.de", "onmicrosoft.cn", "ciamlogin.cn", "auth0.com", "okta.mil", "kinde.com",
		"eastus.cloudapp.azure.com", "core.windows.net", "force.com", "azurewebsites.net", "github.io",
	} {
		if sameSite("a."+domain, "b."+domain) {
			t.Errorf("two names under %s are one site", domain)
		}
		if !sameSite("a."+domain, "A."+domain) {
			t.Errorf("a name under %s is not its own", domain)
		}
	}
}

func TestTrust_FindsPlaceholders(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"https://ai.egain.cloud/system/auth/TENANT_ID-U/oauth2/token":         true,
		"https://ai.egain.cloud/system/auth/TENANT-C/oauth2/token":            true,
		"https://ai.egain.cloud/system/auth/[TENANT_ID]-U/oauth2/token":       true,
		"https://ai.egain.cloud/system/auth/__TENANT_ID__-U/oauth2/token":     true,
		"https://login.egain.cloud/global/[GATEWAY_ID]/oauth2/v2.0/token":     true,
		"https://login.egain.cloud/global/%5BGATEWAY_ID%5D/oauth2/v2.0/token": true,
		"https://login.egain.cloud/global/$GATEWAY_ID/oauth2/v2.0/token":      true,
		"https://login.egain.cloud/global/(GATEWAY_ID)/oauth2/v2.0/token":     true,
		"https://login.egain.cloud/global/%25GATEWAY_ID%25/oauth2/v2.0/token": true,
		"https://login.egain.cloud/global/YOUR_GATEWAY_ID/oauth2/v2.0/token":  true,
		"https://login.egain.cloud/global/gatewayId/oauth2/v2.0/token":        true,
		"https://login.egain.cloud/:tenantId/oauth2/v2.0/token":               true,
		"https://login.egain.cloud/g/USER_SIGNIN_POLICY/oauth2/v2.0/token":    true,
		"https://login.egain.cloud/t?d=[DOMAIN_NAME]":                         true,
		"https://login.egain.cloud/t?d=%253CDOMAIN_NAME%253E":                 true,
		"https://LOGIN_DOMAIN/t": true,
		"https://login-domain/t": true,
		"https://api.egain.cloud/core/authmgr/v3/metadata/tenant/TM1":           false,
		"https://api.egain.cloud/t?user_type=customer&tenantId=TMPRODC30000002": false,
		"https://login.egain.cloud/0e1f/B2C_1A_User_V3_SignIn_OIDC/token":       false,
		"https://ai.egain.cloud/system/auth/TMPRODB20000001-U/oauth2/token":     false,
	} {
		if got := placeholderIn(raw); (got != "") != want {
			t.Errorf("%s: found %q", raw, got)
		}
	}
}

func TestDomainNameIsFilledInHoweverItIsEncoded(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"<DOMAIN_NAME>", "%3CDOMAIN_NAME%3E", "%3cDOMAIN_NAME%3e", "%3CDOMAIN_NAME%3e"} {
		if got := fillDomainName("d="+raw, "T$1"); got != "d=T$1" {
			t.Errorf("%s: %s", raw, got)
		}
	}
}

func TestScopes_HaveOneSpellingInARequest(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"api.egain.cloud/auth/", "https://api.egain.cloud/auth/"} {
		got := Endpoints{ScopePrefix: prefix}.WithPrefix([]string{
			"a.b", "https://api.egain.cloud/auth/a.b", "api.egain.cloud/auth/a.b", "https://other.example/x", "openid",
		})
		want := []string{prefix + "a.b", prefix + "a.b", prefix + "a.b", "https://other.example/x", "openid"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestPrefixesOfDocuments(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ said, id, want, words string }{
		"as it is":            {"https://api.egain.cloud/auth/", "T1", "https://api.egain.cloud/auth/", ""},
		"without its slash":   {"https://api.egain.cloud/auth", "T1", "https://api.egain.cloud/auth/", ""},
		"with the tenant":     {"https://<DOMAIN_NAME>int.onmicrosoft.com/", "T1", "https://T1int.onmicrosoft.com/", ""},
		"of an unknown id":    {"https://<DOMAIN_NAME>int.onmicrosoft.com/", "", "", "set spec.tenant.id"},
		"with a placeholder":  {"https://{tenant}int.onmicrosoft.com/", "T1", "", "placeholder"},
		"with another":        {"https://<API_DOMAIN>/auth/", "T1", "", "placeholder"},
		"with a space":        {"https://api.egain.cloud/a b/", "T1", "", "no scope may contain"},
		"longer than a scope": {"https://" + strings.Repeat("a", maxPrefix), "T1", "", "256 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := resolution{tenant: Tenant{ID: tc.id}, said: ActorMetadata{ScopePrefix: tc.said}, found: Discovery{MetadataURL: "https://api.egain.cloud/m"}}
			got, _, err := r.scopePrefix()
			if got != tc.want {
				t.Errorf("got %q", got)
			}
			if tc.words == "" {
				if err != nil {
					t.Error(err)
				}
			} else if f := fault.Of(err); f == nil || f.Reason != fault.ReasonEndpointInvalid || !strings.Contains(f.Message, tc.words) {
				t.Errorf("got %v, want %q", err, tc.words)
			}
		})
	}
	own := resolution{own: ActorEndpoints{ScopePrefix: "https://<API_DOMAIN>/auth/"}}
	if _, _, err := own.scopePrefix(); err == nil || !strings.Contains(err.Error(), "the spec has a scopePrefix with the placeholder") {
		t.Errorf("of the spec: %v", err)
	}
}

func TestResetDatesAsJavaPrintsThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"2026-11-30T12:01Z":                time.Minute,
		"2026-11-30T12:01+00:00":           time.Minute,
		"2026-11-30T12:01":                 time.Minute,
		"Mon Nov 30 12:00:30 UTC 2026":     30 * time.Second,
		"2026-11-30T12:00:30Z[UTC]":        30 * time.Second,
		"2026-11-30T12:00:30UTC":           30 * time.Second,
		`"2026-11-30T12:00:30Z"`:           30 * time.Second,
		"2026-11-30T12:00:30+00":           30 * time.Second,
		"Mon, 7 Dec 2026 12:00:30 GMT":     time.Hour,
		"Mon, 30 Nov 2026 12:00:30 +0000":  30 * time.Second,
		"Mon Nov 30 12:00:30 in the night": 0,
	} {
		resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}}
		resp.Header.Set("X-RateLimit-Reset", value)
		if got := RequestedWait(resp, now); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestDiscovery_TellsTenantsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	const document = "https://api.egain.cloud/core/authmgr/v3/metadata/tenant/TMPRODC30000002"
	for name, tc := range map[string]struct {
		tenant Tenant
		reason string
	}{
		"an id and the document of another":   {Tenant{ID: "T2", MetadataURL: document}, fault.ReasonTenantMismatch},
		"an id and its document":              {Tenant{ID: "TMPRODC30000002", MetadataURL: document}, ""},
		"a document alone":                    {Tenant{MetadataURL: document}, ""},
		"an id and the deployment's document": {Tenant{ID: "T2", MetadataURL: "https://api.egain.cloud/core/authmgr/v3/metadata/deployment"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.tenant.metadataPlace(&Discovery{})
			if f := fault.Of(err); (tc.reason == "") != (err == nil) || (f != nil && f.Reason != tc.reason) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := (Tenant{MetadataURL: document}).metadataPlace(&Discovery{TenantID: "T2"}); fault.Of(err) == nil {
		t.Error("the id that the address says does not count")
	}
}

// TestDiscovery_DoesWithoutAnAddressThatSaysNothingUsable has metadataURL decide where the document is.
func TestDiscovery_DoesWithoutAnAddressThatSaysNothingUsable(t *testing.T) {
	t.Parallel()
	document := &Document{Metadata: &Metadata{}}
	for name, tc := range map[string]struct {
		metadataURL string
		info        DeploymentInfo
		failure     error
		want        bool
	}{
		"no API domain":                 {"https://api.egain.cloud/m", DeploymentInfo{}, nil, true},
		"an API domain of another site": {"https://api.egain.cloud/m", DeploymentInfo{APIDomain: "evil.example"}, nil, true},
		"a page for people":             {"https://api.egain.cloud/m", DeploymentInfo{}, metadataInvalid("no JSON"), true},
		"down, so that it may say something else later": {
			"https://api.egain.cloud/m", DeploymentInfo{}, fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "down"), false,
		},
		"no API domain, and nothing else says where": {"", DeploymentInfo{}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := func(_ context.Context, at Place) (*Document, error) {
				if at.Kind == DeploymentInfoPlace("https://x.egain.cloud").Kind {
					return &Document{Deployment: &tc.info}, tc.failure
				}
				return document, nil
			}
			_, err := Tenant{URL: "https://acme.egain.cloud", MetadataURL: tc.metadataURL}.Discover(t.Context(), read, ActorUser)
			if (err == nil) != tc.want {
				t.Errorf("got %v", err)
			}
		})
	}
}
