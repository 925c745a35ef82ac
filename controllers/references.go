package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// references tell which EgainClients name a Secret or ConfigMap. An index of the cache would take 340 bytes for each name, twice:
// it keeps a set for each, with and without the namespace, although usually one client names an object. The zero value is empty.
type references struct {
	mu sync.RWMutex
	by map[named]referrers
}

// named is an object, as kind/name, that EgainClients of its namespace name.
type named struct{ namespace, object string }

// referrers are the names of EgainClients, and of each whether it names the object as its target: one, or several.
type referrers struct {
	one     string
	target  bool
	several map[string]bool
}

// add notes what an EgainClient names. The handler of its events does so before it enqueues the client: one that finds an
// object missing has been noted by then, and is enqueued when the object appears.
func (r *references) add(ec *egainv1alpha1.EgainClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[named]referrers{}
	}
	target := targetOf(ec)
	for _, object := range objectsOf(ec) {
		name := named{ec.Namespace, object}
		who, known := r.by[name]
		switch {
		case !known:
			r.by[name] = referrers{one: ec.Name, target: object == target}
		case who.several != nil:
			who.several[ec.Name] = object == target
		case who.one != ec.Name:
			r.by[name] = referrers{several: map[string]bool{who.one: who.target, ec.Name: object == target}}
		}
	}
}

// remove forgets what an EgainClient named.
func (r *references) remove(ec *egainv1alpha1.EgainClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, object := range objectsOf(ec) {
		name := named{ec.Namespace, object}
		who := r.by[name]
		delete(who.several, ec.Name)
		if who.one == ec.Name || (who.several != nil && len(who.several) == 0) {
			delete(r.by, name)
		}
	}
}

// of are the names of the EgainClients that name an object, sorted.
func (r *references) of(name named) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch who, known := r.by[name]; {
	case !known:
		return nil
	case who.several == nil:
		return []string{who.one}
	default:
		return slices.Sorted(maps.Keys(who.several))
	}
}

// targeting are the names of the EgainClients that name an object as their target. Usually that is none or one, however many
// name it.
func (r *references) targeting(name named) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	who := r.by[name]
	var found []string
	if who.target {
		found = append(found, who.one)
	}
	for client, target := range who.several {
		if target {
			found = append(found, client)
		}
	}
	return found
}

// referring is a cache that looks EgainClients up by what they name.
type referring struct {
	client.Reader
	references *references
}

// List answers what is asked by indexObjects, which needs a namespace, and has the cache answer all else.
func (r referring) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(options)
	if o.FieldSelector == nil {
		return r.Reader.List(ctx, list, options...)
	}
	object, asked := o.FieldSelector.RequiresExactMatch(indexObjects)
	clients, ok := list.(*egainv1alpha1.EgainClientList)
	if !asked || !ok {
		return r.Reader.List(ctx, list, options...)
	}
	for _, name := range r.references.of(named{o.Namespace, object}) {
		var ec egainv1alpha1.EgainClient
		err := r.Get(ctx, types.NamespacedName{Namespace: o.Namespace, Name: name}, &ec, &client.GetOptions{UnsafeDisableDeepCopy: o.UnsafeDisableDeepCopy})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("looking up EgainClient %q: %w", name, err)
		}
		// The cache may be ahead of the events.
		if err == nil && slices.Contains(objectsOf(&ec), object) {
			clients.Items = append(clients.Items, ec)
		}
	}
	return nil
}
