package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/bareloop"
	"github.com/egain-operator/egain-operator/hack/bench/internal/quantile"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// cycle is the part of a token's life after which the operator gets round to each client while rates are measured: more than
// the half after which tokens of less than a minute are due, so that it always has more to do than it can, and less than the
// whole, so that none expires. A token that does costs a status and an event more, which no rotation in time needs.
const cycle = 0.7

// throughput compares how many rotations a second the operator and a bare loop come to, in turns on the same clients.
//
// Tokens of hours would have to be due all at once to show a limit. Renewal requests would cost a write of ours for each
// rotation, which the API server would take from the operator's. So the tokens live for seconds: as long as the operator
// takes for all of them once, by its own rate, and a third more.
func throughput(ctx context.Context, h *harness) (err error) {
	w, err := h.open(ctx, setting{life: time.Hour})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	p := w.populate("bench", h.clients, w.first)
	if err := w.issueFirst(ctx, p); err != nil {
		return err
	}
	loop, err := w.bareLoop()
	if err != nil {
		return err
	}
	concurrency, rate, err := w.bestConcurrency(ctx, loop, p)
	if err != nil {
		return err
	}
	life, err := w.bestLife(ctx, loop, p, concurrency, rate)
	if err != nil {
		return err
	}
	var bare, ours rates
	for range h.repeats {
		if err := w.alternate(ctx, loop, p, concurrency, &bare, &ours); err != nil {
			return err
		}
	}
	note := fmt.Sprintf("%d clients, %d at a time, tokens of %s", h.clients, concurrency, life)
	h.figure("bare loop", "/s", bare.rotations...).Note = note
	h.figure("operator", "/s", ours.rotations...)
	h.goal("operator, of the bare loop", "%", report.AtLeast, 95, 100*quantile.Median(ours.rotations)/quantile.Median(bare.rotations))
	h.figure("API server and etcd CPU per rotation, bare loop", "ms", bare.server...)
	h.figure("API server and etcd CPU per rotation, operator", "ms", ours.server...)
	h.figure("bare loop CPU per rotation", "ms", bare.self...)
	h.figure("operator CPU per rotation", "ms", ours.self...)
	h.goal("tokens that expired meanwhile", "", report.AtMost, 0, ours.lapsed)
	h.plot(report.Plot{
		Name: "throughput", Title: "Rotations a second, in turns", XLabel: "repeat", YLabel: "rotations/s",
		Series: []report.Series{counted("bare loop", bare.rotations), counted("operator", ours.rotations)},
	})
	return nil
}

func counted(name string, samples []float64) report.Series {
	s := report.Series{Name: name, Y: samples}
	for i := range samples {
		s.X = append(s.X, float64(i+1))
	}
	return s
}

// rates are samples of one contender. The others are in milliseconds of CPU per rotation.
type rates struct {
	rotations, server, self []float64
	lapsed                  float64
}

// issueFirst applies a population and has an operator issue the first tokens.
func (w *world) issueFirst(ctx context.Context, p *population) error {
	if err := w.apply(ctx, p); err != nil {
		return err
	}
	o, err := w.operate(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.awaitReady(ctx, p), o.Stop())
}

// patience bounds what takes minutes for many clients.
const patience = 15 * time.Minute

// bestConcurrency tries how many rotations at a time are the most a second.
func (w *world) bestConcurrency(ctx context.Context, loop *bareloop.Loop, p *population) (best int, rate float64, err error) {
	for _, concurrency := range []int{4, 8, 16, 32, 64} {
		var r rates
		if err := w.runBare(ctx, loop, p, concurrency, w.window/2, &r); err != nil {
			return 0, 0, err
		}
		w.say("bare loop, %d at a time: %.0f rotations/s", concurrency, r.rotations[0])
		if r.rotations[0] > rate {
			best, rate = concurrency, r.rotations[0]
		}
	}
	return best, rate, nil
}

// maxTrials bounds how often the life of tokens is tried.
const maxTrials = 5

// bestLife sets, and returns, the shortest life of tokens at which the operator is at work all the time and lets none expire. It
// begins with the rate of the bare loop, which the operator cannot exceed.
func (w *world) bestLife(ctx context.Context, loop *bareloop.Loop, p *population, concurrency int, rate float64) (time.Duration, error) {
	for range maxTrials {
		life := max(time.Duration(math.Ceil(float64(len(p.clients))/rate/cycle))*time.Second, 2*time.Second)
		if err := w.live(ctx, life); err != nil {
			return 0, err
		}
		var bare, tried rates
		if err := w.alternate(ctx, loop, p, concurrency, &bare, &tried); err != nil {
			return 0, err
		}
		w.say("tokens of %s: %.0f rotations/s by the operator, %.0f of them too late", life, tried.rotations[0], tried.lapsed)
		if tried.lapsed == 0 {
			return life, nil
		}
		rate *= 0.87
	}
	return 0, fmt.Errorf("the operator lets tokens expire at any rate that was tried")
}

