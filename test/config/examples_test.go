package config_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/target"
)

// example reads the first object of an example.
func example(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile("../../examples/" + file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(content, []byte("\n---\n"))
	if err := yaml.UnmarshalStrict(first, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestTheWorkloadForOpenShiftNamesNoUser: its ids are those of the namespace. Otherwise it is the sample, which follows rotation.
func TestTheWorkloadForOpenShiftNamesNoUser(t *testing.T) {
	t.Parallel()
	var workload appsv1.Deployment
	example(t, "openshift/workload.yaml", &workload)
	sample := sampled[*appsv1.Deployment](t)[workload.Name]
	if sample == nil {
		t.Fatalf("there is no sample %s", workload.Name)
	}
	ids := sample.Spec.Template.Spec.SecurityContext
	if ids.RunAsUser == nil || ids.RunAsGroup == nil || ids.FSGroup == nil {
		t.Error("the sample names no user, so that this example is not needed")
	}
	ids.RunAsUser, ids.RunAsGroup, ids.FSGroup = nil, nil, nil
	if diff := cmp.Diff(sample, &workload); diff != "" {
		t.Errorf("it differs from the sample without its ids (-sample +example):\n%s", diff)
	}
}

func TestEnvoyGatewayFindsTheHeaderInTheTarget(t *testing.T) {
	t.Parallel()
	var ec egainv1alpha1.EgainClient
	example(t, "envoy-gateway/client.yaml", &ec)
	var filter struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
		Spec             struct {
			CredentialInjection struct {
				Overwrite  bool
				Credential struct{ ValueRef struct{ Name string } }
			}
		}
	}
	example(t, "envoy-gateway/route.yaml", &filter)
	injection := filter.Spec.CredentialInjection
	// The key is InjectedCredentialKey in envoyproxy/gateway, api/v1alpha1/httproutefilter_types.go.
	if injection.Credential.ValueRef.Name != ec.TargetName() || !slices.Contains(target.Keys(&ec), "credential") {
		t.Errorf("the route injects Secret %q, the target is %q with the keys %q", injection.Credential.ValueRef.Name, ec.TargetName(), target.Keys(&ec))
	}
	if ec.Spec.Target.Template.Data["credential"] != "{{ .Authorization }}" || !injection.Overwrite {
		t.Error("the header is not that of the token")
	}
}
