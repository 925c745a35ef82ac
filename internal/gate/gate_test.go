package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// What can go wrong with permits that are kept, shared and probed for, and where it is tested:
//
//   - Permits that lapse before their clients are reconciled serve no client: TestSimulation_ASlowQueueServesAllTheSame.
//   - A kept permit is an idle slot, so that Wake must give its client top priority. The gate cannot: its caller does.
//   - Priority sticks in a controller's queue, so that each Result sets its own. The caller does.
//   - A client may be woken while it is reconciled, or reconciled for an older timer: TestGate_AskingAgainKeepsPlaceAndPermit.
//   - A reconcile that ends queued must not Forget: the caller's rule. A permit that is kept in between survives, since Do and Ask
//     leave the client in line: TestGate_OlderRequestsAreCancelledWhenTheServerRecovers.
//   - A share as large as the one that it is part of: TestGate_HostsAndNamespacesAreBounded has 16 > 12 > 8.
//   - Tenants that hang fill their host: TestSimulation_TenantsOfOneHost.
//   - A client, namespace or line that fails probes for ever: TestGate_…ProbeInTurn, one each.
//   - A failed probe that backs off is the last to be served: TestGate_AFailingEndpointIsProbed. One that failed before the circuit
//     opened must back off: the same test.
//   - The client_id is not known before the Secret is read. App is a reference to it: TestGate_FailuresOfOneApplicationHoldThatApplicationOnly.
//   - An answer to one application closes the circuit of another: the same test.
//   - Nothing is known of hosts that hang for the time of a request: TestSimulation_AllSlotsAreNotTakenByWhatIsNotKnownYet.
//   - A server that breaks down under twelve requests at a time needs the tenant's limit: TestSimulation_AWeakServer.
//   - All clients wait for one document: TestGate_AMetadataDocument asks with the document as key.
//   - A permit that lapsed is used, or released twice: TestGate_AnUnusedPermitLapses, TestGate_APanicReleasesThePermit.
//   - The order of Go's maps shows: TestSimulation_EachRunIsTheSame.

// fixture is a gate on a clock that is moved by hand.
type fixture struct {
	*Gate
	t     *testing.T
	now   time.Time
	woken []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, now: epoch}
	var mu sync.Mutex
	f.Gate = New(Options{Now: func() time.Time { return f.now }, Judge: judge, Wake: func(key string) {
		mu.Lock()
		defer mu.Unlock()
		f.woken = append(f.woken, key)
	}})
	return f
}

