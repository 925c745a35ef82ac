package main

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// `make days` plays 10,000 clients, thirty days and more lives of herds. This is small enough for every run, also under the race
// detector: the bounds of a herd hold from its tenth life on, which leaves two to see that they do.
func TestFiguresAreWithinTheirBounds(t *testing.T) {
	t.Parallel()
	f := measure(scenario{clients: 2_000, length: 2 * day}, herdBound+2)
	var table strings.Builder
	f.print(&table)
	if broken := f.broken(); len(broken) > 0 {
		t.Errorf("out of bounds: %s\n%s", strings.Join(broken, "; "), table.String())
	}
	// A simulation in which nothing goes wrong would prove nothing.
	if r := f.faults; r.failed < 1000 || r.restarts < 5 || r.lost == 0 || r.overtaken == 0 || r.outlasted.tokens < 10 {
		t.Errorf("too little went wrong:\n%s", table.String())
	}
	// 2,202 are refused. Clients that retry without a gate met 11,391 refusals in four days.
	if f.faults.failed > 2500 {
		t.Errorf("hosts that fail get too many requests:\n%s", table.String())
	}
}

// An operator that ends abandons its requests, and those of the last one end with the simulation.
func TestNoRequestOutlivesTheOperator(t *testing.T) {
	before := runtime.NumGoroutine()
	r := simulate(scenario{clients: 400, length: day})
	if after := runtime.NumGoroutine(); after > before || r.restarts == 0 {
		t.Errorf("%d goroutines before, %d after %d restarts", before, after, r.restarts)
	}
}

func TestMinutesMissedAreThoseBeforeTheReturn(t *testing.T) {
	t.Parallel()
	r := &result{absences: []outage{{start: 59 * time.Minute, end: 60*time.Minute + 30*time.Second}}}
	for minute, want := range map[int]float64{58: 0, 59: 0, 60: 1.5, 61: 1.5, 62: 0} {
		if got := r.missed(minute); got != want {
			t.Errorf("minute %d makes up for %v, want %v", minute, got, want)
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	const at = time.Hour // the expiry
	tests := map[string]struct {
		until, replaced      time.Duration
		avoidable, outlasted expiries
		out                  time.Duration
	}{
		"a token replaced before it expired": {replaced: at - time.Second},
		"one that expired without a failure": {
			replaced: at + time.Minute, avoidable: expiries{1, time.Minute, time.Minute},
		},
		"one whose host was back in time": {
			until: at - 10*time.Second, replaced: at + time.Second, avoidable: expiries{1, time.Second, time.Second},
		},
		"one whose host was back too shortly before for anybody to know": {
			until: at - time.Second, replaced: at + time.Second, outlasted: expiries{1, time.Second, time.Second},
		},
		"one whose host was out for longer": {
			until: at + time.Hour, replaced: at + time.Hour + time.Minute, outlasted: expiries{1, time.Minute, time.Minute}, out: time.Hour,
		},
		"one whose host was still out when nothing more was played": {
			until: at + time.Hour, replaced: at + time.Minute, outlasted: expiries{tokens: 1}, out: time.Minute,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r result
			r.audit(at, tc.until, tc.replaced)
			if r.avoidable != tc.avoidable || r.outlasted != tc.outlasted || r.out != tc.out {
				t.Errorf("got %v avoidable, %v outlasted, %s out", r.avoidable, r.outlasted, r.out)
			}
		})
	}
}

// Each wave of requests must meet what it is meant to: a fault that overlaps the next would hide that clients could have
// had a token in between.
func TestFaultsOfAHostDoNotOverlap(t *testing.T) {
	t.Parallel()
	const length = 30 * day
	for number := range 50 {
		seen := map[kind]bool{}
		last := time.Duration(0)
		for _, s := range faults(number, length) {
			if s.start < last || s.end <= s.start {
				t.Errorf("host %d: a fault from %s to %s, after one until %s", number, s.start, s.end, last)
			}
			last, seen[s.kind] = s.end, true
		}
		if len(seen) != kinds {
			t.Errorf("host %d misbehaves in %d ways, want all %d", number, len(seen), kinds)
		}
	}
}

func TestHostsAnswerAsTheyAreTold(t *testing.T) {
	t.Parallel()
	faulty := func(k kind) *host {
		return &host{faults: []hostFault{{start: time.Hour, end: 2 * time.Hour, kind: k, retryAfter: time.Minute}}}
	}
	tests := map[string]struct {
		host               *host
		at                 time.Duration
		took, retry, until time.Duration
		fails              bool
	}{
		"before a fault":  {host: faulty(unavailable), at: time.Hour - 1, took: answerTime},
		"after a fault":   {host: faulty(unavailable), at: 2 * time.Hour, took: answerTime},
		"down":            {host: faulty(unavailable), at: time.Hour, took: answerTime, until: 2 * time.Hour, fails: true},
		"asking for time": {host: faulty(retryLater), at: 2*time.Hour - 1, took: answerTime, retry: time.Minute, until: 2*time.Hour - 1 + answerTime + time.Minute, fails: true},
		"asking for less": {host: faulty(tooMany), at: time.Hour, took: answerTime, retry: time.Minute, until: 2 * time.Hour, fails: true},
		"hanging":         {host: faulty(hanging), at: 2*time.Hour - 1, took: requestTimeout, until: 2*time.Hour + hangingProbe, fails: true},
		"slow":            {host: faulty(slow), at: time.Hour, took: slowAnswerTime},
		"over its rate":   {host: &host{limits: true}, took: answerTime, retry: rateRetryAfter, until: answerTime + rateRetryAfter, fails: true},
		"within its rate": {host: &host{limits: true}, at: time.Minute, took: answerTime},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tc.host.ask(tc.at)
			if got.took != tc.took || got.until != tc.until || (got.fault != nil) != tc.fails {
				t.Errorf("got %+v", got)
			}
			if got.fault != nil && got.fault.RetryAfter != tc.retry {
				t.Errorf("asks for %s, want %s", got.fault.RetryAfter, tc.retry)
			}
		})
	}
}
