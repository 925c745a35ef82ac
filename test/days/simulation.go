package main

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

const (
	day = 24 * time.Hour
	// shortestLife and longestLife are those of the tokens, evenly distributed in between on a logarithmic scale.
	shortestLife = 5 * time.Minute
	longestLife  = day
	// creation is the time within which all clients are created.
	creation = time.Minute
	// restartPeriod holds one restart of the operator. A takeover by another replica takes as long as its
	// lease, 15 seconds by default; every fifth restart takes a minute.
	restartPeriod = 9 * time.Hour
	restartTime   = 20 * time.Second
	longRestart   = time.Minute
	// resolution is how soon after an outage the last client of a host can have a token. The probe that finds out is due two
	// seconds after one that failed (egress.Breakers) and comes within a second, since waits are whole seconds
	// (fault.LookTime). It is answered, the next look is a second later, the turns of 200 clients last another one, and the
	// last is answered. An outage that ends so shortly before the expiry lasts until it.
	resolution = 5*time.Second + 2*answerTime
)

// epoch is when the simulation starts; times in it are told by how long after that they are.
var epoch = time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)

// scenario is what happens. Equal scenarios come to equal results.
type scenario struct {
	clients int
	length  time.Duration
	// life of all tokens; zero for lives from the shortest to the longest.
	life time.Duration
	// calm leaves out all faults and restarts.
	calm bool
}

// fraction is a number in [0, 1) for a name, as good as random and the same on each run.
func fraction(what string, numbers ...int) float64 {
	sum := sha256.Sum256(fmt.Append([]byte(what), numbers))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// client is an EgainClient with all that is remembered of it: what annotations and status hold.
type client struct {
	host   *host
	life   time.Duration
	spread float64
	// token is nil until there is one, then issued.
	token, issued *rotation.Token
	failure       *rotation.Failure
	failures      int32
	// until is when its host can be asked again, or could, since the first failure after a success.
	until time.Duration
	// paused says that it waits for its host to recover.
	paused bool
	// asked is when the request under way was sent, and answer what it comes to; nil if there is none.
	asked  time.Duration
	answer *answer
	// early says that it is only looked at since the operator is back.
	early bool
	// wake is when it is looked at next, or its answer comes.
	wake time.Duration
}

// newClient returns a client by its number. The golden ratio spreads lives evenly over any number of clients.
func (s *scenario) newClient(number int, h *host) *client {
	c := &client{
		host: h, life: s.life, issued: &rotation.Token{}, wake: creation * time.Duration(number) / time.Duration(s.clients),
		spread: rotation.Spread(fmt.Sprintf("00000000-0000-4000-8000-%012x", number)),
	}
	if c.life == 0 {
		_, place := math.Modf(float64(number) * math.Phi)
		c.life = time.Duration(float64(shortestLife) * math.Pow(float64(longestLife)/float64(shortestLife), place)).Truncate(time.Second)
	}
	return c
}

// clients is a heap by the time of the next look. Of those that are looked at together, as after a restart, the one whose
// token expires soonest is the first, as in the operator's queue.
type clients []*client

func (c clients) Len() int      { return len(c) }
func (c clients) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c clients) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(c[i].wake, c[j].wake), c[i].expiry().Compare(c[j].expiry())) < 0
}

// Push is not needed: clients neither come nor go.
func (c clients) Push(any) {}

// Pop is not needed either.
func (c clients) Pop() any { return nil }

// outage of the operator.
type outage struct{ start, end time.Duration }

// restarts are those of the operator, one in each restartPeriod, in their order. Every other one comes in the middle of a
// fault, if a host has one then.
func restarts(hosts []*host, length time.Duration) []outage {
	var all []outage
	for k := 0; time.Duration(k)*restartPeriod < length; k++ {
		earliest := time.Duration(k)*restartPeriod + creation
		start := earliest + time.Duration(fraction("restart", k)*float64(restartPeriod-time.Hour))
		if k%2 == 1 {
			start = cmp.Or(faultWithin(hosts, earliest, earliest+restartPeriod-time.Hour), start)
		}
		lasts := restartTime
		if k%5 == 4 {
			lasts = longRestart
		}
		all = append(all, outage{start, start + lasts})
	}
	return all
}

