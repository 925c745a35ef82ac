package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func testSimulator(t *testing.T) *simulator {
	t.Helper()
	sim, err := egainsim.New(egainsim.Config{Tenants: append(egainsim.DefaultTenants(), deploymentTenant())})
	if err != nil {
		t.Fatal(err)
	}
	return &simulator{Simulator: &stage.Simulator{Description: sim.Describe()}}
}

func TestSamplesShowEveryFlowOnBothPlatforms(t *testing.T) {
	all, others, err := samples(testSimulator(t))
	if err != nil {
		t.Fatal(err)
	}
	shown, names := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		flow, _, _ := strings.Cut(s.manifest.Object["spec"].(map[string]any)["flow"].(string), " ")
		shown[flow+" "+string(s.platform)] = true
		if names[s.tenantID+"/"+s.countedID()] {
			t.Errorf("%s: the simulator could not tell its requests from another's", s)
		}
		names[s.tenantID+"/"+s.countedID()] = true
	}
	for _, flow := range []string{"ClientCredentials", "AnonymousCustomer", "OnBehalfOf", "TokenExchange", "AuthorizationCode"} {
		for _, platform := range []egainsim.Platform{egainsim.Rigel, egainsim.Commercial} {
			if !shown[flow+" "+string(platform)] {
				t.Errorf("no sample shows %s on %s", flow, platform)
			}
		}
	}
	if len(others) != 5 {
		t.Errorf("%d objects beside the samples, want three EgainTenants, a Secret and a ServiceAccount", len(others))
	}
}

func TestSamplesShowTenantsInlineAndShared(t *testing.T) {
	all, _, err := samples(testSimulator(t))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, s := range all {
		spec := s.manifest.Object["spec"].(map[string]any)
		for _, field := range []string{"tenant", "tenantRef"} {
			if _, ok := spec[field]; ok {
				shown[field+" "+string(s.platform)] = true
			}
		}
	}
	if len(shown) != 4 {
		t.Errorf("shown are %v, want both fields on both platforms", shown)
	}
}

func TestSomeSamplesKnowTheAddressOfTheirTenantAlone(t *testing.T) {
	all, others, err := samples(testSimulator(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range others {
		if spec, _ := other.Object["spec"].(map[string]any); other.GetName() == addressTenant {
			for field := range spec {
				if field != "url" && field != "caBundleRef" {
					t.Errorf("EgainTenant %s says more than its address: %s", addressTenant, field)
				}
			}
		}
	}
	var flows []string
	for _, s := range all {
		spec := s.manifest.Object["spec"].(map[string]any)
		ref, _ := spec["tenantRef"].(map[string]any)
		byAddress := ref["name"] == addressTenant
		if byAddress != (s.tenantID == egainsim.AmericasTenantID) {
			t.Errorf("%s: its application is at tenant %s", s, s.tenantID)
		}
		if byAddress {
			flows = append(flows, spec["flow"].(string))
		}
	}
	if diff := cmp.Diff([]string{"ClientCredentials", "AnonymousCustomer", "AuthorizationCode"}, flows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPeopleLogInAtApplicationsOfBothKindsOnBothPlatforms(t *testing.T) {
	all, _, err := samples(testSimulator(t))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[egainsim.Platform][]bool{}
	for _, s := range all {
		app := s.app()
		if (len(app.RedirectURIs) > 0) != (s.session.Name != "") || app.Public != (len(app.Secrets) == 0) {
			t.Errorf("%s has %+v", s, app)
		}
		if s.session.Name != "" {
			shown[s.platform] = append(shown[s.platform], app.Public)
		}
	}
	want := map[egainsim.Platform][]bool{egainsim.Rigel: {false, true}, egainsim.Commercial: {false, true, false}}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNamespacesOf(t *testing.T) {
	all, _, err := samples(testSimulator(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(namespacesOf(all), " "), "knowledge shop agents reports insights partners"; got != want {
		t.Errorf("namespaces %q, want %q", got, want)
	}
}

func TestTokenRequests(t *testing.T) {
	count := func(endpoint egainsim.Endpoint, tenant, client string, n int) egainsim.Count {
		return egainsim.Count{Labels: egainsim.Labels{Endpoint: endpoint, Tenant: tenant, ClientID: client}, Count: n}
	}
	stats := egainsim.Stats{Counts: []egainsim.Count{
		count(egainsim.TokenEndpoint, "T", "a", 1), count(egainsim.TokenEndpoint, "T", unknownID, 2),
		count(egainsim.TokenEndpoint, "U", "a", 4), count(egainsim.APIEndpoint, "T", "a", 8),
	}}
	for _, c := range []struct {
		tenant, client string
		want           int
	}{{"T", "a", 1}, {"T", unknownID, 2}, {"", "", 7}} {
		if got := tokenRequests(stats, c.tenant, c.client); got != c.want {
			t.Errorf("tokenRequests(%q, %q) = %d, want %d", c.tenant, c.client, got, c.want)
		}
	}
}

func TestIdentityProvider(t *testing.T) {
	p, err := newIdentityProvider(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.token(now)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := parsed.Claims(p.public.Keys[0], &claims); err != nil {
		t.Fatal(err)
	}
	expected := jwt.Expected{Issuer: providerIssuer, Subject: providerSubject, AnyAudience: jwt.Audience{providerAudience}, Time: now}
	if err := claims.ValidateWithLeeway(expected, 0); err != nil {
		t.Error(err)
	}
	if !p.public.Keys[0].IsPublic() {
		t.Error("the key that is published is private")
	}
}

func TestCall(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			http.Error(w, "expired", http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	w := &workload{dir: t.TempDir(), http: server.Client()}
	if _, err := w.call(t.Context()); err == nil {
		t.Error("a call without files")
	}
	for authorization, want := range map[string]int{"Bearer good": http.StatusOK, "Bearer bad": http.StatusUnauthorized} {
		err := w.mount(map[string][]byte{"request_url": []byte(server.URL), "authorization": []byte(authorization)})
		if err != nil {
			t.Fatal(err)
		}
		status, err := w.call(t.Context())
		if status != want || (err == nil) != (want == http.StatusOK) {
			t.Errorf("%s: %d, %v", authorization, status, err)
		}
		w.count(status, err)
	}
	if u := w.snapshot(); u.ok != 1 || u.failed != 1 || u.problem != "expired" {
		t.Errorf("usage %+v", u)
	}
}
