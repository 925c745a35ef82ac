package egress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func answer(body io.Reader) roundTripper {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
	}
}

// body tells whether it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("a=b"))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	return req
}

// wantFault fails the test unless an error is a fault of a class and reason.
func wantFault(t *testing.T, err error, class fault.Class, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Class != class || f.Reason != reason {
		t.Errorf("got error %v (%#v), want one of class %d and reason %s", err, f, class, reason)
	}
}

func TestSlotsAreHeldUntilTheBodyIsClosed(t *testing.T) {
	t.Parallel()
	l := &limited{next: answer(strings.NewReader("")), slots: newSlots(0, 2), group: newGroup(Limits{}, nil)}
	ask := func(url string) (*http.Response, error) { return l.RoundTrip(request(t, url)) }
	first, err := ask("https://ai.egain.cloud/token")
	if err != nil {
		t.Fatalf("first request: %v", err)
	}
	second, err := ask("https://ai.egain.cloud/other")
	if err != nil {
		t.Fatalf("second request: %v", err)
	}
	for _, url := range []string{
		"https://ai.egain.cloud/token", "https://AI.eGain.cloud/token", "https://ai.egain.cloud:443/token", "https://ai.egain.cloud./token",
	} {
		_, err := ask(url) //nolint:bodyclose // there is none
		wantFault(t, err, fault.Busy, fault.ReasonServerUnavailable)
	}
	for _, url := range []string{"https://api.ai.egain.cloud/token", "https://ai.egain.cloud:8443/token"} {
		other, err := ask(url)
		if err != nil {
			t.Errorf("a request to another host, %s: %v", url, err)
			continue
		}
		_ = other.Body.Close()
	}
	_ = first.Body.Close()
	_ = first.Body.Close() // a second close must not free the other request's slot
	third, err := ask("https://ai.egain.cloud/token")
	if err != nil {
		t.Fatalf("a request after one ended: %v", err)
	}
	_, err = ask("https://ai.egain.cloud/token") //nolint:bodyclose // there is none
	wantFault(t, err, fault.Busy, fault.ReasonServerUnavailable)
	_ = second.Body.Close()
	_ = third.Body.Close()
	if len(l.slots.taken) != 0 {
		t.Errorf("slots are taken after all requests ended: %v", l.slots.taken)
	}
}

func TestSlotsAreReleasedOnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	l := &limited{next: roundTripper(func(*http.Request) (*http.Response, error) { return nil, broken }), slots: newSlots(0, 1), group: newGroup(Limits{}, nil)}
	for range 3 {
		if _, err := l.RoundTrip(request(t, "https://ai.egain.cloud/token")); !errors.Is(err, broken) { //nolint:bodyclose // there is none
			t.Fatalf("got %v, want %v", err, broken)
		}
	}
	if len(l.slots.taken) != 0 {
		t.Errorf("slots are taken after all requests failed: %v", l.slots.taken)
	}
}

func TestSlotsBoundWhatReachesAHost(t *testing.T) {
	t.Parallel()
	const perHost, callers = 3, 50
	arrived, leave := make(chan struct{}, callers), make(chan struct{})
	var open, most atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		most.Store(max(most.Load(), open.Add(1)))
		arrived <- struct{}{}
		<-leave
		open.Add(-1)
	}))
	t.Cleanup(srv.Close)
	l := &limited{next: srv.Client().Transport, slots: newSlots(0, perHost), group: newGroup(Limits{}, nil)}
	var wg sync.WaitGroup
	var busy, done atomic.Int32
	for range callers {
		wg.Go(func() {
			resp, err := l.RoundTrip(request(t, srv.URL))
			if err != nil {
				wantFault(t, err, fault.Busy, fault.ReasonServerUnavailable)
				// The slots are taken by requests that hang, so that the last refusal comes while they do.
				if busy.Add(1) == callers-perHost {
					close(leave)
				}
				return
			}
			_ = resp.Body.Close()
			done.Add(1)
		})
	}
	wg.Wait()
	if got := most.Load(); got > perHost {
		t.Errorf("%d requests were open at a time, want at most %d", got, perHost)
	}
	if len(arrived) != perHost || done.Load() != perHost {
		t.Errorf("%d requests arrived and %d were answered, want %d", len(arrived), done.Load(), perHost)
	}
}

func TestRefusedRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	unreachable := roundTripper(func(req *http.Request) (*http.Response, error) {
		t.Errorf("a request to %s was sent", req.URL)
		return nil, io.EOF
	})
	tests := map[string]struct {
		url    string
		slots  int
		class  fault.Class
		reason string
	}{
		"no slot of the host": {"https://ai.egain.cloud/token", 0, fault.Busy, fault.ReasonServerUnavailable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &limited{next: unreachable, slots: newSlots(0, tc.slots), group: newGroup(Limits{}, nil)}
			req := request(t, tc.url)
			sent := &body{Reader: req.Body}
			req.Body = sent
			_, err := l.RoundTrip(req) //nolint:bodyclose // there is none
			wantFault(t, err, tc.class, tc.reason)
			if !sent.closed {
				t.Error("the body of the request was left open, which a RoundTripper must not do")
			}
			req = request(t, tc.url)
			req.Body = nil
			_, err = l.RoundTrip(req) //nolint:bodyclose // there is none
			wantFault(t, err, tc.class, tc.reason)
		})
	}
}

func TestCloseIdleConnectionsReachesTheTransport(t *testing.T) {
	t.Parallel()
	counted := &idle{}
	(&http.Client{Transport: &limited{next: counted}}).CloseIdleConnections()
	if counted.closed != 1 {
		t.Errorf("CloseIdleConnections was called %d times, want once", counted.closed)
	}
	(&limited{next: answer(nil)}).CloseIdleConnections() // a transport without connections is fine
}

func TestHostsThatHangLeaveSlotsToOneThatDoesNot(t *testing.T) {
	t.Parallel()
	for hanging, want := range map[int]int{0: 16, 1: 16, 2: 11, 3: 8, 10: 4, 30: 1, 60: 1} {
		t.Run(fmt.Sprintf("%d hang", hanging), func(t *testing.T) {
			t.Parallel()
			s := newSlots(64, 16)
			for range 64 { // each takes what it gets, in turn
				for host := range hanging {
					s.take(fmt.Sprint(host), nil)
				}
			}
			got := 0
			for s.take("healthy", nil) {
				got++
			}
			if got < want {
				t.Errorf("a host that does not hang gets %d slots, want at least %d", got, want)
			}
			if hanging == 0 && got != want {
				t.Errorf("a host gets %d slots, want its own %d", got, want)
			}
		})
	}
}

func TestSlotsThatAreReleasedCanBeTakenByOthers(t *testing.T) {
	t.Parallel()
	s := newSlots(2, 2)
	if !s.take("a", nil) || s.take("a", nil) || !s.take("b", nil) || s.take("c", nil) {
		t.Fatal("two slots are for a host each")
	}
	s.release("a")
	if !s.take("c", nil) {
		t.Error("a slot that was released is not free")
	}
	if alone := newSlots(1, 16); !alone.take("a", nil) || alone.take("b", nil) {
		t.Error("a single slot serves one request at a time")
	}
}

// idle counts how often its idle connections are closed.
type idle struct {
	http.RoundTripper
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }
