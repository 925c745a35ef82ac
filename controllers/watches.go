package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// Indexes over EgainClients.
const (
	// indexObjects are the Secrets and ConfigMaps that matter to an object, as kind/name.
	indexObjects = "objects"
	// indexTenant is the name of the EgainTenant that an object refers to.
	indexTenant = "tenant"
	// indexSubject is the name of the EgainClient whose token an object exchanges.
	indexSubject = "subject"
)

// indexes of the cache over EgainClients, each with what it is made of. indexObjects is not one of them: see references.
var indexes = map[string]client.IndexerFunc{indexTenant: tenantOf, indexSubject: subjectClientOf}

// becameReady passes the transition of an EgainTenant to Ready.
var becameReady = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	ready := func(o client.Object) bool {
		return meta.IsStatusConditionTrue(o.(*egainv1alpha1.EgainTenant).Status.Conditions, egainv1alpha1.ConditionReady)
	}
	return !ready(e.ObjectOld) && ready(e.ObjectNew)
}}

// objectsOf are the Secrets and ConfigMaps that matter to an EgainClient, as kind/name.
func objectsOf(ec *egainv1alpha1.EgainClient) []string {
	objects := []string{targetOf(ec)}
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		objects = append(objects, "Secret/"+string(ref.Name))
	}
	if x := ec.Spec.TokenExchange; x != nil && x.SubjectToken.SecretKeyRef != nil {
		objects = append(objects, "Secret/"+string(x.SubjectToken.SecretKeyRef.Name))
	}
	if name := request.SessionName(ec); name != "" {
		objects = append(objects, "Secret/"+name)
	}
	if ref := ec.Spec.Tenant.CABundleRef; ref != nil {
		objects = append(objects, ref.Kind+"/"+string(ref.Name))
	}
	return objects
}

// targetOf is the target of an EgainClient, as kind/name.
func targetOf(ec *egainv1alpha1.EgainClient) string { return "Secret/" + ec.TargetName() }

func tenantOf(o client.Object) []string {
	if ref := o.(*egainv1alpha1.EgainClient).Spec.TenantRef; ref != nil {
		return []string{string(ref.Name)}
	}
	return nil
}

func subjectClientOf(o client.Object) []string {
	if name := request.SubjectClient(o.(*egainv1alpha1.EgainClient)); name != "" {
		return []string{name}
	}
	return nil
}

// clientChanged passes what may change a decision: the spec, a renewal request, the deletion, and another object of the same
// name, which is all that is seen of a deletion and a creation while the watch was down. Labels and annotations that others
// stamp, and our own status, do not.
var clientChanged = predicate.Or(
	predicate.GenerationChangedPredicate{},
	predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()
		return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() ||
			was[egainv1alpha1.RenewRequestedAtAnnotation] != is[egainv1alpha1.RenewRequestedAtAnnotation] ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}},
)

// waker enqueues the EgainClients that an event concerns.
type waker struct {
	cache      client.Reader
	references *references
}

