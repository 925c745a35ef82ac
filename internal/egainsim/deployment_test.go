package egainsim_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// newDeploymentWorld serves the tenants with eGain hosts of their own beside the default ones.
func newDeploymentWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, append(egainsim.DefaultTenants(), egainsim.DeploymentTenants()...)...)
}

// expand puts URLs in the place of their names: LOGIN, API and ELSEWHERE are the simulator's, HOST and TENANTAPI those of
// the tenant's deployment.
func (w *world) expand(tenant *egainsim.Tenant, text string) string {
	return strings.NewReplacer(
		"{LOGIN}", w.LoginURL(), "{ELSEWHERE}", strings.Replace(w.LoginURL(), "localhost", "127.0.0.2", 1),
		"{HOST}", tenant.URL(), "{TENANTAPI}", tenant.APIURL(), "{DOMAIN}", strings.TrimPrefix(tenant.APIURL(), "https://"),
	).Replace(text)
}

// jsonDiff compares a document with a text, after both are decoded.
func jsonDiff(t *testing.T, got []byte, want string) string {
	t.Helper()
	var gotten, wanted any
	if err := json.Unmarshal(got, &gotten); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	return cmp.Diff(gotten, wanted)
}

func TestDeploymentInfoHasEGainsShape(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	for id, members := range map[string]string{
		egainsim.SelfServiceAddressTenantID: `"apiDomain":"{TENANTAPI}","tenantId":"TMPRODB20000001","clientId":"selfservice-spa",
			"intClientId":"selfservice-spa","extClientId":"selfservice-spa","domainHint":"tmprodb20000001.egain.cloud",
			"tenant_identifier":"TMPRODB20000001"`,
		egainsim.AmericasTenantID: `"apiDomain":"{DOMAIN}","tenantId":"TMPRODC30000002","clientId":"americas-spa",
			"intClientId":"americas-spa","extClientId":"americas-spa","domainHint":"tmprodc30000002.egain.cloud",
			"tenant_identifier":"TMPRODC30000002"`,
		egainsim.EMEATenantID: `"apiDomain":"{DOMAIN}","tenantId":"TMPRODE40000003","clientId":"emea-spa",
			"intClientId":"emea-spa","extClientId":"emea-spa","domainHint":"tmprode40000003.egain.cloud",
			"tenant_identifier":"TMPRODE40000003"`,
		egainsim.ElsewhereTenantID: `"apiDomain":"{DOMAIN}","tenantId":"TMDEVD50000004","clientId":"elsewhere-spa",
			"intClientId":"elsewhere-spa","extClientId":"elsewhere-spa","domainHint":"tmdevd50000004.egain.cloud",
			"tenant_identifier":"TMDEVD50000004"`,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			tenant := w.Tenant(id)
			const unknown = `"buildNumber":21.7,"supportedLanguages":["en-us","de-de"],"maintenance":null,"features":{"tenantId":false}`
			r := w.get(t, w.expand(tenant, "{HOST}/system/deploymentInfo"), "")
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			g.Expect(jsonDiff(t, r.body, w.expand(tenant, "{"+members+","+unknown+"}"))).To(gomega.BeEmpty())
			g.Expect(tenant.DeploymentInfoURL()).To(gomega.Equal(w.expand(tenant, "{HOST}/system/deploymentInfo")))
		})
	}
}

