package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// kills is how often the operator is killed between two tokens of each client.
const kills = 3

// checkKills kills the operator again and again, each time after every client has had a new token. What is under way at such
// a moment is not at issue here, but that each session goes on from what the operator before has written.
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
	sessions, err := d.sim.Sessions(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("asking for the sessions: %w", err)
	}
	began := time.Now()
	if err := d.operator.Kill(); err != nil {
		return 0, nil, err
	}
	var lacking []string
	err = stage.Await(ctx, stage.OperatorStart+d.tokenLife, "going on", func(ctx context.Context) (ok bool, err error) {
		if lacking, err = d.whatStands(ctx, before, sessions); err != nil {
			return false, err
		}
		return len(lacking) == 0, d.sim.Process.Exited()
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
func (d *demo) whatStands(ctx context.Context, tokens []int, sessions []egainsim.Session) ([]string, error) {
	rows, err := d.rows(ctx)
	if err != nil {
		return nil, err
	}
	now, err := d.sim.Sessions(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the sessions: %w", err)
	}
	unrecovered := append(whatLacks(rows, 0), whatSessionsLack(d.samples, now, 0)...)
	for i, count := range d.tokens() {
		s := d.samples[i]
		refreshed := s.session.Name == "" || refreshes(now, s) > refreshes(sessions, s)
		if count <= tokens[i] || !refreshed {
			unrecovered = append(unrecovered, s.String()+": no other token")
		}
	}
	return unrecovered, nil
}

// refreshes counts how often the sessions at a sample's client application were refreshed.
func refreshes(sessions []egainsim.Session, s sample) int {
	count := 0
	for i := range sessions {
		if sessions[i].ClientID == s.clientID && sessions[i].Tenant == s.tenantID {
			count += sessions[i].Refreshes
		}
	}
	return count
}

// whatSessionsLack says which samples do not have one session that goes on since its login and was refreshed so often.
func whatSessionsLack(all []sample, sessions []egainsim.Session, wanted int) []string {
	var lacking []string
	for _, s := range all {
		if s.session.Name == "" {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(sessions), func(o egainsim.Session) bool {
			return o.ClientID != s.clientID || o.Tenant != s.tenantID
		})
		switch {
		case len(own) != 1:
			lacking = append(lacking, fmt.Sprintf("%s has %d sessions", s, len(own)))
		case own[0].End != "":
			lacking = append(lacking, fmt.Sprintf("the session of %s has ended: %s", s, own[0].End))
		case own[0].Refreshes < wanted:
			lacking = append(lacking, fmt.Sprintf("the session of %s was refreshed %d times", s, own[0].Refreshes))
		}
	}
	return lacking
}

// checkSessions looks at the sessions after all that was done to their clients.
func (d *demo) checkSessions(ctx context.Context) (check, error) {
	sessions, err := d.sim.Sessions(ctx)
	if err != nil {
		return check{}, fmt.Errorf("asking for the sessions: %w", err)
	}
	lacking := whatSessionsLack(d.samples, sessions, wantedRotations+kills)
	total := 0
	for i := range sessions {
		total += sessions[i].Refreshes
	}
	text := fmt.Sprintf("%d sessions go on since their logins: %d refreshes, and no refresh token came twice", len(sessions), total)
	if len(lacking) > 0 {
		text = strings.Join(lacking, "; ")
	}
	return check{len(lacking) == 0, text}, nil
}
