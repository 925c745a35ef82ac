package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/tcpproxy"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/election"
)

const (
	mergePatch = types.MergePatchType
	// takeover bounds how long it takes another replica to lead after one was killed: the Lease of 15 s, twice the 1 to 2.2 s
	// between two looks at it, before it was last found renewed and when it has expired, and half a second to begin.
	takeover = 19900 * time.Millisecond
	// everyTurn is of how many kills one is the loss of a node, after which another replica waits for the Lease to end.
	everyTurn = 4
)

func operatorScenarios(o options) []scenario {
	killed := report.Expectation{
		Longest: takeover, Recovery: takeover + soon, Extra: 0.1,
		Because: "a replica that was killed before it could renew what was due leaves no time for another takeover",
	}
	down := report.Expectation{Longest: 2*longLife + takeover + soon, Recovery: takeover + soon, Because: "no replica runs for two lives"}
	all := concat("operator", longLife, []scenario{
		{name: "leader killed", short: true, run: steps(wait(30*time.Second), kill, wait(10*time.Second)), expect: report.Expectation{Recovery: takeover + soon, Extra: 0.1}},
		{name: "node of the leader lost", run: steps(atRenewal, lose, healthy), expect: report.Expectation{Recovery: takeover + soon, Extra: 0.1}},
		{name: fmt.Sprintf("leader killed %d times", o.kills), run: killMany(o), expect: killed},
		{name: "leader terminated, three times", run: steps(atRenewal, terminate, wait(10*time.Second), terminate, wait(10*time.Second), terminate, healthy), expect: report.Expectation{Recovery: soon}},
		{name: "both replicas terminated, and back after 8 s", run: steps(atRenewal, allDown(8*time.Second, (*stage.Operator).Terminate), healthy), expect: report.Expectation{Recovery: soon}},
		{name: "both replicas killed, and back at once", run: steps(atRenewal, allDown(0, (*stage.Operator).Kill), healthy), expect: report.Expectation{Recovery: takeover + soon, Extra: 0.1}},
		{name: "both replicas killed, and back after two lives", run: steps(allDown(2*longLife, (*stage.Operator).Kill)), expect: down},
		{name: "leader cut off from the API server", run: steps(atRenewal, partition(45*time.Second), healthy), expect: report.Expectation{Recovery: takeover + soon, Extra: 0.2}},
	})
	for i := range all {
		all[i].alone = true
	}
	return all
}

// kill kills the leader, which is started again at once, and waits until it or another replica leads.
func kill(ctx context.Context, l *lane) error { return replaceLeader(ctx, l, (*stage.Operator).Kill) }

// lose kills the leader as the loss of its node does: it stays down, and is another pod when it comes back after another
// replica leads.
func lose(ctx context.Context, l *lane) error {
	leader, err := l.operators.awaitLeader(ctx)
	if err != nil {
		return err
	}
	leader.Hold(true)
	defer leader.Hold(false)
	return kill(ctx, l)
}

// terminate has the leader end in order, and waits until a replica leads.
func terminate(ctx context.Context, l *lane) error {
	return replaceLeader(ctx, l, (*stage.Operator).Terminate)
}

func replaceLeader(ctx context.Context, l *lane, end func(*stage.Operator) error) error {
	leader, err := l.operators.awaitLeader(ctx)
	if err != nil {
		return err
	}
	l.struck()
	if err := end(leader.Operator); err != nil {
		return err
	}
	_, err = l.operators.awaitLeader(ctx)
	l.repaired()
	return err
}

// killMany kills one leader after the other while the API server is slow: at every second time at a random moment, and
// else as soon as the provider has given a token, which the leader has not written then. Of four kills, one is the loss of a
// node, so that another replica has to wait for the Lease to end; after one the leader is started again and the Lease is its own;
// and after two the Lease is ended immediately, for the first replica to take.
func killMany(o options) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		random := rand.New(rand.NewPCG(o.seed, 0)) //nolint:gosec // Moments are to be the same with the same seed.
		for _, r := range l.operators.replicas {
			r.network.Delay(50 * time.Millisecond)
			defer r.network.Delay(0)
		}
		for i := range o.kills {
			if err := l.killOnce(ctx, random, i); err != nil {
				return fmt.Errorf("kill %d: %w", i+1, err)
			}
		}
		return l.hold(ctx, soon)
	}
}

func (l *lane) killOnce(ctx context.Context, random *rand.Rand, i int) error {
	leader, err := l.operators.awaitLeader(ctx)
	if err != nil {
		return err
	}
	if err := l.hold(ctx, time.Duration(random.Int64N(int64(6*time.Second)))); err != nil {
		return err
	}
	if i%2 == 1 {
		if err := l.awaitToken(ctx); err != nil {
			return err
		}
	}
	l.struck()
	if i%everyTurn == 0 {
		leader.Hold(true)
		defer leader.Hold(false)
	}
	if err := leader.Kill(); err != nil {
		return err
	}
	if i%everyTurn > 1 {
		if err := l.operators.release(ctx); err != nil {
			return err
		}
	}
	_, err = l.operators.awaitLeader(ctx)
	l.repaired()
	return err
}

// awaitToken waits until the provider gives a token.
func (l *lane) awaitToken(ctx context.Context) error {
	issued := func(ctx context.Context) (int, error) {
		stats, err := l.sim.Stats(ctx)
		return stats.Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeOK), err
	}
	before, err := issued(ctx)
	if err != nil {
		return err
	}
	limit := time.After(l.life)
	for {
		now, err := issued(ctx)
		if err != nil || now > before {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit:
			return fmt.Errorf("no token was given in %s", l.life)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// release ends the Lease of a leader that is dead.
func (o *operators) release(ctx context.Context) error {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: election.LeaseName}}
	if err := o.cluster.Patch(ctx, lease, client.RawPatch(mergePatch, []byte(`{"spec":{"holderIdentity":""}}`))); err != nil {
		return fmt.Errorf("ending the Lease: %w", err)
	}
	return nil
}

// allDown ends all replicas at once, and keeps them down for a time.
func allDown(d time.Duration, end func(*stage.Operator) error) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		l.struck()
		ended := make(chan error, replicas)
		for _, r := range l.operators.replicas {
			r.Hold(true)
			go func() { ended <- end(r.Operator) }()
		}
		for range l.operators.replicas {
			if err := <-ended; err != nil {
				return err
			}
		}
		if err := l.hold(ctx, d); err != nil {
			return err
		}
		for _, r := range l.operators.replicas {
			r.Hold(false)
		}
		l.repaired()
		_, err := l.operators.awaitLeader(ctx)
		return err
	}
}

// partition cuts the leader off from the API server for a time.
func partition(d time.Duration) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		leader, err := l.operators.awaitLeader(ctx)
		if err != nil {
			return err
		}
		l.struck()
		if err := leader.network.Set(tcpproxy.Stall); err != nil {
			return err
		}
		if err := l.hold(ctx, d); err != nil {
			return err
		}
		defer l.repaired()
		return leader.network.Set(tcpproxy.Forward)
	}
}
