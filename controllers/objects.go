package controllers

import (
	"context"
	"iter"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/metrics"
)

// Objects yields what the metrics say of each EgainClient in the cache.
func (r *EgainClientReconciler) Objects(ctx context.Context) iter.Seq[metrics.Object] {
	return func(yield func(metrics.Object) bool) {
		var all egainv1alpha1.EgainClientList
		if err := r.Cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
			log.FromContext(ctx).Error(err, "Listing EgainClients from the cache failed")
			return
		}
		for i := range all.Items {
			if !yield(objectOf(&all.Items[i])) {
				return
			}
		}
	}
}

func objectOf(ec *egainv1alpha1.EgainClient) metrics.Object {
	o := metrics.Object{
		Namespace: ec.Namespace,
		Name:      ec.Name,
		Ready:     meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady),
		Issued:    meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued),
	}
	if issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued); issued != nil && issued.Status == metav1.ConditionFalse {
		o.Problem = issued.Reason
	}
	if tok := ec.Status.Token; tok != nil && tok.ExpirationTime != nil && tok.RenewalTime != nil {
		o.Expiration, o.Renewal = tok.ExpirationTime.Time, tok.RenewalTime.Time
	}
	return o
}
