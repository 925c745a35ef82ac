package target

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Release removes the operator's keys from the Secrets that they were added to, when an EgainClient is deleted: its target,
// and the one of an earlier name if the client was moving. Secrets that were created for it are the garbage collector's.
func Release(ctx context.Context, secrets Secrets, ec *egainv1alpha1.EgainClient) error {
	if err := cleanUp(ctx, secrets, ec, ec.TargetName(), MergedBy); err != nil {
		return err
	}
	if former := FormerName(ec); former != "" {
		return cleanUp(ctx, secrets, ec, former, MergedBy)
	}
	return nil
}

// ReleaseFormer does to the target of an earlier name what deletionPolicy says, once the present target is written.
func ReleaseFormer(ctx context.Context, secrets Secrets, ec *egainv1alpha1.EgainClient) error {
	if former := FormerName(ec); former != "" {
		return cleanUp(ctx, secrets, ec, former, isOurs)
	}
	return nil
}

// FormerName is the name that the target had before the spec named another one; empty if it had none.
func FormerName(ec *egainv1alpha1.EgainClient) string {
	if was := ec.Status.Target; was != nil && was.SecretName != ec.TargetName() {
		return was.SecretName
	}
	return ""
}

// isOurs reports whether an EgainClient created a Secret or added keys to it.
func isOurs(secret metav1.Object, ec *egainv1alpha1.EgainClient) bool {
	return CreatedFor(secret, ec) || MergedBy(secret, ec)
}

// cleanUp does to a Secret that was a target what deletionPolicy says. A Secret that the operator created is deleted, one
// that it added keys to loses them. Secrets that the EgainClient has no claim on stay.
func cleanUp(ctx context.Context, secrets Secrets, ec *egainv1alpha1.EgainClient, name string, claimed func(metav1.Object, *egainv1alpha1.EgainClient) bool) error {
	if ec.Spec.Target.DeletionPolicy == egainv1alpha1.DeletionPolicyRetain {
		return nil
	}
	secret, err := secrets.Get(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: name})
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the former target %q: %w", name, err)
	}
	switch {
	case !claimed(secret, ec):
		return nil
	case CreatedFor(secret, ec):
		err = secrets.Delete(ctx, &secret.ObjectMeta)
	case MergedBy(secret, ec):
		// Applying nothing gives up, and so removes, every field that the operator applied. The UID keeps it from creating a Secret.
		empty := corev1ac.Secret(name, ec.Namespace).WithUID(secret.UID)
		_, err = secrets.Apply(ctx, empty, metav1.ApplyOptions{FieldManager: Manager})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("cleaning up the former target %q: %w", name, err)
	}
	return nil
}
