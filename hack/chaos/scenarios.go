package main

import (
	"context"
	"slices"
	"time"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
)

// scenario is something that breaks, and what must come of it.
type scenario struct {
	group, name string
	// short scenarios are part of the short form.
	short bool
	// alone scenarios break what other scenarios need.
	alone bool
	// life of the tokens.
	life time.Duration
	// crowd is how many clients a single tenant has, where that is not 17 at each of three.
	crowd int
	// arrange changes the lane before its clients are applied, if set.
	arrange func(context.Context, *lane) error
	// run breaks things and fixes them. It begins when every client has a token.
	run    func(context.Context, *lane) error
	expect report.Expectation
}

func (s scenario) title() string { return s.group + ": " + s.name }

// scenarios are all scenarios.
func scenarios(o options) []scenario {
	life := longLife
	if o.short {
		life = shortLife
	}
	return slices.Concat(providerScenarios(life), credentialsScenarios(life), operatorScenarios(o), clusterScenarios(o))
}

const (
	// longLife is what tokens live: they are renewed when 34 to 40 seconds of it are over, which leaves 20 to 26.
	longLife = time.Minute
	// shortLife is what they live in the short form, where only the provider fails: renewed after 12 to 15 seconds.
	shortLife = 30 * time.Second
)

// outage is 30 % of a life.
func (l *lane) outage() time.Duration { return l.life * 3 / 10 }

// renewing lets time pass until the first clients are about to renew their tokens.
func (l *lane) renewing(ctx context.Context) error {
	if l.life < longLife {
		return l.hold(ctx, l.life*11/30)
	}
	return l.hold(ctx, l.life*33/60)
}

// steps carries out one step after the other.
func steps(all ...func(context.Context, *lane) error) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		for _, step := range all {
			if err := step(ctx, l); err != nil {
				return err
			}
		}
		return nil
	}
}

// wait is a step that lets time pass.
func wait(d time.Duration) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error { return l.hold(ctx, d) }
}

// atRenewal is a step that waits until the first clients are about to renew their tokens.
func atRenewal(ctx context.Context, l *lane) error { return l.renewing(ctx) }

// healthy is a step that lets all clients renew their tokens again.
func healthy(ctx context.Context, l *lane) error { return l.hold(ctx, l.life*3/4) }
