package egress

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// bells notes who was called.
type bells struct{ rung []string }

func (b *bells) waiter(name string, rank int64) *Waiter {
	return &Waiter{Key: name, Rank: rank, Call: func() { b.rung = append(b.rung, name) }}
}

// want fails the test unless just these were called since the last look.
func (b *bells) want(t *testing.T, names ...string) {
	t.Helper()
	if !slices.Equal(b.rung, names) {
		t.Errorf("called: %q, want %q", b.rung, names)
	}
	b.rung = nil
}

func wantTaken(t *testing.T, s *slots, host string, w *Waiter, want bool) {
	t.Helper()
	if got := s.take(host, w); got != want {
		t.Errorf("%v takes a slot of %s: %t, want %t", w.Key, host, got, want)
	}
}

func TestWhoExpiresSoonestIsCalledWhenASlotIsFree(t *testing.T) {
	t.Parallel()
	s, b := newSlots(0, 1), &bells{}
	wantTaken(t, s, "a", b.waiter("first", 0), true)
	wantTaken(t, s, "a", b.waiter("late", 30), false)
	wantTaken(t, s, "a", b.waiter("soon", 10), false)
	wantTaken(t, s, "a", b.waiter("later", 40), false)
	wantTaken(t, s, "a", b.waiter("later", 20), false) // its token turned out to expire sooner
	b.want(t)
	for _, name := range []string{"soon", "later", "late"} {
		s.release("a")
		b.want(t, name)
		wantTaken(t, s, "a", b.waiter(name, 0), true)
	}
	s.release("a")
	b.want(t)
	if len(s.waiting) != 0 {
		t.Errorf("there are still lists of waiters: %v", s.waiting)
	}
}

func TestNoMoreAreCalledThanThereAreSlots(t *testing.T) {
	t.Parallel()
	s, b := newSlots(0, 2), &bells{}
	s.take("a", nil)
	s.take("a", nil)
	for _, name := range []string{"1", "2", "3"} {
		wantTaken(t, s, "a", b.waiter(name, 0), false)
	}
	s.release("a")
	s.release("a")
	if len(b.rung) != 2 {
		t.Errorf("called: %q, want two", b.rung)
	}
	s.take("a", nil) // of the two that were called one comes too late
	for _, name := range b.rung {
		s.take("a", b.waiter(name, 0))
	}
	b.rung = nil
	s.release("a")
	if len(b.rung) != 1 {
		t.Errorf("called: %q, want one", b.rung)
	}
}

func TestACallInVainKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	s, b := newSlots(0, 1), &bells{}
	s.take("a", nil)
	wantTaken(t, s, "a", b.waiter("deleted", 10), false)
	wantTaken(t, s, "a", b.waiter("other", 20), false)
	wantTaken(t, s, "a", b.waiter("third", 30), false)
	s.release("a")
	b.want(t, "deleted") // and does not come
	wantTaken(t, s, "a", b.waiter("other", 20), true)
	s.release("a")
	b.want(t, "third")
}

func TestASlotThatIsFreeOfAllHostsIsForWhoeverWaits(t *testing.T) {
	t.Parallel()
	s, b := newSlots(2, 2), &bells{}
	s.take("a", nil)
	s.take("b", nil)
	wantTaken(t, s, "c", b.waiter("c", 0), false)
	s.release("a")
	b.want(t, "c")
}

func TestWhoFindsATenantsLimitReachedIsCalled(t *testing.T) {
	t.Parallel()
	g, b := newGroup(Limits{Concurrent: 1}, nil), &bells{}
	wantEntered(t, g.reserve("a.example", b.waiter("first", 0)))
	f := g.reserve("a.example", b.waiter("second", 0))
	if f == nil || !f.Called || f.RetryAfter != slotWait {
		t.Errorf("got %+v, want a failure that says that its client is called, and looks by itself after %s", f, slotWait)
	}
	if f := g.reserve("a.example", nil); f == nil || f.Called {
		t.Errorf("got %+v, want a failure that says that nobody is called", f)
	}
	b.want(t)
	g.leave()
	b.want(t, "second")
}

func TestAReservationThatFindsNoSlotIsCalled(t *testing.T) {
	t.Parallel()
	breakers, _, _ := newBreakers()
	e, _ := reservable(Limits{}, nil)
	b := &bells{}
	_, release, f := breakers.Reserve(t.Context(), e, *b.waiter("first", 0))
	if f != nil {
		t.Fatalf("reserving: %v", f)
	}
	_, _, f = breakers.Reserve(t.Context(), e, *b.waiter("second", 0))
	wantFault(t, f, fault.Busy, fault.ReasonServerUnavailable)
	if !f.Called || !strings.Contains(f.Message, "every request slot of ") {
		t.Errorf("got %+v, want a failure of the host's slots whose client is called", f)
	}
	release()
	b.want(t, "second")
}

// One comes back for the next probe, and the others so seldom that a hundred thousand of them leave the workers to others.
func TestOfThoseWhoWaitForAnEndpointOnlyTheFirstIsToComeBackSoon(t *testing.T) {
	t.Parallel()
	breakers, _, _ := newBreakers()
	e, _ := reservable(Limits{}, nil)
	openAt(t, breakers, e)
	b := &bells{}
	waits := func(number int) *fault.Error {
		return breakers.Waits(e, *b.waiter(strconv.Itoa(number), int64(number)))
	}
	if f := waits(1); f == nil || f.Called || f.RetryAfter != probeFirst {
		t.Errorf("the first: %+v", f)
	}
	want := map[int]time.Duration{2: probeAgain, 500: 5 * time.Second, 2_000: 20 * time.Second, 100_000: spellCeiling}
	for number := 2; number <= 100_000; number++ {
		f := waits(number)
		if f == nil || !f.Called || want[number] != 0 && f.RetryAfter != want[number] {
			t.Fatalf("number %d: %+v", number, f)
		}
	}
	if f := waits(1); f == nil || f.Called || f.RetryAfter != probeFirst {
		t.Errorf("the first: %+v", f)
	}
}

func TestWhoWaitsForAnEndpointIsCalledWhenItHasRecovered(t *testing.T) {
	t.Parallel()
	breakers, clock, _ := newBreakers()
	e, _ := reservable(Limits{}, nil)
	openAt(t, breakers, e)
	b := &bells{}
	for name, rank := range map[string]int64{"late": 30, "soon": 10, "later": 40} {
		if f := breakers.Waits(e, *b.waiter(name, rank)); f == nil || f.Class != fault.Paused {
			t.Fatalf("got %v, want a failure of the endpoint", f)
		}
	}
	for range 2 {
		clock.at = clock.at.Add(probeLast)
		if f := breakers.Admit(e); f != nil {
			t.Fatalf("a probe: %v", f)
		}
		_ = breakers.Settle(e, fault.New(fault.Retryable, fault.ReasonServerUnavailable, "still down"))
		b.want(t)
	}
	clock.at = clock.at.Add(probeLast)
	if f := breakers.Admit(e); f != nil {
		t.Fatalf("a probe: %v", f)
	}
	_ = breakers.Settle(e, nil)
	b.want(t, "soon", "late", "later")
}
