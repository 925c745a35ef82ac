package externalsecret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// FuzzConvert converts ExternalSecrets that refer to any object of the files.
func FuzzConvert(f *testing.F) {
	seeds, err := filepath.Glob("../../testdata/import/*.in.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range seeds {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, "a b", "target")
	}
	f.Fuzz(func(t *testing.T, content []byte, scope, target string) {
		objects := map[string]*unstructured.Unstructured{}
		var main *unstructured.Unstructured
		for document := range bytes.SplitSeq(content, []byte("---\n")) {
			object := &unstructured.Unstructured{}
			if yaml.Unmarshal(document, &object.Object) != nil || object.Object == nil {
				continue
			}
			objects[object.GetKind()] = object
			if object.GetKind() == KindExternalSecret {
				main = object
			}
		}
		if main == nil {
			return
		}
		find := func(_, kind, _, _ string) (*unstructured.Unstructured, error) {
			if o, found := objects[kind]; found {
				return o, nil
			}
			return nil, errors.New("not found")
		}
		conversion, err := Convert(main, find, Options{Scopes: []string{scope}, Target: target})
		if (err == nil) != (conversion != nil) || (err == nil && conversion.Client == nil) {
			t.Errorf("got %+v and %v", conversion, err)
		}
	})
}
