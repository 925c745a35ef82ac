package controllers

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// naming is an EgainClient with a target and credentials.
func naming(name, target, credentials string) *egainv1alpha1.EgainClient {
	return &egainv1alpha1.EgainClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
		Spec: egainv1alpha1.EgainClientSpec{
			Target:               egainv1alpha1.Target{SecretName: egainv1alpha1.SecretName(target)},
			CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(credentials)},
		},
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	a, b, c := naming("a", "target-a", "app"), naming("b", "target-b", "app"), naming("c", "target-c", "app")
	tests := map[string]struct {
		events func(*references)
		want   []string
	}{
		"no client":                   {func(*references) {}, nil},
		"one":                         {func(r *references) { r.add(a) }, []string{"a"}},
		"one, added twice":            {func(r *references) { r.add(a); r.add(a) }, []string{"a"}},
		"several, in order":           {func(r *references) { r.add(b); r.add(c); r.add(a) }, []string{"a", "b", "c"}},
		"one of several has gone":     {func(r *references) { r.add(a); r.add(b); r.add(c); r.remove(b) }, []string{"a", "c"}},
		"all have gone":               {func(r *references) { r.add(a); r.add(b); r.remove(b); r.remove(a) }, nil},
		"the only one has gone":       {func(r *references) { r.add(a); r.remove(a) }, nil},
		"one that was never there":    {func(r *references) { r.add(a); r.remove(b) }, []string{"a"}},
		"one again after all":         {func(r *references) { r.add(a); r.add(b); r.remove(b); r.remove(a); r.add(c) }, []string{"c"}},
		"one that names another now":  {func(r *references) { r.add(a); r.remove(a); r.add(naming("a", "target-a", "other")) }, nil},
		"its own target as well":      {func(r *references) { r.add(naming("a", "app", "app")) }, []string{"a"}},
		"its own target, and is gone": {func(r *references) { ec := naming("a", "app", "app"); r.add(ec); r.remove(ec) }, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &references{}
			tc.events(r)
			if diff := cmp.Diff(tc.want, r.of(named{"ns", "Secret/app"})); diff != "" {
				t.Error(diff)
			}
			if got := r.of(named{"elsewhere", "Secret/app"}); got != nil {
				t.Errorf("got %v of another namespace", got)
			}
		})
	}
}

func TestReferencesOfThoseThatAreGoneTakeNoMemory(t *testing.T) {
	t.Parallel()
	r, clients := &references{}, []*egainv1alpha1.EgainClient{naming("a", "target-a", "app"), naming("b", "target-b", "app"), naming("c", "app", "app")}
	for _, ec := range clients {
		r.add(ec)
	}
	for _, ec := range clients {
		r.remove(ec)
	}
	if len(r.by) > 0 {
		t.Errorf("left: %v", r.by)
	}
}

// clientsByName is a cache of EgainClients that can only be asked for one of them.
type clientsByName map[string]*egainv1alpha1.EgainClient

func (c clientsByName) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	ec, ok := c[key.Name]
	switch {
	case !ok:
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	case ec == nil:
		return errors.New("the cache is broken")
	}
	ec.DeepCopyInto(o.(*egainv1alpha1.EgainClient))
	return nil
}

func (clientsByName) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("asked for a list")
}

func TestWhoNamesAnObjectIsLookedUpInTheCache(t *testing.T) {
	t.Parallel()
	a, b := naming("a", "target-a", "app"), naming("b", "target-b", "app")
	r := referring{clientsByName{"a": a}, &references{}}
	r.references.add(a)
	r.references.add(b)
	byObject := []client.ListOption{client.InNamespace("ns"), client.MatchingFields{indexObjects: "Secret/app"}}
	names := func(cached clientsByName, options ...client.ListOption) ([]string, error) {
		r.Reader = cached
		var found egainv1alpha1.EgainClientList
		err := r.List(t.Context(), &found, options...)
		var names []string
		for i := range found.Items {
			names = append(names, found.Items[i].Name)
		}
		return names, err
	}
	tests := map[string]struct {
		cached  clientsByName
		options []client.ListOption
		want    []string
		fails   bool
	}{
		"both are there":                          {cached: clientsByName{"a": a, "b": b}, options: byObject, want: []string{"a", "b"}},
		"the cache has let one go already":        {cached: clientsByName{"b": b}, options: byObject, want: []string{"b"}},
		"the cache has a later one that does not": {cached: clientsByName{"a": naming("a", "target-a", "other"), "b": b}, options: byObject, want: []string{"b"}},
		"the cache cannot be read":                {cached: clientsByName{"a": a, "b": nil}, options: byObject, want: []string{"a"}, fails: true},
		"another index is the cache's":            {options: []client.ListOption{client.MatchingFields{indexTenant: "production"}}, fails: true},
		"and so are all of them":                  {fails: true},
	}
	for name, tc := range tests {
		got, err := names(tc.cached, tc.options...)
		if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != tc.fails {
			t.Errorf("%s: %v, %s", name, err, diff)
		}
	}
}

