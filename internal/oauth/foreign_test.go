package oauth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForeignHosts(t *testing.T) {
	t.Parallel()
	info, elsewhere, deployed := golden(t, "deploymentinfo-americas"), golden(t, "metadata-elsewhere"), golden(t, "metadata-deployment")
	const b2c = "acmeint.b2clogin.com"
	users := ForeignHost{b2c, []Purpose{{UseTokenURL, []Actor{ActorUser}}, {UseLoginURL, []Actor{ActorUser}}}}
	away := strings.ReplaceAll(info, "api.egain.cloud", "api.other.example")
	domain := ForeignHost{"api.other.example", []Purpose{{Use: UseAPIDomain}}}
	console := `{"user": {"tokenURL": "https://login.other.example/token"}, "revocation_endpoint": "https://revoke.other.example/r", "apiDomain": "api.third.example"}`
	tests := map[string]struct {
		tenant    Tenant
		documents map[string]string
		want      []ForeignHost
	}{
		"documents of one site name none": {
			Tenant{URL: acme}, map[string]string{acmeInfo: info, americas: golden(t, "metadata-americas"), deployment: deployed}, nil,
		},
		"a host is named with all that it is for": {
			Tenant{URL: acme}, map[string]string{acmeInfo: info, americas: elsewhere, deployment: deployed}, []ForeignHost{users},
		},
		"a host that is trusted is not named": {
			Tenant{URL: acme, TrustedHosts: []string{"ACMEINT.b2clogin.com"}}, map[string]string{acmeInfo: info, americas: elsewhere, deployment: deployed}, nil,
		},
		"a host of URLs that the spec has is not named": {
			Tenant{URL: acme, Actors: map[Actor]ActorEndpoints{ActorUser: {TokenURL: commercialUser, AuthorizationURL: commercialUserLogin}}},
			map[string]string{acmeInfo: info, americas: elsewhere, deployment: deployed},
			nil,
		},
		"an API domain of another site is all that is known": {
			Tenant{URL: acme}, map[string]string{acmeInfo: away, "https://api.other.example" + metadataPath + "tenant/TMPRODC30000002": elsewhere}, []ForeignHost{domain},
		},
		"an API domain that is trusted passes on no trust, and anonymous customers trust it too": {
			Tenant{URL: acme, TrustedHosts: []string{"api.other.example"}},
			map[string]string{
				acmeInfo: away, "https://api.other.example" + metadataPath + "tenant/TMPRODC30000002": elsewhere,
				"https://api.other.example" + metadataPath + "deployment": strings.ReplaceAll(deployed, "login.egain.cloud", "login.other.example"),
			},
			[]ForeignHost{users, {"login.other.example", []Purpose{{UseTokenURL, []Actor{ActorAnonymousCustomer}}}}},
		},
		"an API URL in the spec makes the API domain no matter": {
			Tenant{URL: acme, APIURL: americasAPI}, map[string]string{acmeInfo: away, americas: golden(t, "metadata-americas"), deployment: deployed}, nil,
		},
		"a host that no spec can list is not named": {
			Tenant{URL: acme}, map[string]string{acmeInfo: info, americas: strings.ReplaceAll(elsewhere, b2c, "[2001:db8::1]"), deployment: deployed}, nil,
		},
		"the console's names, of which every actor uses the revocation and API URL": {
			Tenant{MetadataURL: "https://login.egain.cloud/m", ID: "T1"},
			map[string]string{"https://login.egain.cloud/m": console},
			[]ForeignHost{
				{"api.third.example", []Purpose{
					{UseTokenURL, []Actor{ActorOnBehalfOfUser}}, {UseAPIURL, []Actor{ActorUser, ActorOnBehalfOfUser}},
				}},
				{"login.other.example", []Purpose{{UseTokenURL, []Actor{ActorUser}}}},
				{"revoke.other.example", []Purpose{{UseRevocationURL, []Actor{ActorUser, ActorOnBehalfOfUser}}}},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{documents: tc.documents}
			d, _ := tc.tenant.Discover(t.Context(), s.read, actors...) // what was found until an error counts
			if diff := cmp.Diff(tc.want, tc.tenant.ForeignHosts(d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The hosts that a tenant is asked to trust are those that keep its actors from their endpoints.
func TestTrustingForeignHostsIsEnough(t *testing.T) {
	t.Parallel()
	tenant := Tenant{URL: acme}
	s := &shelf{documents: map[string]string{
		acmeInfo: golden(t, "deploymentinfo-americas"), americas: golden(t, "metadata-elsewhere"), deployment: golden(t, "metadata-deployment"),
	}}
	d, err := tenant.Discover(t.Context(), s.read, actors...)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range tenant.ForeignHosts(d) {
		tenant.TrustedHosts = append(tenant.TrustedHosts, h.Name)
	}
	for _, a := range actors {
		flow, subject := a.flow()
		if got := ActorOf(flow, subject); got != a {
			t.Errorf("the flow of actor %s is of actor %s", a, got)
		}
		if e, err := Resolve(tenant, d, flow, subject); err != nil || e.Unusable.First() != nil {
			t.Errorf("actor %s: %v, %v", a, err, e.Unusable.First())
		}
	}
}

func TestDiscoverReturnsWhatItFoundUntilAnError(t *testing.T) {
	t.Parallel()
	tenant := Tenant{URL: acme}
	s := &shelf{documents: map[string]string{acmeInfo: golden(t, "deploymentinfo-americas")}}
	got, err := tenant.Discover(t.Context(), s.read, actors...)
	want := Discovery{APIURL: americasAPI, TenantID: "TMPRODC30000002", DomainHint: "shop.egain.cloud"}
	if diff := cmp.Diff(want, got); err == nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}
