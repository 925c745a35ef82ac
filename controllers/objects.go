package controllers

import (
	"context"
	"iter"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/metrics"
)

// Observed yields what the metrics say of the EgainClients and EgainTenants in a cache.
func Observed(ctx context.Context, cache client.Reader, sendsTo *gate.Gate) metrics.Source {
	return metrics.Source{
		Failing: sendsTo.Failing,
		Clients: func() iter.Seq[metrics.Client] {
			return func(yield func(metrics.Client) bool) {
				var all egainv1alpha1.EgainClientList
				if !list(ctx, cache, &all, "EgainClients") {
					return
				}
				for i := range all.Items {
					if !yield(metrics.ClientOf(&all.Items[i])) {
						return
					}
				}
			}
		},
		Tenants: func() iter.Seq[metrics.Tenant] {
			return func(yield func(metrics.Tenant) bool) {
				var all egainv1alpha1.EgainTenantList
				if !list(ctx, cache, &all, "EgainTenants") {
					return
				}
				for i := range all.Items {
					if !yield(metrics.TenantOf(&all.Items[i])) {
						return
					}
				}
			}
		},
	}
}

func list(ctx context.Context, cache client.Reader, all client.ObjectList, kind string) bool {
	err := cache.List(ctx, all, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing from the cache failed", "kind", kind)
	}
	return err == nil
}
