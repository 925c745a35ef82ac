package status

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// Of each reason there is one event when it comes, and none for what is tried again.
func TestEveryReasonSendsOneEventWhenItAppears(t *testing.T) {
	t.Parallel()
	for _, reason := range conditionReasons(t) {
		class := fault.Terminal
		switch {
		case WaitsForObject(reason):
			class = fault.Waiting
		case fault.IsRejection(reason):
			class = fault.Rejected
		case fault.PassesByItself(reason):
			class = fault.Retryable
		}
		tests := map[string]struct {
			steps []*fault.Error
			want  int
		}{
			"it comes":                             {[]*fault.Error{fault.New(class, reason, "no")}, 1},
			"it is tried three times":              {[]*fault.Error{fault.New(class, reason, "no"), fault.New(class, reason, "no"), fault.New(class, reason, "no")}, 1},
			"it goes and comes":                    {[]*fault.Error{fault.New(class, reason, "no"), nil, fault.New(class, reason, "no")}, 2},
			"another comes between":                {[]*fault.Error{fault.New(class, reason, "no"), fault.New(fault.Waiting, "Another", "no"), fault.New(class, reason, "no")}, 2},
			"it is replaced by one of other words": {[]*fault.Error{fault.New(class, reason, "no"), fault.New(class, reason, "not so either")}, eventsOfOneReason(class)},
			"its endpoint comes to be left alone":  {[]*fault.Error{fault.New(class, reason, "no"), fault.New(pausable(class), reason, "no; it is left alone")}, eventsOfOneReason(pausable(class))},
		}
		for name, tc := range tests {
			if reason == egainv1alpha1.ReasonApplicationFailing { // the EgainTenant reports it for all of its clients
				tc.want = 0
			}
			t.Run(reason+", "+name, func(t *testing.T) {
				t.Parallel()
				ec := &egainv1alpha1.EgainClient{}
				got := 0
				for i, f := range tc.steps {
					before, now := ec.DeepCopy(), noon.Add(time.Duration(i)*time.Hour)
					o := &Outcome{Result: Result{Attempted: true}, Facts: Facts{Input: rotation.Input{Now: now}}}
					if f != nil {
						o.Err = f
					}
					setStatus(ec, o, now)
					for _, e := range Events(before, ec) {
						if e.Reason != reason {
							continue
						}
						got++
						if wantKind := map[bool]string{true: "Normal", false: "Warning"}[class == fault.Waiting]; e.Type != wantKind {
							t.Errorf("a %s event, want %s", e.Type, wantKind)
						}
					}
				}
				if got != tc.want {
					t.Errorf("%d events, want %d", got, tc.want)
				}
			})
		}
	}
}

// eventsOfOneReason is how many events come of two failures of one reason and different words: two if a user's change lies between.
func eventsOfOneReason(class fault.Class) int {
	if class == fault.Terminal || class == fault.Waiting {
		return 2
	}
	return 1
}

// pausable is the class of a failure once the circuit of its endpoint is open, if it may open.
func pausable(class fault.Class) fault.Class {
	if class == fault.Retryable {
		return fault.Paused
	}
	return class
}

// conditionReasons are those of failures, as the API lists them.
func conditionReasons(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	good := []string{
		egainv1alpha1.ReasonIssued, egainv1alpha1.ReasonTokenValid, egainv1alpha1.ReasonSuspended, egainv1alpha1.ReasonTokenExpired,
		egainv1alpha1.ReasonTokenOutdated, egainv1alpha1.ReasonNoToken, egainv1alpha1.ReasonEndpointsKnown,
	}
	var reasons []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err == nil && !slices.Contains(good, reason) {
				reasons = append(reasons, reason)
			}
		}
		return true
	})
	if len(reasons) < 30 {
		t.Fatalf("only %d reasons are found", len(reasons))
	}
	return reasons
}