func TestMetadataHaveEGainsShape(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	const (
		americas = "f51302dd-7036-41b5-b619-e1a52a67c780"
		emea     = "038c150c-eb26-453a-8e19-86a8611548a9"
		other    = "5c2e8d14-0000-4000-8000-000000000003"
	)
	commercialEntry := func(host, gateway, policy, query string) string {
		base := host + "/" + gateway + "/" + policy + "/oauth2/v2.0/"
		return `{"authURL":"` + base + "authorize" + query + `","accessTokenURL":"` + base + `token","grantTypes":null}`
	}
	users := func(host, gateway, query string) string {
		return `"oAuthUser":[` + commercialEntry(host, gateway, "B2C_1A_User_V3_SignIn_OIDC", query) +
			`,{"authURL":"{HOST}/unused","accessTokenURL":"{HOST}/unused"}],`
	}
	customers := func(gateway, query string) string {
		return `"oAuthCustomer":[` + commercialEntry("{LOGIN}", gateway, "B2C_1A_Customer_SignIn_OIDC", query) + `],`
	}
	const (
		commercialAnonymous = `"oAuthAnonymousCustomer":[{"accessTokenURL":` +
			`"{LOGIN}/internal/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=<DOMAIN_NAME>"}],`
		unknownDetails = `"oAuthPartner":[],"samlEnabled":false`
		unknown        = `"schemaVersion":3,"regions":[],"links":{"self":null}`
		policies       = `"idpPolicies":{"userSigninPolicy":"B2C_1A_User_V3_SignIn_OIDC",` +
			`"customerSigninPolicy":"B2C_1A_Customer_SignIn_OIDC","passwordResetPolicy":null},`
		rigelUser = `"oAuthUser":[{"authURL":"{LOGIN}/system/auth/TMPRODB20000001-U/oauth2/authorize%q",` +
			`"accessTokenURL":"{LOGIN}/system/auth/TMPRODB20000001-U/oauth2/token","grantTypes":null},` +
			`{"authURL":"{HOST}/unused","accessTokenURL":"{HOST}/unused"}],` +
			`"oAuthCustomer":[{"authURL":"{LOGIN}/system/auth/TMPRODB20000001-C/oauth2/authorize%q",` +
			`"accessTokenURL":"{LOGIN}/system/auth/TMPRODB20000001-C/oauth2/token","grantTypes":null}],` +
			`"oAuthAnonymousCustomer":[{"accessTokenURL":"{TENANTAPI}/core/authmgr/v3/oauth2/v2.0/anonymous/token` +
			`?user_type=customer&domain_hint=<DOMAIN_NAME>"}],`
	)
	rigel := func(query string) string { return strings.ReplaceAll(rigelUser, "%q", query) }
	prefixes := func(user, customer, client string) string {
		return `"apiMetadata":{"CORE":{"iApiPermissionPrefix":"` + user + `","eApiPermissionPrefix":"` + customer +
			`","apiPermissionPrefix":"` + client + `","apiVersions":["v3","v4"]},"CHAT":{"apiPermissionPrefix":0}},`
	}
	onePrefix := func(prefix string) string { return prefixes(prefix, prefix, prefix) }
	const (
		americasPrefix = "https://api.egain.cloud/auth/"
		emeaPrefix     = "https://api-emea.egain.cloud/auth/"
		clients        = `"oAuthClient":[{"accessTokenURL":"{LOGIN}/global/` + other + `/oauth2/v2.0/token"}],` +
			`"oAuthOnBehalfOfUser":[{"accessTokenURL":"{TENANTAPI}/core/authmgr/v4/oauth2/v2.0/onbehalfof/token` +
			`?user_type=user&tenantId=TMDEVD50000004"}],` +
			`"oAuthOnBehalfOfCustomer":[{"accessTokenURL":"{TENANTAPI}/core/authmgr/v4/oauth2/v2.0/onbehalfof/token` +
			`?user_type=customer&tenantId=TMDEVD50000004"}],`
		anonymousAmericas = `"apiPermissionPrefix":"` + americasPrefix + `",`
		anonymousEMEA     = `"apiPermissionPrefix":"` + emeaPrefix + `",`
		hintC             = "?domain_hint=tmprodc30000002.egain.cloud"
		hintE             = "?domain_hint=tmprode40000003.egain.cloud"
		hintD             = "?domain_hint=tmdevd50000004.egain.cloud"
	)
	elsewherePrefixes := prefixes("https://acmeint.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000001/",
		"https://acmeext.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000002/", americasPrefix)
	for name, tc := range map[string]struct {
		tenant, path, details, rest string
	}{
		"the tenant's, self-service": {
			egainsim.SelfServiceAddressTenantID, "tenant/TMPRODB20000001", rigel(""), "",
		},
		"the deployment's, self-service": {
			egainsim.SelfServiceAddressTenantID, "deployment", rigel("?domain_hint=tmprodb20000001.egain.cloud"), "",
		},
		"the tenant's, in the Americas": {
			egainsim.AmericasTenantID, "tenant/TMPRODC30000002",
			users("{LOGIN}", americas, "") + customers(americas, "") + anonymousAmericas, onePrefix(americasPrefix) + policies,
		},
		"the deployment's, in the Americas": {
			egainsim.AmericasTenantID, "deployment",
			users("{LOGIN}", americas, hintC) + customers(americas, hintC) + commercialAnonymous + anonymousAmericas,
			onePrefix(americasPrefix) + policies,
		},
		"the tenant's, in EMEA": {
			egainsim.EMEATenantID, "tenant/TMPRODE40000003",
			users("{LOGIN}", emea, "") + customers(emea, "") + commercialAnonymous + anonymousEMEA,
			onePrefix(emeaPrefix) + policies,
		},
		"the deployment's, in EMEA": {
			egainsim.EMEATenantID, "deployment",
			users("{LOGIN}", emea, hintE) + customers(emea, hintE) + commercialAnonymous + anonymousEMEA,
			onePrefix(emeaPrefix) + policies,
		},
		"the tenant's, with users elsewhere": {
			egainsim.ElsewhereTenantID, "tenant/TMDEVD50000004",
			users("{ELSEWHERE}", other, "") + customers(other, "") + clients + anonymousAmericas, elsewherePrefixes + policies,
		},
		"the deployment's, with users elsewhere": {
			egainsim.ElsewhereTenantID, "deployment",
			users("{ELSEWHERE}", other, hintD) + customers(other, hintD) + commercialAnonymous + anonymousAmericas,
			elsewherePrefixes + policies,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			tenant := w.Tenant(tc.tenant)
			location := w.expand(tenant, "{TENANTAPI}/core/authmgr/v3/metadata/"+tc.path)
			r := w.get(t, location, "")
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			want := `{"authenticationDetails":{` + tc.details + unknownDetails + `},` + tc.rest + unknown + `}`
			g.Expect(jsonDiff(t, r.body, w.expand(tenant, want))).To(gomega.BeEmpty())
			g.Expect([]string{tenant.MetadataDocumentURL(), tenant.DeploymentMetadataURL()}).To(gomega.ContainElement(location))
			g.Expect(w.do(t, newRequest(t, http.MethodHead, location, "")).status).To(gomega.Equal(http.StatusOK))
			g.Expect(w.post(t, location, form("x", "y")).status).To(gomega.Equal(http.StatusMethodNotAllowed))
		})
	}
}

