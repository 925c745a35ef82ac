package fault

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestWhatAReasonSaysOfTheWayOut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reasons             []string
		rejection, byItself bool
	}{
		"a user must act at the provider": {
			[]string{ReasonClientRejected, ReasonSubjectRejected, ReasonScopeRejected, ReasonRequestRejected, ReasonEndpointInvalid, ReasonEndpointRefused},
			true, false,
		},
		"it passes by itself": {
			[]string{ReasonServerUnavailable, ReasonRateLimited, ReasonTLSFailed, ReasonMetadataUnavailable, ReasonResponseInvalid, ReasonLifetimeInvalid, ReasonTokenInvalid, ReasonAPIServerFailed},
			false, true,
		},
		"a watch reports the change": {[]string{ReasonCABundleInvalid, ReasonReauthorizationRequired}, false, false},
		"of another package":         {[]string{"", "TokenValid"}, false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, reason := range tc.reasons {
				if got := IsRejection(reason); got != tc.rejection {
					t.Errorf("IsRejection(%q) = %t", reason, got)
				}
				if got := PassesByItself(reason); got != tc.byItself {
					t.Errorf("PassesByItself(%q) = %t", reason, got)
				}
			}
		})
	}
}

// A reason that the API does not document would reach users as a condition that nothing explains.
func TestReasonsAreDocumentedByTheAPI(t *testing.T) {
	t.Parallel()
	api := reasons(t, "../../api/v1alpha1/*.go")
	ours := reasons(t, "reasons.go")
	if len(ours) < 10 {
		t.Fatalf("found only %d reasons in reasons.go", len(ours))
	}
	for name, value := range ours {
		if api[name] != value {
			t.Errorf("%s is %q here and %q in api/v1alpha1", name, value, api[name])
		}
	}
}

// reasons reads the constants called Reason… from source files, since constants cannot be listed at run time.
func reasons(t *testing.T, pattern string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	found := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatalf("parsing %s: %v", name, err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				if text, err := strconv.Unquote(value.Value); err == nil {
					found[spec.Names[0].Name] = text
				}
			}
			return true
		})
	}
	return found
}
