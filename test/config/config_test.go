// Package config_test holds the manifests in config against each other and against the code, without a cluster.
package config_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/json"
	sigsyaml "sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/controllers"
	"github.com/egain-operator/egain-operator/internal/election"
	"github.com/egain-operator/egain-operator/internal/options"
)

const config = "../../config"

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, egainv1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// load reads the objects of a file.
func load(t *testing.T, file string) []client.Object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(config, file))
	if err != nil {
		t.Fatal(err)
	}
	known := scheme(t)
	var objects []client.Object
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var kind runtime.TypeMeta
		if err := sigsyaml.Unmarshal(document, &kind); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		object, err := known.New(kind.GroupVersionKind())
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := decode(document, object); err != nil {
			t.Fatalf("%s: %s: %v", file, kind.Kind, err)
		}
		objects = append(objects, object.(client.Object))
	}
}

// decode is as strict as the API server: a field that is unknown, twice there or in another case is an error.
func decode(document []byte, into any) error {
	text, err := sigsyaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	strict, err := json.UnmarshalStrict(text, into)
	return errors.Join(append(strict, err)...)
}

// only is the one object of a file.
func only[T client.Object](t *testing.T, file string) T {
	t.Helper()
	objects := load(t, file)
	if len(objects) != 1 {
		t.Fatalf("%s holds %d objects, want 1", file, len(objects))
	}
	object, ok := objects[0].(T)
	if !ok {
		t.Fatalf("%s holds a %T", file, objects[0])
	}
	return object
}

type kustomization struct {
	Resources      []string `json:"resources"`
	Configurations []string `json:"configurations"`
	Patches        []struct {
		Patch string `json:"patch"`
		Path  string `json:"path"`
	} `json:"patches"`
}

