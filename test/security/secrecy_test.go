package security_test

import (
	"encoding/base64"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// part is how much of a secret is too much.
const part = 8

func TestNothingThatTheOperatorSaysHoldsAPartOfASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "everything", everything, "--request-timeout=2s")
	w.useEverything(nil)
	w.attack()

	said, err := os.ReadFile(w.operator.Log)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(string(said)).To(gomega.ContainSubstring(`"level":"debug"`))
	objects := w.objects()
	for _, kind := range []string{"EgainClient", "EgainTenant", "Event", "Lease", "Secret"} {
		w.Expect(objects).To(gomega.ContainSubstring(`"kind":"` + kind + `"`))
	}
	w.Expect(string(said)).To(gomega.ContainSubstring("SIGQUIT"))
	classes, reasons := declared(t)
	w.Expect(slices.Sorted(maps.Keys(words))).To(gomega.HaveLen(len(classes)), "each of the classes %q has words to be known by", classes)
	for class, known := range words {
		if !strings.Contains(objects+w.passing, known) {
			t.Errorf("no failure of class %d was brought about", class)
		}
	}
	for _, reason := range reasons {
		if !strings.Contains(objects, `"reason":"`+reason+`"`) {
			t.Errorf("no failure with the reason %s was brought about", reason)
		}
	}
	for where, text := range map[string]string{"output": string(said), "metrics": w.scraped, "objects": objects, "conditions": w.passing} {
		for _, found := range hits(text, w.secrets) {
			t.Errorf("%s: %s", where, found)
		}
	}
	t.Logf("%d secrets searched in %d bytes of output, %d of metrics and %d of objects", len(w.secrets), len(said), len(w.scraped), len(objects))
	w.Expect(len(w.secrets)).To(gomega.BeNumerically(">", 40), "there must be something to look for")
}

// words are what a failure of each class is known by, wherever it is told.
var words = map[fault.Class]string{
	fault.Retryable: "the server, or a gateway in front of it, is failing",
	fault.Waiting:   "waiting for ",
	fault.Terminal:  "is not one line of text",
	fault.Rejected:  "answered invalid_client",
	fault.Paused:    "circuit open",
	fault.Busy:      "limit of concurrent requests is reached",
}

// declared are the names of the classes, and the reasons, that package fault has, by its source: constants cannot be listed
// at run time.
func declared(t *testing.T) (classes, reasons []string) {
	t.Helper()
	for _, name := range []string{"fault.go", "reasons.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../../internal/fault", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			if group, is := declaration.(*ast.GenDecl); is && group.Tok == token.CONST {
				c, r := constants(t, group)
				classes, reasons = append(classes, c...), append(reasons, r...)
			}
		}
	}
	return classes, reasons
}

// constants are the classes and the reasons among the constants of one group. The type of a class stands at the first only.
func constants(t *testing.T, group *ast.GenDecl) (classes, reasons []string) {
	t.Helper()
	first := group.Specs[0].(*ast.ValueSpec)
	kind, _ := first.Type.(*ast.Ident)
	for _, spec := range group.Specs {
		spec := spec.(*ast.ValueSpec)
		if kind != nil && kind.Name == "Class" {
			classes = append(classes, spec.Names[0].Name)
		}
		if strings.HasPrefix(spec.Names[0].Name, "Reason") {
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, reason)
		}
	}
	return classes, reasons
}

// objects are all that there are in the cluster, as JSON, which breaks no line within a text, except for what Secrets are
// there to hold. Of Secrets that users apply, the annotation of kubectl would be theirs to answer for; here no one does.
func (w *world) objects() string {
	w.t.Helper()
	discovered, err := discovery.NewDiscoveryClientForConfig(w.plane.Config)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	_, lists, err := discovered.ServerGroupsAndResources()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var all strings.Builder
	for _, resources := range lists {
		group, err := schema.ParseGroupVersion(resources.GroupVersion)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		for _, r := range resources.APIResources {
			if !slices.Contains(r.Verbs, "list") {
				continue
			}
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(group.WithKind(r.Kind + "List"))
			if err := w.admin.List(w.t.Context(), list); client.IgnoreNotFound(err) != nil {
				w.Expect(err).NotTo(gomega.HaveOccurred(), r.Name)
			}
			for _, o := range list.Items {
				if o.GetKind() == "Secret" {
					unstructured.RemoveNestedField(o.Object, "data")
				}
				encoded, err := json.Marshal(o.Object)
				w.Expect(err).NotTo(gomega.HaveOccurred())
				all.Write(encoded)
			}
		}
	}
	return all.String()
}

// hits tells where a text holds a part of a secret, as it is or in Base64. Of a JWT only the signature is secret: its head is
// the same for all of a server, and what it claims may be known.
func hits(text string, secrets map[string]string) []string {
	parts := map[string]string{}
	for secret, what := range secrets {
		core := secret
		if strings.Count(secret, ".") == 2 {
			core = secret[strings.LastIndex(secret, ".")+1:]
		}
		for _, form := range []string{core, base64.StdEncoding.EncodeToString([]byte(core)), base64.RawURLEncoding.EncodeToString([]byte(core))} {
			for i := 0; i+part <= len(form); i++ {
				parts[form[i:i+part]] = what
			}
		}
	}
	var found []string
	for i := 0; i+part <= len(text); i++ {
		if what, is := parts[text[i:i+part]]; is && len(found) < 20 {
			found = append(found, what+" shows in: …"+text[max(0, i-100):min(len(text), i+100)]+"…")
			i += 100
		}
	}
	return found
}

func TestHits(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"abcdefghijkl": "a secret", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWl0": "a token"}
	for text, want := range map[string]int{
		"": 0, "abcdefg hijkl": 0, "xabcdefghx": 1, "efghijkl": 1, "YWJjZGVmZ2hpamts": 1, "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0": 0, "lnbmF0dX": 1,
	} {
		if found := hits(text, secrets); len(found) != want {
			t.Errorf("hits(%q) = %q, want %d", text, found, want)
		}
	}
}
