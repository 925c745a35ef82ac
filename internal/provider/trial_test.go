package provider

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

const (
	borrowers    = 1000
	lifetime     = time.Hour
	answerTime   = 200 * time.Millisecond
	perSecond    = 10
	pollInterval = time.Minute
)

// borrower is an EgainClient that uses an application, as far as its decisions and requests go.
type borrower struct {
	asks   gate.Client
	spread float64
	token  rotation.Token
	// lent is the version that the token was issued with as memory knows it, and failing what the status says.
	lent    uint64
	failing bool
	// refused says that eGain refuses its scope.
	refused bool
	wake    time.Time
	// answers ends its request, which is due then and was made with a version, and done tells what came of it.
	answers, done chan error
	due           time.Time
	version       uint64
}

// lending is a simulation of one application on a clock of its own: decisions and gate are those of the operator.
type lending struct {
	t       *testing.T
	now     time.Time
	gate    *gate.Gate
	clients []*borrower
	byKey   map[string]*borrower
	// version of the Secret; eGain accepts those in good.
	version uint64
	good    map[uint64]bool
	// sent are the requests, and who sent them.
	sent []time.Time
	by   []*borrower
	// renewed counts tokens, and invalid the clients that had none at some time.
	renewed int
	invalid map[string]bool
}

// newLending has clients whose tokens were issued one after another over half of their lifetime.
func newLending(t *testing.T, borrowers int) *lending {
	t.Helper()
	l := &lending{
		t: t, now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), byKey: map[string]*borrower{},
		version: 1, good: map[uint64]bool{1: true}, invalid: map[string]bool{},
	}
	l.restart()
	for i := range borrowers {
		key := fmt.Sprintf("team-%d/client-%d", i%40, i)
		issued := l.now.Add(-time.Duration(borrowers-i) * lifetime / 2 / time.Duration(borrowers))
		b := &borrower{
			spread: rotation.Spread(key), lent: 1, token: rotation.Token{IssueTime: issued, ExpirationTime: issued.Add(lifetime)},
			asks: gate.Client{
				Key: key, Namespace: fmt.Sprint("team-", i%40), App: "acme/default", PerSecond: perSecond,
				Endpoint: gate.Endpoint{URL: "https://acme.egain.cloud/token", Host: "acme.egain.cloud", Tenant: "acme"},
			},
		}
		b.wake = l.now
		l.clients, l.byKey[key] = append(l.clients, b), b
	}
	return l
}

// restart replaces the operator: what the gate and the journals knew is lost.
func (l *lending) restart() {
	l.gate = gate.New(gate.Options{Now: func() time.Time { return l.now }, Judge: Judge, Wake: func(key string) { l.byKey[key].wake = l.now }})
	for _, b := range l.clients {
		b.lent, b.wake = 0, l.now
	}
}

// change changes the Secret, which eGain may accept. The soonest to expire is reconciled first, the others within 20 seconds.
func (l *lending) change(accepted bool) {
	l.version++
	l.good[l.version] = accepted
	first := l.clients[0]
	for _, b := range l.clients {
		if b.token.ExpirationTime.Before(first.token.ExpirationTime) {
			first = b
		}
	}
	for _, b := range l.clients {
		b.wake = l.now.Add(time.Second + time.Duration(b.spread*float64(20*time.Second)))
	}
	first.wake = l.now
}

// run lets time pass.
func (l *lending) run(d time.Duration) {
	for end := l.now.Add(d); l.now.Before(end); l.now = l.now.Add(gate.TickInterval) {
		l.gate.Tick()
		for _, b := range l.clients {
			if b.done != nil && !l.now.Before(b.due) {
				l.finish(b)
			}
			if b.done == nil && !l.now.Before(b.wake) {
				l.reconcile(b)
			}
			if !b.token.Valid(l.now) {
				l.invalid[b.asks.Key] = true
			}
		}
	}
}

