package egress

import (
	"net/http"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// breakers with a clock, and how many endpoints of a host they say to fail.
func newBreakers() (b *Breakers, c *clock, failing func() int) {
	c = newClock()
	b = &Breakers{Now: c.now}
	return b, c, func() int { return b.Failing()["ai.egain.cloud"] }
}

var tokenEndpoint = Endpoint{Client: &http.Client{}, URL: "https://ai.egain.cloud/token"}

func down() error {
	return fault.New(fault.Retryable, fault.ReasonServerUnavailable, "ai.egain.cloud answered HTTP 503")
}

// try sends a request if it may, and returns the class of what came of it, or -1 for a success.
func try(b *Breakers, e Endpoint, outcome error) (fault.Class, *fault.Error) {
	if f := b.Admit(e); f != nil {
		return f.Class, f
	}
	if f := fault.Of(b.Settle(e, outcome)); f != nil {
		return f.Class, f
	}
	return -1, nil
}

// open has an endpoint fail until it is left alone.
func open(t *testing.T, b *Breakers) {
	t.Helper()
	openAt(t, b, tokenEndpoint)
}

func openAt(t *testing.T, b *Breakers, e Endpoint) {
	t.Helper()
	for i := range failuresToOpen {
		want := fault.Retryable
		if i == failuresToOpen-1 {
			want = fault.Paused
		}
		if got, _ := try(b, e, down()); got != want {
			t.Fatalf("failure %d is of class %d, want %d", i+1, got, want)
		}
	}
}

func TestAnEndpointThatFailsIsAskedBySingleRequests(t *testing.T) {
	t.Parallel()
	b, clock, failing := newBreakers()
	open(t, b)
	sent := 0
	for range 180 * 10 { // three minutes, ten looks a second by each of three clients
		clock.at = clock.at.Add(100 * time.Millisecond)
		for range 3 {
			if b.Admit(tokenEndpoint) == nil {
				sent++
				if f := b.Admit(tokenEndpoint); f == nil {
					t.Fatal("a second request at the same time")
				}
				_ = b.Settle(tokenEndpoint, down())
			}
		}
	}
	// One each two seconds, after one that comes sooner.
	if sent < 85 || sent > 91 {
		t.Errorf("%d requests in three minutes, want 85 to 91", sent)
	}
	if failing() != 1 {
		t.Errorf("%d endpoints fail", failing())
	}
}

// While requests hang, the next probe does not wait for the end of the one before.
func TestTheEndOfAnOutageIsFoundWhileEarlierProbesHang(t *testing.T) {
	t.Parallel()
	b, clock, failing := newBreakers()
	open(t, b)
	for _, wait := range []time.Duration{probeFirst, 2 * probeFirst, 4 * probeFirst} {
		clock.at = clock.at.Add(wait - 1)
		if b.Admit(tokenEndpoint) == nil {
			t.Fatalf("a probe sooner than %v after the one before", wait)
		}
		clock.at = clock.at.Add(1)
		if f := b.Admit(tokenEndpoint); f != nil {
			t.Fatalf("no probe %v after the one before: %v", wait, f)
		}
	}
	clock.at = clock.at.Add(probeLast)
	if b.Admit(tokenEndpoint) == nil || b.Waits(tokenEndpoint, *new(bells).waiter("a", 0)) == nil {
		t.Fatalf("more than %d probes hang", maxProbes)
	}
	_ = b.Settle(tokenEndpoint, down())
	if f := b.Admit(tokenEndpoint); f != nil {
		t.Fatalf("no probe in place of one that was given up: %v", f)
	}
	_ = b.Settle(tokenEndpoint, nil)
	if got, _ := try(b, tokenEndpoint, nil); got != -1 || failing() != 0 {
		t.Errorf("class %d after a success, and %d endpoints fail", got, failing())
	}
}

func TestTheProbesOfAllEndpointsAreBounded(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	b.Probes = 2
	var all []Endpoint
	for i := range 3 {
		e := Endpoint{Client: tokenEndpoint.Client, URL: "https://ai.egain.cloud/" + time.Duration(i).String()}
		for range failuresToOpen {
			_, _ = try(b, e, down())
		}
		all = append(all, e)
	}
	clock.at = clock.at.Add(probeFirst)
	if b.Admit(all[0]) != nil || b.Admit(all[1]) != nil {
		t.Fatal("two probes are allowed")
	}
	if f := b.Admit(all[2]); f == nil || f.RetryAfter != whileProbing {
		t.Fatalf("a third one: %+v", f)
	}
	_ = b.Settle(all[0], down())
	if f := b.Admit(all[2]); f != nil {
		t.Errorf("once one has ended: %v", f)
	}
}

func TestThoseWhoWaitAreToldTheFailureAndWhenToComeBack(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	if b.Waits(tokenEndpoint, *new(bells).waiter("a", 0)) != nil {
		t.Error("somebody waits for an endpoint that never failed")
	}
	open(t, b)
	const want = "ai.egain.cloud answered HTTP 503; it fails time and again, so that only single requests ask it anew, " +
		"every few seconds or when its Retry-After is over, and all clients follow once one succeeds"
	for _, f := range []*fault.Error{b.Admit(tokenEndpoint), b.Waits(tokenEndpoint, *new(bells).waiter("a", 0))} {
		if f == nil || f.Class != fault.Paused || f.Message != want || f.RetryAfter != probeFirst {
			t.Errorf("got %+v", f)
		}
	}
	clock.at = clock.at.Add(probeFirst)
	if f := b.Waits(tokenEndpoint, *new(bells).waiter("a", 0)); f != nil {
		t.Errorf("it is time for a probe, and yet somebody waits: %v", f)
	}
	if b.Admit(tokenEndpoint) != nil {
		t.Fatal("the probe is not admitted")
	}
	if f := b.Waits(tokenEndpoint, *new(bells).waiter("a", 0)); f == nil || f.RetryAfter != 2*probeFirst {
		t.Errorf("while the probe is under way: %+v", f)
	}
}

func TestAThousandComeBackWithinSecondsAtABoundedRate(t *testing.T) {
	t.Parallel()
	b, clock, failing := newBreakers()
	open(t, b)
	clock.at = clock.at.Add(probeFirst)
	if got, _ := try(b, tokenEndpoint, nil); got != -1 {
		t.Fatalf("the probe: %d", got)
	}
	if failing() != 0 {
		t.Errorf("%d endpoints fail", failing())
	}
	start := clock.at
	waiting := make([]time.Time, 1000)
	var sent []time.Time
	for len(sent) < 1000 {
		clock.at = clock.at.Add(5 * time.Millisecond)
		for i, at := range waiting {
			if at.After(clock.at) {
				continue
			}
			if got, f := try(b, tokenEndpoint, nil); got == -1 {
				sent, waiting[i] = append(sent, clock.at), clock.at.Add(time.Hour)
			} else {
				waiting[i] = clock.at.Add(f.RetryAfter)
			}
		}
	}
	if took := clock.at.Sub(start); took > 6*time.Second {
		t.Errorf("the last came back after %v", took)
	}
	for i := recoveryRate * 5 / 4; i < len(sent); i++ {
		if sent[i].Sub(sent[i-recoveryRate*5/4]) < time.Second {
			t.Fatalf("more than %d requests within a second", recoveryRate*5/4)
		}
	}
	clock.at = clock.at.Add(recoveryTime)
	for range 1000 {
		if f := b.Admit(tokenEndpoint); f != nil {
			t.Fatalf("after the recovery: %v", f)
		}
	}
	if len(b.circuits) != 0 {
		t.Error("an endpoint that is well is remembered")
	}
}

func TestAnEndpointIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	open(t, b)
	clock.at = clock.at.Add(probeFirst)
	f := fault.New(fault.Retryable, fault.ReasonRateLimited, "slow down")
	f.RetryAfter = 90 * time.Second
	if got, told := try(b, tokenEndpoint, f); got != fault.Paused || told.RetryAfter != 90*time.Second {
		t.Fatalf("got %d, %+v", got, told)
	}
	clock.at = clock.at.Add(89 * time.Second)
	if got, _ := try(b, tokenEndpoint, nil); got != fault.Paused {
		t.Errorf("asked too early: %d", got)
	}
	clock.at = clock.at.Add(time.Second)
	if got, _ := try(b, tokenEndpoint, nil); got != -1 {
		t.Errorf("not asked in time: %d", got)
	}
}

func TestWhatDoesNotSpeakOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a rejected client":               fault.New(fault.Rejected, fault.ReasonClientRejected, "x"),
		"a session that is over":          fault.New(fault.Terminal, fault.ReasonReauthorizationRequired, "x"),
		"a certificate it does not trust": fault.New(fault.Retryable, fault.ReasonTLSFailed, "x"),
		"no slot":                         fault.New(fault.Busy, fault.ReasonServerUnavailable, "x"),
		"nothing":                         nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _, failing := newBreakers()
			for range 3 * failuresToOpen {
				if got, _ := try(b, tokenEndpoint, err); got == fault.Paused {
					t.Fatal("it was taken for a failure of the endpoint")
				}
			}
			if failing() != 0 {
				t.Errorf("%d endpoints fail", failing())
			}
		})
	}
}

func TestFailuresWithSuccessesInBetweenAreOfTheClientsThatMeetThem(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	for range 20 {
		for range failuresToOpen - 1 {
			_, _ = try(b, tokenEndpoint, down())
		}
		if got, _ := try(b, tokenEndpoint, nil); got != -1 {
			t.Fatalf("got %d", got)
		}
	}
}

func TestEndpointsAndClientsAreApart(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	open(t, b)
	for name, e := range map[string]Endpoint{
		"another path":   {Client: tokenEndpoint.Client, URL: "https://ai.egain.cloud/other/token"},
		"another client": {Client: &http.Client{Timeout: time.Second}, URL: tokenEndpoint.URL},
	} {
		if f := b.Admit(e); f != nil {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestAProbeThatWasNotSentIsNoAnswer(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	open(t, b)
	clock.at = clock.at.Add(probeFirst)
	if got, _ := try(b, tokenEndpoint, fault.New(fault.Busy, fault.ReasonServerUnavailable, "no slot")); got != fault.Busy {
		t.Fatalf("got %d", got)
	}
	if f := b.Admit(tokenEndpoint); f != nil {
		t.Errorf("the next in line is to probe: %v", f)
	}
	clock.at = clock.at.Add(probeTimeout)
	if f := b.Admit(tokenEndpoint); f != nil {
		t.Errorf("a probe that nothing is heard of is given up: %v", f)
	}
}

func TestASharedEndpointRecoversWithoutAPace(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	e := tokenEndpoint
	e.Shared = true
	for range failuresToOpen {
		_, _ = try(b, e, down())
	}
	clock.at = clock.at.Add(probeFirst)
	for range 1000 {
		if got, _ := try(b, e, nil); got != -1 {
			t.Fatalf("got %d", got)
		}
	}
}

func TestTheEndpointsThatAreRememberedAreBounded(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	for i := range maxCircuits + 100 {
		e := Endpoint{Client: tokenEndpoint.Client, URL: "https://ai.egain.cloud/" + time.Duration(i).String()}
		_, _ = try(b, e, down())
	}
	if len(b.circuits) != maxCircuits {
		t.Errorf("%d are remembered", len(b.circuits))
	}
	clock.at = clock.at.Add(forgetAfter + 1)
	_, _ = try(b, tokenEndpoint, down())
	if len(b.circuits) != 1 {
		t.Errorf("%d are remembered, though nobody asks about all but one", len(b.circuits))
	}
}

// What nobody asks any more does not recover: nothing finds out that it has.
func TestAnEndpointIsForgottenOnceNobodyAsksAboutIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// looks happen a minute apart, and then none for a time.
		look  func(b *Breakers)
		looks int
		none  time.Duration
		// asked is the Retry-After of the last failure.
		asked time.Duration
		want  int
	}{
		"it is remembered as long as clients may come back":    {none: forgetAfter, want: 1},
		"it is forgotten after that":                           {none: forgetAfter + 1, want: 0},
		"clients that look keep it":                            {look: func(b *Breakers) { _ = b.Waits(tokenEndpoint, *new(bells).waiter("a", 0)) }, looks: 30, none: forgetAfter, want: 1},
		"so do those that ask":                                 {look: func(b *Breakers) { _ = b.Admit(tokenEndpoint) }, looks: 30, none: forgetAfter, want: 1},
		"the time is counted from the last look":               {look: func(b *Breakers) { _ = b.Waits(tokenEndpoint, *new(bells).waiter("a", 0)) }, looks: 30, none: forgetAfter + 1, want: 0},
		"who is told to come back in an hour still finds it":   {asked: time.Hour, none: time.Hour + forgetAfter, want: 1},
		"it is forgotten if nobody comes back after that hour": {asked: time.Hour, none: time.Hour + forgetAfter + 1, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, clock, failing := newBreakers()
			open(t, b)
			if tc.asked > 0 {
				clock.at = clock.at.Add(probeFirst)
				f := fault.New(fault.Retryable, fault.ReasonRateLimited, "slow down")
				f.RetryAfter = tc.asked
				_, _ = try(b, tokenEndpoint, f)
			}
			for range tc.looks {
				clock.at = clock.at.Add(time.Minute)
				tc.look(b)
			}
			clock.at = clock.at.Add(tc.none)
			if got := failing(); got != tc.want || len(b.circuits) != tc.want {
				t.Errorf("%d endpoints fail and %d are remembered, want %d", got, len(b.circuits), tc.want)
			}
		})
	}
}

// A request that was under way when the server asked to be left alone may fail later, and in another way.
func TestALaterFailureDoesNotShortenRetryAfter(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	open(t, b)
	asked := fault.New(fault.Retryable, fault.ReasonRateLimited, "later")
	asked.RetryAfter = time.Minute
	_ = b.Settle(tokenEndpoint, asked)
	clock.at = clock.at.Add(time.Second)
	_ = b.Settle(tokenEndpoint, down())
	clock.at = clock.at.Add(time.Minute - time.Second - 1)
	if b.Admit(tokenEndpoint) == nil {
		t.Error("asked before the server allows it")
	}
	clock.at = clock.at.Add(1)
	if f := b.Admit(tokenEndpoint); f != nil {
		t.Errorf("not asked when the server allows it: %v", f)
	}
}
