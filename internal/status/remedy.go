package status

import (
	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// What ends a failure, as the value of the label remedy.
const (
	// RemedyWait: a transient failure.
	RemedyWait = "wait"
	// RemedyCreate: an object of the cluster is missing.
	RemedyCreate = "create"
	// RemedyEdit: the spec, or an object that it names, needs an edit.
	RemedyEdit = "edit"
	// RemedyLogin: a person needs to log in.
	RemedyLogin = "login"
	// RemedyProvider: something needs a change at eGain.
	RemedyProvider = "provider"
)

// Remedy says what ends a failure. It depends on what has to be done, and not on when the operator tries again: a certificate that
// is not trusted is tried again like an outage, but only caBundleRef ends it; a client that is rejected usually has a wrong
// secret, and that is in the cluster.
func Remedy(reason string) string {
	switch reason {
	case egainv1alpha1.ReasonSessionNotFound, egainv1alpha1.ReasonSessionInvalid, egainv1alpha1.ReasonReauthorizationRequired:
		return RemedyLogin
	case egainv1alpha1.ReasonSubjectRejected, egainv1alpha1.ReasonLifetimeInvalid:
		return RemedyProvider
	case egainv1alpha1.ReasonTLSFailed:
		return RemedyEdit
	}
	switch {
	case fault.PassesByItself(reason):
		return RemedyWait
	case WaitsForObject(reason):
		return RemedyCreate
	default:
		return RemedyEdit
	}
}
