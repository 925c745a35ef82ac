package command

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/target"
)

// hidden are characters that a terminal obeys or that no one sees, within a word that output is searched for.
const hidden = "wo\x1b]0;rd\a\b\u009b2J\u0085\u202eab\u2066\u2069\u200b\u200f\u2028\u2029\ufeff\u3164\U000e0041rd"

// expectPlain fails if what a command printed holds any of them, painting apart.
func (f *fixture) expectPlain(args []string) {
	f.t.Helper()
	for where, text := range map[string]string{"output": f.out.String(), "standard error": f.err.String()} {
		for _, code := range []string{"0", "1", "2", "31", "32", "33"} {
			text = strings.ReplaceAll(text, "\x1b["+code+"m", "")
		}
		for _, r := range text {
			if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)) {
				f.t.Errorf("%v: %s has %U: %+q", args, where, r, text)
				break
			}
		}
	}
}

// TestPlain_NothingOfOthersReachesTheTerminal has every place filled that a cluster lets be filled with any text.
func TestPlain_NothingOfOthersReachesTheTerminal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("knowledge-sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: hidden}
	})
	f.ready(ec)
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) {
		st.Endpoints = &egainv1alpha1.EndpointsStatus{TokenURL: "https://" + hidden, APIURL: "https://" + hidden, ScopePrefix: hidden, Issuer: hidden, Source: egainv1alpha1.EndpointSourceSpec}
		st.Token.Scopes, st.Token.TokenType, st.LastHandledRenewal = []string{hidden}, hidden, hidden
		st.LastFailure = &egainv1alpha1.FailureStatus{Time: f.at(0), Reason: "ServerUnavailable", Message: hidden}
		st.Conditions = []metav1.Condition{
			f.condition(egainv1alpha1.ConditionReady, metav1.ConditionFalse, "NoToken", hidden),
			f.condition(egainv1alpha1.ConditionTokenIssued, metav1.ConditionFalse, "ServerUnavailable", hidden),
		}
	})
	f.create(&corev1.Event{
		ObjectMeta: f.named("one"), Reason: hidden, Message: hidden, Type: "Warning", ReportingController: "x", ReportingInstance: "x", Action: "x",
		InvolvedObject: corev1.ObjectReference{Kind: "EgainClient", Namespace: f.namespace, Name: ec.Name, UID: ec.UID}, FirstTimestamp: *f.at(0), LastTimestamp: *f.at(0), EventTime: metav1.NewMicroTime(f.clock.Now()),
	})
	f.target(ec, 1, func(s *corev1.Secret) {
		s.StringData[target.KeyAPIURL], s.Annotations[target.AnnotationOwnedBy] = "https://"+hidden, ec.Name
		s.Annotations["x"] = hidden
	})
	for _, colour := range []bool{false, true} {
		f.env.screen.style = view.Style{Colour: colour, Unicode: true}
		for _, args := range [][]string{
			{"status"},
			{"status", "knowledge-sync"},
			{"status", "--all-namespaces"},
			{"doctor", "knowledge-sync"},
			{"call", "knowledge-sync", "/x"},
			{"token", "knowledge-sync"},
			{"login", "knowledge-sync"},
			{"renew", "knowledge-sync"},
			{"revoke", "knowledge-sync"},
			{"status", hidden},
			{"call", "knowledge-sync", "https://" + hidden},
			{hidden},
			{"suspend", hidden},
		} {
			f.run(args...)
			f.expectPlain(args)
			if f.out.String()+f.err.String() == "" {
				t.Errorf("%v says nothing", args)
			}
		}
	}
	f.Expect(f.run("status", "knowledge-sync")).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.ContainSubstring(`wo^[]0;rd^G^H\u009b2J`))

	// Programs get what is there.
	f.Expect(f.run("status", "knowledge-sync", "-o", "json")).To(gomega.Equal(0))
	var decoded egainv1alpha1.EgainClient
	f.Expect(json.Unmarshal([]byte(f.out.String()), &decoded)).To(gomega.Succeed())
	f.Expect(decoded.Status.LastFailure.Message).To(gomega.Equal(hidden))
}

// TestPlain_AnAnswerIsExactForProgramsOnly holds for call: its head is for people, its body for programs.
func TestPlain_AnAnswerIsExactForProgramsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.api(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Note", "a\u009b2J\u202e\xffb")
		_, _ = io.WriteString(w, "body"+hidden+"\xff\n")
	})
	args := []string{"call", "knowledge-sync", "/x"}
	f.Expect(f.run(args...)).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.Equal("body" + hidden + "\xff\n"))
	f.env.screen.terminal = os.Stdin // any file: a person looks at it
	args = append(args, "-i")
	f.Expect(f.run(args...)).To(gomega.Equal(0), f.err.String())
	f.expectPlain(args)
	f.Expect(f.out.String()).To(gomega.And(gomega.ContainSubstring(`X-Note: a\u009b2J\u202e\xffb`), gomega.ContainSubstring(`bodywo^[]0;rd^G^H\u009b2J`), gomega.ContainSubstring(`\xff`)))
}
