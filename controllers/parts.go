package controllers

import (
	"go.opentelemetry.io/otel/trace"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/provider"
)

// Parts are what both reconcilers work with.
type Parts struct {
	// Client reads Secrets and ConfigMaps live, the kinds of the API from the cache, and writes.
	Client client.Client
	// Cache holds the kinds of the API, and the metadata of Secrets and ConfigMaps.
	Cache client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder sends events.
	Recorder events.EventRecorder
	// Providers reaches authorization servers and their documents. New sets it.
	Providers *provider.Access
	// Metrics counts.
	Metrics *metrics.Metrics
	// Tracer traces reconciles; nil for none.
	Tracer trace.Tracer
}
