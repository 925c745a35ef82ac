package egress

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// clock is set by hand.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

// paced is a group of so many requests a second.
func paced(perSecond int, c *clock) *group { return newGroup(Limits{PerSecond: perSecond}, c.now) }

// wantBusy fails the test unless a request is sent away for a while.
func wantBusy(t *testing.T, f *fault.Error, after time.Duration) {
	t.Helper()
	if f == nil || f.Class != fault.Busy || f.Reason != fault.ReasonServerUnavailable || f.RetryAfter != after {
		t.Fatalf("got %#v, want to be sent away for %s", f, after)
	}
}

func wantEntered(t *testing.T, f *fault.Error) {
	t.Helper()
	if f != nil {
		t.Fatalf("sent away: %v, for %s", f, f.RetryAfter)
	}
}

func TestAGroupBoundsTheRequestsUnderWay(t *testing.T) {
	t.Parallel()
	g := newGroup(Limits{Concurrent: 2}, nil)
	wantEntered(t, g.enter(true, "a.example"))
	wantEntered(t, g.enter(false, "b.example"))
	for _, post := range []bool{true, false} {
		f := g.enter(post, "c.example")
		wantBusy(t, f, 0)
		if !strings.Contains(f.Message, "the tenant's limit of concurrent requests is reached at c.example") {
			t.Errorf("the message is %q", f.Message)
		}
	}
	g.leave()
	wantEntered(t, g.enter(true, "a.example"))
	wantBusy(t, g.enter(true, "a.example"), 0)
}

func TestAGroupWithoutBoundsLetsAllThrough(t *testing.T) {
	t.Parallel()
	g := newGroup(Limits{}, nil)
	for range 10_000 {
		wantEntered(t, g.enter(true, "a.example"))
	}
}

func TestAGroupPacesRequests(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := paced(10, c)
	wantEntered(t, g.enter(true, "a.example"))
	f := g.enter(true, "a.example")
	wantBusy(t, f, 100*time.Millisecond)
	if !strings.Contains(f.Message, "the tenant's limit of requests per second is reached at a.example") {
		t.Errorf("the message is %q", f.Message)
	}
	// Each of those who are sent away gets a turn of its own, in the order in which they came.
	for turn := 2; turn <= 20; turn++ {
		wantBusy(t, g.enter(true, "a.example"), time.Duration(turn)*100*time.Millisecond)
	}
	// Each that comes back at its turn is let in.
	for range 20 {
		c.at = c.at.Add(100 * time.Millisecond)
		wantEntered(t, g.enter(true, "a.example"))
	}
	wantBusy(t, g.enter(true, "a.example"), 100*time.Millisecond)
}

func TestTurnsGoOnFromNowOnceTheLastIsOver(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := paced(10, c)
	wantEntered(t, g.enter(true, "a.example"))
	wantBusy(t, g.enter(true, "a.example"), 100*time.Millisecond)
	c.at = c.at.Add(time.Hour)
	wantEntered(t, g.enter(true, "a.example"))
	wantBusy(t, g.enter(true, "a.example"), 100*time.Millisecond)
	c.at = c.at.Add(50 * time.Millisecond)
	wantBusy(t, g.enter(true, "a.example"), 150*time.Millisecond)
}

func TestTheBurstOfAGroup(t *testing.T) {
	t.Parallel()
	for perSecond, burst := range map[int]int{1: 1, 19: 1, 20: 2, 100: 6, 10_000: 501} {
		c := newClock()
		g := paced(perSecond, c)
		for range 2 {
			entered := 0
			for g.enter(true, "a.example") == nil {
				entered++
			}
			if entered != burst {
				t.Errorf("%d per second: %d entered at once, want %d", perSecond, entered, burst)
			}
			// It does not grow with the time in which nobody comes.
			c.at = c.at.Add(time.Hour)
		}
	}
}

func TestNoMoreEnterInAnySecondThanTheLimit(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []int{1, 10, 19, 20, 40, 100, 500} {
		c := newClock()
		g := paced(perSecond, c)
		var entered []time.Time
		for range 10_000 {
			if g.enter(true, "a.example") == nil {
				entered = append(entered, c.at)
			}
			c.at = c.at.Add(time.Millisecond)
		}
		if most := busiestSecond(entered); most > perSecond {
			t.Errorf("%d per second: %d entered in one", perSecond, most)
		}
		if least := perSecond * 9; len(entered) < least {
			t.Errorf("%d per second: %d entered in ten seconds, want %d at least", perSecond, len(entered), least)
		}
	}
}

