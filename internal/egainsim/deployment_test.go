package egainsim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func newDeploymentWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, append(egainsim.DefaultTenants(), egainsim.DeploymentTenants()...)...)
}

func TestDiscoveryLeadsFromTheAddressToTheTokenURL(t *testing.T) {
	t.Parallel()
	w := newDeploymentWorld(t)
	for _, config := range egainsim.DeploymentTenants() {
		t.Run(config.ID, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			tenant := w.Tenant(config.ID)
			g.Expect(tenant.URL()).To(gomega.HavePrefix("https://localhost:"))
			g.Expect(tenant.URL()).NotTo(gomega.Equal(w.LoginURL()))
			info := w.get(t, tenant.DeploymentInfoURL(), "")
			g.Expect(info.status).To(gomega.Equal(http.StatusOK), string(info.body))
			domain, _ := info.json["apiDomain"].(string)
			g.Expect("https://" + strings.TrimPrefix(domain, "https://")).To(gomega.Equal(tenant.APIURL()))
			document := w.get(t, tenant.MetadataDocumentURL(), "")
			g.Expect(document.status).To(gomega.Equal(http.StatusOK), string(document.body))
			g.Expect(string(document.body)).To(gomega.ContainSubstring(`"accessTokenURL":"` + tenant.TokenURL(egainsim.User) + `"`))
		})
	}
}
