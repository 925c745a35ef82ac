package main

import (
	"context"
	"iter"
	"slices"

	"github.com/egain-operator/egain-operator/internal/gate"
)

// request is a call of gate.Permit.Do, which waits for the answer.
type request struct {
	sender *sender
	permit *gate.Permit
	answer answer
	// failed says that the answer is there and is a failure.
	failed bool
	// cancelled returns an error once the gate cancelled the request.
	cancelled func() error
	// err is what came of it.
	err error
}

// sender sends one request after the other. It is a coroutine: while it runs the simulation does not, so that equal scenarios have
// equal results.
type sender struct {
	request *request
	// resume lets it run until the request waits for the answer, and then until it has ended.
	resume func() (struct{}, bool)
	// abandon ends it, and the request without an answer.
	abandon func()
}

func newSender() *sender {
	w := &sender{}
	w.resume, w.abandon = iter.Pull(func(yield func(struct{}) bool) {
		for running := true; running; running = running && yield(struct{}{}) {
			w.request.err = w.request.permit.Do(context.Background(), func(ctx context.Context) error {
				w.request.cancelled = ctx.Err
				running = yield(struct{}{})
				return w.request.outcome(ctx, running)
			})
		}
	})
	return w
}

// send sends the request of a client, and says when its answer comes.
func (s *simulation) send(c *client, permit *gate.Permit) {
	s.result.count(s.now)
	r := &request{permit: permit, answer: c.host.ask(s.now)}
	if last := len(s.idle) - 1; last >= 0 {
		r.sender, s.idle = s.idle[last], s.idle[:last]
	} else {
		r.sender = newSender()
	}
	r.sender.request = r
	r.sender.resume()
	c.asked, c.request, c.wake = s.now, r, s.now+r.answer.took
	c.host.underWay = append(c.host.underWay, c)
}

// outcome is the error of the request once it has ended, with an answer unless the operator ended before.
func (r *request) outcome(ctx context.Context, running bool) error {
	if !running {
		return context.Canceled
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.failed = r.answer.fault != nil; r.failed {
		return r.answer.fault
	}
	return nil
}

// end ends the request of a client, and those that the gate cancels for its answer.
func (s *simulation) end(c *client) error {
	r := c.request
	c.request = nil
	c.host.underWay = slices.DeleteFunc(c.host.underWay, func(other *client) bool { return other == c })
	r.sender.resume()
	s.idle = append(s.idle, r.sender)
	for _, other := range c.host.underWay {
		if other.request.cancelled() != nil && other.wake > s.now {
			s.result.overtaken++
			s.advance(other)
		}
	}
	return r.err
}

// stop ends the requests under way, and returns how many those were.
func (s *simulation) stop() (lost int) {
	for _, h := range s.hosts {
		for _, c := range h.underWay {
			c.request.sender.abandon()
			c.request = nil
		}
		lost += len(h.underWay)
		h.underWay = nil
	}
	for _, idle := range s.idle {
		idle.abandon()
	}
	s.idle = nil
	return lost
}
