// Package controllers moves the cluster: it reads EgainClients and what they name, has tokens issued, applies targets and
// reports. It is the only package that talks to the API server. A reconcile is observe, decide, act, report: one file each,
// except for decide, which is internal/rotation.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// ActTimeout bounds a reconcile. One under way when the operator is stopped goes on within that bound, so that a requested
// token is also written.
const ActTimeout = 90 * time.Second

// EgainClientReconciler keeps the targets of EgainClients.
type EgainClientReconciler struct {
	Parts
	// Tokens requests tokens.
	Tokens *provider.Requester
	// Workers is how many objects are reconciled at a time.
	Workers int
	// Namespaces that the operator works in; all if empty.
	Namespaces []string

	// started is when the first reconcile of this process began, the same at each call.
	started func() time.Time
	// journal, sessions and statuses keep what is not written yet, or not in the cache.
	journal  journal.Journal
	sessions journal.Sessions
	statuses journal.Statuses
	// references tell which EgainClients name an object.
	references references
	// wakeups enqueue those whose request may be sent.
	wakeups *wakeups
}

// What the operator may do, and why. Secrets: list and watch wake it when credentials or targets change (metadata only);
// get reads credentials and targets; create and patch are what server-side apply needs; delete removes a target that was
// renamed or must be replaced since its type or immutability cannot be changed. EgainClients: patch sets the finalizer.
// Namespaces: their labels tell which of them an EgainTenant allows. What is only read from the cache takes no get.
// TokenReviews and SubjectAccessReviews let the metrics endpoint ask who may read it, and TokenReviews tell which
// audiences of ServiceAccount tokens are the API server's own.
//
// +kubebuilder:rbac:groups=auth.egain.com,resources=egainclients,verbs=list;watch;patch
// +kubebuilder:rbac:groups=auth.egain.com,resources=egainclients/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile brings one EgainClient's target up to date: load, observe, decide, act, report.
func (r *EgainClientReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ActTimeout)
	defer cancel()
	last := r.statuses.Last(req.NamespacedName)
	ec := &egainv1alpha1.EgainClient{}
	if err := r.Client.Get(ctx, req.NamespacedName, ec); apierrors.IsNotFound(err) {
		return r.departed(ctx, req.NamespacedName), nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the EgainClient: %w", err)
	}
	r.statuses.CatchUp(ec, last)
	// Before anything else, and whatever else fails: the refresh token that it replaces is void, and a restart loses it.
	written, unwritten := r.sessions.Write(ctx, secrets{r.Client}, journal.Name(ec), sessionName(ec))
	entry := r.journal.Load(ec, r.Clock.Now())
	if !ec.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, ec, entry, unwritten)
	}
	ctx, span := tracing.Begin(ctx, r.Tracer, "reconcile EgainClient")
	o, entry := r.observeAndAct(ctx, ec, entry, written, unwritten)
	next, err := r.report(ctx, ec, entry, o)
	endReconcile(span, ec, o, err)
	return next, err
}

// observeAndAct observes, decides and acts.
func (r *EgainClientReconciler) observeAndAct(
	ctx context.Context, ec *egainv1alpha1.EgainClient, entry journal.Entry, written *session.Written, unwritten error,
) (status.Outcome, journal.Entry) {
	if unwritten == nil {
		if err := ensureFinalizer(ctx, r.Client, ec); err != nil {
			return status.Outcome{Result: status.Result{Err: err}}, entry
		}
	}
	seen, entry, err := r.observe(ctx, ec, entry, written)
	o := status.Outcome{Facts: seen.Facts}
	if unwritten != nil {
		// The status reports that, and what is true of the target. Nothing is decided, which is to keep what there is.
		o.Unread = err != nil && fault.Of(err) == nil
		o.Decided, o.Result = !o.Unread, status.Result{Attempted: true, Err: unwritten}
		return o, entry
	}
	if o.Decided = err == nil; o.Decided {
		o.Decision = rotation.Decide(seen.Input)
		r.leaveStalled(ctx, ec, seen.Facts, o.Decision)
	}
	o.Result, entry = r.act(ctx, ec, seen, entry, o.Decision, err)
	return o, entry
}

