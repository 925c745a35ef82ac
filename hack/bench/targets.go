package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// change is a token that has come into a target.
type change struct {
	target types.NamespacedName
	// seen is when the watch told of it.
	seen time.Time
	// due is when the token before it was to be replaced; zero if there was none.
	due time.Time
	// lapsed says that the token before it had expired.
	lapsed bool
}

// late is how long after it was due the token came.
func (c change) late() time.Duration { return c.seen.Sub(c.due) }

// targets watches targets as a workload would that is told of new tokens at once.
type targets struct {
	mu      sync.Mutex
	tokens  map[types.NamespacedName]string
	due     map[types.NamespacedName]rotation.Token
	changes []change
	waiting map[types.NamespacedName]chan time.Time
	err     error
}

// watch begins to watch targets in a namespace, or all if that is empty, until the context ends.
func (w *world) watch(ctx context.Context, namespace string) (*targets, error) {
	t := &targets{
		tokens: map[types.NamespacedName]string{}, due: map[types.NamespacedName]rotation.Token{}, waiting: map[types.NamespacedName]chan time.Time{},
	}
	options := metav1.ListOptions{LabelSelector: target.LabelManagedBy + "=" + target.Manager}
	secrets := w.clientset.CoreV1().Secrets(namespace)
	list, err := secrets.List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("listing targets: %w", err)
	}
	for i := range list.Items {
		t.see(&list.Items[i], time.Time{})
	}
	options.ResourceVersion = list.ResourceVersion
	events, err := secrets.Watch(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("watching targets: %w", err)
	}
	w.jobs.Go(func() { t.follow(ctx, events) })
	return t, nil
}

func (t *targets) follow(ctx context.Context, events watch.Interface) {
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, more := <-events.ResultChan():
			secret, is := event.Object.(*corev1.Secret)
			if !more || !is {
				t.mu.Lock()
				t.err = fmt.Errorf("the watch of targets ended")
				t.mu.Unlock()
				return
			}
			if event.Type != watch.Deleted {
				t.see(secret, time.Now())
			}
		}
	}
}

// see notes a token that is new. What was there before the watch began has no time.
func (t *targets) see(secret *corev1.Secret, now time.Time) {
	name := types.NamespacedName{Namespace: secret.Namespace, Name: secret.Name}
	token := string(secret.Data[target.KeyAccessToken])
	t.mu.Lock()
	defer t.mu.Unlock()
	if token == "" || t.tokens[name] == token {
		return
	}
	t.tokens[name] = token
	if !now.IsZero() {
		c := change{target: name, seen: now}
		if before, known := t.due[name]; known {
			c.due = rotation.RenewAt(before.IssueTime, before.ExpirationTime, rotation.Policy{}, rotation.Spread(owner(secret)))
			c.lapsed = now.After(before.ExpirationTime)
		}
		t.changes = append(t.changes, c)
		if waiting := t.waiting[name]; waiting != nil {
			waiting <- now
			delete(t.waiting, name)
		}
	}
	if remembered := target.Recall(secret); remembered != nil {
		t.due[name] = *remembered
	}
}

func owner(secret *corev1.Secret) string {
	if controller := metav1.GetControllerOf(secret); controller != nil {
		return string(controller.UID)
	}
	return ""
}

// expect returns a channel that receives the time of the next token of a target.
func (t *targets) expect(name types.NamespacedName) <-chan time.Time {
	told := make(chan time.Time, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[name] = told
	return told
}

// since returns what changed since the last call.
func (t *targets) since() ([]change, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.changes
	t.changes = nil
	return all, t.err
}

// await waits for what expect returned.
func await(ctx context.Context, told <-chan time.Time, limit time.Duration) (time.Time, error) {
	select {
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	case <-time.After(limit):
		return time.Time{}, fmt.Errorf("no new token came in %s", limit)
	case at := <-told:
		return at, nil
	}
}
