package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	// slots is the operator's default of requests under way to one host.
	slots = 16
	// stormPace is the limit of requests a second that a tenant is given.
	stormPace = 100
	// stormLife is that of the tokens whose renewals are looked at.
	stormLife = time.Hour
)

// storm applies many clients at once: while the operator runs, and for comparison while a bare loop takes each as soon as it
// is created. Then it applies some of a tenant that has a limit of requests a second.
func storm(ctx context.Context, h *harness) error {
	bare, err := stormBare(ctx, h)
	if err != nil {
		return err
	}
	return stormOperator(ctx, h, bare)
}

func stormBare(ctx context.Context, h *harness) (took time.Duration, err error) {
	w, err := h.open(ctx, setting{life: stormLife})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return 0, err
	}
	loop, err := w.bareLoop()
	if err != nil {
		return 0, err
	}
	p := w.populate("bare", h.applied, w.first)
	if err := w.prepare(ctx, p); err != nil {
		return 0, err
	}
	applied := make(chan *egainv1alpha1.EgainClient, len(p.clients))
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- loop.Run(ctx, applied, slots) }()
	err = p.each(ctx, writers, func(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
		err := errors.Join(w.createCredentials(ctx, ec), w.createClient(ctx, ec))
		if err == nil {
			applied <- ec
		}
		return err
	})
	close(applied)
	err = errors.Join(err, <-ended)
	took = time.Since(began)
	if err == nil && loop.Rotations() != len(p.clients) {
		err = fmt.Errorf("the bare loop rotated %d of %d", loop.Rotations(), len(p.clients))
	}
	h.figure(fmt.Sprintf("bare loop, %d applied until all are Ready", len(p.clients)), "s", took.Seconds()).Note = fmt.Sprintf("%d writers, %d rotations at a time", writers, slots)
	return took, err
}

func stormOperator(ctx context.Context, h *harness, bare time.Duration) (err error) {
	w, err := h.open(ctx, setting{life: stormLife})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	p := w.populate("operator", h.applied, w.first)
	if err := w.prepare(ctx, p); err != nil {
		return err
	}
	o, err := w.operate(ctx)
	if err != nil {
		return err
	}
	if err := o.quiet(ctx); err != nil {
		return err
	}
	progress := w.sample(ctx, o)
	began := time.Now()
	err = p.each(ctx, writers, func(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
		return errors.Join(w.createCredentials(ctx, ec), w.createClient(ctx, ec))
	})
	applied := time.Since(began)
	if err := errors.Join(err, w.awaitReady(ctx, p)); err != nil {
		return err
	}
	took := time.Since(began)
	progress.draw(h, "storm")
	h.figure(fmt.Sprintf("operator, %d applied until all are Ready", len(p.clients)), "s", took.Seconds()).Note = fmt.Sprintf("applying them took %.1f s", applied.Seconds())
	h.goal("operator, of the bare loop", "times", report.AtMost, 1.1, took.Seconds()/bare.Seconds())
	if err := w.stormLimits(ctx, o, p); err != nil {
		return err
	}
	return w.stormPaced(ctx)
}

// stormLimits looks at what the provider saw, and when the renewals are due.
func (w *world) stormLimits(ctx context.Context, o *operator, p *population) error {
	stats, err := w.providers[0].Stats(ctx)
	if err != nil {
		return err
	}
	requests := stats.Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")
	w.must("token requests per client", report.Exactly, 1, float64(requests)/float64(len(p.clients)))
	w.must("token requests under way at once", report.AtMost, slots, float64(stats.MaxConcurrent[egainsim.TokenEndpoint]))
	u, err := o.used()
	if err != nil {
		return err
	}
	w.figure("RSS at its highest", "MiB", u.peak/mebibyte)
	perMinute := map[int64]int{}
	for _, ec := range p.clients {
		perMinute[ec.Status.Token.RenewalTime.Unix()/60]++
	}
	busiest := 0
	for _, n := range perMinute {
		busiest = max(busiest, n)
	}
	row := w.figure("share of the renewals in the busiest minute", "%", 100*float64(busiest)/float64(len(p.clients)))
	row.Note = fmt.Sprintf("tokens of %s, whose first renewals are spread over a tenth of the life", stormLife)
	return nil
}

// stormPaced applies clients of a tenant with a limit, and looks at the busiest second that the provider saw.
func (w *world) stormPaced(ctx context.Context) error {
	tenant := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "paced"}}
	url := w.providers[0].Description.Tenants[0].TokenURLs[egainsim.Client]
	tenant.Spec.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(url)}
	tenant.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}
	tenant.Spec.RequestLimits = &egainv1alpha1.RequestLimits{PerSecond: stormPace}
	if err := w.create(ctx, tenant); err != nil {
		return err
	}
	p := w.populate("paced", min(w.applied, 10*stormPace), w.first)
	for _, ec := range p.clients {
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "paced"}
	}
	if err := w.providers[0].ClearRecord(ctx); err != nil {
		return err
	}
	if err := errors.Join(w.apply(ctx, p), w.awaitReady(ctx, p)); err != nil {
		return err
	}
	requests, err := w.providers[0].Requests(ctx)
	if err != nil {
		return err
	}
	var times []time.Time
	for _, r := range requests {
		if r.Endpoint == egainsim.TokenEndpoint {
			times = append(times, r.Time)
		}
	}
	row := w.inTime("requests in any second, of the limit", report.AtMost, 1, float64(busiest(times, time.Second))/stormPace)
	row.Note = fmt.Sprintf("an EgainTenant with requestLimits.perSecond %d, %d clients", stormPace, len(p.clients))
	return nil
}

// busiest is the most of some times, in their order, that lie within less than a span.
func busiest(times []time.Time, span time.Duration) int {
	most, from := 0, 0
	for to := range times {
		for times[to].Sub(times[from]) >= span {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}
