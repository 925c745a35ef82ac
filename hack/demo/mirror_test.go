package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteVolume(t *testing.T) {
	dir := t.TempDir()
	for _, data := range []map[string][]byte{
		{"token": []byte("one"), "gone": []byte("x")},
		{"token": []byte("two"), "new": []byte("y")},
		{"token": []byte("two"), "new": []byte("y")},
	} {
		if err := writeVolume(dir, data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(data, readVolume(t, dir)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	versions, err := filepath.Glob(filepath.Join(dir, "..2*"))
	if err != nil || len(versions) != 1 {
		t.Errorf("versions left: %v, %v", versions, err)
	}
}

// readVolume reads what a workload sees.
func readVolume(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	data := map[string][]byte{}
	for _, entry := range entries {
		if entry.Name()[0] == '.' {
			continue
		}
		if data[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func TestMountCountsDifferentTokens(t *testing.T) {
	w := &workload{dir: t.TempDir()}
	for _, token := range []string{"", "one", "one", "two"} {
		if err := w.mount(map[string][]byte{"access_token": []byte(token)}); err != nil {
			t.Fatal(err)
		}
	}
	u := w.snapshot()
	if u.tokens != 2 || u.rotations() != 1 || !u.firstAt.Before(u.lastAt) {
		t.Errorf("usage %+v", u)
	}
}
