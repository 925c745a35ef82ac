package egress

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// reservable is an endpoint whose client has one slot per host, and what counts it.
func reservable(bounds Limits, now func() time.Time) (Endpoint, *limited) {
	l := &limited{next: answer(strings.NewReader("")), slots: newSlots(0, 1), group: newGroup(bounds, now)}
	return Endpoint{Client: &http.Client{Transport: l}, URL: "https://ai.egain.cloud/token"}, l
}

// reserve takes a reservation that the test must get.
func reserve(t *testing.T, b *Breakers, e Endpoint) (context.Context, func()) {
	t.Helper()
	ctx, release, f := b.Reserve(t.Context(), e, Waiter{Key: "a", Call: func() {}})
	if f != nil {
		t.Fatalf("reserving: %v", f)
	}
	return ctx, release
}

// refused fails the test unless a reservation is refused.
func refused(t *testing.T, b *Breakers, e Endpoint, class fault.Class) {
	t.Helper()
	if _, _, f := b.Reserve(t.Context(), e, Waiter{Key: "a", Call: func() {}}); f == nil || f.Class != class {
		t.Errorf("reserving: got %v, want a failure of class %d", f, class)
	}
}

// send sends a request by Do.
func send(ctx context.Context, b *Breakers, e Endpoint, method string) error {
	return b.Do(ctx, e, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, method, e.URL, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := e.Client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return err
	})
}

func TestAReservedSlotIsKeptForTheRequest(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	e, l := reservable(Limits{}, nil)
	ctx, release := reserve(t, b, e)
	refused(t, b, e, fault.Busy)
	wantFault(t, send(t.Context(), b, e, http.MethodPost), fault.Busy, fault.ReasonServerUnavailable)
	wantFault(t, send(ctx, b, e, http.MethodGet), fault.Busy, fault.ReasonServerUnavailable)

	if err := send(ctx, b, e, http.MethodPost); err != nil {
		t.Errorf("the request that the slot was reserved for: %v", err)
	}
	if err := send(t.Context(), b, e, http.MethodPost); err != nil {
		t.Errorf("a request after it: %v", err)
	}
	if err := send(ctx, b, e, http.MethodPost); err != nil {
		t.Errorf("another request of the same caller: %v", err)
	}
	release()
	release()
	if len(l.slots.taken) != 0 || l.group.taken != 0 {
		t.Errorf("taken after all requests ended: slots %v, %d of the group", l.slots.taken, l.group.taken)
	}
}

func TestAReservationThatIsNotUsedIsGivenBack(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	e, l := reservable(Limits{Concurrent: 1}, nil)
	_, release := reserve(t, b, e)
	release()
	if err := send(t.Context(), b, e, http.MethodPost); err != nil {
		t.Errorf("a request after it: %v", err)
	}
	if len(l.slots.taken) != 0 || l.group.taken != 0 {
		t.Errorf("taken after all requests ended: slots %v, %d of the group", l.slots.taken, l.group.taken)
	}
}

func TestAReservationOfAnotherHostOrClientIsOfNoUse(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	e, _ := reservable(Limits{}, nil)
	ctx, _ := reserve(t, b, e)
	elsewhere := Endpoint{Client: e.Client, URL: "https://eu.egain.cloud/token"}
	if err := send(ctx, b, elsewhere, http.MethodPost); err != nil {
		t.Errorf("another host: %v", err)
	}
	other, _ := reservable(Limits{}, nil)
	if err := send(ctx, b, other, http.MethodPost); err != nil {
		t.Errorf("another client: %v", err)
	}
	refused(t, b, e, fault.Busy) // it is still reserved
}

func TestAReservationTakesOneTurn(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	e, _ := reservable(Limits{PerSecond: 1}, clock.now)
	ctx, release := reserve(t, b, e)
	if err := send(ctx, b, e, http.MethodPost); err != nil {
		t.Fatalf("the request that it is for: %v", err)
	}
	release()
	refused(t, b, e, fault.Busy)
	clock.at = clock.at.Add(time.Second)
	_, release = reserve(t, b, e)
	release()
	ctx, release = reserve(t, b, e) // a turn that was not begun is not over
	defer release()
	if err := send(ctx, b, e, http.MethodPost); err != nil {
		t.Errorf("the request after one that was not sent: %v", err)
	}
}

func TestAReservationOfAFailingEndpointIsItsProbe(t *testing.T) {
	t.Parallel()
	b, clock, failing := newBreakers()
	e, l := reservable(Limits{}, nil)
	openAt(t, b, e)
	refused(t, b, e, fault.Paused)

	clock.at = clock.at.Add(probeFirst)
	_, release := reserve(t, b, e)
	refused(t, b, e, fault.Paused) // one probe at a time
	release()
	ctx, release := reserve(t, b, e) // nothing was sent, so that another may probe at once
	defer release()
	if err := send(ctx, b, e, http.MethodPost); err != nil {
		t.Fatalf("the probe: %v", err)
	}
	if failing() != 0 {
		t.Errorf("%d endpoints fail", failing())
	}
	if len(l.slots.taken) != 0 {
		t.Errorf("slots are taken after the probe ended: %v", l.slots.taken)
	}
}

func TestAProbeWithoutASlotLeavesTheNextOneToOthers(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	e, l := reservable(Limits{}, nil)
	openAt(t, b, e)
	clock.at = clock.at.Add(probeFirst)
	if !l.slots.take("ai.egain.cloud:443", nil) {
		t.Fatal("no slot is free")
	}
	refused(t, b, e, fault.Busy)
	l.slots.release("ai.egain.cloud:443")
	_, release := reserve(t, b, e)
	release()
}

func TestAnEndpointWithoutLimitsIsReservedAllTheSame(t *testing.T) {
	t.Parallel()
	b, _, _ := newBreakers()
	for name, e := range map[string]Endpoint{
		"the client of a test": tokenEndpoint, "no client": {URL: tokenEndpoint.URL}, "no URL": {Client: tokenEndpoint.Client, URL: "://"},
	} {
		if _, _, f := b.Reserve(t.Context(), e, Waiter{Key: "a", Call: func() {}}); f != nil {
			t.Errorf("%s: %v", name, f)
		}
	}
}
