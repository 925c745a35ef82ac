package refusal

import (
	"errors"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Explain says what failed and what to change, for an error of the API server, and of which kind that is.
func Explain(err error) (kind string, f *fault.Error) {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	if !answered {
		what := doing(err, unanswered(err))
		return what, fault.New(fault.Paused, fault.ReasonAPIServerFailed,
			"%s fails time and again, and is tried every 30 seconds: see that the API server runs and that the operator reaches it; no answer comes from it", what)
	}
	what := doing(err, status)
	return what + string(apierrors.ReasonForError(err)), fault.New(fault.Paused, fault.ReasonAPIServerFailed,
		"%s fails time and again, and is tried every 30 seconds: %s; the API server says: %s", what, remedy(err), Text(err))
}

// unanswered is the part of an error that comes from below the operator: that of the HTTP client, or else the innermost.
func unanswered(err error) error {
	if inner, is := errors.AsType[*url.Error](err); is {
		return inner
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// doing is what the operator was doing when an error came: what its own words say before the inner error's.
func doing(err, inner error) string {
	what, _, _ := strings.Cut(err.Error(), inner.Error())
	if what = strings.TrimSuffix(what, ": "); what == "" {
		return "a request to the API server"
	}
	return what
}

func remedy(err error) string {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return "grant the operator's ServiceAccount what the manifests of this version do"
	case apierrors.IsConflict(err):
		return "find out who else changes the object all the time"
	default:
		return "mend the admission webhook, if one is named here, or see to the API server"
	}
}
