package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func TestYieldsSinceWhenATenantFails(t *testing.T) {
	t.Parallel()
	since := metav1.NewTime(noon)
	tenant := func(status metav1.ConditionStatus, reason string) *egainv1alpha1.EgainTenant {
		et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}}
		et.Status.Conditions = []metav1.Condition{{Type: egainv1alpha1.ConditionReady, Status: status, Reason: reason, LastTransitionTime: since}}
		return et
	}
	tests := map[string]struct {
		tenant *egainv1alpha1.EgainTenant
		want   Tenant
	}{
		"one that is ready":            {tenant(metav1.ConditionTrue, "EndpointsKnown"), Tenant{Name: "production", Ready: true}},
		"one that is not":              {tenant(metav1.ConditionFalse, "TLSFailed"), Tenant{Name: "production", Reason: "TLSFailed", FailingSince: noon}},
		"one that was not looked at":   {&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "new"}}, Tenant{Name: "new"}},
		"one of which nothing is sure": {tenant(metav1.ConditionUnknown, "Some"), Tenant{Name: "production"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, TenantOf(tc.tenant)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
