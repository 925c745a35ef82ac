package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// countDelay gathers the EgainClients that come and go with a tenant, as when a whole namespace is applied, into one
// update of its status.
const countDelay = time.Second

// tenantFailures is the count that the wait after a failure is computed for: a tenant keeps none, and nothing but its status
// waits, since its clients look for themselves.
const tenantFailures = 5

// documentRetry is the wait until documents are read again that could not be, or of which an old copy serves. It is the time
// for which a Directory sends no further request.
const documentRetry = 30 * time.Second

// EgainTenantReconciler reports on EgainTenants: their endpoints, what their metadata say, how many clients they have. The
// EgainClients do not depend on it; they read the same documents from the same Directory.
type EgainTenantReconciler struct {
	Parts
	// Reader knows whether the credentials of applications can be read.
	Reader *request.Reader
	// wakeups enqueue those whose document may be read.
	wakeups *wakeups
	// skipped is what was last reported of the CA bundle of a tenant, by its name; nothing if all of it can be used.
	skipped sync.Map
}

// +kubebuilder:rbac:groups=auth.egain.com,resources=egaintenants,verbs=list;watch
// +kubebuilder:rbac:groups=auth.egain.com,resources=egaintenants/status,verbs=patch

// Reconcile brings the status of one EgainTenant up to date.
func (r *EgainTenantReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	et := &egainv1alpha1.EgainTenant{}
	if err := r.Client.Get(ctx, req.NamespacedName, et); err != nil {
		r.Providers.Gate.Forget(req.String())
		r.skipped.Delete(req.Name)
		return ctrl.Result{Priority: new(priorityFirst)}, client.IgnoreNotFound(err)
	}
	if !et.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	ctx, span := tracing.Begin(ctx, r.Tracer, "reconcile EgainTenant")
	span.SetAttributes(tracing.Tenant.String(et.Name))
	found, failure, err := r.reconcile(ctx, et)
	tracing.End(span, errors.Join(failure, err))
	f := fault.Of(failure)
	if f == nil || !f.Queued {
		r.Providers.Gate.Forget(req.String())
	}
	if err != nil {
		return ctrl.Result{Priority: new(priorityFirst)}, client.IgnoreNotFound(err)
	}
	next, err := r.nextLook(found, f)
	next.Priority = new(priorityFirst)
	return next, err
}

// reconcile finds out about a tenant, and says so in its status. A failure is one that the status tells; an error keeps it from
// being told.
func (r *EgainTenantReconciler) reconcile(ctx context.Context, et *egainv1alpha1.EgainTenant) (found provider.Inspection, failure, err error) {
	use, err := r.use(ctx, et)
	if err != nil {
		return provider.Inspection{}, nil, err
	}
	found, failure = r.Providers.Inspect(ctx, request.Shared(et))
	r.warnSkipped(ctx, et, found.Skipped)
	if errors.Is(failure, context.Canceled) || (failure != nil && fault.Of(failure) == nil) {
		return provider.Inspection{}, nil, failure
	}
	before := et.DeepCopy()
	et.Status = status.NextTenant(et, use, found, fault.Of(failure), r.Clock.Now())
	r.countFailure(before, et, fault.Of(failure))
	if !equality.Semantic.DeepEqual(before.Status, et.Status) {
		writing, span := tracing.Begin(ctx, r.Tracer, "patch status")
		err = r.Client.Status().Patch(writing, et, client.MergeFrom(before))
		tracing.End(span, err)
		if err != nil {
			return provider.Inspection{}, failure, err
		}
		send(r.Recorder, et, status.TenantEvents(before, et))
	}
	return found, failure, nil
}

// warnSkipped sends an event about what of a CA bundle cannot be used, once until that changes.
func (r *EgainTenantReconciler) warnSkipped(ctx context.Context, et *egainv1alpha1.EgainTenant, skipped string) {
	if before, _ := r.skipped.Swap(et.Name, skipped); skipped != "" && before != skipped {
		sendSkipped(ctx, r.Recorder, et, skipped)
	}
}

