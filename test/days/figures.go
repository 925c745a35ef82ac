package main

import (
	"fmt"
	"io"
	"iter"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	// requestsBound is how many times the requests that the schedule needs without faults are made with them.
	requestsBound = 1.02
	// busiestBound is how many times the mean the busiest minute has, once each client has lived through a token. After an
	// absence of the operator the renewals that it missed come on top, since they are made up for at once.
	busiestBound = 1.5
	// fewClients are so few, on so few hosts, that the return of one host after an outage is a wave: all its clients may come
	// in that minute on top.
	fewClients = 10_000
	// herdBound is after how many lives that holds if the tokens of all clients live for the same time.
	herdBound = 10
	// herdClients are how many clients those are.
	herdClients = 10_000
	// herdWindows is into how many parts a life is divided then, if they are longer than a minute: in the minutes of long
	// lives there are so few requests that chance decides which is the busiest.
	herdWindows = 96
)

// herds are lives that all tokens have, in turn.
var herds = []time.Duration{shortestLife, time.Hour, longestLife}

// figures are the results of a scenario: as it is, again, without faults, and with tokens that live for the same time.
type figures struct {
	scenario               scenario
	faults, again, without *result
	// even is after how many lives each of herds has spread.
	even []int
}

// measure plays a scenario, and some lives of herds.
func measure(s scenario, lives int) figures {
	f, calm := figures{scenario: s, even: make([]int, len(herds))}, s
	calm.calm = true
	var group sync.WaitGroup
	group.Go(func() { f.faults = simulate(s) })
	group.Go(func() { f.again = simulate(s) })
	group.Go(func() { f.without = simulate(calm) })
	for i, life := range herds {
		herd := scenario{clients: herdClients, length: time.Duration(lives) * life, life: life, calm: true}
		group.Go(func() { f.even[i] = livesUntilEven(simulate(herd), life, lives) })
	}
	group.Wait()
	return f
}

// livesUntilEven is after how many of the lives played no minute has more requests than the bound allows.
func livesUntilEven(r *result, life time.Duration, played int) int {
	window := max(1, int(life/herdWindows/time.Minute))
	for lives := 1; lives < played; lives++ {
		if busiest(r.minutes[time.Duration(lives)*life/time.Minute:], window) <= busiestBound {
			return lives
		}
	}
	return played
}

// figure is a row of the table.
type figure struct {
	name, value, bound string
	holds              bool
}

// afterFirstLife is the first minute in which every client is past its first token.
const afterFirstLife = longestLife / time.Minute

// rows are the figures that have a bound.
func (f *figures) rows() []figure {
	avoidable := f.faults.avoidable
	extra := float64(f.faults.requests) / float64(f.without.requests)
	busy := busiest(f.without.minutes[afterFirstLife:], 1)
	rows := []figure{
		{
			"tokens expired that need not have", fmt.Sprintf("%.1f s (%d tokens, worst %.1f s)", avoidable.total.Seconds(), avoidable.tokens, avoidable.worst.Seconds()),
			"0 s", avoidable.tokens == 0,
		},
		{"requests, times what the schedule needs", fmt.Sprintf("%.4f", extra), fmt.Sprintf("≤ %.2f", requestsBound), extra <= requestsBound},
		{"busiest minute of the schedule, times the mean", fmt.Sprintf("%.2f", busy), fmt.Sprintf("≤ %.1f", busiestBound), busy <= busiestBound},
		f.busiestApart(),
		f.busiestAfterAbsence(),
		{"requests made early for a restart", fmt.Sprint(f.faults.restartRequests), "0", f.faults.restartRequests == 0},
		{"fingerprints of two runs", f.faults.fingerprint() + ", " + f.again.fingerprint(), "equal", f.faults.fingerprint() == f.again.fingerprint()},
	}
	for i, life := range herds {
		rows = append(rows, figure{
			fmt.Sprintf("lives of %.0f min until a herd is even", life.Minutes()), fmt.Sprint(f.even[i]), fmt.Sprintf("≤ %d", herdBound), f.even[i] <= herdBound,
		})
	}
	return rows
}

