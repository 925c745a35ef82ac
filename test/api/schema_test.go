package api_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// constraint is something that the CRD's schema asks of a field.
type constraint struct {
	// path of the field, with [*] for the elements of lists and the values of maps; empty for the whole object.
	path string
	// kind is the name in OpenAPI, such as maxLength, or rule.
	kind string
	// bound is the number, the allowed values, or the rule's message.
	bound string
}

// fieldPattern matches how the API server writes a path in an error.
func fieldPattern(path string) *regexp.Regexp {
	if path == "" {
		return regexp.MustCompile(`^(<nil>)?$`)
	}
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\[\*\]`, `(\[[^\]]*\]|\..+)`) + "$")
}

func (k *kind) schema(t *testing.T) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	raw, err := os.ReadFile(k.crdFile)
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
		t.Fatal(err)
	}
	return *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// walk visits a schema and all that it is made of.
func walk(path string, s apiextensionsv1.JSONSchemaProps, visit func(path string, s apiextensionsv1.JSONSchemaProps)) {
	visit(path, s)
	for name, property := range s.Properties {
		walk(strings.TrimPrefix(path+"."+name, "."), property, visit)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		walk(path+"[*]", *s.AdditionalProperties.Schema, visit)
	}
	if s.Items != nil && s.Items.Schema != nil {
		walk(path+"[*]", *s.Items.Schema, visit)
	}
}

// constraints of the schema. Types and formats are left out: they are Go's.
func (k *kind) constraints(t *testing.T) map[constraint]bool {
	t.Helper()
	found := map[constraint]bool{}
	walk("", k.schema(t), func(path string, s apiextensionsv1.JSONSchemaProps) {
		if k.isForeign(path) {
			return
		}
		add := func(kind, bound string) { found[constraint{path, kind, bound}] = true }
		for kind, bound := range limits(s) {
			add(kind, fmt.Sprint(bound))
		}
		for _, name := range s.Required {
			found[constraint{strings.TrimPrefix(path+"."+name, "."), "required", ""}] = true
		}
		if len(s.Enum) > 0 {
			add("enum", enumeration(s))
		}
		if s.Pattern != "" {
			add("pattern", s.Pattern)
		}
		if kind := s.XListType; kind != nil && *kind != "atomic" {
			add("list-type", *kind)
		}
		for _, rule := range s.XValidations {
			add("rule", rule.Message)
		}
	})
	return found
}

func enumeration(s apiextensionsv1.JSONSchemaProps) string {
	var values []string
	for _, v := range s.Enum {
		values = append(values, strings.Trim(string(v.Raw), `"`))
	}
	return strings.Join(values, ",")
}

// limits are the bounds of a schema that are numbers.
func limits(s apiextensionsv1.JSONSchemaProps) map[string]int64 {
	found := map[string]int64{}
	for kind, bound := range map[string]*int64{
		"minLength": s.MinLength, "maxLength": s.MaxLength, "minItems": s.MinItems, "maxItems": s.MaxItems,
		"minProperties": s.MinProperties, "maxProperties": s.MaxProperties,
	} {
		if bound != nil {
			found[kind] = *bound
		}
	}
	for kind, bound := range map[string]*float64{"minimum": s.Minimum, "maximum": s.Maximum} {
		if bound != nil {
			found[kind] = int64(*bound)
		}
	}
	return found
}

// tried are the constraints that the tables of this package try. Of a rule, any row that is about its field and has its words.
func (k *kind) tried(asked map[constraint]bool) map[constraint]bool {
	tried := map[constraint]bool{}
	for path, b := range k.bounds {
		for kind, bound := range b.constraints() {
			tried[constraint{path, kind, fmt.Sprint(bound)}] = true
		}
	}
	for path, values := range k.enums {
		tried[constraint{path, "enum", strings.Join(values, ",")}] = true
	}
	for path := range k.required {
		tried[constraint{path, "required", ""}] = true
	}
	for path, listType := range k.listTypes {
		tried[constraint{path, "list-type", listType}] = true
	}
	rows := slices.Collect(maps.Values(k.rules))
	for c := range asked {
		if c.kind == "rule" && slices.ContainsFunc(rows, func(r rule) bool { return r.field == c.path && strings.Contains(c.bound, r.says) }) {
			tried[c] = true
		}
	}
	return tried
}

// TestEveryConstraintHasARow compares what the CRDs ask for with what the tables of this package try.
func TestEveryConstraintHasARow(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		asked := k.constraints(t)
		tried := k.tried(asked)
		for c := range asked {
			if !tried[c] {
				t.Errorf("%s asks this of %q, and no row of this package tries it: %s %s", k.name, c.path, c.kind, c.bound)
			}
		}
		for c := range tried {
			if !asked[c] {
				t.Errorf("a row of this package tries this of %q, and %s does not ask it: %s %s", c.path, k.name, c.kind, c.bound)
			}
		}
	}
}

// TestDescriptionsReadWell guards `kubectl explain`: it wraps lines and keeps line breaks, so that a break within a
// sentence leaves half a line.
func TestDescriptionsReadWell(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		walk("", k.schema(t), func(path string, s apiextensionsv1.JSONSchemaProps) {
			if !k.isForeign(path) && path != "apiVersion" && path != "kind" && path != "metadata" {
				expectGoodDescription(t, k.name+" "+path, s)
			}
		})
	}
}

func expectGoodDescription(t *testing.T, path string, s apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if s.Description == "" && !strings.HasSuffix(path, "[*]") {
		t.Errorf("%s has no description", path)
	}
	for line := range strings.Lines(s.Description) {
		if !strings.HasSuffix(strings.TrimSpace(line), ".") {
			t.Errorf("%s: a line of the description ends within a sentence: %q", path, line)
		}
	}
	if s.Default != nil && s.Type != "object" && !strings.Contains(s.Description, "Default: "+strings.Trim(string(s.Default.Raw), `"`)+".") {
		t.Errorf("%s: the description does not say the default, %s: %q", path, s.Default.Raw, s.Description)
	}
}