func kustomizationOf(t *testing.T, dir string) kustomization {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(config, dir, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var k kustomization
	if err := sigsyaml.Unmarshal(text, &k); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return k
}

func TestEveryManifestIsListed(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(config, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" || entry.Name() == "kustomization.yaml" {
			return err
		}
		dir, name := filepath.Split(path)
		if filepath.Base(dir) == "bases" {
			dir, name = filepath.Dir(filepath.Clean(dir)), "bases/"+name
		}
		relative, err := filepath.Rel(config, dir)
		if err != nil {
			return err
		}
		listed := kustomizationOf(t, relative)
		files := append(listed.Resources, listed.Configurations...)
		for _, patch := range listed.Patches {
			files = append(files, patch.Path)
		}
		if !slices.Contains(files, name) {
			t.Errorf("%s is not among the resources and patches of its kustomization", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestThePodIsRestricted(t *testing.T) {
	t.Parallel()
	pod := only[*appsv1.Deployment](t, "manager/deployment.yaml").Spec.Template.Spec
	checkRestricted(t, pod)
	container := pod.Containers[0].SecurityContext
	if container.ReadOnlyRootFilesystem == nil || !*container.ReadOnlyRootFilesystem {
		t.Error("the root filesystem can be written to")
	}
}

// checkRestricted holds a pod to the restricted pod security standard.
func checkRestricted(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	if c := pod.SecurityContext; c == nil || c.RunAsNonRoot == nil || !*c.RunAsNonRoot {
		t.Error("the pod may run as root")
	} else if c.SeccompProfile == nil || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("the pod has no seccomp profile")
	}
	for _, container := range pod.Containers {
		c := container.SecurityContext
		if c == nil || c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation {
			t.Errorf("container %s may escalate its privileges", container.Name)
		}
		if c == nil || c.Capabilities == nil || !slices.Contains(c.Capabilities.Drop, "ALL") || len(c.Capabilities.Add) > 0 {
			t.Errorf("container %s keeps capabilities", container.Name)
		}
	}
}

func TestThePodHasTimeToFinishARotation(t *testing.T) {
	t.Parallel()
	given := only[*appsv1.Deployment](t, "manager/deployment.yaml").Spec.Template.Spec.TerminationGracePeriodSeconds
	// main.go adds five seconds to the time of a reconcile; giving the Lease up takes some more.
	if least := controllers.ActTimeout + 10*time.Second; given == nil || time.Duration(*given)*time.Second < least {
		t.Errorf("terminationGracePeriodSeconds is %v, want %s or more", given, least)
	}
}

func TestAProcessKnowsItsPod(t *testing.T) {
	t.Parallel()
	container := only[*appsv1.Deployment](t, "manager/deployment.yaml").Spec.Template.Spec.Containers[0]
	for _, env := range container.Env {
		if env.Name == election.PodUID && env.ValueFrom != nil && env.ValueFrom.FieldRef != nil && env.ValueFrom.FieldRef.FieldPath == "metadata.uid" {
			return
		}
	}
	t.Errorf("%s is not the pod's UID: a restarted container waits for its own Lease to end", election.PodUID)
}

func TestTheMemoryLimitsFitEachOther(t *testing.T) {
	t.Parallel()
	container := only[*appsv1.Deployment](t, "manager/deployment.yaml").Spec.Template.Spec.Containers[0]
	limit := container.Resources.Limits.Memory().Value()
	for _, env := range container.Env {
		if env.Name != "GOMEMLIMIT" {
			continue
		}
		// Go writes MiB for what Kubernetes calls Mi.
		soft := resource.MustParse(strings.TrimSuffix(env.Value, "B"))
		if soft.Value() < limit*8/10 || soft.Value() > limit*95/100 {
			t.Errorf("GOMEMLIMIT is %s with a limit of %d bytes, want 80 to 95 %% of it", env.Value, limit)
		}
		return
	}
	t.Error("GOMEMLIMIT is not set")
}

func TestTheFlagsFitThePorts(t *testing.T) {
	t.Parallel()
	container := only[*appsv1.Deployment](t, "manager/deployment.yaml").Spec.Template.Spec.Containers[0]
	o := parse(t, container.Args)
	addresses := map[string]string{"metrics": o.MetricsAddress, "health": o.HealthAddress}
	for _, port := range container.Ports {
		if want := ":" + resource.NewQuantity(int64(port.ContainerPort), resource.DecimalSI).String(); addresses[port.Name] != want {
			t.Errorf("port %s is %s, but the flag says %q", port.Name, want, addresses[port.Name])
		}
		delete(addresses, port.Name)
	}
	for name := range addresses {
		t.Errorf("there is no port %s", name)
	}
	for name, probe := range map[string]*corev1.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	} {
		if probe == nil || probe.HTTPGet.Port.String() != "health" {
			t.Errorf("the %s probe does not ask the port health", name)
		}
	}
	if port := only[*corev1.Service](t, "prometheus/metrics_service.yaml").Spec.Ports[0]; port.TargetPort.String() != "metrics" {
		t.Errorf("the Service leads to %s", port.TargetPort.String())
	}
}

func parse(t *testing.T, args []string) options.Options {
	t.Helper()
	var o options.Options
	flags := flag.NewFlagSet("egain-operator", flag.ContinueOnError)
	o.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestSelectorsFindThePod(t *testing.T) {
	t.Parallel()
	deployment := only[*appsv1.Deployment](t, "manager/deployment.yaml")
	labels := deployment.Spec.Template.Labels
	if diff := cmp.Diff(labels, deployment.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("the Deployment selects others (-pod +selector):\n%s", diff)
	}
	if diff := cmp.Diff(labels, only[*corev1.Service](t, "prometheus/metrics_service.yaml").Spec.Selector); diff != "" {
		t.Errorf("the Service selects others (-pod +selector):\n%s", diff)
	}
	for _, constraint := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		if diff := cmp.Diff(labels, constraint.LabelSelector.MatchLabels); diff != "" {
			t.Errorf("a spread constraint selects others (-pod +selector):\n%s", diff)
		}
	}
}

func TestTheLeaseOfLeaderElectionIsTheOneInTheRole(t *testing.T) {
	t.Parallel()
	for _, rule := range only[*rbacv1.Role](t, "rbac/leader_election_role.yaml").Rules {
		if slices.Contains(rule.Verbs, "update") && !slices.Equal(rule.ResourceNames, []string{election.LeaseName}) {
			t.Errorf("the role allows to update %q, the operator uses %q", rule.ResourceNames, election.LeaseName)
		}
	}
}

// grants flattens rules to what they allow, one entry per verb, so that their order and grouping do not matter.
func grants(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, strings.Join(append([]string{group, resource, verb}, rule.ResourceNames...), " "))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestTheNamespacedRolesAllowWhatTheClusterRoleDoes(t *testing.T) {
	t.Parallel()
	want := grants(only[*rbacv1.ClusterRole](t, "rbac/role.yaml").Rules)
	namespaced := grants(only[*rbacv1.Role](t, "namespaced/access/role.yaml").Rules)
	clusterWide := grants(clusterWideRules(t))
	for _, grant := range clusterWide {
		if strings.Contains(grant, "secrets") || strings.Contains(grant, "configmaps") {
			t.Errorf("the namespaced variant allows %q cluster-wide", grant)
		}
	}
	got := slices.Concat(namespaced, clusterWide)
	slices.Sort(got)
	got = slices.Compact(got) // of EgainClients, finalizers are removed where the Role has gone
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the namespaced variant allows something else (-rbac/role.yaml +namespaced):\n%s", diff)
	}
}

// clusterWideRules are what the namespaced variant leaves of the ClusterRole.
func clusterWideRules(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	for _, patch := range kustomizationOf(t, "namespaced").Patches {
		var operations []struct {
			Op    string              `json:"op"`
			Path  string              `json:"path"`
			Value []rbacv1.PolicyRule `json:"value"`
		}
		if err := sigsyaml.Unmarshal([]byte(patch.Patch), &operations); err != nil {
			continue
		}
		if len(operations) == 1 && operations[0].Path == "/rules" && operations[0].Op == "replace" {
			return operations[0].Value
		}
	}
	t.Fatal("no patch replaces the rules of the ClusterRole")
	return nil
}

func TestTheNamespacedVariantWatchesTheNamespacesItHasRolesIn(t *testing.T) {
	t.Parallel()
	k := kustomizationOf(t, "namespaced")
	var directories []string
	for _, resource := range k.Resources {
		if resource != "../default" && slices.Contains(kustomizationOf(t, filepath.Join("namespaced", resource)).Resources, "../access") {
			directories = append(directories, resource)
		}
	}
	var watched []string
	for _, patch := range k.Patches {
		if arg := regexp.MustCompile(`--watch-namespaces=\S+`).FindString(patch.Patch); arg != "" {
			watched = parse(t, []string{arg}).WatchNamespaces
		}
	}
	if diff := cmp.Diff(directories, watched); diff != "" {
		t.Errorf("-directories +--watch-namespaces:\n%s", diff)
	}
}

func TestUsersGetNoWriteOnTheStatus(t *testing.T) {
	t.Parallel()
	for file, label := range map[string]string{
		"rbac/egainclient_viewer_role.yaml": "rbac.authorization.k8s.io/aggregate-to-view",
		"rbac/egainclient_editor_role.yaml": "rbac.authorization.k8s.io/aggregate-to-edit",
	} {
		role := only[*rbacv1.ClusterRole](t, file)
		if role.Labels[label] != "true" {
			t.Errorf("%s is not aggregated: it lacks the label %s", file, label)
		}
		for _, rule := range role.Rules {
			if slices.Contains(rule.Resources, "egainclients/status") && !slices.Equal(rule.Verbs, []string{"get"}) {
				t.Errorf("%s allows %q on the status", file, rule.Verbs)
			}
		}
	}
}
