package command

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// commercial creates an EgainClient of the simulator's commercial tenant with the scope prefix in its other spelling, and returns
// the right one.
func (s *simulated) commercial(change ...func(*egainv1alpha1.EgainClient)) (right string) {
	s.t.Helper()
	s.operatorRuns()
	s.app(egainsim.CommercialClientID, egainsim.CommercialClientSecret)
	tenant := s.sim.Commercial()
	right = tenant.ScopePrefix()
	respelled, _ := oauth.OtherSpelling([]string{right + "x"})
	wrong := strings.TrimSuffix(respelled[0], "x")
	s.egainClient("mine", append([]func(*egainv1alpha1.EgainClient){func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.MetadataURL, ec.Spec.Tenant.ScopePrefix = "", wrong
		ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{
			TokenURL:      egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client)),
			RevocationURL: egainv1alpha1.HTTPSURL(tenant.RevocationURL(egainsim.Client)),
			APIURL:        egainv1alpha1.HTTPSURL(s.sim.APIURL()),
		}
	}}, change...)...)
	return right
}

func TestDoctorTriesTheOtherSpellingOnce(t *testing.T) {
	t.Parallel()
	type client = egainv1alpha1.EgainClient
	invalidScope := egainsim.Fault{Status: 400, Error: "invalid_scope"}
	tests := map[string]struct {
		change                func(ec *client)
		faults                []egainsim.Fault
		args                  []string
		requests, revocations int
		advised               string
	}{
		"which works": {
			func(*client) {}, nil, nil, 2, 1, "with RIGHT eGain issues a token: set spec.tenant.scopePrefix to it",
		},
		"which works, and the spec has the prefix": {
			func(ec *client) {
				ec.Spec.Scopes = []egainv1alpha1.Scope{egainv1alpha1.Scope(ec.Spec.Tenant.ScopePrefix) + ec.Spec.Scopes[0]}
				ec.Spec.Tenant.ScopePrefix = ""
			}, nil, nil, 2, 1, "with RIGHT eGain issues a token: correct the prefix in spec.scopes",
		},
		"which is refused too": {
			func(ec *client) { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.use"} },
			nil, nil, 2, 0, "the other spelling is refused too: correct spec.scopes",
		},
		"which meets another failure": {
			func(*client) {}, []egainsim.Fault{{Times: 1, Status: 400, Error: "invalid_scope"}, {Status: 503}}, nil, 2, 0, "RIGHT, could not be tried",
		},
		"for an anonymous customer": {
			func(ec *client) { ec.Spec.Flow = egainv1alpha1.FlowAnonymousCustomer }, []egainsim.Fault{invalidScope}, nil, 2, 0, "refused too",
		},
		"never for a subject": {
			func(ec *client) {
				ec.Spec.Flow, ec.Spec.OnBehalfOf = egainv1alpha1.FlowOnBehalfOf, &egainv1alpha1.OnBehalfOf{Username: "agent.smith"}
			}, []egainsim.Fault{invalidScope}, nil, 1, 0, "correct spec.scopes",
		},
		"never for scopes without a prefix": {
			func(ec *client) { ec.Spec.Tenant.ScopePrefix = "" }, nil, nil, 1, 0, "correct spec.scopes",
		},
		"never after another refusal": {
			func(*client) {}, []egainsim.Fault{{Status: 401, Error: "invalid_client"}}, nil, 1, 0, "client secret",
		},
		"never if no request is wanted": {func(*client) {}, nil, []string{"--no-request"}, 0, 0, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			right := s.commercial(tc.change)
			for _, fault := range tc.faults {
				s.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, fault)
			}
			valid := s.sim.Stats().ValidTokens
			report, r := s.diagnose(tc.args...)
			s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.Equal(tc.requests), r.stdout)
			s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, "")).To(gomega.Equal(tc.revocations), r.stdout)
			s.Expect(s.sim.Stats().ValidTokens).To(gomega.Equal(valid))
			f := finding(report, "TokenRequest")
			s.Expect(f.Advice).To(gomega.ContainSubstring(strings.ReplaceAll(tc.advised, "RIGHT", right)), r.stdout)
			s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring(egainsim.CommercialClientSecret))
		})
	}
}
