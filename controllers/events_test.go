package controllers

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestARotationIsNoEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	for range 3 {
		f.step(f.run(ec).RequeueAfter)
	}
	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.delete(f.secret("sync"))
	f.run(ec)

	f.Expect(f.requests()).To(gomega.Equal(5))
	f.Expect(f.sent()).To(gomega.Equal([]string{`Normal Issued the token is in Secret "sync"`}))
}

func TestEveryTransitionIsOneEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("sync")
	expect := func(want string, events ...string) {
		t.Helper()
		for range 2 { // looked at once more, nothing is new
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal(want))
		}
		f.Expect(reasons(f.sent())).To(gomega.Equal(events))
	}

	expect("InProgress: NoToken, CredentialsNotFound", "Normal CredentialsNotFound")
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": egainsim.RigelClientID}})
	expect("Failed: NoToken, CredentialsInvalid", "Warning CredentialsInvalid")
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte("wrong") })
	expect("Failed: NoToken, ClientRejected", "Warning ClientRejected")
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
	expect("Current: TokenValid, Issued", "Normal Issued")
	f.update(ec, func() { ec.Spec.Suspend = new(true) })
	expect("Current: TokenValid, Suspended", "Normal Suspended")
	f.update(ec, func() { ec.Spec.Suspend = nil })
	expect("Current: TokenValid, Issued", "Normal Issued")
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})
	f.demand(ec, "now")
	expect("Current: TokenValid, ServerUnavailable", "Warning ServerUnavailable")
	f.step(ec.Status.Token.ExpirationTime.Sub(f.clock.Now()))
	expect("InProgress: TokenExpired, ServerUnavailable", "Warning TokenExpired")
	f.sim.ClearFaults()
	f.step(ec.Status.LastFailure.RetryTime.Sub(f.clock.Now()))
	expect("Current: TokenValid, Issued", "Normal Issued")
}
