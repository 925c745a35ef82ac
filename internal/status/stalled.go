package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// Repaired is the status of a stalled client before its token is requested, if an object that the last attempt failed with has
// changed: a tool that has just repaired a Secret would take the old Stalled for the outcome. After another generation of the spec
// tools wait anyway, and what is retried by time stays stalled.
func Repaired(ec *egainv1alpha1.EgainClient, f Facts, d rotation.Decision, now time.Time) (st egainv1alpha1.EgainClientStatus, repaired bool) {
	stalled := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionStalled)
	last := ec.Status.LastFailure
	if stalled == nil || last == nil || d.Action != rotation.Issue || ec.Status.ObservedGeneration != ec.Generation ||
		last.Inputs == f.triedWith(last.Reason) {
		return ec.Status, false
	}
	ec.Status.DeepCopyInto(&st)
	c := metav1.Condition{
		Type: egainv1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: stalled.Reason,
		Message:            "the spec or an object that the last attempt depended on has changed: a token is being requested",
		ObservedGeneration: ec.Generation, LastTransitionTime: *second(now),
	}
	meta.RemoveStatusCondition(&st.Conditions, egainv1alpha1.ConditionStalled)
	meta.SetStatusCondition(&st.Conditions, c)
	return st, true
}
