package rotation

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// issuedAgo is a history of a token that was requested with the present inputs.
func issuedAgo(age time.Duration) func(*Input) {
	return func(in *Input) {
		in.History.Issued, in.History.With, in.History.IssuedWith = now.Add(-age), in.With(), in.With()
		in.History.Written = true
	}
}

// changedAgo is a history of requests that each followed a change, the oldest first.
func changedAgo(ages ...time.Duration) func(*Input) {
	return func(in *Input) {
		for i, age := range ages {
			in.History = in.History.Sent(fmt.Sprint(i), now.Add(-age))
		}
	}
}

func recent(age time.Duration, change ...func(*Recent)) func(*Input) {
	return func(in *Input) {
		r := (&Input{Token: &Token{}}).Keep(*tokenOf(age), now.Add(-age))
		for _, c := range change {
			c(&r)
		}
		in.Recent = &r
	}
}

func TestDecideKeepsToTheFloor(t *testing.T) {
	t.Parallel()
	missing := func(in *Input) { in.Token = nil }
	damaged := func(in *Input) { in.Token, in.Damaged = nil, true }
	short := func(in *Input) {
		in.Token = tokenOf(time.Second, func(tok *Token) { tok.ExpirationTime = tok.IssueTime.Add(time.Second) })
	}
	wait := func(cause string, after time.Duration) Decision {
		return Decision{Action: Wait, Cause: cause, At: now.Add(after)}
	}
	tests := map[string]struct {
		in   Input
		want Decision
	}{
		"an expired token within the floor":     {inputOf(short, issuedAgo(time.Second)), Decision{Action: Keep, At: now.Add(4 * time.Second)}},
		"a renewal within the floor's fraction": {inputOf(func(in *Input) { in.Token = tokenOf(time.Hour) }, issuedAgo(4100*time.Millisecond)), wait(CauseRenewalDue, 900*time.Millisecond)},
		"a damaged target within the floor":     {inputOf(damaged, issuedAgo(2*time.Second)), wait(CauseDamaged, 3*time.Second)},
		"a missing target within the floor":     {inputOf(missing, issuedAgo(2*time.Second)), wait(CauseNoToken, 3*time.Second)},
		"a damaged target after the floor":      {inputOf(damaged, issuedAgo(Floor)), Decision{Action: Issue, Cause: CauseDamaged}},
		"a missing target after the floor":      {inputOf(missing, issuedAgo(Floor)), Decision{Action: Issue, Cause: CauseNoToken}},
		"a damaged target after a restart":      {inputOf(damaged, func(in *Input) { in.History.Issued = now.Add(-time.Second) }), wait(CauseDamaged, 4*time.Second)},
		"annotations of an earlier spec that come back": {
			inputOf(func(in *Input) { in.Token = tokenOf(time.Second, issuedFor("spec-0")) }, issuedAgo(time.Second)), wait(CauseSpecChanged, 4*time.Second),
		},
		"an issue in the future, which is a mistake": {inputOf(damaged, issuedAgo(-time.Hour)), Decision{Action: Issue, Cause: CauseDamaged}},
		"a changed spec":    {inputOf(issuedAgo(time.Second), func(in *Input) { in.Spec = "spec-2" }), Decision{Action: Issue, Cause: CauseSpecChanged}},
		"a login":           {inputOf(issuedAgo(time.Second), func(in *Input) { in.Sources = "sources-2" }), Decision{Action: Issue, Cause: CauseSourcesChanged}},
		"a renewal request": {inputOf(issuedAgo(time.Second), func(in *Input) { in.Renewal = "monday" }), Decision{Action: Issue, Cause: CauseRenewalRequested}},
		"a changed spec after a restart": {
			inputOf(func(in *Input) { in.History.Issued, in.Spec = now.Add(-time.Second), "spec-2" }), Decision{Action: Issue, Cause: CauseSpecChanged},
		},
		"a changed CA bundle while there is no token": {
			inputOf(missing, issuedAgo(time.Second), func(in *Input) { in.Versions = "ca-2" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"a retry of a change that failed": {
			inputOf(issuedAgo(time.Second), func(in *Input) {
				in.Renewal = "monday"
				in.History = in.History.Sent(in.With(), now)
			}, failedUntil(now)), Decision{Action: Issue, Cause: CauseRenewalRequested},
		},
		"a change that is undone": {
			inputOf(issuedAgo(time.Second), func(in *Input) {
				in.Token = tokenOf(0, issuedFor("spec-2"))
				in.History = in.History.Sent("spec-2", now)
			}), Decision{Action: Issue, Cause: CauseSpecChanged},
		},
		"a third change within a minute": {
			inputOf(missing, changedAgo(50*time.Second, time.Second)), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"a fourth change within a minute": {
			inputOf(missing, changedAgo(50*time.Second, 2*time.Second, time.Second)), wait(CauseNoToken, 4*time.Second),
		},
		"a fourth change later than the floor": {
			inputOf(missing, changedAgo(50*time.Second, 10*time.Second, Floor)), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"a fourth change after a minute": {
			inputOf(missing, changedAgo(ChangeWindow, 2*time.Second, time.Second)), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"a fourth renewal request within a minute": {
			inputOf(changedAgo(3*time.Second, 2*time.Second, time.Second), func(in *Input) { in.Renewal = "monday" }), wait(CauseRenewalRequested, 4*time.Second),
		},
		"a change waits no longer than a valid token": {
			inputOf(changedAgo(3*time.Second, 2*time.Second, time.Second), func(in *Input) { in.Token, in.Spec = tokenOf(time.Hour-time.Second), "spec-2" }),
			wait(CauseSpecChanged, time.Second),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Decide(tc.in)); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideWritesARecentTokenAgain(t *testing.T) {
	t.Parallel()
	missing := func(in *Input) { in.Token = nil }
	damaged := func(in *Input) { in.Token, in.Damaged = nil, true }
	repaired := func(age time.Duration) func(*Recent) { return func(r *Recent) { *r = r.Repair(now.Add(-age)) } }
	tests := map[string]struct {
		in   Input
		want Decision
	}{
		"to a damaged target":              {inputOf(damaged, issuedAgo(time.Second), recent(time.Second)), Decision{Action: Render, Cause: CauseDamaged}},
		"to a missing target":              {inputOf(missing, issuedAgo(time.Second), recent(time.Second)), Decision{Action: Render, Cause: CauseNoToken}},
		"once per floor":                   {inputOf(damaged, issuedAgo(3*time.Second), recent(3*time.Second, repaired(2*time.Second))), Decision{Action: Wait, Cause: CauseDamaged, At: now.Add(3 * time.Second)}},
		"when that is over":                {inputOf(damaged, issuedAgo(8*time.Second), recent(8*time.Second, repaired(Floor))), Decision{Action: Render, Cause: CauseDamaged}},
		"although a try failed":            {inputOf(damaged, issuedAgo(time.Second), recent(time.Second), failedUntil(now.Add(time.Hour))), Decision{Action: Render, Cause: CauseDamaged}},
		"not where the target is in order": {inputOf(recent(time.Second)), keepUntilDue},
		"not for another spec": {
			inputOf(damaged, issuedAgo(time.Second), recent(time.Second), func(in *Input) { in.Spec = "spec-2" }), Decision{Action: Issue, Cause: CauseDamaged},
		},
		"not for a renewal request": {
			inputOf(missing, issuedAgo(time.Second), recent(time.Second), func(in *Input) { in.Renewal = "monday" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"not after its expiry": {inputOf(damaged, issuedAgo(2*time.Hour), recent(2*time.Hour)), Decision{Action: Issue, Cause: CauseDamaged}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Decide(tc.in)); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATokenThatWasLostIsKeptForLonger(t *testing.T) {
	t.Parallel()
	missing := func(in *Input) { in.Token = nil }
	damaged := func(in *Input) { in.Token, in.Damaged = nil, true }
	tests := map[string]struct {
		in   Input
		want time.Duration
	}{
		"after a renewal":                  {inputOf(issuedAgo(time.Hour)), Floor},
		"the first one":                    {inputOf(missing), Floor},
		"in place of one that was deleted": {inputOf(missing, issuedAgo(time.Hour)), Contested},
		"in place of one that was damaged": {inputOf(damaged), Contested},
	}
	for name, tc := range tests {
		if got := tc.in.Keep(Token{}, now).Until.Sub(now); got != tc.want {
			t.Errorf("%s: kept for %s, want %s", name, got, tc.want)
		}
	}
	if got := (Recent{}).Repair(now).Until.Sub(now); got != Contested {
		t.Errorf("once it was written a second time: kept for %s, want %s", got, Contested)
	}
}

// world is one object and those who may do as they like with it.
type world struct {
	in     Input
	life   func(issue int) time.Duration
	fails  bool
	issues []time.Time
	writes int
}

// reconcile decides, and does what was decided.
func (w *world) reconcile() {
	if r := w.in.Recent; r != nil && !w.in.Now.Before(r.Until) {
		w.in.Recent = nil
	}
	switch Decide(w.in).Action {
	case Keep, Wait:
	case Render:
		again := w.in.Recent.Repair(w.in.Now)
		w.in.Recent, w.in.Token, w.in.Damaged = &again, &again.Token, false
		w.writes++
	case Issue:
		w.issue()
	}
}

func (w *world) issue() {
	now := w.in.Now
	w.issues = append(w.issues, now)
	w.in.History = w.in.History.Sent(w.in.With(), now)
	if w.fails {
		w.in.Failure = &Failure{Inputs: w.in.Inputs(), RetryTime: now.Add(time.Minute)}
		return
	}
	issue := now.Truncate(time.Second)
	tok := Token{IssueTime: issue, ExpirationTime: issue.Add(w.life(len(w.issues))), Spec: w.in.Spec, Sources: w.in.Sources, Renewal: w.in.Renewal}
	kept := w.in.Keep(tok, now)
	w.in.History.Issued, w.in.History.IssuedWith, w.in.History.Written = now, w.in.With(), true
	w.in.Recent, w.in.Token, w.in.Damaged = &kept, &tok, false
	w.writes++
}

// TestRequestsAreBoundedWhateverHappens lets each other writer act every tenth of a second for two minutes.
func TestRequestsAreBoundedWhateverHappens(t *testing.T) {
	t.Parallel()
	const step, ticks = 100 * time.Millisecond, 1200
	lasting := func(life time.Duration) func(int) time.Duration { return func(int) time.Duration { return life } }
	alternating := func(n int) time.Duration { return []time.Duration{time.Second, time.Hour}[n%2] }
	tests := map[string]struct {
		life      func(int) time.Duration
		fails     bool
		act       func(w *world, tick int)
		most      int // in two minutes
		leastGap  time.Duration
		mostWrite int
	}{
		"a life of a second":         {life: lasting(time.Second), most: 25, leastGap: Floor},
		"a life of ten seconds":      {life: lasting(10 * time.Second), most: 25, leastGap: Floor},
		"a life that alternates":     {life: alternating, most: 2, leastGap: Floor},
		"a target damaged each time": {life: lasting(time.Hour), act: func(w *world, _ int) { w.in.Token, w.in.Damaged = nil, true }, most: 1, mostWrite: 26},
		"a target deleted each time": {life: lasting(time.Hour), act: func(w *world, _ int) { w.in.Token = nil }, most: 1, mostWrite: 26},
		"a target damaged every six seconds": {life: lasting(time.Hour), act: func(w *world, tick int) {
			if tick%60 == 59 {
				w.in.Token, w.in.Damaged = nil, true
			}
		}, most: 2, leastGap: Floor},
		"a short life and a target damaged each time":          {life: lasting(time.Second), act: func(w *world, _ int) { w.in.Token, w.in.Damaged = nil, true }, most: 25, leastGap: Floor},
		"a spec that a script changes":                         {life: lasting(time.Hour), act: func(w *world, tick int) { w.in.Spec = fmt.Sprint(tick) }, most: 27},
		"renewal requests of a script":                         {life: lasting(time.Hour), act: func(w *world, tick int) { w.in.Renewal = fmt.Sprint(tick) }, most: 27},
		"Secrets that a script changes, and requests fail":     {fails: true, act: func(w *world, tick int) { w.in.Sources = fmt.Sprint(tick) }, most: 27},
		"a CA bundle that a script changes, and requests fail": {fails: true, act: func(w *world, tick int) { w.in.Versions, w.in.Failure = fmt.Sprint(tick), nil }, most: 27},
		"all of it": {life: lasting(time.Second), act: func(w *world, tick int) {
			w.in.Spec, w.in.Token, w.in.Damaged = fmt.Sprint(tick/7), nil, tick%2 == 0
		}, most: 27},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{in: inputOf(func(in *Input) { in.Token = nil }), life: tc.life, fails: tc.fails}
			for tick := range ticks {
				w.in.Now = now.Add(time.Duration(tick) * step)
				w.reconcile()
				if tc.act != nil {
					tc.act(w, tick)
				}
			}
			if len(w.issues) > tc.most {
				t.Errorf("%d requests in two minutes, want at most %d", len(w.issues), tc.most)
			}
			for i := 1; i < len(w.issues); i++ {
				if gap := w.issues[i].Sub(w.issues[i-1]); gap < tc.leastGap {
					t.Errorf("requests %s apart, want %s", gap, tc.leastGap)
				}
			}
			if tc.mostWrite > 0 && w.writes > tc.mostWrite {
				t.Errorf("%d writes in two minutes, want at most %d", w.writes, tc.mostWrite)
			}
		})
	}
}

func TestHistoryIsBoundedAndForgets(t *testing.T) {
	t.Parallel()
	var h History
	for i := range 100 {
		h = h.Sent(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
		h = h.Sent(fmt.Sprint(i), now.Add(time.Hour)) // a retry is no change
	}
	if want := now.Add(99 * time.Second); !h.Changes[FreeChanges-1].Equal(want) {
		t.Errorf("the last change was at %s, want %s", h.Changes[FreeChanges-1], want)
	}
	if !h.Since(now.Add(98*time.Second)) || h.Since(now.Add(99*time.Second)) {
		t.Error("Since does not tell what is older than the last change")
	}
}