// clientOf has an application and a namespace of its own unless they are given, and one endpoint with all others.
func clientOf(key string, change ...func(*Client)) Client {
	c := Client{
		Key: key, Namespace: "ns-" + key, App: "app-" + key, Expires: epoch.Add(time.Hour),
		Endpoint: Endpoint{URL: "https://ai.egain.cloud/token", Host: "ai.egain.cloud", Tenant: "acme"},
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func ofApp(app string) func(*Client)         { return func(c *Client) { c.App = app } }
func inNamespace(ns string) func(*Client)    { return func(c *Client) { c.Namespace = ns } }
func expiring(d time.Duration) func(*Client) { return func(c *Client) { c.Expires = epoch.Add(d) } }

func atHost(name string) func(*Client) {
	return func(c *Client) { c.Endpoint = Endpoint{URL: "https://" + name + "/token", Host: name, Tenant: name} }
}

// wait moves the clock, with a Tick every TickInterval.
func (f *fixture) wait(d time.Duration) {
	for end := f.now.Add(d); f.now.Before(end); {
		f.now = f.now.Add(min(TickInterval, end.Sub(f.now)))
		f.Tick()
	}
}

// permit is a permit of a client; the test fails if there is none.
func (f *fixture) permit(c Client) *Permit {
	f.t.Helper()
	p, q := f.Ask(c)
	if q != nil {
		f.t.Fatalf("%s is queued: %v", c.Key, q)
	}
	return p
}

// refused is what a client waits for; the test fails if it does not.
func (f *fixture) refused(c Client) *Queued {
	f.t.Helper()
	p, q := f.Ask(c)
	if p != nil {
		f.t.Fatalf("%s has a permit", c.Key)
	}
	return q
}

// start starts the request of a client and returns a function that ends it.
func (f *fixture) start(c Client) func(error) error {
	f.t.Helper()
	p := f.permit(c)
	if q := p.begin(func(error) {}); q != nil {
		f.t.Fatalf("%s may not send: %v", c.Key, q)
	}
	return func(err error) error {
		verdict := Verdict{Kind: Served}
		if err != nil {
			verdict = judge(err)
		}
		return p.settle(err, verdict, false)
	}
}

// do sends a request with an outcome.
func (f *fixture) do(c Client, outcome error) error {
	f.t.Helper()
	return f.permit(c).Do(f.t.Context(), func(context.Context) error { return outcome })
}

// open opens the circuit of an application.
func (f *fixture) open(c Client, outcome error) {
	f.t.Helper()
	for range failuresToOpen {
		err := f.do(c, outcome)
		if _, ok := errors.AsType[*Queued](err); !ok && !errors.Is(err, outcome) {
			f.t.Fatalf("got %v", err)
		}
	}
	f.Forget(c.Key)
}

func isQueued(err error) bool {
	_, ok := errors.AsType[*Queued](err)
	return ok
}

func TestGate_AFailingEndpointIsProbed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := clientOf("a")
	for i := range failuresToOpen {
		err := f.do(c, errDown)
		if opened := i == failuresToOpen-1; isQueued(err) != opened || !errors.Is(err, errDown) {
			t.Fatalf("after failure %d: %v", i+1, err)
		}
	}
	if got := f.Failing()["ai.egain.cloud"]; got != 1 {
		t.Errorf("%d endpoints fail", got)
	}
	const want = "HTTP 503 (circuit open: probing every few seconds; all clients resume when a probe succeeds)"
	if q := f.refused(c); q.Error() != want || !errors.Is(q, errDown) {
		t.Errorf("got %v", q)
	}
	sent := 0
	for end := f.now.Add(3 * time.Minute); f.now.Before(end); {
		f.wait(TickInterval)
		if len(f.woken) == 0 {
			continue
		}
		f.woken = nil
		if sent++; !isQueued(f.do(c, errDown)) {
			t.Fatal("the client of a failed probe is not in line again")
		}
	}
	if sent < 85 || sent > 91 {
		t.Errorf("%d requests in three minutes, want 85 to 91", sent)
	}
	f.wait(probeAfterFailure)
	if err := f.do(c, nil); err != nil || len(f.Failing()) != 0 {
		t.Errorf("after a success: %v, and %v fail", err, f.Failing())
	}
}

func TestGate_ProbesThatHangDoNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.open(clientOf("a", ofApp("x")), errDown)
	f.wait(probeAfterFailure)
	for i := range probesPerLine {
		c := clientOf(fmt.Sprint(i), ofApp("x"))
		_ = f.start(c)
		if q := f.refused(clientOf("other", ofApp("x"))); q.Cause == nil {
			t.Fatalf("another request beside probe %d", i+1)
		}
		f.Forget("other")
		f.wait(probeUnanswered)
	}
	if q := f.refused(clientOf("fourth", ofApp("x"))); q.Cause == nil {
		t.Errorf("got %+v", q)
	}
}

// Row 7: what one application's credentials meet says nothing about another's.
func TestGate_FailuresOfOneApplicationHoldThatApplicationOnly(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{"HTTP 500": errDown, "Retry-After of an hour": failure("HTTP 429", time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for i := range 2 * failuresToOpen {
				c := clientOf(fmt.Sprint("bad", i), ofApp("bad"), inNamespace("bad"))
				if i < failuresToOpen {
					_ = f.do(c, outcome)
				} else {
					_ = f.refused(c)
				}
			}
			for range 100 {
				if err := f.do(clientOf("good"), nil); err != nil {
					t.Fatalf("another application: %v", err)
				}
			}
			if f.Failing()["ai.egain.cloud"] != 1 {
				t.Error("a success of another application closed the circuit")
			}
		})
	}
}

