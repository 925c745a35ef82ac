package status

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/provider"
)

// user is an EgainClient of application "default", as of some seconds: when its token was issued, when it failed, and why.
func user(issued, failed int64, reason string) egainv1alpha1.EgainClient {
	ec := egainv1alpha1.EgainClient{}
	ec.Spec.TenantRef = &egainv1alpha1.TenantReference{Name: "acme", Application: "default"}
	c := metav1.Condition{Type: egainv1alpha1.ConditionTokenIssued, Status: metav1.ConditionTrue, Reason: egainv1alpha1.ReasonIssued}
	if issued > 0 {
		ec.Status.Token = &egainv1alpha1.TokenStatus{IssueTime: new(metav1.Unix(issued, 0))}
	}
	if failed > 0 {
		c.Status, c.Reason = metav1.ConditionFalse, reason
		ec.Status.LastFailure = &egainv1alpha1.FailureStatus{Time: new(metav1.Unix(failed, 0)), Reason: reason, Message: "because of " + reason}
	}
	ec.Status.Conditions = []metav1.Condition{c}
	return ec
}

func TestTenant_AnApplicationIsAsItsClientsSay(t *testing.T) {
	t.Parallel()
	const failing, refused = egainv1alpha1.ReasonApplicationFailing, egainv1alpha1.ReasonApplicationNotAllowed
	for name, tc := range map[string]struct {
		clients    []egainv1alpha1.EgainClient
		unreadable *fault.Error
		want       string
	}{
		"without clients":                         {want: "Unknown Unused"},
		"with a client that has no token":         {clients: []egainv1alpha1.EgainClient{user(0, 0, "")}, want: "Unknown Unused"},
		"with a token":                            {clients: []egainv1alpha1.EgainClient{user(1, 0, ""), user(0, 9, "ServerUnavailable")}, want: "True Accepted"},
		"with a client that is refused":           {clients: []egainv1alpha1.EgainClient{user(1, 0, ""), user(0, 9, refused)}, want: "True Accepted"},
		"refused since the last token":            {clients: []egainv1alpha1.EgainClient{user(5, 0, ""), user(1, 6, failing), user(2, 5, failing)}, want: "False ApplicationFailing because of ApplicationFailing"},
		"refused before the last token":           {clients: []egainv1alpha1.EgainClient{user(1, 6, failing), user(7, 0, "")}, want: "True Accepted"},
		"refused in the second of the last token": {clients: []egainv1alpha1.EgainClient{user(6, 0, ""), user(1, 6, failing)}, want: "False ApplicationFailing because of ApplicationFailing"},
		"a Secret without its keys":               {clients: []egainv1alpha1.EgainClient{user(1, 6, egainv1alpha1.ReasonApplicationInvalid)}, want: "False ApplicationInvalid because of ApplicationInvalid"},
		"a Secret that does not exist": {
			clients: []egainv1alpha1.EgainClient{user(7, 0, "")}, unreadable: fault.New(fault.Waiting, egainv1alpha1.ReasonApplicationInvalid, "no Secret"),
			want: "False ApplicationInvalid no Secret",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			use := Use{Clients: tc.clients, Unreadable: map[egainv1alpha1.ApplicationName]*fault.Error{}}
			if tc.unreadable != nil {
				use.Unreadable["default"] = tc.unreadable
			}
			is := use.application("default")
			if got := strings.TrimSpace(string(is.Ready) + " " + is.Reason + " " + is.Message); got != tc.want {
				t.Errorf("the application is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTenant_TheStatusHasARowForEachApplication(t *testing.T) {
	t.Parallel()
	et := &egainv1alpha1.EgainTenant{}
	for _, name := range []egainv1alpha1.ApplicationName{"default", "other"} {
		et.Spec.Applications = append(et.Spec.Applications, egainv1alpha1.Application{Name: name})
	}
	moved, inline := user(0, 0, ""), user(0, 0, "")
	moved.Spec.TenantRef.Application, inline.Spec.TenantRef.Application = "gone", ""
	long := user(1, 6, egainv1alpha1.ReasonApplicationFailing)
	long.Status.LastFailure.Message = strings.Repeat("x", maxMessage)
	use := Use{Clients: []egainv1alpha1.EgainClient{long, user(1, 2, egainv1alpha1.ReasonScopeRejected), moved, inline}}
	before := et.DeepCopy()
	et.Status = NextTenant(et, use, provider.Inspection{}, nil, time.Unix(9, 0))
	if len(et.Status.Applications) != 2 || *et.Status.Clients != 4 {
		t.Fatalf("of %d clients there are %d rows", *et.Status.Clients, len(et.Status.Applications))
	}
	first, second := et.Status.Applications[0], et.Status.Applications[1]
	if *first.Clients != 2 || *first.RejectedClients != 1 || len(first.Message) != maxMessage || *second.Clients != 0 {
		t.Errorf("the rows are %+v and %+v", first, second)
	}
	said := func(was, is *egainv1alpha1.EgainTenant) string {
		var all []string
		for _, e := range applicationEvents(was, is) {
			all = append(all, e.Type+" "+e.Reason)
		}
		return strings.Join(all, ", ")
	}
	if got := said(before, et); got != "Warning ApplicationFailing" {
		t.Errorf("the events are %q", got)
	}
	if got := said(et, et); got != "" {
		t.Errorf("without a change there are the events %q", got)
	}
	works := et.DeepCopy()
	works.Status.Applications[0].Ready, works.Status.Applications[0].Reason = metav1.ConditionTrue, egainv1alpha1.ApplicationAccepted
	if got := said(et, works); got != "Normal Accepted" {
		t.Errorf("once it works again the events are %q", got)
	}
}
