package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/hack/bench/internal/auditlog"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// cost counts what a rotation costs: CPU, requests to the API server by its audit log, requests to the provider. Half as many
// clients as rates are measured with have tokens of 60 seconds in the full form, as in the comparison with other operators.
func cost(ctx context.Context, h *harness) (err error) {
	life := time.Minute
	if h.small {
		life = 16 * time.Second
	}
	w, err := h.open(ctx, setting{life: life, audit: true})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	p := w.populate("bench", h.clients/2, w.first)
	if err := errors.Join(w.prepare(ctx, p), p.each(ctx, writers, w.createCredentials)); err != nil {
		return err
	}
	o, err := w.operate(ctx)
	if err != nil {
		return err
	}
	if err := o.quiet(ctx); err != nil {
		return err
	}
	if err := w.firstTokens(ctx, p); err != nil {
		return err
	}
	return w.steadyCost(ctx, o, p, life)
}

// firstTokens applies the clients, whose credentials are there, and counts what the first token costs.
func (w *world) firstTokens(ctx context.Context, p *population) error {
	began := time.Now()
	if err := p.each(ctx, writers, w.createClient); err != nil {
		return err
	}
	if err := w.awaitReady(ctx, p); err != nil {
		return err
	}
	ended := time.Now()
	w.goal(fmt.Sprintf("first %d tokens, until all are Ready", len(p.clients)), "s", report.AtMost, 5, ended.Sub(began).Seconds())
	calls, err := w.asked(began, ended)
	if err != nil {
		return err
	}
	sum, note := perRotation(calls, len(p.clients))
	w.figure("API requests per first token", "", sum).Note = note
	return nil
}

// steadyCost counts from a moment when all have their first token and none is due yet, over two lives, and until the tokens of
// an hour that the provider then issues have replaced all others: at either end no rotation is under way, so that each that is
// counted is counted whole.
func (w *world) steadyCost(ctx context.Context, o *operator, p *population, life time.Duration) error {
	before, err := o.account(ctx)
	if err != nil {
		return err
	}
	lives := 2 * life
	if w.small {
		lives = life
	}
	if err := errors.Join(pause(ctx, lives), w.live(ctx, time.Hour), pause(ctx, life*2/3)); err != nil {
		return err
	}
	after, err := o.account(ctx)
	if err != nil {
		return err
	}
	calls, err := w.asked(before.at, after.at)
	if err != nil {
		return err
	}
	rotations := after.rotations - before.rotations
	if rotations == 0 {
		return errors.New("there were no rotations")
	}
	sum, note := perRotation(calls, int(rotations))
	w.goal("API requests per rotation", "", report.AtMost, 3, sum).Note = note
	w.must("token requests per token issued", report.AtMost, 1, after.requests/after.issued).Note = fmt.Sprintf("%.0f requests since the start", after.requests)
	w.must("tokens issued that were not written", report.Exactly, 0, after.issued-after.rotations)
	w.inTime("tokens that expired", report.AtMost, 0, after.lapsed)
	w.figure("operator CPU per rotation", "ms", 1000*(after.cpu-before.cpu)/rotations).Note = fmt.Sprintf("%.0f rotations", rotations)
	w.goal(fmt.Sprintf("RSS with %d clients", len(p.clients)), "MiB", report.AtMost, 40, after.resident/mebibyte).Note = fmt.Sprintf("%.1f MiB of it anonymous, the rest pages of the binary", after.anonymous/mebibyte)
	w.figure("RSS at its highest", "MiB", after.peak/mebibyte)
	return o.save(ctx, "heap?gc=1", "cost-heap")
}

// account is what an operator has done and used so far.
type account struct {
	usage
	at                                  time.Time
	rotations, lapsed, requests, issued float64
}

// account reads the operator's and the provider's counts until both agree that nothing is under way, so that no rotation is
// counted at one of them only.
func (o *operator) account(ctx context.Context) (account, error) {
	var a account
	err := stage.Await(ctx, 30*time.Second, "a moment without a rotation under way", func(ctx context.Context) (bool, error) {
		requests, issued, err := o.world.tokens(ctx)
		if err != nil {
			return false, err
		}
		a.at = time.Now()
		metrics, err := o.metrics(ctx)
		if err != nil {
			return false, err
		}
		later, _, err := o.world.tokens(ctx)
		a.requests, a.issued = float64(requests), float64(issued)
		a.rotations = stage.SumSeries(metrics, "egain_token_rotations_total", `result="success"`)
		a.lapsed = stage.SumSeries(metrics, "egain_token_remaining_life_ratio_bucket", `le="0"`)
		under := stage.SumSeries(metrics, "controller_runtime_active_workers", `controller="egainclient"`)
		return under == 0 && later == requests, err
	})
	if err != nil {
		return a, err
	}
	a.usage, err = o.used()
	return a, err
}

// perRotation is how many requests there were per rotation, and which.
func perRotation(calls map[auditlog.Call]int, rotations int) (sum float64, note string) {
	var words []string
	for call, n := range calls {
		each := float64(n) / float64(rotations)
		sum += each
		words = append(words, fmt.Sprintf("%s %.3f", call, each))
	}
	slices.Sort(words)
	return sum, strings.Join(words, ", ")
}