func TestReferences_TheTargetIsNotWhatIsRead(t *testing.T) {
	t.Parallel()
	a, b, c := naming("a", "target-a", "app"), naming("b", "app", "other"), naming("c", "target-c", "app")
	for name, tc := range map[string]struct {
		events func(*references)
		want   []string
	}{
		"no client":               {func(*references) {}, nil},
		"one that reads it":       {func(r *references) { r.add(a) }, nil},
		"several that read it":    {func(r *references) { r.add(a); r.add(c) }, nil},
		"one that targets it":     {func(r *references) { r.add(b) }, []string{"b"}},
		"before those that read":  {func(r *references) { r.add(b); r.add(a); r.add(c) }, []string{"b"}},
		"after those that read":   {func(r *references) { r.add(a); r.add(c); r.add(b) }, []string{"b"}},
		"one that does not now":   {func(r *references) { r.add(a); r.add(b); r.remove(b); r.add(naming("b", "target-b", "app")) }, nil},
		"one that does both":      {func(r *references) { r.add(naming("d", "app", "app")) }, []string{"d"}},
		"one of several has gone": {func(r *references) { r.add(b); r.add(a); r.add(c); r.remove(a) }, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &references{}
			tc.events(r)
			if diff := cmp.Diff(tc.want, r.targeting(named{"ns", "Secret/app"})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReferences_EverySecretThatIsReadHasAUse fills every field that could name a Secret, with a name of its own: one that the
// watches know and SecretUse does not could be made a target.
func TestReferences_EverySecretThatIsReadHasAUse(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "client"}}
	names := fillNames(reflect.ValueOf(&ec.Spec).Elem(), "spec")
	ec.Spec.Tenant.CABundleRef.Kind = "Secret"
	for _, other := range []string{"spec.target.secretName", "spec.tenantRef.name", "spec.tokenExchange.subjectToken.egainClientRef.name", "spec.tokenExchange.subjectToken.serviceAccountToken.name"} {
		if _, known := names[other]; !known {
			t.Errorf("%s is not filled: %v", other, names)
		}
		delete(names, other) // the target, and names of other kinds
	}
	watched := objectsOf(ec)
	for field, name := range names {
		if use := ec.SecretUse(name); use+".name" != field {
			t.Errorf("%s is known as %q", field, use)
		}
		if !slices.Contains(watched, "Secret/"+name) {
			t.Errorf("%s is not watched", field)
		}
	}
	if len(watched) != len(names)+1 || len(names) < 4 {
		t.Errorf("watched are %v", watched)
	}
	et := &egainv1alpha1.EgainTenant{}
	tenantNames := fillNames(reflect.ValueOf(&et.Spec).Elem(), "spec")
	et.Spec.CABundleRef.Kind, et.Spec.CABundleRef.Namespace = "Secret", "ns"
	et.Spec.Applications[0].CredentialsSecretRef.Namespace = "ns"
	for field, name := range tenantNames {
		if use := et.SecretUseIn("ns", name); use+".name" != field {
			t.Errorf("of an EgainTenant, %s is known as %q", field, use)
		}
	}
}

// fillNames gives each SecretName in a struct a value of its own, and returns the values by field.
func fillNames(v reflect.Value, path string) map[string]string {
	names := map[string]string{}
	switch {
	case v.Type() == reflect.TypeFor[egainv1alpha1.SecretName]():
		v.SetString("name-of-" + strings.ToLower(strings.ReplaceAll(path, ".", "-")))
		names[path] = v.String()
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.New(v.Type().Elem()))
		return fillNames(v.Elem(), path)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fillNames(v.Index(0), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			field, at := v.Type().Field(i), path
			if !field.IsExported() {
				continue
			}
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
				at += "." + name
			}
			maps.Copy(names, fillNames(v.Field(i), at))
		}
	}
	return names
}
