package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const troubleshooting = root + "docs/troubleshooting.md"

// noProblems are the condition reasons that need no advice.
var noProblems = []string{"Issued", "TokenValid", "EndpointsKnown"}

// advice is the section of a reason. Its group is what the section that it belongs to says of all its reasons.
type advice struct {
	reason, text, group string
	examples            []string
}

// advices are the sections of the troubleshooting guide whose headings are reasons.
func advices(t *testing.T) []advice {
	t.Helper()
	var all []advice
	parts := strings.Split(read(t, troubleshooting), "\n### ")
	group := parts[0][strings.LastIndex(parts[0], "\n## "):]
	for _, part := range parts[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		text, next, last := strings.Cut(text, "\n## ")
		a := advice{reason: strings.Trim(heading, "`"), text: text, group: group}
		if last {
			group = next[strings.LastIndex("\n## "+next, "\n## "):]
		}
		for paragraph := range strings.SplitSeq(text, "\n\n") {
			if quoted, is := strings.CutPrefix(strings.TrimSpace(paragraph), "> "); is {
				a.examples = append(a.examples, strings.ReplaceAll(quoted, "\n> ", " "))
			}
		}
		all = append(all, a)
	}
	return all
}

func TestEveryReasonAndEventHasAdvice(t *testing.T) {
	t.Parallel()
	code := constants(t, root+"api/v1alpha1/conditions.go", "Reason")
	code = slices.DeleteFunc(code, func(reason string) bool { return slices.Contains(noProblems, reason) })
	files, err := filepath.Glob(root + "controllers/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, root+"internal/status/tenant.go", root+"internal/status/events.go") {
		if !strings.HasSuffix(file, "_test.go") {
			code = append(code, constants(t, file, "reason")...)
		}
	}
	var documented []string
	for _, a := range advices(t) {
		documented = append(documented, a.reason)
	}
	expectSame(t, "reasons", code, documented)
}

func TestAdviceIsComplete(t *testing.T) {
	t.Parallel()
	for _, a := range advices(t) {
		if len(a.examples) == 0 {
			t.Errorf("%s: no example of a message", a.reason)
		}
		for _, part := range []string{"**Tried again** ", "**Meanwhile** "} {
			said, inGroup := strings.Count(strings.ReplaceAll(a.text, "\n", " "), part), strings.Count(strings.ReplaceAll(a.group, "\n", " "), part)
			if inGroup != 1 || said > 1 {
				t.Errorf("%s: says %s%d times, its group %d times: the group says it once, an exception at most once", a.reason, part, said, inGroup)
			}
		}
		if first, _, _ := strings.Cut(strings.TrimPrefix(a.text, "\n"), "\n\n"); !strings.Contains(first, "\n**Do:** ") {
			t.Errorf("%s: does not begin with what it means, and then what to do", a.reason)
		}
	}
}

// cast are the values that the examples fill messages with: names, numbers, and the words of others.
var cast = []string{
	"team-a", "platform", "knowledge-sync", "portal", "partner-login", "egain-app", "okta-token", "portal-token", "my-session", "sync",
	"corp-ca", "ConfigMap", "Secret", "production", "acme", "default", "admin", "auth.egain.com/subject-token", "egain", "client_id", "client_secret", "refresh_token", "access_token", "token", "ca.crt",
	"config.json", "core.aiservices.read", "ai.egain.cloud", "acme.egain.cloud", "acmeint.b2clogin.com", "/system/deploymentInfo", "https://ai.egain.cloud/token", "https://login.egain.cloud/token",
	"spec.credentialsSecretRef", "spec.caBundleRef", "label team", "kubernetes.io/service-account-token",
	"login.egain.cloud", "https://api.egain.cloud/auth/", "api.egain.cloud/auth/core.aiservices.read",
	"Customer", "302", "403", "404", "429", "500", "503", "invalid_request", "HTTP 500 (invalid_request)", "5", "8", "10", "256", "100000", " at 1:20", "scope", "token URL", "GATEWAY_ID", "argocd-controller",
	`applying Secret "knowledge-sync"`, `reading Secret "egain-app"`, `secrets "egain-app" is forbidden`,
	"contains U+00A0 (no-break space)", `["core.aiservices.read"]`, "UTF-16 (little-endian)", `block 1 ("CN=Corp Root") cannot be parsed: negative serial number`,
	`admission webhook "policy.example.com" denied the request: (the message quotes the Secret and is not shown)`,
	`Secret "knowledge-sync" is invalid: data[tls.crt]: Required value`, `"Is" is not a valid label selector operator`,
}

// TestExamplesAreWhatTheOperatorSays derives each example from the strings of the source: a string whose verbs stand for
// values of the cast, or again for strings of the source. The example of a reworded message fails.
func TestExamplesAreWhatTheOperatorSays(t *testing.T) {
	t.Parallel()
	g := &grammar{known: map[string]bool{}}
	for _, value := range cast {
		g.known[value] = true
	}
	for _, dir := range []string{"controllers", "internal"} {
		if err := filepath.WalkDir(root+dir, g.learn); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range advices(t) {
		for _, example := range a.examples {
			if !g.derives(example) {
				t.Errorf("%s: the operator does not say %q", a.reason, example)
			}
		}
	}
	if g.derives("waiting for Secret \"egain-app\": create it with the client id and secret") {
		t.Error("half of a message is taken for a whole one")
	}
}

// grammar knows which texts the source can produce.
type grammar struct {
	templates []*regexp.Regexp
	// known texts are derived from the source, or not.
	known map[string]bool
}

// learn takes up the strings of a source file.
func (g *grammar) learn(path string, entry fs.DirEntry, err error) error {
	if err != nil || entry.IsDir() {
		if err == nil && entry.Name() == "egainsim" {
			return filepath.SkipDir
		}
		return err
	}
	if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
		return nil
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit, *ast.BinaryExpr:
			g.add(text(n.(ast.Expr)))
			return false
		case *ast.AssignStmt:
			if n.Tok == token.ADD_ASSIGN {
				g.add(unknown + text(n.Rhs[0]))
			}
		}
		return true
	})
	return nil
}

// unknown stands in a text for what is found out only when the program runs.
const unknown = "%v"

// text is what an expression comes to.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return text(e.X) + text(e.Y)
		}
	case *ast.BasicLit:
		if value, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return value
		}
	}
	return unknown
}

var verb = regexp.MustCompile(`%[sdvqw]`)

func (g *grammar) add(text string) {
	constant := verb.ReplaceAllString(text, "")
	switch {
	case constant == text:
		g.known[text] = true
	case constant != "":
		pattern := verb.ReplaceAllStringFunc(regexp.QuoteMeta(text), func(v string) string {
			if v == "%q" {
				return `(\[?".+"\]?)`
			}
			return "(.+)"
		})
		g.templates = append(g.templates, regexp.MustCompile("^"+pattern+"$"), regexp.MustCompile("^(?U:"+pattern+")$"))
	}
}

// derives reports whether the source can produce a text.
func (g *grammar) derives(text string) bool {
	if derived, decided := g.known[text]; decided {
		return derived
	}
	g.known[text] = false // until it is found, so that the search ends
	for _, template := range g.templates {
		match := template.FindStringSubmatch(text)
		if match != nil && !slices.ContainsFunc(match[1:], func(value string) bool { return !g.derives(strings.Trim(value, `[]"`)) && !g.derives(value) }) {
			g.known[text] = true
			return true
		}
	}
	return false
}
