package docs_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var testName = regexp.MustCompile(`\bTest[A-Za-z0-9_]+`)

// TestThreatsNameTestsThatExist looks at each row of the tables of threats.
func TestThreatsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	definition := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(t \*testing\.T\)`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, match := range definition.FindAllStringSubmatch(read(t, path), -1) {
			known[match[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, column := 0, -1
	for line := range strings.Lines(section(t, root+"docs/security.md", "Threats")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case len(cells) < 2 || strings.HasPrefix(line, "|---"):
			continue
		case strings.Contains(line, "| what stops it |"):
			column = slices.Index(cells, " test ")
			continue
		}
		rows++
		names := testName.FindAllString(cells[column], -1)
		if len(names) == 0 && strings.TrimSpace(cells[column]) != "none" {
			t.Errorf("the row names neither a test nor none: %s", line)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s does not exist", name)
			}
		}
		if left := strings.TrimSpace(cells[column+1]); left == "" {
			t.Errorf("the row does not say what is left: %s", line)
		}
	}
	if rows < 20 {
		t.Errorf("there are %d rows", rows)
	}
}
