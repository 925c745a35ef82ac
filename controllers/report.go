package controllers

import (
	"context"
	"errors"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// report writes the status if it changed, sends events on transitions, and says when to come back.
func (r *EgainClientReconciler) report(ctx context.Context, ec *egainv1alpha1.EgainClient, o status.Outcome) (ctrl.Result, error) {
	r.logOutcome(ctx, o)
	now := r.Clock.Now()
	before := &egainv1alpha1.EgainClient{ObjectMeta: ec.ObjectMeta, Spec: ec.Spec, Status: *ec.Status.DeepCopy()}
	remembered := r.memory.recall(ec)
	ec.Status = remembered.status(ec)
	failures := ec.Status.ConsecutiveFailures
	told := r.told(ec, o)
	ec.Status = status.Next(ec, told, now)
	if ec.Status.ConsecutiveFailures > failures {
		r.Metrics.Failed(ec.Status.LastFailure.Reason)
	}
	send(r.Recorder, ec, status.Rewritten(ec, told))
	err := r.writeStatus(ctx, before, ec)
	if fault.Of(o.Err) == nil {
		err = errors.Join(o.Err, err)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return next(ec, o, now)
}

// writeStatus patches the status if it changed. One that cannot be written is remembered, and written the next time.
func (r *EgainClientReconciler) writeStatus(ctx context.Context, before, ec *egainv1alpha1.EgainClient) error {
	late := r.memory.recall(ec).unwritten != nil
	if patch, name := statusPatch(before, ec); patch != nil {
		// Without the optimistic lock: the operator is the only writer of the status, and a conflict with somebody who
		// labels the object would lose what came of the attempt.
		latest := ec.Status.DeepCopy()
		r.memory.write(before, latest)
		writing, span := tracing.Begin(ctx, r.Tracer, "patch status")
		err := r.Client.Status().Patch(writing, name, patch)
		tracing.End(span, err)
		if err != nil {
			r.memory.unwrite(before)
			r.memory.update(ec, func(m *recollection) { m.unwritten = latest })
			return client.IgnoreNotFound(err)
		}
		send(r.Recorder, ec, status.Events(before, ec))
	}
	if late {
		r.memory.update(ec, func(m *recollection) { m.unwritten = nil })
	}
	return nil
}

// statusPatch returns the patch that makes one status the other, and the name of the object that it is for; nil if they are
// the same. To encode and decode whole objects, for the patch and from the answer, would take a fifth of the CPU of a rotation.
func statusPatch(before, after *egainv1alpha1.EgainClient) (client.Patch, *metav1.PartialObjectMetadata) {
	was, is := &egainv1alpha1.EgainClient{Status: before.Status}, &egainv1alpha1.EgainClient{Status: after.Status}
	differ := false
	old, latest := reflect.ValueOf(&was.Status).Elem(), reflect.ValueOf(&is.Status).Elem()
	for i := range old.NumField() {
		if equality.Semantic.DeepEqual(old.Field(i).Interface(), latest.Field(i).Interface()) {
			old.Field(i).SetZero()
			latest.Field(i).SetZero()
			continue
		}
		differ = true
	}
	if !differ {
		return nil, nil
	}
	name := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: after.Namespace, Name: after.Name}}
	name.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	return difference{client.MergeFrom(was), is}, name
}

// difference is the patch to a given object, whatever object the answer is read into.
type difference struct {
	client.Patch
	to client.Object
}

// Data is that of client.Patch.
func (d difference) Data(client.Object) ([]byte, error) { return d.Patch.Data(d.to) }

func (r *EgainClientReconciler) logOutcome(ctx context.Context, o status.Outcome) {
	if o.Written != nil {
		log.FromContext(ctx).Info("Wrote token", "cause", o.Decision.Cause, "expirationTime", o.Written.ExpirationTime)
	}
	if f := fault.Of(o.Err); f != nil && o.Attempted && f.Class != fault.Busy && f.Class != fault.Terminal {
		log.FromContext(ctx).Info("Issuing a token failed", "reason", f.Reason, "message", f.Message)
	}
}

// next says when to reconcile again if nothing changes. It is the one place that maps an outcome to a Result.
func next(ec *egainv1alpha1.EgainClient, o status.Outcome, now time.Time) (ctrl.Result, error) {
	at, f := status.Wake(ec, o, now), fault.Of(o.Err)
	switch {
	case !at.IsZero():
		return ctrl.Result{Priority: new(priorityNext(ec, o, now)), RequeueAfter: max(at.Sub(now), time.Millisecond)}, nil
	case f != nil && f.Class == fault.Terminal:
		return ctrl.Result{}, reconcile.TerminalError(f)
	default:
		return ctrl.Result{Priority: new(priority(ec))}, nil
	}
}
