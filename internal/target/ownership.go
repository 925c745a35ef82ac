package target

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// ForeignKeys are the keys that Render would write and that the Secret has from others, sorted. In a Secret that was
// created for the EgainClient, as when its creationPolicy was Owner before, none is foreign.
func ForeignKeys(s *corev1.Secret, ec *egainv1alpha1.EgainClient) []string {
	if CreatedFor(s, ec) {
		return nil
	}
	ours := map[string]bool{}
	if s.Annotations[AnnotationMergedBy] == ec.Name {
		for _, key := range slices.Concat(coreKeys, strings.Split(s.Annotations[AnnotationMergedKeys], ",")) {
			ours[key] = true
		}
	}
	var foreign []string
	for _, key := range Keys(ec) {
		if _, present := s.Data[key]; present && !ours[key] {
			foreign = append(foreign, key)
		}
	}
	return foreign
}

// Claim says which EgainClient a Secret belongs to, by its metadata.
type Claim int

const (
	// ClaimNone means that no EgainClient has a claim, so that the Secret must not be overwritten.
	ClaimNone Claim = iota
	// ClaimOurs means that the Secret belongs to the given EgainClient.
	ClaimOurs
	// ClaimOther means that it belongs to another EgainClient.
	ClaimOther
	// ClaimLeaving means that it belonged to a deleted EgainClient of the same name and is about to be collected.
	ClaimLeaving
)

// ClaimOn returns the claim on a Secret, and the name of the holder if that is another EgainClient.
func ClaimOn(s metav1.Object, ec *egainv1alpha1.EgainClient) (claim Claim, holder string) {
	if c := metav1.GetControllerOf(s); c != nil {
		switch {
		case c.UID == ec.UID:
			return ClaimOurs, ""
		case c.Kind != "EgainClient":
			return ClaimNone, ""
		case c.Name == ec.Name:
			return ClaimLeaving, ""
		default:
			return ClaimOther, c.Name
		}
	}
	by := AnnotationOwnedBy
	if ec.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge {
		by = AnnotationMergedBy
	}
	a := s.GetAnnotations()
	switch {
	case a[by] == ec.Name:
		return ClaimOurs, ""
	case a[AnnotationOwnedBy] != "" && a[AnnotationOwnedBy] != ec.Name:
		return ClaimOther, a[AnnotationOwnedBy]
	case a[AnnotationMergedBy] != "" && a[AnnotationMergedBy] != ec.Name:
		return ClaimOther, a[AnnotationMergedBy]
	default:
		return ClaimNone, ""
	}
}

// CreatedFor reports whether a Secret was created for an EgainClient.
func CreatedFor(s metav1.Object, ec *egainv1alpha1.EgainClient) bool {
	if c := metav1.GetControllerOf(s); c != nil {
		return c.UID == ec.UID
	}
	return s.GetAnnotations()[AnnotationOwnedBy] == ec.Name
}

// MergedBy reports whether an EgainClient added keys to a Secret.
func MergedBy(s metav1.Object, ec *egainv1alpha1.EgainClient) bool {
	return s.GetAnnotations()[AnnotationMergedBy] == ec.Name
}

// Clients looks up EgainClients and EgainTenants, to tell what else a Secret is for.
type Clients interface {
	// Naming lists the EgainClients of the Secret's namespace that name it in any role.
	Naming(ctx context.Context, secret types.NamespacedName) ([]egainv1alpha1.EgainClient, error)
	// Exists reports whether an EgainClient of this name exists.
	Exists(ctx context.Context, name types.NamespacedName) (bool, error)
	// Tenants lists the EgainTenants.
	Tenants(ctx context.Context) ([]egainv1alpha1.EgainTenant, error)
}

// checkClaim refuses a Secret that is not the EgainClient's to write.
func checkClaim(ctx context.Context, clients Clients, ec *egainv1alpha1.EgainClient, secret *corev1.Secret) error {
	claim, holder := ClaimOn(secret, ec)
	switch claim {
	case ClaimOther:
		abandoned, err := isAbandoned(ctx, clients, secret, holder)
		if err != nil {
			return err
		}
		if !abandoned {
			return claimedBy(holder, secret.Name)
		}
	case ClaimLeaving:
		return fault.New(fault.Waiting, egainv1alpha1.ReasonTargetClaimed, "waiting until Secret %q of a deleted EgainClient of the same name is garbage-collected", secret.Name)
	case ClaimOurs:
		return nil
	case ClaimNone:
	}
	if !isMerge(ec) {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetNotOwned, "Secret %q exists and was not created for this EgainClient: set another spec.target.secretName, or set spec.target.creationPolicy to Merge to add keys to it", secret.Name)
	}
	return checkRivals(ctx, clients, ec)
}

// isAbandoned reports whether the EgainClient that the annotations of a Secret name no longer exists, as after Retain. A
// Secret with a controller is the garbage collector's.
func isAbandoned(ctx context.Context, clients Clients, secret *corev1.Secret, holder string) (bool, error) {
	if metav1.GetControllerOf(secret) != nil {
		return false, nil
	}
	exists, err := clients.Exists(ctx, types.NamespacedName{Namespace: secret.Namespace, Name: holder})
	if err != nil {
		return false, fmt.Errorf("looking up EgainClient %q: %w", holder, err)
	}
	return !exists, nil
}

// checkRivals refuses a target that belongs to no EgainClient yet if an older one names it too.
func checkRivals(ctx context.Context, clients Clients, ec *egainv1alpha1.EgainClient) error {
	rivals, err := clients.Naming(ctx, targetOf(ec))
	if err != nil {
		return fmt.Errorf("listing the EgainClients with target %q: %w", ec.TargetName(), err)
	}
	for i := range rivals {
		if rival := &rivals[i]; rival.TargetName() == ec.TargetName() && rival.OlderThan(ec) {
			return claimedBy(rival.Name, ec.TargetName())
		}
	}
	return nil
}

func claimedBy(holder, secret string) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetClaimed, "Secret %q is the target of EgainClient %q: set another spec.target.secretName", secret, holder)
}

// checkMergeable refuses a Secret that the operator's keys cannot be added to. It may contain a token of the EgainClient
// nevertheless.
func checkMergeable(ec *egainv1alpha1.EgainClient, secret *corev1.Secret) error {
	if foreign := ForeignKeys(secret, ec); len(foreign) > 0 {
		return conflict("Secret %q already has the keys %q, which the operator did not write: set another spec.target.secretName, or ask its owner to remove them", secret.Name, foreign)
	}
	foreign, err := foreignMetadata(secret, ec)
	switch {
	case err != nil:
		return err
	case len(foreign) > 0:
		return conflict("Secret %q already has %q, which the operator did not write: remove them from spec.target.template.metadata, or ask its owner to", secret.Name, foreign)
	}
	if isImmutable(secret) {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetImmutable, "Secret %q is immutable: set another spec.target.secretName, or ask its owner to make it mutable", secret.Name)
	}
	return nil
}
