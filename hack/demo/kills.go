package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// kills is how often the operator is killed between two tokens of each client.
const kills = 3

// checkKills kills the operator again and again, each time after every client has had a new token. What is under way at such
// a moment is not at issue here, but that each client goes on from what the operator before has written.
func (d *demo) checkKills(ctx context.Context) (check, error) {
	var took []string
	for n := range kills {
		d.begin(fmt.Sprintf("killing the operator between two tokens of every client, %d of %d", n+1, kills))
		again, lacking, err := d.killBetween(ctx)
		if err != nil {
			return check{}, err
		}
		if len(lacking) > 0 {
			return check{false, fmt.Sprintf("kill -9 between two tokens of every client, time %d: %s", n+1, strings.Join(lacking, "; "))}, nil
		}
		took = append(took, again.Round(100*time.Millisecond).String())
	}
	return check{true, fmt.Sprintf("kill -9 between two tokens of every client, %d times: each has another and is ready after %s",
		kills, strings.Join(took, ", "))}, nil
}

// killBetween kills the operator while nothing is under way, and returns how long it took until every client had another token.
func (d *demo) killBetween(ctx context.Context) (time.Duration, []string, error) {
	d.resting.Store(true)
	defer d.resting.Store(false)
	if _, err := d.settled(ctx); err != nil {
		return 0, nil, err
	}
	before := d.tokens()
	began := time.Now()
	if err := d.operator.kill(); err != nil {
		return 0, nil, err
	}
	var lacking []string
	err := await(ctx, operatorStart+d.tokenLife, "going on", func(ctx context.Context) (ok bool, err error) {
		if lacking, err = d.whatStands(ctx, before); err != nil {
			return false, err
		}
		return len(lacking) == 0, d.sim.process.exited()
	})
	if len(lacking) > 0 && ctx.Err() == nil {
		return 0, lacking, nil
	}
	return time.Since(began), nil, err
}

// tokens are how many tokens each workload had, in the order of the samples.
func (d *demo) tokens() []int {
	var counts []int
	for _, w := range d.workloads {
		counts = append(counts, w.snapshot().tokens)
	}
	return counts
}

// whatStands says which clients have not gone on from what they had.
func (d *demo) whatStands(ctx context.Context, tokens []int) ([]string, error) {
	rows, err := d.rows(ctx)
	if err != nil {
		return nil, err
	}
	standing := whatLacks(rows, 0)
	for i, count := range d.tokens() {
		if count <= tokens[i] {
			standing = append(standing, d.samples[i].String()+": no other token")
		}
	}
	return standing, nil
}
