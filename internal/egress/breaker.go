package egress

import (
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// failuresToOpen is how many requests in a row must fail before an endpoint is left alone: enough not to take the
	// trouble of one client for that of the endpoint, since the successes of others come in between.
	failuresToOpen = 5
	// probeFirst and probeLast are the waits from one probe of an endpoint that fails to the next while the first is not
	// answered. They double from the one to the other.
	probeFirst = time.Second
	probeLast  = 5 * time.Second
	// probeAgain is the longest wait after a failed answer, or none where nothing listens: what fails at once may be asked again
	// soon, as a single client with a token that is about to expire does. It bounds the time until the end of an outage is found.
	probeAgain = 2 * time.Second
	// maxProbes bounds the probes of an endpoint that are under way: where requests are not answered, the next one does not
	// wait until the one before has run out of time, or the end of an outage would be noticed so much later.
	maxProbes = 3
	// probeTimeout is when a probe that nothing was heard of is given up; it is more than any request may take.
	probeTimeout = 2 * time.Minute
	// whileProbing is the wait of those who come when a probe is due and yet none may be sent.
	whileProbing = 500 * time.Millisecond
	// recoveryRate and recoveryTime bound the requests per second to an endpoint that has recovered: 1,000 clients are
	// back within five seconds, and a server that has just come up is not brought down by them.
	recoveryRate = 200
	recoveryTime = time.Minute
	// pauseCeiling bounds the Retry-After that is honoured, as for single clients.
	pauseCeiling = time.Hour
	// forgetAfter is how long an endpoint is remembered to fail that nobody asks about any more. Whoever wants something of one
	// comes back within ten minutes, the longest wait between two attempts or looks of a client (fault.Error.RetryTime,
	// LookTime), or when the server allows it.
	forgetAfter = 15 * time.Minute
	// maxCircuits bounds the endpoints that are remembered to fail; further ones are not, until others recover.
	maxCircuits = 4096
)

// Endpoint is a URL as one client reaches it: what keeps one CA bundle from a server says nothing about another.
type Endpoint struct {
	Client *http.Client
	URL    string
	// Shared says that one answer serves everybody, as with a document that is kept: a recovery then needs no pace.
	Shared bool
}

func (e Endpoint) host() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// Breakers leave endpoints alone that fail. While one fails, single requests seconds apart find out whether it still does, and
// everybody else waits for that. It is safe for concurrent use.
type Breakers struct {
	// Now is the clock.
	Now func() time.Time
	// Probes bounds the probes of all endpoints that are under way; no bound if zero. Each may take as long as a request
	// that is not answered, and takes a worker with it.
	Probes int

	mu       sync.Mutex
	circuits map[Endpoint]*circuit
	flights  map[Endpoint]map[*flight]bool
}

// circuit is what is known of an endpoint that failed.
type circuit struct {
	failures int          // in a row
	open     bool         // whether it is left alone
	cause    *fault.Error // of the last failure
	wait     time.Duration
	next     time.Time   // when the next probe may be sent
	allowed  time.Time   // when the server allows one, by the latest Retry-After
	asked    time.Time   // when somebody last wanted something of it, or was told to come back at
	probes   []time.Time // when those under way were sent
	end      time.Time   // of the recovery
	waiting  waiting     // those who are called when it recovers
	turns    *turns      // of the recovery
}

// Admit reports whether a request may be sent to an endpoint. If not, it returns a failure: Paused while the endpoint is
// left alone, Busy while it recovers and it is others' turn, each with the time to come back. Whoever is admitted must
// Settle.
func (b *Breakers) Admit(e Endpoint) *fault.Error {
	probe, refused := b.admit(e)
	if probe {
		e.reconnect() // the connections of earlier requests may lead to an address that failed
	}
	return refused
}

// admit also reports whether the request is a probe.
func (b *Breakers) admit(e Endpoint) (probe bool, _ *fault.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, now := b.circuits[e], b.Now()
	if c == nil {
		return false, nil
	}
	c.ask(now)
	switch {
	case c.open:
		refused := b.admitProbe(c, now)
		return refused == nil, refused
	case c.turns == nil:
		return false, nil
	case now.After(c.end):
		delete(b.circuits, e)
		return false, nil
	}
	if wait := c.turns.take(now); wait > 0 {
		f := fault.New(fault.Busy, fault.ReasonServerUnavailable, "the server has just recovered: requests are sent one after another")
		f.RetryAfter = wait
		return false, f
	}
	return false, nil
}

// failures are those of an endpoint in a row.
func (b *Breakers) failures(e Endpoint) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.circuits[e]; c != nil {
		return c.failures
	}
	return 0
}

// reconnect has the next request to an endpoint look up its address and make a connection of its own.
func (e Endpoint) reconnect() {
	if e.Client != nil {
		e.Client.CloseIdleConnections()
	}
}

func (b *Breakers) admitProbe(c *circuit, now time.Time) *fault.Error {
	if !b.mayProbe(c, now) {
		return c.paused(now)
	}
	c.probes = append(c.probes, now)
	c.delay(now)
	return nil
}

// mayProbe reports whether a probe is due and may be sent.
func (b *Breakers) mayProbe(c *circuit, now time.Time) bool {
	if now.Before(c.next) || c.probing(now) >= maxProbes {
		return false
	}
	if b.Probes == 0 {
		return true
	}
	total := 0
	for _, other := range b.circuits {
		total += other.probing(now)
	}
	return total < b.Probes
}

// probing is how many probes are under way.
func (c *circuit) probing(now time.Time) int {
	c.probes = slices.DeleteFunc(c.probes, func(sent time.Time) bool { return now.Sub(sent) >= probeTimeout })
	return len(c.probes)
}

