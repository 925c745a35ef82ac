package status

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

func TestLastFailure_ARefusedEndpointIsRetriedWithinAMinuteOfACheck(t *testing.T) {
	t.Parallel()
	retry := 28 * time.Minute
	tests := map[string]struct {
		reason  string
		checked time.Duration // after the failure
		spread  float64
		want    time.Duration
	}{
		"a check before":                    {egainv1alpha1.ReasonEndpointRefused, -time.Minute, 0, retry},
		"a check after, the first":          {egainv1alpha1.ReasonEndpointRefused, time.Minute, 0, time.Minute},
		"a check after, in the middle":      {egainv1alpha1.ReasonEndpointRefused, time.Minute, 0.5, 90 * time.Second},
		"a check after, the last":           {egainv1alpha1.ReasonEndpointRefused, time.Minute, 1, 2 * time.Minute},
		"a check shortly before the retry":  {egainv1alpha1.ReasonEndpointRefused, retry - time.Second, 1, retry},
		"an endpoint of a document":         {egainv1alpha1.ReasonEndpointInvalid, time.Minute, 0, time.Minute},
		"a tenant that was another":         {egainv1alpha1.ReasonTenantMismatch, time.Minute, 0, time.Minute},
		"a secret that the server rejected": {egainv1alpha1.ReasonClientRejected, time.Minute, 0, retry},
		"a server that was down":            {egainv1alpha1.ReasonServerUnavailable, time.Minute, 0, retry},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, next := metav1.NewTime(noon), metav1.NewTime(noon.Add(retry))
			st := egainv1alpha1.EgainClientStatus{LastFailure: &egainv1alpha1.FailureStatus{Reason: tc.reason, Time: &at, RetryTime: &next}}
			facts := Facts{EndpointsChecked: noon.Add(tc.checked), Input: rotation.Input{Spread: tc.spread}}
			if got := LastFailure(st, facts).RetryTime.Sub(noon); got != tc.want {
				t.Errorf("retried after %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWake_FollowsADecisionToWaitForLessThanTheStatusSays(t *testing.T) {
	t.Parallel()
	at, next := metav1.NewTime(noon), metav1.NewTime(noon.Add(time.Hour))
	ec := &egainv1alpha1.EgainClient{}
	ec.Status.LastFailure = &egainv1alpha1.FailureStatus{Time: &at, RetryTime: &next}
	o := Outcome{Decided: true}
	if got := Wake(ec, o, noon); got != next.Time {
		t.Errorf("after another attempt it wakes at %v", got)
	}
	o.Decision = rotation.Decision{Action: rotation.Wait, At: noon.Add(time.Minute)}
	if got := Wake(ec, o, noon); got != noon.Add(time.Minute) {
		t.Errorf("wakes at %v", got)
	}
}
