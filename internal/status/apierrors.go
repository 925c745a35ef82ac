package status

import (
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/refusal"
)

// reportAfter is how many errors of the API server in a row an object does not report. The fifth comes four seconds after the first,
// when a conflict or a change of leaders is over.
const reportAfter = 5

// APIErrors are errors of the API server that an object met in a row.
type APIErrors struct {
	count int
	// kind tells one failure from another, and failure is what is reported: the text of an error may contain what differs each time,
	// as ports do, and the first is kept.
	kind    string
	failure *fault.Error
}

// Reportable returns the outcome to show in the status, and the errors so far; nil for none. API server errors appear after five in a row; until
// then they are for the log and the queue.
func Reportable(o Outcome, earlier *APIErrors) (Outcome, *APIErrors) {
	if o.Err == nil || fault.Of(o.Err) != nil {
		return o, nil
	}
	so := APIErrors{}
	if earlier != nil {
		so = *earlier
	}
	so.count++
	if kind, f := refusal.Explain(o.Err); so.count >= reportAfter && so.kind != kind {
		so.kind, so.failure = kind, f
	}
	if so.failure != nil {
		// It counts once, like every failure without a retry time.
		o.Err, o.Attempted = so.failure, false
	}
	return o, &so
}
