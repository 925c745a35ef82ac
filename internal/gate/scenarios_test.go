package gate

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// outage plays ten hosts of which some are down for ten minutes.
type outage struct {
	down int
	// clients of each host that is down, and of each other one.
	clients, others  int
	namespaces, apps int
	answer           func(*player) (time.Duration, error)
}

// found is what an outage came to.
type found struct {
	requests int // to the first failing host in ten minutes
	others   lateness
	back     time.Duration // from the end of the outage until the last client of a failing host has a token
	busiest  int           // requests in a second to the first host after the outage
}

const (
	outageFrom = 6 * time.Minute
	outageTo   = 16 * time.Minute
)

func (o outage) play(t *testing.T) found {
	t.Helper()
	s := newSimulation(t)
	var f found
	var first *server
	for i := range 10 {
		h := &server{host: fmt.Sprintf("h%d", i), answer: healthy}
		clients, served := o.others, f.others.note
		if i < o.down {
			h.answer = during(outageFrom, outageTo, o.answer, healthy)
			clients, served = o.clients, func(_ *player, late time.Duration) {
				if since := s.now.Sub(epoch); since >= outageTo && s.now.Add(-late).Before(epoch.Add(outageTo)) {
					f.back = since - outageTo
				}
			}
		}
		s.fleet(h, clients, o.namespaces, o.apps, 10*time.Minute, served)
		if first == nil {
			first = h
		}
	}
	s.run(outageTo + time.Minute)
	f.requests = first.count(outageFrom, outageTo)
	first.sent = slices.DeleteFunc(first.sent, func(at time.Time) bool { return at.Before(epoch.Add(outageTo)) })
	f.busiest = first.busiest()
	return f
}

func TestSimulation_AnOutageOfTenMinutes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		outage
		requests int
		back     time.Duration
	}{
		"one host hangs, 1 application":             {outage{1, 1000, 100, 20, 1, hanging}, 175, 8500 * time.Millisecond},
		"one host hangs, 2 applications":            {outage{1, 1000, 100, 20, 2, hanging}, 175, 8500 * time.Millisecond},
		"one host hangs, 20 applications":           {outage{1, 1000, 100, 20, 20, hanging}, 175, 8500 * time.Millisecond},
		"one host answers 503, 1 application":       {outage{1, 1000, 100, 20, 1, failing}, 305, 8500 * time.Millisecond},
		"one host answers 503, 2 applications":      {outage{1, 1000, 100, 20, 2, failing}, 305, 8500 * time.Millisecond},
		"one host answers 503, 20 applications":     {outage{1, 1000, 100, 20, 20, failing}, 305, 8500 * time.Millisecond},
		"five hosts hang, 2 applications each":      {outage{5, 1000, 100, 20, 2, hanging}, 175, 9500 * time.Millisecond},
		"nine hosts hang, 20 applications each":     {outage{9, 200, 200, 20, 20, hanging}, 175, 9500 * time.Millisecond},
		"nine hosts answer 503, 1 application each": {outage{9, 200, 200, 20, 1, failing}, 305, 9500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tc.play(t)
			t.Logf("%d requests; others p99 %v, max %v; back after %v; busiest %d",
				f.requests, f.others.percentile(99), f.others.percentile(100), f.back, f.busiest)
			if f.requests > tc.requests {
				t.Errorf("%d requests to a host that is down, want %d at most", f.requests, tc.requests)
			}
			if late := f.others.percentile(100); late > 80*time.Millisecond || len(f.others) < 500 {
				t.Errorf("%d renewals of others are up to %v late", len(f.others), late)
			}
			if f.back > tc.back || f.back == 0 {
				t.Errorf("all clients are back after %v", f.back)
			}
			if f.busiest > recoveryRate*11/10 {
				t.Errorf("%d requests in a second after the outage", f.busiest)
			}
		})
	}
}

// back plays clients of one host after an outage and returns when the last has a token again.
func back(t *testing.T, clients, namespaces, apps int, answer func(*player) (time.Duration, error), change func(*player)) (time.Duration, *server, []*player) {
	t.Helper()
	s := newSimulation(t)
	h := &server{host: "h", answer: during(outageFrom, outageTo, hanging, answer)}
	var last time.Duration
	all := s.fleet(h, clients, namespaces, apps, 10*time.Minute, func(_ *player, late time.Duration) {
		if since := s.now.Sub(epoch); since >= outageTo && s.now.Add(-late).Before(epoch.Add(outageTo)) {
			last = since - outageTo
		}
	})
	for _, p := range all {
		if change != nil {
			change(p)
		}
	}
	s.run(outageTo + 3*time.Minute)
	return last, h, all
}