func TestADeploymentServesItsOwnTenantOnly(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	tenant, other := w.Tenant(egainsim.EMEATenantID), w.Tenant(egainsim.AmericasTenantID)
	for name, target := range map[string]string{
		"another tenant's document":     tenant.APIURL() + "/core/authmgr/v3/metadata/tenant/" + other.ID(),
		"a default tenant's document":   tenant.APIURL() + "/core/authmgr/v3/metadata/tenant/" + egainsim.CommercialTenantID,
		"a document of no tenant":       tenant.APIURL() + "/core/authmgr/v3/metadata/tenant/",
		"a document at the address":     tenant.URL() + "/core/authmgr/v3/metadata/tenant/" + tenant.ID(),
		"the info at the API":           tenant.APIURL() + "/system/deploymentInfo",
		"the info at the main port":     w.LoginURL() + "/system/deploymentInfo",
		"a document at the main port":   w.APIURL() + "/core/authmgr/v3/metadata/tenant/" + tenant.ID(),
		"the API at the address":        tenant.URL() + egainsim.PortalsPath,
		"a login at the address":        strings.Replace(tenant.AuthorizationURL(egainsim.User), w.LoginURL(), tenant.URL(), 1),
		"administration at the address": tenant.URL() + "/_sim/stats",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gomega.NewWithT(t).Expect(w.get(t, target, w.AdminToken()).status).To(gomega.Equal(http.StatusNotFound))
		})
	}
}

func TestDiscoveryCanMisbehaveStepByStep(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	g := gomega.NewWithT(t)
	tenant := w.Tenant(egainsim.EMEATenantID)
	w.SetFault(egainsim.Match{Endpoint: egainsim.DeploymentInfoEndpoint, Tenant: tenant.ID()}, egainsim.Fault{Status: 503})
	g.Expect(w.get(t, tenant.DeploymentInfoURL(), "").status).To(gomega.Equal(http.StatusServiceUnavailable))
	g.Expect(w.get(t, w.Tenant(egainsim.AmericasTenantID).DeploymentInfoURL(), "").status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.get(t, tenant.MetadataDocumentURL(), "").status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.Count(egainsim.Match{Endpoint: egainsim.MetadataEndpoint, Tenant: tenant.ID()}, egainsim.OutcomeOK)).To(gomega.Equal(1))
}

func TestWithoutADeploymentATenantHasNoAddress(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	g := gomega.NewWithT(t)
	for _, tenant := range []*egainsim.Tenant{w.Rigel(), w.Commercial()} {
		g.Expect([]string{
			tenant.URL(), tenant.DeploymentInfoURL(), tenant.MetadataDocumentURL(), tenant.DeploymentMetadataURL(), tenant.DomainHint(),
		}).To(gomega.HaveEach(gomega.BeEmpty()))
		g.Expect(tenant.APIURL()).To(gomega.Equal(w.APIURL()))
	}
}

func TestTheDefaultTenantsComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, append(egainsim.DeploymentTenants(), egainsim.DefaultTenants()...)...)
	g := gomega.NewWithT(t)
	g.Expect(w.Rigel().ID()).To(gomega.Equal(egainsim.RigelTenantID))
	g.Expect(w.Commercial().ID()).To(gomega.Equal(egainsim.CommercialTenantID))
	unhinted := w.post(t, w.LoginURL()+"/internal/oauth2/v2.0/anonymous/token?user_type=customer", form(
		"grant_type", "client_credentials", "scope", "x", "client_id", "x", "client_secret", "y"))
	g.Expect(unhinted.errorCode()).To(gomega.Equal("invalid_client"), "the only tenant without a deployment is meant")

	alone := newWorld(t, egainsim.DeploymentTenants()...)
	g.Expect(alone.Rigel().ID()).To(gomega.Equal(egainsim.SelfServiceAddressTenantID))
	g.Expect(alone.Commercial().ID()).To(gomega.Equal(egainsim.AmericasTenantID))
}

func TestUsersWhoLogInElsewhereDoSoThereOnly(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	g := gomega.NewWithT(t)
	tenant := w.Tenant(egainsim.ElsewhereTenantID)
	elsewhere := strings.Replace(w.LoginURL(), "localhost", egainsim.ElsewhereHost, 1)
	for _, location := range []string{
		tenant.TokenURL(egainsim.User), tenant.AuthorizationURL(egainsim.User), tenant.Issuer(egainsim.User),
		tenant.RevocationURL(egainsim.User), tenant.JWKSURL(egainsim.User),
		tenant.MetadataURL(egainsim.OpenIDMetadata, egainsim.User), tenant.MetadataURL(egainsim.OAuthMetadata, egainsim.User),
	} {
		g.Expect(location).To(gomega.HavePrefix(elsewhere + "/"))
	}
	for _, actor := range []egainsim.Actor{egainsim.Customer, egainsim.Client} {
		g.Expect(tenant.TokenURL(actor)).To(gomega.HavePrefix(w.LoginURL() + "/"))
		misplaced := strings.Replace(tenant.TokenURL(actor), w.LoginURL(), elsewhere, 1)
		g.Expect(w.post(t, misplaced, form("x", "y")).status).To(gomega.Equal(http.StatusNotFound))
	}
	for _, location := range []string{tenant.TokenURL(egainsim.User), tenant.JWKSURL(egainsim.User)} {
		g.Expect(w.get(t, location, "").status).NotTo(gomega.Equal(http.StatusNotFound))
		misplaced := strings.Replace(location, elsewhere, w.LoginURL(), 1)
		g.Expect(w.get(t, misplaced, "").status).To(gomega.Equal(http.StatusNotFound))
	}
}

func TestWithoutSuchUsersThatHostIsNotServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, egainsim.DeploymentTenants()[:3]...)
	_, err := w.try(newRequest(t, http.MethodGet, strings.Replace(w.LoginURL(), "localhost", egainsim.ElsewhereHost, 1), ""))
	gomega.NewWithT(t).Expect(err).To(gomega.HaveOccurred())
}

func TestDeploymentsKeepTheirPortsAcrossARestart(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newDeploymentWorld(t)
	urls := func() []string {
		all := []string{w.LoginURL()}
		for _, tenant := range w.Tenants() {
			all = append(all, tenant.URL(), tenant.APIURL(), tenant.TokenURL(egainsim.User))
		}
		return all
	}
	before := urls()
	tenant := w.Tenant(egainsim.ElsewhereTenantID)
	g.Expect(w.Close()).To(gomega.Succeed())
	for _, location := range []string{tenant.DeploymentInfoURL(), tenant.JWKSURL(egainsim.User)} {
		_, err := w.try(newRequest(t, http.MethodGet, location, ""))
		g.Expect(err).To(gomega.HaveOccurred())
	}

	g.Expect(w.Start(strings.TrimPrefix(w.APIURL(), "https://"))).To(gomega.Succeed())
	g.Expect(urls()).To(gomega.Equal(before))
	for _, location := range []string{tenant.DeploymentInfoURL(), tenant.JWKSURL(egainsim.User)} {
		g.Expect(w.get(t, location, "").status).To(gomega.Equal(http.StatusOK))
	}
}

