package gitops_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// scriptTime is how long Argo CD lets a script run (argo-cd, util/lua/lua.go).
const scriptTime = time.Second

// healthScript is the health check of a kind.
func healthScript(t *testing.T, kind string) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(root, "config/argocd", kind, "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// argoHealth runs a health check in the virtual machine that Argo CD uses, with the libraries that it gives to scripts of
// argocd-cm: those of packages, of the base and of tables, but not of strings.
func argoHealth(t *testing.T, script string, object *unstructured.Unstructured) (health, message string) {
	t.Helper()
	vm := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer vm.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := vm.CallByParam(lua.P{Fn: vm.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
	defer cancel()
	vm.SetContext(ctx)
	vm.SetGlobal("obj", luaValue(vm, object.Object))
	if err := vm.DoString(script); err != nil {
		t.Fatal(err)
	}
	result, ok := vm.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns a %s, not a table", vm.Get(-1).Type())
	}
	return lua.LVAsString(result.RawGetString("status")), lua.LVAsString(result.RawGetString("message"))
}

func luaValue(vm *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		table := vm.NewTable()
		for _, element := range v {
			table.Append(luaValue(vm, element))
		}
		return table
	case map[string]any:
		table := vm.NewTable()
		for key, element := range v {
			table.RawSetString(key, luaValue(vm, element))
		}
		return table
	default:
		return lua.LNil
	}
}

func TestHealthChecksBearObjectsOfOtherVersions(t *testing.T) {
	t.Parallel()
	for name, object := range map[string]map[string]any{
		"without a status":     {"metadata": map[string]any{"generation": int64(1)}, "spec": map[string]any{}},
		"without conditions":   {"metadata": map[string]any{"generation": int64(1)}, "spec": map[string]any{}, "status": map[string]any{"observedGeneration": int64(1)}},
		"with a condition new": {"metadata": map[string]any{"generation": int64(1)}, "spec": map[string]any{}, "status": map[string]any{"observedGeneration": int64(1), "conditions": []any{map[string]any{"type": "New", "status": "True"}}}},
	} {
		for _, kind := range []string{"EgainClient", "EgainTenant"} {
			if health, _ := argoHealth(t, healthScript(t, kind), &unstructured.Unstructured{Object: object}); health != progressing {
				t.Errorf("%s %s is %s", kind, name, health)
			}
		}
	}
}

func TestTheConfigMapOfArgoCDHoldsTheHealthChecks(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(root, "config/argocd/argocd-cm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict(content, &configMap); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"resource.customizations.health.auth.egain.com_EgainClient": healthScript(t, "EgainClient"),
		"resource.customizations.health.auth.egain.com_EgainTenant": healthScript(t, "EgainTenant"),
	}
	if diff := cmp.Diff(want, configMap.Data); diff != "" {
		t.Errorf("config/argocd/argocd-cm.yaml (-scripts +data):\n%s", diff)
	}
}