func answersAfter(d time.Duration) func(*player) (time.Duration, error) {
	return func(*player) (time.Duration, error) { return d, nil }
}

// The slots bound how fast clients are back: 12 of a line, 8 of a namespace.
func TestSimulation_SlowServersAreServedByAllSlots(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer     time.Duration
		namespaces int
		want       time.Duration
	}{
		"100 ms":                     {100 * time.Millisecond, 20, 13 * time.Second},
		"200 ms":                     {200 * time.Millisecond, 20, 22 * time.Second},
		"50 ms, all in a namespace":  {50 * time.Millisecond, 1, 11 * time.Second},
		"200 ms, all in a namespace": {200 * time.Millisecond, 1, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, _ := back(t, 1000, tc.namespaces, 1, answersAfter(tc.answer), nil)
			t.Log(got)
			if got > tc.want || got == 0 {
				t.Errorf("back after %v, want %v at most", got, tc.want)
			}
		})
	}
}

// The refresh tokens of requests that hang may be the only valid ones: those requests are not cancelled, and end at their time-out.
func TestSimulation_RequestsThatMustFinish(t *testing.T) {
	t.Parallel()
	got, _, _ := back(t, 100, 20, 1, healthy, func(p *player) { p.client.MustFinish = true })
	t.Log(got)
	if got < time.Second || got > 13*time.Second {
		t.Errorf("back after %v", got)
	}
	if got, _, _ = back(t, 100, 20, 1, healthy, nil); got > 6*time.Second {
		t.Errorf("without MustFinish: back after %v", got)
	}
}

func TestSimulation_TheSoonestToExpireAreBackFirst(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	var order []time.Time
	h := &server{host: "h", answer: during(outageFrom, outageTo, failing, answersAfter(50*time.Millisecond))}
	all := s.fleet(h, 1000, 20, 1, 10*time.Minute, nil)
	expires := map[*player]time.Time{}
	s.after(outageTo, func() {
		for _, p := range all {
			expires[p] = p.client.Expires
		}
	})
	for _, p := range all {
		p.served = func(p *player, late time.Duration) {
			if s.now.After(epoch.Add(outageTo)) && s.now.Add(-late).Before(epoch.Add(outageTo)) {
				order = append(order, expires[p])
			}
		}
	}
	s.run(outageTo + time.Minute)
	sorted := slices.SortedFunc(slices.Values(order), time.Time.Compare)
	off := 0
	for i, at := range order[1:] { // the first is the probe
		off = max(off, max(i+1-slices.Index(sorted, at), slices.Index(sorted, at)-i-1))
	}
	t.Logf("%d clients, off by %d places", len(order), off)
	// A namespace at its share waits for a slot of its own.
	if len(order) < 900 || off > 5 {
		t.Errorf("%d clients are back, off by up to %d places", len(order), off)
	}
}

// Row 8: clients of one namespace on many ports, each with a request that is slow and succeeds.
func TestSimulation_OneNamespaceThatIsSlowEverywhere(t *testing.T) {
	t.Parallel()
	for name, same := range map[string]bool{"on hosts of its own": false, "on the endpoint of the others": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulation(t)
			var others lateness
			shared := &server{host: "shared", answer: func(p *player) (time.Duration, error) {
				if p.client.Namespace == "hostile" {
					return 9 * time.Second, nil
				}
				return healthy(p)
			}}
			for _, p := range s.fleet(shared, 1000, 20, 20, 10*time.Minute, others.note) {
				p.client.Namespace = "good-" + p.client.Namespace
			}
			for i := range 250 {
				h := shared
				if !same {
					h = &server{host: fmt.Sprint("attacker:", i%64), answer: answersAfter(9 * time.Second)}
				}
				p := s.fleet(h, 1, 1, 1, 18*time.Second, nil)[0]
				delete(s.byKey, p.client.Key)
				p.client.Key, p.client.Namespace, p.client.App = fmt.Sprint("hostile/", i), "hostile", fmt.Sprint("hostile/", i)
				s.byKey[p.client.Key] = p
			}
			s.run(8 * time.Minute)
			t.Logf("%d renewals, p99 %v, max %v", len(others), others.percentile(99), others.percentile(100))
			if len(others) < 1000 || others.percentile(100) > 200*time.Millisecond {
				t.Errorf("%d renewals of others are up to %v late", len(others), others.percentile(100))
			}
		})
	}
}

