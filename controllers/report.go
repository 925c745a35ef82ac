package controllers

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// report writes the status if it changed, sends events on transitions, and says when to reconcile again. It stores the entry.
func (r *EgainClientReconciler) report(ctx context.Context, ec *egainv1alpha1.EgainClient, entry journal.Entry, o status.Outcome) (ctrl.Result, error) {
	logOutcome(ctx, o)
	now := r.Clock.Now()
	before := &egainv1alpha1.EgainClient{ObjectMeta: ec.ObjectMeta, Spec: ec.Spec, Status: *ec.Status.DeepCopy()}
	ec.Status = entry.Status(ec)
	failures := ec.Status.ConsecutiveFailures
	shown, errs := status.Reportable(o, entry.Errors)
	ec.Status, entry.Errors = status.Next(ec, shown, now), errs
	if ec.Status.ConsecutiveFailures > failures {
		r.Metrics.Failed(ec.Status.LastFailure.Reason)
	}
	send(r.Recorder, ec, status.Rewritten(ec, shown))
	err := r.writeStatus(ctx, before, ec)
	entry.Unwritten = nil
	if err != nil {
		entry.Unwritten, err = ec.Status.DeepCopy(), client.IgnoreNotFound(err)
	}
	r.journal.Store(ec, entry)
	f := fault.Of(o.Err)
	if f == nil || !f.Queued {
		r.Providers.Gate.Forget(journal.Name(ec).String())
	}
	if f == nil {
		err = errors.Join(o.Err, err)
	}
	if err != nil {
		return ctrl.Result{Priority: new(priority(ec))}, err
	}
	return next(ec, o, now)
}

// writeStatus patches the status if it changed.
func (r *EgainClientReconciler) writeStatus(ctx context.Context, before, ec *egainv1alpha1.EgainClient) error {
	if equality.Semantic.DeepEqual(before.Status, ec.Status) {
		return nil
	}
	// Without the optimistic lock: the operator is the only writer of the status, and a conflict with a person who labels the
	// object would lose the outcome of the attempt.
	after := ec.DeepCopy()
	r.statuses.Record(before, &after.Status)
	writing, span := tracing.Begin(ctx, r.Tracer, "patch status")
	err := r.Client.Status().Patch(writing, ec.DeepCopy(), client.MergeFrom(before))
	tracing.End(span, err)
	if err != nil {
		r.statuses.Drop(journal.Name(ec))
		return err
	}
	send(r.Recorder, ec, status.Events(before, ec))
	return nil
}

// leaveStalled writes that a stalled client whose objects were repaired is reconciled again. Only a repair costs this write.
func (r *EgainClientReconciler) leaveStalled(ctx context.Context, ec *egainv1alpha1.EgainClient, f status.Facts, d rotation.Decision) {
	next, repaired := status.Repaired(ec, f, d, r.Clock.Now())
	if !repaired {
		return
	}
	before := &egainv1alpha1.EgainClient{ObjectMeta: ec.ObjectMeta, Spec: ec.Spec, Status: ec.Status}
	ec.Status = next
	if err := r.writeStatus(ctx, before, ec); client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).Info("Could not write that a stalled client is reconciled again", "error", err.Error())
	}
}

func logOutcome(ctx context.Context, o status.Outcome) {
	if o.Written != nil {
		log.FromContext(ctx).Info("Wrote token", "cause", o.Decision.Cause, "expirationTime", o.Written.ExpirationTime)
	}
	if f := fault.Of(o.Err); f != nil && o.Attempted && f.Class != fault.Busy && f.Class != fault.Terminal {
		log.FromContext(ctx).Info("Could not issue or write a token", "reason", f.Reason, "message", f.Message)
	}
}

// next says when to reconcile again if nothing changes. It is the one place that maps an outcome to a Result. Each Result sets the
// priority: controller-runtime enqueues an object again with the one that it had, which is that of a wake-up else.
func next(ec *egainv1alpha1.EgainClient, o status.Outcome, now time.Time) (ctrl.Result, error) {
	at, f := status.Wake(ec, o, now), fault.Of(o.Err)
	switch {
	case !at.IsZero():
		return ctrl.Result{Priority: new(priorityNext(ec, o, now)), RequeueAfter: max(at.Sub(now), time.Millisecond)}, nil
	case f != nil && f.Class == fault.Terminal:
		return ctrl.Result{Priority: new(priority(ec))}, reconcile.TerminalError(f)
	default:
		return ctrl.Result{Priority: new(priority(ec))}, nil
	}
}