// use observes the EgainClients of a tenant, and the Secrets of its applications.
func (r *EgainTenantReconciler) use(ctx context.Context, et *egainv1alpha1.EgainTenant) (status.Use, error) {
	var clients egainv1alpha1.EgainClientList
	if err := r.Cache.List(ctx, &clients, client.MatchingFields{indexTenant: et.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return status.Use{}, fmt.Errorf("listing the EgainClients of EgainTenant %q: %w", et.Name, err)
	}
	use := status.Use{Clients: clients.Items, Unreadable: map[egainv1alpha1.ApplicationName]*fault.Error{}}
	for i := range et.Spec.Applications {
		app := &et.Spec.Applications[i]
		err := r.Reader.CheckApplication(ctx, app)
		if f := fault.Of(err); f != nil {
			use.Unreadable[app.Name] = f
		} else if err != nil {
			return status.Use{}, err
		}
	}
	return use, nil
}

// countFailure counts a failure, and one that waits for a change once, however often it is looked at.
func (r *EgainTenantReconciler) countFailure(before, after *egainv1alpha1.EgainTenant, f *fault.Error) {
	if f == nil || f.Queued {
		return
	}
	waits := f.Class == fault.Waiting || f.Class == fault.Terminal
	if waits && equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) {
		return
	}
	r.Metrics.TenantFailed(f.Reason)
}

// nextLook is when the document is read again, or the failure looked at again.
func (r *EgainTenantReconciler) nextLook(found provider.Inspection, f *fault.Error) (ctrl.Result, error) {
	now := r.Clock.Now()
	switch {
	case f == nil && found.Found.Metadata == nil:
		return ctrl.Result{}, nil
	case f == nil:
		return ctrl.Result{RequeueAfter: rereadAfter(found.Found, r.Providers.Directory.Lifetime, now)}, nil
	case f.Queued:
		return ctrl.Result{RequeueAfter: documentRetry}, nil
	}
	if at, retries := f.RetryTime(fault.Attempt{Failures: tenantFailures, Time: now}); retries {
		return ctrl.Result{RequeueAfter: at.Sub(now)}, nil
	}
	return ctrl.Result{}, reconcile.TerminalError(f)
}

// rereadAfter is the wait until the documents are read again.
func rereadAfter(found oauth.Discovery, lifetime time.Duration, now time.Time) time.Duration {
	if found.AnonymousFault != nil {
		return documentRetry
	}
	return max(lifetime-now.Sub(found.ReadTime), documentRetry)
}

// SetupWithManager registers the watches. The indexes are those of the EgainClientReconciler, which is set up first.
func (r *EgainTenantReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("egaintenant").
		For(&egainv1alpha1.EgainTenant{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&egainv1alpha1.EgainClient{}, countHandler()).
		WatchesMetadata(&corev1.Secret{}, r.applicationHandler()).
		WatchesRawSource(&r.wakeups.tenants).
		WithOptions(controller.Options{UsePriorityQueue: new(true), RateLimiter: retryLimiter()}).
		Complete(r)
}

// applicationHandler has a tenant reconciled when the Secret of one of its applications appears or goes.
func (r *EgainTenantReconciler) applicationHandler() handler.EventHandler {
	notify := func(ctx context.Context, secret client.Object, q queue) {
		var tenants egainv1alpha1.EgainTenantList
		if !list(ctx, r.Cache, &tenants, "EgainTenants") {
			return
		}
		for i := range tenants.Items {
			if et := &tenants.Items[i]; et.SecretUseIn(secret.GetNamespace(), secret.GetName()) != "" {
				q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(et)}, countDelay)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				notify(ctx, e.Object, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { notify(ctx, e.Object, q) },
	}
}

// countHandler has the clients of a tenant counted again when one comes, goes, changes tenants, or says something else of its
// application.
func countHandler() handler.EventHandler {
	recount := func(o client.Object, q queue) {
		if ref := o.(*egainv1alpha1.EgainClient).Spec.TenantRef; ref != nil {
			q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: string(ref.Name)}}, countDelay)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { recount(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			was, is := e.ObjectOld.(*egainv1alpha1.EgainClient), e.ObjectNew.(*egainv1alpha1.EgainClient)
			if was.Generation != is.Generation || status.ApplicationsDiffer(was, is) {
				recount(was, q)
				recount(is, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { recount(e.Object, q) },
	}
}
