package main

import (
	"context"
	"time"

	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// progress is what was seen of an operator twice a second.
type progress struct {
	stop     context.CancelFunc
	ended    chan struct{}
	rate     report.Series
	resident report.Series
}

const sampling = time.Second / 2

// sample begins to look at an operator and the providers.
func (w *world) sample(ctx context.Context, o *operator) *progress {
	looking, stop := context.WithCancel(ctx)
	p := &progress{stop: stop, ended: make(chan struct{}), rate: report.Series{Name: "tokens/s"}, resident: report.Series{Name: "RSS"}}
	began := time.Now()
	last, before := began, 0
	go func() {
		defer close(p.ended)
		stage.Every(looking, sampling, func() {
			_, issued, err := w.tokens(looking)
			u, errUsed := o.used()
			if err != nil || errUsed != nil {
				return // the next look shows both
			}
			now := time.Now()
			at := now.Sub(began).Seconds()
			p.rate.X, p.rate.Y = append(p.rate.X, at), append(p.rate.Y, float64(issued-before)/now.Sub(last).Seconds())
			p.resident.X, p.resident.Y = append(p.resident.X, at), append(p.resident.Y, u.resident/mebibyte)
			last, before = now, issued
		})
	}()
	return p
}

// draw ends the looking and adds two plots.
func (p *progress) draw(h *harness, name string) {
	p.stop()
	<-p.ended
	for _, plot := range []report.Plot{
		{Name: name + "-rate", Title: "Tokens issued", YLabel: "tokens/s", Series: []report.Series{p.rate}},
		{Name: name + "-memory", Title: "Memory of the operator", YLabel: "MiB", Series: []report.Series{p.resident}},
	} {
		plot.XLabel = "seconds"
		h.plot(plot)
	}
}
