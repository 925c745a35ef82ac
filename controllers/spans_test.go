package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/target"
)

// traced gives the reconciler a tracer, and returns what is recorded.
func (f *fixture) traced() *tracetest.SpanRecorder {
	recorder := tracetest.NewSpanRecorder()
	f.r.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	f.r.Providers.Tracer = f.r.Tracer
	return recorder
}

// told says of each span that has ended, in that order, what it was, under which other, and what came of it.
func told(recorder *tracetest.SpanRecorder) []string {
	names := map[string]string{}
	for _, span := range recorder.Ended() {
		names[span.SpanContext().SpanID().String()] = span.Name()
	}
	var all []string
	for _, span := range recorder.Ended() {
		text := span.Name()
		if parent, ok := names[span.Parent().SpanID().String()]; ok {
			text += " in " + parent
		}
		if span.Status().Code == codes.Error {
			text += ": " + span.Status().Description
		}
		all = append(all, text)
	}
	recorder.Reset()
	return all
}

func TestTracesAReconcileFromTheRequestToTheWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	recorder := f.traced()
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints, ec.Spec.Tenant.MetadataURL = nil, egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleFlatCamel, egainsim.Client))
	})

	result := f.run(ec)
	for _, span := range recorder.Ended() {
		text := fmt.Sprint(span.Attributes())
		f.Expect(strings.Contains(span.Name(), "token")).To(gomega.Equal(strings.Contains(text, "ClientCredentials")), text)
	}
	f.Expect(told(recorder)).To(gomega.Equal([]string{
		"read metadata in reconcile EgainClient", "request token in reconcile EgainClient", "apply Secret in reconcile EgainClient",
		"patch status in reconcile EgainClient", "reconcile EgainClient",
	}))

	f.run(ec)
	f.Expect(told(recorder)).To(gomega.Equal([]string{"reconcile EgainClient"}), "there was nothing to do")

	f.step(result.RequeueAfter)
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Status: 401, Error: "invalid_client"})
	f.run(ec)
	f.Expect(told(recorder)).To(gomega.Equal([]string{
		"request token in reconcile EgainClient: ClientRejected", "patch status in reconcile EgainClient", "reconcile EgainClient: ClientRejected",
	}))
}

func TestTracesAReconcileOfATenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	recorder := f.traced()
	et := f.tenant(f.byConsole)
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})

	result := f.inspect(et)
	f.Expect(told(recorder)).To(gomega.Equal([]string{
		"read metadata in reconcile EgainTenant: MetadataUnavailable", "patch status in reconcile EgainTenant", "reconcile EgainTenant: MetadataUnavailable",
	}))

	f.sim.ClearFaults()
	f.step(result.RequeueAfter)
	f.inspect(et)
	for _, span := range recorder.Ended() {
		text := fmt.Sprint(span.Attributes())
		f.Expect(strings.Contains(span.Name(), "reconcile")).To(gomega.Equal(strings.Contains(text, et.Name)), text)
	}
	f.Expect(told(recorder)).To(gomega.Equal([]string{
		"read metadata in reconcile EgainTenant", "patch status in reconcile EgainTenant", "reconcile EgainTenant",
	}))
}

func TestNoSpanHoldsASecretOrAMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	recorder := f.traced()
	f.credentials()
	ec := f.client("sync")
	result := f.run(ec)
	token := f.value("sync", target.KeyAccessToken)
	f.step(result.RequeueAfter)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 400, Error: "invalid_scope"})
	f.run(ec)
	all := ""
	for _, span := range recorder.Ended() {
		all += fmt.Sprintln(span.Name(), span.Attributes(), span.Status(), span.Events(), span.Links())
	}
	f.Expect(all).To(gomega.ContainSubstring("ScopeRejected"))
	f.Expect(token).NotTo(gomega.BeEmpty())
	for _, secret := range []string{token, egainsim.RigelClientSecret, egainsim.RigelClientID, ec.Status.LastFailure.Message} {
		f.Expect(all).NotTo(gomega.ContainSubstring(secret))
	}
}
