// Package controllers moves the cluster: it reads EgainClients and what they name, has tokens issued, applies targets and
// reports. It is the only package that talks to the API server. A reconcile is observe, decide, act, report: one file each,
// but for decide, which is internal/rotation.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// ActTimeout bounds a reconcile. It goes on for as long after the operator is told to stop, so that a token that was
// asked for is also written.
const ActTimeout = 90 * time.Second

// EgainClientReconciler keeps the targets of EgainClients.
type EgainClientReconciler struct {
	Parts
	// Providers reaches authorization servers and their documents.
	Providers *provider.Access
	// Requests reads what token requests are made of.
	Requests *request.Reader
	// OAuth sends token requests.
	OAuth *oauth.Client
	// Workers is how many objects are reconciled at a time.
	Workers int
	// Namespaces that the operator works in; all if empty.
	Namespaces []string

	// started is when the first reconcile of this process began, the same at each call.
	started    func() time.Time
	memory     memory
	references references
	callers    callers
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

// Reconcile brings one EgainClient's target up to date.
func (r *EgainClientReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ActTimeout)
	defer cancel()
	last := r.memory.lastWritten(req.NamespacedName)
	ec := &egainv1alpha1.EgainClient{}
	if err := r.Client.Get(ctx, req.NamespacedName, ec); apierrors.IsNotFound(err) {
		r.memory.forget(req.NamespacedName)
		_, unwritten := r.memory.writeSessions(ctx, r.Client, req.NamespacedName, types.NamespacedName{})
		return r.departed(ctx, req.NamespacedName, ctrl.Result{}, unwritten), nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the EgainClient: %w", err)
	}
	r.memory.catchUp(ec, last)
	// Before anything else, and whatever else fails: the refresh token that it replaces is void, and a restart loses it.
	written, unwritten := r.memory.writeSessions(ctx, r.Client, key(ec), sessionKey(ec))
	if !ec.DeletionTimestamp.IsZero() {
		result, err := r.finalize(ctx, ec)
		return r.departed(ctx, req.NamespacedName, result, unwritten), err
	}
	if unwritten != nil {
		return r.reportUnwritten(ctx, ec, unwritten)
	}
	if err := ensureFinalizer(ctx, r.Client, ec); err != nil {
		return r.report(ctx, ec, status.Outcome{Result: status.Result{Err: err}})
	}
	ctx, span := tracing.Begin(ctx, r.Tracer, "reconcile EgainClient")
	seen, observeErr := r.observe(ctx, ec, written)
	o := status.Outcome{Facts: seen.Facts, Decided: observeErr == nil}
	if o.Decided {
		o.Decision = rotation.Decide(seen.Input)
		r.leaveStalled(ctx, ec, seen.Facts, o.Decision)
	}
	o.Result = r.act(ctx, ec, seen, o.Decision, observeErr)
	next, err := r.report(ctx, ec, o)
	endReconcile(span, ec, o, err)
	return next, err
}

// reportUnwritten reports that a refresh token cannot be written, and nothing else. The world is read only so that the status
// says of the target what is true.
func (r *EgainClientReconciler) reportUnwritten(ctx context.Context, ec *egainv1alpha1.EgainClient, unwritten error) (ctrl.Result, error) {
	ctx, span := tracing.Begin(ctx, r.Tracer, "reconcile EgainClient")
	seen, err := r.observe(ctx, ec, nil)
	unread := err != nil && fault.Of(err) == nil
	// Nothing was decided, which is to keep what there is.
	o := status.Outcome{Facts: seen.Facts, Decided: !unread, Unread: unread, Result: status.Result{Attempted: true, Err: unwritten}}
	next, err := r.report(ctx, ec, o)
	endReconcile(span, ec, o, err)
	return next, err
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
