package controllers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/request"
)

// findTenant finds the tenant of an EgainClient and refuses one that it may not use. The tenant is returned with a refusal
// too, so that a token that was issued before is still known for what it is.
func findTenant(ctx context.Context, cache client.Reader, rules *egress.Egress, ec *egainv1alpha1.EgainClient) (request.Tenant, error) {
	if ec.Spec.TenantRef == nil {
		t := request.Inline(ec)
		return t, rules.PermitTenant(t.Name)
	}
	et := &egainv1alpha1.EgainTenant{}
	name := string(ec.Spec.TenantRef.Name)
	if err := cache.Get(ctx, client.ObjectKey{Name: name}, et); apierrors.IsNotFound(err) {
		return request.Tenant{Name: name}, fault.New(fault.Waiting, egainv1alpha1.ReasonTenantNotFound, "waiting for EgainTenant %q: create it, or name another in spec.tenantRef", name)
	} else if err != nil {
		return request.Tenant{}, fmt.Errorf("looking up EgainTenant %q: %w", name, err)
	}
	var labels map[string]string
	if request.SelectsNamespaces(et, ec) {
		namespace := &metav1.PartialObjectMetadata{}
		namespace.SetGroupVersionKind(namespaceKind)
		if err := cache.Get(ctx, types.NamespacedName{Name: ec.Namespace}, namespace); err != nil {
			return request.Tenant{}, fmt.Errorf("looking up the namespace: %w", err)
		}
		labels = namespace.Labels
	}
	return request.Shared(et), request.Admit(et, ec, labels)
}

// observeTenant finds the tenant and what identifies the spec with it. While the tenant, or the application of it, is not there, a token
// that was issued for the generation that is looked at counts as issued for the spec.
func (r *EgainClientReconciler) observeTenant(ctx context.Context, ec *egainv1alpha1.EgainClient, f *facts) error {
	tenant, err := findTenant(ctx, r.Cache, r.Providers.Egress, ec)
	f.tenant, f.Input.Spec = tenant, request.SpecID(ec, tenant)
	f.EndpointsChecked = r.started()
	if tenant.ReadySince.After(f.EndpointsChecked) {
		f.EndpointsChecked = tenant.ReadySince
	}
	failure := fault.Of(err)
	absent := failure != nil && (failure.Reason == egainv1alpha1.ReasonTenantNotFound || failure.Reason == egainv1alpha1.ReasonApplicationNotFound)
	if absent && f.Input.Token != nil && ec.Status.ObservedGeneration == ec.Generation {
		f.Input.Spec = f.Input.Token.Spec
	}
	return err
}

// watched reports whether the operator may look into a namespace.
func watched(namespaces []string, namespace string) bool {
	return len(namespaces) == 0 || slices.Contains(namespaces, namespace)
}
