package main

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"

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
	// resolution is what no client can do better than: near the expiry it asks every fault.Floor, rounded up to the next
	// second, and learns the answer a moment later. An outage that ends so shortly before the expiry lasts until it.
	resolution = fault.Floor + time.Second + answerTime
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
	// wake is when it is looked at next.
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

// clients is a heap by the time of the next look.
type clients []*client

func (c clients) Len() int           { return len(c) }
func (c clients) Less(i, j int) bool { return c[i].wake < c[j].wake }
func (c clients) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }

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
	clients  clients
	restarts []outage
	result   result
}

// simulate plays a scenario.
func simulate(s scenario) *result {
	sim := &simulation{scenario: s}
	sim.result.minutes = make([]int, s.length/time.Minute)
	hosts := make([]*host, hostsOf(s.clients))
	for i := range hosts {
		hosts[i] = &host{}
		if !s.calm {
			*hosts[i] = host{spells: spells(i, s.length), limits: true, tokens: hostBurst}
		}
	}
	for i := range s.clients {
		sim.clients = append(sim.clients, s.newClient(i, hosts[i%len(hosts)]))
	}
	if !s.calm {
		sim.restarts = restarts(hosts, s.length)
	}
	heap.Init(sim.clients)
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

// step looks at the client that is next, or restarts the operator before that.
func (s *simulation) step() {
	c := s.clients[0]
	if len(s.restarts) > 0 && s.restarts[0].start <= c.wake {
		s.restart(s.restarts[0])
		s.restarts = s.restarts[1:]
		return
	}
	s.look(c, c.wake)
	heap.Fix(s.clients, 0)
}

// restart forgets when clients were to be looked at. All are looked at once the operator is back.
func (s *simulation) restart(o outage) {
	s.result.restarts++
	for _, c := range s.clients {
		before, early := s.result.requests, c.wake > o.end
		s.look(c, o.end)
		if early {
			s.result.restartRequests += s.result.requests - before
		}
	}
	heap.Init(s.clients)
}

// look does what a reconcile does: it decides, asks for a token if that is the decision, and says when to look again.
func (s *simulation) look(c *client, now time.Duration) {
	d := rotation.Decide(c.input(now))
	if d.Action == rotation.Issue {
		done := s.request(c, now)
		d = rotation.Decide(c.input(done))
		d.At = epoch.Add(max(done, d.At.Sub(epoch)))
	}
	c.wake = max(d.At.Sub(epoch), now+time.Millisecond)
}

func (c *client) input(now time.Duration) rotation.Input {
	return rotation.Input{Now: epoch.Add(now), Token: c.token, Failure: c.failure, Spread: c.spread}
}

// request asks for a token and remembers what came of it, and returns when.
func (s *simulation) request(c *client, now time.Duration) time.Duration {
	a := c.host.ask(now)
	done := now + a.took
	s.result.count(now)
	if len(s.restarts) > 0 && now < s.restarts[0].start && s.restarts[0].start < done {
		s.result.lost++
		return done
	}
	if a.fault != nil {
		s.result.failed++
		c.fail(&a, done)
		return done
	}
	if c.token != nil {
		s.result.audit(c.token.ExpirationTime.Sub(epoch), c.until, done)
	}
	// Annotations hold whole seconds.
	issue := epoch.Add(now)
	c.issued.IssueTime, c.issued.ExpirationTime = issue.Truncate(time.Second), issue.Add(c.life).Truncate(time.Second)
	c.token = c.issued
	c.failure, c.failures, c.until = nil, 0, 0
	return done
}

// fail notes a failure as the status does.
func (c *client) fail(a *answer, done time.Duration) {
	c.failures++
	c.until = max(c.until, a.until)
	attempt := fault.Attempt{Failures: c.failures, Time: epoch.Add(done), Spread: c.spread}
	if c.token != nil {
		attempt.Expiration = c.token.ExpirationTime
	}
	retry, _ := a.fault.RetryTime(attempt)
	in := c.input(done)
	c.failure = &rotation.Failure{Inputs: in.Inputs(), RetryTime: retry.Add(time.Second - 1).Truncate(time.Second)}
}

// result is what a scenario came to.
type result struct {
	requests, failed, lost    int
	restarts, restartRequests int
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
