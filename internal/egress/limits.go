package egress

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/egain-operator/egain-operator/internal/transport"
)

// slots bounds the requests under way, in all and per host. A request that finds no slot free is refused at once, so that
// hosts that hang hold up no worker beyond their slots; who waits for one is called.
type slots struct {
	// total is how many requests are under way in all; no bound if zero.
	total   int
	perHost int

	mu      sync.Mutex
	all     int
	taken   map[string]int
	waiting map[string]*waiting
}

func newSlots(total, perHost int) *slots {
	return &slots{total: total, perHost: perHost, taken: map[string]int{}, waiting: map[string]*waiting{}}
}

// take takes a slot, or has a waiter called, if there is one, once there is a slot.
func (s *slots) take(host string, w *Waiter) bool {
	s.mu.Lock()
	free := s.free(host) > 0
	if free {
		s.all++
		s.taken[host]++
	}
	if w != nil {
		s.note(host, w, free)
	}
	calls := s.calls()
	s.mu.Unlock()
	ring(calls)
	return free
}

// note notes what a waiter found.
func (s *slots) note(host string, w *Waiter, free bool) {
	q := s.waiting[host]
	if q == nil {
		if free {
			return
		}
		q = &waiting{}
		s.waiting[host] = q
	}
	if q.came(w.Key, free); !free {
		q.join(*w)
	}
}

// free is how many slots of a host there are. A host may have no more than half of those that are free (the dynamic thresholds
// of Choudhury and Hahne, 1998, by which switches share their buffers): however many hosts hang, some are left for one that
// does not.
func (s *slots) free(host string) int {
	share := s.perHost
	if s.total > 0 {
		share = min(share, (s.total-s.all+1)/2)
	}
	return share - s.taken[host]
}

// calls are those of who can have a slot now, of whichever host.
func (s *slots) calls() (calls []func()) {
	for _, host := range slices.Sorted(maps.Keys(s.waiting)) {
		q := s.waiting[host]
		calls = append(calls, q.next(s.free(host))...)
		if q.idle() {
			delete(s.waiting, host)
		}
	}
	return calls
}

func (s *slots) release(host string) {
	s.mu.Lock()
	s.all--
	if s.taken[host]--; s.taken[host] == 0 {
		delete(s.taken, host)
	}
	calls := s.calls()
	s.mu.Unlock()
	ring(calls)
}

// limited bounds the requests per host and group.
type limited struct {
	next  http.RoundTripper
	slots *slots
	group *group
}

// RoundTrip fails with a Busy failure if host or group have no slot free, or it is not the group's turn yet. The slots are
// held until the body is closed.
func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	slot, f := l.slotFor(req)
	if f != nil {
		return nil, transport.Refuse(req, f)
	}
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		slot.release()
		return nil, err
	}
	resp.Body = &heldBody{ReadCloser: resp.Body, release: slot.release}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (l *limited) CloseIdleConnections() { transport.CloseIdle(l.next) }

// heldBody holds the slots of its request until it is closed.
type heldBody struct {
	io.ReadCloser
	release func()
}

func (b *heldBody) Close() error {
	b.release()
	return b.ReadCloser.Close()
}
