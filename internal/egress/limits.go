package egress

import (
	"cmp"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/egain-operator/egain-operator/internal/fault"
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

// limited refuses plain HTTP and hosts that are not listed, and bounds the requests per host and group and the size of bodies.
type limited struct {
	next  http.RoundTripper
	hosts Hosts
	slots *slots
	group *group
	// maxBody bounds bodies in bytes; 0 stands for the default.
	maxBody int64
}

// RoundTrip fails with a Busy failure if host or group have no slot free, or it is not the group's turn yet. The slots are
// held until the body is closed.
func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, refuse(req, fault.New(fault.Terminal, fault.ReasonEndpointRefused, "the URL on %s is not https, and credentials are sent over nothing else: correct it", req.URL.Host))
	}
	if f := l.hosts.check(req.URL); f != nil {
		return nil, refuse(req, f)
	}
	slot, f := l.slotFor(req)
	if f != nil {
		return nil, refuse(req, f)
	}
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		slot.release()
		return nil, err
	}
	bound := cmp.Or(l.maxBody, maxBody)
	resp.Body = &boundedBody{ReadCloser: resp.Body, bound: bound, left: bound, release: slot.release}
	return resp, nil
}

// refuse fails a request that is not sent; a RoundTripper closes the body even then.
func refuse(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return err
}

// slotOf is the host and port that a URL leads to, so that no other spelling of a name gets slots of its own.
func slotOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (l *limited) CloseIdleConnections() {
	if c, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type boundedBody struct {
	io.ReadCloser
	bound   int64
	left    int64
	release func()
}

// Read fails once the body proves longer than the bound, rather than cut it off: half a document must not pass for a
// whole one.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fault.New(fault.Retryable, fault.ReasonResponseInvalid, "the answer is larger than %d KiB: check that the URL is the right one", b.bound>>10)
	}
	return n, err
}

func (b *boundedBody) Close() error {
	b.release()
	return b.ReadCloser.Close()
}
