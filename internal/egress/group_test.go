package egress

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// clock is set by hand.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

// paced is a group of so many requests a second.
func paced(perSecond int, c *clock) *group { return newGroup(Profile{PerSecond: perSecond}, c.now) }

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
	g := newGroup(Profile{Concurrent: 2}, nil)
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
	g := newGroup(Profile{Group: "production"}, nil)
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
	broken := transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	fine := answer(strings.NewReader(""))
	tests := map[string]struct {
		next    http.RoundTripper
		perHost int
		profile Profile
		before  func(*group)
		taken   int
		sent    bool
	}{
		"answered":              {next: fine, perHost: 1, profile: Profile{Concurrent: 1}, sent: true},
		"broken off":            {next: broken, perHost: 1, profile: Profile{Concurrent: 1}, sent: true},
		"without a host's slot": {next: fine, perHost: 0, profile: Profile{Concurrent: 1}},
		"without a group's slot": {
			next: fine, perHost: 1, profile: Profile{Concurrent: 1}, taken: 1,
			before: func(g *group) { _ = g.enter(true, "a.example") },
		},
		"before its turn": {
			next: fine, perHost: 1, profile: Profile{Concurrent: 2, PerSecond: 1},
			before: func(g *group) { _ = g.enter(true, "a.example"); g.leave() },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := false
			next := transport(func(req *http.Request) (*http.Response, error) { sent = true; return tc.next.RoundTrip(req) })
			l := &limited{next: next, slots: newSlots(0, tc.perHost), group: newGroup(tc.profile, newClock().now)}
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
	g := newGroup(Profile{Concurrent: 1, PerSecond: 1}, c.now)
	wantEntered(t, g.enter(true, "a.example"))
	c.at = c.at.Add(time.Second)
	wantBusy(t, g.enter(true, "a.example"), 0)
	g.leave()
	wantEntered(t, g.enter(true, "a.example"))
}

func TestAGroupIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const concurrent, callers = 5, 64
	g := newGroup(Profile{Concurrent: concurrent, PerSecond: 10_000}, newClock().now)
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

func TestClientsAreSharedByProfile(t *testing.T) {
	t.Parallel()
	base := Profile{Group: "production", Concurrent: 4, PerSecond: 20}
	ca := pemOf("CERTIFICATE", certificate(t))
	e := New(Options{Timeout: time.Minute, PerHost: 1, Now: newClock().now})
	made := func(p Profile) *http.Client {
		t.Helper()
		c, err := e.Client(p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := made(base)
	if made(Profile{Group: "production", Concurrent: 4, PerSecond: 20}) != first {
		t.Error("one profile has two clients, and so twice the limits")
	}
	others := map[*http.Client]string{first: "base"}
	for name, change := range map[string]func(*Profile){
		"another tenant":      func(p *Profile) { p.Group = "staging" },
		"no tenant":           func(p *Profile) { p.Group = "" },
		"another concurrency": func(p *Profile) { p.Concurrent = 5 },
		"another pace":        func(p *Profile) { p.PerSecond = 21 },
		"limits exchanged":    func(p *Profile) { p.Concurrent, p.PerSecond = p.PerSecond, p.Concurrent },
		"another CA":          func(p *Profile) { p.CABundle = ca },
	} {
		p := base
		change(&p)
		c := made(p)
		if other, shared := others[c]; shared {
			t.Errorf("%s has the client of %s", name, other)
		}
		others[c] = name
	}
}

func TestGroupsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	arrived := make(chan struct{}, 2)
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		ok(w, r)
	})
	e := New(options)
	post := func(name string) (*http.Response, error) {
		c, err := e.Client(Profile{CABundle: srv.bundle(), Group: name, Concurrent: 1})
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
