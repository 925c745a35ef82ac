package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/hack/bench/internal/chart"
	"github.com/egain-operator/egain-operator/hack/bench/internal/quantile"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
)

// measurement is one of the things that are measured. Each has a control plane of its own, so that none finds what another
// left.
type measurement struct {
	name, what string
	run        func(context.Context, *harness) error
}

// measurements are those that the options select.
func (o options) measurements() []measurement {
	all := []measurement{
		{"throughput", "rotations a second, against a bare loop", throughput},
		{"latency", "from an applied EgainClient, or edited credentials, to the token", latency},
		{"cost", "requests and CPU of a rotation", cost},
		{"memory", "memory by the number of clients, over time, and for Secrets of others", memory},
		{"restart", "from the start, or from the end of another leader, to the first rotation", restart},
		{"isolation", "what a tenant that hangs, is slow or is huge costs the others", isolation},
		{"storm", "many clients applied at once, against a bare loop", storm},
		{"growth", "CPU and latency of a rotation by the number of clients", growth},
	}
	var selected []measurement
	for _, m := range all {
		if o.only.MatchString(m.name) {
			selected = append(selected, m)
		}
	}
	return selected
}

// harness is what measures.
type harness struct {
	options
	out    io.Writer
	dir    string
	report report.Report
	// current is the name of the measurement under way.
	current string
	// shared is the stage of all measurements, if there is one.
	shared *world
}

func newHarness(o options, out io.Writer) *harness {
	return &harness{options: o, out: out, report: report.Report{
		Began: time.Now(), Command: "bench " + strings.Join(os.Args[1:], " "), Machine: machine(), Cores: runtime.NumCPU(), Go: runtime.Version(),
	}}
}

// machine is the processor's model and the memory, as Linux tells them.
func machine() string {
	first := func(file, key string) string {
		content, err := os.ReadFile(file) //nolint:gosec // /proc
		if err != nil {
			return ""
		}
		for line := range strings.Lines(string(content)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == key {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	return fmt.Sprintf("%s/%s, %s, %s", runtime.GOOS, runtime.GOARCH, first("/proc/cpuinfo", "model name"), first("/proc/meminfo", "MemTotal"))
}

// run measures what is selected, and reports whether nothing was wrong.
func (h *harness) run(ctx context.Context) (correct bool, err error) {
	if h.dir, err = os.MkdirTemp("", "egain-bench-"); err != nil {
		return false, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(h.dir)) }()
	if h.logs == "" {
		h.logs = h.dir
	}
	for _, dir := range []string{h.logs, h.output, h.profiles} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return false, fmt.Errorf("making a directory: %w", err)
		}
	}
	defer func() {
		if h.shared != nil {
			h.shared.common = false
			err = errors.Join(err, h.shared.close(ctx))
		}
	}()
	for _, m := range h.measurements() {
		h.current = m.name
		began := time.Now()
		h.say("%s", m.what)
		err := m.run(ctx, h)
		if ctx.Err() != nil {
			return false, errors.Join(fmt.Errorf("stopped: %w", context.Cause(ctx)), h.publish())
		}
		if err != nil {
			h.report.Failures = append(h.report.Failures, fmt.Sprintf("%s: %v", m.name, err))
			h.say("failed: %v", err)
		}
		h.say("took %.0f s", time.Since(began).Seconds())
	}
	return h.report.Correct(), h.publish()
}

func (h *harness) say(format string, args ...any) {
	_, _ = fmt.Fprintf(h.out, "%6.1f  %s: %s\n", time.Since(h.report.Began).Seconds(), h.current, fmt.Sprintf(format, args...))
}

// publish prints the table and writes report and plots.
func (h *harness) publish() error {
	h.report.Duration = time.Since(h.report.Began).Seconds()
	_, _ = fmt.Fprintln(h.out)
	if err := h.report.WriteTable(h.out); err != nil || h.output == "" {
		return err
	}
	for _, plot := range h.report.Plots {
		if _, err := chart.Write(h.output, plot); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(h.output, "report.json"))
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return errors.Join(h.report.WriteJSON(file), file.Close())
}

// figure adds a row to the report. Of several samples the median is the value.
func (h *harness) figure(name, unit string, samples ...float64) *report.Row {
	row := report.Row{Measurement: h.current, Name: name, Unit: unit, Value: quantile.Median(samples)}
	if len(samples) > 1 {
		row.Samples = samples
	}
	h.report.Rows = append(h.report.Rows, row)
	return &h.report.Rows[len(h.report.Rows)-1]
}

// goal adds a row with a goal.
func (h *harness) goal(name, unit string, relation report.Relation, bound float64, samples ...float64) *report.Row {
	row := h.figure(name, unit, samples...)
	row.Goal = &report.Goal{Relation: relation, Bound: bound}
	h.say("%s: %.4g%s (%s)", name, row.Value, strings.TrimRight(" "+unit, " "), row.Verdict())
	return row
}

// must adds a row that is about correctness.
func (h *harness) must(name string, relation report.Relation, bound, value float64) *report.Row {
	row := h.goal(name, "", relation, bound, value)
	row.Correctness = true
	return row
}

// inTime adds a row that is about correctness where seconds can be relied on. In the small form tokens live for seconds, on a
// machine of which nothing is known.
func (h *harness) inTime(name string, relation report.Relation, bound, value float64) *report.Row {
	if h.small {
		return h.goal(name, "", relation, bound, value)
	}
	return h.must(name, relation, bound, value)
}

func (h *harness) plot(p report.Plot) { h.report.Plots = append(h.report.Plots, p) }

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
