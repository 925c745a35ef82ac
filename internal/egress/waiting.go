package egress

import (
	"container/heap"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// slotWait is after how long somebody who waits for a slot is to look by himself: a call is in vain if it reaches one who
	// no longer wants a slot, and the next call comes when another request ends.
	slotWait = 5 * time.Second
	// looksPerSecond bounds how many of those who wait for an endpoint look by themselves; each look takes some 0.1 ms of CPU.
	looksPerSecond = 100
	// spellCeiling bounds what that comes to.
	spellCeiling = 5 * time.Minute
)

// Waiter is who wants a slot, or an endpoint that fails, and is called when it can be had.
type Waiter struct {
	// Key tells one from another.
	Key any
	// Rank orders those who wait; the lowest is called first.
	Rank int64
	// Call is called once when that is so, though somebody else may take the slot before. It must not block.
	Call func()
}

// waiting are those who found no slot of one kind free, or wait for one endpoint. Without it all of them would have to look
// again and again, which with some hundreds costs more than the requests that they wait for.
type waiting struct {
	ranks ranks
	byKey map[any]*waiter
	// called are those for whom a slot is free, and who have not come for it yet.
	called map[any]bool
}

type waiter struct {
	Waiter
	place int
}

// spell is after how long one of those who wait for an endpoint, and is not the first, is to look by himself. The first finds
// out sooner, unless it no longer wants anything.
func (q *waiting) spell() time.Duration {
	return min(max(probeAgain, time.Duration(len(q.ranks))*time.Second/looksPerSecond), spellCeiling)
}

// join has somebody called, and reports whether he is the first.
func (q *waiting) join(w Waiter) (first bool) {
	if known := q.byKey[w.Key]; known != nil {
		known.Waiter = w
		heap.Fix(&q.ranks, known.place)
		return known.place == 0
	}
	if q.byKey == nil {
		q.byKey = map[any]*waiter{}
	}
	added := &waiter{Waiter: w}
	q.byKey[w.Key] = added
	heap.Push(&q.ranks, added)
	return added.place == 0
}

// came notes that somebody looks for a slot, and whether he gets it. If one who was not called gets one, those who were called
// may not come at all, and no longer keep others from being called.
func (q *waiting) came(key any, gets bool) {
	if q.called[key] {
		delete(q.called, key)
	} else if gets {
		clear(q.called)
	}
	if known := q.byKey[key]; known != nil && gets {
		heap.Remove(&q.ranks, known.place)
		delete(q.byKey, key)
	}
}

// next returns the calls of those who can have so many free slots. They are to be made without a lock.
func (q *waiting) next(free int) (calls []func()) {
	for len(q.ranks) > 0 && len(q.called) < free {
		first := heap.Pop(&q.ranks).(*waiter)
		delete(q.byKey, first.Key)
		if q.called == nil {
			q.called = map[any]bool{}
		}
		q.called[first.Key] = true
		calls = append(calls, first.Call)
	}
	return calls
}

// idle reports whether nobody waits, or is being called.
func (q *waiting) idle() bool { return len(q.byKey) == 0 && len(q.called) == 0 }

// ranks is a heap.
type ranks []*waiter

// Len is that of sort.Interface.
func (r ranks) Len() int { return len(r) }

// Less is that of sort.Interface.
func (r ranks) Less(i, j int) bool { return r[i].Rank < r[j].Rank }

// Swap is that of sort.Interface.
func (r ranks) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].place, r[j].place = i, j
}

// Push is that of heap.Interface.
func (r *ranks) Push(x any) {
	added := x.(*waiter)
	added.place = len(*r)
	*r = append(*r, added)
}

// Pop is that of heap.Interface.
func (r *ranks) Pop() any {
	last := len(*r) - 1
	w := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return w
}

// busy is the failure of who found no slot, and is called if he is a waiter.
func busy(w *Waiter, format, host string) *fault.Error {
	f := fault.New(fault.Busy, fault.ReasonServerUnavailable, format, host)
	if w != nil {
		f.Called, f.RetryAfter = true, slotWait
	}
	return f
}

func ring(calls []func()) {
	for _, call := range calls {
		call()
	}
}
