package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

var fence = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// manifests are the YAML documents of a page.
func manifests(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.Split(block[1], "\n---\n")...)
	}
	return all
}

func TestTheManifestsInTheDocsAreOfTheAPI(t *testing.T) {
	t.Parallel()
	seen := map[egainv1alpha1.Flow]bool{}
	for _, manifest := range manifests(t, "flows.md") {
		if ec, is := decodeManifest(t, manifest).(*egainv1alpha1.EgainClient); is {
			seen[ec.Spec.Flow] = true
		}
	}
	// The default is left out of its own section.
	for _, flow := range []egainv1alpha1.Flow{"", egainv1alpha1.FlowAnonymousCustomer, egainv1alpha1.FlowOnBehalfOf, egainv1alpha1.FlowTokenExchange} {
		if !seen[flow] {
			t.Errorf("there is no manifest of flow %q", flow)
		}
	}
}

// decodeManifest strictly decodes a manifest of a kind that is known here. Of others, which are of tools, it returns nil.
func decodeManifest(t *testing.T, manifest string) client.Object {
	t.Helper()
	var kind runtime.TypeMeta
	if err := yaml.Unmarshal([]byte(manifest), &kind); err != nil {
		t.Fatalf("%v\n%s", err, manifest)
	}
	var object client.Object
	switch kind.Kind {
	case "":
		object = &egainv1alpha1.EgainClient{} // a part of one, in flows.md
	case "EgainClient":
		object = &egainv1alpha1.EgainClient{}
	case "EgainTenant":
		object = &egainv1alpha1.EgainTenant{}
	case "Secret":
		object = &corev1.Secret{}
	case "ConfigMap":
		object = &corev1.ConfigMap{}
	case "Deployment":
		object = &appsv1.Deployment{}
	default:
		return nil
	}
	if err := decode([]byte(manifest), object); err != nil {
		t.Errorf("%v\n%s", err, manifest)
	}
	return object
}

// kindsOfTools are those of Flux, Argo CD and External Secrets.
var kindsOfTools = []string{"kind: Kustomization", "kind: ExternalSecret"}

func TestTheManifestsOfTheGuidesAreOfTheAPI(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"gitops.md", "workloads.md", "commercial.md"} {
		decoded := 0
		for _, manifest := range manifests(t, page) {
			if !strings.Contains(manifest, "\nkind: ") {
				continue // a part of a manifest of a tool
			}
			if decodeManifest(t, manifest) != nil {
				decoded++
			} else if !slices.ContainsFunc(kindsOfTools, func(kind string) bool { return strings.Contains(manifest, kind) }) {
				t.Errorf("%s has a manifest of no known kind:\n%s", page, manifest)
			}
		}
		if decoded < 3 {
			t.Errorf("%s has %d manifests of known kinds", page, decoded)
		}
	}
}
