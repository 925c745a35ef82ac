package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// lasting has the server issue tokens of such a lifetime.
func (f *fixture) lasting(expiresIn string) {
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, answered(map[string]string{"expires_in": expiresIn}))
}

// play reconciles an object whenever it asks to be, and each quarter of a second after something was done to it.
func (f *fixture) play(ec *egainv1alpha1.EgainClient, during time.Duration, act func(tick int)) {
	f.t.Helper()
	const tick = 250 * time.Millisecond
	end := f.clock.Now().Add(during)
	for i := 0; f.clock.Now().Before(end); i++ {
		due := f.clock.Now().Add(f.run(ec).RequeueAfter)
		if act == nil {
			f.clock.SetTime(due)
			continue
		}
		f.step(tick)
		act(i)
	}
}

func TestATokenThatLastsLessThanTheFloorIsWrittenAndReported(t *testing.T) {
	t.Parallel()
	for expiresIn, want := range map[string]string{
		"1": egainv1alpha1.ReasonLifetimeInvalid, "8": egainv1alpha1.ReasonLifetimeInvalid,
		`"4"`: egainv1alpha1.ReasonLifetimeInvalid, "10": egainv1alpha1.ReasonIssued, "11": egainv1alpha1.ReasonIssued,
	} {
		t.Run(expiresIn, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.lasting(expiresIn)
			ec := f.client("sync")
			result := f.run(ec)
			f.Expect(f.active("sync")).To(gomega.BeTrue())
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, " + want))
			f.Expect(ec.Status.Target).NotTo(gomega.BeNil())
			f.Expect(ec.Status.Token.RenewalTime.Sub(ec.Status.Token.IssueTime.Time)).To(gomega.BeNumerically(">=", rotation.Floor))
			if want == egainv1alpha1.ReasonIssued {
				f.Expect(result.Priority).To(gomega.HaveValue(gomega.Equal(-int(ec.Status.Token.ExpirationTime.Unix()))))
				return
			}
			f.Expect(message(ec)).To(gomega.ContainSubstring("renewal cannot keep up"))
			f.Expect(result.Priority).To(gomega.HaveValue(gomega.BeNumerically("<", -int(f.clock.Now().Add(59*time.Minute).Unix()))),
				"it ranks no better than a healthy renewal")
			unchanged := f.unchanged(ec)
			f.run(ec)
			unchanged()

			f.play(ec, time.Minute, nil)
			f.Expect(f.requests()).To(gomega.BeNumerically("~", 13, 1), "one every five seconds")
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning LifetimeInvalid"}))

			f.sim.ClearFaults()
			f.play(ec, 6*time.Second, nil)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestALifetimeThatAlternatesKeepsToTheFloor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	for i := range 12 {
		f.lasting([]string{"1", "6", "11"}[i%3])
		f.run(ec)
		f.play(ec, rotation.Floor, nil)
	}
	f.Expect(f.requests()).To(gomega.BeNumerically("<=", int(f.clock.Since(ec.CreationTimestamp.Time)/rotation.Floor)))
	f.Expect(f.requests()).To(gomega.BeNumerically("<=", 14))
}

// The floor counts from what the target says of its token, and from the status where that is lost.
func TestTheFloorHoldsOverARestart(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(f *fixture){
		"a renewal that is due": func(f *fixture) { f.step(2 * time.Second) },
		"a damaged target": func(f *fixture) {
			f.change("sync", func(s *corev1.Secret) { s.Data["access_token"] = []byte("another") })
		},
		"a deleted target": func(f *fixture) { f.delete(f.secret("sync")) },
		"a target without the annotations": func(f *fixture) {
			f.change("sync", func(s *corev1.Secret) { s.Data, s.Annotations = nil, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.lasting("1")
			ec := f.client("sync")
			f.run(ec)
			f.restart()
			act(f)
			for range 20 {
				f.run(ec)
			}
			f.Expect(f.requests()).To(gomega.Equal(1))
			f.Expect(f.run(ec).RequeueAfter).To(gomega.BeNumerically("<=", rotation.Floor))
			f.step(rotation.Floor)
			f.run(ec)
			f.Expect(f.requests()).To(gomega.Equal(2))
		})
	}
}

func TestATargetThatAnotherWriterKeepsChangingCostsFewRequests(t *testing.T) {
	t.Parallel()
	strip := func(s *corev1.Secret) { delete(s.Data, "access_token") }
	replace := func(s *corev1.Secret) { s.Data, s.Annotations = map[string][]byte{"password": []byte("theirs")}, nil }
	tests := map[string]struct {
		change quick
		act    func(f *fixture)
		every  int
	}{
		"a key stripped": {targeting("app"), func(f *fixture) { f.change("app", strip) }, 1},
		"a token edited": {targeting("app"), func(f *fixture) {
			f.change("app", func(s *corev1.Secret) { s.Data["access_token"] = []byte("theirs") })
		}, 1},
		"a merged Secret put back":         {merging("app"), func(f *fixture) { f.change("app", replace) }, 1},
		"a Secret deleted":                 {targeting("app"), func(f *fixture) { f.delete(f.secret("app")) }, 1},
		"a key stripped every 3 seconds":   {targeting("app"), func(f *fixture) { f.change("app", strip) }, 12},
		"a Secret deleted every 6 seconds": {targeting("app"), func(f *fixture) { f.delete(f.secret("app")) }, 24},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.foreign("app", map[string]string{"password": "theirs"})
			if !strings.Contains(name, "merged") {
				f.delete(f.secret("app"))
			}
			ec := f.client("sync", tc.change)
			writes := f.countApplies()
			f.play(ec, time.Minute, func(tick int) {
				if whole := f.secret("app"); tick%tc.every == 0 && whole != nil && whole.Data[target.KeyAccessToken] != nil && string(whole.Data["access_token"]) != "theirs" {
					tc.act(f)
				}
			})
			f.Expect(f.requests()).To(gomega.BeNumerically("<=", 6))
			f.Expect(*writes).To(gomega.BeNumerically("<=", 24))
			f.Expect(f.sent()).To(gomega.ContainElement(gomega.ContainSubstring("Warning TargetContested")))
		})
	}
}

// countApplies counts the writes of targets.
func (f *fixture) countApplies() *int {
	writes := 0
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		writes++
		return c.Apply(ctx, obj, opts...)
	}
	return &writes
}

