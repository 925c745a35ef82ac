package controllers

import (
	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/refusal"
	"github.com/egain-operator/egain-operator/internal/status"
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
func (r *EgainClientReconciler) told(ec *egainv1alpha1.EgainClient, o status.Outcome) status.Outcome {
	remembered := r.memory.recall(ec)
	if o.Err == nil || fault.Of(o.Err) != nil {
		if remembered.unserved != nil {
			r.memory.update(ec, func(m *recollection) { m.unserved = nil })
		}
		return o
	}
	trouble := unserved{}
	if remembered.unserved != nil {
		trouble = *remembered.unserved
	}
	trouble.count++
	if kind, f := refusal.Explain(o.Err); trouble.count >= toldAfter && trouble.kind != kind {
		trouble.kind, trouble.failure = kind, f
	}
	r.memory.update(ec, func(m *recollection) { m.unserved = &trouble })
	told := o
	if trouble.failure != nil {
		// It counts once, as all that is not told to come back at a time.
		told.Err, told.Attempted = trouble.failure, false
	}
	return told
}