func TestGate_ThreeApplicationsOpenTheLineForAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range appsToOpen {
		_ = f.do(clientOf(fmt.Sprint("bad", i)), errDown)
	}
	if q := f.refused(clientOf("good")); !errors.Is(q.Cause, errDown) {
		t.Fatalf("got %+v", q)
	}
	f.Forget("bad2") // the only one in line
	f.wait(probeAfterFailure)
	if err := f.do(clientOf("good"), nil); err != nil {
		t.Fatal(err)
	}
	if len(f.Failing()) != 0 {
		t.Error("a success of any does not close the circuit of the line")
	}
	if err := f.do(clientOf("another"), nil); err != nil {
		t.Fatal(err)
	}
}

func TestGate_RetryAfter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := clientOf("a")
	f.open(c, errDown)
	_ = f.refused(c)
	f.wait(probeAfterFailure)
	_ = f.do(c, failure("HTTP 429", 90*time.Second))
	const want = "HTTP 429 (circuit open: probing after the time that the server asked for in Retry-After; all clients resume when a probe succeeds)"
	if q := f.refused(c); q.Error() != want {
		t.Errorf("got %v", q)
	}
	f.wait(90*time.Second - TickInterval)
	if q := f.refused(c); q.Error() != want {
		t.Errorf("later got %v", q)
	}
	f.wait(TickInterval)
	_ = f.do(c, failure("HTTP 429", 24*time.Hour)) // an hour counts
	f.wait(maxRetryAfter - TickInterval)
	_ = f.refused(c)
	f.wait(TickInterval)
	if err := f.do(c, nil); err != nil {
		t.Fatal(err)
	}
}

// A request that was under way when the server sent Retry-After may fail later, and in another way.
func TestGate_ALaterFailureDoesNotShortenRetryAfter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := clientOf("a")
	end := f.start(clientOf("b", ofApp(c.App)))
	f.open(c, failure("HTTP 429", time.Minute))
	_ = end(errDown)
	f.Forget("b")
	f.wait(time.Minute - TickInterval)
	_ = f.refused(c)
	f.wait(TickInterval)
	_ = f.permit(c)
}

func TestGate_WhatTellsNothingOfTheEndpoint(t *testing.T) {
	t.Parallel()
	rejected := &outcome{Verdict{Kind: Served}, "invalid_client"}
	for name, err := range map[string]error{"a rejected client": rejected, "a failure without a verdict": context.Canceled, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for range 3 * failuresToOpen {
				if got := f.do(clientOf("a"), err); !errors.Is(got, err) {
					t.Fatalf("got %v", got)
				}
			}
			if len(f.Failing()) != 0 {
				t.Error("the endpoint is taken to fail")
			}
		})
	}
}

