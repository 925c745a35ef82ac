package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
)

// memory measures the operator's memory: for each size, with a fresh operator that has looked at every client once; then for
// Secrets that are no one's business; then over lives of tokens.
//
// The resident memory is that of the default garbage collection, without a limit, and for the largest size also with the
// GOMEMLIMIT of config/manager. The live heap is what a collection leaves.
// What it takes for a client is told by the difference between two sizes: an operator without clients has not done yet what
// it does once, as the first reading of a target.
func memory(ctx context.Context, h *harness) error {
	return errors.Join(memoryBySize(ctx, h), memoryOverLives(ctx, h))
}

func memoryBySize(ctx context.Context, h *harness) (err error) {
	w, err := h.open(ctx, setting{life: cloneLife})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	c, err := w.cloned(ctx)
	if err != nil {
		return err
	}
	heaps, resident := report.Series{Name: "live heap"}, report.Series{Name: "RSS"}
	var last footprint
	for _, n := range h.sizes {
		if err := c.grow(ctx, n); err != nil {
			return err
		}
		if last, err = w.footprint(ctx, strconv.Itoa(n)); err != nil {
			return err
		}
		h.figure(fmt.Sprintf("live heap with %d clients", n), "MiB", last.heap/mebibyte)
		row := h.figure(fmt.Sprintf("RSS with %d clients, at rest", n), "MiB", last.resident/mebibyte)
		row.Note = last.anonymity()
		h.figure(fmt.Sprintf("RSS with %d clients, highest, while starting", n), "MiB", last.peak/mebibyte)
		heaps.X, heaps.Y = append(heaps.X, float64(n)), append(heaps.Y, last.heap/mebibyte)
		resident.X, resident.Y = append(resident.X, float64(n)), append(resident.Y, last.resident/mebibyte)
	}
	if largest := len(heaps.X) - 1; largest > 0 {
		each := (heaps.Y[largest] - heaps.Y[0]) * mebibyte / (heaps.X[largest] - heaps.X[0])
		h.goal("live heap per client", "B", report.AtMost, 4000, each)
	}
	if err := w.asDeployed(ctx, c); err != nil {
		return err
	}
	h.plot(report.Plot{Name: "memory-by-clients", Title: "Memory of the operator", XLabel: "EgainClients", YLabel: "MiB", LogX: true, Series: []report.Series{heaps, resident}})
	if err := c.foreign(ctx, h.foreign); err != nil {
		return err
	}
	crowded, err := w.footprint(ctx, "foreign")
	if err != nil {
		return err
	}
	h.goal("live heap per foreign Secret", "B", report.AtMost, 300, (crowded.heap-last.heap)/float64(h.foreign)).Note = fmt.Sprintf("%d of them, all namespaces watched", h.foreign)
	h.figure("RSS with foreign Secrets, at rest", "MiB", crowded.resident/mebibyte)
	return nil
}

// deployedLimit is the GOMEMLIMIT of config/manager.
func deployedLimit() (string, error) {
	const file = "config/manager/deployment.yaml"
	manifest, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the Deployment: %w", err)
	}
	var d appsv1.Deployment
	if err := yaml.Unmarshal(manifest, &d); err != nil {
		return "", fmt.Errorf("reading the Deployment: %w", err)
	}
	for _, container := range d.Spec.Template.Spec.Containers {
		for _, variable := range container.Env {
			if variable.Name == "GOMEMLIMIT" {
				return variable.Value, nil
			}
		}
	}
	return "", fmt.Errorf("%s sets no GOMEMLIMIT", file)
}

// asDeployed measures the memory of an operator with the GOMEMLIMIT of config/manager.
func (w *world) asDeployed(ctx context.Context, c *clones) error {
	limit, err := deployedLimit()
	if err != nil {
		return err
	}
	n := len(c.clients)
	limited, err := w.footprint(ctx, strconv.Itoa(n)+"-limited", "GOMEMLIMIT="+limit)
	if err != nil {
		return err
	}
	row := w.figure(fmt.Sprintf("RSS with %d clients, at rest, GOMEMLIMIT=%s", n, limit), "MiB", limited.resident/mebibyte)
	row.Note = limited.anonymity()
	if n >= 100_000 {
		row.Goal = &report.Goal{Relation: report.AtMost, Bound: 450}
	}
	w.figure(fmt.Sprintf("RSS with %d clients, highest, while starting, GOMEMLIMIT=%s", n, limit), "MiB", limited.peak/mebibyte)
	return nil
}

// footprint is the memory of an operator that has nothing to do.
type footprint struct {
	usage
	heap float64
}

func (f *footprint) anonymity() string {
	return fmt.Sprintf("%.1f MiB of it anonymous, the rest pages of the binary; %.1f s of CPU", f.anonymous/mebibyte, f.cpu)
}

// footprint starts an operator, waits until it is at rest, and stops it.
func (w *world) footprint(ctx context.Context, name string, environment ...string) (footprint, error) {
	var f footprint
	o, err := w.operate(ctx, environment...)
	if err != nil {
		return f, err
	}
	if err := errors.Join(o.awaitWorking(ctx), o.quiet(ctx)); err != nil {
		return f, err
	}
	if f.usage, err = o.used(); err != nil {
		return f, err
	}
	if f.heap, err = o.heap(ctx); err != nil {
		return f, err
	}
	return f, errors.Join(o.save(ctx, "heap", "memory-heap-"+name), o.save(ctx, "allocs", "memory-allocs-"+name), o.Stop())
}

// memoryOverLives looks at the heap after each life of short tokens.
func memoryOverLives(ctx context.Context, h *harness) (err error) {
	life := 6 * time.Second
	if h.small {
		life = 3 * time.Second
	}
	w, err := h.open(ctx, setting{life: life})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	p := w.populate("bench", h.clients/5, w.first)
	if err := w.apply(ctx, p); err != nil {
		return err
	}
	o, err := w.operate(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(w.awaitReady(ctx, p), pause(ctx, 2*life)); err != nil {
		return err
	}
	heaps, resident := report.Series{Name: "live heap"}, report.Series{Name: "RSS"}
	for i := range h.lives + 1 {
		heap, err := o.heap(ctx)
		if err != nil {
			return err
		}
		u, err := o.used()
		if err != nil {
			return err
		}
		heaps.X, heaps.Y = append(heaps.X, float64(i)), append(heaps.Y, heap/mebibyte)
		resident.X, resident.Y = append(resident.X, float64(i)), append(resident.Y, u.resident/mebibyte)
		if err := pause(ctx, life); err != nil {
			return err
		}
	}
	h.goal(fmt.Sprintf("growth of the live heap over %d lives", h.lives), "%", report.AtMost, 2, growthOf(heaps.Y)).Note = fmt.Sprintf("%d clients, tokens of %s", len(p.clients), life)
	h.plot(report.Plot{Name: "memory-over-time", Title: "Memory of the operator", XLabel: "lives of tokens", YLabel: "MiB", Series: []report.Series{heaps, resident}})
	return nil
}

// growthOf is by how many percent the least of the last third is above the least of the first: what is under way when a heap
// is looked at adds to it, and nothing takes from it.
func growthOf(samples []float64) float64 {
	third := max(1, len(samples)/3)
	first, last := samples[:third], samples[len(samples)-third:]
	return 100 * (slices.Min(last)/slices.Min(first) - 1)
}
