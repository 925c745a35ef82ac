package controllers

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

func TestWhatGoesWellIsNoEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	for range 3 {
		f.step(f.run(ec).RequeueAfter)
	}
	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.step(rotation.Floor)
	f.delete(f.secret("sync"))
	f.run(ec)

	f.Expect(f.requests()).To(gomega.Equal(5))
	f.Expect(f.sent()).To(gomega.BeEmpty())
}

// What no one had to fix ends without one.
func TestEveryTransitionIsOneEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("sync")
	expect := func(want string, events ...string) {
		t.Helper()
		for range 2 { // looked at again, nothing is new
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal(want))
		}
		f.Expect(reasons(f.sent())).To(gomega.ConsistOf(events))
	}

	expect("InProgress: NoToken, CredentialsNotFound", "Normal CredentialsNotFound")
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": egainsim.RigelClientID}})
	expect("Failed: NoToken, CredentialsInvalid", "Warning CredentialsInvalid")
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte("of\ntwo lines") })
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
	expect("Current: TokenValid, Issued")
}

// client-go folds events of one type, reason, action and object into a series, and keeps the words of the first. The object
// includes its version, which differs from transition to transition.
func TestNoWordsOfAnEventAreLostInASeries(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	startManager(t, plane.Config, 4, f.namespace)
	f.foreign("egain-app", map[string]string{"client_secret": egainsim.RigelClientSecret})
	ec := f.client("sync")
	told := func(words ...string) {
		t.Helper()
		f.eventually(func(g gomega.Gomega) {
			var all eventsv1.EventList
			g.Expect(admin.List(t.Context(), &all, client.InNamespace(f.namespace))).To(gomega.Succeed())
			var notes []string
			for _, e := range all.Items {
				if e.Reason == egainv1alpha1.ReasonCredentialsInvalid {
					notes = append(notes, e.Note)
				}
			}
			var want []any
			for _, w := range words {
				want = append(want, gomega.ContainSubstring(w))
			}
			g.Expect(notes).To(gomega.ConsistOf(want...))
		})
	}
	told(`"client_id"`)
	f.change("egain-app", func(s *corev1.Secret) { s.Data = map[string][]byte{"client_id": []byte(egainsim.RigelClientID)} })
	told(`"client_id"`, `"client_secret"`)
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
	f.ready(ec, true)
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = nil })
	told(`"client_id"`, `"client_secret"`, `"client_secret"`)
}
