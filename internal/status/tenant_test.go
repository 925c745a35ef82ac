package status

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
)

// inspected is an EgainTenant whose clients have the token URL, with its status after an inspection.
func inspected(t *testing.T, tokenURL string) *egainv1alpha1.EgainTenant {
	t.Helper()
	et := &egainv1alpha1.EgainTenant{}
	et.Generation = 1
	found := provider.Inspection{Actors: []provider.Actor{{Name: egainv1alpha1.TenantActorClient, Endpoints: oauth.Endpoints{TokenURL: tokenURL}}}}
	et.Status = NextTenant(et, Use{}, found, nil, noon)
	return et
}

func TestTenant_OneThatIsQueuedKeepsItsStatus(t *testing.T) {
	t.Parallel()
	et := inspected(t, "https://login.example.com/token")
	queued := fault.New(fault.Busy, fault.ReasonServerUnavailable, "all request slots are in use")
	next := NextTenant(et, Use{}, provider.Inspection{}, queued, noon.Add(time.Hour))
	if !equality.Semantic.DeepEqual(next, et.Status) {
		t.Errorf("got %+v, want %+v", next, et.Status)
	}
}

func TestTenant_AFailedReadIsNotSaidToBeKnown(t *testing.T) {
	t.Parallel()
	et := inspected(t, "https://login.example.com/token")
	down := fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "login.example.com answered HTTP 503")
	next := NextTenant(et, Use{}, provider.Inspection{}, down, noon.Add(time.Hour))
	ready := meta.FindStatusCondition(next.Conditions, egainv1alpha1.ConditionReady)
	if want := "the latest read failed: login.example.com answered HTTP 503"; !strings.HasSuffix(ready.Message, want) {
		t.Errorf("got %q, want %q", ready.Message, want)
	}
}

// An endpoint that a flag of the operator refuses from now on is not one that a document moved.
func TestTenant_AnEndpointThatIsRefusedIsNotSaidToBeMoved(t *testing.T) {
	t.Parallel()
	const was = "https://login.example.com/token"
	for name, tc := range map[string]struct {
		now  egainv1alpha1.ActorEndpointsStatus
		want string
	}{
		"moved":   {egainv1alpha1.ActorEndpointsStatus{TokenURL: "https://other.example.com/token"}, `the token URL of Client was "` + was + `" and is "https://other.example.com/token"`},
		"refused": {egainv1alpha1.ActorEndpointsStatus{Reason: egainv1alpha1.ReasonEndpointRefused}, `the token URL of Client was "` + was + `" and is not usable now (EndpointRefused)`},
	} {
		before := inspected(t, was)
		after := before.DeepCopy()
		tc.now.Actor = egainv1alpha1.TenantActorClient
		after.Status.Endpoints = []egainv1alpha1.ActorEndpointsStatus{tc.now}
		events := TenantEvents(before, after)
		if len(events) != 1 || !strings.HasSuffix(events[0].Message, ": "+tc.want) {
			t.Errorf("%s: got %v, want %q", name, events, tc.want)
		}
	}
}