func TestGate_FailuresWithSuccessesBetweenOpenNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 20 {
		for range failuresToOpen - 1 {
			_ = f.do(clientOf("poisoned", ofApp("x")), errDown)
		}
		if err := f.do(clientOf("good", ofApp("x")), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGate_LinesAreSeparate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.open(clientOf("a"), errDown)
	for name, change := range map[string]func(*Client){
		"another path":      func(c *Client) { c.URL += "/other" },
		"another tenant":    func(c *Client) { c.Tenant = "other" },
		"another CA bundle": func(c *Client) { c.Trust = "other" },
	} {
		if _, q := f.Ask(clientOf("a", change)); q != nil {
			t.Errorf("%s: %v", name, q)
		}
	}
}

func TestGate_AProbeThatIsNotSentLeavesTheNextToOthers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fixture, p *Permit){
		"forgotten": func(f *fixture, _ *Permit) { f.Forget("a") },
		"no verdict": func(f *fixture, p *Permit) {
			_ = p.Do(f.t.Context(), func(context.Context) error { return context.Canceled })
		},
		"lapsed": func(f *fixture, _ *Permit) { f.now = f.now.Add(unusedPermit); f.Tick() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.open(clientOf("a", ofApp("x")), errDown)
			f.wait(probeAfterFailure)
			p := f.permit(clientOf("a", ofApp("x")))
			_ = f.refused(clientOf("b", ofApp("x")))
			end(f, p)
			if !slices.Equal(f.woken[len(f.woken)-1:], []string{"b"}) {
				t.Errorf("woken: %v", f.woken)
			}
			_ = f.permit(clientOf("b", ofApp("x")))
		})
	}
}

func TestGate_AProbeOverALoweredLimitLeavesTheNextToOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	limit := func(n int) func(*Client) { return func(c *Client) { c.PerSecond = n } }
	f.open(clientOf("a", ofApp("x")), errDown)
	f.wait(probeAfterFailure)
	_, _ = f.permit(clientOf("a", ofApp("x"), limit(2))), f.permit(clientOf("other", limit(2)))
	p := f.permit(clientOf("a", ofApp("x"), limit(1)))
	_ = f.refused(clientOf("b", ofApp("x")))
	if q := p.begin(nil); q == nil {
		t.Fatal("two permits are out, one request may start")
	}
	if !slices.Equal(f.woken, []string{"b"}) {
		t.Errorf("woken: %v", f.woken)
	}
}

func TestGate_ReconnectToAnEndpointThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := clientOf("a")
	for i, want := range []bool{false, false, true, true, true} {
		p := f.permit(c)
		if got := p.Reconnect; got != want {
			t.Errorf("request %d: %v", i, got)
		}
		_ = p.Do(t.Context(), func(context.Context) error { return errDown })
	}
	f.wait(probeAfterFailure)
	if !f.permit(c).Reconnect {
		t.Error("a probe uses a connection of earlier requests")
	}
}

func TestGate_OlderRequestsAreCancelledWhenTheServerRecovers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hang := func(c Client) <-chan error {
		f.t.Helper()
		p, sent, done := f.permit(c), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- p.Do(t.Context(), func(ctx context.Context) error {
				close(sent)
				<-ctx.Done()
				return errTimeout
			})
		}()
		<-sent
		return done
	}
	before := hang(clientOf("before", ofApp("x")))
	elsewhere := f.permit(clientOf("elsewhere", func(c *Client) { c.URL += "/other" }))
	if q := elsewhere.begin(func(error) { t.Error("a request to another endpoint was cancelled") }); q != nil {
		t.Fatal(q)
	}
	must := f.permit(clientOf("must", ofApp("x"), func(c *Client) { c.MustFinish = true }))
	if q := must.begin(func(error) { t.Error("a request that must finish was cancelled") }); q != nil {
		t.Fatal(q)
	}
	other := f.permit(clientOf("other"))
	if q := other.begin(func(error) { t.Error("a request of another application was cancelled") }); q != nil {
		t.Fatal(q)
	}
	f.now = f.now.Add(time.Second)
	f.open(clientOf("a", ofApp("x")), errDown)
	f.wait(probeAfterFailure)
	probe := hang(clientOf("probe", ofApp("x")))
	f.wait(probeUnanswered)
	end := f.start(clientOf("late", ofApp("x")))
	f.wait(probeUnanswered)
	younger := f.permit(clientOf("younger", ofApp("x")))
	if q := younger.begin(func(error) { t.Error("a younger request was cancelled") }); q != nil {
		t.Fatal(q)
	}
	if err := end(nil); err != nil {
		t.Fatal(err)
	}
	for _, done := range []<-chan error{before, probe} {
		if err := <-done; !isQueued(err) {
			t.Errorf("got %v", err)
		}
	}
	for _, key := range []string{"before", "probe"} {
		if !slices.Contains(f.woken, key) {
			t.Errorf("%s was not woken to send again", key)
		}
	}
}

