package command

import (
	"testing"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestLoginWithoutARefreshTokenAsksForConsent(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	tenant, err := s.sim.AddTenant(egainsim.TenantConfig{
		ID: "TMPRODB00000001", Platform: egainsim.Rigel, Subjects: egainsim.DefaultSubjects(),
		Scopes:  append(egainsim.DefaultScopes(), egainsim.Scope{Name: "offline_access", Kind: egainsim.DelegatedScope}),
		Clients: []egainsim.ClientApp{{ID: "app", Public: true, RefreshTokens: egainsim.NoRefreshTokens}},
	})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.app("app", "")
	s.egainClient("mine", withSession(s.freeRedirectURL("127.0.0.1", "app")), func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(tenant.MetadataURL(egainsim.OAuthMetadata, egainsim.User))
		ec.Spec.Scopes = append(ec.Spec.Scopes, "offline_access")
	})
	s.browse = func(target string) { s.follow(s.answer(target, agent)) }
	r := s.run("login", "mine", "--yes", "--wait=false")
	s.Expect(r.code).To(gomega.Equal(1), r.stderr)
	s.Expect(r.stderr).To(gomega.And(
		gomega.ContainSubstring("issued no refresh token"), gomega.ContainSubstring("prompt=consent (spec.authorizationCode.parameters: {prompt: consent})")))
	s.Expect(s.secret("mine-session")).To(gomega.BeNil())
	s.Expect(refreshAdvice([]string{"core.aiservices.use"})).NotTo(gomega.ContainSubstring("consent"))
}