// reconcile observes, decides and acts, as the controller does.
func (l *lending) reconcile(b *borrower) {
	b.asks.Credentials, b.asks.Expires = gate.Credentials{Group: b.asks.App, Version: l.version}, b.token.ExpirationTime
	outdated := b.lent != 0 && b.lent != l.version || b.lent == 0 && b.failing
	if b.lent == 0 && outdated {
		b.lent = ^l.version
	} else if b.lent == 0 {
		b.lent = l.version
	}
	d := rotation.Decide(rotation.Input{
		Now: l.now, Token: &b.token, Outdated: outdated, Accepted: l.gate.Accepted(b.asks.Credentials), Spread: b.spread,
	})
	if d.Action != rotation.Issue {
		b.failing, b.wake = false, d.At
		l.gate.Forget(b.asks.Key)
		return
	}
	permit, queued := l.gate.Ask(b.asks)
	if queued != nil {
		b.failing, b.wake = b.failing || queued.Refused, l.now.Add(pollInterval)
		return
	}
	began := make(chan struct{})
	b.answers, b.done, b.due = make(chan error), make(chan error, 1), l.now.Add(answerTime)
	go func() {
		b.done <- permit.Do(l.t.Context(), func(context.Context) error {
			close(began)
			return <-b.answers
		})
	}()
	select {
	case <-began:
		l.sent, l.by, b.version = append(l.sent, l.now), append(l.by, b), l.version
	case err := <-b.done:
		l.t.Fatalf("a permit does not serve: %v", err)
	}
}

// finish ends the request of a client with what eGain answers.
func (l *lending) finish(b *borrower) {
	var answer error
	if !l.good[b.version] {
		f := fault.New(fault.Rejected, fault.ReasonClientRejected, "invalid_client")
		f.Application = true
		answer = f
	} else if b.refused {
		answer = fault.New(fault.Rejected, fault.ReasonScopeRejected, "invalid_scope")
	}
	b.answers <- answer
	err := <-b.done
	b.done = nil
	queued, waits := errors.AsType[*gate.Queued](err)
	switch {
	case err == nil:
		at := b.due.Add(-answerTime)
		b.token, b.lent, b.failing, b.wake = rotation.Token{IssueTime: at, ExpirationTime: at.Add(lifetime)}, b.version, false, l.now
		l.renewed++
	case waits:
		b.failing, b.wake = queued.Refused, l.now.Add(pollInterval)
		return
	default:
		b.wake = l.now.Add(lifetime / 2)
	}
	l.gate.Forget(b.asks.Key)
}

// mostInASecond is how many requests were sent in the busiest second.
func (l *lending) mostInASecond() int {
	most := 0
	for i, j := 0, 0; j < len(l.sent); j++ {
		for l.sent[j].Sub(l.sent[i]) >= time.Second {
			i++
		}
		most = max(most, j-i+1)
	}
	return most
}

// settled has a simulation whose clients all have what they need, and forgets what it took.
func settled(t *testing.T, borrowers int) *lending {
	t.Helper()
	l := newLending(t, borrowers)
	l.run(time.Second)
	if len(l.sent) != 0 {
		t.Fatalf("at rest %d requests are sent", len(l.sent))
	}
	return l
}

// check fails the test unless all clients had a token all the time, and the requests stay within the limit.
func (l *lending) check() {
	l.t.Helper()
	if len(l.invalid) > 0 {
		l.t.Errorf("%d clients lost their token", len(l.invalid))
	}
	if most := l.mostInASecond(); most > perSecond {
		l.t.Errorf("%d requests were sent in a second, with a limit of %d", most, perSecond)
	}
}

func TestTrial_ARotationOfTheSecretOfAThousandClients(t *testing.T) {
	t.Parallel()
	l := settled(t, borrowers)
	start := l.now
	l.change(true)
	l.run(answerTime)
	if len(l.sent) != 1 || l.by[0] != l.clients[0] {
		t.Fatalf("%d requests are sent before the first is answered", len(l.sent))
	}
	const window = lifetime / 10
	l.run(window/2 + 25*time.Second)
	if n := l.renewed; n < borrowers*2/5 || n > borrowers*3/5 {
		t.Errorf("half of the time later %d clients have followed", n)
	}
	l.run(window/2 + time.Minute)
	l.check()
	if l.renewed != borrowers || len(l.sent) != borrowers {
		t.Errorf("%d tokens came of %d requests", l.renewed, len(l.sent))
	}
	if last := l.sent[len(l.sent)-1].Sub(start); last > window+25*time.Second {
		t.Errorf("the last client follows after %v", last)
	}
}

