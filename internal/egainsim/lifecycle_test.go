package egainsim_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestSecretsRotateWithAndWithoutOverlap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	statusWith := func(secret string) int {
		return w.post(t, w.Rigel().TokenURL(egainsim.Client), with(rigelForm(), "client_secret", secret)).status
	}
	g.Expect(w.AddSecret(egainsim.RigelClientID, "new")).To(gomega.Succeed())
	g.Expect(w.AddSecret(egainsim.RigelClientID, "new")).To(gomega.Succeed(), "adding it again changes nothing")
	g.Expect(statusWith(egainsim.RigelClientSecret)).To(gomega.Equal(http.StatusOK))
	g.Expect(statusWith("new")).To(gomega.Equal(http.StatusOK))

	token := w.rigelToken(t)
	g.Expect(w.RemoveSecret(egainsim.RigelClientID, egainsim.RigelClientSecret)).To(gomega.Succeed())
	g.Expect(statusWith(egainsim.RigelClientSecret)).To(gomega.Equal(http.StatusUnauthorized))
	g.Expect(statusWith("new")).To(gomega.Equal(http.StatusOK))
	g.Expect(w.Introspect(token).Active).To(gomega.BeTrue(), "a token outlives the secret that it was issued for")

	g.Expect(w.RemoveSecret(egainsim.RigelClientID, "new")).To(gomega.Succeed())
	g.Expect(statusWith("new")).To(gomega.Equal(http.StatusUnauthorized))

	g.Expect(w.RemoveSecret(egainsim.RigelClientID, "new")).NotTo(gomega.Succeed())
	g.Expect(w.RemoveSecret("nobody", "new")).NotTo(gomega.Succeed())
	g.Expect(w.AddSecret("nobody", "new")).NotTo(gomega.Succeed())
	g.Expect(w.AddSecret(egainsim.RigelClientID, "")).NotTo(gomega.Succeed())
}

func TestTenantsClientsAndSubjectsCanBeAddedAtRunTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	tenant, err := w.AddTenant(egainsim.TenantConfig{ID: "TMLATER", Platform: egainsim.Rigel})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(w.AddClient("TMLATER", egainsim.ClientApp{ID: "later", Secrets: []string{"word"}})).To(gomega.Succeed())
	g.Expect(w.AddSubject("TMLATER", egainsim.Subject{Actor: egainsim.User, Username: "agent.brown"})).To(gomega.Succeed())
	g.Expect(tenant.Subjects()).To(gomega.ConsistOf(gomega.HaveField("Username", "agent.brown")))
	g.Expect(w.Tenants()).To(gomega.HaveLen(3))
	g.Expect(w.Rigel().ID()).To(gomega.Equal(egainsim.RigelTenantID))

	r := w.post(t, tenant.TokenURL(egainsim.User), form("client_id", "later", "client_secret", "word",
		"grant_type", "password", "scope", "core.aiservices.onbehalfof.read", "subject_username", "agent.brown"))
	g.Expect(w.Introspect(r.token(t)).Subject).To(gomega.Equal("agent.brown"))

	g.Expect(w.AddClient("TMLATER", egainsim.ClientApp{ID: "later"})).NotTo(gomega.Succeed())
	g.Expect(w.AddClient("TMLATER", egainsim.ClientApp{})).NotTo(gomega.Succeed())
	g.Expect(w.AddClient("nobody", egainsim.ClientApp{ID: "x"})).NotTo(gomega.Succeed())
	g.Expect(w.AddSubject("nobody", egainsim.Subject{Actor: egainsim.User, Username: "x"})).NotTo(gomega.Succeed())
	g.Expect(w.AddSubject("TMLATER", egainsim.Subject{Actor: egainsim.Customer})).NotTo(gomega.Succeed())
	g.Expect(w.Tenant("nobody")).To(gomega.BeNil())
}

func TestRevokedTokensAreDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	g.Expect(w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{ID: "other", Secrets: []string{"word"}})).To(gomega.Succeed())
	target := w.Rigel().RevocationURL(egainsim.User)
	first, second, third := w.rigelToken(t), w.rigelToken(t), w.rigelToken(t)

	r := w.post(t, target, rigelCredentials("token", first, "token_type_hint", "access_token"))
	g.Expect(r.status).To(gomega.Equal(http.StatusOK))
	g.Expect(r.body).To(gomega.BeEmpty())
	g.Expect(w.Introspect(first).Active).To(gomega.BeFalse())
	g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, first).status).To(gomega.Equal(http.StatusUnauthorized))

	again := w.post(t, target, rigelCredentials("token", first))
	g.Expect(again.status).To(gomega.Equal(http.StatusOK), "a token that is not valid is revoked (RFC 7009 section 2.2)")

	stranger := w.post(t, target, form("token", second, "client_id", "other", "client_secret", "word"))
	g.Expect(stranger.errorCode()).To(gomega.Equal("unauthorized_client"))
	g.Expect(w.Introspect(second).Active).To(gomega.BeTrue())

	g.Expect(w.RevokeToken(second)).To(gomega.BeTrue())
	g.Expect(w.RevokeToken(second)).To(gomega.BeFalse())
	g.Expect(w.RevokeAll("other")).To(gomega.Equal(0))
	g.Expect(w.RevokeAll(egainsim.RigelClientID)).To(gomega.Equal(1))
	g.Expect(w.Introspect(third).Active).To(gomega.BeFalse())
}

func TestIntrospectionAnswersClientsOfTheTenantOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	token := w.rigelToken(t)
	r := w.post(t, w.Rigel().IntrospectionURL(egainsim.User), rigelCredentials("token", token))
	g.Expect(r.json).To(gomega.Equal(map[string]any{
		"active": true, "sub": egainsim.RigelClientID, "client_id": egainsim.RigelClientID,
		"scope": "knowledge.portalmgr.manage", "token_type": "Bearer", "tenant": egainsim.RigelTenantID,
		"iat": float64(start.Unix()), "exp": float64(start.Add(time.Hour).Unix()),
	}))
	foreign := w.post(t, w.Commercial().IntrospectionURL(egainsim.Client), commercialCredentials("token", token))
	g.Expect(foreign.json).To(gomega.Equal(map[string]any{"active": false}))
	w.clock.SetTime(start.Add(time.Hour))
	expired := w.post(t, w.Rigel().IntrospectionURL(egainsim.User), rigelCredentials("token", token))
	g.Expect(expired.json).To(gomega.Equal(map[string]any{"active": false}))
}

func TestRequestsAboutTokensAreHeldToTheSameRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, target := range []string{w.Rigel().RevocationURL(egainsim.User), w.Rigel().IntrospectionURL(egainsim.User)} {
		for name, tc := range map[string]struct {
			target     string
			form       url.Values
			wantStatus int
			wantCode   string
		}{
			"no token":              {target, rigelCredentials(), 400, "invalid_request"},
			"no client":             {target, form("token", "x"), 401, "invalid_client"},
			"a wrong secret":        {target, rigelCredentials("token", "x", "client_secret", "wrong"), 401, "invalid_client"},
			"another tenant's":      {target, commercialCredentials("token", "x"), 401, "invalid_client"},
			"a token in the query":  {target + "?token=x", rigelCredentials("token", "x"), 400, "invalid_request"},
			"a hint nobody knows":   {target, rigelCredentials("token", "x", "token_type_hint", "nonsense"), 200, ""},
			"a token nobody issued": {target, rigelCredentials("token", "x"), 200, ""},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := gomega.NewWithT(t)
				r := w.post(t, tc.target, tc.form)
				g.Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
				g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), string(r.body))
			})
		}
		gomega.NewWithT(t).Expect(w.get(t, target, "").status).To(gomega.Equal(http.StatusMethodNotAllowed))
	}
}

func TestExpiredTokensAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	w.rigelToken(t)
	w.clock.SetTime(start.Add(30 * time.Minute))
	w.rigelToken(t)
	g.Expect(w.Stats().ValidTokens).To(gomega.Equal(2))
	w.clock.SetTime(start.Add(time.Hour))
	g.Expect(w.Stats().ValidTokens).To(gomega.Equal(1))
}
