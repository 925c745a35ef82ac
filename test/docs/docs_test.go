// Package docs_test holds the documentation against the code: what users are told of is there, and all of it.
package docs_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/options"
)

const (
	root       = "../../"
	operations = root + "docs/operations.md"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// section is the part of a document under a heading.
func section(t *testing.T, file, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, file), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", file, heading)
	}
	part, _, _ := strings.Cut(rest, "\n## ")
	return part
}

// firstCells are the terms in backquotes in the first column of a section's tables.
func firstCells(text string) []string {
	var terms []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				terms = append(terms, match[1])
			}
		}
	}
	return terms
}

func expectSame(t *testing.T, what string, code, documented []string) {
	t.Helper()
	slices.Sort(code)
	slices.Sort(documented)
	if diff := cmp.Diff(code, documented); diff != "" {
		t.Errorf("%s (-code +documented):\n%s", what, diff)
	}
}

// constants are the values of the string constants of a file whose names begin with a prefix.
func constants(t *testing.T, file, prefix string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) == 0 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			if value, err := strconv.Unquote(literal.Value); err == nil {
				values = append(values, value)
			}
		}
		return true
	})
	return values
}

func TestEveryReasonIsDocumented(t *testing.T) {
	t.Parallel()
	code := constants(t, root+"api/v1alpha1/conditions.go", "Reason")
	// Ready's reasons while it is True need no advice.
	code = slices.DeleteFunc(code, func(reason string) bool { return reason == "TokenValid" || reason == "EndpointsKnown" })
	expectSame(t, "reasons", code, firstCells(section(t, operations, "Conditions, and what to do")))
}

func TestEveryFlagIsDocumentedWithItsDefault(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("egain-operator", flag.ContinueOnError)
	new(options.Options).BindFlags(flags)
	documented := map[string]string{}
	for line := range strings.Lines(section(t, operations, "Flags")) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			documented[strings.Trim(cells[1], " `")] = strings.Trim(cells[2], " `")
		}
	}
	var code []string
	flags.VisitAll(func(f *flag.Flag) {
		code = append(code, "--"+f.Name)
		said := strings.NewReplacer("1h", "1h0m0s").Replace(documented["--"+f.Name])
		if f.DefValue != "" && said != f.DefValue {
			t.Errorf("the default of --%s is %s, documented as %s", f.Name, f.DefValue, said)
		}
	})
	// Controller-runtime brings this one.
	expectSame(t, "flags", append(code, "--kubeconfig"), firstCells(section(t, operations, "Flags")))
}

func TestEveryMetricThatIsNamedIsOne(t *testing.T) {
	t.Parallel()
	var known []string
	for _, d := range metrics.Definitions() {
		known = append(known, d.Name)
	}
	for _, file := range written(t) {
		for _, name := range regexp.MustCompile(`\begain_[a-z_]+`).FindAllString(read(t, file), -1) {
			if !slices.Contains(known, strings.TrimSuffix(name, "_count")) {
				t.Errorf("%s names %s, which is no metric", file, name)
			}
		}
	}
}

func TestEveryAnnotationOfTheTargetIsDocumented(t *testing.T) {
	t.Parallel()
	code := constants(t, root+"internal/target/names.go", "Annotation")
	var documented []string
	for _, term := range firstCells(section(t, root+"docs/architecture.md", "State")) {
		if name, short := strings.CutPrefix(term, "…/"); short {
			term = "auth.egain.com/" + name
		}
		documented = append(documented, term)
	}
	expectSame(t, "annotations", code, documented)
}

func TestEveryCauseIsDocumented(t *testing.T) {
	t.Parallel()
	code := constants(t, root+"internal/rotation/rotation.go", "Cause")
	// These two write a token again and issue none.
	code = slices.DeleteFunc(code, func(cause string) bool { return cause == "TargetDrifted" || cause == "TokenHeld" })
	expectSame(t, "causes", code, firstCells(section(t, root+"docs/architecture.md", "One reconcile")))
}

var (
	link = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	// otherLink matches other ways to write one, which none uses.
	otherLink = regexp.MustCompile(`(?m)^\[[^\]]+\]: |<a [^>]*href=|<img |\]\([^)\n]*\s`)
)

// TestLinksLead looks at links within the repository, in every document that there is.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	for _, file := range documents(t) {
		text := read(t, file)
		if other := otherLink.FindString(text); other != "" {
			t.Errorf("%s has a link that is not looked at: %q", file, other)
		}
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target := file
			if strings.Contains(match[1], "://") {
				continue
			}
			if match[1] != "" {
				target = filepath.Join(filepath.Dir(file), match[1])
			}
			info, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s: %s leads nowhere", file, match[0])
				continue
			}
			if match[2] != "" && !info.IsDir() && !slices.Contains(anchors(read(t, target)), match[2]) {
				t.Errorf("%s: %s leads to no heading", file, match[0])
			}
		}
	}
}

// anchors are those of a document's headings, as GitHub makes them.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			plain := regexp.MustCompile(`[^\p{L}\p{N}\- _]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			all = append(all, "#"+strings.ReplaceAll(plain, " ", "-"))
		}
	}
	return all
}
