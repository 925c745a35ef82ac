package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const nameReferences = "kustomize/name_reference.yaml"

// tenants and clients have every reference of the API.
const tenants = `
apiVersion: auth.egain.com/v1alpha1
kind: EgainTenant
metadata: {name: acme}
spec:
  url: https://acme.egain.cloud
  caBundleRef: {namespace: team-a, name: corp-ca}
  allowedNamespaces: {names: [former, team-b]}
---
apiVersion: v1
kind: Namespace
metadata: {name: former}
---
`

const clients = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: exchanger}
---
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: sync}
spec:
  tenantRef: {name: acme}
  tenant: {caBundleRef: {name: corp-ca}}
  credentialsSecretRef: {name: egain-app}
  authorizationCode: {sessionSecretRef: {name: session}}
---
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: merged}
spec:
  tenant: {caBundleRef: {kind: Secret, name: corp-ca-secret}}
  target: {secretName: shared, creationPolicy: Merge}
  tokenExchange: {subjectToken: {secretKeyRef: {name: subject, key: token}}}
---
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: chained}
spec:
  target: {secretName: sync}
  tokenExchange: {subjectToken: {egainClientRef: {name: sync}}}
---
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: of-target}
spec:
  target: {secretName: own-name}
  tokenExchange: {subjectToken: {secretKeyRef: {name: sync, key: access_token}}}
---
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: of-account}
spec:
  tokenExchange: {subjectToken: {serviceAccountToken: {name: exchanger}}}
---
`

const podSpec = `
containers:
- name: app
  env:
  - {name: TOKEN, valueFrom: {secretKeyRef: {name: sync, key: access_token}}}
  envFrom: [{secretRef: {name: sync}}]
initContainers:
- name: first
  env:
  - {name: TOKEN, valueFrom: {secretKeyRef: {name: sync, key: access_token}}}
  envFrom: [{secretRef: {name: sync}}]
