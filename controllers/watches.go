package controllers

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Indexes over EgainClients.
const (
	// indexTarget is the name of the target.
	indexTarget = "target"
	// indexObjects are the Secrets and ConfigMaps that matter to an object, as kind/name.
	indexObjects = "objects"
)

// CacheOptions keep the caches small and free of secrets: Secrets and ConfigMaps are watched as metadata, of which the
// annotations of others are dropped too, since kubectl puts whole Secrets into one.
func CacheOptions() ctrlcache.Options {
	return ctrlcache.Options{
		DefaultTransform: ctrlcache.TransformStripManagedFields(),
		ByObject: map[client.Object]ctrlcache.ByObject{
			&corev1.Secret{}:    {Transform: stripMetadata},
			&corev1.ConfigMap{}: {Transform: stripMetadata},
		},
	}
}

// ClientOptions have Secrets and ConfigMaps read live.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}}
}

// stripMetadata keeps of an object's metadata what claims and memories are read from.
func stripMetadata(in any) (any, error) {
	object, ok := in.(*metav1.PartialObjectMetadata)
	if !ok {
		if tombstone, isTombstone := in.(cache.DeletedFinalStateUnknown); isTombstone {
			return tombstone, nil
		}
		return nil, fmt.Errorf("%T in a cache of metadata", in)
	}
	kept := metav1.ObjectMeta{
		Namespace: object.Namespace, Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion,
		OwnerReferences: object.OwnerReferences,
	}
	for name, value := range object.Annotations {
		if strings.HasPrefix(name, egainv1alpha1.SchemeGroupVersion.Group+"/") {
			metav1.SetMetaDataAnnotation(&kept, name, value)
		}
	}
	object.ObjectMeta = kept
	return object, nil
}

// SetupWithManager registers the indexes and watches.
func (r *EgainClientReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	for name, extract := range map[string]client.IndexerFunc{indexTarget: targetOf, indexObjects: objectsOf} {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &egainv1alpha1.EgainClient{}, name, extract); err != nil {
			return fmt.Errorf("indexing EgainClients by %s: %w", name, err)
		}
	}
	changed := builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named("egainclient").
		Watches(&egainv1alpha1.EgainClient{}, r.clientHandler(), builder.WithPredicates(clientChanged)).
		WatchesMetadata(&corev1.Secret{}, r.objectHandler("Secret"), changed).
		WatchesMetadata(&corev1.ConfigMap{}, r.objectHandler("ConfigMap"), changed).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, UsePriorityQueue: new(true), RateLimiter: retryLimiter()}).
		Complete(r)
}

func targetOf(o client.Object) []string {
	return []string{o.(*egainv1alpha1.EgainClient).TargetName()}
}

func objectsOf(o client.Object) []string {
	ec := o.(*egainv1alpha1.EgainClient)
	objects := []string{"Secret/" + ec.TargetName()}
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		objects = append(objects, "Secret/"+string(ref.Name))
	}
	if ref := subjectSecret(ec); ref != nil {
		objects = append(objects, "Secret/"+string(ref.Name))
	}
	if ref := ec.Spec.Tenant.CABundleRef; ref != nil {
		objects = append(objects, ref.Kind+"/"+string(ref.Name))
	}
	return objects
}

// clientChanged passes what may change a decision: the spec, a renewal request, the deletion. Labels and annotations that
// others stamp, and our own status, do not.
var clientChanged = predicate.Or(
	predicate.GenerationChangedPredicate{},
	predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()
		return was[egainv1alpha1.RenewRequestedAtAnnotation] != is[egainv1alpha1.RenewRequestedAtAnnotation] ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}},
)

// clientHandler enqueues an EgainClient, and those that wait for the target that it gives up.
func (r *EgainClientReconciler) clientHandler() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			enqueue(q, e.Object.(*egainv1alpha1.EgainClient))
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			was, is := e.ObjectOld.(*egainv1alpha1.EgainClient), e.ObjectNew.(*egainv1alpha1.EgainClient)
			enqueue(q, is)
			if was.TargetName() != is.TargetName() {
				r.enqueueBy(ctx, q, was.Namespace, client.MatchingFields{indexTarget: was.TargetName()})
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			gone := e.Object.(*egainv1alpha1.EgainClient)
			enqueue(q, gone)
			r.enqueueBy(ctx, q, gone.Namespace, client.MatchingFields{indexTarget: gone.TargetName()})
		},
	}
}

// objectHandler enqueues the EgainClients that a Secret or ConfigMap matters to.
func (r *EgainClientReconciler) objectHandler(kind string) handler.EventHandler {
	wake := func(ctx context.Context, o client.Object, q queue) {
		r.enqueueBy(ctx, q, o.GetNamespace(), client.MatchingFields{indexObjects: kind + "/" + o.GetName()})
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { wake(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { wake(ctx, e.Object, q) },
	}
}

func (r *EgainClientReconciler) enqueueBy(ctx context.Context, q queue, namespace string, fields client.MatchingFields) {
	var found egainv1alpha1.EgainClientList
	if err := r.Cache.List(ctx, &found, client.InNamespace(namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing EgainClients from the cache failed", "fields", fields)
		return
	}
	for i := range found.Items {
		enqueue(q, &found.Items[i])
	}
}