// Row 8, hanging: six endpoints and more that hang take no probe from another that recovers.
func TestSimulation_EndpointsThatHangLeaveProbesToAnother(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	for i := range 64 {
		for _, p := range s.fleet(&server{host: fmt.Sprint("attacker:", i), answer: hanging}, 4, 1, 4, time.Minute, nil) {
			p.client.Namespace = "hostile"
		}
	}
	var last time.Duration
	from, to := time.Minute, 6*time.Minute
	h := &server{host: "h", answer: during(from, to, hanging, healthy)}
	s.fleet(h, 1000, 20, 1, 5*time.Minute, func(_ *player, late time.Duration) {
		if since := s.now.Sub(epoch); since >= to && s.now.Add(-late).Before(epoch.Add(to)) {
			last = since - to
		}
	})
	s.run(to + 30*time.Second)
	t.Log(last)
	if last == 0 || last > 10*time.Second {
		t.Errorf("back after %v", last)
	}
}

// Row 7: some applications of an endpoint fail, the others go on.
func TestSimulation_SomeApplicationsFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bad    int
		answer func(*player) (time.Duration, error)
		want   time.Duration
	}{
		"one with 500":                   {1, failing, 80 * time.Millisecond},
		"one with Retry-After an hour":   {1, refusing(time.Hour), 80 * time.Millisecond},
		"two that hang":                  {2, hanging, 80 * time.Millisecond},
		"three with 429":                 {3, refusing(0), 2500 * time.Millisecond},
		"five that hang":                 {5, hanging, 4500 * time.Millisecond},
		"two hundred with Retry-After":   {200, refusing(time.Hour), 4500 * time.Millisecond},
		"two hundred with 429 each time": {200, refusing(0), 2500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulation(t)
			var others lateness
			h := &server{host: "h"}
			h.answer = func(p *player) (time.Duration, error) {
				if p.client.Namespace == "hostile" {
					return tc.answer(p)
				}
				return healthy(p)
			}
			s.fleet(h, 500, 20, 20, 10*time.Minute, others.note)
			for i := range max(tc.bad, 5*min(tc.bad, 5)) {
				s.add(&player{server: h, life: time.Minute, client: Client{
					Key: fmt.Sprint("hostile/", i), Namespace: "hostile", App: fmt.Sprint("hostile/", i%tc.bad),
					Endpoint: Endpoint{URL: "https://h/token", Host: "h", Tenant: "h"},
				}}, time.Duration(i)*time.Second)
			}
			s.run(12 * time.Minute)
			t.Logf("%d renewals, p99 %v, max %v", len(others), others.percentile(99), others.percentile(100))
			if len(others) < 500 || others.percentile(99) > tc.want {
				t.Errorf("p99 of %d renewals of others is %v late, want %v at most", len(others), others.percentile(99), tc.want)
			}
		})
	}
}

func refusing(retryAfter time.Duration) func(*player) (time.Duration, error) {
	return func(p *player) (time.Duration, error) {
		took, _ := healthy(p)
		return took, failure("HTTP 429", retryAfter)
	}
}

// A client that always fails among others of its application is not the only one to probe.
func TestSimulation_APoisonedClientDoesNotKeepTheCircuitOpen(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	var others lateness
	h := &server{host: "h"}
	h.answer = during(outageFrom, outageFrom+time.Minute, failing, func(p *player) (time.Duration, error) {
		if p.client.Key == "h/0" {
			return failing(p)
		}
		return healthy(p)
	})
	all := s.fleet(h, 200, 20, 1, 10*time.Minute, others.note)
	all[0].client.Expires = epoch // it would always be first
	s.run(outageTo)
	t.Logf("max %v", others.percentile(100))
	if others.percentile(100) > time.Minute+6*time.Second {
		t.Errorf("others are %v late after an outage of a minute", others.percentile(100))
	}
}

// Tenants that hang leave the last quarter of their host to one that does not.
func TestSimulation_TenantsOfOneHost(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	var others lateness
	for i := range 5 {
		h, served := &server{host: fmt.Sprint("tenant", i), answer: healthy}, others.note
		if i < 3 {
			h.answer, served = during(outageFrom, outageTo, hanging, healthy), nil
		}
		for _, p := range s.fleet(h, 300, 20, 2, 10*time.Minute, served) {
			p.client.Host = "shared"
		}
	}
	s.run(outageTo)
	t.Logf("p99 %v, max %v", others.percentile(99), others.percentile(100))
	if others.percentile(99) > 80*time.Millisecond || others.percentile(100) > time.Second {
		t.Errorf("others are %v late, max %v", others.percentile(99), others.percentile(100))
	}
}

// A server that serves eight requests at a time needs the tenant's limit; with it all clients are served.
func TestSimulation_AWeakServer(t *testing.T) {
	t.Parallel()
	weak := func(p *player) (time.Duration, error) {
		if p.server.underWay > 8 {
			return 3 * time.Second, errDown
		}
		return 100 * time.Millisecond, nil
	}
	got, _, _ := back(t, 500, 20, 1, weak, func(p *player) { p.client.Concurrent = 8 })
	t.Log(got)
	if got == 0 || got > 12*time.Second {
		t.Errorf("back after %v", got)
	}
}

