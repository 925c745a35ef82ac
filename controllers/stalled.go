package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
)

// leaveStalled writes that a stalled client whose objects were repaired is reconciled again. Only a repair costs this write.
func (r *EgainClientReconciler) leaveStalled(ctx context.Context, ec *egainv1alpha1.EgainClient, f status.Facts, d rotation.Decision) {
	next, repaired := status.Repaired(ec, f, d, r.Clock.Now())
	if !repaired {
		return
	}
	before := &egainv1alpha1.EgainClient{ObjectMeta: ec.ObjectMeta, Spec: ec.Spec, Status: ec.Status}
	ec.Status = next
	if err := r.writeStatus(ctx, before, ec); err != nil {
		log.FromContext(ctx).Info("Could not write that a stalled client is reconciled again", "error", err.Error())
	}
}
