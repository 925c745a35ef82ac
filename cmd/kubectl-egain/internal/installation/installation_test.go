package installation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// cluster is what a user sees of a cluster in which the ServiceAccounts "operator" are those of operators.
type cluster struct {
	objects []client.Object
	// forbidden are the kinds that the user may not list in all namespaces, or create.
	forbidden []string
	err       error
}

func (c cluster) client() client.Client {
	refused := func(kind string) error {
		if !slices.Contains(c.forbidden, kind) {
			return nil
		}
		return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", errors.New("no role"))
	}
	allow := func(status *authorizationv1.SubjectAccessReviewStatus, spec authorizationv1.SubjectAccessReviewSpec) error {
		status.Allowed = strings.HasSuffix(spec.User, ":operator") && spec.ResourceAttributes.Verb == "patch" && spec.ResourceAttributes.Subresource == "status"
		return refused("reviews")
	}
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(c.objects...).
		WithIndex(&coordinationv1.Lease{}, metav1.ObjectNameField, func(o client.Object) []string { return []string{o.GetName()} }).
		WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, behind client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				var o client.ListOptions
				o.ApplyOptions(opts)
				kind := "leases"
				if _, is := list.(*appsv1.DeploymentList); is {
					kind = "deployments"
				}
				if o.Namespace == "" && refused(kind) != nil {
					return refused(kind)
				}
				if c.err != nil {
					return c.err
				}
				return behind.List(ctx, list, opts...)
			},
			Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
				switch review := o.(type) {
				case *authorizationv1.LocalSubjectAccessReview:
					return allow(&review.Status, review.Spec)
				case *authorizationv1.SubjectAccessReview:
					return allow(&review.Status, review.Spec)
				}
				return errors.New("nothing else is created")
			},
		}).Build()
}

func podSpec(account string, change func(*corev1.Container), args ...string) corev1.PodSpec {
	c := corev1.Container{Name: "manager", Args: args}
	if change != nil {
		change(&c)
	}
	return corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: "sidecar", Args: []string{"--allow-loopback"}}, c}}
}

func deployment(namespace string, spec corev1.PodSpec) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "manager", Labels: map[string]string{Label: Name}},
		Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
	}
}

func lease(namespace, holder string) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: LeaseName}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder},
	}
}

func pod(namespace string, spec corev1.PodSpec) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod"}, Spec: spec}
}

func operator(args ...string) corev1.PodSpec { return podSpec("operator", nil, args...) }

