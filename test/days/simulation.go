package main

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
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
	// resolution is how soon after an outage the last client of a host can have a token: a probe is due two seconds after one that
	// failed, the gate sends it at the next tick, and it is answered; then the gate paces the clients of the host, 200 in a second,
	// and the last is answered. An outage that ends so shortly before the expiry lasts until it.
	resolution = 2*time.Second + gate.TickInterval + answerTime + time.Second + answerTime
	// sweepInterval is how often the gate is called while no client is queued: all that it does then is to forget lines.
	sweepInterval = time.Second
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
	host *host
	// asks is what it asks the gate as.
	asks   gate.Client
	life   time.Duration
	spread float64
	// token is nil until there is one, then issued.
	token, issued *rotation.Token
	failure       *rotation.Failure
	failures      int32
	// until is when its host can be asked again, or could, since the first failure after a success.
	until time.Duration
	// paused says that its status reports an open circuit.
	paused bool
	// queued says that the gate has it in line, and woken that a permit is kept for it.
	queued, woken bool
	// asked is when the request under way was sent; request is nil if there is none.
	asked   time.Duration
	request *request
	// early says that it is only reconciled since the operator is back.
	early bool
	// wake is when it is reconciled next, or its answer comes, and index its place in clients; negative while it has none.
	wake  time.Duration
	index int
}

// newClient returns a client by its number. The golden ratio spreads lives evenly over any number of clients.
func (s *scenario) newClient(number int, h *host) *client {
	c := &client{
		host: h, life: s.life, issued: &rotation.Token{}, wake: creation * time.Duration(number) / time.Duration(s.clients),
		spread: rotation.Spread(fmt.Sprintf("00000000-0000-4000-8000-%012x", number)), index: number,
		asks: gate.Client{Key: fmt.Sprintf("%s/%d", h.endpoint.Host, number), Namespace: h.endpoint.Host, App: h.endpoint.Host, Endpoint: h.endpoint},
	}
	if c.life == 0 {
		_, place := math.Modf(float64(number) * math.Phi)
		c.life = time.Duration(float64(shortestLife) * math.Pow(float64(longestLife)/float64(shortestLife), place)).Truncate(time.Second)
	}
	return c
}

// clients is a heap by the time of the next reconcile. Of those that are reconciled together the order is that of the operator's
// queue: woken clients are first, then the one whose token expires soonest.
type clients []*client

func (c clients) Len() int { return len(c) }

func (c clients) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].index, c[j].index = i, j
}

func (c clients) Less(i, j int) bool {
	if c[i].wake != c[j].wake {
		return c[i].wake < c[j].wake
	}
	if c[i].woken != c[j].woken {
		return c[i].woken
	}
	return c[i].expiry().Before(c[j].expiry())
}

// Push is that of heap.Interface.
func (c *clients) Push(added any) {
	last := added.(*client)
	last.index = len(*c)
	*c = append(*c, last)
}

// Pop is that of heap.Interface.
func (c *clients) Pop() any {
	last := (*c)[len(*c)-1]
	last.index = -1
	*c = (*c)[:len(*c)-1]
	return last
}

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
		for _, s := range h.faults {
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
	now     time.Duration
	hosts   []*host
	clients clients
	byKey   map[string]*client
	gate    *gate.Gate
	// idle are senders without a request.
	idle []*sender
	// queued is how many clients are, and ticked when the gate was last called for what time alone permits.
	queued   int
	ticked   time.Duration
	restarts []outage
	result   result
}

// simulate plays a scenario.
func simulate(s scenario) *result {
	sim := &simulation{scenario: s, byKey: map[string]*client{}}
	sim.result.minutes = make([]int, s.length/time.Minute)
	for i := range hostsOf(s.clients) {
		sim.hosts = append(sim.hosts, s.newHost(i))
	}
	for i := range s.clients {
		c := s.newClient(i, sim.hosts[i%len(sim.hosts)])
		sim.clients, sim.byKey[c.asks.Key] = append(sim.clients, c), c
	}
	if !s.calm {
		sim.restarts = restarts(sim.hosts, s.length)
		sim.result.absences = sim.restarts
	}
	sim.start()
	for sim.clients[0].wake < s.length {
		sim.step()
	}
	sim.stop()
	for _, c := range sim.clients {
		if c.token != nil {
			sim.result.audit(c.token.ExpirationTime.Sub(epoch), c.until, s.length)
		}
	}
	return &sim.result
}

// start starts an operator, which knows of no host that fails.
func (s *simulation) start() {
	s.gate = gate.New(gate.Options{Now: func() time.Time { return epoch.Add(s.now) }, Wake: s.wake, Judge: provider.Judge})
	s.queued = 0
	heap.Init(&s.clients)
}

// wake has a client reconciled that a permit is kept for.
func (s *simulation) wake(key string) {
	c := s.byKey[key]
	c.woken = true
	s.advance(c)
}

// advance turns to a client now, or right after what it does now.
func (s *simulation) advance(c *client) {
	c.wake = s.now
	if c.index >= 0 {
		heap.Fix(&s.clients, c.index)
	}
}

