package gate

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// chaos plays random calls against a gate and checks after each what must always hold.
type chaos struct {
	*fixture
	permits map[string]*Permit
	running map[string]*Permit
	// sent are the times of requests by tenant.
	sent map[string][]time.Time
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	return &chaos{fixture: newFixture(t), permits: map[string]*Permit{}, running: map[string]*Permit{}, sent: map[string][]time.Time{}}
}

// client is one of a few, which now and then asks for something else than before.
func (c *chaos) client(a, b byte) Client {
	n := int(a)
	client := Client{
		Key: fmt.Sprint("c", n%40), Namespace: fmt.Sprint("n", n%5), App: fmt.Sprint("a", n%7),
		Expires: epoch.Add(time.Duration(b) * time.Second), MustFinish: n%6 == 0,
		Endpoint: Endpoint{URL: fmt.Sprint("u", n%3), Host: fmt.Sprint("h", n%2), Tenant: fmt.Sprint("t", n%2), Trust: fmt.Sprint(b % 16 / 15)},
	}
	if n%2 == 0 {
		client.Concurrent, client.PerSecond = 6, 5
	}
	if n%3 == 0 {
		client.Credentials = Credentials{Group: client.App, Version: uint64(b % 3)}
	}
	if n%10 == 9 {
		client.Namespace, client.App, client.Tenant = "", "", ""
	}
	return client
}

// step makes one call.
func (c *chaos) step(op, a, b byte) {
	client := c.client(a, b)
	key := client.Key
	switch op % 8 {
	case 0, 1:
		if p, _ := c.Ask(client); p != nil {
			c.permits[key] = p
		}
	case 2, 3:
		c.send(key)
	case 4:
		c.finish(key, b)
	case 5:
		if b%4 == 0 {
			c.Forget(key)
			delete(c.permits, key)
		}
	case 6:
		c.now = c.now.Add(time.Duration(a) * time.Duration(b) * time.Millisecond)
		c.Tick()
	case 7:
		c.now = c.now.Add(TickInterval)
		c.Tick()
	}
	c.check()
}

func (c *chaos) send(key string) {
	p := c.permits[key]
	if p == nil {
		return
	}
	delete(c.permits, key)
	if p.begin(func(error) {}) == nil {
		c.running[key] = p
		c.sent[p.client.Tenant] = append(c.sent[p.client.Tenant], c.now)
	}
}

func (c *chaos) finish(key string, b byte) {
	p := c.running[key]
	if p == nil {
		return
	}
	delete(c.running, key)
	outcomes := []Verdict{{Kind: Served}, {Kind: Served}, {Kind: Failed}, {Kind: Failed}, {Kind: Failed, RetryAfter: time.Duration(b) * time.Second}, {}, {Kind: Refused}}
	verdict := outcomes[int(b)%len(outcomes)]
	var err error
	if verdict.Kind != Served {
		err = errDown
	}
	_ = p.settle(err, verdict, b%16 == 15)
}

// check fails the test if an invariant does not hold.
func (c *chaos) check() {
	c.t.Helper()
	held := map[counter]int{}
	states := map[state]int{}
	for key, known := range c.clients {
		states[known.state]++
		listed := slices.Contains(known.queue.clients, known)
		if known.Key != key || listed != (known.state == queued) || known.queue.line.queues[known.queue.shares] != known.queue {
			c.t.Fatalf("%s: state %d, in a queue: %v", key, known.state, listed)
		}
		if known.state == queued {
			continue
		}
		for _, l := range known.queue.limits[known.probe] {
			held[l.counter]++
		}
		if known.state != sent {
			for _, l := range known.queue.starts {
				held[l.counter]++
			}
		}
	}
	for _, s := range c.limits.starts {
		for _, l := range s.queue.starts {
			held[l.counter]++
		}
	}
	if len(c.holders) != states[kept]+states[taken]+states[sent] || len(c.running) != states[sent] {
		c.t.Fatalf("%d hold permits: %v, %d are sending", len(c.holders), states, len(c.running))
	}
	for name, n := range c.limits.held {
		if n <= 0 || held[name] != n {
			c.t.Fatalf("%v counts %d, want %d", name, n, held[name])
		}
	}
	if len(held) != len(c.limits.held) {
		c.t.Fatalf("%d counters, want %d", len(c.limits.held), len(held))
	}
	c.checkLines()
	c.checkLimits()
}

