package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheTableOfBoundsIsWhatTheCodeSays(t *testing.T) {
	t.Chdir("../..")
	file, want, err := table()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the table of bounds is not up to date: run make docs")
	}
}

func TestEachBoundHasATest(t *testing.T) {
	t.Chdir("../..")
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(source, -1) {
			declared[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bounds() {
		if !declared[b.test] {
			t.Errorf("%s: there is no test %s", b.what, b.test)
		}
	}
}

func TestEachFlagOfABoundExists(t *testing.T) {
	t.Chdir("../..")
	options, err := os.ReadFile("internal/options/options.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bounds() {
		for _, flag := range regexp.MustCompile("`--([a-z-]+)`").FindAllStringSubmatch(b.setting, -1) {
			if !bytes.Contains(options, []byte(`"`+flag[1]+`"`)) {
				t.Errorf("%s: there is no flag %s", b.what, flag[1])
			}
		}
	}
}
