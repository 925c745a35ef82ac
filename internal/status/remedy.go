package status

import (
	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// Who can end a failure, as the value of the label remedy.
const (
	// RemedyWait: it passes by itself.
	RemedyWait = "wait"
	// RemedyCreate: somebody has to create an object in the cluster.
	RemedyCreate = "create"
	// RemedyEdit: somebody has to edit the spec or an object that it names.
	RemedyEdit = "edit"
	// RemedyLogin: somebody has to log in.
	RemedyLogin = "login"
	// RemedyProvider: somebody has to act at eGain.
	RemedyProvider = "provider"
)

// Remedy says who can end a failure. It goes by what has to be done and not by when the operator tries again: an endpoint
// that is invalid is tried again like a rejection, but it is the spec that names it.
func Remedy(reason string) string {
	switch reason {
	case egainv1alpha1.ReasonSessionNotFound, egainv1alpha1.ReasonSessionInvalid, egainv1alpha1.ReasonReauthorizationRequired:
		return RemedyLogin
	case egainv1alpha1.ReasonEndpointInvalid, egainv1alpha1.ReasonEndpointRefused, egainv1alpha1.ReasonTenantMismatch:
		return RemedyEdit
	}
	switch {
	case fault.PassesByItself(reason):
		return RemedyWait
	case WaitsForObject(reason):
		return RemedyCreate
	case fault.IsRejection(reason):
		return RemedyProvider
	default:
		return RemedyEdit
	}
}
