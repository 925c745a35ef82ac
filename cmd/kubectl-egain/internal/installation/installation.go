// Package installation finds the operators of a cluster that work in a namespace, and the flags that they run with. It reads as
// the user who runs the plugin, and believes only a Pod or Deployment whose ServiceAccount may do what only an operator may:
// others could be made by an author of EgainClients, to loosen the rules for an administrator who runs the plugin.
package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/options"
)

const (
	// LeaseName is that of the operator's leader election.
	LeaseName = "egain-operator.auth.egain.com"
	// Label marks what the operator is installed with.
	Label = "app.kubernetes.io/part-of"
	// Name is its value.
	Name = "egain-operator"
	// container is that of the operator in its Pod.
	container = "manager"
)

// Operator is what may be an operator: the holder of its Lease, or its Deployment.
type Operator struct {
	// Namespace that it runs in, and Account, its user to the API server; empty if the holder of the Lease is no Pod that can be
	// read.
	Namespace, Account string
	// Options are the flags that it runs with; nil if they are not known.
	Options *options.Options
	// Lease or Deployment by which it was found; the other is nil.
	Lease      *coordinationv1.Lease
	Deployment *appsv1.Deployment
}

// Found is what a user can see of the operators that work in a namespace.
type Found struct {
	// Operators are those that may do what only an operator may: they are believed.
	Operators []Operator
	// Others look like an operator, but whether they are one is not known.
	Others []Operator
	// Elsewhere are operators that do not work in this namespace.
	Elsewhere []Operator
	// Forbidden says that the user may not list all there is, and Err what else went wrong.
	Forbidden bool
	Err       error

	namespace string
	// unasked says that the user may not ask what a ServiceAccount may do.
	unasked bool
}

// Find looks for the operators that work in a namespace; without one, for those that report on EgainTenants.
func Find(ctx context.Context, c client.Client, namespace string) Found {
	f := Found{namespace: namespace}
	for _, o := range f.candidates(ctx, c) {
		is, err := genuinely(ctx, c, o, namespace)
		f.unasked = f.unasked || err != nil
		switch {
		case is && works(o, namespace):
			f.Operators = append(f.Operators, o)
		case is:
			f.Elsewhere = append(f.Elsewhere, o)
		default:
			f.Others = append(f.Others, o)
		}
	}
	return f
}

func works(o Operator, namespace string) bool {
	return namespace == "" || o.Options == nil || len(o.Options.WatchNamespaces) == 0 || slices.Contains(o.Options.WatchNamespaces, namespace)
}

// Flags are those that hold in the namespace. They are nil if they are not known, and why says why not: for one operator that
// cannot be read, or several that differ, no flags are known.
func (f Found) Flags() (flags *options.Options, why string) {
	switch {
	case len(f.Operators) > 0:
		return f.agreed()
	case f.Err != nil:
		return nil, "looking for the operator: " + f.Err.Error()
	case f.unasked:
		return nil, "you may not check the permissions of its ServiceAccount (create localsubjectaccessreviews)"
	case f.Forbidden:
		return nil, "you may not list its Leases and Deployments"
	case len(f.Elsewhere) > 0:
		return nil, "it does not watch namespace " + f.namespace
	default:
		return nil, "no Pod or Deployment of an operator was found"
	}
}

func (f Found) agreed() (*options.Options, string) {
	first := f.Operators[0]
	for _, o := range f.Operators {
		switch {
		case o.Options == nil:
			return nil, fmt.Sprintf("this version of the plugin cannot read the flags of its Pod in namespace %s", o.Namespace)
		case !sameRules(o.Options, first.Options):
			return nil, fmt.Sprintf("the operators in namespaces %s and %s have different flags", first.Namespace, o.Namespace)
		}
	}
	return first.Options, ""
}

// sameRules reports whether two operators send the same requests.
func sameRules(a, b *options.Options) bool {
	return a.RequireTenantRef == b.RequireTenantRef && a.AllowLoopback == b.AllowLoopback && a.AllowPrivate == b.AllowPrivate &&
		slices.Equal(slices.Sorted(slices.Values(a.AllowedHosts)), slices.Sorted(slices.Values(b.AllowedHosts)))
}

// candidates are what may be operators. The Pod that holds the Lease comes before the Deployment that made it, which then does
// not count: during a rollout it has the flags of the next Pod.
func (f *Found) candidates(ctx context.Context, c client.Client) []Operator {
	leases, deployments := &coordinationv1.LeaseList{}, &appsv1.DeploymentList{}
	f.list(ctx, c, leases, client.MatchingFields{metav1.ObjectNameField: LeaseName})
	f.list(ctx, c, deployments, client.MatchingLabels{Label: Name})
	var all []Operator
	for i := range leases.Items {
		if holder := leases.Items[i].Spec.HolderIdentity; holder != nil && *holder != "" {
			all = append(all, holderOf(ctx, c, &leases.Items[i]))
		}
	}
	for i := range deployments.Items {
		o := operatorOf(deployments.Items[i].Namespace, &deployments.Items[i].Spec.Template.Spec)
		o.Deployment = &deployments.Items[i]
		if !slices.ContainsFunc(all, func(seen Operator) bool { return seen.Account == o.Account }) {
			all = append(all, o)
		}
	}
	return all
}

// list lists the whole cluster, or the namespace if the user may list only that.
func (f *Found) list(ctx context.Context, c client.Client, list client.ObjectList, opts ...client.ListOption) {
	err := c.List(ctx, list, opts...)
	if apierrors.IsForbidden(err) {
		f.Forbidden = true
		if f.namespace == "" {
			return
		}
		err = c.List(ctx, list, append(opts, client.InNamespace(f.namespace))...)
	}
	if err != nil && !apierrors.IsForbidden(err) {
		f.Err = err
	}
}

// holderOf is who holds a Lease, named after its Pod. One that is none of the cluster's, or that may not be read, is not guessed.
func holderOf(ctx context.Context, c client.Client, lease *coordinationv1.Lease) Operator {
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	o, pod := Operator{Namespace: lease.Namespace}, &corev1.Pod{}
	if c.Get(ctx, client.ObjectKey{Namespace: lease.Namespace, Name: name}, pod) == nil {
		o = operatorOf(lease.Namespace, &pod.Spec)
	}
	o.Lease = lease
	return o
}

func operatorOf(namespace string, pod *corev1.PodSpec) Operator {
	return Operator{Namespace: namespace, Account: "system:serviceaccount:" + namespace + ":" + pod.ServiceAccountName, Options: optionsOf(pod)}
}

// genuinely reports whether a candidate may write the status of EgainClients in the namespace, or of EgainTenants without one.
// No role of the manifests but the operator's own allows that.
func genuinely(ctx context.Context, c client.Client, o Operator, namespace string) (bool, error) {
	if o.Account == "" {
		return false, nil
	}
	attributes := &authorizationv1.ResourceAttributes{
		Group: egainv1alpha1.SchemeGroupVersion.Group, Resource: "egainclients", Subresource: "status", Verb: "patch", Namespace: namespace,
	}
	if namespace == "" || !works(o, namespace) {
		attributes.Resource, attributes.Namespace = "egaintenants", ""
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: o.Account, ResourceAttributes: attributes}}
		err := c.Create(ctx, review)
		return err == nil && review.Status.Allowed, err
	}
	review := &authorizationv1.LocalSubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: o.Account, ResourceAttributes: attributes}}
	review.Namespace = namespace
	err := c.Create(ctx, review)
	return err == nil && review.Status.Allowed, err
}
