package controllers

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
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
	case st.Token != nil && st.Token.ExpirationTime != nil:
		return -int(st.Token.ExpirationTime.Unix())
	case st.LastFailure != nil && st.LastFailure.Time != nil:
		return -int(st.LastFailure.Time.Add(failingRank).Unix())
	default:
		return priorityFirst
	}
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueue adds an object with its priority.
func enqueue(q queue, ec *egainv1alpha1.EgainClient) { enqueueAfter(q, ec, 0) }

// enqueueAfter adds an object with its priority after a time.
func enqueueAfter(q queue, ec *egainv1alpha1.EgainClient, after time.Duration) {
	request := reconcile.Request{NamespacedName: key(ec)}
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: new(priority(ec)), After: after}, request)
		return
	}
	q.AddAfter(request, after)
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
