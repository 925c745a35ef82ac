// Schemas writes a JSON schema for each CRD of config/crd/bases to config/crd/schemas, by which editors check and complete
// manifests. It is stricter than the CRD: a field that the API server would drop is an error.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run("config/crd/bases", "config/crd/schemas"); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // of the checkout
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, version := range crd.Spec.Versions {
			if err := write(to, &crd, version); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes the schema of a version of a CRD, to a file named as in https://github.com/datreeio/CRDs-catalog.
func write(dir string, crd *apiextensionsv1.CustomResourceDefinition, version apiextensionsv1.CustomResourceDefinitionVersion) error {
	content, err := json.Marshal(version.Schema.OpenAPIV3Schema)
	if err != nil {
		return err
	}
	var schema map[string]any
	if err := json.Unmarshal(content, &schema); err != nil {
		return err
	}
	convert(schema)
	properties, _ := schema["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"enum": []string{crd.Spec.Group + "/" + version.Name}}
	properties["kind"] = map[string]any{"enum": []string{crd.Spec.Names.Kind}}
	properties["metadata"] = map[string]any{"type": "object"}
	required, _ := schema["required"].([]any)
	schema["required"] = append(required, "apiVersion", "kind", "metadata")
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(schema); err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%s.json", crd.Spec.Names.Singular, version.Name)
	return os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644) //nolint:gosec // read by all
}

// convert makes JSON schema of an OpenAPI schema: without what Kubernetes adds to it, and with each object closed whose fields
// are known.
func convert(value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			convert(element)
		}
	case map[string]any:
		for key, element := range v {
			if strings.HasPrefix(key, "x-kubernetes-") {
				delete(v, key)
				continue
			}
			convert(element)
		}
		if _, known := v["properties"].(map[string]any); known && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
	}
}
