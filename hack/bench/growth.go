package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/quantile"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
)

// steady is by how much, of the least, what must be flat may differ from size to size.
const steady = 1.2

// growth measures what a rotation takes by the number of clients: renewals are requested of some, one after the other.
func growth(ctx context.Context, h *harness) (err error) {
	w, err := h.open(ctx, setting{life: cloneLife})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	c, err := w.cloned(ctx)
	if err != nil {
		return err
	}
	cpu, median, worst := report.Series{Name: "CPU, ms"}, report.Series{Name: "latency p50, ms"}, report.Series{Name: "latency p99, ms"}
	for _, n := range h.sizes {
		if err := c.grow(ctx, n); err != nil {
			return err
		}
		samples, each, err := w.renewals(ctx, c, min(n, max(50, h.clients/5)))
		if err != nil {
			return err
		}
		for _, line := range []struct {
			series *report.Series
			name   string
			value  float64
		}{
			{&cpu, "operator CPU per rotation", each},
			{&median, "renewal request to token, p50", quantile.Of(samples, 0.5)},
			{&worst, "renewal request to token, p99", quantile.Of(samples, 0.99)},
		} {
			h.figure(fmt.Sprintf("%s, %d clients", line.name, n), "ms", line.value).Note = fmt.Sprintf("%d rotations", len(samples))
			line.series.X, line.series.Y = append(line.series.X, float64(n)), append(line.series.Y, line.value)
		}
	}
	h.goal("CPU per rotation, largest size of smallest", "times", report.AtMost, steady, cpu.Y[len(cpu.Y)-1]/cpu.Y[0])
	h.goal("latency p50, largest size of smallest", "times", report.AtMost, steady, median.Y[len(median.Y)-1]/median.Y[0])
	h.plot(report.Plot{
		Name: "rotation-by-clients", Title: "A rotation", XLabel: "EgainClients", YLabel: "ms", LogX: true, Series: []report.Series{cpu, median, worst},
	})
	return nil
}

// renewals requests renewals, and returns how long each took beyond the provider's own time, and the operator's CPU time per
// rotation, both in milliseconds.
func (w *world) renewals(ctx context.Context, c *clones, n int) (samples []float64, cpu float64, err error) {
	o, err := w.operate(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := errors.Join(o.awaitWorking(ctx), o.quiet(ctx)); err != nil {
		return nil, 0, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, err := w.watch(watching, "")
	if err != nil {
		return nil, 0, err
	}
	before, err := o.used()
	if err != nil {
		return nil, 0, err
	}
	var took []time.Duration
	for i := range n {
		// Evenly over all of them.
		ec := c.clients[i*len(c.clients)/n]
		if err := w.timed(ctx, seen, ec, &took, func() error { return w.request(ctx, ec, time.Now()) }); err != nil {
			return nil, 0, err
		}
	}
	after, err := o.used()
	if err != nil {
		return nil, 0, err
	}
	if err := o.save(ctx, "allocs", fmt.Sprintf("growth-allocs-%d", len(c.clients))); err != nil {
		return nil, 0, err
	}
	return quantile.Milliseconds(took), 1000 * (after.cpu - before.cpu) / float64(n), o.Stop()
}

// request asks for a renewal as `kubectl egain renew` does.
func (w *world) request(ctx context.Context, ec *egainv1alpha1.EgainClient, now time.Time) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, egainv1alpha1.RenewRequestedAtAnnotation, now.Format(time.RFC3339Nano))
	object := &egainv1alpha1.EgainClient{}
	object.Namespace, object.Name = ec.Namespace, ec.Name
	if err := w.cluster.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("requesting a renewal of %s: %w", client.ObjectKeyFromObject(ec), err)
	}
	return nil
}
