package target

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/session"
)

// LogsIn reports whether the content of Secrets of a type logs in to the cluster itself: who may create EgainClients must not be
// able to send it anywhere, nor to change whom it logs in as.
func LogsIn(secretType corev1.SecretType) bool {
	return secretType == corev1.SecretTypeServiceAccountToken || secretType == corev1.SecretTypeBootstrapToken
}

// checkPurpose refuses an existing Secret that is for something other than a token. One that was created for the EgainClient
// contains nothing of others, unless a session was begun in it.
func checkPurpose(ctx context.Context, clients Clients, ec *egainv1alpha1.EgainClient, secret *corev1.Secret) error {
	switch {
	case session.Marked(secret):
		return conflict("Secret %q contains the session of a login: set another spec.target.secretName", secret.Name)
	case CreatedFor(secret, ec):
		return nil
	case LogsIn(secret.Type):
		return conflict("Secret %q is of type %q, whose content logs in to the cluster: set another spec.target.secretName", secret.Name, secret.Type)
	default:
		return checkUses(ctx, clients, ec)
	}
}

// checkUses refuses a target that an EgainClient or EgainTenant reads something else from, whichever of them came first.
func checkUses(ctx context.Context, clients Clients, ec *egainv1alpha1.EgainClient) error {
	users, err := clients.Naming(ctx, targetOf(ec))
	if err != nil {
		return fmt.Errorf("listing the EgainClients that name Secret %q: %w", ec.TargetName(), err)
	}
	for i := range users {
		if use := users[i].SecretUse(ec.TargetName()); use != "" {
			return usedBy(ec, "EgainClient", users[i].Name, use)
		}
	}
	tenants, err := clients.Tenants(ctx)
	if err != nil {
		return fmt.Errorf("listing the EgainTenants: %w", err)
	}
	for i := range tenants {
		if use := tenants[i].SecretUseIn(ec.Namespace, ec.TargetName()); use != "" {
			return usedBy(ec, "EgainTenant", tenants[i].Name, use)
		}
	}
	return nil
}

func usedBy(ec *egainv1alpha1.EgainClient, kind, name, field string) error {
	return conflict("%s %q names Secret %q in %s: set another spec.target.secretName", kind, name, ec.TargetName(), field)
}

func conflict(format string, args ...any) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetConflict, format, args...)
}
