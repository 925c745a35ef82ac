package controllers

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestIssuesATokenForANewClient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")

	result := f.reconcile(ec)

	secret := f.secret("sync")
	f.Expect(secret.Data).To(gomega.HaveLen(6), "exactly the documented keys")
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(string(secret.Data["authorization"])).To(gomega.Equal("Bearer " + string(secret.Data["access_token"])))
	f.Expect(string(secret.Data["token_type"])).To(gomega.Equal("Bearer"))
	f.Expect(string(secret.Data["scope"])).To(gomega.Equal("knowledge.portalmgr.manage"))
	f.Expect(string(secret.Data["api_url"])).To(gomega.Equal(f.sim.APIURL()))
	f.Expect(string(secret.Data["expires_at"])).To(gomega.Equal(f.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
	f.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue())
	f.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)).To(gomega.BeTrue())
	f.Expect(ec.Status.ObservedGeneration).To(gomega.Equal(ec.Generation))
	f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceSpec))
	f.Expect(ec.Finalizers).To(gomega.BeEmpty(), "the garbage collector does all that deleting it asks for")
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">=", 33*time.Minute), gomega.BeNumerically("<=", 40*time.Minute)))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestDoesNothingWhenNothingChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.reconcile(ec)
	secret, object := f.secret("sync").ResourceVersion, ec.ResourceVersion

	f.reconcile(ec)
	f.restart()
	f.reconcile(ec)
	f.step(10 * time.Minute)
	f.reconcile(ec)

	f.Expect(f.secret("sync").ResourceVersion).To(gomega.Equal(secret))
	f.Expect(ec.ResourceVersion).To(gomega.Equal(object))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestRenewsBeforeTheExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	for range 5 {
		result := f.reconcile(ec)
		before := f.value("sync", "access_token")
		f.step(result.RequeueAfter)
		f.Expect(f.active("sync")).To(gomega.BeTrue(), "there must be time left when the renewal is due")
		f.reconcile(ec)
		f.Expect(f.value("sync", "access_token")).NotTo(gomega.Equal(before))
	}
	f.Expect(f.requests()).To(gomega.Equal(6))
}

func TestKeepsAValidTokenWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	// The first token, and in the 26 minutes, at most, that are left of an hour at the renewal: 5 tries in the first minute, one in each
	// after it, and in the last ten minutes 45, each after a tenth of what is left, in whole seconds.
	const mostTries = 1 + 5 + 16 + 45
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.step(f.reconcile(ec).RequeueAfter)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})
	token := f.value("sync", "access_token")

	result := f.reconcile(ec)

	f.Expect(f.value("sync", "access_token")).To(gomega.Equal(token))
	f.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue())
	issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	f.Expect(issued.Reason).To(gomega.Equal(egainv1alpha1.ReasonServerUnavailable))
	f.Expect(ec.Status.ConsecutiveFailures).To(gomega.Equal(int32(1)))

	for result.RequeueAfter > 0 && f.active("sync") {
		f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">=", time.Second), "retries must not be tighter than the floor")
		f.step(result.RequeueAfter)
		result = f.reconcile(ec)
	}
	f.Expect(meta.IsStatusConditionFalse(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue(), "the expiry comes without an event")
	f.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReconciling)).To(gomega.BeTrue())
	f.Expect(f.requests()).To(gomega.BeNumerically("<=", mostTries))

	f.sim.ClearFaults()
	f.step(result.RequeueAfter)
	f.reconcile(ec)
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(ec.Status.LastFailure).To(gomega.BeNil())
	f.Expect(ec.Status.ConsecutiveFailures).To(gomega.BeZero())
}