volumes:
- {name: token, secret: {secretName: sync}}
- {name: merged, secret: {secretName: shared}}
- {name: own, secret: {secretName: own-name}}
- {name: all, projected: {sources: [{secret: {name: sync}}]}}
`

// workloads have a pod's spec at a path.
var workloads = map[string]string{
	"apps/v1 Deployment": "template", "apps/v1 StatefulSet": "template", "apps/v1 DaemonSet": "template", "apps/v1 ReplicaSet": "template",
	"batch/v1 Job": "template", "batch/v1 CronJob": "jobTemplate.spec.template", "v1 Pod": "",
}

const generators = `
components: [../egain]
secretGenerator:
- {name: egain-app, literals: [client_id=a, client_secret=b]}
- {name: session, literals: [refresh_token=r], options: {disableNameSuffixHash: true}}
- {name: subject, literals: [token=t]}
- {name: shared, literals: [password=p]}
- {name: corp-ca-secret, literals: [ca.crt=x]}
configMapGenerator:
- {name: corp-ca, literals: [ca.crt=x]}
`

// overlay makes every name another.
const overlay = `
namePrefix: prod-
nameSuffix: -eu
resources: [../base]
`

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// nested is a map below others.
func nested(path string, value any) any {
	for _, key := range slices.Backward(strings.Split(path, ".")) {
		value = map[string]any{key: value}
	}
	return value
}

func manifestsOfWorkloads(t *testing.T) string {
	t.Helper()
	var all []string
	for kind, path := range workloads {
		var spec any
		if err := yaml.Unmarshal([]byte(podSpec), &spec); err != nil {
			t.Fatal(err)
		}
		version, name, _ := strings.Cut(kind, " ")
		text, err := yaml.Marshal(map[string]any{
			"apiVersion": version, "kind": name, "metadata": map[string]any{"name": "reader"},
			"spec": func() any {
				if path == "" {
					return spec
				}
				return nested(path+".spec", spec)
			}(),
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, "---\n")
}

// hash is what kustomize appends to the names of generated objects.
var hash = regexp.MustCompile(`-eu-[0-9a-z]{10}$`)

// references are the names of Secrets, ConfigMaps and objects of the API in what a manifest says, by their path.
func references(path string, value any) map[string]bool {
	found := map[string]bool{}
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			for reference := range references(path+"/"+key, inner) {
				found[reference] = true
			}
		}
	case []any:
		for _, inner := range v {
			for reference := range references(path, inner) {
				found[reference] = true
			}
		}
	case string:
		if regexp.MustCompile(`(Ref|secret|serviceAccountToken)/name$|secretName$|/names$|Ref/namespace$`).MatchString(path) {
			found[path+" "+hash.ReplaceAllString(v, "-eu-HASH")] = true
		}
	}
	return found
}

// built are the references in what kustomize builds, by object.
func built(t *testing.T, files map[string]string) map[string]map[string]bool {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "egain"), os.DirFS(filepath.Join(config, "kustomize"))); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, files)
	output, err := exec.CommandContext(t.Context(), "../../hack/tools/run.sh", "kustomize", "build", filepath.Join(dir, "overlay")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	all := map[string]map[string]bool{}
	for text := range strings.SplitSeq(string(output), "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     any
		}
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		if found := references("spec", object.Spec); len(found) > 0 {
			all[object.Kind+" "+object.Metadata.Name] = found
		}
	}
	return all
}

// followed are the references of clients and workloads as they are to be.
func followed() map[string]map[string]bool {
	want := map[string]map[string]bool{
		"EgainClient prod-sync-eu": {
			"spec/tenantRef/name acme": true, "spec/tenant/caBundleRef/name prod-corp-ca-eu-HASH": true,
			"spec/credentialsSecretRef/name prod-egain-app-eu-HASH": true, "spec/authorizationCode/sessionSecretRef/name prod-session-eu": true,
		},
		"EgainClient prod-merged-eu": {
			"spec/tenant/caBundleRef/name prod-corp-ca-secret-eu-HASH": true, "spec/target/secretName prod-shared-eu-HASH": true,
			"spec/tokenExchange/subjectToken/secretKeyRef/name prod-subject-eu-HASH": true,
		},
		"EgainClient prod-chained-eu": {
			"spec/target/secretName prod-sync-eu": true, "spec/tokenExchange/subjectToken/egainClientRef/name prod-sync-eu": true,
		},
		"EgainClient prod-of-target-eu": {
			"spec/target/secretName own-name": true, "spec/tokenExchange/subjectToken/secretKeyRef/name prod-sync-eu": true,
		},
		"EgainClient prod-of-account-eu": {"spec/tokenExchange/subjectToken/serviceAccountToken/name prod-exchanger-eu": true},
	}
	for kind, path := range workloads {
		_, name, _ := strings.Cut(kind, " ")
		at := "spec/"
		if path != "" {
			at += strings.ReplaceAll(path, ".", "/") + "/spec/"
		}
		pod := map[string]bool{at + "volumes/secret/secretName prod-shared-eu-HASH": true, at + "volumes/secret/secretName own-name": true}
		for _, reader := range []string{
			"containers/env/valueFrom/secretKeyRef/name", "containers/envFrom/secretRef/name", "initContainers/env/valueFrom/secretKeyRef/name",
			"initContainers/envFrom/secretRef/name", "volumes/secret/secretName", "volumes/projected/sources/secret/name",
		} {
			pod[at+reader+" prod-sync-eu"] = true
		}
		want[name+" prod-reader-eu"] = pod
	}
	return want
}

func TestKustomizeChangesReferencesWithNames(t *testing.T) {
	t.Parallel()
	t.Run("with the tenants, in the namespace of the kustomization", func(t *testing.T) {
		t.Parallel()
		want := followed()
		want["EgainClient prod-sync-eu"]["spec/tenantRef/name prod-acme-eu"] = true
		delete(want["EgainClient prod-sync-eu"], "spec/tenantRef/name acme")
		want["EgainTenant prod-acme-eu"] = map[string]bool{
			"spec/caBundleRef/name prod-corp-ca-eu-HASH": true, "spec/caBundleRef/namespace team-a": true,
			"spec/allowedNamespaces/names team-a": true, "spec/allowedNamespaces/names team-b": true,
		}
		got := built(t, map[string]string{
			"base/objects.yaml":       tenants + clients + manifestsOfWorkloads(t),
			"base/kustomization.yaml": "resources: [objects.yaml]" + generators, "overlay/kustomization.yaml": "namespace: team-a" + overlay,
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("without the tenants, with namespaces in the files", func(t *testing.T) {
		t.Parallel()
		objects := strings.ReplaceAll(clients, "metadata: {name", "metadata: {namespace: team-a, name") +
			strings.ReplaceAll(manifestsOfWorkloads(t), "\n  name: reader", "\n  name: reader\n  namespace: team-a")
		got := built(t, map[string]string{
			"base/objects.yaml": objects, "base/kustomization.yaml": "resources: [objects.yaml]" + strings.ReplaceAll(generators, "- {name", "- {namespace: team-a, name"),
			"overlay/kustomization.yaml": overlay,
		})
		if diff := cmp.Diff(followed(), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestKustomizeKnowsEveryReference holds the configuration against the CRDs.
func TestKustomizeKnowsEveryReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(config, nameReferences))
	if err != nil {
		t.Fatal(err)
	}
	var configuration struct {
		NameReference []struct {
			FieldSpecs []struct{ Kind, Path string } `json:"fieldSpecs"`
		} `json:"nameReference"`
	}
	if err := yaml.Unmarshal(text, &configuration); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, reference := range configuration.NameReference {
		for _, field := range reference.FieldSpecs {
			known[field.Kind+" "+strings.TrimSuffix(field.Path, "/name")] = true
		}
	}
	found := 0
	for _, kind := range []string{"EgainClient", "EgainTenant"} {
		text, err := os.ReadFile(filepath.Join(config, "crd/bases/auth.egain.com_"+strings.ToLower(kind)+"s.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &definition); err != nil {
			t.Fatal(err)
		}
		spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		for _, path := range referring("spec", &spec) {
			found++
			if !known[kind+" "+path] {
				t.Errorf("%s has no entry for %s of %s", nameReferences, path, kind)
			}
		}
	}
	if found < 8 {
		t.Errorf("found %d references", found)
	}
}

// referring are the paths of properties that name another object.
func referring(path string, schema *apiextensionsv1.JSONSchemaProps) []string {
	var all []string
	for name, property := range schema.Properties {
		if strings.HasSuffix(name, "Ref") || name == "secretName" || name == "serviceAccountToken" {
			all = append(all, path+"/"+name)
			continue
		}
		all = append(all, referring(path+"/"+name, &property)...)
		if property.Items != nil && property.Items.Schema != nil {
			all = append(all, referring(path+"/"+name, property.Items.Schema)...)
		}
	}
	return all
}
