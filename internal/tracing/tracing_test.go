package tracing

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
)

func TestNothingIsTracedUnlessTheEnvironmentAsksForIt(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string]map[string]string{
		"nothing is set":   nil,
		"it is turned off": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_SDK_DISABLED": "true"},
		"only the service": {"OTEL_SERVICE_NAME": "egain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, stop, err := Start(t.Context(), func(name string) string { return environment[name] })
			if tracer != nil || err != nil {
				t.Errorf("got %v, %v", tracer, err)
			}
			stop()
		})
	}
}

func TestAProtocolThatIsNotSpokenIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		environment := map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318", name: "http/protobuf"}
		_, _, err := Start(t.Context(), func(name string) string { return environment[name] })
		if err == nil || !strings.Contains(err.Error(), `is "http/protobuf": spans are sent by grpc only`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// receiver is a collector that keeps what it gets.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	got chan *collector.ExportTraceServiceRequest
}

func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.got <- request
	return &collector.ExportTraceServiceResponse{}, nil
}

// The SDK reads the environment of the process itself, so that this test cannot run beside others.
func TestSpansReachACollector(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{got: make(chan *collector.ExportTraceServiceRequest, 10)}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	environment := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}

	tracer, stop, err := Start(t.Context(), func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Start(t.Context(), "reconcile EgainClient")
	span.End()
	stop()

	request := <-r.got
	spans := request.GetResourceSpans()[0]
	if name := spans.GetScopeSpans()[0].GetSpans()[0].GetName(); name != "reconcile EgainClient" {
		t.Errorf("the span is called %q", name)
	}
	for key, want := range map[string]string{"service.name": Name, "deployment.environment.name": "test"} {
		if !slices.ContainsFunc(spans.GetResource().GetAttributes(), func(a *commonv1.KeyValue) bool {
			return a.GetKey() == key && a.GetValue().GetStringValue() == want
		}) {
			t.Errorf("%s is not %q: %v", key, want, spans.GetResource())
		}
	}
}
