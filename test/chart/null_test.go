package chart_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/internal/options"
)

// paths are those of all values, at every depth. A key may contain dots.
func paths(values map[string]any) [][]string {
	var all [][]string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		all = append(all, []string{key})
		inner, _ := values[key].(map[string]any)
		for _, rest := range paths(inner) {
			all = append(all, append([]string{key}, rest...))
		}
	}
	return all
}

// at returns the value at a path.
func at(values map[string]any, path []string) any {
	value := values[path[0]]
	if inner, ok := value.(map[string]any); ok && len(path) > 1 {
		return at(inner, path[1:])
	}
	return value
}

// changedAt returns a copy of values in which edit has changed the map that holds the last key of a path.
func changedAt(values map[string]any, path []string, edit func(values map[string]any, key string)) map[string]any {
	result := maps.Clone(values)
	if result == nil {
		result = map[string]any{}
	}
	if len(path) == 1 {
		edit(result, path[0])
		return result
	}
	inner, _ := values[path[0]].(map[string]any)
	result[path[0]] = changedAt(inner, path[1:], edit)
	return result
}

func to(value any) func(map[string]any, string) {
	return func(values map[string]any, key string) { values[key] = value }
}

// chartWith is a copy of the chart whose values.yaml has other values.
func chartWith(t *testing.T, values map[string]any) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "egain-operator")
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "values.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func templateOf(t *testing.T, dir string, args ...string) string {
	t.Helper()
	text, err := helm(t, append([]string{"template", release, dir, "--namespace=" + namespace}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// absent is what a value is to be if it is null: a map whose keys are Kubernetes' or the user's, and a list, are empty; what is
// below such a map is not there; all else has its default.
func absent(defaults map[string]any, leaves, path []string) map[string]any {
	for depth := range path {
		if slices.Contains(leaves, strings.Join(path[:depth+1], ".")) && depth+1 < len(path) {
			return changedAt(defaults, path, func(values map[string]any, key string) { delete(values, key) })
		}
	}
	switch at(defaults, path).(type) {
	case map[string]any:
		if slices.Contains(leaves, strings.Join(path, ".")) {
			return changedAt(defaults, path, to(map[string]any{}))
		}
	case []any:
		return changedAt(defaults, path, to([]any{}))
	}
	return defaults
}

// inItsOwnWords reports whether the chart itself refuses values, since they do not fit each other.
func inItsOwnWords(err error) bool {
	return slices.ContainsFunc([]string{"metrics.port and health.port", "give it in Ki, Mi or Gi", "allowedHosts is empty", "audiences is empty"},
		func(words string) bool { return strings.Contains(err.Error(), words) })
}

// TestANullIsTheEmptyValueOrTheDefault drops each value in turn, as Helm has it: by a null.
func TestANullIsTheEmptyValueOrTheDefault(t *testing.T) {
	t.Parallel()
	defaults, all, known := valuesOf(t, "values.yaml"), valuesOf(t, everything), leaves(t)
	for _, path := range paths(defaults) {
		t.Run(strings.Join(path, "."), func(t *testing.T) {
			t.Parallel()
			null := "--values=" + valuesFile(t, changedAt(nil, path, to(nil)))
			want := templateOf(t, chartWith(t, absent(defaults, known, path)))
			got, err := template(t, null)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			// The same over a file that sets it.
			got, err = template(t, "--values="+valuesFile(t, all), null)
			if err == nil {
				parsed(t, got)
			} else if !inItsOwnWords(err) {
				t.Fatal(err)
			}
		})
	}
}

// parsed wants the operator to take its arguments.
func parsed(t *testing.T, text string) {
	t.Helper()
	var o options.Options
	fs := flags(&o)
	fs.Init("egain-operator", flag.ContinueOnError)
	if err := fs.Parse(container(t, decode(t, text)).Args); err != nil {
		t.Error(err)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

// TestANullDropsWhatAnotherFileAdded is about keys for which the chart has no default.
func TestANullDropsWhatAnotherFileAdded(t *testing.T) {
	t.Parallel()
	defaults := valuesOf(t, "values.yaml")
	want, err := template(t)
	if err != nil {
		t.Fatal(err)
	}
	added := map[string]any{
		"global": map[string]any{"of": "a parent"}, "enabled": true,
		"resources":       map[string]any{"limits": map[string]any{"cpu": 1, "ephemeral-storage": "1Gi"}, "claims": []any{map[string]any{"name": "x"}}},
		"livenessProbe":   map[string]any{"initialDelaySeconds": 1, "terminationGracePeriodSeconds": 2},
		"updateStrategy":  map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxSurge": 1, "maxUnavailable": 1}},
		"dnsConfig":       map[string]any{"nameservers": []any{"10.0.0.1"}, "searches": []any{"x"}, "options": []any{map[string]any{"name": "x"}}},
		"affinity":        map[string]any{"nodeAffinity": map[string]any{}, "podAffinity": map[string]any{}, "podAntiAffinity": map[string]any{}},
		"securityContext": map[string]any{"runAsUser": 1000, "seLinuxOptions": map[string]any{"level": "s0"}},
	}
	for _, path := range paths(defaults) {
		if empty, ok := at(defaults, path).(map[string]any); ok && len(empty) == 0 && added[path[0]] == nil {
			added = changedAt(added, path, to(map[string]any{"x": "y"}))
		}
	}
	for _, path := range paths(added) {
		if reflect.DeepEqual(path, []string{"resources"}) {
			continue // has a default, which TestANullIsTheEmptyValueOrTheDefault is about
		}
		if at(defaults, path) != nil {
			continue
		}
		t.Run(strings.Join(path, "."), func(t *testing.T) {
			t.Parallel()
			earlier := changedAt(nil, path, to(at(added, path)))
			got, err := template(t, "--values="+valuesFile(t, earlier), "--values="+valuesFile(t, changedAt(nil, path, to(nil))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(objectsOf(t, want), objectsOf(t, got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// objectsOf are the objects of a rendering, without maps that are empty.
func objectsOf(t *testing.T, text string) []any {
	t.Helper()
	var all []any
	for _, object := range decode(t, text) {
		all = append(all, pruned(object.Object))
	}
	return all
}

func pruned(value any) any {
	if list, ok := value.([]any); ok {
		for i := range list {
			list[i] = pruned(list[i])
		}
	}
	inner, ok := value.(map[string]any)
	if !ok {
		return value
	}
	result := map[string]any{}
	for key, v := range inner {
		v = pruned(v)
		if m, ok := v.(map[string]any); !ok || len(m) > 0 {
			result[key] = v
		}
	}
	return result
}

// TestValuesOfAnEarlierChartAreEnough is about helm upgrade --reuse-values, which hands the values of the chart that was
// installed to one that has more of them, and about a chart below another, whose values are dropped from there.
func TestValuesOfAnEarlierChartAreEnough(t *testing.T) {
	t.Parallel()
	defaults, known := valuesOf(t, "values.yaml"), leaves(t)
	nulls := map[string]any{}
	emptied := defaults
	for key := range defaults {
		nulls[key] = nil
	}
	for _, leaf := range known {
		emptied = absent(emptied, known, strings.Split(leaf, "."))
	}
	want := templateOf(t, chartWith(t, emptied))
	if diff := cmp.Diff(want, templateOf(t, chartWith(t, map[string]any{}))); diff != "" {
		t.Errorf("without any value (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, templateOf(t, chart, "--values="+valuesFile(t, nulls))); diff != "" {
		t.Errorf("with nulls only (-want +got):\n%s", diff)
	}
	parent := t.TempDir()
	if err := os.CopyFS(filepath.Join(parent, "charts", "egain-operator"), os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, "Chart.yaml"), []byte("apiVersion: v2\nname: platform\nversion: 0.1.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	below := "--values=" + valuesFile(t, map[string]any{"egain-operator": nulls})
	if diff := cmp.Diff(objectsOf(t, want), objectsOf(t, templateOf(t, parent, below))); diff != "" {
		t.Errorf("below another chart (-want +got):\n%s", diff)
	}
}

// TestAnEmptyValueIsTakenOrRefused gives each value what is empty in its type.
func TestAnEmptyValueIsTakenOrRefused(t *testing.T) {
	t.Parallel()
	defaults := valuesOf(t, "values.yaml")
	for _, path := range paths(defaults) {
		value := at(defaults, path)
		t.Run(strings.Join(path, "."), func(t *testing.T) {
			t.Parallel()
			var empty any = false // of what is null by default, which are switches
			if value != nil {
				empty = reflect.Zero(reflect.TypeOf(value)).Interface()
			}
			switch value.(type) {
			case map[string]any:
				empty = map[string]any{}
			case []any:
				empty = []any{}
			}
			got, err := template(t, "--values="+valuesFile(t, changedAt(nil, path, to(empty))))
			if err == nil {
				parsed(t, got)
				return
			}
			if !strings.Contains(err.Error(), "at '/"+strings.Join(path, "/")+"'") && !inItsOwnWords(err) {
				t.Error(err)
			}
		})
	}
}