func TestTrial_AWrongSecretIsTriedOnce(t *testing.T) {
	t.Parallel()
	l := settled(t, borrowers)
	before := make([]rotation.Token, 0, borrowers)
	for _, b := range l.clients {
		before = append(before, b.token)
	}
	l.change(false)
	l.run(25 * time.Minute) // some four hundred of the clients are due meanwhile
	if len(l.sent) != 1 {
		t.Errorf("%d requests are sent", len(l.sent))
	}
	for i, b := range l.clients {
		if b.token != before[i] {
			t.Fatalf("%s has lost its token", b.asks.Key)
		}
		if !b.failing {
			t.Fatalf("%s does not say what it waits for", b.asks.Key)
		}
	}
	l.change(true)
	l.run(lifetime/10 + 2*time.Minute)
	l.check()
	if l.renewed != borrowers || len(l.sent) != borrowers+1 {
		t.Errorf("once it is right %d tokens come of %d requests", l.renewed, len(l.sent)-1)
	}
}

func TestTrial_AWrongSecretOverARestart(t *testing.T) {
	t.Parallel()
	l := settled(t, borrowers)
	l.change(false)
	l.run(2 * time.Minute)
	l.restart()
	l.run(5 * time.Minute)
	if len(l.sent) != 2 {
		t.Errorf("with one restart %d requests are sent", len(l.sent))
	}
	// It is corrected while the operator is down.
	l.version++
	l.good[l.version] = true
	l.restart()
	l.run(lifetime/10 + 2*time.Minute)
	l.check()
	if l.renewed != borrowers {
		t.Errorf("%d clients have new tokens", l.renewed)
	}
}

// A person may correct the client application at eGain, which nothing reports.
func TestTrial_AWrongSecretIsTriedAgainEveryHalfAnHour(t *testing.T) {
	t.Parallel()
	const few = 50 // two hours of 1,000 clients take minutes under the race detector
	l := settled(t, few)
	l.change(false)
	l.run(2*time.Hour + time.Minute)
	if len(l.sent) != 5 {
		t.Errorf("in two hours %d requests are sent", len(l.sent))
	}
	l.good[l.version] = true
	l.run(32 * time.Minute)
	if l.renewed != few {
		t.Errorf("%d clients have tokens again", l.renewed)
	}
	if most := l.mostInASecond(); most > perSecond {
		t.Errorf("%d requests are sent in a second", most)
	}
}

func TestTrial_ARejectionOfAClientsScopeIsItsOwn(t *testing.T) {
	t.Parallel()
	l := settled(t, borrowers)
	for _, b := range l.clients[:3] {
		b.refused = true
	}
	l.change(true)
	l.run(lifetime/10 + time.Minute)
	l.check()
	if l.renewed != borrowers-3 || len(l.sent) != borrowers {
		t.Errorf("%d tokens come of %d requests", l.renewed, len(l.sent))
	}
}

func TestTrial_FlowsAndKindsOfSubjectsAreTriedApart(t *testing.T) {
	t.Parallel()
	of := func(flow egainv1alpha1.Flow, who *egainv1alpha1.OnBehalfOf) gate.Credentials {
		ec := &egainv1alpha1.EgainClient{Spec: egainv1alpha1.EgainClientSpec{
			Flow: flow, OnBehalfOf: who, TenantRef: &egainv1alpha1.TenantReference{Name: "acme", Application: "default"},
		}}
		return Trial(ec, "version")
	}
	user := of(egainv1alpha1.FlowOnBehalfOf, &egainv1alpha1.OnBehalfOf{Username: "a"})
	if of(egainv1alpha1.FlowOnBehalfOf, &egainv1alpha1.OnBehalfOf{UserID: "b"}) != user {
		t.Error("two users are tried apart")
	}
	for name, other := range map[string]gate.Credentials{
		"a customer":   of(egainv1alpha1.FlowOnBehalfOf, &egainv1alpha1.OnBehalfOf{Email: "a@b"}),
		"another flow": of(egainv1alpha1.FlowClientCredentials, nil),
	} {
		if other == user || other.Version != user.Version {
			t.Errorf("%s is tried as a user is", name)
		}
	}
	if got := Trial(&egainv1alpha1.EgainClient{}, ""); got != (gate.Credentials{}) {
		t.Errorf("without an application %v is tried", got)
	}
}