// faultWithin is the middle of a fault between two times; zero if there is none.
func faultWithin(hosts []*host, earliest, latest time.Duration) time.Duration {
	for _, h := range hosts {
		for _, s := range h.spells {
			if middle := s.start + (s.end-s.start)/2; earliest < middle && middle < latest {
				return middle
			}
		}
	}
	return 0
}

// simulation is a scenario under way.
type simulation struct {
	scenario
	now      time.Duration
	hosts    []*host
	clients  clients
	breakers *egress.Breakers
	restarts []outage
	result   result
}

// simulate plays a scenario.
func simulate(s scenario) *result {
	sim := &simulation{scenario: s}
	sim.result.minutes = make([]int, s.length/time.Minute)
	for i := range hostsOf(s.clients) {
		sim.hosts = append(sim.hosts, s.newHost(i))
	}
	for i := range s.clients {
		sim.clients = append(sim.clients, s.newClient(i, sim.hosts[i%len(sim.hosts)]))
	}
	if !s.calm {
		sim.restarts = restarts(sim.hosts, s.length)
		sim.result.absences = sim.restarts
	}
	sim.start()
	for sim.clients[0].wake < s.length {
		sim.step()
	}
	for _, c := range sim.clients {
		if c.token != nil {
			sim.result.audit(c.token.ExpirationTime.Sub(epoch), c.until, s.length)
		}
	}
	return &sim.result
}

// start starts an operator, which knows of no host that fails.
func (s *simulation) start() {
	s.breakers = &egress.Breakers{Now: func() time.Time { return epoch.Add(s.now) }}
	heap.Init(s.clients)
}

// step turns to the client that is next, or restarts the operator before that.
func (s *simulation) step() {
	c := s.clients[0]
	if len(s.restarts) > 0 && s.restarts[0].start <= c.wake {
		s.restart(s.restarts[0])
		s.restarts = s.restarts[1:]
		return
	}
	s.now = c.wake
	if c.answer == nil {
		s.look(c)
	} else {
		s.hear(c)
	}
	heap.Fix(s.clients, 0)
}

// restart loses the answers under way, and forgets when clients were to be looked at. All are looked at once the operator is
// back.
func (s *simulation) restart(o outage) {
	s.result.restarts++
	for _, c := range s.clients {
		if c.answer != nil {
			s.result.lost++
			c.answer = nil
			c.host.underWay--
		} else {
			c.early = c.wake > o.end && !c.paused
		}
		c.wake = o.end
	}
	s.start()
}

// look does what a reconcile does until it waits for an answer: it decides, and asks for a token if that is the decision
// and the host is not left alone.
func (s *simulation) look(c *client) {
	d := rotation.Decide(c.input(s.now))
	early := c.early
	c.early = false
	if d.Action != rotation.Issue {
		c.sleep(s.now, d.At)
		return
	}
	if f := s.admit(c.host); f != nil {
		c.until = max(c.until, c.host.until)
		c.turnedAway(f, s.now)
		return
	}
	if early {
		s.result.restartRequests++
	}
	s.result.count(s.now)
	a := c.host.ask(s.now)
	c.asked, c.answer, c.wake = s.now, &a, s.now+a.took
	c.host.underWay++
}

// admit is why a request is not sent; nil if it may be.
func (s *simulation) admit(h *host) *fault.Error {
	if f := s.breakers.Admit(h.endpoint); f != nil {
		return f
	}
	if h.underWay < requestsPerHost {
		return nil
	}
	return fault.Of(s.breakers.Settle(h.endpoint, fault.New(fault.Busy, fault.ReasonServerUnavailable, "every request slot is in use")))
}

// hear does what is left of a reconcile once the answer is there.
func (s *simulation) hear(c *client) {
	a := c.answer
	c.answer = nil
	c.host.underWay--
	if a.fault != nil {
		s.result.failed++
		c.until = max(c.until, a.until)
		c.fail(fault.Of(s.breakers.Settle(c.host.endpoint, a.fault)), s.now)
		return
	}
	_ = s.breakers.Settle(c.host.endpoint, nil)
	if c.token != nil {
		s.result.audit(c.token.ExpirationTime.Sub(epoch), c.until, s.now)
	}
	// Annotations hold whole seconds.
	issue := epoch.Add(c.asked)
	c.issued.IssueTime, c.issued.ExpirationTime = issue.Truncate(time.Second), issue.Add(c.life).Truncate(time.Second)
	c.token = c.issued
	c.failure, c.failures, c.paused, c.until = nil, 0, false, 0
	c.sleep(s.now, rotation.Decide(c.input(s.now)).At)
}

