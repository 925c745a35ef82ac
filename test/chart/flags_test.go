package chart_test

import (
	"flag"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/egain-operator/egain-operator/internal/options"
)

// notValues are the flags that no value sets, with the reason.
var notValues = map[string]string{
	config.KubeconfigFlagName: "in a cluster the operator uses its ServiceAccount",
}

// flags are those of the binary. controller-runtime's one is defined here, since its RegisterFlags binds a variable of the whole
// process, which parallel tests cannot share.
func flags(o *options.Options) *flag.FlagSet {
	fs := flag.NewFlagSet("egain-operator", flag.ContinueOnError)
	o.BindFlags(fs)
	fs.String(config.KubeconfigFlagName, "", "")
	return fs
}

// container is the operator's, of the Deployment that is rendered.
func container(t *testing.T, objects []*unstructured.Unstructured) corev1.Container {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		var deployment appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &deployment, true); err != nil {
			t.Fatal(err)
		}
		return deployment.Spec.Template.Spec.Containers[0]
	}
	t.Fatal("there is no Deployment")
	return corev1.Container{}
}

func TestTheDefaultsAreTheOperators(t *testing.T) {
	t.Parallel()
	var want, got options.Options
	flags(&want)
	if err := flags(&got).Parse(container(t, rendered(t)).Args); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-operator +chart):\n%s", diff)
	}
}

func TestEveryFlagHasAValue(t *testing.T) {
	t.Parallel()
	var o options.Options
	known := flags(&o)
	args := container(t, rendered(t, "--values="+chart+"/"+everything, "--set=extraArgs=null")).Args
	if err := known.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	set := map[string]bool{}
	known.Visit(func(f *flag.Flag) { set[f.Name] = true })
	known.VisitAll(func(f *flag.Flag) {
		if reason, ok := notValues[f.Name]; ok {
			if set[f.Name] {
				t.Errorf("--%s is set, though %s", f.Name, reason)
			}
			return
		}
		if !set[f.Name] {
			t.Errorf("no value sets --%s: add one, or list the flag with those that have none", f.Name)
		}
	})
}
