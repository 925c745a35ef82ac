// Package manifest knows how EgainClients and EgainTenants are written for people: from the words of a command line, checked
// by the API's own rules, without what the API server adds. It is pure: it talks to no one.
package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	structurallisttype "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/config/crd"
)

// Schema is the part of a CustomResourceDefinition that objects are checked by, as the API server checks them.
type Schema struct {
	structural *structuralschema.Structural
	openAPI    validation.SchemaValidator
	rules      *cel.Validator
}

// The schemas of the API, made when they are first needed: compiling their rules takes a while.
var (
	ClientSchema = sync.OnceValue(func() *Schema { return mustParse(crd.EgainClients) })
	TenantSchema = sync.OnceValue(func() *Schema { return mustParse(crd.EgainTenants) })
)

// mustParse reads a definition that is part of the program.
func mustParse(definition []byte) *Schema {
	s, err := parse(definition)
	if err != nil {
		panic(fmt.Sprintf("reading the CustomResourceDefinition in this program: %v", err))
	}
	return s
}

func parse(definition []byte) (*Schema, error) {
	var external apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(definition, &external); err != nil {
		return nil, err
	}
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(external.Spec.Versions[0].Schema, &internal, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	openAPI, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	return &Schema{structural: structural, openAPI: openAPI, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

// Check returns what the API server would say of an object, by the rules of the API alone.
func (s *Schema) Check(ctx context.Context, object *unstructured.Unstructured) field.ErrorList {
	content := object.DeepCopy().Object
	structuraldefaulting.Default(content, s.structural)
	errs := checkName(object.GetName())
	errs = append(errs, validation.ValidateCustomResource(nil, content, s.openAPI)...)
	errs = append(errs, structurallisttype.ValidateListSetsAndMaps(nil, s.structural, content)...)
	// As in the API server, the rules are for objects of the right form.
	if len(errs) > 0 {
		return errs
	}
	ruled, _ := s.rules.Validate(ctx, nil, s.structural, content, nil, celconfig.RuntimeCELCostBudget)
	return ruled
}

func checkName(name string) field.ErrorList {
	path := field.NewPath("metadata", "name")
	if name == "" {
		return field.ErrorList{field.Required(path, "name the object")}
	}
	var errs field.ErrorList
	for _, message := range utilvalidation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(path, name, message))
	}
	return errs
}

// Encode returns an object as it is written in a manifest: without a status, and without fields whose values are those that
// the API server would fill in.
func (s *Schema) Encode(object runtime.Object) *unstructured.Unstructured {
	encoded, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("encoding a type of the API: %v", err))
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(encoded, &content); err != nil {
		panic(fmt.Sprintf("decoding what was just encoded: %v", err))
	}
	delete(content, "status")
	if content["spec"] == nil {
		content["spec"] = map[string]any{} // so that the rules say what it needs
	}
	dropDefaults(content, s.structural)
	return &unstructured.Unstructured{Object: content}
}

// dropDefaults takes out of an object what has its default, and objects that are empty then.
func dropDefaults(object map[string]any, s *structuralschema.Structural) {
	for name, value := range object {
		property, known := s.Properties[name]
		if !known {
			continue
		}
		nested, isObject := value.(map[string]any)
		if isObject && len(property.Properties) > 0 {
			dropDefaults(nested, &property)
		}
		def := property.Default.Object
		if (def != nil && reflect.DeepEqual(value, def)) || (isObject && len(nested) == 0 && mayBeEmpty(def)) {
			delete(object, name)
		}
	}
}

// mayBeEmpty tells an object that the schema fills in anyway from one whose presence means something, such as a selector
// that selects all.
func mayBeEmpty(def any) bool {
	object, isObject := def.(map[string]any)
	return isObject && len(object) == 0
}
