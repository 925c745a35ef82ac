package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/audit"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	// patience is how much longer than expected a recovery is waited for, so that the report has its true length.
	patience = 60 * time.Second
	// collection bounds the time that the garbage collector takes to delete the targets of deleted clients.
	collection = 30 * time.Second
)

// measure carries out a scenario in a lane of its own.
func (h *harness) measure(ctx context.Context, s scenario, number int) (m report.Measurement, err error) {
	h.say("%s: begins", s.title())
	l, err := h.openLane(ctx, number, s)
	defer func() { err = errors.Join(err, l.stopAll()) }()
	if err != nil {
		return m, err
	}
	if err := l.settle(ctx); err != nil {
		return m, err
	}
	schedule, err := l.observe(ctx)
	if err != nil {
		return m, err
	}
	found, unwell, err := l.undergo(ctx, s)
	if err != nil {
		return m, err
	}
	m = measurement(l, found)
	m.Recovery = report.Seconds(max(0, unwell.Sub(l.healed)))
	m.Needed = needed(schedule, found.Ended)
	return m, errors.Join(l.count(ctx, &m), l.clear(ctx, &m))
}

// undergo runs a scenario under audit until all is well again, and says when it was last not so.
func (l *lane) undergo(ctx context.Context, s scenario) (found audit.Result, unwell time.Time, err error) {
	l.audit = l.watch(ctx)
	look, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		stage.Every(look, 2*auditInterval, func() {
			if !l.well(look) && look.Err() == nil {
				unwell = time.Now()
			}
		})
	})
	err = s.run(ctx, l)
	if err == nil {
		err = l.recover(ctx, s.expect.Recovery+patience)
	}
	if err == nil {
		err = l.hold(ctx, 2*time.Second) // whatever comes late is still seen
	}
	cancel()
	looking.Wait()
	return l.audit.End(), unwell, err
}

// well reports whether every client has a valid token and no failure to retry.
func (l *lane) well(ctx context.Context) bool {
	if l.audit.Invalid() > 0 {
		return false
	}
	all, err := l.egainClients(ctx)
	return err == nil && len(all) >= len(l.clients) && !slices.ContainsFunc(all, failing)
}

func measurement(l *lane, found audit.Result) report.Measurement {
	m := report.Measurement{
		Clients: len(l.clients), Tenants: len(l.tenants), TokenLife: report.Seconds(l.life), Duration: report.Seconds(found.Ended.Sub(found.Began)),
		Invalid: report.Seconds(found.Invalid), Worst: report.Seconds(found.Worst), Longest: report.Seconds(found.Longest),
		Lacking: found.Lacking, Unknown: report.Seconds(found.Unknown), Gap: report.Seconds(found.Gap), Rotations: found.Rotations,
		Attempts: l.attempts, Faults: l.strikes,
	}
	if found.Worst > 0 {
		m.WorstClient = found.WorstTarget.String()
	}
	return m
}

// plan is when a client's next token is due, and how long after each the one after it.
type plan struct {
	due      time.Time
	interval time.Duration
}

// observe has the simulator count again, and notes what the schedule of each client is.
func (l *lane) observe(ctx context.Context) ([]plan, error) {
	var plans []plan
	err := stage.Await(ctx, settling, "the status of all clients", func(ctx context.Context) (bool, error) {
		all, err := l.egainClients(ctx)
		if err != nil {
			return false, err
		}
		plans = nil
		for i := range all {
			if tok := all[i].Status.Token; tok != nil && tok.RenewalTime != nil {
				plans = append(plans, plan{tok.RenewalTime.Time, tok.RenewalTime.Sub(tok.IssueTime.Time)})
			}
		}
		return len(plans) == len(l.clients), nil
	})
	return plans, errors.Join(err, l.sim.ClearRecord(ctx))
}

// needed is how many tokens a schedule needs until a time.
func needed(schedule []plan, until time.Time) int {
	total := 0
	for _, p := range schedule {
		if late := until.Sub(p.due); late >= 0 && p.interval > 0 {
			total += 1 + int(late/p.interval)
		}
	}
	return total
}

// recover waits until every client has a valid token and no failure to retry. It first lets the auditor look at what the fault
// has done.
func (l *lane) recover(ctx context.Context, limit time.Duration) error {
	if l.healed.IsZero() {
		l.healed = time.Now()
	}
	if err := l.hold(ctx, 2*auditInterval); err != nil {
		return err
	}
	limit -= time.Since(l.healed)
	err := stage.Await(ctx, limit, "recovering", func(ctx context.Context) (bool, error) { return l.well(ctx), nil })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		l.say("%s: not recovered: %v", l.prefix, err)
	}
	return nil
}

func failing(ec egainv1alpha1.EgainClient) bool { return ec.Status.LastFailure != nil }

// count reads what the simulator was asked.
func (l *lane) count(ctx context.Context, m *report.Measurement) error {
	stats, err := l.sim.Stats(ctx)
	if err != nil {
		return err
	}
	for _, t := range l.tenants {
		token := egainsim.Match{Endpoint: egainsim.TokenEndpoint, Tenant: t.ID}
		issued := stats.Of(token, egainsim.OutcomeOK)
		m.Issued, m.Failed = m.Issued+issued, m.Failed+stats.Of(token, "")-issued
	}
	requests, err := l.sim.Requests(ctx)
	if err != nil {
		return err
	}
	var times []time.Time
	for _, r := range requests {
		if r.Endpoint == egainsim.TokenEndpoint {
			times = append(times, r.Time)
		}
	}
	m.Peak = peak(times)
	return nil
}

// peak is the most of some moments that lie within one second.
func peak(times []time.Time) int {
	slices.SortFunc(times, time.Time.Compare)
	most, first := 0, 0
	for last := range times {
		for times[last].Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// clear compares the Secrets that there are with those that there should be, deletes the clients, and waits until their
// targets are collected.
func (l *lane) clear(ctx context.Context, m *report.Measurement) error {
	expected := map[audit.Key]bool{}
	for _, c := range l.clients {
		expected[audit.Key(c.target())], expected[audit.Key(c.credentials())] = true, true
	}
	for _, key := range l.secrets.In(l.prefix) {
		if !expected[key] {
			m.Strays = append(m.Strays, key.String())
		}
		delete(expected, key)
	}
	for key := range expected {
		m.Missing = append(m.Missing, key.String())
	}
	for _, t := range l.tenants {
		if err := l.cluster.DeleteAllOf(ctx, &egainv1alpha1.EgainClient{}, client.InNamespace(t.namespace)); err != nil {
			return fmt.Errorf("deleting the clients: %w", err)
		}
	}
	orphans := l.awaitCollection(ctx)
	m.Strays = append(m.Strays, orphans...)
	slices.Sort(m.Strays)
	slices.Sort(m.Missing)
	var errs []error
	for _, t := range l.tenants {
		errs = append(errs, client.IgnoreNotFound(l.cluster.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}})))
	}
	return errors.Join(errs...)
}

// awaitCollection returns the targets that outlive their clients.
func (l *lane) awaitCollection(ctx context.Context) []string {
	var orphans []string
	_ = stage.Await(ctx, collection, "collecting the targets", func(context.Context) (bool, error) { // what is left tells
		orphans = nil
		there := l.secrets.In(l.prefix)
		for _, c := range l.clients {
			if slices.Contains(there, audit.Key(c.target())) {
				orphans = append(orphans, "orphan "+c.target().String())
			}
		}
		return len(orphans) == 0, nil
	})
	return orphans
}
