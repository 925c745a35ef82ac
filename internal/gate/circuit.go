package gate

import (
	"slices"
	"time"
)

const (
	// failuresToOpen is how many requests of an application must fail in a row to open its circuit: successes of other clients
	// come in between if only one client fails.
	failuresToOpen = 5
	// appsToOpen is how many applications must fail, with no success of any in between, to open the circuit of the line for all.
	appsToOpen = 3
	// probeAfterFailure is the wait from a failure to the next probe, and probeUnanswered that from a probe without an answer to
	// another one beside it.
	probeAfterFailure = 2 * time.Second
	probeUnanswered   = 4 * time.Second
	// recoveryTime is how long requests are paced after a circuit closes, and recoveryRate how many are sent in a second. The burst
	// makes up for the interval of Tick.
	recoveryTime  = time.Minute
	recoveryRate  = 200
	recoveryBurst = TickInterval
	// maxRetryAfter bounds the Retry-After that counts.
	maxRetryAfter = time.Hour
	// maxApps bounds the applications of a line with a circuit of their own. The circuit of the line is open by then.
	maxApps = 64
	// maxNamespaces bounds the namespaces of a line of which the last probe is known.
	maxNamespaces = 4096
)

// line is what is known of an endpoint. Whether a circuit is open follows from the failures: nothing is set or reset.
type line struct {
	Endpoint
	name string // a text for all of Endpoint
	// apps are the applications that fail.
	apps map[string]*application
	// failed are the first applications that failed since the last success of any.
	failed []string
	// cause is the last failure.
	cause error
	// next is when the next probe is due, of whichever application.
	next time.Time
	// until is the end of the recovery, and pace when the next request of the recovery would be due at an even pace.
	until, pace time.Time
	// asked is when a client last asked.
	asked time.Time
	// queues are those with queued clients, the soonest to expire first.
	queues []*queue
	// clients are those that are queued or have a permit.
	clients int
	// probed and probedBy order lines and their namespaces by their last probes.
	probed   uint64
	probedBy map[string]uint64
}

// application is one that fails at an endpoint.
type application struct {
	failures int // in a row
	cause    error
	// wait is the end of its Retry-After.
	wait time.Time
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// failures are those of an application in a row.
func (l *line) failures(app string) int {
	if a := l.apps[app]; a != nil {
		return a.failures
	}
	return 0
}

// open reports whether the circuit is open for an application.
func (l *line) open(app string) bool {
	return len(l.failed) >= appsToOpen || l.failures(app) >= failuresToOpen
}

// failing reports whether any circuit of the line is open.
func (l *line) failing() bool {
	for _, a := range l.apps {
		if len(l.failed) >= appsToOpen || a.failures >= failuresToOpen {
			return true
		}
	}
	return false
}

// probes reports whether a probe is due.
func (l *line) probes(now time.Time) bool { return !now.Before(l.next) && l.failing() }

// healthy reports whether there is nothing to remember.
func (l *line) healthy(now time.Time) bool {
	return len(l.apps) == 0 && len(l.failed) == 0 && !now.Before(l.until)
}

// ready reports whether the time has come for a request of an application: for a probe if the circuit is open.
func (l *line) ready(app string, now time.Time) bool {
	if !l.open(app) {
		return !now.Before(l.until) || l.pace.Sub(now) < recoveryBurst
	}
	a := l.apps[app]
	return !now.Before(l.next) && (a == nil || !now.Before(a.wait))
}

// take notes that a client may send.
func (l *line) take(probe bool, now time.Time) {
	if probe {
		l.next = now.Add(probeUnanswered)
	} else {
		l.pace = later(l.pace, now).Add(time.Second / recoveryRate)
	}
}

// fail notes a failure and reports whether the circuit is open for its application.
func (l *line) fail(app string, cause error, retryAfter time.Duration, now time.Time) (open bool) {
	before := l.open(app)
	if a := l.application(app); a != nil {
		a.failures++
		a.cause = cause
		a.wait = later(a.wait, now.Add(min(retryAfter, maxRetryAfter)))
		l.asked = later(l.asked, a.wait) // its clients ask again after that
	}
	if len(l.failed) < appsToOpen && !slices.Contains(l.failed, app) {
		l.failed = append(l.failed, app)
	}
	l.cause = cause
	open = l.open(app)
	opens := open && !before && !l.next.After(now)
	if soon := now.Add(probeAfterFailure); opens || l.next.After(soon) {
		l.next = soon
	}
	return open
}

// application is the one of a name; nil if there are too many.
func (l *line) application(name string) *application {
	if a := l.apps[name]; a != nil || len(l.apps) >= maxApps {
		return a
	}
	if l.apps == nil {
		l.apps = map[string]*application{}
	}
	l.apps[name] = &application{}
	return l.apps[name]
}

// serve notes an answer and reports whether it ends the circuit of its application. The circuits of others stay open until they
// have an answer of their own, for which they are probed without a wait.
func (l *line) serve(app string, now time.Time) (recovered bool) {
	recovered = l.open(app)
	delete(l.apps, app)
	l.failed, l.cause = nil, nil
	if recovered {
		l.until, l.next, l.pace = now.Add(recoveryTime), now, now
	}
	if len(l.apps) == 0 {
		l.probedBy = nil
	}
	return recovered
}
