package gitops_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
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

// argoHealth runs a health check.
func argoHealth(t *testing.T, script string, object *unstructured.Unstructured) (health, message string) {
	t.Helper()
	result := argoScript(t, script, object)
	return lua.LVAsString(result.RawGetString("status")), lua.LVAsString(result.RawGetString("message"))
}

// argoScript runs a script in the virtual machine that Argo CD uses, with the libraries that it gives to scripts of argocd-cm:
// those of packages, of the base and of tables, but not of strings; and of the operating system, for those that require it, date
// and time (argo-cd, util/lua/oslib_safe.go).
func argoScript(t *testing.T, script string, object *unstructured.Unstructured) *lua.LTable {
	t.Helper()
	vm := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer vm.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := vm.CallByParam(lua.P{Fn: vm.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	vm.PreloadModule(lua.OsLibName, safeOS)
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
	return result
}

func safeOS(vm *lua.LState) int {
	lua.OpenOs(vm)
	all, safe := vm.CheckTable(-1), vm.NewTable()
	for _, name := range []string{"date", "time"} {
		safe.RawSetString(name, all.RawGetString(name))
	}
	vm.SetGlobal(lua.OsLibName, lua.LNil)
	vm.Push(safe)
	return 1
}

// goValue is the opposite of luaValue, for objects without empty lists.
func goValue(value lua.LValue) any {
	switch v := value.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return int64(v)
	case *lua.LTable:
		if v.Len() > 0 {
			var list []any
			for i := range v.Len() {
				list = append(list, goValue(v.RawGetInt(i+1)))
			}
			return list
		}
		object := map[string]any{}
		v.ForEach(func(key, element lua.LValue) { object[lua.LVAsString(key)] = goValue(element) })
		return object
	default:
		return nil
	}
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

// argoConfigMap is a patch of Argo CD's ConfigMap.
func argoConfigMap(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "config/argocd", file))
	if err != nil {
		t.Fatal(err)
	}
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict(content, &configMap); err != nil {
		t.Fatal(err)
	}
	return configMap.Data
}

func TestTheConfigMapOfArgoCDHoldsTheHealthChecks(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"resource.customizations.health.auth.egain.com_EgainClient": healthScript(t, "EgainClient"),
		"resource.customizations.health.auth.egain.com_EgainTenant": healthScript(t, "EgainTenant"),
	}
	if diff := cmp.Diff(want, argoConfigMap(t, "argocd-cm.yaml")); diff != "" {
		t.Errorf("config/argocd/argocd-cm.yaml (-scripts +data):\n%s", diff)
	}
}

// argoActions are the actions of a kind as Argo CD reads them from its ConfigMap.
type argoActions struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name   string `json:"name"`
		Action string `json:"action.lua"`
	} `json:"definitions"`
}

// actions reads those of EgainClients, whose scripts are files, too.
func actions(t *testing.T) argoActions {
	t.Helper()
	var all argoActions
	if err := yaml.UnmarshalStrict([]byte(argoConfigMap(t, "argocd-cm-actions.yaml")["resource.customizations.actions.auth.egain.com_EgainClient"]), &all); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "config/argocd/EgainClient/actions")
	held := map[string]string{filepath.Join(dir, "discovery.lua"): all.Discovery}
	for _, definition := range all.Definitions {
		held[filepath.Join(dir, definition.Name, "action.lua")] = definition.Action
	}
	for file, script := range held {
		if content, err := os.ReadFile(file); err != nil || string(content) != script {
			t.Errorf("argocd-cm-actions.yaml does not hold %s as it is: %v", file, err)
		}
	}
	return all
}

// act runs an action on an EgainClient.
func act(t *testing.T, name string, ec *egainv1alpha1.EgainClient) *egainv1alpha1.EgainClient {
	t.Helper()
	all := actions(t)
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ec)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: object}
	state, found := argoScript(t, all.Discovery, u).RawGetString(name).(*lua.LTable)
	if !found || lua.LVAsBool(state.RawGetString("disabled")) {
		t.Fatalf("%s is not offered", name)
	}
	for _, definition := range all.Definitions {
		if definition.Name == name {
			changed, _ := goValue(argoScript(t, definition.Action, u)).(map[string]any)
			result := &egainv1alpha1.EgainClient{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(changed, result, true); err != nil {
				t.Fatal(err)
			}
			return result
		}
	}
	t.Fatalf("%s is not defined", name)
	return nil
}

func TestArgoCDRenewsSuspendsAndResumes(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{
		ObjectMeta: metav1.ObjectMeta{Name: "knowledge-sync", Namespace: metav1.NamespaceDefault},
		Spec:       egainv1alpha1.EgainClientSpec{Scopes: []egainv1alpha1.Scope{"knowledge.portalmgr.manage"}},
	}
	before := time.Now().Truncate(time.Second)
	renewed := act(t, "renew", ec)
	at, err := time.Parse(time.RFC3339, renewed.Annotations[egainv1alpha1.RenewRequestedAtAnnotation])
	if err != nil || at.Before(before) {
		t.Errorf("a renewal is requested at %s: %v", at, err)
	}
	delete(renewed.Annotations, egainv1alpha1.RenewRequestedAtAnnotation)
	want := ec.DeepCopy()
	want.Spec.Suspend = new(true)
	stopped := act(t, "suspend", ec)
	for name, diff := range map[string]string{
		"renew":   cmp.Diff(ec, renewed, cmpopts.EquateEmpty()),
		"suspend": cmp.Diff(want, stopped, cmpopts.EquateEmpty()),
		"resume":  cmp.Diff(ec, act(t, "resume", stopped), cmpopts.EquateEmpty()),
	} {
		if diff != "" {
			t.Errorf("%s changes more than it is to (-want +got):\n%s", name, diff)
		}
	}
}
