package controllers

import (
	"errors"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/refusal"
)

// toldAfter is how many errors of the API server in a row an object says nothing of. The fifth comes four seconds after the
// first, when a conflict or a change of leaders is over.
const toldAfter = 5

// unserved are errors of the API server that an object met one after another.
type unserved struct {
	count int
	// kind tells one trouble from another, and failure is what is told of it: the words of an error may hold what is another
	// each time, as ports, and the first are kept.
	kind    string
	failure *fault.Error
}

// told is what the status says of a reconcile: what came of it, but an error of the API server only once it has come time
// and again. Until then that is for the log and the queue.
func (r *EgainClientReconciler) told(ec *egainv1alpha1.EgainClient, o *outcome) outcome {
	remembered := &o.world.remembered
	if o.err == nil || fault.Of(o.err) != nil {
		if remembered.unserved != nil {
			remembered.unserved = nil
			r.memory.remember(ec, *remembered)
		}
		return *o
	}
	trouble := unserved{}
	if remembered.unserved != nil {
		trouble = *remembered.unserved
	}
	trouble.count++
	if kind, f := explain(o.err); trouble.count >= toldAfter && trouble.kind != kind {
		trouble.kind, trouble.failure = kind, f
	}
	remembered.unserved = &trouble
	r.memory.remember(ec, *remembered)
	told := *o
	if trouble.failure != nil {
		// It counts once, as all that is not told to come back at a time.
		told.err, told.attempted = trouble.failure, false
	}
	return told
}

// explain says what failed and what to change, for an error of the API server, and of which kind that is.
func explain(err error) (kind string, f *fault.Error) {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	if !answered {
		what := doing(err, unanswered(err))
		return what, fault.New(fault.Paused, fault.ReasonAPIServerFailed,
			"%s fails time and again, and is tried every 30 seconds: see that the API server runs and that the operator reaches it; no answer comes from it", what)
	}
	what := doing(err, status)
	return what + string(apierrors.ReasonForError(err)), fault.New(fault.Paused, fault.ReasonAPIServerFailed,
		"%s fails time and again, and is tried every 30 seconds: %s; the API server says: %s", what, remedy(err), truncate(status.Error(), refusal.MaxText))
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
