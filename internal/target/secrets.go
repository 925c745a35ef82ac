package target

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Secrets is what the package needs of the API server. Its errors are the API server's own.
type Secrets interface {
	// Get reads a Secret live.
	Get(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error)
	// Apply applies a Secret and returns its metadata as stored. A UID or resourceVersion in it is a precondition. A Secret
	// with a generateName instead of a name is created. What was stored is read into the argument, which serves once.
	Apply(ctx context.Context, secret *corev1ac.SecretApplyConfiguration, options metav1.ApplyOptions) (*metav1.ObjectMeta, error)
	// Delete deletes a Secret if it still has the given UID and resourceVersion.
	Delete(ctx context.Context, secret *metav1.ObjectMeta) error
}

// targetOf names the target of an EgainClient.
func targetOf(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()}
}