// delay puts the next probe off.
func (c *circuit) delay(now time.Time) {
	c.wait = min(max(2*c.wait, probeFirst), probeLast)
	c.next = now.Add(c.wait)
}

// paused is the failure of those who wait: the last one of the endpoint, what becomes of it, and when to come back. Its words
// name no time, since they are the same for as long as the endpoint fails.
func (c *circuit) paused(now time.Time) *fault.Error {
	f := fault.New(fault.Paused, c.cause.Reason, "%s; it fails time and again, so that only single requests ask it anew, "+
		"every few seconds or when its Retry-After is over, and all clients follow once one succeeds", c.cause.Message)
	f.RetryAfter = max(c.next.Sub(now), whileProbing)
	return f
}

// Waits returns the failure of those who wait for an endpoint, without sending or admitting anything; nil if nobody does. Who
// waits is called when the endpoint has recovered; only the first of them is to come back for the next probe.
func (b *Breakers) Waits(e Endpoint, w Waiter) *fault.Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, now := b.circuits[e], b.Now()
	if c == nil {
		return nil
	}
	c.ask(now)
	if c.open && !b.mayProbe(c, now) {
		first := c.waiting.join(w)
		f := c.paused(now)
		if !first {
			f.Called, f.RetryAfter = true, max(f.RetryAfter, c.waiting.spell())
		}
		return f
	}
	return nil
}

// ask notes that somebody wants something of an endpoint.
func (c *circuit) ask(now time.Time) {
	if now.After(c.asked) {
		c.asked = now
	}
}

// Failing counts the endpoints of each host that are known to fail. What nobody has asked about for a while is forgotten
// first, since nothing would find out that it has recovered.
func (b *Breakers) Failing() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(b.Now())
	failing := map[string]int{}
	for e, c := range b.circuits {
		if c.open {
			failing[e.host()]++
		}
	}
	return failing
}

func (b *Breakers) forget(now time.Time) {
	maps.DeleteFunc(b.circuits, func(_ Endpoint, c *circuit) bool { return now.Sub(c.asked) > forgetAfter })
}

// Settle notes what came of a request that was admitted, and returns its error: a Paused failure if the endpoint is left
// alone now.
func (b *Breakers) Settle(e Endpoint, err error) error {
	_, err = b.settle(e, err)
	return err
}

func (b *Breakers) settle(e Endpoint, err error) (recovered bool, _ error) {
	f := fault.Of(err)
	recovered, calls, paused := b.note(e, f)
	ring(calls)
	if blames(f) && f.Reason != fault.ReasonRateLimited && b.failures(e) > 1 {
		e.reconnect()
	}
	if paused != nil {
		return false, paused
	}
	return recovered, err
}

// note notes an answer or a failure. The calls are those of who waited for the endpoint to recover.
func (b *Breakers) note(e Endpoint, f *fault.Error) (recovered bool, calls []func(), paused *fault.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, now := b.circuits[e], b.Now()
	if c != nil && len(c.probes) > 0 {
		c.probes = c.probes[1:]
	}
	switch {
	case blames(f):
		return false, nil, b.fail(e, f, now)
	case c == nil:
	case f != nil && f.Class == fault.Busy: // nothing was sent
		c.unsent(now)
	case c.open:
		b.recover(e, now)
		return true, c.waiting.next(math.MaxInt), nil
	case c.turns == nil:
		delete(b.circuits, e)
	default:
		c.failures = 0
	}
	return false, nil, nil
}

// unsent has another request probe an endpoint in place of one that was not sent.
func (c *circuit) unsent(now time.Time) {
	if c.open {
		c.next = now
	}
}

// fail notes a failure of an endpoint.
func (b *Breakers) fail(e Endpoint, f *fault.Error, now time.Time) (paused *fault.Error) {
	c := b.circuit(e, now)
	if c == nil {
		return nil
	}
	if c.fail(f, now); !c.open {
		return nil
	}
	return c.paused(now)
}

// recover begins the time in which those who waited come back.
func (b *Breakers) recover(e Endpoint, now time.Time) {
	if e.Shared {
		delete(b.circuits, e)
		return
	}
	b.circuits[e] = &circuit{turns: newTurns(recoveryRate, 1+recoveryRate/20), end: now.Add(recoveryTime), asked: now}
}

// circuit is the one of an endpoint, made if there is room for it.
func (b *Breakers) circuit(e Endpoint, now time.Time) *circuit {
	if known := b.circuits[e]; known != nil {
		return known
	}
	if len(b.circuits) >= maxCircuits {
		b.forget(now)
	}
	if len(b.circuits) >= maxCircuits {
		return nil
	}
	if b.circuits == nil {
		b.circuits = map[Endpoint]*circuit{}
	}
	c := &circuit{}
	b.circuits[e] = c
	return c
}

// fail notes a failure. Once an endpoint is left alone, what the server asks for puts off when it is asked next.
func (c *circuit) fail(f *fault.Error, now time.Time) {
	c.failures++
	c.cause = f
	again := now.Add(min(f.RetryAfter, pauseCeiling))
	c.ask(again)
	if !c.open && c.failures < failuresToOpen {
		return
	}
	if !c.open {
		c.delay(now)
	}
	c.open, c.turns = true, nil
	if again.After(c.allowed) {
		c.allowed = again
	}
	if soon := now.Add(probeAgain); soon.Before(c.next) {
		c.next = soon
	}
	if c.allowed.After(c.next) {
		c.next = c.allowed
	}
}

// blames reports whether a failure speaks of the endpoint: it will pass by itself. A certificate that is not trusted
// speaks of the CA bundle as much.
func blames(f *fault.Error) bool {
	return f != nil && f.Class == fault.Retryable && f.Reason != fault.ReasonTLSFailed
}