// busiestApart is the busiest minute with outages of hosts, apart from those in which an absence of the operator is made up
// for.
func (f *figures) busiestApart() figure {
	busy := 0.0
	for minute, share := range f.faults.shares() {
		if f.faults.missed(minute) == 0 {
			busy = max(busy, share)
		}
	}
	bound := busiestBound
	if f.scenario.clients < fewClients {
		bound += clientsPerHost * f.scenario.length.Minutes() / float64(f.faults.requests)
	}
	return figure{"busiest minute with outages, times the mean", fmt.Sprintf("%.2f", busy), fmt.Sprintf("≤ %.2f", bound), busy <= bound}
}

// busiestAfterAbsence is the busiest minute in which an absence of the operator is made up for, less what was missed.
func (f *figures) busiestAfterAbsence() figure {
	busy := 0.0
	for minute, share := range f.faults.shares() {
		if missed := f.faults.missed(minute); missed > 0 {
			busy = max(busy, share-missed)
		}
	}
	return figure{
		"busiest minute after an absence, less the minutes missed", fmt.Sprintf("%.2f", busy), fmt.Sprintf("≤ %.1f", busiestBound), busy <= busiestBound,
	}
}

// shares are how many times the mean each minute has, after the first life.
func (r *result) shares() iter.Seq2[int, float64] {
	minutes := r.minutes[afterFirstLife:]
	sum := 0
	for _, requests := range minutes {
		sum += requests
	}
	return func(yield func(int, float64) bool) {
		for i, requests := range minutes {
			if !yield(i+int(afterFirstLife), float64(requests)*float64(len(minutes))/float64(max(sum, 1))) {
				return
			}
		}
	}
}

// missed is for how many minutes the operator was away before a minute in which that is made up for: the one of its return,
// and the next.
func (r *result) missed(minute int) float64 {
	for _, a := range r.absences {
		if back := int(a.end / time.Minute); back == minute || back+1 == minute {
			return (a.end - a.start).Minutes()
		}
	}
	return 0
}

// broken are the names of the figures out of their bounds.
func (f *figures) broken() []string {
	var names []string
	for _, row := range f.rows() {
		if !row.holds {
			names = append(names, row.name)
		}
	}
	return names
}

// print writes what was played and what came of it.
func (f *figures) print(out io.Writer) {
	r, hosts := f.faults, hostsOf(f.scenario.clients)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("clients\t%d of %d hosts", f.scenario.clients, hosts)
	line("days\t%.0f", f.scenario.length.Hours()/day.Hours())
	line("hosts out\t%.2f %% of the time", outShare(hosts, f.scenario.length)*100)
	line("restarts of the operator\t%d (%d answers lost)", r.restarts, r.lost)
	line("requests\t%d (%d refused, %d cancelled), %d without faults", r.requests, r.failed, r.overtaken, f.without.requests)
	line("busiest minute with all of that\t%.2f times the mean", busiest(r.minutes[afterFirstLife:], 1))
	line("tokens outlasted by an outage\t%d, for %.0f s within outages", r.outlasted.tokens, r.out.Seconds())
	line("from its end to the next token\t%.0f s on average, %.0f s at most", r.outlasted.total.Seconds()/float64(max(r.outlasted.tokens, 1)), r.outlasted.worst.Seconds())
	line("")
	for _, row := range f.rows() {
		verdict := "ok"
		if !row.holds {
			verdict = "BROKEN"
		}
		line("%s\t%s\t%s\t%s", row.name, row.value, row.bound, verdict)
	}
	_ = w.Flush()
}

func hostsOf(clients int) int { return (clients + clientsPerHost - 1) / clientsPerHost }

// outShare is the part of the time in which a host gives no tokens, on average over hosts.
func outShare(hosts int, length time.Duration) float64 {
	var out time.Duration
	for i := range hosts {
		for _, s := range faults(i, length) {
			if s.kind != slow {
				out += min(s.end, length) - min(s.start, length)
			}
		}
	}
	return out.Seconds() / (length.Seconds() * float64(hosts))
}