// checkLines fails the test if a line with clients, or a queue, is not where its turn is, or if the permits of a line are miscounted.
func (c *chaos) checkLines() {
	c.t.Helper()
	underWay := map[*line]int{}
	for _, holder := range c.holders {
		underWay[holder.queue.line]++
	}
	if !slices.IsSortedFunc(c.order.lines, longestAgo) {
		c.t.Fatal("the lines are not in order")
	}
	for _, l := range c.lines {
		waiting := 0
		for _, q := range l.queues {
			if len(q.clients) == 0 {
				continue
			}
			waiting++
			if group, _ := l.group(q); !slices.Contains(*group, q) {
				c.t.Fatalf("a queue of %q is not where its turn is", l.name)
			}
		}
		ordered := slices.IsSortedFunc(l.probing, probesFirst) && slices.IsSortedFunc(l.sending, soonestFirst)
		if !ordered || waiting != len(l.probing)+len(l.sending) || slices.Contains(c.order.lines, l) != (len(l.queues) > 0) {
			c.t.Fatalf("the queues of %q: in order: %v, %d wait, %d and %d are listed", l.name, ordered, waiting, len(l.probing), len(l.sending))
		}
		if l.underWay != underWay[l] {
			c.t.Fatalf("%q counts %d permits, want %d", l.name, l.underWay, underWay[l])
		}
	}
}

func (c *chaos) checkLimits() {
	c.t.Helper()
	most := map[kind]int{total: 64, host: 16, namespace: 16, namespaceAtHost: 8, probes: 16, probesOfNamespace: 4, probesOfLine: 3, tenant: 6}
	for name, n := range c.limits.held {
		limited := name.kind != tenant || name.name == "t0" // the other has no limits
		if bound, ok := most[name.kind]; ok && limited && n > bound {
			c.t.Fatalf("%v counts %d", name, n)
		}
	}
	if at := c.sent["t0"]; len(at) > 5 && at[len(at)-1].Sub(at[len(at)-6]) < time.Second {
		c.t.Fatalf("6 requests of a tenant within %v", at[len(at)-1].Sub(at[len(at)-6]))
	}
}

// settleAll ends what is under way and serves all queued clients: none is left.
func (c *chaos) settleAll() {
	c.t.Helper()
	for key := range c.running {
		c.finish(key, 0)
	}
	c.permits = map[string]*Permit{}
	waiting := map[string]bool{}
	for key, known := range c.clients {
		if waiting[key] = true; known.state == taken { // its reconcile ended without Forget
			c.Forget(key)
			delete(waiting, key)
		}
	}
	for range 2000 {
		woken := c.woken
		c.woken = nil
		for _, key := range woken {
			known := c.clients[key]
			if known == nil || known.state != kept {
				continue
			}
			if err := c.permit(known.Client).Do(c.t.Context(), func(context.Context) error { return nil }); err != nil {
				c.t.Fatalf("%s: %v", key, err)
			}
			delete(waiting, key)
		}
		if len(c.clients) == 0 {
			break
		}
		c.now = c.now.Add(2 * time.Second)
		c.Tick()
	}
	for key := range waiting {
		if known := c.clients[key]; known != nil {
			c.t.Errorf("%s was not woken: state %d, %v", key, known.state, c.queuedAs(known, c.now))
		}
	}
	c.now = c.now.Add(forgetAfter + 2*time.Hour)
	c.Tick()
	if n := len(c.limits.trials); n != 0 {
		c.t.Errorf("%d trials are left", n)
	}
	if len(c.clients)+len(c.lines)+len(c.order.lines)+len(c.limits.held)+len(c.holders)+len(c.limits.starts) != 0 {
		c.t.Errorf("%d clients, %d lines, %d of them with clients, %v, %d holders are left", len(c.clients), len(c.lines), len(c.order.lines), c.limits.held, len(c.holders))
	}
}

// FuzzGate makes any calls in any order, three bytes each.
func FuzzGate(f *testing.F) {
	for seed := range 8 {
		var calls []byte
		for i := range 3000 {
			calls = append(calls, byte(hash(seed, i)))
		}
		f.Add(calls)
	}
	f.Fuzz(func(t *testing.T, calls []byte) {
		c := newChaos(t)
		for ; len(calls) >= 3 && !t.Failed(); calls = calls[3:] {
			c.step(calls[0], calls[1], calls[2])
		}
		c.settleAll()
	})
}

// TestGate_RandomCalls plays what FuzzGate does with more calls.
func TestGate_RandomCalls(t *testing.T) {
	t.Parallel()
	for seed := range 10 {
		c := newChaos(t)
		for i := range 2000 {
			x := hash(1000+seed, i)
			c.step(byte(x), byte(x>>8), byte(x>>16))
		}
		c.settleAll()
	}
}
