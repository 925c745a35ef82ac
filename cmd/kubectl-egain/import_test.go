package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// imports are the ExternalSecrets of testdata/import, by the file that they are in, with the arguments that they take.
var imports = map[string][]string{
	"store":          {"knowledge-token"},
	"cluster-store":  {"agent"},
	"generator":      {"kb"},
	"exchange":       {"exchanged"},
	"literal-secret": {"widget", "--target=widget-token"},
	"refresh":        {"person"},
}

func TestAnExternalSecretOfAFileBecomesAnEgainClientThatTheAPIServerAccepts(t *testing.T) {
	t.Parallel()
	for name, args := range imports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "import", name+".in.yaml")
			r := succeed(t, append([]string{"import", "external-secrets", "-f", file}, args...)...)
			golden(t, "import/"+name+".yaml", r.stdout)
			golden(t, "import/"+name+".txt", r.stderr)
			if strings.Contains(r.stdout+r.stderr, "hush") || strings.Contains(r.stdout+r.stderr, "egainmarker") {
				t.Errorf("a value of the webhook shows:\n%s%s", r.stdout, r.stderr)
			}
			for _, object := range decode(t, []byte(r.stdout)) {
				object.SetNamespace(metav1.NamespaceDefault)
				strict := client.WithFieldValidation(admin, metav1.FieldValidationStrict)
				if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func decode(t *testing.T, documents []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 1024); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); err != nil {
			return objects
		}
		objects = append(objects, object)
	}
}

func TestWhatIsNoTokenOfEgainIsRefused(t *testing.T) {
	t.Parallel()
	store, err := os.ReadFile(filepath.Join("testdata", "import", "store.in.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ from, to, want string }{
		"a store that is no webhook":           {"webhook:", "vault:", "is no webhook but of provider vault"},
		"a request without a grant type":       {"grant_type=client_credentials&", "", "fetches no token"},
		"a grant type of others":               {"client_credentials&", "urn:ietf:params:oauth:grant-type:jwt-bearer&", "which no flow of eGain uses"},
		"a password":                           {"client_credentials&", "password&username=u&", "logs a person in with a password"},
		"a subject token that is no value":     {"client_credentials&", "urn:ietf:params:oauth:grant-type:token-exchange&subject_token=hush&", "subject token is not the value of one key"},
		"a URL with a secret":                  {"TMPRODB88619984-U", "{{ .auth.tenant }}", "URL holds a value of a Secret"},
		"a URL that is not https":              {"https://", "http://", "must be an absolute https URL"},
		"a function that is not known":         {"| urlquery }}&scope", "| getSecretKey }}&scope", "uses a function that this command does not know"},
		"a path into the depth of an answer":   {"$.access_token", "$.data.token", "leads deeper into the answer"},
		"no scope":                             {"&scope={{ .remoteRef.key | urlquery }}", "", "scopes is required"},
		"no target":                            {"target: {name: knowledge-token}", "target: {creationPolicy: None}", "makes no Secret"},
		"two sources":                          {"  - secretKey: token", "  - {secretKey: a, remoteRef: {key: x}, sourceRef: {storeRef: {name: other}}}\n  - secretKey: token", `from SecretStore "other"`},
		"two requests":                         {"  - secretKey: token", "  - {secretKey: a, remoteRef: {key: x}}\n  - secretKey: token", "different requests"},
		"nothing":                              {"  data:\n", "  nodata:\n", "fetches nothing"},
		"a token over its own credentials":     {"target: {name: knowledge-token}", "target: {name: egain-app}", "the token would overwrite the Secret it is made from"},
		"a store that is in none of the files": {"metadata: {name: egain, ", "metadata: {name: other, ", `the files hold no SecretStore "egain"`},
		"a file that is not YAML":              {"apiVersion:", "\t", "not YAML or JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(string(store), test.from, test.to, 1)
			if changed == string(store) {
				t.Fatalf("%q is not in the file", test.from)
			}
			r := egain(t, changed, "import", "external-secrets", "knowledge-token", "-f", "-")
			if r.code != 1 || !strings.Contains(r.stderr, test.want) || !strings.Contains(r.stderr, "\nnext:  ") || strings.Contains(r.stderr, "hush") {
				t.Errorf("exit code %d, want 1 and %q:\n%s", r.code, test.want, r.stderr)
			}
			if r.stdout != "" {
				t.Errorf("printed %q", r.stdout)
			}
		})
	}
}

// The kinds of the External Secrets Operator, with a schema that keeps everything.
func installExternalSecrets(t *testing.T) {
	t.Helper()
	var crds []*apiextensionsv1.CustomResourceDefinition
	keep := true
	for _, kind := range []struct{ group, version, kind, plural string }{
		{"external-secrets.io", "v1beta1", "ExternalSecret", "externalsecrets"},
		{"external-secrets.io", "v1beta1", "SecretStore", "secretstores"},
		{"generators.external-secrets.io", "v1alpha1", "Webhook", "webhooks"},
	} {
		crds = append(crds, &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: kind.plural + "." + kind.group},
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Group: kind.group, Scope: apiextensionsv1.NamespaceScoped,
				Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind.kind, Plural: kind.plural},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
					Name: kind.version, Served: true, Storage: true,
					Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep}},
				}},
			},
		})
	}
	if _, err := envtest.InstallCRDs(rest.CopyConfig(config), envtest.CRDInstallOptions{CRDs: crds}); err != nil {
		t.Fatal(err)
	}
}

func TestAnExternalSecretOfTheClusterIsFoundWithWhatItRefersTo(t *testing.T) {
	t.Parallel()
	r := egain(t, "", "import", "external-secrets", "knowledge-token", "-n", "team-a")
	if r.code != 1 || !strings.Contains(r.stderr, "this cluster knows no ExternalSecret") {
		t.Errorf("exit code %d, want 1 without the External Secrets Operator:\n%s", r.code, r.stderr)
	}
	installExternalSecrets(t)
	if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"store", "generator"} {
		content, err := os.ReadFile(filepath.Join("testdata", "import", name+".in.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		// An operator of before version 1 of its API.
		content = bytes.ReplaceAll(content, []byte(": external-secrets.io/v1\n"), []byte(": external-secrets.io/v1beta1\n"))
		for _, object := range decode(t, content) {
			if err := admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
		r := succeed(t, "import", "external-secrets", imports[name][0], "-n", "team-a")
		golden(t, "import/"+name+".yaml", r.stdout)
		golden(t, "import/"+name+".txt", r.stderr)
	}
	r = egain(t, "", "import", "external-secrets", "gone", "-n", "team-a")
	if r.code != 1 || !strings.Contains(r.stderr, `there is no ExternalSecret "gone" in namespace "team-a"`) {
		t.Errorf("exit code %d, want 1 for one that there is not:\n%s", r.code, r.stderr)
	}
}
