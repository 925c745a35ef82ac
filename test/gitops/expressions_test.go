package gitops_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

// expressions are the health checks for Flux in docs/gitops.md.
type expressions struct{ Failed, Current string }

func fluxExpressions(t *testing.T) expressions {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(healthCheckExprs:\n.*?)^```$").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/gitops.md has no healthCheckExprs")
	}
	var checks struct {
		HealthCheckExprs []expressions `json:"healthCheckExprs"`
	}
	if err := yaml.Unmarshal(block[1], &checks); err != nil || len(checks.HealthCheckExprs) != 1 {
		t.Fatalf("%v: %+v", err, checks)
	}
	return checks.HealthCheckExprs[0]
}

// fluxHealth is what Flux makes of an object by expressions: InProgress until the operator has seen its generation, then Failed,
// then Current, else InProgress.
func fluxHealth(t *testing.T, e expressions, object *unstructured.Unstructured) status.Status {
	t.Helper()
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if observed != object.GetGeneration() {
		return status.InProgressStatus
	}
	env, err := cel.NewEnv(cel.Variable("status", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	holds := func(expression string) bool {
		ast, issues := env.Compile(expression)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		program, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		value, _, err := program.Eval(map[string]any{"status": object.Object["status"]})
		if err != nil {
			t.Fatal(err)
		}
		return value.Value() == true
	}
	switch {
	case holds(e.Failed):
		return status.FailedStatus
	case holds(e.Current):
		return status.CurrentStatus
	default:
		return status.InProgressStatus
	}
}

// expectHealthOfFlux wants the expressions to say what kstatus says, except that nothing is held up by a client that is suspended or
// waits for a person to log in.
func (s *state) expectHealthOfFlux(t *testing.T, e expressions) {
	t.Helper()
	if s.live.GetKind() != "EgainClient" || s.kstatus == status.TerminatingStatus {
		return // Flux waits for an object that is being deleted to be gone
	}
	want := s.kstatus
	if want == status.InProgressStatus && s.health == suspended {
		want = status.CurrentStatus
	}
	if got := fluxHealth(t, e, s.live); got != want {
		t.Errorf("Flux takes it for %s by the expressions, want %s", got, want)
	}
}