func TestATokenThatWasJustIssuedIsWrittenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.step(2 * time.Second)
	f.change("sync", func(s *corev1.Secret) { s.Data["access_token"] = []byte("theirs") })
	f.run(ec)
	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.sent()).To(gomega.ConsistOf(gomega.ContainSubstring(`field manager "somebody-else" changed Secret "sync"`)))

	f.change("sync", func(s *corev1.Secret) { s.Data["access_token"] = []byte("theirs") })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, Issued"))
	f.Expect(condition(ec, egainv1alpha1.ConditionReady).Message).To(gomega.ContainSubstring(`field manager "somebody-else"`))
	f.Expect(f.requests()).To(gomega.Equal(1))
	f.step(rotation.Floor)
	f.run(ec)
	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.Expect(f.requests()).To(gomega.Equal(1))

	f.demand(ec, "now")
	f.run(ec)
	f.Expect(f.token("sync")).NotTo(gomega.Equal(token), "a person gets a new one")
}

func TestATokenIsNotKeptForLongerThanItMust(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec, gone := f.client("sync"), f.client("gone")
	f.run(ec)
	f.run(gone)
	held := func(ec *egainv1alpha1.EgainClient) bool {
		return f.entry(ec).Recent != nil
	}
	f.Expect(held(ec)).To(gomega.BeTrue())
	f.delete(gone)
	f.Expect(f.tryReconcile(gone)).Error().NotTo(gomega.HaveOccurred())
	f.Expect(held(gone)).To(gomega.BeFalse(), "its EgainClient is gone")

	f.r.journal.Sweep(f.clock.Now().Add(rotation.Floor - time.Millisecond))
	f.Expect(held(ec)).To(gomega.BeTrue())
	f.r.journal.Sweep(f.clock.Now().Add(rotation.Floor))
	f.Expect(held(ec)).To(gomega.BeFalse())
	f.Expect(f.entry(gone).History()).NotTo(gomega.BeZero())
	f.r.journal.Sweep(f.clock.Now().Add(rotation.ChangeWindow))
	f.Expect(f.entry(gone).History()).To(gomega.BeZero(), "nothing is remembered for ever")
}