func TestGate_AnAnswerThatCameAllTheSameIsNotLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.open(clientOf("a", ofApp("x")), errDown)
	f.wait(probeAfterFailure)
	err := f.permit(clientOf("a", ofApp("x"))).Do(t.Context(), func(ctx context.Context) error {
		f.wait(probeUnanswered)
		b := f.permit(clientOf("b", ofApp("x")))
		if err := b.Do(context.WithoutCancel(ctx), func(context.Context) error { return nil }); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// perSecond holds for when requests start, whenever their permits were granted, and whatever the clients do between.
func TestGate_NoMoreStartInAnySecondThanTheLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 10, 50} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			s := newSimulation(t)
			h := &server{host: "h", answer: healthy}
			all := s.fleet(h, 200, 20, 1, time.Minute, nil)
			for i, p := range all {
				p.client.PerSecond = limit
				p.client.App = fmt.Sprint(i)
				p.s = s
			}
			s.spread = time.Second // of the time between a permit and its request
			s.run(30 * time.Second)
			if got := h.busiest(); got > limit {
				t.Errorf("%d requests in a second", got)
			}
			if got, want := len(h.sent), 30*limit/3; got < min(want, 100) {
				t.Errorf("%d requests in 30 s, want %d", got, want)
			}
		})
	}
}

func TestGate_TheTenantsConcurrentRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	two := func(c *Client) { c.Concurrent = 2 }
	end := f.start(clientOf("a", two))
	_ = f.start(clientOf("b", two, func(c *Client) { c.Trust = "another CA bundle" }))
	if q := f.refused(clientOf("c", two)); q.Error() != "queued: the tenant's limit of concurrent requests is reached (EgainTenant.spec.requestLimits.concurrent)" || q.Cause != nil {
		t.Errorf("got %v", q)
	}
	if err := end(nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.woken, []string{"c"}) {
		t.Errorf("woken: %v", f.woken)
	}
	_ = f.permit(clientOf("c", two))
}

func TestGate_LimitsThatAreLoweredHoldForPermitsToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	limit := func(n int) func(*Client) { return func(c *Client) { c.PerSecond = n } }
	a, b := f.permit(clientOf("a", limit(2))), f.permit(clientOf("b", limit(2)))
	_, _ = a, b
	a, b = f.permit(clientOf("a", limit(1))), f.permit(clientOf("b", limit(1)))
	if q := a.begin(nil); q == nil {
		t.Error("two permits are out, one request may start")
	}
	if q := b.begin(nil); q != nil {
		t.Error(q)
	}
}

func TestGate_HostsAndNamespacesAreBounded(t *testing.T) {
	t.Parallel()
	count := func(clients int, change func(i int, c *Client)) int {
		f, got := newFixture(t), 0
		for i := range clients {
			c := clientOf(fmt.Sprint(i))
			change(i, &c)
			if _, q := f.Ask(c); q == nil {
				got++
			}
		}
		return got
	}
	url := func(i int, c *Client) { c.URL = fmt.Sprint("https://ai.egain.cloud/", i) }
	for name, tc := range map[string]struct {
		change func(i int, c *Client)
		want   int
	}{
		"a line":                {func(int, *Client) {}, 12},
		"a host":                {url, 16},
		"all":                   {func(i int, c *Client) { atHost(fmt.Sprint("h", i))(c) }, 64},
		"a namespace at a host": {func(_ int, c *Client) { c.Namespace = "n" }, 8},
		"a namespace": {func(i int, c *Client) {
			atHost(fmt.Sprint("h", i))(c)
			c.Namespace = "n"
		}, 16},
		"clients without a namespace": {func(i int, c *Client) {
			url(i, c)
			c.Namespace = ""
		}, 16},
	} {
		if got := count(200, tc.change); got != tc.want {
			t.Errorf("%s: %d requests at a time, want %d", name, got, tc.want)
		}
	}
}

