// Package tracing knows where spans are sent, and nothing of what they are about. It goes by the environment variables of the
// OpenTelemetry specification, so that an operator is traced as any other program of its cluster is.
package tracing

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Name is that of the service, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES have another, and of the tracer.
const Name = "egain-operator"

// protocol is the one that is spoken: the library for it is in the binary anyhow, since Kubernetes' API server filters use it.
const protocol = "grpc"

// lastSend bounds the time that the end of the operator is put off for spans; the kubelet waits for longer.
const lastSend = 5 * time.Second

// Start returns a tracer that sends spans by OTLP, if OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set
// and OTEL_SDK_DISABLED is not true; else nil. The variables for headers, certificates, timeouts, samplers and batches are
// honoured too. What cannot be sent is logged. The returned function sends the spans that are left, in 5 seconds at most.
func Start(ctx context.Context, getenv func(string) string) (trace.Tracer, func(), error) {
	none := func() {}
	if first(getenv, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == "" || getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, none, nil
	}
	if p := first(getenv, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); p != "" && p != protocol {
		return nil, none, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: spans are sent by %s only, so set it to that and the endpoint to the collector's port for it, which is usually 4317", p, protocol)
	}
	described, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", Name)), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, none, fmt.Errorf("describing the operator to OpenTelemetry: %w", err)
	}
	// It connects when there is something to send, so that a collector that is down keeps no one from starting.
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, none, fmt.Errorf("preparing to send spans: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.FromContext(ctx).Error(err, "Tracing failed") }))
	return provider.Tracer(Name), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSend)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}, nil
}

func first(getenv func(string) string, names ...string) string {
	for _, name := range names {
		if value := getenv(name); value != "" {
			return value
		}
	}
	return ""
}