// runBare measures the bare loop for a time.
func (w *world) runBare(ctx context.Context, loop *bareloop.Loop, p *population, concurrency int, window time.Duration, r *rates) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	work := make(chan *egainv1alpha1.EgainClient)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-running.Done():
				return
			case work <- p.clients[i%len(p.clients)]:
			}
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(running, work, concurrency) }()
	err := w.measure(ctx, os.Getpid(), window, r, func(context.Context) (int, error) { return loop.Rotations(), nil })
	err = errors.Join(err, w.saveServer(ctx, "throughput-bare-server"))
	stop()
	return errors.Join(err, <-ended)
}

// alternate measures the bare loop and then the operator.
func (w *world) alternate(ctx context.Context, loop *bareloop.Loop, p *population, concurrency int, bare, ours *rates) error {
	if err := w.runBare(ctx, loop, p, concurrency, w.window, bare); err != nil {
		return err
	}
	return w.runOurs(ctx, p, ours)
}

// runOurs starts an operator and measures it for a time.
func (w *world) runOurs(ctx context.Context, p *population, ours *rates) error {
	o, err := w.operate(ctx)
	if err != nil {
		return err
	}
	if err := o.awaitWorking(ctx); err != nil {
		return err
	}
	_, before, err := w.tokens(ctx)
	if err != nil {
		return err
	}
	// Once round: it has then read every target that it found, which it does but once, and is as late as it will be.
	if err := w.awaitTokens(ctx, before, len(p.clients)); err != nil {
		return err
	}
	lapsed, err := o.lapsed(ctx)
	if err != nil {
		return err
	}
	err = w.measure(ctx, o.pid, w.window, ours, func(ctx context.Context) (int, error) {
		_, issued, err := w.tokens(ctx)
		return issued, err
	})
	if err != nil {
		return err
	}
	now, err := o.lapsed(ctx)
	ours.lapsed += now - lapsed
	return errors.Join(err, o.save(ctx, "profile?seconds=5", "throughput-cpu"), o.save(ctx, "allocs", "throughput-allocs"), w.saveServer(ctx, "throughput-server"), o.Stop())
}

// measure counts rotations, and the CPU time of a process and of the servers, over a time.
func (w *world) measure(ctx context.Context, pid int, window time.Duration, r *rates, count func(context.Context) (int, error)) error {
	before, err := w.read(ctx, pid, count)
	if err != nil {
		return err
	}
	if err := pause(ctx, window); err != nil {
		return err
	}
	after, err := w.read(ctx, pid, count)
	if err != nil {
		return err
	}
	rotations := float64(after.count - before.count)
	if rotations == 0 {
		return fmt.Errorf("there was no rotation in %s", window)
	}
	r.rotations = append(r.rotations, rotations/after.at.Sub(before.at).Seconds())
	r.server = append(r.server, 1000*(after.server-before.server)/rotations)
	r.self = append(r.self, 1000*(after.self-before.self)/rotations)
	return nil
}

// reading is what was counted at a time.
type reading struct {
	at           time.Time
	count        int
	self, server float64
}

func (w *world) read(ctx context.Context, pid int, count func(context.Context) (int, error)) (reading, error) {
	var r reading
	var err error
	if r.count, err = count(ctx); err != nil {
		return r, err
	}
	r.at = time.Now()
	self, err := used(pid)
	if err != nil {
		return r, err
	}
	r.self = self.cpu
	r.server, err = w.serverCPU()
	return r, err
}

// serverCPU is how many seconds of CPU etcd and kube-apiserver have used.
func (w *world) serverCPU() (float64, error) {
	var sum float64
	for _, program := range []string{"etcd", "kube-apiserver"} {
		pid, err := w.cluster.Plane.PID(program)
		if err != nil {
			return 0, err
		}
		u, err := used(pid)
		if err != nil {
			return 0, err
		}
		sum += u.cpu
	}
	return sum, nil
}

// lapsed is how many tokens the operator has replaced that had expired.
func (o *operator) lapsed(ctx context.Context) (float64, error) {
	metrics, err := o.metrics(ctx)
	return stage.SumSeries(metrics, "egain_token_remaining_life_ratio_bucket", `le="0"`), err
}
