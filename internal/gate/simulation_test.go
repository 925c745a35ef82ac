package gate

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// simulation plays clients, a controller's queue and servers on a clock of its own. Nothing is random and nothing runs beside it,
// so that each run has the same figures.
type simulation struct {
	t      *testing.T
	now    time.Time
	events events
	seq    int
	gate   *Gate
	byKey  map[string]*player
	// wake is the time in the controller's queue after a wake-up, reads that between a permit and the request.
	wake, reads time.Duration
	// spread is added to reads, up to that.
	spread time.Duration
	// sent are the requests of all clients; most is how many were under way at a time.
	underWay, most int
}

var epoch = time.Date(2026, time.November, 30, 10, 0, 0, 0, time.UTC)

// timeout is that of a request.
const timeout = 10 * time.Second

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || (e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newSimulation(t *testing.T) *simulation {
	t.Helper()
	s := &simulation{t: t, now: epoch, byKey: map[string]*player{}, wake: 2 * time.Millisecond, reads: 5 * time.Millisecond}
	s.gate = New(Options{Now: func() time.Time { return s.now }, Judge: judge, Wake: func(key string) {
		if p := s.byKey[key]; p != nil {
			s.after(s.wake, p.reconcile)
		}
	}})
	return s
}

// after does something after a time.
func (s *simulation) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{s.now.Add(d), s.seq, do})
}

// run plays until a time since the beginning.
func (s *simulation) run(until time.Duration) {
	end := epoch.Add(until)
	tick := s.now
	for {
		next := tick
		if len(s.events) > 0 && s.events[0].at.Before(tick) {
			next = s.events[0].at
		}
		if next.After(end) {
			s.now = end
			return
		}
		s.now = next
		if next.Equal(tick) {
			tick = tick.Add(TickInterval)
			s.gate.Tick()
			continue
		}
		heap.Pop(&s.events).(event).do()
	}
}

// outcome is the error of a simulated request.
type outcome struct {
	Verdict
	text string
}

func (o *outcome) Error() string { return o.text }

func judge(err error) Verdict {
	if o, ok := errors.AsType[*outcome](err); ok {
		return o.Verdict
	}
	return Verdict{}
}

func failure(text string, retryAfter time.Duration) error {
	return &outcome{Verdict{Failed, retryAfter}, text}
}

var (
	errDown    = failure("HTTP 503", 0)
	errTimeout = failure("the server did not answer", 0)
)

// server answers requests.
type server struct {
	host string
	// answer returns the outcome of a request and the time until then; negative if there is none.
	answer func(p *player) (time.Duration, error)
	// sent are the times of all requests.
	sent []time.Time
	// underWay is how many requests it has.
	underWay int
}

// player is a client with a token.
type player struct {
	s      *simulation
	client Client
	server *server
	life   time.Duration
	// due is when the token should be renewed.
	due      time.Time
	failures int
	number   int
	renewals int
	// served is called with each renewal.
	served func(p *player, late time.Duration)
	permit *Permit
	// stopped clients want nothing any more.
	stopped bool
	// busy says that a reconcile is under way, and again that another one is due after it.
	busy, again bool
}

// add adds a client whose first renewal is due after a time.
func (s *simulation) add(p *player, after time.Duration) *player {
	p.s, p.number = s, len(s.byKey)
	s.byKey[p.client.Key] = p
	p.due = s.now.Add(after)
	p.client.Expires = p.due.Add(p.life * 2 / 5)
	s.after(after, p.reconcile)
	return p
}

