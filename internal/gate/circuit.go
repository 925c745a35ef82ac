package gate

import (
	"slices"
	"strings"
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
	apps map[string]application
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
	// queues are those with clients, which are queued or have a permit.
	queues map[shares]*queue
	// probing are the queues with queued clients of applications with an open circuit, and sending all others, each in its order.
	probing, sending []*queue
	// underWay counts permits.
	underWay int
	// probed and probedBy order lines and their namespaces by their last probes.
	probed   uint64
	probedBy map[string]uint64
}

// application is one that fails at an endpoint.
type application struct {
	failures int // in a row
	cause    error
	// wait is the end of its Retry-After, and held says that this was later than a probe is due when it last failed.
	wait time.Time
	held bool
}

func newLine(e Endpoint) *line {
	return &line{
		Endpoint: e, name: strings.Join([]string{e.URL, e.Host, e.Tenant, e.Trust}, "\x00"),
		apps: map[string]application{}, queues: map[shares]*queue{}, probedBy: map[string]uint64{},
	}
}

func later(a, b time.Time) time.Time { return slices.MaxFunc([]time.Time{a, b}, time.Time.Compare) }

// open reports whether the circuit is open for an application.
func (l *line) open(app string) bool {
	return len(l.failed) >= appsToOpen || l.apps[app].failures >= failuresToOpen
}

// due reports whether the time has come for a probe.
func (l *line) due(now time.Time) bool { return !now.Before(l.next) }

// flows reports whether the time has come for a request that is no probe.
func (l *line) flows(now time.Time) bool {
	return !now.Before(l.until) || l.pace.Sub(now) < recoveryBurst
}

// ready reports whether the time has come for a request of an application: for a probe if the circuit is open.
func (l *line) ready(app string, now time.Time) bool {
	if l.open(app) {
		return l.due(now) && !now.Before(l.apps[app].wait)
	}
	return l.flows(now)
}

// fail notes a failure and reports whether the circuit is open for its application.
func (l *line) fail(app string, cause error, retryAfter time.Duration, now time.Time) bool {
	before := l.open(app)
	a, known := l.apps[app]
	if known || len(l.apps) < maxApps {
		wait := later(a.wait, now.Add(min(retryAfter, maxRetryAfter)))
		a = application{a.failures + 1, cause, wait, wait.Sub(now) > probeUnanswered}
		l.apps[app] = a
		l.asked = later(l.asked, a.wait) // its clients ask again after that
	}
	if len(l.failed) < appsToOpen && !slices.Contains(l.failed, app) {
		l.failed = append(l.failed, app)
	}
	l.cause = cause
	if !l.open(app) {
		return false
	}
	if soon := now.Add(probeAfterFailure); l.next.After(soon) || !before && l.due(now) {
		l.next = soon
	}
	l.regroup()
	return true
}

// serve notes an answer and reports whether it ends the circuit of its application. The circuits of others stay open until they
// have an answer of their own, for which they are probed without a wait.
func (l *line) serve(app string, now time.Time) (recovered bool) {
	recovered = l.open(app)
	delete(l.apps, app)
	l.failed, l.cause = nil, nil
	if len(l.apps) == 0 {
		clear(l.probedBy)
	}
	if recovered {
		l.until, l.next, l.pace = now.Add(recoveryTime), now, now
		l.regroup()
	}
	return recovered
}
