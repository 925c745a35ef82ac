// Package interop_test runs the operator and the plugin at an OAuth server of others, the example server of
// github.com/zitadel/oidc. It has a real control plane, and a real Chromium for logins. What is eGain's own, on-behalf-of and
// registration_id, is not tested here.
package interop_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 90 * time.Second
	// pollingInterval is for what lasts a moment only.
	pollingInterval = time.Millisecond
)

// world is a cluster with the operator, and a server that it requests tokens from.
type world struct {
	*testbed.Installation
	server *server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{Installation: testbed.Install(t, "../..")}
}

// at makes a server the one that tokens come from.
func (w *world) at(s *server) {
	w.server = s
	w.Create(&corev1.ConfigMap{ObjectMeta: testbed.Named("ca"), Data: map[string]string{"ca.crt": string(s.caBundle())}})
}

// subject is an EgainClient of an application at the server.
type subject struct {
	*world
	name string
	app  application
	ec   *egainv1alpha1.EgainClient
	// seen are the tokens that the operator wrote, by what they are, and other secrets.
	seen map[string]string
}

// client creates an EgainClient with the credentials of an application.
func (w *world) client(name string, app application, change func(*egainv1alpha1.EgainClientSpec)) *subject {
	w.T.Helper()
	credentials := map[string]string{"client_id": app.id}
	c := &subject{world: w, name: name, app: app, seen: map[string]string{}}
	if app.secret != "" {
		credentials["client_secret"] = app.secret
		c.seen[app.secret] = "the client secret"
	}
	w.Create(&corev1.Secret{ObjectMeta: testbed.Named(name + "-app"), StringData: credentials})
	c.ec = &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(name), Spec: egainv1alpha1.EgainClientSpec{
		Tenant: egainv1alpha1.Tenant{
			TenantLocation: egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(w.server.metadataURL())},
			CABundleRef:    &egainv1alpha1.CABundleReference{Name: "ca"},
		},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(name + "-app")},
		Scopes:               []egainv1alpha1.Scope{"openid"},
	}}
	if change != nil {
		change(&c.ec.Spec)
	}
	w.Create(c.ec)
	return c
}

// token is the access token in the target.
func (c *subject) token() string {
	c.T.Helper()
	return string(c.Secret(c.name).Data[target.KeyAccessToken])
}

// isNew expects a token that the operator did not write before, and that the server says is active.
func (c *subject) isNew(token, what string) {
	c.T.Helper()
	c.Expect(token).NotTo(gomega.BeEmpty(), what)
	c.Expect(c.seen).NotTo(gomega.HaveKey(token), "%s came twice", what)
	c.Expect(c.server.active(c.T, c.app, token)).To(gomega.BeTrue(), what)
	c.seen[token] = what
}

// renews has the token renewed by the plugin, and by an operator that replaces one that was killed.
func (c *subject) renews() {
	c.T.Helper()
	testbed.AwaitReady(c.T, c.Admin, c.ec)
	c.isNew(c.token(), "an access token")
	c.renew()
	before := c.Secret(c.name)
	c.Kill()
	c.renew()
	c.Expect(c.Secret(c.name).UID).To(gomega.Equal(before.UID))
}

// renew has the token renewed.
func (c *subject) renew() {
	c.T.Helper()
	c.Run("renew", c.name, "--wait")
	c.isNew(c.token(), "an access token")
}

// revoked has the plugin revoke the token, and waits for the next one.
func (c *subject) revoked() {
	c.T.Helper()
	before := c.token()
	c.Run("revoke", c.name, "--yes")
	c.Expect(c.server.active(c.T, c.app, before)).To(gomega.BeFalse())
	c.awaitAfter(before)
}

// awaitAfter waits for the token after another.
func (c *subject) awaitAfter(before string) {
	c.T.Helper()
	c.Eventually(c.token).WithTimeout(patience).ShouldNot(gomega.Equal(before), "%s", c.Printed())
	c.isNew(c.token(), "an access token")
}

// deleted deletes the EgainClient, and expects that the operator revoked its token.
func (c *subject) deleted() {
	c.T.Helper()
	before := c.token()
	c.Expect(c.Admin.Delete(c.T.Context(), c.ec)).To(gomega.Succeed())
	c.Eventually(func() bool {
		return apierrors.IsNotFound(c.Admin.Get(c.T.Context(), client.ObjectKeyFromObject(c.ec), c.ec))
	}).WithTimeout(patience).Should(gomega.BeTrue())
	c.Expect(c.server.active(c.T, c.app, before)).To(gomega.BeFalse())
}

// awaitReason waits for the reason of a condition.
func (c *subject) awaitReason(reason string) {
	c.T.Helper()
	c.Eventually(func(g gomega.Gomega) {
		g.Expect(c.Admin.Get(c.T.Context(), client.ObjectKeyFromObject(c.ec), c.ec)).To(gomega.Succeed())
		g.Expect(c.ec.Status.Conditions).To(gomega.ContainElement(gomega.HaveField("Reason", reason)))
	}).WithTimeout(patience).Should(gomega.Succeed())
}
