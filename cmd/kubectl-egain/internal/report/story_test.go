package report

import (
	"testing"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestNextTry(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		last       egainv1alpha1.FailureStatus
		want, cell string
	}{
		"at a time": {
			egainv1alpha1.FailureStatus{Reason: "ServerUnavailable", RetryTime: at(2 * time.Minute)},
			"2026-11-24T12:02:00Z (in 2m)", "2m",
		},
		"when a user acts": {
			egainv1alpha1.FailureStatus{Reason: "CredentialsNotFound"},
			"when the spec or an object that it names changes", "-",
		},
		"when the API server recovers": {
			egainv1alpha1.FailureStatus{Reason: "APIServerFailed"},
			"within 30 seconds", "soon",
		},
		"when an application works again": {
			egainv1alpha1.FailureStatus{Reason: "ApplicationFailing"},
			"when the Secret of the application changes, or another EgainClient succeeds", "soon",
		},
		"when single requests find out that an endpoint has recovered": {
			egainv1alpha1.FailureStatus{Reason: "ServerUnavailable"},
			"when the endpoint recovers (circuit open: probing every few seconds)", "soon",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := NextTry(&tc.last, now); got != tc.want {
				t.Errorf("NextTry = %q, want %q", got, tc.want)
			}
			ec := &egainv1alpha1.EgainClient{Status: egainv1alpha1.EgainClientStatus{LastFailure: &tc.last}}
			if got := renewalCell(ec, now).Text; got != tc.cell {
				t.Errorf("the table says %q, want %q", got, tc.cell)
			}
		})
	}
}
