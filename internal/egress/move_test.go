package egress

import (
	"net/http"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// counted counts how often its connections are given up.
type reconnecting struct{ given int }

func (*reconnecting) RoundTrip(*http.Request) (*http.Response, error) { return nil, down() }

func (r *reconnecting) CloseIdleConnections() { r.given++ }

// An address may change while the old one still answers 503, or hangs.
func TestBreakers_ReconnectToAnEndpointThatFails(t *testing.T) {
	t.Parallel()
	b, clock, _ := newBreakers()
	connections := &reconnecting{}
	e := Endpoint{Client: &http.Client{Transport: connections}, URL: "https://ai.egain.cloud/token"}
	limited := fault.New(fault.Retryable, fault.ReasonRateLimited, "HTTP 429")
	for _, outcome := range []error{down(), nil, down(), nil, limited, limited, nil} {
		_, _ = try(b, e, outcome)
	}
	if connections.given != 0 {
		t.Fatalf("connections were given up %d times for single failures", connections.given)
	}
	openAt(t, b, e)
	since := connections.given
	if since == 0 {
		t.Fatal("no connection was given up for failures in a row")
	}
	// A probe that hangs must not take the next one with it.
	for i := range maxProbes {
		for b.Admit(e) != nil {
			clock.at = clock.at.Add(100 * time.Millisecond)
		}
		if connections.given != since+i+1 {
			t.Errorf("probe %d has a connection of earlier requests", i+1)
		}
	}
}
