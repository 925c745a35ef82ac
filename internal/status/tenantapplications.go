package status

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// Use is what is observed of the use of an EgainTenant.
type Use struct {
	// Clients are the EgainClients that refer to it.
	Clients []egainv1alpha1.EgainClient
	// Unreadable is why the credentials of an application cannot be read, by its name; those that can be have no entry.
	Unreadable map[egainv1alpha1.ApplicationName]*fault.Error
}

// applications is what the status says of each application in the spec.
func (u Use) applications(et *egainv1alpha1.EgainTenant) []egainv1alpha1.ApplicationStatus {
	var all []egainv1alpha1.ApplicationStatus
	for i := range et.Spec.Applications {
		all = append(all, u.application(et.Spec.Applications[i].Name))
	}
	return all
}

// application is what the EgainClients of an application say of it. Their statuses outlast the operator, so that a restart changes nothing.
func (u Use) application(name egainv1alpha1.ApplicationName) egainv1alpha1.ApplicationStatus {
	var sum applicationUse
	for i := range u.Clients {
		if ec := &u.Clients[i]; ec.Application() == string(name) {
			sum.add(ec)
		}
	}
	st := egainv1alpha1.ApplicationStatus{
		Name: name, Ready: metav1.ConditionUnknown, Reason: egainv1alpha1.ApplicationUnused, Clients: &sum.clients, RejectedClients: &sum.rejected,
	}
	switch f := u.Unreadable[name]; {
	case f != nil:
		st.Ready, st.Reason, st.Message = metav1.ConditionFalse, f.Reason, shown(f.Message)
	case sum.failed != nil && !sum.failed.Time.Time.Before(sum.issued):
		st.Ready, st.Reason, st.Message = metav1.ConditionFalse, sum.failed.Reason, sum.failed.Message
	case !sum.issued.IsZero():
		st.Ready, st.Reason = metav1.ConditionTrue, egainv1alpha1.ApplicationAccepted
	}
	return st
}

// applicationUse sums up the EgainClients of an application.
type applicationUse struct {
	clients, rejected int32
	// issued is when the latest token was issued, and failed the latest failure of the application.
	issued time.Time
	failed *egainv1alpha1.FailureStatus
}

func (s *applicationUse) add(ec *egainv1alpha1.EgainClient) {
	s.clients++
	if is := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued); is != nil && slices.Contains(ownReasons, is.Reason) {
		s.rejected++
	}
	if last := ec.Status.LastFailure; last != nil && blamesApplication(last.Reason) && last.Time != nil && (s.failed == nil || s.failed.Time.Before(last.Time)) {
		s.failed = last
	}
	if tok := ec.Status.Token; tok != nil && tok.IssueTime != nil && tok.IssueTime.After(s.issued) {
		s.issued = tok.IssueTime.Time
	}
}

// ownReasons are those of failures that are an EgainClient's own: other EgainClients of the application get tokens.
var ownReasons = []string{
	egainv1alpha1.ReasonTenantNotAllowed, egainv1alpha1.ReasonApplicationNotAllowed, egainv1alpha1.ReasonScopeNotAllowed,
	egainv1alpha1.ReasonParameterNotAllowed, egainv1alpha1.ReasonClientRejected, egainv1alpha1.ReasonSubjectRejected,
	egainv1alpha1.ReasonScopeRejected, egainv1alpha1.ReasonRequestRejected,
}

// blamesApplication reports whether a reason is that of a failure which all EgainClients of an application have.
func blamesApplication(reason string) bool {
	return reason == egainv1alpha1.ReasonApplicationFailing || reason == egainv1alpha1.ReasonApplicationInvalid
}

// ApplicationsDiffer reports whether two statuses of an EgainClient say something else of its application.
func ApplicationsDiffer(was, is *egainv1alpha1.EgainClient) bool {
	reason := func(ec *egainv1alpha1.EgainClient) string {
		if c := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued); c != nil {
			return c.Reason
		}
		return ""
	}
	return is.Application() != "" && (reason(was) != reason(is) || (was.Status.Token == nil) != (is.Status.Token == nil))
}

// applicationEvents are those of applications whose credentials stopped working, or work again.
func applicationEvents(before, after *egainv1alpha1.EgainTenant) []Event {
	var all []Event
	for _, is := range after.Status.Applications {
		i := slices.IndexFunc(before.Status.Applications, func(was egainv1alpha1.ApplicationStatus) bool { return was.Name == is.Name })
		failed := i >= 0 && before.Status.Applications[i].Ready == metav1.ConditionFalse
		switch {
		case is.Ready == metav1.ConditionFalse && (!failed || before.Status.Applications[i].Reason != is.Reason):
			all = append(all, Event{corev1.EventTypeWarning, is.Reason, actionUseApplication, is.Message})
		case is.Ready == metav1.ConditionTrue && failed:
			all = append(all, Event{corev1.EventTypeNormal, is.Reason, actionUseApplication, "eGain accepts the credentials of application " + string(is.Name) + " again"})
		}
	}
	return all
}