// busiestSecond is how many of times, in order, fall into one second.
func busiestSecond(times []time.Time) int {
	most, first := 0, 0
	for last := range times {
		for times[last].Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

func TestATurnThatIsReservedCountsFromWhenItIsBegun(t *testing.T) {
	t.Parallel()
	const perSecond = 100
	c := newClock()
	g := paced(perSecond, c)
	var begun, waiting []time.Time
	for i := range 10_000 {
		if g.reserve("a.example", nil) == nil {
			// What is prepared takes long at first, and then no time, so that the one would come upon the other.
			preparation := time.Duration(0)
			if i/1000%2 == 0 {
				preparation = 300 * time.Millisecond
			}
			waiting = append(waiting, c.at.Add(preparation))
		}
		waiting = slices.DeleteFunc(waiting, func(at time.Time) bool {
			if at.After(c.at) {
				return false
			}
			g.begin()
			begun = append(begun, c.at)
			return true
		})
		c.at = c.at.Add(time.Millisecond)
	}
	if most := busiestSecond(begun); most > perSecond {
		t.Errorf("%d began in one second, want %d at most", most, perSecond)
	}
	if len(begun) < perSecond*5 {
		t.Errorf("%d began in ten seconds", len(begun))
	}
}

func TestATurnThatIsAbandonedIsAnothers(t *testing.T) {
	t.Parallel()
	g := paced(1, newClock())
	wantEntered(t, g.reserve("a.example", nil))
	wantBusy(t, g.enter(true, "a.example"), time.Second)
	g.abandon()
	wantEntered(t, g.enter(true, "a.example"))
}

func TestOnlyRequestsForTokensArePaced(t *testing.T) {
	t.Parallel()
	g := paced(1, newClock())
	l := &limited{next: answer(strings.NewReader("")), slots: newSlots(0, 100), group: g}
	ask := func(method string) error {
		req := request(t, "https://ai.egain.cloud/x")
		req.Method = method
		resp, err := l.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if err := ask(http.MethodPost); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := ask(http.MethodGet); err != nil {
			t.Errorf("reading metadata: %v", err)
		}
	}
	f := fault.Of(ask(http.MethodPost))
	wantBusy(t, f, time.Second)
}

// TestARequestThatIsSentAwayTakesNothing looks at what is left taken after each way for a request to end.
func TestARequestThatIsSentAwayTakesNothing(t *testing.T) {
	t.Parallel()
	broken := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	fine := answer(strings.NewReader(""))
	tests := map[string]struct {
		next    http.RoundTripper
		perHost int
		limits  Limits
		before  func(*group)
		taken   int
		sent    bool
	}{
		"answered":              {next: fine, perHost: 1, limits: Limits{Concurrent: 1}, sent: true},
		"broken off":            {next: broken, perHost: 1, limits: Limits{Concurrent: 1}, sent: true},
		"without a host's slot": {next: fine, perHost: 0, limits: Limits{Concurrent: 1}},
		"without a group's slot": {
			next: fine, perHost: 1, limits: Limits{Concurrent: 1}, taken: 1,
			before: func(g *group) { _ = g.enter(true, "a.example") },
		},
		"before its turn": {
			next: fine, perHost: 1, limits: Limits{Concurrent: 2, PerSecond: 1},
			before: func(g *group) { _ = g.enter(true, "a.example"); g.leave() },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := false
			next := roundTripper(func(req *http.Request) (*http.Response, error) { sent = true; return tc.next.RoundTrip(req) })
			l := &limited{next: next, slots: newSlots(0, tc.perHost), group: newGroup(tc.limits, newClock().now)}
			if tc.before != nil {
				tc.before(l.group)
			}
			if resp, err := l.RoundTrip(request(t, "https://ai.egain.cloud/token")); err == nil {
				_ = resp.Body.Close()
				_ = resp.Body.Close() // a second close must not free a slot of somebody else's
			}
			if sent != tc.sent {
				t.Errorf("sent: %t, want %t", sent, tc.sent)
			}
			if len(l.slots.taken) != 0 || l.group.taken != tc.taken {
				t.Errorf("slots taken of hosts: %v, of the group: %d, want none and %d", l.slots.taken, l.group.taken, tc.taken)
			}
		})
	}
}

// TestAConcurrencyLimitSpendsNoTurn guards the pace: who finds no slot must not use up a token of the bucket.
func TestAConcurrencyLimitSpendsNoTurn(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := newGroup(Limits{Concurrent: 1, PerSecond: 1}, c.now)
	wantEntered(t, g.enter(true, "a.example"))
	c.at = c.at.Add(time.Second)
	wantBusy(t, g.enter(true, "a.example"), 0)
	g.leave()
	wantEntered(t, g.enter(true, "a.example"))
}

func TestAGroupIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const concurrent, callers = 5, 64
	g := newGroup(Limits{Concurrent: concurrent, PerSecond: 10_000}, newClock().now)
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range 100 {
				if g.enter(false, "a.example") != nil {
					continue
				}
				if n := inside.Add(1); n > concurrent {
					t.Errorf("%d are inside at a time", n)
				}
				inside.Add(-1)
				g.leave()
			}
		})
	}
	wg.Wait()
	if g.taken != 0 {
		t.Errorf("%d are inside after all have left", g.taken)
	}
}

func TestGroupsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	arrived := make(chan struct{}, 2)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	t.Cleanup(srv.Close)
	e := New(options)
	post := func(name string) (*http.Response, error) {
		e.Limit(name, Limits{Concurrent: 1})
		c, err := e.Client(name, "", bundleOf(srv))
		if err != nil {
			return nil, err
		}
		return c.Do(request(t, srv.URL))
	}
	var wg sync.WaitGroup
	for _, name := range []string{"production", "staging"} {
		wg.Go(func() {
			resp, err := post(name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	<-arrived
	<-arrived
	_, err := post("production") //nolint:bodyclose // there is none
	wantFault(t, err, fault.Busy, fault.ReasonServerUnavailable)
	close(release)
	wg.Wait()
}

// options for a server on this machine, with time enough for a slow one.
var options = Options{PerHost: 10, Options: transport.Options{Timeout: time.Minute, AllowLoopback: true}}

// bundleOf holds the certificate of a server.
func bundleOf(srv *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
}

// TestLimitsOutliveTheClientsOfATenant holds that another CA bundle gives a tenant no second share.
func TestLimitsOutliveTheClientsOfATenant(t *testing.T) {
	t.Parallel()
	e := New(Options{PerHost: 10, Now: newClock().now})
	group := func(trust string) *group {
		t.Helper()
		c, err := e.Client("production", trust, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Transport.(*limited).group
	}
	e.Limit("production", Limits{Concurrent: 1})
	first := group("v1")
	wantEntered(t, first.enter(true, "a.example"))
	if group("v2") != first {
		t.Fatal("another bundle has limits of its own")
	}
	wantBusy(t, group("v3").enter(true, "a.example"), 0)
	e.Limit("production", Limits{Concurrent: 2})
	wantEntered(t, group("v3").enter(true, "a.example"))
	wantBusy(t, first.enter(true, "a.example"), 0)
	if c, err := e.Client("staging", "v1", nil); err != nil || c.Transport.(*limited).group == first {
		t.Error("another tenant shares the limits")
	}
}

func TestCancelledRequestsReleaseTheirSlot(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	srv, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	c := client(t, srv)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) { //nolint:bodyclose // there is none
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if taken := c.Transport.(*limited).slots.taken; len(taken) != 0 {
		t.Errorf("slots are taken after the cancellation: %v", taken)
	}
}

func TestBrokenConnectionsReleaseTheirSlotAndAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	srv, requests := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fine" {
			return
		}
		panic(http.ErrAbortHandler)
	})
	c := client(t, srv)
	// The connection is used before: for one that proves dead net/http would try again what may be tried again.
	fine, err := c.Do(request(t, srv.URL+"/fine"))
	if err != nil {
		t.Fatalf("using the connection: %v", err)
	}
	_, _ = io.Copy(io.Discard, fine.Body)
	_ = fine.Body.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/broken", strings.NewReader("a=b"))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	_, err = c.Do(req) //nolint:bodyclose // there is none
	if _, ok := errors.AsType[*url.Error](err); !ok {
		t.Errorf("got %v, want a network error", err)
	}
	if got := requests.Load(); got != 2 {
		t.Errorf("the server got %d requests, want 2: a token request is sent once", got)
	}
	if taken := c.Transport.(*limited).slots.taken; len(taken) != 0 {
		t.Errorf("slots are taken after the failure: %v", taken)
	}
}

// serve starts a TLS server that counts requests.
func serve(t *testing.T, handler http.HandlerFunc) (srv *httptest.Server, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // a connection that breaks is the point of a test
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, requests
}

func client(t *testing.T, srv *httptest.Server) *http.Client {
	t.Helper()
	c, err := New(options).Client("", "", bundleOf(srv))
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}
