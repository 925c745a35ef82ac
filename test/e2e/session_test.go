package e2e_test

import (
	"net/url"
	"testing"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// kills is how often the operator is killed in the life of a session, each time between two refreshes.
const kills = 3

// person is a user with a session.
type person struct {
	*suite
	name     string
	tenant   *egainsim.Tenant
	actor    egainv1alpha1.Actor
	app      egainsim.ClientApp
	login    egainsim.Login
	redirect string
	// secrets are those that came up, by what they are.
	secrets map[string]string
}

func TestASessionOutlivesOperatorsThatAreKilledBetweenRefreshes(t *testing.T) {
	s := newSuite(t)
	for name, p := range map[string]*person{
		"a user of a confidential application, self-service": {
			name: "agent", tenant: s.sim.Rigel(), actor: egainv1alpha1.ActorUser,
			app:   egainsim.ClientApp{ID: egainsim.RigelWebClientID, Secrets: []string{egainsim.RigelWebClientSecret}},
			login: egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true},
		},
		"a customer of a public application, commercial": {
			name: "customer", tenant: s.sim.Commercial(), actor: egainv1alpha1.ActorCustomer,
			app:   egainsim.ClientApp{ID: egainsim.CommercialPublicClientID},
			login: egainsim.Login{Username: "customer@example.com", Password: egainsim.SubjectPassword, Allow: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.Within(t)
			p.suite = s
			p.prepare()
			p.logIn()
			p.isRefreshed(1)
			for n := range kills {
				p.Kill()
				p.Run("renew", p.name, "--wait")
				p.isRefreshed(2 + n)
			}
			// What the last operator wrote serves too.
			p.Run("renew", p.name, "--wait")
			p.isRefreshed(2 + kills)
			p.PrintedNone(p.secrets)
		})
	}
}

// prepare makes all that a login needs.
func (p *person) prepare() {
	p.redirect = "http://" + testbed.FreeAddress(p.T) + "/callback"
	p.Expect(p.sim.AddRedirectURI(p.app.ID, p.redirect)).To(gomega.Succeed())
	credentials := map[string]string{"client_id": p.app.ID}
	p.secrets = map[string]string{egainsim.SubjectPassword: "the password"}
	for _, secret := range p.app.Secrets {
		credentials["client_secret"] = secret
		p.secrets[secret] = "the client secret"
	}
	p.Create(&corev1.Secret{ObjectMeta: testbed.Named(p.name + "-app"), StringData: credentials})
	ec := &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(p.name)}
	ec.Spec = egainv1alpha1.EgainClientSpec{
		Flow: egainv1alpha1.FlowAuthorizationCode,
		AuthorizationCode: &egainv1alpha1.AuthorizationCode{
			Actor: p.actor, RedirectURL: egainv1alpha1.RedirectURL(p.redirect),
			SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: egainv1alpha1.SecretName(p.session())},
		},
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{
				MetadataURL: egainv1alpha1.HTTPSURL(p.tenant.MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client)),
			},
			CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(p.name + "-app")},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.read"},
	}
	p.Create(ec)
}

func (p *person) session() string { return p.name + "-session" }

// logIn logs in with Chromium.
func (p *person) logIn() {
	arrived := p.LogIn(p.name, func(address string) (*url.URL, error) { return p.browser.LogIn(address, p.login) })
	p.Expect(arrived.String()).To(gomega.HavePrefix(p.redirect + "?"))
	p.secrets[arrived.Query().Get("code")] = "the authorization code"
}

// isRefreshed expects the session that the login began, refreshed so often, with tokens that are valid and that were not seen
// before.
func (p *person) isRefreshed(times int) {
	p.T.Helper()
	var own []egainsim.Session
	for _, session := range p.sim.Sessions() {
		if session.ClientID == p.app.ID {
			own = append(own, session)
		}
	}
	p.Expect(own).To(gomega.ConsistOf(gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
		"Subject": gomega.Equal(p.login.Username), "Refreshes": gomega.Equal(times), "End": gomega.BeEmpty(),
	})))
	p.isValid(p.Secret(p.session()).Data[session.KeyRefreshToken], "a refresh token")
	p.isValid(p.Secret(p.name).Data["access_token"], "an access token")
}

// isValid expects a token that was not seen before and that the server accepts. Of refresh tokens it accepts the last one only.
func (p *person) isValid(token []byte, what string) {
	p.T.Helper()
	p.Expect(p.sim.Introspect(string(token)).Active).To(gomega.BeTrue(), what)
	p.Expect(p.secrets).NotTo(gomega.HaveKey(string(token)), "%s came twice", what)
	p.secrets[string(token)] = what
}