// Whatever a script edits, the first edits are served immediately and the others five seconds apart.
func TestAttemptsThatFollowEditsAreBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(f *fixture) (*egainv1alpha1.EgainClient, func(edit int))
	}{
		"the CA ConfigMap, which does not vouch for the server": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			another := startSimulator(f.t, egainsim.Config{})
			ec := f.client("sync")
			edit := func(edit int) {
				ca := &corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": fmt.Sprintf("%s\n# %d\n", another.CABundle(), edit)}}
				f.Expect(admin.Update(f.t.Context(), ca)).To(gomega.Succeed())
			}
			edit(-1)
			return ec, edit
		}},
		"the CA Secret of a tenant, which does not vouch for the server": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			another := startSimulator(f.t, egainsim.Config{})
			f.foreign("bundle", map[string]string{"ca.crt": string(another.CABundle())})
			f.tenant(func(et *egainv1alpha1.EgainTenant) {
				et.Spec.CABundleRef.Kind, et.Spec.CABundleRef.Name = "Secret", "bundle"
			})
			ec := f.client("sync", f.referring)
			return ec, func(edit int) {
				f.change("bundle", func(s *corev1.Secret) { s.Labels = map[string]string{"edit": fmt.Sprint(edit)} })
			}
		}},
		"the EgainTenant": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			et := f.tenant()
			ec := f.client("sync", f.referring)
			return ec, func(edit int) {
				f.updateTenant(et, func() { et.Spec.ScopePrefix = fmt.Sprintf("https://%d.example.com/", edit) })
			}
		}},
		"the spec": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			ec := f.client("sync")
			return ec, func(edit int) {
				f.update(ec, func() {
					ec.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{"edit": egainv1alpha1.ParameterValue(fmt.Sprint(edit))}
				})
			}
		}},
		"the credentials, which are wrong": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			ec := f.client("sync")
			return ec, func(edit int) {
				f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = fmt.Appendf(nil, "wrong-%d", edit) })
			}
		}},
		"the renewal request": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			ec := f.client("sync")
			return ec, func(edit int) { f.demand(ec, fmt.Sprint(edit)) }
		}},
		"the EgainClient, deleted and created again": {func(f *fixture) (*egainv1alpha1.EgainClient, func(int)) {
			ec := f.client("sync")
			return ec, func(int) {
				f.delete(ec)
				// The garbage collector does that too, later.
				former := &corev1.Secret{ObjectMeta: f.named("sync")}
				f.Expect(client.IgnoreNotFound(admin.Delete(f.t.Context(), former))).To(gomega.Succeed())
				*ec = egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: ec.Namespace, Name: ec.Name}, Spec: ec.Spec}
				f.create(ec)
			}
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			registry := f.measured()
			attempts := func() int { return int(f.counted(registry, "egain_token_request_duration_seconds")) }
			f.credentials()
			ec, edit := tc.prepare(f)
			f.run(ec)
			f.step(rotation.ChangeWindow)
			edit(0)
			f.run(ec)
			before := attempts()
			edit(1)
			f.run(ec)
			f.Expect(attempts()).To(gomega.Equal(before+1), "an edit is served immediately")

			f.play(ec, 20*time.Second, func(tick int) { edit(2 + tick) })
			f.Expect(attempts() - before).To(gomega.And(gomega.BeNumerically(">=", 4), gomega.BeNumerically("<=", 7)))
		})
	}
}
