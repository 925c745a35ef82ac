package config_test

import (
	"os"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

var fence = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

func TestTheManifestsInTheDocsAreOfTheAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/flows.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[egainv1alpha1.Flow]bool{}
	for _, block := range fence.FindAllSubmatch(text, -1) {
		var kind runtime.TypeMeta
		if err := yaml.Unmarshal(block[1], &kind); err != nil {
			t.Fatalf("%v\n%s", err, block[1])
		}
		if kind.Kind == "Secret" {
			if err := decode(block[1], &corev1.Secret{}); err != nil {
				t.Errorf("%v\n%s", err, block[1])
			}
			continue
		}
		var ec egainv1alpha1.EgainClient
		if err := decode(block[1], &ec); err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
		seen[ec.Spec.Flow] = true
	}
	// The default is left out of its own section.
	for _, flow := range []egainv1alpha1.Flow{"", egainv1alpha1.FlowAnonymousCustomer, egainv1alpha1.FlowOnBehalfOf, egainv1alpha1.FlowTokenExchange} {
		if !seen[flow] {
			t.Errorf("there is no manifest of flow %q", flow)
		}
	}
}
