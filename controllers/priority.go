package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
)

// failingRank is the remaining life that a client without a token ranks with after a failure: it must not stand before the
// renewals of healthy clients for as long as it fails.
const failingRank = time.Hour

// priorityFirst is that of clients that have no token yet.
const priorityFirst = 0

// priority orders the queue; greater is served first. Clients without a token come first, then those whose token expires
// soonest. It is made of the time of expiry itself, not of what is left, so that priorities given at different times
// compare.
func priority(ec *egainv1alpha1.EgainClient) int {
	switch st := &ec.Status; {
	case status.TooShort(st.Token): // its renewal would otherwise come before all others, each time
		return -int(st.Token.IssueTime.Add(failingRank).Unix())
	case st.Token != nil && st.Token.ExpirationTime != nil:
		return -int(st.Token.ExpirationTime.Unix())
	case st.LastFailure != nil && st.LastFailure.Time != nil:
		return -int(st.LastFailure.Time.Add(failingRank).Unix())
	default:
		return priorityFirst
	}
}

// priorityNext is that of an object after a reconcile. One that must not send a request yet, as since another writer removes its
// token each time, ranks as after a failure.
func priorityNext(ec *egainv1alpha1.EgainClient, o status.Outcome, now time.Time) int {
	rank := priority(ec)
	if rank == priorityFirst && o.Decided && o.Decision.Action == rotation.Wait {
		return -int(now.Add(failingRank).Unix())
	}
	return rank
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueue adds an object with its priority.
func enqueue(q queue, ec *egainv1alpha1.EgainClient) { enqueueAfter(q, ec, 0) }

// enqueueAfter adds an object with its priority after a time.
func enqueueAfter(q queue, ec *egainv1alpha1.EgainClient, after time.Duration) {
	enqueueAs(q, key(ec), priority(ec), after)
}

func enqueueAs(q queue, name types.NamespacedName, priority int, after time.Duration) {
	request := reconcile.Request{NamespacedName: name}
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: after}, request)
		return
	}
	q.AddAfter(request, after)
}

// callers is a source.Source of those who waited for a slot or an endpoint, and are called.
type callers struct {
	queue queue
}

// Start is that of source.Source. It notes the queue.
func (c *callers) Start(_ context.Context, q queue) error {
	c.queue = q
	return nil
}

// waiter has an object enqueued when there is a slot for its request, or its endpoint has recovered.
func (r *EgainClientReconciler) waiter(ec *egainv1alpha1.EgainClient) egress.Waiter {
	name, rank := key(ec), priority(ec)
	return egress.Waiter{Key: name, Rank: int64(-rank), Call: func() {
		if q := r.callers.queue; q != nil {
			enqueueAs(q, name, rank, 0)
		}
	}}
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
