package controllers

import (
	"context"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// The event of a CA bundle that is used in part.
const (
	reasonCertificatesSkipped = "CertificatesSkipped"
	actionReadCABundle        = "ReadCABundle"
)

// reportSkipped sends an event about what of a CA bundle cannot be used, once for each version of the bundle, and returns it.
func (r *EgainClientReconciler) reportSkipped(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client) string {
	skipped := strings.Join(r.Providers.Egress.Skipped(hc), ", ")
	if skipped == "" || r.memory.recall(ec).skippedIn == f.Trust {
		return skipped
	}
	r.memory.update(ec, func(m *recollection) { m.skippedIn = f.Trust })
	sendSkipped(ctx, r.Recorder, ec, skipped)
	return skipped
}

// sendSkipped sends the event, and logs it.
func sendSkipped(ctx context.Context, recorder events.EventRecorder, about runtime.Object, skipped string) {
	log.FromContext(ctx).Info("Skipped certificates of the CA bundle", "skipped", skipped)
	recorder.Eventf(about, nil, corev1.EventTypeWarning, reasonCertificatesSkipped, actionReadCABundle,
		"the rest of the CA bundle is trusted, but %s: issue that certificate again, or remove it", skipped)
}
