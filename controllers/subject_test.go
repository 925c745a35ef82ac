package controllers

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// exchangingTokenOf makes a client's flow an exchange of another client's token.
func exchangingTokenOf(name egainv1alpha1.SecretName) quick {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowTokenExchange, []egainv1alpha1.Scope{"core.aiservices.use"}
		ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: "egain", SubjectToken: egainv1alpha1.SubjectToken{
			EgainClientRef: &egainv1alpha1.EgainClientReference{Name: name},
		}}
	}
}

// withFederation is a fixture whose simulator takes its own tokens of agent.smith for those of an external provider.
func withFederation(t *testing.T) *fixture {
	t.Helper()
	f := withLogins(t)
	f.credentials()
	tenant := f.sim.Rigel()
	f.Expect(f.sim.RegisterProvider("egain", tenant.Issuer(egainsim.User), f.sim.APIURL(), f.sim.JWKS())).To(gomega.Succeed())
	f.logIn()
	return f
}

func TestExchangesTheTokenOfAnotherClientWheneverThatRotates(t *testing.T) {
	t.Parallel()
	f := withFederation(t)
	session, exchanged := f.client("a-session", byLogin), f.client("b-exchanged", exchangingTokenOf("a-session"))
	f.run(exchanged)
	f.Expect(state(exchanged)).To(gomega.Equal("InProgress: NoToken, SubjectTokenNotFound"))

	due := f.run(session).RequeueAfter
	f.run(exchanged)
	f.Expect(state(exchanged)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.sim.Introspect(f.token("b-exchanged")).Subject).To(gomega.Equal("agent.smith"))
	before, requests := f.token("b-exchanged"), f.requests()
	f.change("a-session", func(s *corev1.Secret) { s.Labels["team"] = "a" })
	f.run(exchanged)
	f.Expect(f.requests()).To(gomega.Equal(requests), "a label is no rotation")

	f.step(due)
	f.run(session)
	f.run(exchanged)
	f.Expect(f.token("b-exchanged")).NotTo(gomega.Equal(before))
	f.Expect(f.requests()).To(gomega.Equal(requests + 2))
}

func TestWaitsForTheClientWhoseTokenIsExchanged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		setUp func(*fixture)
		says  string
	}{
		"it does not exist":   {func(*fixture) {}, `waiting for EgainClient "other"`},
		"it has no token yet": {func(f *fixture) { f.client("other") }, `waiting for EgainClient "other", which has no token yet`},
		"the Secret is not its target": {func(f *fixture) {
			f.client("other")
			f.foreign("other", map[string]string{"access_token": "x"})
		}, `waiting for EgainClient "other", which has no token in Secret "other" yet`},
		"its token has expired": {func(f *fixture) {
			f.step(-3 * time.Hour)
			f.run(f.client("other"))
			f.step(3 * time.Hour)
		}, `whose token has expired`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			tc.setUp(f)
			requests := f.requests()
			ec := f.client("sync", exchangingTokenOf("other"))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenNotFound"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.says))
			f.Expect(f.requests()).To(gomega.Equal(requests))
		})
	}
}

func TestRefusesACircleOfClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	a := f.client("a", exchangingTokenOf("b"))
	f.client("b", exchangingTokenOf("c"))
	f.client("c", exchangingTokenOf("a"))
	f.run(a)
	f.Expect(state(a)).To(gomega.Equal("Failed: NoToken, SubjectTokenInvalid"))
	f.Expect(message(a)).To(gomega.ContainSubstring("forms a cycle"))
}