// endReconcile ends the span of a reconcile.
func endReconcile(span trace.Span, ec *egainv1alpha1.EgainClient, o status.Outcome, err error) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(tracing.Namespace.String(ec.Namespace), tracing.Client.String(ec.Name))
	if o.Decision.Cause != "" {
		span.SetAttributes(tracing.Cause.String(o.Decision.Cause))
	}
	tracing.End(span, errors.Join(o.Err, err))
}

// departed forgets an EgainClient that is gone. It keeps writing the refresh tokens that the client requested: another may use the
// session next.
func (r *EgainClientReconciler) departed(ctx context.Context, name types.NamespacedName) ctrl.Result {
	r.journal.Forget(name)
	r.statuses.Drop(name)
	r.Providers.Gate.Forget(name.String())
	_, err := r.sessions.Write(ctx, secrets{r.Client}, name, types.NamespacedName{})
	return keepWriting(ctx, ctrl.Result{}, err)
}

// keepWriting retries soon what must be written and cannot be reported in a status.
func keepWriting(ctx context.Context, result ctrl.Result, unwritten error) ctrl.Result {
	if unwritten == nil || result.RequeueAfter > 0 {
		return result
	}
	log.FromContext(ctx).Info("Could not write a refresh token of a deleted EgainClient; it is in memory until it is written", "reason", tracing.Reason(unwritten))
	return ctrl.Result{RequeueAfter: session.RetryWithin, Priority: new(priorityFirst)}
}

// WriteHeldSessions makes a last attempt to write the refresh tokens that are not written yet, and logs which sessions end with the
// process. It is for after the last reconcile.
func (r *EgainClientReconciler) WriteHeldSessions(ctx context.Context) {
	for secret, err := range r.sessions.WriteAll(ctx, secrets{r.Client}) {
		log.FromContext(ctx).Error(err, "A refresh token is lost, since it could not be written before the process ended: log in again", "secret", secret)
	}
}

// SetupWithManager registers the indexes and watches.
func (r *EgainClientReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	for name, extract := range indexes {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &egainv1alpha1.EgainClient{}, name, extract); err != nil {
			return fmt.Errorf("indexing EgainClients by %s: %w", name, err)
		}
	}
	sweep := func(context.Context) { r.journal.Sweep(r.Clock.Now()) }
	grant := func(context.Context) { r.Providers.Gate.Tick() }
	for every, do := range map[time.Duration]func(context.Context){time.Second: sweep, gate.TickInterval: grant} {
		run := func(ctx context.Context) error { wait.UntilWithContext(ctx, do, every); return nil }
		if err := mgr.Add(manager.RunnableFunc(run)); err != nil {
			return fmt.Errorf("adding what runs every %v: %w", every, err)
		}
	}
	r.Cache = referring{r.Cache, &r.references}
	r.Tokens.Reader.Cache = clients{r.Cache}
	w := waker{r.Cache, &r.references}
	changed := builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})
	seen := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		r.statuses.Seen(e.ObjectNew.(*egainv1alpha1.EgainClient))
		return true
	}}
	return ctrl.NewControllerManagedBy(mgr).
		Named("egainclient").
		Watches(&egainv1alpha1.EgainClient{}, w.clientHandler(), builder.WithPredicates(seen, clientChanged)).
		WatchesMetadata(&corev1.Secret{}, w.objectHandler("Secret"), changed).
		WatchesMetadata(&corev1.ConfigMap{}, w.objectHandler("ConfigMap"), changed).
		Watches(&egainv1alpha1.EgainTenant{}, w.tenantHandler(), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, becameReady))).
		WatchesMetadata(&corev1.Namespace{}, w.namespaceHandler(), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(&r.wakeups.clients).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, UsePriorityQueue: new(true), RateLimiter: retryLimiter()}).
		Complete(r)
}
