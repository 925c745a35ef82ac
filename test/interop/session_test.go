package interop_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/test/browser"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// kills is how often the operator is killed between two refreshes of a session.
const kills = 2

// redirectURL is where logins arrive.
func redirectURL(t *testing.T) string {
	t.Helper()
	return "http://" + testbed.FreeAddress(t) + "/callback"
}

// byLogin makes an EgainClient one of flow AuthorizationCode, whose session is in a Secret of its name. Its tokens are revoked
// when it is deleted.
func byLogin(name, redirect string, scopes ...egainv1alpha1.Scope) func(*egainv1alpha1.EgainClientSpec) {
	return func(spec *egainv1alpha1.EgainClientSpec) {
		spec.Flow, spec.Scopes, spec.RevokeOnDelete = egainv1alpha1.FlowAuthorizationCode, scopes, new(true)
		spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{
			RedirectURL:      egainv1alpha1.RedirectURL(redirect),
			SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: sessionName(name)},
			Parameters:       map[string]egainv1alpha1.ParameterValue{"prompt": "consent"},
		}
	}
}

func sessionName(name string) egainv1alpha1.SecretName {
	return egainv1alpha1.SecretName(name + "-session")
}

// refreshToken is the one in the session Secret; empty if there is none.
func (c *subject) refreshToken() string {
	c.T.Helper()
	return string(c.Secret(string(sessionName(c.name))).Data[session.KeyRefreshToken])
}

// logIn logs in with the plugin and Chromium, and waits for the token.
func (c *subject) logIn(pages []browser.Page) {
	c.T.Helper()
	arrived := c.LogIn(c.name, func(address string) (*url.URL, error) { return c.server.logsIn(c.T, address, pages) })
	c.seen[arrived.Query().Get("code")] = "the authorization code"
	testbed.AwaitReady(c.T, c.Admin, c.ec)
	c.isNew(c.token(), "an access token")
	c.seen[c.refreshToken()] = "a refresh token"
}

// lives goes through the life of a session: logins, refreshes by operators that are killed, and its ends.
func (c *subject) lives(password string, pages ...browser.Page) {
	c.T.Helper()
	c.seen[password] = "the password"
	c.logIn(pages)
	for range kills {
		before := c.refreshToken()
		c.Kill()
		c.renew()
		rotated := c.refreshToken() != before // not compared by gomega, which would show the tokens
		c.Expect(rotated).To(gomega.BeTrue(), "the refresh token is another one")
		c.seen[c.refreshToken()] = "a refresh token"
	}
	c.outlivesARequest()
	c.outlivesAWrite()
	c.revoked()
	c.endsAtTheServer()
	c.logIn(pages)
	c.endsByThePlugin()
	c.logIn(pages)
	last := c.refreshToken()
	c.deleted()
	c.Expect(c.server.refreshes(c.T, c.app, last)).To(gomega.BeFalse())
	c.PrintedNone(c.seen)
}

// outlivesARequest kills the operator after it sent a refresh, which does not reach the server.
func (c *subject) outlivesARequest() {
	c.T.Helper()
	before := c.token()
	held := c.server.hold()
	c.Run("renew", c.name)
	c.Eventually(held).WithTimeout(patience).Should(gomega.BeClosed())
	c.Kill()
	c.awaitAfter(before)
}

// outlivesAWrite kills the operator as soon as the next refresh token is written. The access token of the same answer may be lost.
func (c *subject) outlivesAWrite() {
	c.T.Helper()
	before, token := c.refreshToken(), c.token()
	c.Run("renew", c.name)
	c.Eventually(c.refreshToken).WithTimeout(patience).WithPolling(pollingInterval).ShouldNot(gomega.Equal(before))
	c.Kill()
	c.awaitAfter(token)
	c.renew()
	c.seen[c.refreshToken()] = "a refresh token"
}

// endsAtTheServer revokes the refresh token without the operator, which then asks for a login.
func (c *subject) endsAtTheServer() {
	c.T.Helper()
	form := url.Values{"token": {c.refreshToken()}}
	c.Expect(c.server.post(c.T, c.server.metadata.Revocation, c.app, form, nil)).To(gomega.Equal(http.StatusOK))
	c.Run("renew", c.name)
	c.awaitReason(egainv1alpha1.ReasonReauthorizationRequired)
}

// endsByThePlugin has the plugin end the session.
func (c *subject) endsByThePlugin() {
	c.T.Helper()
	refresh, access := c.refreshToken(), c.token()
	c.Run("revoke", c.name, "--session", "--yes")
	c.Expect(c.server.active(c.T, c.app, access)).To(gomega.BeFalse())
	c.Expect(c.refreshToken()).To(gomega.BeEmpty())
	c.Expect(c.server.refreshes(c.T, c.app, refresh)).To(gomega.BeFalse())
}
