package controllers

import (
	"context"
	"iter"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/metrics"
)

// Observed yields what the metrics say of the EgainClients and EgainTenants in a cache.
func Observed(ctx context.Context, cache client.Reader, breakers *egress.Breakers) metrics.Source {
	return metrics.Source{
		Failing: breakers.Failing,
		Clients: func() iter.Seq[metrics.Client] {
			return func(yield func(metrics.Client) bool) {
				var all egainv1alpha1.EgainClientList
				if !list(ctx, cache, &all, "EgainClients") {
					return
				}
				for i := range all.Items {
					if !yield(clientOf(&all.Items[i])) {
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
					if !yield(observedTenant(&all.Items[i])) {
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

func clientOf(ec *egainv1alpha1.EgainClient) metrics.Client {
	c := metrics.Client{
		Namespace: ec.Namespace,
		Name:      ec.Name,
		Ready:     meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady),
		Suspended: ec.Suspended(),
	}
	if issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued); issued != nil {
		c.Issued, c.Reason = issued.Status == metav1.ConditionTrue, issued.Reason
		if c.FailingSince = failingSince(issued); !c.FailingSince.IsZero() {
			c.Remedy = remedyOf(issued.Reason)
		}
	}
	if endpoints := ec.Status.Endpoints; endpoints != nil {
		c.TokenURL = endpoints.TokenURL
	}
	if tok := ec.Status.Token; tok != nil && tok.ExpirationTime != nil && tok.RenewalTime != nil {
		c.Expiration, c.Renewal = tok.ExpirationTime.Time, tok.RenewalTime.Time
	}
	return c
}

func observedTenant(et *egainv1alpha1.EgainTenant) metrics.Tenant {
	t := metrics.Tenant{Name: et.Name}
	if ready := meta.FindStatusCondition(et.Status.Conditions, egainv1alpha1.ConditionReady); ready != nil {
		t.Ready = ready.Status == metav1.ConditionTrue
		if t.FailingSince = failingSince(ready); !t.FailingSince.IsZero() {
			t.Reason = ready.Reason
		}
	}
	return t
}

// failingSince is when a condition became False, zero if it is not. The reason may have changed since.
func failingSince(c *metav1.Condition) time.Time {
	if c.Status != metav1.ConditionFalse {
		return time.Time{}
	}
	return c.LastTransitionTime.Time
}

// remedyOf says who can end a failure. It goes by what has to be done and not by when the operator tries again: an endpoint
// that is invalid is tried again like a rejection, but it is the spec that names it.
func remedyOf(reason string) string {
	switch reason {
	case egainv1alpha1.ReasonSessionNotFound, egainv1alpha1.ReasonSessionInvalid, egainv1alpha1.ReasonReauthorizationRequired:
		return metrics.RemedyLogin
	case egainv1alpha1.ReasonEndpointInvalid, egainv1alpha1.ReasonEndpointRefused, egainv1alpha1.ReasonTenantMismatch:
		return metrics.RemedyEdit
	}
	switch {
	case fault.PassesByItself(reason):
		return metrics.RemedyWait
	case slices.Contains(waitingReasons, reason):
		return metrics.RemedyCreate
	case fault.IsRejection(reason):
		return metrics.RemedyProvider
	default:
		return metrics.RemedyEdit
	}
}
