package egress

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// hang begins a request that is not answered, and returns what becomes of it.
func hang(ctx context.Context, b *Breakers, e Endpoint) <-chan error {
	sent, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.Do(ctx, e, func(ctx context.Context) error {
			close(sent)
			<-ctx.Done()
			return down()
		})
	}()
	<-sent
	return done
}

func TestRequestsThatALaterOneOvertookAreGivenUp(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	before := hang(t.Context(), b, tokenEndpoint) // from before the endpoint was left alone
	elsewhere, cancel := context.WithCancel(t.Context())
	other := hang(elsewhere, b, Endpoint{Client: tokenEndpoint.Client, URL: "https://ai.egain.cloud/other"})
	clock.at = clock.at.Add(time.Second)
	open(t, b)
	clock.at = clock.at.Add(probeFirst)
	probe := hang(t.Context(), b, tokenEndpoint)
	clock.at = clock.at.Add(2 * probeFirst)
	later, cancelLater := context.WithCancel(t.Context())
	var after <-chan error
	err := b.Do(t.Context(), tokenEndpoint, func(context.Context) error {
		clock.at = clock.at.Add(4 * probeFirst)
		after = hang(later, b, tokenEndpoint) // began later, so that it says nothing about the outage
		return nil
	})
	if err != nil {
		t.Fatalf("a request that is answered: %v", err)
	}
	for _, done := range []<-chan error{before, probe} {
		wantFault(t, <-done, fault.Busy, fault.ReasonServerUnavailable)
	}
	cancel()
	cancelLater()
	for _, done := range []<-chan error{other, after} {
		wantFault(t, <-done, fault.Retryable, fault.ReasonServerUnavailable)
	}
	if len(b.flights) != 0 {
		t.Errorf("%d requests are taken to be under way", len(b.flights))
	}
}

func TestAnAnswerThatCameAllTheSameIsNotLost(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	open(t, b)
	clock.at = clock.at.Add(probeFirst)
	err := b.Do(t.Context(), tokenEndpoint, func(ctx context.Context) error {
		clock.at = clock.at.Add(2 * probeFirst)
		if err := b.Do(context.WithoutCancel(ctx), tokenEndpoint, func(context.Context) error { return nil }); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
}

func TestDoReturnsTheFailure(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	broken := errors.New("broken")
	if err := b.Do(t.Context(), tokenEndpoint, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	open(t, b)
	err := b.Do(t.Context(), tokenEndpoint, func(context.Context) error {
		t.Error("a request was sent to an endpoint that is left alone")
		return nil
	})
	wantFault(t, err, fault.Paused, fault.ReasonServerUnavailable)
}