// A server that answers 429 beyond twenty requests a second.
func TestSimulation_AServerWithARateLimit(t *testing.T) {
	t.Parallel()
	limited := func(p *player) (time.Duration, error) {
		second, now := 0, p.s.now
		for i := len(p.server.sent) - 1; i >= 0 && now.Sub(p.server.sent[i]) < time.Second; i-- {
			second++
		}
		if took, _ := healthy(p); second <= 20 {
			return took, nil
		}
		return refusing(0)(p)
	}
	got, h, _ := back(t, 1000, 20, 1, limited, func(p *player) { p.client.PerSecond = 20 })
	t.Log(got, h.busiest())
	if got == 0 || got > 65*time.Second {
		t.Errorf("with the tenant's limit: back after %v", got)
	}
	got, _, _ = back(t, 1000, 20, 1, limited, nil)
	t.Log(got)
	if got == 0 || got > 2*time.Minute {
		t.Errorf("without: back after %v", got)
	}
}

// An application that is lent to several namespaces serves the soonest of each, while one has many clients.
func TestSimulation_ANamespaceGetsAQuarterOfAnApplicationWhileOthersWait(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"by slots": 0, "by the limit per second": 8} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulation(t)
			h := &server{host: "h", answer: answersAfter(200 * time.Millisecond)}
			served := map[string]int{}
			for i := range 600 {
				namespace := "large"
				if i%3 == 0 {
					namespace = fmt.Sprint("small", i%5)
				}
				p := &player{server: h, life: time.Hour, client: Client{
					Key: fmt.Sprint(i), Namespace: namespace, App: "app", PerSecond: limit,
					Endpoint: Endpoint{URL: "https://h/token", Host: "h", Tenant: "h"},
				}, served: func(p *player, _ time.Duration) {
					served[p.client.Namespace]++
				}}
				s.add(p, 0)
				if namespace == "large" {
					p.client.Expires = epoch // before all others
				}
			}
			small := func() (n int) {
				for namespace, count := range served {
					if namespace != "large" {
						n += count
					}
				}
				return n
			}
			for step := time.Second; small() < 200 && step < 5*time.Minute; step += 100 * time.Millisecond {
				s.run(step)
			}
			t.Logf("%d of the large namespace, %d of the others", served["large"], small())
			if got := served["large"]; got > small()/2 {
				t.Errorf("the large namespace got %d requests, the others %d", got, small())
			}
		})
	}
}

// A permit outlasts any wait in the controller's queue. If it lapsed before, the clients that are woken would all come in vain.
func TestSimulation_ASlowQueueServesAllTheSame(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	s.wake = 20 * time.Second
	h := &server{host: "h", answer: during(0, 2*time.Minute, hanging, healthy)}
	all := s.fleet(h, 60, 20, 1, 2*time.Minute, nil)
	s.run(6 * time.Minute)
	for _, p := range all {
		if p.renewals == 0 {
			t.Errorf("%s has no token", p.client.Key)
		}
	}
}

// Ten hosts hang at the same moment, before anything is known of them; another still finds slots.
func TestSimulation_AllSlotsAreNotTakenByWhatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	for i := range 10 {
		s.fleet(&server{host: fmt.Sprint("h", i), answer: hanging}, 200, 20, 4, 4*time.Second, nil)
	}
	var others lateness
	s.fleet(&server{host: "well", answer: healthy}, 200, 10, 1, time.Minute, others.note)
	s.run(time.Minute)
	t.Logf("%d renewals, max %v, %d under way", len(others), others.percentile(100), s.most)
	if len(others) < 200 || others.percentile(100) > 80*time.Millisecond || s.most >= 64 {
		t.Errorf("%d renewals of others are up to %v late; %d requests under way", len(others), others.percentile(100), s.most)
	}
}

func TestSimulation_EachRunIsTheSame(t *testing.T) {
	t.Parallel()
	play := func() []time.Time {
		s := newSimulation(t)
		var all []*server
		for i := range 5 {
			all = append(all, &server{host: fmt.Sprint("h", i), answer: during(time.Minute, 2*time.Minute, hanging, healthy)})
			s.fleet(all[i], 100, 7, 9, time.Minute, nil)
		}
		s.run(4 * time.Minute)
		var sent []time.Time
		for _, h := range all {
			sent = append(sent, h.sent...)
		}
		return sent
	}
	first := play()
	for range 2 {
		if again := play(); !slices.Equal(first, again) {
			t.Fatalf("%d and %d requests, at other times", len(first), len(again))
		}
	}
}
