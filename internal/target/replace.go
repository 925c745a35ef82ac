package target

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func isImmutable(secret *corev1.Secret) bool { return secret.Immutable != nil && *secret.Immutable }

// mustReplace reports whether a Secret cannot be changed into what the spec asks for: its type and, once set, its
// immutability are final.
func mustReplace(ec *egainv1alpha1.EgainClient, secret *corev1.Secret) bool {
	return isImmutable(secret) || string(secret.Type) != ec.Spec.Target.Type
}

// Replaces reports whether the existing target has to be deleted before Apply: Rehearse, hold the token, Delete, then Apply.
func (p Plan) Replaces() bool { return p.replaced != nil }

// Rehearse asks the API server whether it would create such a Secret, and stores nothing. Until it agrees, the existing
// target stays. Refused makes the error fit to be shown.
func (p Plan) Rehearse(ctx context.Context, secrets Secrets) error {
	rehearsal := (&corev1ac.SecretApplyConfiguration{}).WithNamespace(*p.want.Namespace).WithGenerateName(Manager + "-").WithType(*p.want.Type).WithData(p.want.Data)
	_, err := secrets.Apply(ctx, rehearsal, metav1.ApplyOptions{FieldManager: Manager, DryRun: []string{metav1.DryRunAll}})
	if apierrors.IsInvalid(err) {
		return err
	}
	return nil
}

// Delete deletes the existing target, with the only stored copy of its token: the caller holds the token until Apply has
// succeeded. Refused makes the error fit to be shown.
func (p Plan) Delete(ctx context.Context, secrets Secrets) error {
	if err := secrets.Delete(ctx, p.replaced); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("replacing Secret %q: %w", p.replaced.Name, err)
	}
	return nil
}
