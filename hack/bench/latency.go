package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/quantile"
	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// secondSecret is another valid secret of the client application.
const secondSecret = "second-password"

// latency measures how long it takes until the token is in the target, from the moment that an EgainClient is sent to the API
// server, or edited credentials are, to the moment that a watch reports the token. The delay that is set at the provider is
// subtracted, the rest of the time in which it answers is not.
//
// It is measured with nothing else to do, and while one person applies other clients, credentials and EgainClient one after
// the other as `kubectl apply -f` does, as fast as the API server takes them.
func latency(ctx context.Context, h *harness) (err error) {
	w, err := h.open(ctx, setting{life: time.Hour})
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err != nil {
		return err
	}
	if err := w.providers[0].AddSecret(ctx, egainsim.RigelClientID, secondSecret); err != nil {
		return err
	}
	if _, err := w.operate(ctx); err != nil {
		return err
	}
	probes := h.clients / 10
	if err := w.probeIdle(ctx, probes); err != nil {
		return err
	}
	others := h.clients * 5 / 2
	if h.small {
		others = h.clients
	}
	return w.probeLoaded(ctx, others)
}

func (w *world) probeIdle(ctx context.Context, probes int) error {
	p := w.populate("idle", probes, w.first)
	if err := w.prepare(ctx, p); err != nil {
		return err
	}
	found, err := w.probe(ctx, p, func() bool { return true })
	if err != nil {
		return err
	}
	w.present(found, "idle", 50)
	return nil
}

// probeLoaded probes while others are applied, until all are.
func (w *world) probeLoaded(ctx context.Context, others int) error {
	load, probes := w.populate("load", others, w.first), w.populate("probe", others, w.first)
	if err := errors.Join(w.prepare(ctx, load), w.prepare(ctx, probes)); err != nil {
		return err
	}
	applied := make(chan error, 1)
	began := time.Now()
	var took time.Duration
	go func() {
		err := load.each(ctx, 1, func(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
			return errors.Join(w.createCredentials(ctx, ec), w.createClient(ctx, ec))
		})
		took = time.Since(began)
		applied <- err
	}()
	var failure error
	found, err := w.probe(ctx, probes, func() bool {
		select {
		case failure = <-applied:
			return false
		default:
			return true
		}
	})
	if err := errors.Join(err, failure); err != nil {
		return err
	}
	w.present(found, fmt.Sprintf("while %d others are applied, %.0f a second", others, float64(others)/took.Seconds()), 250)
	return nil
}

// latencies are samples beyond the provider's own time.
type latencies struct {
	applied, edited []time.Duration
}

func (w *world) present(found latencies, when string, bound float64) {
	for _, kind := range []struct {
		name    string
		samples []time.Duration
	}{{"applied EgainClient", found.applied}, {"edited credentials", found.edited}} {
		samples := quantile.Milliseconds(kind.samples)
		w.figure(kind.name+" to token, p50", "ms", quantile.Of(samples, 0.5)).Note = when
		w.goal(kind.name+" to token, p99", "ms", report.AtMost, bound, quantile.Of(samples, 0.99)).Note = fmt.Sprintf("%s; %d samples", when, len(samples))
	}
}

// probe applies one client after the other, and edits the credentials of each, while more is wanted.
func (w *world) probe(ctx context.Context, p *population, more func() bool) (latencies, error) {
	var found latencies
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, err := w.watch(watching, "")
	if err != nil {
		return found, err
	}
	for _, ec := range p.clients {
		if !more() {
			break
		}
		if err := w.createCredentials(ctx, ec); err != nil {
			return found, err
		}
		if err := w.timed(ctx, seen, ec, &found.applied, func() error { return w.createClient(ctx, ec) }); err != nil {
			return found, err
		}
		edited := credentials(ec)
		edited.Data["client_secret"] = []byte(secondSecret)
		if err := w.timed(ctx, seen, ec, &found.edited, func() error { return w.edit(ctx, edited) }); err != nil {
			return found, err
		}
	}
	_, err = seen.since()
	return found, err
}

func (w *world) edit(ctx context.Context, secret *corev1.Secret) error {
	if _, err := w.clientset.CoreV1().Secrets(secret.Namespace).Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("editing Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	return nil
}

// timed does something, and notes how long it took until a client's next token was in its target.
func (w *world) timed(ctx context.Context, seen *targets, ec *egainv1alpha1.EgainClient, samples *[]time.Duration, do func() error) error {
	told := seen.expect(types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()})
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	at, err := await(ctx, told, time.Minute)
	if err != nil {
		return fmt.Errorf("waiting for the token of %s: %w", client.ObjectKeyFromObject(ec), err)
	}
	*samples = append(*samples, max(0, at.Sub(began)-w.delay))
	return nil
}