func TestGate_HostsThatHangLeaveSlotsToAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 1000 {
		_, _ = f.Ask(clientOf(fmt.Sprint(i), atHost(fmt.Sprint("h", i%10))))
	}
	_ = f.permit(clientOf("a", atHost("well")))
}

func TestGate_TheSoonestToExpireIsFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ends []func(error) error
	for i := range 12 {
		ends = append(ends, f.start(clientOf(fmt.Sprint(i))))
	}
	for _, minutes := range []int{30, 10, 50, 20, 40} {
		_ = f.refused(clientOf(fmt.Sprint("m", minutes), expiring(time.Duration(minutes)*time.Minute)))
	}
	_ = f.refused(clientOf("m50", expiring(time.Minute))) // its token expires sooner than it said before
	_ = f.refused(clientOf("new", func(c *Client) { c.Expires = time.Time{} }))
	f.Forget("m20")
	for _, end := range ends {
		_ = end(nil)
	}
	if want := []string{"new", "m50", "m10", "m30", "m40"}; !slices.Equal(f.woken, want) {
		t.Errorf("woken: %v, want %v", f.woken, want)
	}
}

func TestGate_AskingAgainKeepsPlaceAndPermit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.permit(clientOf("a"))
	second := f.permit(clientOf("a")) // the reconcile of the first permit panicked
	if q := first.begin(nil); q == nil {
		t.Error("two requests by one permit")
	}
	if q := second.begin(nil); q != nil {
		t.Error(q)
	}
	_ = f.refused(clientOf("a"))
	if err := second.settle(nil, Verdict{Kind: Served}, false); err != nil {
		t.Error(err)
	}
	if !slices.Equal(f.woken, []string{"a"}) {
		t.Errorf("the client that was told to wait is not woken: %v", f.woken)
	}
}

func TestGate_AnUnusedPermitLapses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.permit(clientOf("a"))
	f.wait(unusedPermit)
	if len(f.holders) != 0 || len(f.limits.held) != 0 {
		t.Errorf("%d permits and %v are left", len(f.holders), f.limits.held)
	}
	err := p.Do(t.Context(), func(context.Context) error {
		t.Error("a request was sent by a permit that lapsed")
		return nil
	})
	if !isQueued(err) || !slices.Equal(f.woken, []string{"a"}) {
		t.Errorf("got %v, woken: %v", err, f.woken)
	}
	_ = f.permit(clientOf("a"))
}

func TestGate_APanicReleasesThePermit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	func() {
		defer func() { _ = recover() }()
		_ = f.permit(clientOf("a")).Do(t.Context(), func(context.Context) error { panic("x") })
	}()
	if len(f.holders) != 0 {
		t.Error("the permit is not free")
	}
}

func TestGate_WhatNoClientAsksForIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 6000 {
		_ = f.do(clientOf("a", atHost(fmt.Sprint("h", i))), errDown)
		if i%500 == 0 {
			f.wait(time.Second)
		}
	}
	f.wait(2 * time.Second)
	if len(f.lines) != maxLines {
		t.Errorf("%d lines", len(f.lines))
	}
	f.now = f.now.Add(forgetAfter)
	f.wait(2 * time.Second)
	if len(f.lines) != 0 || len(f.order.lines) != 0 || len(f.clients) != 0 || len(f.limits.held) != 0 {
		t.Errorf("%d lines, %d of them with clients, %d clients and %v are left", len(f.lines), len(f.order.lines), len(f.clients), f.limits.held)
	}
}

