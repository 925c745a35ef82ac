package controllers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/fault"
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
	f.delete(f.secret("sync"))
	f.run(ec)

	f.Expect(f.requests()).To(gomega.Equal(5))
	f.Expect(f.sent()).To(gomega.BeEmpty())
}

// What nobody had to mend ends without one.
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

// Of each reason there is one event when it comes, and none for what is tried again.
func TestEveryReasonIsToldOnceWhenItComes(t *testing.T) {
	t.Parallel()
	for _, reason := range conditionReasons(t) {
		class := fault.Terminal
		switch {
		case slices.Contains(waitingReasons, reason):
			class = fault.Waiting
		case fault.IsRejection(reason):
			class = fault.Rejected
		case fault.PassesByItself(reason):
			class = fault.Retryable
		}
		tests := map[string]struct {
			steps []*fault.Error
			want  int
		}{
			"it comes":                             {[]*fault.Error{fault.New(class, reason, "no")}, 1},
			"it is tried three times":              {[]*fault.Error{fault.New(class, reason, "no"), fault.New(class, reason, "no"), fault.New(class, reason, "no")}, 1},
			"it goes and comes":                    {[]*fault.Error{fault.New(class, reason, "no"), nil, fault.New(class, reason, "no")}, 2},
			"another comes between":                {[]*fault.Error{fault.New(class, reason, "no"), fault.New(fault.Waiting, "Another", "no"), fault.New(class, reason, "no")}, 2},
			"it is replaced by one of other words": {[]*fault.Error{fault.New(class, reason, "no"), fault.New(class, reason, "not so either")}, toldAnew(class)},
			"its endpoint comes to be left alone":  {[]*fault.Error{fault.New(class, reason, "no"), fault.New(pausable(class), reason, "no; it is left alone")}, toldAnew(pausable(class))},
		}
		for name, tc := range tests {
			t.Run(reason+", "+name, func(t *testing.T) {
				t.Parallel()
				recorder := events.NewFakeRecorder(10)
				r := &EgainClientReconciler{Parts: Parts{Recorder: recorder}}
				ec := &egainv1alpha1.EgainClient{}
				for i, f := range tc.steps {
					before, now := ec.DeepCopy(), noon.Add(time.Duration(i)*time.Hour)
					o := &outcome{result: result{attempted: true}, facts: facts{input: rotation.Input{Now: now}}}
					if f != nil {
						o.err = f
					}
					setStatus(ec, o, now)
					announceClient(r.Recorder, before, ec)
				}
				got := 0
				for len(recorder.Events) > 0 {
					kind, rest, _ := strings.Cut(<-recorder.Events, " ")
					told, _, _ := strings.Cut(rest, " ")
					if told != reason {
						continue
					}
					got++
					if wantKind := map[bool]string{true: "Normal", false: "Warning"}[class == fault.Waiting]; kind != wantKind {
						t.Errorf("a %s event, want %s", kind, wantKind)
					}
				}
				if got != tc.want {
					t.Errorf("%d events, want %d", got, tc.want)
				}
			})
		}
	}
}

// toldAnew is how many events come of two failures of one reason and different words: two if somebody's change lies between.
func toldAnew(class fault.Class) int {
	if class == fault.Terminal || class == fault.Waiting {
		return 2
	}
	return 1
}

// pausable is the class of a failure once its endpoint is left alone, if that may happen.
func pausable(class fault.Class) fault.Class {
	if class == fault.Retryable {
		return fault.Paused
	}
	return class
}

// conditionReasons are those of failures, as the API lists them.
func conditionReasons(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	good := []string{
		egainv1alpha1.ReasonIssued, egainv1alpha1.ReasonTokenValid, egainv1alpha1.ReasonSuspended, egainv1alpha1.ReasonTokenExpired,
		egainv1alpha1.ReasonTokenOutdated, egainv1alpha1.ReasonNoToken, egainv1alpha1.ReasonEndpointsKnown,
	}
	var reasons []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err == nil && !slices.Contains(good, reason) {
				reasons = append(reasons, reason)
			}
		}
		return true
	})
	if len(reasons) < 30 {
		t.Fatalf("only %d reasons are found", len(reasons))
	}
	return reasons
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
