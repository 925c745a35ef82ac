package command

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/doctor"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// without is an EgainClient that never had a token, and what the operator says of its last attempt.
func (s *simulated) without(reason, message string, change ...func(*egainv1alpha1.EgainClient)) {
	s.t.Helper()
	s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
	s.status(s.egainClient("mine", change...), func(st *egainv1alpha1.EgainClientStatus) {
		st.LastFailure = &egainv1alpha1.FailureStatus{Reason: reason, Message: message, Time: new(metav1.Now())}
		st.Conditions = []metav1.Condition{
			s.condition(egainv1alpha1.ConditionReady, metav1.ConditionFalse, egainv1alpha1.ReasonNoToken, message),
			s.condition(egainv1alpha1.ConditionTokenIssued, metav1.ConditionFalse, reason, message),
		}
	})
}

// exchanging is of flow TokenExchange, with the token in Secret "subject".
func exchanging(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Flow, ec.Spec.TokenExchange = egainv1alpha1.FlowTokenExchange, &egainv1alpha1.TokenExchange{
		RegistrationID: "okta", SubjectToken: egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "subject", Key: "token"}},
	}
}

func tokensAt(ec *egainv1alpha1.EgainClient, url string) {
	ec.Spec.Tenant.MetadataURL = ""
	ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(url), APIURL: "https://127.0.0.1"}
}

func withTemplate(text string) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{"HEADER": egainv1alpha1.Template(text)}}
	}
}

func TestDoctorNamesTheLinkThatBreaks(t *testing.T) {
	t.Parallel()
	exchange := func(answer egainsim.Fault) func(s *simulated) {
		return func(s *simulated) {
			s.create(&corev1.Secret{ObjectMeta: s.named("subject"), StringData: map[string]string{"token": "bad-token"}})
			s.healthy(exchanging)
			s.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, answer)
		}
	}
	tests := map[string]struct {
		breakIt       func(s *simulated)
		check         string
		said, advised string
		skipped       string
	}{
		"a template that does not parse": {func(s *simulated) {
			s.without(egainv1alpha1.ReasonTemplateInvalid, "it does not parse", withTemplate("{{ .AccessToken"))
		}, "Target", `spec.target.template.data["HEADER"] does not parse`, "correct spec.target.template.data", "API"},
		"a template that names no field": {func(s *simulated) {
			s.without(egainv1alpha1.ReasonTemplateInvalid, "no such field", withTemplate("{{ .Token }}"))
		}, "Target", `spec.target.template.data["HEADER"]`, "correct spec.target.template.data", "API"},
		"a write that a policy refuses": {func(s *simulated) {
			s.without(egainv1alpha1.ReasonTargetRejected, "the API server refuses Secret mine")
		}, "Target", `does not exist; the operator's last attempt failed: TargetRejected: the API server refuses Secret mine`, "kubectl egain renew mine", "API"},
		"an address that the rules refuse": {func(s *simulated) {
			s.healthy(func(ec *egainv1alpha1.EgainClient) { tokensAt(ec, "https://10.96.0.1/token") })
		}, "DNS", "a private address", "or its DNS record", "TLS"},
		"a server that breaks off its answer": {func(s *simulated) {
			s.healthy()
			s.sim.SetFault(egainsim.Match{Endpoint: egainsim.UnknownEndpoint}, egainsim.Fault{Drop: true})
		}, "TLS", "closed the connection before its answer was complete", "closes connections", "TokenRequest"},
		"a server that breaks off its token": {func(s *simulated) {
			s.healthy()
			s.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Drop: true})
		}, "TokenRequest", "closed the connection before its answer was complete", "run this again", ""},
		"a subject token that the server denies": {
			exchange(egainsim.Fault{Status: 403, Error: "access_denied"}), "TokenRequest", "access_denied: check the subject token", `key token of Secret "subject"`, "",
		},
		"a subject token that makes the request invalid": {
			exchange(egainsim.Fault{Status: 400, Error: "invalid_request"}), "TokenRequest", "the subject token: it must be current", `key token of Secret "subject"`, "",
		},
		"a subject token that is no grant": {
			exchange(egainsim.Fault{Status: 400, Error: "invalid_grant"}), "TokenRequest", "subject token", `key token of Secret "subject"`, "",
		},
		"a client for the subject token that does not exist": {func(s *simulated) {
			s.healthy(exchanging, func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.TokenExchange.SubjectToken = egainv1alpha1.SubjectToken{EgainClientRef: &egainv1alpha1.EgainClientReference{Name: "first"}}
			})
		}, "SubjectToken", `EgainClient "first" not found`, "create it, or name another in spec.tokenExchange.subjectToken.egainClientRef", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			tc.breakIt(s)
			report := s.expectBreak(tc.check, tc.said, tc.advised)
			if tc.skipped != "" {
				s.Expect(finding(report, tc.skipped).Status).To(gomega.Equal(doctor.Skipped), tc.skipped)
			}
			for _, f := range report.Findings {
				s.Expect(f.Message+f.Advice).NotTo(gomega.ContainSubstring("NAME"), f.Check)
				s.Expect(f.Advice).NotTo(gomega.ContainSubstring("doctor first"), f.Check)
			}
		})
	}
}

// What the plugin advises is a command that can be run as it stands.
func TestAdviceNamesTheObject(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
	s.egainClient("mine", withSession("http://127.0.0.1:8765/callback"), func(ec *egainv1alpha1.EgainClient) { tokensAt(ec, "https://10.96.0.1/token") })
	for _, args := range [][]string{{"login", "mine"}, {"renew", "mine", "--wait", "--timeout", "1s"}, {"renew", "--all", "--wait", "--timeout", "1s"}, {"revoke", "mine", "--yes"}, {"call", "mine", "/"}} {
		r := s.run(args...)
		s.Expect(r.code).NotTo(gomega.BeZero(), args)
		s.Expect(strings.Fields(r.stderr)).NotTo(gomega.ContainElement("NAME"), "%v: %s", args, r.stderr)
	}
}
