package security_test

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func onBehalfOf(username string) change {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Flow, ec.Spec.OnBehalfOf = egainv1alpha1.FlowOnBehalfOf, &egainv1alpha1.OnBehalfOf{Username: username}
	}
}

// templates that are too much work stop no other client.
func (a *writer) templates() {
	a.t.Helper()
	data := map[string]egainv1alpha1.Template{}
	words := strings.TrimSpace(strings.Repeat("a b c d ", 64))
	for i := range 15 {
		data[fmt.Sprintf("key-%d", i)] = egainv1alpha1.Template(`{{if splitList " " "` + words + `"` + strings.Repeat("|uniq", 1486) + `}}{{end}}`)
	}
	hard := a.writes("template", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: data}
	})
	a.reaches(hard, egainv1alpha1.ReasonNoToken, egainv1alpha1.ReasonTemplateInvalid)
	a.issued(a.writes("template-beside"))
}

// text that authors wrote is plain wherever the operator repeats it.
func (a *writer) text() {
	a.t.Helper()
	const hidden = "x\u202e\u009b2J\u2066\u200b\u2028\ufeff\u0007y"
	a.writes("text", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{hidden: "x"}
	})
	a.writes("text-of-a-host", at("a"+hidden+".example"))
	a.writes("text-of-a-template", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{"key": egainv1alpha1.Template("{{ " + hidden + " }}")}}
	})
	a.eventually("failures that repeat text", func(g gomega.Gomega) {
		var clients egainv1alpha1.EgainClientList
		g.Expect(a.admin.List(a.t.Context(), &clients, client.InNamespace(team))).To(gomega.Succeed())
		for _, ec := range clients.Items {
			g.Expect(ec.Status.Conditions).NotTo(gomega.BeEmpty())
			for _, c := range ec.Status.Conditions {
				g.Expect(strings.ContainsFunc(c.Message, invisible)).To(gomega.BeFalse(), "%s: %+q", ec.Name, c.Message)
			}
		}
	})
	var events eventsv1.EventList
	a.Expect(a.admin.List(a.t.Context(), &events, client.InNamespace(team))).To(gomega.Succeed())
	a.Expect(events.Items).NotTo(gomega.BeEmpty())
	for _, e := range events.Items {
		a.Expect(strings.ContainsFunc(e.Note, invisible)).To(gomega.BeFalse(), "%+q", e.Note)
	}
	said, err := os.ReadFile(a.operator.Log)
	a.Expect(err).NotTo(gomega.HaveOccurred())
	for line := range strings.Lines(string(said)) {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, invisible) {
			a.t.Errorf("the log has %+q", line)
		}
	}
}

func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
