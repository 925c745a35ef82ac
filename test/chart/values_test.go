package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const everything = "ci/everything-values.yaml"

func TestTheChartIsLinted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(chart + "/ci/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no values: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if output, err := helm(t, "lint", "--strict", chart, "--values="+file); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			names := map[string]bool{}
			for _, object := range rendered(t, "--values="+file) {
				name := object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
				if names[name] {
					t.Errorf("%s is there twice", name)
				}
				names[name] = true
			}
		})
	}
}

// property is a value as the schema has it.
type property struct {
	Properties map[string]property `json:"properties"`
	Closed     *bool               `json:"additionalProperties"`
}

func schemaOf(t *testing.T) property {
	t.Helper()
	text, err := os.ReadFile(chart + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		property
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	all.property.Properties = map[string]property{}
	for name, raw := range all.Properties {
		var p property
		// What is no property with properties of its own needs no more than its name here.
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all.property.Properties[name] = p
	}
	return all.property
}

// leaves are the values that are set on their own: what the README lists. A map is one if its keys are the user's, or
// Kubernetes' own.
func leaves(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile(chart + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| .* \\| (.*) \\|$").FindAllStringSubmatch(string(readme), -1) {
		if strings.TrimSpace(row[2]) == "" {
			t.Errorf("%s has no description: give it a comment that begins with --", row[1])
		}
		keys = append(keys, row[1])
	}
	if len(keys) == 0 {
		t.Fatal("the README lists no value")
	}
	return keys
}

// lookup returns the value at a path, and whether there is one.
func lookup(values map[string]any, path string) (any, bool) {
	first, rest, deeper := strings.Cut(path, ".")
	value, ok := values[first]
	if !deeper || !ok {
		return value, ok
	}
	inner, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	return lookup(inner, rest)
}

// with returns a copy of values with another value at a path.
func with(values map[string]any, path string, value any) map[string]any {
	result := map[string]any{}
	maps.Copy(result, values)
	first, rest, deeper := strings.Cut(path, ".")
	if deeper {
		inner, _ := values[first].(map[string]any)
		value = with(inner, rest, value)
	}
	result[first] = value
	return result
}

func TestSchemaValuesAndReadmeNameTheSame(t *testing.T) {
	t.Parallel()
	defaults, all := valuesOf(t, "values.yaml"), valuesOf(t, everything)
	keys := leaves(t)
	for _, key := range keys {
		if _, ok := lookup(defaults, key); !ok {
			t.Errorf("%s is in the README, but not in values.yaml", key)
		}
		if _, ok := lookup(all, key); !ok {
			t.Errorf("%s is not in %s", key, everything)
		}
	}
	known := schemaOf(t)
	var inSchema []string
	for name, p := range known.Properties {
		if name == "global" || name == "enabled" {
			continue // of a parent chart
		}
		if slices.Contains(keys, name) {
			inSchema = append(inSchema, name)
			continue
		}
		if p.Closed == nil || *p.Closed {
			t.Errorf("the schema lets %s have any property", name)
		}
		inSchema = append(inSchema, below(name, p, keys)...)
	}
	slices.Sort(keys)
	slices.Sort(inSchema)
	if diff := cmp.Diff(keys, inSchema); diff != "" {
		t.Errorf("(-README +schema):\n%s", diff)
	}
}

func below(prefix string, p property, keys []string) []string {
	var all []string
	for name, inner := range p.Properties {
		key := prefix + "." + name
		if slices.Contains(keys, key) || len(inner.Properties) == 0 {
			all = append(all, key)
			continue
		}
		all = append(all, below(key, inner, keys)...)
	}
	return all
}

// TestEveryValueHasAnEffect changes one value at a time, and wants to see it in what is rendered: of a chart with all of
// its options, or of one with the defaults.
func TestEveryValueHasAnEffect(t *testing.T) {
	t.Parallel()
	defaults, all := valuesOf(t, "values.yaml"), valuesOf(t, everything)
	full, err := template(t, "--values="+valuesFile(t, all))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := template(t)
	if err != nil {
		t.Fatal(err)
	}
	// Some values are refused without hosts.
	hosts := map[string]any{"allowedHosts": []any{"ai.egain.cloud"}}
	listed, err := template(t, "--values="+valuesFile(t, hosts))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range leaves(t) {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			value, _ := lookup(defaults, key)
			other, _ := lookup(all, key)
			if on, ok := value.(bool); ok && on == other {
				value, other = !on, !on
			}
			if reflect.DeepEqual(value, other) {
				if _, ok := value.(bool); !ok {
					t.Fatalf("%s has the default", everything)
				}
			}
			if changed(t, full, with(all, key, value)) || changed(t, plain, with(map[string]any{}, key, other)) || changed(t, listed, with(hosts, key, other)) {
				return
			}
			t.Errorf("nothing changes with it")
		})
	}
}