func TestFlags(t *testing.T) {
	t.Parallel()
	const loose, strict = "--allow-loopback", "--require-tenant-ref"
	type objects = []client.Object
	for name, tc := range map[string]struct {
		cluster
		// loopback is whether it is known to be allowed; unknown says why nothing is known.
		loopback bool
		unknown  string
	}{
		"of the Deployment": {cluster{objects: objects{deployment("system", operator(loose))}}, true, ""},
		"of the Pod that holds the Lease, not of the next one": {cluster{objects: objects{
			lease("system", "pod_1"), pod("system", operator()), deployment("system", operator(loose)),
		}}, false, ""},
		"in a namespace of its own, with the namespace of the client": {cluster{objects: objects{deployment("system", operator(loose, "--watch-namespaces=team-a,team-b"))}}, true, ""},
		"of one that works elsewhere":                                 {cluster{objects: objects{deployment("system", operator(loose, "--watch-namespaces=team-b"))}}, false, "does not watch namespace team-a"},
		"of the one of two that works here": {cluster{objects: objects{
			deployment("b", operator(strict, "--watch-namespaces=team-b")), deployment("a", operator(loose, "--watch-namespaces=team-a")),
		}}, true, ""},
		"of two that agree":   {cluster{objects: objects{deployment("a", operator(loose)), deployment("b", operator(loose, "--workers=3"))}}, true, ""},
		"of two that do not":  {cluster{objects: objects{deployment("a", operator(loose)), deployment("b", operator(loose, strict))}}, false, "have different flags"},
		"of another version":  {cluster{objects: objects{deployment("a", operator(loose, "--of-the-future"))}}, false, "this version of the plugin cannot read the flags"},
		"of a shell":          {cluster{objects: objects{deployment("a", podSpec("operator", func(c *corev1.Container) { c.Command = []string{"sh", "-c", "manager " + loose} }))}}, false, "this version of the plugin cannot read the flags"},
		"after a word":        {cluster{objects: objects{deployment("a", operator("word", loose))}}, false, "this version of the plugin cannot read the flags"},
		"in the command":      {cluster{objects: objects{deployment("a", podSpec("operator", func(c *corev1.Container) { c.Command = []string{"/manager", loose} }))}}, true, ""},
		"of the last mention": {cluster{objects: objects{deployment("a", operator(loose, loose+"=false"))}}, false, ""},
		"in the environment": {cluster{objects: objects{deployment("a", podSpec("operator", func(c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "LOOPBACK", Value: "true"}}
		}, loose+"=$(LOOPBACK)"))}}, true, ""},
		"in the environment, of another object": {cluster{objects: objects{deployment("a", podSpec("operator", func(c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "LOOPBACK", ValueFrom: &corev1.EnvVarSource{}}}
		}, loose+"=$(LOOPBACK)"))}}, false, "this version of the plugin cannot read the flags"},
		"in an environment that is not there": {cluster{objects: objects{deployment("a", operator("--allowed-hosts=$(HOSTS)"))}}, false, "this version of the plugin cannot read the flags"},
		"without a container of that name": {
			cluster{objects: objects{deployment("a", corev1.PodSpec{ServiceAccountName: "operator", Containers: []corev1.Container{{Name: "main", Args: []string{loose}}}})}},
			false,
			"this version of the plugin cannot read the flags",
		},
		"of none":                         {cluster{}, false, "no Pod or Deployment of an operator was found"},
		"of a process that holds a Lease": {cluster{objects: objects{lease("system", "laptop_1")}}, false, "no Pod or Deployment of an operator was found"},
		"that an author pretends":         {cluster{objects: objects{deployment("team-a", podSpec("author", nil, loose))}}, false, "no Pod or Deployment of an operator was found"},
		"that an author pretends, by a Lease": {cluster{objects: objects{
			lease("team-a", "pod_1"), pod("team-a", podSpec("author", nil, loose)), deployment("system", operator(strict)),
		}}, false, ""},
		"that an author would make strict":    {cluster{objects: objects{deployment("team-a", podSpec("author", nil, strict)), deployment("system", operator(loose))}}, true, ""},
		"that may not be listed":              {cluster{objects: objects{deployment("system", operator(loose))}, forbidden: []string{"leases", "deployments"}}, false, "you may not list its Leases and Deployments"},
		"that may be listed in the namespace": {cluster{objects: objects{deployment("team-a", operator(loose))}, forbidden: []string{"leases", "deployments"}}, true, ""},
		"of whom nothing may be asked":        {cluster{objects: objects{deployment("system", operator(loose))}, forbidden: []string{"reviews"}}, false, "may not check the permissions of its ServiceAccount"},
		"of a cluster that does not answer":   {cluster{err: errors.New("no route")}, false, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags, why := Find(t.Context(), tc.client(), "team-a").Flags()
			if (tc.unknown == "") != (flags != nil) || !strings.Contains(why, tc.unknown) {
				t.Fatalf("known: %t, %q; want %q", flags != nil, why, tc.unknown)
			}
			if flags != nil && flags.AllowLoopback != tc.loopback {
				t.Errorf("loopback: %t, want %t", flags.AllowLoopback, tc.loopback)
			}
		})
	}
}

func TestFlagsForEgainTenants(t *testing.T) {
	t.Parallel()
	c := cluster{objects: []client.Object{deployment("system", operator("--allow-loopback", "--watch-namespaces=team-b"))}}
	if flags, why := Find(t.Context(), c.client(), "").Flags(); flags == nil {
		t.Errorf("an operator of any namespace reports on EgainTenants: %s", why)
	}
}