// hash is a number that is the same in each run.
func hash(a, b int) uint64 {
	x := uint64(a)*0x9e3779b97f4a7c15 + uint64(b)*0xbf58476d1ce4e5b9
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// between is a duration between two that is the same in each run.
func between(a, b time.Duration, seed, n int) time.Duration {
	return a + time.Duration(hash(seed, n)%uint64(b-a))
}

// reconcile is what a controller does: it asks if the renewal is due.
func (p *player) reconcile() {
	if p.busy {
		p.again = true
		return
	}
	if p.stopped || p.s.now.Before(p.due) {
		p.s.gate.Forget(p.client.Key)
		return
	}
	permit, queued := p.s.gate.Ask(p.client)
	if queued != nil {
		return
	}
	p.busy, p.permit = true, permit
	reads := p.s.reads
	if p.s.spread > 0 {
		reads += between(0, p.s.spread, p.number, p.renewals)
	}
	p.s.after(reads, p.send)
}

func (p *player) send() {
	s, done := p.s, false
	var err error
	finish := func(outcome error) {
		if done {
			return
		}
		done, err = true, outcome
		s.underWay--
		p.server.underWay--
		verdict := Verdict{Kind: Served}
		if err != nil {
			verdict = judge(err)
		}
		p.ended(p.permit.settle(err, verdict, errors.Is(err, errOvertaken)))
	}
	// A request that is cancelled ends in an event of its own, as its goroutine does.
	cancel := func(cause error) { s.after(0, func() { finish(cause) }) }
	if refused := p.permit.begin(cancel); refused != nil {
		p.ended(refused)
		return
	}
	p.server.sent = append(p.server.sent, s.now)
	p.server.underWay++
	if s.underWay++; s.underWay > s.most {
		s.most = s.underWay
	}
	took, answer := p.server.answer(p)
	if took < 0 || took > timeout {
		took, answer = timeout, errTimeout
	}
	s.after(took, func() { finish(answer) })
}

// ended ends a reconcile.
func (p *player) ended(err error) {
	s := p.s
	p.busy = false
	_, queued := errors.AsType[*Queued](err)
	switch {
	case queued:
	case err != nil:
		s.gate.Forget(p.client.Key)
		p.failures++
		s.after(min(2*time.Second<<min(p.failures-1, 5), time.Minute), p.reconcile)
	default:
		s.gate.Forget(p.client.Key)
		p.failures = 0
		p.renewals++
		late := s.now.Sub(p.due)
		p.client.Expires = s.now.Add(p.life)
		p.due = s.now.Add(between(p.life*55/100, p.life*65/100, p.number, p.renewals))
		s.after(p.due.Sub(s.now), p.reconcile)
		if p.served != nil {
			p.served(p, late)
		}
	}
	if p.again {
		p.again = false
		s.after(0, p.reconcile)
	}
}

// healthy answers after 30 to 70 milliseconds.
func healthy(p *player) (time.Duration, error) {
	return between(30*time.Millisecond, 70*time.Millisecond, p.number, len(p.server.sent)), nil
}

func hanging(*player) (time.Duration, error) { return -1, nil }

func failing(p *player) (time.Duration, error) {
	took, _ := healthy(p)
	return took, errDown
}

// during answers in one way in a time since the beginning, and in another before and after.
func during(from, to time.Duration, then, otherwise func(*player) (time.Duration, error)) func(*player) (time.Duration, error) {
	return func(p *player) (time.Duration, error) {
		if since := p.s.now.Sub(epoch); since >= from && since < to {
			return then(p)
		}
		return otherwise(p)
	}
}

// fleet are the clients of one host: applications and namespaces are dealt out evenly.
func (s *simulation) fleet(host *server, clients, namespaces, apps int, life time.Duration, served func(*player, time.Duration)) []*player {
	var all []*player
	for i := range clients {
		all = append(all, s.add(&player{
			server: host, life: life, served: served,
			client: Client{
				Key:       fmt.Sprintf("%s/%d", host.host, i),
				Namespace: fmt.Sprintf("n%d", i%namespaces),
				App:       fmt.Sprintf("%s/a%d", host.host, i%apps),
				Endpoint:  Endpoint{URL: "https://" + host.host + "/token", Host: host.host, Tenant: host.host},
			},
		}, between(0, life*6/10, len(s.byKey), 0)))
	}
	return all
}

// lateness collects how late renewals are.
type lateness []time.Duration

func (l *lateness) note(_ *player, late time.Duration) { *l = append(*l, late) }

func (l *lateness) percentile(p int) time.Duration {
	if len(*l) == 0 {
		return 0
	}
	slices.Sort(*l)
	return (*l)[(len(*l)-1)*p/100]
}

// count is how many requests a server got in a time since the beginning.
func (h *server) count(from, to time.Duration) int {
	return len(slices.DeleteFunc(slices.Clone(h.sent), func(at time.Time) bool {
		return at.Before(epoch.Add(from)) || !at.Before(epoch.Add(to))
	}))
}

// busiest is the most requests in any second.
func (h *server) busiest() int {
	most, first := 0, 0
	for i, at := range h.sent {
		for at.Sub(h.sent[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
