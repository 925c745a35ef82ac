package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// written are the documents that people write, of whom generated ones have tests of their own.
func written(t *testing.T) []string {
	t.Helper()
	files := []string{root + "README.md", root + "CONTRIBUTING.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		matches, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	return files
}

// documents are all of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "dist"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"), strings.HasSuffix(path, ".md.gotmpl"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range written(t) {
		if !slices.Contains(files, filepath.Clean(file)) && !slices.Contains(files, file) {
			t.Errorf("%s is not among the documents that are found", file)
		}
	}
	return files
}

func TestTheIndexListsEveryDocument(t *testing.T) {
	t.Parallel()
	index := read(t, root+"docs/README.md") + read(t, root+"docs/decisions/README.md")
	if !strings.Contains(index, "(decisions/README.md)") {
		t.Error("docs/README.md does not lead to the decisions")
	}
	for _, file := range written(t) {
		if name := filepath.Base(file); name != "README.md" && !strings.Contains(index, name+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

var code = regexp.MustCompile("(?ms)^```(python|js)\n(.*?)^```$")

// TestProgramsInTheDocsAreThoseOfTheExamples: what is shown of a program is in the one that test/workloads runs.
func TestProgramsInTheDocsAreThoseOfTheExamples(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob(root + "examples/*/*")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, file := range written(t) {
		for _, block := range code.FindAllStringSubmatch(read(t, file), -1) {
			shown++
			if !slices.ContainsFunc(examples, func(example string) bool { return strings.Contains(read(t, example), block[2]) }) {
				t.Errorf("%s shows a program that no example has:\n%s", file, block[2])
			}
		}
	}
	if shown < 2 {
		t.Errorf("%d programs are shown", shown)
	}
}

// TestManifestsInTheDocsAreThoseOfTheFiles: what is shown of a file is all of it, except for the comments before it.
func TestManifestsInTheDocsAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	for document, file := range map[string]string{
		"docs/gitops.md":    "config/argocd/argocd-cm.yaml",
		"docs/workloads.md": "examples/nginx/client.yaml",
	} {
		content := read(t, root+file)
		if !strings.Contains(read(t, root+document), "```yaml\n"+content[strings.Index(content, "apiVersion:"):]+"```\n") {
			t.Errorf("%s does not show %s as it is", document, file)
		}
	}
}

// pictureLimit is as many bytes as the front page should load for its picture.
const pictureLimit = 300_000

// screenHeight is that of the picture's terminal: 24 lines of 17 units.
const screenHeight = 24 * 17

// typed matches the commands of the session that is recorded for the front page. A longer one goes on in a second line.
var typed = regexp.MustCompile(`(?m)^(?:show|write) '([^'\\\n]+)`)

// TestThePictureShowsTheSession: a change of what hack/picture types, or of the EgainClient there, needs a new recording.
func TestThePictureShowsTheSession(t *testing.T) {
	t.Parallel()
	picture := read(t, root+"docs/terminal.svg")
	if len(picture) > pictureLimit {
		t.Errorf("the picture has %d bytes", len(picture))
	}
	commands := typed.FindAllStringSubmatch(read(t, root+"hack/picture/session.sh"), -1)
	if len(commands) < 5 {
		t.Errorf("%d commands are typed", len(commands))
	}
	for _, command := range commands {
		if !strings.Contains(picture, "> "+strings.TrimSpace(command[1])) {
			t.Errorf("the picture does not show %q: run make picture", command[1])
		}
	}
	for line := range strings.Lines(read(t, root+"hack/picture/client.yaml")) {
		if !strings.Contains(picture, ">"+strings.TrimRight(line, "\n")) {
			t.Errorf("the picture does not show %q: run make picture", line)
		}
	}
	// The still shows where no animation runs, and first where one does.
	still := regexp.MustCompile(`id="screen_view" transform="translate\(0,-(\d+)\)"`).FindStringSubmatch(picture)
	accepted := regexp.MustCompile(`<g id="(g\d+)"><text[^>]*>HTTP/1.1 200 OK`).FindStringSubmatch(picture)
	if still == nil || accepted == nil {
		t.Fatal("the picture has no still, or no call that is accepted")
	}
	shown := slices.ContainsFunc(regexp.MustCompile(`href="#`+accepted[1]+`" y="(\d+)"`).FindAllStringSubmatch(picture, -1), func(use []string) bool {
		return number(t, use[1]) >= number(t, still[1]) && number(t, use[1]) < number(t, still[1])+screenHeight
	})
	if !shown {
		t.Error("the still of the picture does not show a call that is accepted")
	}
	for _, code := range []string{"<script", "href=\"http", "url("} {
		if strings.Contains(picture, code) {
			t.Errorf("the picture has %q, which GitHub does not show", code)
		}
	}
}

func number(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// runBy says which test runs the commands of a document.
var runBy = map[string]string{
	"tutorial.md": "test/guides", "operations.md": "test/guides", "troubleshooting.md": "test/guides", "runbook.md": "test/guides",
	"gitops.md": "test/guides", "commercial.md": "test/guides", "flows.md": "test/guides", "workloads.md": "test/guides", "README.md": "test/guides", "install.md": "test/guides",
	"cli.md":          "test/cli, which writes it by running them",
	"CONTRIBUTING.md": "who merges a change: .ci runs these targets, and this test among them",
	"release.md":      "who releases: it takes a registry and keys",
	"performance.md":  "who measures: they take hours and a machine of their own",
}

func TestTheCommandsOfEveryDocumentAreRun(t *testing.T) {
	t.Parallel()
	commands := regexp.MustCompile("(?m)^ *```(sh|console|bash|shell)$")
	for _, file := range written(t) {
		if name := filepath.Base(file); commands.MatchString(read(t, file)) && runBy[name] == "" {
			t.Errorf("%s has commands that no test runs: add it to the guides of test/guides, or to runBy", name)
		}
	}
	for name, by := range runBy {
		if pkg, is := strings.CutPrefix(by, "test/"); is {
			if _, err := os.Stat(root + "test/" + strings.FieldsFunc(pkg, func(r rune) bool { return r == ',' })[0]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	guides := read(t, root+"test/guides/commands_test.go") + read(t, root+"test/guides/guides_test.go") + read(t, root+"test/guides/install_test.go")
	for name, by := range runBy {
		if by == "test/guides" && !strings.Contains(guides, name+`"`) {
			t.Errorf("test/guides does not run the commands of %s", name)
		}
	}
}