// changed says whether the chart with values is rendered, and differs from another rendering.
func changed(t *testing.T, from string, values map[string]any) bool {
	t.Helper()
	text, err := template(t, "--values="+valuesFile(t, values))
	return err == nil && text != from
}

func TestBadValuesAreRefusedInWordsThatHelp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set  []string
		want string
	}{
		"a value that there is not":             {[]string{"replicaCount=2"}, "additional properties 'replicaCount' not allowed"},
		"a value that there is not, deeper":     {[]string{"image.name=x"}, "at '/image': additional properties 'name' not allowed"},
		"words for a number":                    {[]string{"replicas=two"}, "at '/replicas': got string, want integer"},
		"too many workers":                      {[]string{"workers=2000"}, "at '/workers': maximum: got 2,000, want 1,024"},
		"a level that there is not":             {[]string{"log.level=warn"}, "at '/log/level': value must be one of 'debug', 'info', 'error'"},
		"a digest without its algorithm":        {[]string{"image.digest=0123"}, "at '/image/digest': '0123' does not match pattern"},
		"a repository with a tag":               {[]string{"image.repository=x.example.com/y:v1"}, "at '/image/repository'"},
		"a host with a scheme":                  {[]string{"allowedHosts={https://x.example.com}"}, "at '/allowedHosts/0'"},
		"a namespace that is none":              {[]string{"watchNamespaces={Team_A}"}, "at '/watchNamespaces/0'"},
		"a namespace twice":                     {[]string{"watchNamespaces={a,a}"}, "at '/watchNamespaces': items at 0 and 1 are equal"},
		"a time without a unit":                 {[]string{"requestTimeout=10"}, "at '/requestTimeout'"},
		"a number for an environment variable":  {[]string{"extraEnv[0].name=X", "extraEnv[0].value=1"}, "at '/extraEnv/0/value': got number, want string"},
		"an object without a kind":              {[]string{"extraObjects[0].metadata.name=x"}, "at '/extraObjects/0'"},
		"replicas that all work":                {[]string{"replicas=2", "leaderElection.enabled=false"}, "every replica would ask for tokens of its own"},
		"nothing to scrape":                     {[]string{"serviceMonitor.enabled=true", "metrics.enabled=false"}, "there is nothing to scrape"},
		"one port for two":                      {[]string{"health.port=8443"}, "metrics.port and health.port are the same"},
		"minting without roles":                 {[]string{"serviceAccountTokens.enabled=true", "rbac.create=false"}, "allow create on serviceaccounts/token"},
		"minting for any audience":              {[]string{"serviceAccountTokens.enabled=true"}, "serviceAccountTokens.audiences is empty: list the audiences"},
		"a pattern for an audience":             {[]string{"serviceAccountTokens.audiences={*.egain.cloud}"}, "at '/serviceAccountTokens/audiences/0'"},
		"an empty audience":                     {[]string{"serviceAccountTokens.enabled=true", "serviceAccountTokens.audiences[0]="}, "at '/serviceAccountTokens/audiences/0'"},
		"an audience with a space":              {[]string{"serviceAccountTokens.audiences[0]=e gain"}, "at '/serviceAccountTokens/audiences/0'"},
		"hardened for every host":               {[]string{"hardened=true"}, "hardened is true, but allowedHosts is empty: list the hosts"},
		"hardened, for demos":                   {[]string{"hardened=true", "allowedHosts={a.example}", "allowLoopback=true"}, "allowLoopback is for demos and tests"},
		"a policy for every host":               {[]string{"policies.hosts.enabled=true"}, "policies.hosts.enabled is true, but allowedHosts is empty"},
		"a policy that warns and denies":        {[]string{"policies.actions={Deny,Warn}"}, "policies.actions has Deny and Warn"},
		"a policy that is maybe on":             {[]string{"policies.secrets.enabled=maybe"}, "at '/policies/secrets/enabled'"},
		"a name of Secrets that is none":        {[]string{"policies.targets.names[0]=A'B"}, "at '/policies/targets/names/0'"},
		"a FIPS mode that there is not":         {[]string{"fipsMode=true"}, "at '/fipsMode': value must be one of '', 'on', 'only'"},
		"a memory limit that it cannot work on": {[]string{"resources.limits.memory=500M"}, "or set goMemoryLimit, such as 460MiB"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, set := range tc.set {
				args = append(args, "--set="+set)
			}
			_, err := template(t, args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTheMemoryLimitOfGoFollowsTheContainers(t *testing.T) {
	t.Parallel()
	expectEnvironment(t, "GOMEMLIMIT", map[string]setting{
		"the default": {"", "460MiB"},
		"in Mi":       {"resources.limits.memory=1000Mi", "900MiB"},
		"in Gi":       {"resources.limits.memory=1Gi", "921MiB"},
		"in Ki":       {"resources.limits.memory=524288Ki", "471859KiB"},
		"its own":     {"goMemoryLimit=1GiB", "1GiB"},
		"none":        {"resources.limits=null", ""},
	})
}

func TestTheFIPSModeIsThatOfGo(t *testing.T) {
	t.Parallel()
	expectEnvironment(t, "GODEBUG", map[string]setting{
		"the default": {"", ""},
		"on":          {"fipsMode=on", "fips140=on"},
		"only":        {"fipsMode=only", "fips140=only"},
	})
}

// setting is a value of the chart and what is to come of it.
type setting struct{ set, want string }

// expectEnvironment fails unless a variable of the container follows values.
func expectEnvironment(t *testing.T, variable string, settings map[string]setting) {
	t.Helper()
	for name, tc := range settings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			for _, env := range container(t, rendered(t, "--set="+tc.set)).Env {
				if env.Name == variable {
					got = env.Value
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNamesFollowTheRelease(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		release string
		set     []string
		want    string
	}{
		"the chart's own":          {"egain-operator", nil, "egain-operator-controller-manager"},
		"one that has the chart's": {"my-egain-operator", nil, "my-egain-operator-controller-manager"},
		"another":                  {"tokens", nil, "tokens-egain-operator-controller-manager"},
		"a name of one's own":      {"tokens", []string{"--set=nameOverride=egain"}, "tokens-egain-controller-manager"},
		"all of one's own":         {"tokens", []string{"--set=fullnameOverride=egain"}, "egain-controller-manager"},
		"a long one":               {strings.Repeat("x", 53), nil, strings.Repeat("x", 35) + "-controller-manager"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := helm(t, append([]string{"template", tc.release, chart}, tc.set...)...)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range decode(t, text) {
				if len(object.GetName()) > 63 {
					t.Errorf("the name of %s %s is too long", object.GetKind(), object.GetName())
				}
			}
			find(t, decode(t, text), "Deployment", tc.want)
		})
	}
}
