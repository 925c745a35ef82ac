package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/egain-operator/egain-operator/internal/plain"
	"github.com/egain-operator/egain-operator/internal/status"
)

// send sends events about an object.
func send(recorder events.EventRecorder, about runtime.Object, all []status.Event) {
	for _, e := range all {
		recorder.Eventf(about, nil, e.Type, e.Reason, e.Action, "%s", plain.Line(e.Message))
	}
}

// The event of a CA bundle that is used in part.
const (
	reasonCertificatesSkipped = "CertificatesSkipped"
	actionReadCABundle        = "ReadCABundle"
)

// sendSkipped sends an event about what of a CA bundle cannot be used, and logs it.
func sendSkipped(ctx context.Context, recorder events.EventRecorder, about runtime.Object, skipped string) {
	log.FromContext(ctx).Info("Skipped certificates of the CA bundle", "skipped", skipped)
	recorder.Eventf(about, nil, corev1.EventTypeWarning, reasonCertificatesSkipped, actionReadCABundle,
		"part of the CA bundle is not used: %s; replace or remove it (the rest is trusted)", skipped)
}
