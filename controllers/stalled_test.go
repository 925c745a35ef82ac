package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
)

// statuses notes what kstatus computes of an EgainClient after each write of its status, and how many tokens had been requested.
func (f *fixture) statuses(ec *egainv1alpha1.EgainClient) func() []string {
	var all []string
	f.through(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			err := c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			f.Expect(admin.Get(ctx, journal.Name(ec), ec)).To(gomega.Succeed())
			all = append(all, fmt.Sprintf("%s after %d requests", kstatus(ec), f.requests()))
			return err
		},
	})
	return func() []string {
		since := all
		all = nil
		return since
	}
}

func (f *fixture) setCA(bundle string) {
	f.t.Helper()
	f.Expect(admin.Update(f.t.Context(), &corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": bundle}})).To(gomega.Succeed())
}

func TestARepairEndsStalledBeforeTheTokenIsRequested(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		damage, repair func(f *fixture)
		reason         string
	}{
		"of a client secret that eGain rejects": {
			damage: func(f *fixture) {
				f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte("of another time") })
			},
			repair: func(f *fixture) {
				f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
			},
			reason: egainv1alpha1.ReasonClientRejected,
		},
		"of credentials that lack a key": {
			damage: func(f *fixture) { f.change("egain-app", func(s *corev1.Secret) { delete(s.Data, "client_secret") }) },
			repair: func(f *fixture) {
				f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
			},
			reason: egainv1alpha1.ReasonCredentialsInvalid,
		},
		"of a CA bundle that is none": {
			damage: func(f *fixture) { f.setCA("none") },
			repair: func(f *fixture) { f.setCA(string(f.sim.CABundle())) },
			reason: egainv1alpha1.ReasonCABundleInvalid,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			tc.damage(f)
			ec := f.client("sync")
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, " + tc.reason))
			requests, statuses := f.requests(), f.statuses(ec)

			f.run(ec)
			f.Expect(statuses()).To(gomega.BeEmpty(), "another look changes nothing")
			f.step(time.Hour)
			f.run(ec)
			for _, s := range statuses() {
				f.Expect(s).To(gomega.HavePrefix("Failed"), "what is retried by time stays stalled")
			}
			f.Expect(f.requests()).To(gomega.BeNumerically("<=", requests+1))

			requests = f.requests()
			tc.repair(f)
			f.run(ec)
			f.Expect(statuses()).To(gomega.Equal([]string{
				fmt.Sprintf("InProgress after %d requests", requests), fmt.Sprintf("Current after %d requests", requests+1),
			}))
			f.Expect(meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionReconciling)).To(gomega.BeNil())
		})
	}
}

// TestARepairThatIsNoneIsStalledAgain costs a write each time a user changes the Secret, and none between.
func TestARepairThatIsNoneIsStalledAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	without := func(s *corev1.Secret) { delete(s.Data, "client_secret") }
	f.change("egain-app", without)
	ec := f.client("sync")
	f.run(ec)
	statuses := f.statuses(ec)
	for i := range 2 {
		f.change("egain-app", func(s *corev1.Secret) { s.Data["other"] = []byte{byte(i)} })
		f.run(ec)
		f.Expect(statuses()).To(gomega.HaveExactElements(gomega.HavePrefix("InProgress"), gomega.HavePrefix("Failed")))
		f.run(ec)
		f.Expect(statuses()).To(gomega.BeEmpty())
	}
}
