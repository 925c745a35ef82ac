package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// errOvertaken cancels requests that a server left unanswered before it recovered.
var errOvertaken = errors.New("a later request was answered")

// Queued is the error of a client that is in line. Nothing was sent, or what was sent is to be sent again.
type Queued struct { //nolint:errname // it says what became of the client
	// Cause is the last failure of the endpoint while its circuit is open, or the refusal of the credentials; nil if the client waits
	// for a limit.
	Cause error
	// Refused says that the server refuses the credentials.
	Refused bool
	limit   string
	// held says that the server asked the application to wait (Retry-After) for longer than probes are apart.
	held bool
}

// Error says what the client waits for. The text is the same for as long as that is.
func (q *Queued) Error() string {
	switch {
	case q.Cause == nil:
		return "queued: " + q.limit
	case q.Refused:
		return q.Cause.Error()
	case q.held:
		return fmt.Sprintf("%v (circuit open: probing after the time that the server asked for in Retry-After; all clients resume when a probe succeeds)", q.Cause)
	default:
		return fmt.Sprintf("%v (circuit open: probing every few seconds; all clients resume when a probe succeeds)", q.Cause)
	}
}

// Unwrap returns the cause.
func (q *Queued) Unwrap() error { return q.Cause }

// Permit is the right to send one request.
type Permit struct {
	// Reconnect says that the request must not use a connection of earlier ones, which may lead to an address that failed: it is a
	// probe, or the last two requests of its application failed.
	Reconnect bool
	gate      *Gate
	client    *client
}

// Do sends the request and returns its error, or Queued: the client is in line again. That is so if the circuit is open after the
// failure, if the request was cancelled since the server answered a later one, and if the permit lapsed before, without sending.
// The context that send gets ends when the request is to be cancelled.
func (p *Permit) Do(ctx context.Context, send func(context.Context) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if refused := p.begin(cancel); refused != nil {
		return refused
	}
	var verdict Verdict // Unknown if send panics
	overtaken := false
	defer func() { err = p.settle(err, verdict, overtaken) }()
	if err = send(ctx); err == nil {
		verdict.Kind = Served
		return nil
	}
	overtaken = errors.Is(context.Cause(ctx), errOvertaken)
	verdict = p.gate.options.Judge(err)
	return err
}

// begin starts the request. A permit that lapsed, or that a later one replaced, starts none, nor does one if the limit per second
// was lowered since: the client is in line again.
func (p *Permit) begin(cancel func(error)) (refused *Queued) {
	g, c := p.gate, p.client
	g.locked(func(now time.Time) {
		g.limits.expire(now)
		valid := c.state == taken && c.permit == p
		switch {
		case valid && !g.limits.holds(c.Credentials, now) && (c.PerSecond == 0 || g.limits.held[counter{rate, c.Tenant, ""}] <= c.PerSecond):
			c.state, c.since, c.cancel = sent, now, cancel
			g.limits.starts = append(g.limits.starts, start{now, c.queue})
			return
		case valid:
			g.requeue(c, now)
		default:
			c = g.join(c.Client, now)
			c.asked = c.state == taken || c.state == sent
		}
		g.grant(now)
		refused = g.queuedAs(c, now)
	})
	return refused
}

// settle ends the request.
func (p *Permit) settle(err error, v Verdict, overtaken bool) (result error) {
	g, c := p.gate, p.client
	g.locked(func(now time.Time) {
		result = err
		again := overtaken
		switch {
		case overtaken:
		case v.Kind == Failed:
			again = c.queue.line.fail(c.App, err, v.RetryAfter, now)
		case v.Kind == Refused && c.Group != "":
			g.overtake(c, now)
			g.limits.refuse(c, err, now)
			again = true
		case v.Kind == Served, v.Kind == Refused:
			g.overtake(c, now)
			if err == nil {
				g.limits.accept(c, now)
			}
		case c.probe:
			c.queue.line.next = now
		}
		if again {
			g.requeue(c, now)
			result = g.queuedAs(c, now)
		} else {
			g.leave(c, now)
		}
		g.grant(now)
	})
	return result
}

// overtake notes an answer. If it ends a circuit, older requests that are not answered yet are cancelled: a server that hung does not
// answer what it got meanwhile.
func (g *Gate) overtake(c *client, now time.Time) {
	all := len(c.queue.line.failed) >= appsToOpen
	if recovered := c.queue.line.serve(c.App, now); !recovered {
		return
	}
	for _, other := range g.holders {
		older := other.state == sent && other.queue.line == c.queue.line && other.since.Before(c.since)
		if older && !other.MustFinish && (all || other.App == c.App) {
			other.cancel(errOvertaken)
		}
	}
}

// requeue puts a client in line again that had a permit.
func (g *Gate) requeue(c *client, now time.Time) {
	g.release(c, now)
	c.state, c.probe, c.permit, c.cancel, c.asked = queued, false, nil, nil, false
	c.queue.update(c, insert)
}

// queuedAs says what a client waits for.
func (g *Gate) queuedAs(c *client, now time.Time) *Queued {
	l := c.queue.line
	switch {
	case c.state == sent, c.state == taken:
		return &Queued{limit: "a request of the client is under way"}
	case g.limits.refusal(c.Credentials) != nil:
		return &Queued{Cause: g.limits.refusal(c.Credentials).cause, Refused: true}
	case l.open(c.App):
		a := l.apps[c.App]
		return &Queued{Cause: cmp.Or(a.cause, l.cause), held: a.held}
	default:
		return &Queued{limit: string(g.limits.obstacle(c, now))}
	}
}
