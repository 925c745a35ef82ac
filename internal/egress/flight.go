package egress

import (
	"context"
	"errors"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// errOvertaken ends requests that a server left unanswered before it recovered.
var errOvertaken = errors.New("a later request was answered")

// flight is a request under way.
type flight struct {
	began  time.Time
	cancel context.CancelCauseFunc
}

// Do sends a request unless the endpoint is known to fail, which is a Paused or Busy failure, and notes what came of it.
//
// A server that hung does not answer what it was sent meanwhile. So the context that send is given ends once a later request
// has found the endpoint well again, which is a Busy failure: its client would otherwise be the last to know, at the end of
// its time. A request that must not be given up disregards that context.
//
// A request that was reserved has been admitted before.
func (b *Breakers) Do(ctx context.Context, e Endpoint, send func(context.Context) error) error {
	if !admitted(ctx, e) {
		if f := b.Admit(e); f != nil {
			return f
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	own := &flight{began: b.Now(), cancel: cancel}
	b.begin(e, own)
	err := send(ctx)
	b.end(e, own)
	if err != nil && errors.Is(context.Cause(ctx), errOvertaken) {
		err = fault.New(fault.Busy, fault.ReasonServerUnavailable, "the server has recovered, and left a request from before unanswered")
	}
	recovered, err := b.settle(e, err)
	if recovered {
		b.overtake(e, own.began)
	}
	return err
}

func (b *Breakers) begin(e Endpoint, f *flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flights == nil {
		b.flights = map[Endpoint]map[*flight]bool{}
	}
	if b.flights[e] == nil {
		b.flights[e] = map[*flight]bool{}
	}
	b.flights[e][f] = true
}

func (b *Breakers) end(e Endpoint, f *flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.flights[e], f); len(b.flights[e]) == 0 {
		delete(b.flights, e)
	}
}

// overtake ends the requests to an endpoint that began before a time.
func (b *Breakers) overtake(e Endpoint, began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for f := range b.flights[e] {
		if f.began.Before(began) {
			f.cancel(errOvertaken)
		}
	}
}
