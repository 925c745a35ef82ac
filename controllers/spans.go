package controllers

import (
	"context"
	"errors"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// Attributes of spans. They hold names, hosts and reasons: no message, and nothing of a request or an answer.
const (
	attributeNamespace = attribute.Key("k8s.namespace.name")
	attributeClient    = attribute.Key("egain.client.name")
	attributeTenant    = attribute.Key("egain.tenant.name")
	attributeCause     = attribute.Key("egain.rotation.cause")
	attributeFlow      = attribute.Key("egain.flow")
	attributeSecret    = attribute.Key("k8s.secret.name")
	attributeHost      = attribute.Key("server.address")
	attributeReason    = attribute.Key("error.type")
)

// unclassified is the reason of a failure that neither the operator nor the API server has one for.
const unclassified = "Unknown"

// begin begins a span of what is done with a context. Without a tracer there is none, and it costs nothing.
func begin(ctx context.Context, tracer trace.Tracer, name string) (context.Context, trace.Span) {
	if tracer == nil {
		return ctx, trace.SpanFromContext(ctx)
	}
	return tracer.Start(ctx, name)
}

// end ends a span with what came of it.
func end(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	if f := fault.Of(err); err != nil && (f == nil || f.Class != fault.Busy) {
		reason := reasonOf(err)
		span.SetAttributes(attributeReason.String(reason))
		span.SetStatus(codes.Error, reason)
	}
	span.End()
}

// endReconcile ends the span of a reconcile of an EgainClient with what it was about and what came of it.
func endReconcile(span trace.Span, ec *egainv1alpha1.EgainClient, o *outcome, err error) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attributeNamespace.String(ec.Namespace), attributeClient.String(ec.Name))
	if o.decision.Cause != "" {
		span.SetAttributes(attributeCause.String(o.decision.Cause))
	}
	end(span, errors.Join(o.err, err))
}

// reasonOf is the reason of a failure, or the API server's. Messages are left out: those of the API server may quote what was
// written.
func reasonOf(err error) string {
	if f := fault.Of(err); f != nil {
		return f.Reason
	}
	if reason := apierrors.ReasonForError(err); reason != "" {
		return string(reason)
	}
	return unclassified
}

// hostOf is the host of a URL, empty if that is none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
