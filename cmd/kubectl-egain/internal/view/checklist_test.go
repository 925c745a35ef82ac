package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChecklist(t *testing.T) {
	t.Parallel()
	items := []Item{
		{Mark: Tick, Title: "Tenant", Text: "defined in spec.tenant"},
		{Mark: Cross, Title: "Credentials", Text: "Secret\x1b[2J is missing", Next: "create it", Here: true},
		{Mark: Notice, Title: "Clock", Text: "it is 40s behind", Next: "set it", Details: []string{"Date: now"}},
		{Mark: Dash, Title: "API", Text: "not looked at"},
	}
	tests := map[string]struct {
		style Style
		want  []string
	}{
		"with signs of Unicode": {Style{Unicode: true}, []string{
			"✓ Tenant        defined in spec.tenant",
			"✗ Credentials   Secret^[[2J is missing  ← it breaks here",
			"    → create it",
			"! Clock         it is 40s behind",
			"    → set it",
			"    Date: now",
			"- API           not looked at",
		}},
		"in ASCII": {Style{}, []string{
			"+ Tenant        defined in spec.tenant",
			"x Credentials   Secret^[[2J is missing  <- it breaks here",
			"    -> create it",
			"! Clock         it is 40s behind",
			"    -> set it",
			"    Date: now",
			"- API           not looked at",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.style.Checklist(items)); diff != "" {
				t.Errorf("Checklist (-want +got):\n%s", diff)
			}
		})
	}
}
