package controllers

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
)

// failingRank is the remaining life that a client without a token ranks with after a failure: it must not stand before the
// renewals of healthy clients for as long as it fails.
const failingRank = time.Hour

const (
	// priorityFirst is that of clients that have no token yet.
	priorityFirst = 0
	// priorityWoken is that of an object whose request may be sent now.
	priorityWoken = 1
)

// priority orders the queue; greater is served first. Clients without a token come first, then those whose token expires
// soonest. It is made of the time of expiry itself, not of what is left, so that priorities given at different times
// compare.
func priority(ec *egainv1alpha1.EgainClient) int {
	if at := rank(ec); !at.IsZero() {
		return -int(at.Unix())
	}
	return priorityFirst
}

// rank is the time of expiry that orders an object in the queue and at the gate; zero to be first.
func rank(ec *egainv1alpha1.EgainClient) time.Time {
	switch st := &ec.Status; {
	case status.TooShort(st.Token): // its renewal would otherwise come before all others, each time
		return st.Token.IssueTime.Add(failingRank)
	case st.Token != nil && st.Token.ExpirationTime != nil:
		return st.Token.ExpirationTime.Time
	case st.LastFailure != nil && st.LastFailure.Time != nil:
		return st.LastFailure.Time.Add(failingRank)
	default:
		return time.Time{}
	}
}

// priorityNext is that of an object after a reconcile. One that must not send a request yet, as since another writer removes its
// token each time, ranks as after a failure.
func priorityNext(ec *egainv1alpha1.EgainClient, o status.Outcome, now time.Time) int {
	first := priority(ec)
	if first == priorityFirst && o.Decided && o.Decision.Action == rotation.Wait {
		return -int(now.Add(failingRank).Unix())
	}
	return first
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueue adds an object with its priority.
func enqueue(q queue, ec *egainv1alpha1.EgainClient) { enqueueAfter(q, ec, 0) }

// enqueueAfter adds an object with its priority after a time.
func enqueueAfter(q queue, ec *egainv1alpha1.EgainClient, after time.Duration) {
	enqueueAs(q, journal.Name(ec), priority(ec), after)
}

func enqueueAs(q queue, name types.NamespacedName, priority int, after time.Duration) {
	request := reconcile.Request{NamespacedName: name}
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: after}, request)
		return
	}
	q.AddAfter(request, after)
}

// wakeups enqueue the objects whose request may be sent now, with top priority: until it is sent, its slot is idle.
type wakeups struct {
	clients, tenants wakeupQueue
}

// wakeupQueue is a source.Source.
type wakeupQueue struct {
	queue atomic.Pointer[queue]
}

// Start is that of source.Source. It notes the queue.
func (w *wakeupQueue) Start(_ context.Context, q queue) error {
	w.queue.Store(&q)
	return nil
}

// wake enqueues an EgainClient by namespace and name, or an EgainTenant by a name without a namespace. It does not block.
func (w *wakeups) wake(key string) {
	namespace, name, _ := strings.Cut(key, "/")
	of := &w.clients
	if namespace == "" {
		of = &w.tenants
	}
	if q := of.queue.Load(); q != nil {
		enqueueAs(*q, types.NamespacedName{Namespace: namespace, Name: name}, priorityWoken, 0)
	}
}

// Bounds of the wait after an error of the API server: shorter than the default's 1000 s, since only the API server's own
// recovery is waited for.
const (
	retryBase    = 250 * time.Millisecond
	retryCeiling = 30 * time.Second
)

func retryLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryBase, retryCeiling)
}