func TestTheMainPortIsFreeAtBothHosts(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newDeploymentWorld(t)
	g.Expect(w.Close()).To(gomega.Succeed())
	main, err := url.Parse(w.LoginURL())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", net.JoinHostPort(egainsim.ElsewhereHost, main.Port()))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = taken.Close() })

	g.Expect(w.Start("127.0.0.1:" + main.Port())).To(gomega.MatchError(gomega.ContainSubstring("address already in use")))
	again, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", main.Host)
	g.Expect(err).NotTo(gomega.HaveOccurred(), "nothing of the attempt is left")
	g.Expect(again.Close()).To(gomega.Succeed())
	g.Expect(w.Start("127.0.0.1:0")).To(gomega.Succeed())
	g.Expect(w.get(t, w.Tenant(egainsim.ElsewhereTenantID).JWKSURL(egainsim.User), "").status).To(gomega.Equal(http.StatusOK))
}

func TestATenantThatIsAddedLaterHasItsHostAtOnce(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	admin := newAdmin(t, w)
	for _, config := range egainsim.DeploymentTenants() {
		described, err := admin.AddTenant(t.Context(), config)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		tenant := w.Tenant(config.ID)
		g.Expect(described.URL).To(gomega.Equal(tenant.URL()))
		g.Expect(w.get(t, described.DeploymentInfoURL, "").status).To(gomega.Equal(http.StatusOK))
		g.Expect(w.get(t, tenant.JWKSURL(egainsim.User), "").status).To(gomega.Equal(http.StatusOK))
		_, err = w.AddTenant(config)
		g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("exists already")))
	}
}

func TestABareHandlerSeparatesItsDeployments(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	sim, err := egainsim.New(egainsim.Config{Tenants: append(egainsim.DefaultTenants(), egainsim.DeploymentTenants()...)})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	get := func(target string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		sim.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody))
		return answer
	}
	for i, config := range egainsim.DeploymentTenants() {
		tenant := sim.Tenant(config.ID)
		g.Expect(tenant.URL()).To(gomega.Equal("https://localhost:" + []string{"1", "2", "3", "4"}[i]))
		info := get(tenant.DeploymentInfoURL())
		g.Expect(info.Code).To(gomega.Equal(http.StatusOK))
		g.Expect(info.Body.String()).To(gomega.ContainSubstring(config.ID))
		g.Expect(get(tenant.MetadataDocumentURL()).Code).To(gomega.Equal(http.StatusOK))
	}
	g.Expect(get(sim.Tenant(egainsim.ElsewhereTenantID).JWKSURL(egainsim.User)).Code).To(gomega.Equal(http.StatusOK))
}

func TestADescriptionHasTheAddressesOfDeployments(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newDeploymentWorld(t)
	described := w.Describe().Tenants
	i := slices.IndexFunc(described, func(d egainsim.TenantDescription) bool { return d.ID == egainsim.ElsewhereTenantID })
	tenant := w.Tenant(egainsim.ElsewhereTenantID)
	encoded, err := json.Marshal(described[i])
	g.Expect(err).NotTo(gomega.HaveOccurred())
	var read map[string]any
	g.Expect(json.Unmarshal(encoded, &read)).To(gomega.Succeed())
	g.Expect(read).To(gomega.And(
		gomega.HaveKeyWithValue("url", tenant.URL()), gomega.HaveKeyWithValue("apiURL", tenant.APIURL()),
		gomega.HaveKeyWithValue("domainHint", tenant.DomainHint()),
		gomega.HaveKeyWithValue("deploymentInfoURL", tenant.DeploymentInfoURL()),
		gomega.HaveKeyWithValue("metadataDocumentURL", tenant.MetadataDocumentURL()),
		gomega.HaveKeyWithValue("deploymentMetadataURL", tenant.DeploymentMetadataURL()),
		gomega.HaveKeyWithValue("deployment", map[string]any{"usersElsewhere": true, "listsClients": true}),
		gomega.HaveKeyWithValue("prefixes", map[string]any{
			"user":     "https://acmeint.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000001/",
			"customer": "https://acmeext.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000002/",
			"client":   "https://api.egain.cloud/auth/",
		})))
	g.Expect(described[0].APIURL).To(gomega.Equal(w.APIURL()))
	g.Expect(described[0].URL).To(gomega.BeEmpty())
}
