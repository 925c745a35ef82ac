package status

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// The table of reasons in the guide is grouped by what ends them. Alerts go by the label remedy, so the two must agree.
func TestTheRemedyOfAReasonIsTheOneThatIsDocumented(t *testing.T) {
	t.Parallel()
	groups := map[string]string{
		"Waits for an object": RemedyCreate, "Needs an edit": RemedyEdit,
		"Needs an edit, sometimes a change at eGain": RemedyEdit, "Needs an edit; tried again meanwhile": RemedyEdit, "Needs a change at eGain": RemedyProvider, "Passes by itself": RemedyWait,
	}
	logins := []string{egainv1alpha1.ReasonSessionNotFound, egainv1alpha1.ReasonSessionInvalid, egainv1alpha1.ReasonReauthorizationRequired}
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	group := ""
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			group = ""
			continue
		}
		if heading, bold := strings.CutPrefix(strings.TrimSpace(cells[1]), "**"); bold {
			group = groups[strings.TrimSuffix(heading, "**")]
			continue
		}
		for reason := range strings.SplitSeq(cells[1], ",") {
			if reason = strings.Trim(reason, " `"); group != "" {
				documented[reason] = group
			}
		}
	}
	for _, reason := range logins {
		documented[reason] = RemedyLogin
	}
	code := map[string]string{}
	for _, reason := range conditionReasons(t) {
		if reason != egainv1alpha1.ReasonClockAhead && reason != egainv1alpha1.ReasonClockBehind {
			code[reason] = Remedy(reason)
		}
	}
	if diff := cmp.Diff(documented, code); diff != "" {
		t.Errorf("-documented +code:\n%s", diff)
	}
}