func TestGate_ALineIsRememberedUntilRetryAfterIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.open(clientOf("a"), failure("HTTP 429", time.Hour))
	f.wait(time.Hour + forgetAfter - time.Second)
	if len(f.Failing()) != 1 {
		t.Error("the line is forgotten too early")
	}
	f.wait(3 * time.Second)
	if len(f.lines) != 0 {
		t.Error("the line is not forgotten")
	}
}

// A document is read for all clients: its key is no EgainClient, and it has neither an application nor an expiry.
func TestGate_AMetadataDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	document := Client{Key: "https://ai.egain.cloud/metadata", Endpoint: Endpoint{URL: "https://ai.egain.cloud/metadata", Host: "ai.egain.cloud"}}
	for range failuresToOpen {
		_ = f.do(document, errDown)
	}
	_ = f.refused(document)
	f.wait(probeAfterFailure)
	if err := f.do(document, nil); err != nil {
		t.Fatal(err)
	}
}

func TestGate_ProbesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	probe := func(i int, namespace string) (probes bool) {
		c := clientOf(fmt.Sprint("c", i), atHost(fmt.Sprint("h", i)), inNamespace(namespace))
		f.open(c, errDown)
		f.wait(probeAfterFailure)
		p, _ := f.Ask(c)
		return p != nil
	}
	got := map[string]int{}
	for i := range 30 {
		namespace := fmt.Sprint("n", i)
		if i < 10 {
			namespace = "hostile"
		}
		if probe(i, namespace) {
			got[namespace]++
		}
	}
	if got["hostile"] != 4 || f.limits.held[counter{kind: probes}] != 16 {
		t.Errorf("%d probes of a namespace and %d in total, want 4 and 16", got["hostile"], f.limits.held[counter{kind: probes}])
	}
}

// Each application of a line with a circuit of its own needs a probe of its own after an outage, one after another.
func TestGate_TheApplicationsWithACircuitAreBounded(t *testing.T) {
	t.Parallel()
	l := newLine(Endpoint{})
	for i := range 200 {
		for range failuresToOpen {
			l.fail(fmt.Sprint(i), errDown, 0, epoch)
		}
	}
	if len(l.apps) != maxApps || !l.open("another") {
		t.Errorf("%d applications have a circuit", len(l.apps))
	}
}

func TestGate_NamespacesProbeInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range appsToOpen {
		_ = f.do(clientOf(fmt.Sprint("hostile", i), inNamespace("hostile")), errDown)
	}
	_ = f.refused(clientOf("good", expiring(2*time.Hour)))
	for i := range 100 {
		if f.wait(probeAfterFailure); len(f.woken) == 0 {
			continue
		}
		key := f.woken[0]
		if f.woken = nil; key == "good" {
			return
		}
		_ = f.do(clientOf(key, inNamespace("hostile")), errDown)
		f.Forget(key)
		_ = f.refused(clientOf(fmt.Sprint("made up ", i), inNamespace("hostile"), expiring(0)))
	}
	t.Error("a namespace with made-up applications gets all probes")
}

func TestGate_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var g *Gate
	wake := make(chan string, 10000)
	g = New(Options{Now: time.Now, Judge: judge, Wake: func(key string) { wake <- key }})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			c := clientOf(fmt.Sprint(i), atHost(fmt.Sprint("h", i%3)), inNamespace("n"))
			for range 20 {
				if p, _ := g.Ask(c); p != nil {
					_ = p.Do(t.Context(), func(context.Context) error { return nil })
				}
				g.Tick()
				_ = g.Failing()
			}
			g.Forget(c.Key)
		})
	}
	all.Wait()
	if len(g.clients) != 0 || len(g.holders) != 0 {
		t.Errorf("%d clients and %d permits are left", len(g.clients), len(g.holders))
	}
}

func TestGate_ClientsOfAnApplicationProbeInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	poisoned, good := clientOf("poisoned", ofApp("x"), inNamespace("n")), clientOf("good", ofApp("x"), inNamespace("n"), expiring(2*time.Hour))
	f.open(poisoned, errDown)
	_, _ = f.refused(poisoned), f.refused(good)
	for _, want := range []Client{poisoned, good, poisoned} {
		f.woken = nil
		f.wait(probeAfterFailure)
		if !slices.Equal(f.woken, []string{want.Key}) {
			t.Fatalf("woken: %v, want %s", f.woken, want.Key)
		}
		_ = f.do(want, errDown)
	}
}

func TestGate_ApplicationsProbeInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	x, y := clientOf("x", inNamespace("n")), clientOf("y", inNamespace("n"), expiring(2*time.Hour))
	for _, c := range []Client{x, y} {
		f.open(c, errDown)
		_ = f.refused(c)
	}
	for i := range 4 {
		want := []*Client{&x, &y}[i%2]
		f.woken = nil
		f.wait(probeAfterFailure)
		if !slices.Equal(f.woken, []string{want.Key}) {
			t.Fatalf("woken: %v, want %s", f.woken, want.Key)
		}
		_ = f.do(*want, errDown)
		failed := want.Key
		want.Key += fmt.Sprint(i) // another client of the application, which did not probe yet
		_ = f.refused(*want)
		f.Forget(failed)
	}
}

func TestGate_LinesProbeInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Gate = New(Options{Now: f.options.Now, Judge: judge, Wake: f.options.Wake, Total: 4}) // one probe at a time
	hostile := func(i int) Client { return clientOf(fmt.Sprint(i), atHost("hostile"), expiring(0)) }
	for i := range appsToOpen {
		_ = f.do(hostile(i), errDown)
	}
	f.open(clientOf("good"), errDown)
	_ = f.refused(clientOf("good"))
	turns := 0
	for i := range 10 {
		_ = f.refused(hostile(10 + i))
		for len(f.woken) == 0 {
			f.wait(TickInterval)
		}
		c, key := hostile(0), f.woken[0]
		f.woken = f.woken[1:]
		if key == "good" {
			turns++
			c = clientOf(key)
		} else {
			c.Key, c.Namespace, c.App = key, "ns-"+key, "app-"+key
		}
		p := f.permit(c)
		f.wait(timeout) // both lines have a probe due when this one ends
		_ = p.Do(t.Context(), func(context.Context) error { return errDown })
	}
	if turns < 4 {
		t.Errorf("%d of 10 probes went to another endpoint", turns)
	}
}

// Applications with circuits of their own are probed one after another as soon as one is answered, and then paced.
func TestGate_ARecoveryIsPassedOnToOtherApplications(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, key := range []string{"a", "b"} {
		f.open(clientOf(key), errDown)
	}
	for _, key := range []string{"a", "b"} {
		_ = f.refused(clientOf(key))
	}
	f.wait(probeAfterFailure)
	for _, key := range []string{"a", "b"} {
		if !slices.Equal(f.woken, []string{key}) {
			t.Fatalf("woken: %v, want %s", f.woken, key)
		}
		f.woken = nil
		if err := f.do(clientOf(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	granted := 0
	for i := range 20 {
		if _, q := f.Ask(clientOf(fmt.Sprint(i), func(c *Client) { c.Namespace = "" })); q == nil {
			granted++
			f.Forget(fmt.Sprint(i))
		}
	}
	if want := int(recoveryBurst * recoveryRate / time.Second); granted != want {
		t.Errorf("%d requests at once after the recovery, want %d", granted, want)
	}
}

func TestGate_ATickGrantsAllThatMaySend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	three := func(c *Client) { c.PerSecond = 3 }
	for i := range 6 {
		if p, _ := f.Ask(clientOf(fmt.Sprint(i), three)); p != nil {
			_ = p.Do(t.Context(), func(context.Context) error { return nil })
		}
	}
	f.now = f.now.Add(rateWindow)
	f.Tick()
	if !slices.Equal(f.woken, []string{"3", "4", "5"}) {
		t.Errorf("woken: %v", f.woken)
	}
}
