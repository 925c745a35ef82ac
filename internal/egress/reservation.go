package egress

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// reservation is the right to send one POST request to an endpoint, taken ahead of it.
type reservation struct {
	endpoint Endpoint
	// slot is that of the request; nil if the endpoint's client knows none.
	slot *slot

	used atomic.Bool
}

type reservationKey struct{}

// Reserve takes the turn and the slot of a POST request ahead of it, so that who would be refused need not first read what
// the request is made of: that costs the API server more than the request costs the provider. It fails as Do would without
// sending, and calls who found no slot once there is one. The request is to be sent by Do with the context that is returned;
// release gives back what was not used.
func (b *Breakers) Reserve(ctx context.Context, e Endpoint, w Waiter) (reserved context.Context, release func(), _ *fault.Error) {
	if f := b.Admit(e); f != nil {
		return nil, nil, f
	}
	r := &reservation{endpoint: e}
	if l, ok := transportOf(e.Client); ok {
		var f *fault.Error
		if r.slot, f = l.reserve(e.URL, &w); f != nil {
			_ = b.Settle(e, f)
			return nil, nil, f
		}
	}
	return context.WithValue(ctx, reservationKey{}, r), func() { b.unreserve(r) }, nil
}

func (b *Breakers) unreserve(r *reservation) {
	if r.slot != nil {
		r.slot.release()
	}
	if r.used.CompareAndSwap(false, true) {
		_ = b.Settle(r.endpoint, fault.New(fault.Busy, fault.ReasonServerUnavailable, "nothing was sent"))
	}
}

// admitted reports whether a request to an endpoint was admitted when it was reserved.
func admitted(ctx context.Context, e Endpoint) bool {
	r, ok := ctx.Value(reservationKey{}).(*reservation)
	return ok && r.endpoint == e && r.used.CompareAndSwap(false, true)
}

func transportOf(c *http.Client) (*limited, bool) {
	if c == nil {
		return nil, false
	}
	l, ok := c.Transport.(*limited)
	return l, ok
}

// slot is the right to have one request under way.
type slot struct {
	of      *limited
	host    string
	release func()
	taken   atomic.Bool
}

// take reports whether the slot is one for a request of a client to a host, and was not taken before.
func (s *slot) take(l *limited, host string) bool {
	return s != nil && s.of == l && s.host == host && s.taken.CompareAndSwap(false, true)
}

// reserve takes the slot and the turn of a POST request to a URL.
func (l *limited) reserve(rawURL string, w *Waiter) (*slot, *fault.Error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // sending says what is amiss
	}
	s, f := l.enter(u, w, func(host string) *fault.Error { return l.group.reserve(host, w) })
	if f != nil {
		return nil, f
	}
	leave := s.release
	s.release = func() {
		if s.taken.CompareAndSwap(false, true) {
			l.group.abandon()
		}
		leave()
	}
	return s, nil
}

// slotFor returns the slot that was reserved for a request, or takes one.
func (l *limited) slotFor(req *http.Request) (*slot, *fault.Error) {
	paced := req.Method == http.MethodPost
	if r, ok := req.Context().Value(reservationKey{}).(*reservation); ok && paced && r.slot.take(l, transport.HostPort(req.URL)) {
		l.group.begin()
		return r.slot, nil
	}
	return l.enter(req.URL, nil, func(host string) *fault.Error { return l.group.enter(paced, host) })
}

// enter takes a slot of the host and one of the group.
func (l *limited) enter(u *url.URL, w *Waiter, group func(host string) *fault.Error) (*slot, *fault.Error) {
	host := transport.HostPort(u)
	if !l.slots.take(host, w) {
		return nil, busy(w, "every request slot of %s is in use", u.Host)
	}
	if f := group(u.Host); f != nil {
		l.slots.release(host)
		return nil, f
	}
	return &slot{of: l, host: host, release: sync.OnceFunc(func() {
		l.group.leave()
		l.slots.release(host)
	})}, nil
}
