package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/quantile"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	// tenants are that many, of which one misbehaves.
	tenants = 10
	// slow is just below the operator's time limit for a request, so that it is the slowest answer that is one.
	slow = 9500 * time.Millisecond
)

// isolation measures how late rotations of nine tenants are while a tenth hangs, or answers in 10 seconds, or has 90 % of all
// clients, against how late they are while it does not. Each tenant is a host of its own.
//
// A rotation is late by the time from when it was due to when a watch reports the new token.
func isolation(ctx context.Context, h *harness) (err error) {
	life := 30 * time.Second
	if h.small {
		life = 12 * time.Second
	}
	w, err := h.open(ctx, setting{life: life, tenants: tenants})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	// With the nine times as many that come to one tenant in the end it must be less than the machine can do at all, or all
	// are late: with 2,000 clients that is half of the rate that two cores came to.
	p := w.populate("fair", h.clients/30, func(i int) *stage.Simulator { return w.providers[i%tenants] })
	if err := w.apply(ctx, p); err != nil {
		return err
	}
	if _, err := w.operate(ctx); err != nil {
		return err
	}
	if err := w.awaitReady(ctx, p); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, err := w.watch(watching, "")
	if err != nil {
		return err
	}
	i := &isolated{world: w, seen: seen, own: map[string]bool{}, window: max(6*w.window, 2*life)}
	if h.small {
		i.window = life
	}
	for n, ec := range p.clients {
		i.own[ec.Namespace+"/"+ec.TargetName()] = n%tenants == 0
	}
	return i.run(ctx, life)
}

// isolated is how the tenants are observed.
type isolated struct {
	*world
	seen *targets
	// own says which targets are the misbehaving tenant's.
	own    map[string]bool
	window time.Duration
	// latest is what compare last compared.
	latest float64
}

func (i *isolated) run(ctx context.Context, life time.Duration) error {
	if err := pause(ctx, i.window); err != nil { // renewals spread
		return err
	}
	without, err := i.lateness(ctx)
	if err != nil {
		return err
	}
	i.figure("p99 lateness of nine tenants", "ms", without).Note = "no tenant misbehaves"
	culprit := i.providers[0]
	token := egainsim.Match{Endpoint: egainsim.TokenEndpoint}
	for _, c := range []struct {
		name  string
		slow  bool
		fault egainsim.Fault
	}{{"one hangs", false, egainsim.Fault{Hang: true}}, {"one answers in 10 s", true, egainsim.Fault{Delay: slow}}} {
		if c.slow && i.small {
			continue // it shows nothing that the one that hangs does not
		}
		if err := errors.Join(culprit.ClearFaults(ctx), culprit.SetFault(ctx, token, c.fault), pause(ctx, life/2)); err != nil {
			return err
		}
		if err := i.compare(ctx, c.name, without); err != nil {
			return err
		}
		if err := errors.Join(i.delayed(ctx, culprit, i.delay), pause(ctx, life)); err != nil {
			return err
		}
	}
	return i.crowd(ctx, without)
}

// crowd gives the tenant nine times as many clients as the others have together. Since more clients are more work, wherever they
// are, as many more that are evenly at all tenants come before that, except for the small form.
func (i *isolated) crowd(ctx context.Context, without float64) error {
	more := 9 * len(i.own) * (tenants - 1) / tenants
	const crowded = "one has 90 % of the clients"
	if i.small {
		return i.among(ctx, i.populate("crowd", more, i.first), crowded, without)
	}
	even := i.populate("even", more, func(n int) *stage.Simulator { return i.providers[n%tenants] })
	if err := i.among(ctx, even, "ten times as many clients, evenly at all tenants", without); err != nil {
		return err
	}
	evenly := i.latest
	remove := func(ctx context.Context, ec *egainv1alpha1.EgainClient) error { return i.cluster.Delete(ctx, ec) }
	if err := even.each(ctx, writers, remove); err != nil {
		return err
	}
	if err := i.among(ctx, i.populate("crowd", more, i.first), crowded, without); err != nil {
		return err
	}
	i.goal("p99 lateness of nine tenants, of that with as many clients evenly at all", "times", report.AtMost, 1.2, i.latest/evenly).Note = crowded
	return nil
}

// among measures with more clients.
func (i *isolated) among(ctx context.Context, others *population, name string, without float64) error {
	_, before, err := i.tokens(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(i.apply(ctx, others), i.awaitTokens(ctx, before, len(others.clients))); err != nil {
		return err
	}
	if err := pause(ctx, i.window); err != nil { // renewals spread
		return err
	}
	return i.compare(ctx, name, without)
}

func (i *isolated) compare(ctx context.Context, name string, without float64) error {
	var err error
	if i.latest, err = i.lateness(ctx); err != nil {
		return err
	}
	i.goal("p99 lateness of nine tenants, of that without", "times", report.AtMost, 1.2, i.latest/without).Note = fmt.Sprintf("%s: %.1f ms", name, i.latest)
	return nil
}

// lateness is the 99th percentile of how late the rotations of the other tenants are in a window, in milliseconds.
func (i *isolated) lateness(ctx context.Context) (float64, error) {
	if _, err := i.seen.since(); err != nil {
		return 0, err
	}
	if err := pause(ctx, i.window); err != nil {
		return 0, err
	}
	changes, err := i.seen.since()
	if err != nil {
		return 0, err
	}
	var late []time.Duration
	lapsed := 0
	for _, c := range changes {
		misbehaves, fair := i.own[c.target.String()]
		if !fair || misbehaves || c.due.IsZero() {
			continue
		}
		late = append(late, c.late())
		if c.lapsed {
			lapsed++
		}
	}
	if len(late) == 0 {
		return 0, errors.New("no token was replaced")
	}
	if lapsed > 0 {
		i.inTime("tokens of the nine that expired", report.AtMost, 0, float64(lapsed))
	}
	samples := quantile.Milliseconds(late)
	i.say("%d rotations, late by %s ms", len(late), strings.Join([]string{
		fmt.Sprintf("p50 %.1f", quantile.Of(samples, 0.5)), fmt.Sprintf("p90 %.1f", quantile.Of(samples, 0.9)), fmt.Sprintf("p99 %.1f", quantile.Of(samples, 0.99)),
	}, ", "))
	return quantile.Of(samples, 0.99), nil
}
