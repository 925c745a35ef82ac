package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// restart measures, for each size, how long an operator that starts takes to have its caches in sync and to replace the one
// token that is due, what else it writes and requests, which must be nothing, and how long a replica that stands by takes
// to do so once the leader is stopped.
func restart(ctx context.Context, h *harness) (err error) {
	w, err := h.open(ctx, setting{life: time.Hour, audit: true})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	c, err := w.cloned(ctx)
	if err != nil {
		return err
	}
	for _, n := range h.sizes {
		if err := c.grow(ctx, n); err != nil {
			return err
		}
		if err := w.restartWith(ctx, c, n); err != nil {
			return err
		}
	}
	return nil
}

// overdue has the token of one client due since a quarter of an hour, with ten minutes left.
func (c *clones) overdue(ctx context.Context, i int) error {
	return c.put(ctx, []*egainv1alpha1.EgainClient{c.clients[i]}, time.Now().Add(-50*time.Minute).Truncate(time.Second), time.Hour)
}

func (c *clones) targetName(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: c.clients[i].Namespace, Name: c.clients[i].TargetName()}
}

func (w *world) restartWith(ctx context.Context, c *clones, n int) error {
	if err := c.overdue(ctx, 0); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, err := w.watch(watching, c.clients[0].Namespace)
	if err != nil {
		return err
	}
	requests, _, err := w.tokens(ctx)
	if err != nil {
		return err
	}
	due := seen.expect(c.targetName(0))
	o, err := w.operate(ctx)
	if err != nil {
		return err
	}
	if err := o.awaitWorking(ctx); err != nil {
		return err
	}
	synced := time.Since(o.began)
	served, err := await(ctx, due, patience)
	if err != nil {
		return err
	}
	w.goal(fmt.Sprintf("caches in sync, %d clients", n), "s", report.AtMost, 30, synced.Seconds())
	w.goal(fmt.Sprintf("first due rotation served, %d clients", n), "s", report.AtMost, 30, served.Sub(o.began).Seconds())
	if err := o.quiet(ctx); err != nil {
		return err
	}
	w.figure(fmt.Sprintf("every target looked at once, %d clients", n), "s", time.Since(o.began).Seconds())
	if err := w.nothingElse(ctx, o, requests, n); err != nil {
		return err
	}
	return w.failover(ctx, c, o, n)
}

// nothingElse counts what the operator did since its start, except the one rotation that was due.
func (w *world) nothingElse(ctx context.Context, o *operator, before, n int) error {
	calls, err := w.asked(o.began, time.Now())
	if err != nil {
		return err
	}
	writes := -2 // the target and the status of the one that was due
	for call, count := range calls {
		if call.Writes() {
			writes += count
		}
	}
	_, note := perRotation(calls, 1)
	w.must(fmt.Sprintf("other writes, %d clients", n), report.Exactly, 0, float64(writes)).Note = note
	requests, _, err := w.tokens(ctx)
	if err != nil {
		return err
	}
	w.must(fmt.Sprintf("other token requests, %d clients", n), report.Exactly, 0, float64(requests-before-1))
	return nil
}

// failover tells the leader to end while another replica stands by. The client that is due is another one for each size: one
// whose token was replaced before would seem to have a new one when the old one is put back.
func (w *world) failover(ctx context.Context, c *clones, leader *operator, n int) error {
	standby, err := w.operate(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(pause(ctx, 2*time.Second), standby.quiet(ctx)); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, err := w.watch(watching, c.clients[n-1].Namespace)
	if err != nil {
		return err
	}
	due := seen.expect(c.targetName(n - 1))
	began := time.Now()
	if err := errors.Join(leader.Terminate(), c.overdue(ctx, n-1)); err != nil {
		return err
	}
	ended := time.Since(began)
	served, err := await(ctx, due, patience)
	if err != nil {
		return err
	}
	took := served.Sub(began)
	row := w.goal(fmt.Sprintf("failover to a replica that stands by, %d clients", n), "s", report.AtMost, 5, took.Seconds())
	row.Note = fmt.Sprintf("from SIGTERM to the first rotation; the leader ended after %.1f s, a replica looks at the Lease every 1 to 2.2 s", ended.Seconds())
	return standby.quietStop(ctx)
}

// quietStop stops an operator that has nothing to do.
func (o *operator) quietStop(ctx context.Context) error {
	return errors.Join(o.quiet(ctx), o.Stop())
}

// awaitTokens waits until so many more tokens were issued.
func (w *world) awaitTokens(ctx context.Context, before, n int) error {
	return stage.Await(ctx, patience, fmt.Sprintf("issuing %d tokens", n), func(ctx context.Context) (bool, error) {
		_, issued, err := w.tokens(ctx)
		return issued-before >= n, err
	})
}
