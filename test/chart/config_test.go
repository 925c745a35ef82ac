package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/internal/options"
)

// image is that of both.
const image = "registry.example.com/egain-operator:v1"

// components are the options of config/default, by their directory, with the values that stand for them.
var components = map[string][]string{
	"components/high-availability":      {"replicas=2"},
	"components/service-account-tokens": {"serviceAccountTokens.enabled=true", "serviceAccountTokens.audiences={egain}"},
	"policies":                          {"policies.secrets.enabled=true", "policies.hosts.enabled=true", "policies.targets.enabled=true", "allowedHosts={*.egain.cloud}"},
	"policies/secrets":                  {"policies.secrets.enabled=true"},
	"policies/hosts":                    {"policies.hosts.enabled=true", "allowedHosts={*.egain.cloud}"},
	"policies/targets":                  {"policies.targets.enabled=true"},
	"network-policy":                    {"networkPolicy.enabled=true"},
	"prometheus/prometheus-rule":        {"prometheusRule.enabled=true"},
	"prometheus/service-monitor":        {"serviceMonitor.enabled=true"},
}

// elsewhere are components that no value stands for, with the reason.
var elsewhere = map[string]string{
	"kustomize": "it is for the kustomizations that EgainClients are in",
	"argocd":    "it is for the ConfigMap of Argo CD, in whose namespace the operator has no business",
}

func TestEveryComponentIsAValue(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/config/*/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(root + "/config/*/*/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range append(files, deeper...) {
		name := strings.TrimPrefix(filepath.Dir(file), root+"/config/")
		if kustomization(t, file)["kind"] == "Component" && elsewhere[name] == "" {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(components)), found); diff != "" {
		t.Errorf("(-here +config):\n%s", diff)
	}
}

func kustomization(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var k map[string]any
	if err := yaml.Unmarshal(text, &k); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return k
}

func TestTheChartIsWhatConfigIs(t *testing.T) {
	t.Parallel()
	type variant struct {
		overlay    string
		components []string
		values     []string
	}
	tests := map[string]variant{
		"the default": {overlay: "default"},
		"namespaced":  {overlay: "namespaced", values: []string{"watchNamespaces={team-a}"}},
	}
	all := variant{overlay: "default"}
	for component, values := range components {
		tests[component] = variant{overlay: "default", components: []string{component}, values: values}
		if strings.HasPrefix(component, "policies/") {
			continue // of the component policies
		}
		all.components = append(all.components, component)
		all.values = append(all.values, values...)
	}
	tests["all components"] = all
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--set=image.repository=registry.example.com/egain-operator", "--set=image.tag=v1"}
			for _, value := range tc.values {
				args = append(args, "--set="+value)
			}
			want := normalised(t, decode(t, kustomize(t, tc.overlay, tc.components)))
			got := normalised(t, rendered(t, args...))
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("other objects (-config +chart):\n%s", diff)
			}
			for name := range want {
				if diff := cmp.Diff(want[name], got[name]); got[name] != nil && diff != "" {
					t.Errorf("%s (-config +chart):\n%s", name, diff)
				}
			}
		})
	}
}

// kustomize renders an overlay of a copy of config, with components in config/default.
func kustomize(t *testing.T, overlay string, components []string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir+"/config", os.DirFS(root+"/config")); err != nil {
		t.Fatal(err)
	}
	file := dir + "/config/default/kustomization.yaml"
	k := kustomization(t, file)
	paths := []string{}
	for _, component := range components {
		paths = append(paths, "../"+component)
	}
	k["components"] = paths
	text, err := yaml.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	file = dir + "/config/manager/kustomization.yaml"
	k = kustomization(t, file)
	name, tag, _ := strings.Cut(image, ":")
	k["images"] = []any{map[string]any{"name": "controller", "newName": name, "newTag": tag}}
	if text, err = yaml.Marshal(k); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), root+"/hack/tools/run.sh", "kustomize", "build", dir+"/config/"+overlay).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}

// normalised are objects by kind, namespace and name, without what differs on purpose: the namespace, which helm makes
// itself, the labels and annotations that helm and the chart add, and how rules and arguments are written.
func normalised(t *testing.T, objects []*unstructured.Unstructured) map[string]any {
	t.Helper()
	result := map[string]any{}
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			continue
		}
		object.SetLabels(without(object.GetLabels(), ofChart...))
		object.SetAnnotations(without(object.GetAnnotations(), "helm.sh/resource-policy"))
		switch object.GetKind() {
		case "ClusterRole", "Role":
			object.Object["rules"] = grants(t, object)
		case "Deployment":
			setArgs(t, object)
		}
		forgetInstance(object.Object)
		result[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = object.Object
	}
	return result
}

// ofChart are the labels that the chart gives all of its objects.
var ofChart = []string{
	"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/part-of",
	"app.kubernetes.io/version", "helm.sh/chart",
}

// without returns what remains of a map, nil if nothing does.
func without(all map[string]string, keys ...string) map[string]string {
	for _, key := range keys {
		delete(all, key)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// forgetInstance removes the label by which the objects of several releases are told apart, wherever it is.
func forgetInstance(value any) {
	switch v := value.(type) {
	case map[string]any:
		delete(v, "app.kubernetes.io/instance")
		for _, inner := range v {
			forgetInstance(inner)
		}
	case []any:
		for _, inner := range v {
			forgetInstance(inner)
		}
	}
}

// grants are what rules allow, whatever their order and grouping.
func grants(t *testing.T, role *unstructured.Unstructured) []string {
	t.Helper()
	var typed rbacv1.ClusterRole
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(role.Object, &typed); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, rule := range typed.Rules {
		for _, verb := range rule.Verbs {
			for _, url := range rule.NonResourceURLs {
				all = append(all, verb+" "+url)
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					all = append(all, strings.Join(append([]string{verb, group + "/" + resource}, rule.ResourceNames...), " "))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// setArgs replaces the arguments of the operator by what it makes of them: the chart spells defaults out.
func setArgs(t *testing.T, deployment *unstructured.Unstructured) {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatalf("got containers %v, %v, want one", containers, err)
	}
	manager, _ := containers[0].(map[string]any)
	args, _, err := unstructured.NestedStringSlice(manager, "args")
	if err != nil {
		t.Fatal(err)
	}
	var o options.Options
	if err := flags(&o).Parse(args); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	manager["args"] = string(text)
	if err := unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers"); err != nil {
		t.Fatal(err)
	}
}
