package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"
)

// modeline is where editors find the schema of a file.
var modeline = regexp.MustCompile(`\A# yaml-language-server: \$schema=(\S+)\n`)

// schemaErrors is what the JSON schema of a kind says of a manifest.
func schemaErrors(t *testing.T, file, manifest string) []error {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var schema spec.Schema
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	var object any
	if err := yaml.Unmarshal([]byte(manifest), &object); err != nil {
		t.Fatal(err)
	}
	return validate.NewSchemaValidator(&schema, nil, "", strfmt.Default).Validate(object).Errors
}

func TestTheSamplesAreOfTheirSchemas(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, file := range kustomizationOf(t, "samples").Resources {
		content, err := os.ReadFile(filepath.Join(config, "samples", file))
		if err != nil {
			t.Fatal(err)
		}
		documents := strings.Split(string(content), "\n---\n")
		ours := bytes.Count(content, []byte("apiVersion: auth.egain.com/"))
		schema := modeline.FindSubmatch(content)
		if ours == len(documents) != (schema != nil) {
			t.Errorf("%s has to name a schema if all objects in it are of the operator's kinds, and only then", file)
		}
		if schema == nil {
			continue
		}
		for _, document := range documents {
			checked++
			for _, err := range schemaErrors(t, filepath.Join(config, "samples", string(schema[1])), document) {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if checked < 10 {
		t.Errorf("%d samples have a schema", checked)
	}
}

func TestTheSchemasRefuseWhatTheAPIServerWouldDrop(t *testing.T) {
	t.Parallel()
	const manifest = "apiVersion: auth.egain.com/v1alpha1\nkind: EgainClient\nmetadata: {name: a}\nspec:\n  scopes: [a.b.c]\n"
	for _, wrong := range []string{
		"  suspended: true\n", "  suspend: \"yes\"\n", "  flow: Password\n", "  target: {secretname: a}\n", "  renewal: {percent: 0}\n",
	} {
		if errs := schemaErrors(t, filepath.Join(config, "crd/schemas/egainclient_v1alpha1.json"), manifest+wrong); len(errs) != 1 {
			t.Errorf("of %q the schema says %v", strings.TrimSpace(wrong), errs)
		}
	}
}

// TestTheChartShowsTheCRDs: what Artifact Hub shows of them is true.
func TestTheChartShowsTheCRDs(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../charts/egain-operator/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var chart struct{ Annotations map[string]string }
	if err := yaml.Unmarshal(content, &chart); err != nil {
		t.Fatal(err)
	}
	var crds []struct{ Kind, Version, Name string }
	var examples []map[string]any
	for annotation, into := range map[string]any{"artifacthub.io/crds": &crds, "artifacthub.io/crdsExamples": &examples} {
		if err := yaml.Unmarshal([]byte(chart.Annotations[annotation]), into); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(config, "crd/schemas/*.json"))
	if err != nil || len(files) != len(crds) || len(files) != len(examples) {
		t.Fatalf("there are %d CRDs, %d are listed, of %d are examples: %v", len(files), len(crds), len(examples), err)
	}
	for i, crd := range crds {
		if _, err := os.Stat(filepath.Join(config, "crd/bases", "auth.egain.com_"+strings.TrimSuffix(crd.Name, ".auth.egain.com")+".yaml")); err != nil {
			t.Errorf("%s: %v", crd.Name, err)
		}
		manifest, err := yaml.Marshal(examples[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range schemaErrors(t, filepath.Join(config, "crd/schemas", strings.ToLower(crd.Kind)+"_"+crd.Version+".json"), string(manifest)) {
			t.Errorf("%s: %v", crd.Kind, err)
		}
	}
}
