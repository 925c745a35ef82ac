package tracing

import (
	"context"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Attributes of spans. They hold names, hosts and reasons: no message, and nothing of a request or an answer.
const (
	Namespace = attribute.Key("k8s.namespace.name")
	Client    = attribute.Key("egain.client.name")
	Tenant    = attribute.Key("egain.tenant.name")
	Cause     = attribute.Key("egain.rotation.cause")
	Flow      = attribute.Key("egain.flow")
	Secret    = attribute.Key("k8s.secret.name")
	Host      = attribute.Key("server.address")
	reasonKey = attribute.Key("error.type")
)

// unclassified is the reason of a failure that neither the operator nor the API server has a reason for.
const unclassified = "Unknown"

// Begin starts a span. Without a tracer it starts none, which costs nothing.
func Begin(ctx context.Context, tracer trace.Tracer, name string) (context.Context, trace.Span) {
	if tracer == nil {
		return ctx, trace.SpanFromContext(ctx)
	}
	return tracer.Start(ctx, name)
}

// End ends a span, and records the reason of an error.
func End(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	if f := fault.Of(err); err != nil && (f == nil || f.Class != fault.Busy) {
		reason := Reason(err)
		span.SetAttributes(reasonKey.String(reason))
		span.SetStatus(codes.Error, reason)
	}
	span.End()
}

// Reason is the reason of an error: ours, or the API server's. It contains no message: those of the API server may quote what was
// written.
func Reason(err error) string {
	if f := fault.Of(err); f != nil {
		return f.Reason
	}
	if reason := apierrors.ReasonForError(err); reason != "" {
		return string(reason)
	}
	return unclassified
}

// HostOf is the host of a URL, empty if it is no URL.
func HostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