// step turns to the client that is next, or calls the gate or restarts the operator before that.
func (s *simulation) step() {
	next, ticks := s.clients[0].wake, false
	if tick := s.now.Truncate(gate.TickInterval) + gate.TickInterval; s.queued > 0 && tick <= next {
		next, ticks = tick, true
	}
	switch {
	case len(s.restarts) > 0 && s.restarts[0].start <= next:
		s.restart(s.restarts[0])
		s.restarts = s.restarts[1:]
	case ticks:
		s.now = next
		s.tick()
	default:
		s.now = next
		s.turn(heap.Pop(&s.clients).(*client))
	}
}

func (s *simulation) tick() {
	s.ticked = s.now
	s.gate.Tick()
}

// turn turns to a client.
func (s *simulation) turn(c *client) {
	c.woken = false
	if c.request == nil {
		s.look(c)
	} else {
		s.hear(c)
	}
	if c.woken {
		c.wake = s.now
	}
	heap.Push(&s.clients, c)
}

// restart loses the answers under way, and forgets when clients were to be reconciled. All are once the operator is back.
func (s *simulation) restart(o outage) {
	s.now = o.start
	for _, c := range s.clients {
		c.early = c.wake > o.end && !c.queued && c.request == nil
	}
	s.result.restarts++
	s.result.lost += s.stop()
	for _, c := range s.clients {
		c.wake, c.queued, c.woken = o.end, false, false
	}
	s.start()
}

// look does what a reconcile does until it waits for an answer: it decides, and sends a request if that is the decision and the
// gate permits it.
func (s *simulation) look(c *client) {
	d := rotation.Decide(c.input(s.now))
	early := c.early
	c.early = false
	if d.Action != rotation.Issue {
		s.forget(c)
		c.sleep(s.now, d.At)
		return
	}
	if c.queued {
		c.until = max(c.until, c.host.until)
	}
	c.asks.Expires = c.expiry()
	if s.now-s.ticked >= sweepInterval {
		s.tick()
	}
	permit, queued := s.gate.Ask(c.asks)
	if queued != nil {
		s.queue(c, queued, false)
		return
	}
	s.dequeue(c)
	if early {
		s.result.restartRequests++
	}
	s.send(c, permit)
}

// hear does what is left of a reconcile once the answer is there, or the request is cancelled.
func (s *simulation) hear(c *client) {
	r := c.request
	err := s.end(c)
	if r.failed {
		s.result.failed++
		// A request that got no answer ends later than the outage may have.
		c.host.until = max(c.host.until, s.now)
		c.until = max(c.until, r.answer.until, s.now)
	}
	queued, is := errors.AsType[*gate.Queued](err)
	switch {
	case is:
		s.queue(c, queued, true)
	case err != nil:
		c.fail(fault.Of(err), s.now)
		s.forget(c)
	default:
		s.renew(c)
		s.forget(c)
	}
}

// renew notes a token.
func (s *simulation) renew(c *client) {
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

// queue notes that a client is in line, as the status does if the circuit is open, and when it polls.
func (s *simulation) queue(c *client, q *gate.Queued, sent bool) {
	if !c.queued {
		c.queued = true
		s.queued++
	}
	c.until = max(c.until, c.host.until)
	if q.Cause != nil && (sent || !c.paused) {
		c.paused, c.failure = true, nil
		c.failures++
	}
	c.sleep(s.now, c.poll(s.now))
}

// dequeue notes that a client is not in line.
func (s *simulation) dequeue(c *client) {
	if c.queued {
		c.queued = false
		s.queued--
	}
}

// forget tells the gate that a client does not want to send.
func (s *simulation) forget(c *client) {
	s.dequeue(c)
	s.gate.Forget(c.asks.Key)
}

// sleep has a client reconciled when it says, but not at once for ever.
func (c *client) sleep(now time.Duration, at time.Time) {
	c.wake = max(at.Sub(epoch), now+time.Millisecond)
}

// poll is when a client is reconciled that is in line, unless it is woken before.
func (c *client) poll(now time.Duration) time.Time {
	ec := &egainv1alpha1.EgainClient{}
	if c.token != nil {
		ec.Status.Token = &egainv1alpha1.TokenStatus{ExpirationTime: &metav1.Time{Time: c.token.ExpirationTime}}
	}
	return status.Wake(ec, status.Outcome{
		Facts: status.Facts{Input: c.input(now)}, Result: status.Result{Err: &fault.Error{Queued: true}},
	}, epoch.Add(now))
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

// fail notes the failure of a request as the status does, and says when to reconcile again.
func (c *client) fail(f *fault.Error, now time.Duration) {
	c.failures++
	c.paused = false
	retry, _ := f.RetryTime(c.attempt(now))
	in := c.input(now)
	c.failure = &rotation.Failure{Inputs: in.Inputs(), RetryTime: retry.Add(time.Second - 1).Truncate(time.Second)}
	c.sleep(now, rotation.Decide(c.input(now)).At)
}

// result is what a scenario came to.
type result struct {
	requests, failed, lost int
	// overtaken are requests that the gate cancelled, since the host answered a later one.
	overtaken                 int
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