// sleep has a client looked at when it says, but not at once for ever.
func (c *client) sleep(now time.Duration, at time.Time) {
	c.wake = max(at.Sub(epoch), now+time.Millisecond)
}

func (c *client) input(now time.Duration) rotation.Input {
	return rotation.Input{Now: epoch.Add(now), Token: c.token, Failure: c.failure, Spread: c.spread}
}

// expiry is when the token expires; zero if there is none.
func (c *client) expiry() time.Time {
	if c.token == nil {
		return time.Time{}
	}
	return c.token.ExpirationTime
}

func (c *client) attempt(now time.Duration) fault.Attempt {
	return fault.Attempt{Failures: c.failures, Time: epoch.Add(now), Expiration: c.expiry(), Spread: c.spread}
}

// fail notes the failure of a request as the status does, and says when to look again.
func (c *client) fail(f *fault.Error, now time.Duration) {
	c.failures++
	c.paused = f.Class == fault.Paused
	if c.paused {
		c.failure = nil
		c.turnedAway(f, now)
		return
	}
	retry, _ := f.RetryTime(c.attempt(now))
	in := c.input(now)
	c.failure = &rotation.Failure{Inputs: in.Inputs(), RetryTime: retry.Add(time.Second - 1).Truncate(time.Second)}
	c.sleep(now, rotation.Decide(c.input(now)).At)
}

// turnedAway says when to look again after nothing was sent, or since nothing is sent from now on.
func (c *client) turnedAway(f *fault.Error, now time.Duration) {
	if f.Class == fault.Paused && !c.paused {
		c.paused, c.failure = true, nil
		c.failures++
	}
	at := f.LookTime(c.attempt(now))
	if c.token.Valid(epoch.Add(now)) && c.token.ExpirationTime.Before(at) {
		at = c.token.ExpirationTime
	}
	c.sleep(now, at)
}

// result is what a scenario came to.
type result struct {
	requests, failed, lost    int
	restarts, restartRequests int
	absences                  []outage
	// minutes are the requests of each.
	minutes []int
	// avoidable are tokens that expired although their host could have been asked before; outlasted are those whose host
	// was out for longer than they lived, from its end on.
	avoidable, outlasted expiries
	// out is how long tokens were expired while their hosts were out.
	out time.Duration
}

// expiries are times that passed between the expiry of a token and the next one.
type expiries struct {
	tokens       int
	total, worst time.Duration
}

func (e *expiries) add(d time.Duration) {
	e.tokens++
	e.total += d
	e.worst = max(e.worst, d)
}

func (r *result) count(now time.Duration) {
	r.requests++
	if minute := int(now / time.Minute); minute < len(r.minutes) {
		r.minutes[minute]++
	}
}

// audit judges a token that was replaced.
func (r *result) audit(expiry, until, replaced time.Duration) {
	switch {
	case replaced <= expiry:
	case until+resolution <= expiry:
		r.avoidable.add(replaced - expiry)
	default:
		back := min(max(expiry, until), replaced)
		r.out += back - expiry
		r.outlasted.add(replaced - back)
	}
}

// busiest is how many times the mean the busiest window has, of as many minutes, among some minutes.
func busiest(minutes []int, window int) float64 {
	most, sum, windows := 0, 0, len(minutes)/window
	for i := range windows {
		n := 0
		for _, requests := range minutes[i*window : (i+1)*window] {
			n += requests
		}
		most, sum = max(most, n), sum+n
	}
	return float64(most) * float64(windows) / float64(max(sum, 1))
}

// fingerprint is equal for equal results.
func (r *result) fingerprint() string {
	sum := sha256.Sum256(fmt.Append(nil, *r))
	return fmt.Sprintf("%x", sum[:6])
}
