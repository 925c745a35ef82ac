package command

import (
	"context"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// caBundle reads the PEM certificates that an EgainClient's tenant is trusted by; nil stands for the system's. A tenant that
// does not allow the client any more still says which they are.
func (e *environment) caBundle(ctx context.Context, ec *egainv1alpha1.EgainClient) ([]byte, error) {
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	tenant, err := lookup.Tenant(ctx, c, ec)
	if err != nil && fault.Of(err) == nil {
		return nil, err
	}
	return lookup.CABundle(ctx, c, tenant.CABundleRef)
}
