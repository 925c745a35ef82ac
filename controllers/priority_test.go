package controllers

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// queued is how many objects the tests of the queue have. A peer had to switch this queue off at some 3,000
// (external-secrets#6053).
const queued = 10_000

func newQueue(t *testing.T) priorityqueue.PriorityQueue[reconcile.Request] {
	t.Helper()
	return priorityqueue.New(t.Name(), func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = retryLimiter() })
}

func expiring(i int, at time.Time) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprintf("client-%d", i)}}
	if !at.IsZero() {
		ec.Status.Token = &egainv1alpha1.TokenStatus{ExpirationTime: second(at)}
	}
	return ec
}

func TestTheQueueServesClientsWithoutATokenFirstAndThenTheSoonestToExpire(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	byName := map[string]*egainv1alpha1.EgainClient{}
	order := rand.New(rand.NewPCG(1, 2)).Perm(queued)
	q := newQueue(t)
	defer q.ShutDown()
	for _, i := range order {
		at := now.Add(time.Duration(i) * time.Second)
		if i%10 == 0 {
			at = time.Time{}
		}
		ec := expiring(i, at)
		byName[ec.Name] = ec
		enqueue(q, ec)
	}
	g.Eventually(q.Len).WithTimeout(patience).Should(gomega.Equal(queued))

	last := priorityFirst
	for range queued {
		request, got, _ := q.GetWithPriority()
		g.Expect(got).To(gomega.Equal(priority(byName[request.Name])))
		g.Expect(got).To(gomega.BeNumerically("<=", last))
		last = got
		q.Done(request)
	}
}

func TestTheQueueLosesNoObject(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	const rounds = 5
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	q := newQueue(t)
	var mu sync.Mutex
	served := map[string]int{}
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for {
				request, _, shutdown := q.GetWithPriority()
				if shutdown {
					return
				}
				mu.Lock()
				served[request.Name]++
				again := served[request.Name] < rounds
				due := served[request.Name]
				mu.Unlock()
				if again {
					// As the controller does after a reconcile: later, with the priority of the new token.
					later := -int(now.Unix()) - due
					q.AddWithOpts(priorityqueue.AddOpts{After: time.Duration(due) * time.Millisecond, Priority: &later}, request)
				}
				q.Done(request)
			}
		})
	}
	for i := range queued {
		enqueue(q, expiring(i, now.Add(time.Duration(i%600)*time.Second)))
	}
	g.Eventually(func() int {
		mu.Lock()
		defer mu.Unlock()
		done := 0
		for _, times := range served {
			if times >= rounds {
				done++
			}
		}
		return done
	}).WithTimeout(patience).Should(gomega.Equal(queued))
	q.ShutDown()
	workers.Wait()
}

func TestAClientThatKeepsFailingDoesNotStandBeforeRenewals(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	failing := expiring(1, time.Time{})
	failing.Status.LastFailure = &egainv1alpha1.FailureStatus{Time: second(now)}
	g.Expect(priority(failing)).To(gomega.BeNumerically("<", priority(expiring(2, now.Add(10*time.Minute)))))
	g.Expect(priority(failing)).To(gomega.BeNumerically(">", priority(expiring(3, now.Add(24*time.Hour)))))
	g.Expect(priority(expiring(4, time.Time{}))).To(gomega.BeNumerically(">", priority(expiring(5, now.Add(-time.Hour)))))
}