// clientHandler enqueues an EgainClient, those that exchange its token, and those that wait for the target or the session
// that it gives up.
func (w waker) clientHandler() handler.EventHandler {
	leave := func(ctx context.Context, q queue, was *egainv1alpha1.EgainClient) {
		w.enqueueBy(ctx, q, was.Namespace, client.MatchingFields{indexObjects: "Secret/" + was.TargetName()})
		if name := request.SessionName(was); name != "" {
			w.enqueueBy(ctx, q, was.Namespace, client.MatchingFields{indexObjects: "Secret/" + name})
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			is := e.Object.(*egainv1alpha1.EgainClient)
			w.references.add(is)
			enqueue(q, is)
			if !e.IsInInitialList {
				w.enqueueBy(ctx, q, e.Object.GetNamespace(), client.MatchingFields{indexSubject: e.Object.GetName()})
				w.wakeTargeting(ctx, q, is, nil)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			was, is := e.ObjectOld.(*egainv1alpha1.EgainClient), e.ObjectNew.(*egainv1alpha1.EgainClient)
			w.references.remove(was)
			w.references.add(is)
			enqueue(q, is)
			if was.Generation != is.Generation {
				w.enqueueBy(ctx, q, is.Namespace, client.MatchingFields{indexSubject: is.Name})
			}
			w.wakeTargeting(ctx, q, was, is)
			w.wakeTargeting(ctx, q, is, was)
			if was.TargetName() != is.TargetName() || request.SessionName(was) != request.SessionName(is) {
				leave(ctx, q, was)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			gone := e.Object.(*egainv1alpha1.EgainClient)
			w.references.remove(gone)
			enqueue(q, gone)
			w.wakeTargeting(ctx, q, gone, nil)
			leave(ctx, q, gone)
		},
	}
}

// wakeTargeting enqueues the EgainClients whose target one EgainClient names, and another does not: what it is read for decides
// whether it may be a target.
func (w waker) wakeTargeting(ctx context.Context, q queue, names, not *egainv1alpha1.EgainClient) {
	var others []string
	if not != nil {
		others = objectsOf(not)
	}
	for _, object := range objectsOf(names) {
		if !slices.Contains(others, object) {
			w.enqueueTargeting(ctx, q, named{names.Namespace, object})
		}
	}
}

func (w waker) enqueueTargeting(ctx context.Context, q queue, object named) {
	for _, name := range w.references.targeting(object) {
		var ec egainv1alpha1.EgainClient
		if err := w.cache.Get(ctx, types.NamespacedName{Namespace: object.namespace, Name: name}, &ec, client.UnsafeDisableDeepCopy); err == nil {
			enqueue(q, &ec)
		}
	}
}

// objectHandler enqueues the EgainClients that a Secret or ConfigMap matters to. At a start each EgainClient is enqueued for
// itself, and looked at when all is in the cache: to enqueue them for each object, too, would take seconds with 100,000.
func (w waker) objectHandler(kind string) handler.EventHandler {
	wake := func(ctx context.Context, o client.Object, q queue) {
		w.wakeTenants(ctx, q, kind, o)
		clients := w.clients(ctx, o.GetNamespace(), client.MatchingFields{indexObjects: kind + "/" + o.GetName()})
		for i := range clients {
			ec := &clients[i]
			enqueue(q, ec)
			if kind == "Secret" && ec.TargetName() == o.GetName() {
				w.enqueueBy(ctx, q, ec.Namespace, client.MatchingFields{indexSubject: ec.Name})
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				wake(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { wake(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { wake(ctx, e.Object, q) },
	}
}

// wakeTenants enqueues the EgainClients of the EgainTenants that an object is the CA bundle of, and those that use its applications
// whose credentials the object is.
func (w waker) wakeTenants(ctx context.Context, q queue, kind string, o client.Object) {
	var tenants egainv1alpha1.EgainTenantList
	if err := w.cache.List(ctx, &tenants, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing EgainTenants from the cache failed")
		return
	}
	for i := range tenants.Items {
		ref := tenants.Items[i].Spec.CABundleRef
		if ref != nil && ref.Kind == kind && string(ref.Namespace) == o.GetNamespace() && string(ref.Name) == o.GetName() {
			w.wakeTenant(ctx, q, tenants.Items[i].Name)
		}
		if kind == "Secret" {
			w.wakeBorrowers(ctx, q, &tenants.Items[i], o)
		}
	}
}

// wakeBorrowers enqueues the EgainClients that use an application of an EgainTenant whose credentials are in a Secret.
func (w waker) wakeBorrowers(ctx context.Context, q queue, et *egainv1alpha1.EgainTenant, secret client.Object) {
	for i := range et.Spec.Applications {
		app := &et.Spec.Applications[i]
		ref := &app.CredentialsSecretRef
		if string(ref.Namespace) == secret.GetNamespace() && string(ref.Name) == secret.GetName() {
			w.wakeSome(ctx, q, et.Name, triesFirst, func(ec *egainv1alpha1.EgainClient) bool { return ec.Application() == string(app.Name) })
		}
	}
}

// tenantHandler enqueues the EgainClients of an EgainTenant.
func (w waker) tenantHandler() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				w.wakeTenant(ctx, q, e.Object.GetName())
				w.wakeSecrets(ctx, q, e.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			w.wakeTenant(ctx, q, e.ObjectNew.GetName())
			w.wakeSecrets(ctx, q, e.ObjectOld)
			w.wakeSecrets(ctx, q, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			w.wakeTenant(ctx, q, e.Object.GetName())
			w.wakeSecrets(ctx, q, e.Object)
		},
	}
}

// wakeSecrets enqueues the EgainClients whose target is a Secret that an EgainTenant names.
func (w waker) wakeSecrets(ctx context.Context, q queue, tenant client.Object) {
	spec := &tenant.(*egainv1alpha1.EgainTenant).Spec
	if ref := spec.CABundleRef; ref != nil && ref.Kind == "Secret" {
		w.enqueueTargeting(ctx, q, named{string(ref.Namespace), "Secret/" + string(ref.Name)})
	}
	for i := range spec.Applications {
		ref := &spec.Applications[i].CredentialsSecretRef
		w.enqueueTargeting(ctx, q, named{string(ref.Namespace), "Secret/" + string(ref.Name)})
	}
}

const (
	// tenantPace is the time that each client of a changed tenant adds to the time over which they are reconciled, so
	// that a change of the token endpoint does not send all of them there at once.
	tenantPace = 20 * time.Millisecond
	// tenantWindow bounds that time.
	tenantWindow = time.Minute
	// triesFirst is how much sooner than the others the client is reconciled that tries changed credentials of an application.
	triesFirst = time.Second
)

// wakeTenant enqueues the clients of a tenant, spread in time, and in the same order each time.
func (w waker) wakeTenant(ctx context.Context, q queue, name string) {
	w.wakeSome(ctx, q, name, 0, func(*egainv1alpha1.EgainClient) bool { return true })
}

// wakeSome is wakeTenant for the clients that an event concerns. The soonest to expire comes some time before the others.
func (w waker) wakeSome(ctx context.Context, q queue, name string, ahead time.Duration, concerns func(*egainv1alpha1.EgainClient) bool) {
	clients := slices.DeleteFunc(w.clients(ctx, "", client.MatchingFields{indexTenant: name}), func(ec egainv1alpha1.EgainClient) bool { return !concerns(&ec) })
	window := min(time.Duration(len(clients))*tenantPace, tenantWindow)
	first := 0
	for i := range clients {
		if rank(&clients[i]).Before(rank(&clients[first])) {
			first = i
		}
	}
	for i := range clients {
		after := ahead + time.Duration(rotation.Spread(string(clients[i].UID))*float64(window))
		if ahead > 0 && i == first {
			after = 0
		}
		enqueueAfter(q, &clients[i], after)
	}
}

// namespaceHandler enqueues the EgainClients of a namespace that depend on its labels.
func (w waker) namespaceHandler() handler.EventHandler {
	return handler.Funcs{UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
		for _, ec := range w.clients(ctx, e.ObjectNew.GetName(), nil) {
			if ec.Spec.TenantRef != nil {
				enqueue(q, &ec)
			}
		}
	}}
}

func (w waker) enqueueBy(ctx context.Context, q queue, namespace string, fields client.MatchingFields) {
	for _, ec := range w.clients(ctx, namespace, fields) {
		enqueue(q, &ec)
	}
}

// clients lists EgainClients from the cache, not to be changed. An empty namespace stands for all.
func (w waker) clients(ctx context.Context, namespace string, fields client.MatchingFields) []egainv1alpha1.EgainClient {
	var found egainv1alpha1.EgainClientList
	options := []client.ListOption{client.InNamespace(namespace), client.UnsafeDisableDeepCopy}
	if fields != nil {
		options = append(options, fields)
	}
	if err := w.cache.List(ctx, &found, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing EgainClients from the cache failed", "fields", fields)
		return nil
	}
	return found.Items
}
