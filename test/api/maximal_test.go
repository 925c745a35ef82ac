package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// variant is a way to fill an object: of fields that exclude each other, each is filled in one of them.
type variant struct {
	base    string
	without []string
}

var clientVariants = map[string]variant{
	"user-by-name":             {onBehalfOf, []string{"spec.onBehalfOf.userID", "spec.onBehalfOf.email", "spec.renewal.before"}},
	"user-by-id":               {onBehalfOf, []string{"spec.onBehalfOf.username", "spec.onBehalfOf.email", "spec.renewal.percent"}},
	"customer":                 {onBehalfOf, []string{"spec.onBehalfOf.username", "spec.onBehalfOf.userID", "spec.renewal.percent"}},
	"token-of-secret":          {secretExchange, []string{"spec.renewal.percent"}},
	"token-of-service-account": {serviceAccountExchange, []string{"spec.renewal.percent"}},
	"token-of-client":          {clientExchange, []string{"spec.renewal.percent"}},
	"session":                  {authorizationCode, []string{"spec.renewal.percent"}},
	"of-shared-tenant":         {tenantReference, []string{"spec.renewal.percent", "spec.tenant", "spec.tenantRef.application"}},
	"of-application":           {applicationReference, []string{"spec.renewal.percent", "spec.tenant", "spec.credentialsSecretRef"}},
}

// filled fills all of a part of a variant, spec or status, to the bounds.
func (k *kind) filled(part string, v variant) change {
	c := change{}
	for path, b := range k.bounds {
		excluded := slices.ContainsFunc(v.without, func(w string) bool { return path == w || strings.HasPrefix(path, w+".") })
		switch {
		case !strings.HasPrefix(path, part+".") || strings.Contains(path, "[*]") || b.most == none:
		case excluded:
			c[path] = nil
		case b.base == "" || b.base == v.base:
			c[path] = k.crowded(path, b)
		}
	}
	if k == &clients && part == "spec" {
		// Others than the credentials.
		c["spec.target.secretName"] = strings.Repeat("b", 253)
		if v.base != applicationReference {
			c["spec.credentialsSecretRef.clientSecretKey"] = strings.Repeat("b", 253)
		}
		if v.base == authorizationCode {
			c["spec.authorizationCode.sessionSecretRef.name"] = strings.Repeat("d", 253)
		}
	}
	return c
}

// crowded is the largest value: of a collection, the most elements, each as long as may be.
func (k *kind) crowded(path string, b bound) any {
	element, collects := k.bounds[path+"[*]"]
	_, anyKey := k.longestKeys[path]
	if !collects || (b.measure == entries && !anyKey) { // a map with keys of its own
		return b.of(b.most)
	}
	if b.measure == items {
		elements := []string{}
		for i := range b.most {
			elements = append(elements, padded(i, int(element.most)))
		}
		return elements
	}
	values := map[string]any{}
	for i := range b.most {
		key := padded(i, k.longestKeys[path])
		if len(key) > 253 {
			key = key[:253] + "/" + key[254:]
		}
		values[key] = element.of(element.most).(map[string]any)["key"]
	}
	return values
}

// padded is a number made long, so that it differs from others of that length.
func padded(i int64, length int) string {
	return fmt.Sprintf("%d%s", i+100, strings.Repeat("a", length-3))
}

// TestObjectsFilledToTheBounds proves that the cost of all rules together is within what the API server allows an object,
// and that no bound of one field contradicts that of another. It fails if there is an upper bound that no object reaches.
func TestObjectsFilledToTheBounds(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		reached := map[constraint]bool{}
		for name, v := range k.variants {
			visit("", k.schema(t), k.createFilled(t, name, v).Object, func(path string, s apiextensionsv1.JSONSchemaProps, value any) {
				for kind, limit := range limits(s) {
					if size(value) == limit {
						reached[constraint{path, kind, fmt.Sprint(limit)}] = true
					}
				}
			})
		}
		for c := range k.constraints(t) {
			if strings.HasPrefix(c.kind, "max") && !reached[c] {
				t.Errorf("no %s reaches the %s of %s, which is %s", k.name, c.kind, c.path, c.bound)
			}
		}
	}
}

// createFilled creates the largest object of a variant and returns it as it is stored.
func (k *kind) createFilled(t *testing.T, name string, v variant) *unstructured.Unstructured {
	t.Helper()
	object := baseObject(empty, v.base)
	object.SetName(name + "-" + strings.Repeat("c", 253-len(name)-1))
	if err := admin.Create(t.Context(), k.filled("spec", v).applied(t, object)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := admin.Status().Update(t.Context(), k.filled("status", v).applied(t, object)); err != nil {
		t.Fatalf("status of %s: %v", name, err)
	}
	return k.fetch(t, object)
}

// visit walks an object along its schema.
func visit(path string, s apiextensionsv1.JSONSchemaProps, value any, f func(path string, s apiextensionsv1.JSONSchemaProps, value any)) {
	f(path, s, value)
	switch v := value.(type) {
	case map[string]any:
		for name, element := range v {
			if property, known := s.Properties[name]; known {
				visit(strings.TrimPrefix(path+"."+name, "."), property, element, f)
			} else if s.AdditionalProperties != nil {
				visit(path+"[*]", *s.AdditionalProperties.Schema, element, f)
			}
		}
	case []any:
		for _, element := range v {
			visit(path+"[*]", *s.Items.Schema, element, f)
		}
	}
}

// size is what bounds of a value's kind count.
func size(value any) int64 {
	switch v := value.(type) {
	case string:
		return int64(utf8.RuneCountInString(v))
	case int64:
		return v
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	default:
		return none
	}
}

// lookUp finds a field, of a list in its first element.
func lookUp(object *unstructured.Unstructured, path string) (any, bool) {
	var at any = object.Object
	for field := range strings.SplitSeq(path, ".") {
		name, listed := strings.CutSuffix(field, "[*]")
		fields, _ := at.(map[string]any)
		value, found := fields[name]
		if elements, is := value.([]any); listed && is && len(elements) > 0 {
			value = elements[0]
		}
		if !found {
			return nil, false
		}
		at = value
	}
	return at, true
}
