package command

import (
	"context"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/request"
)

// tenant finds the tenant of an EgainClient, and refuses one that it may not use.
func (e *environment) tenant(ctx context.Context, ec *egainv1alpha1.EgainClient) (request.Tenant, error) {
	c, err := e.cluster()
	if err != nil {
		return request.Tenant{}, err
	}
	return lookup.Tenant(ctx, c, ec)
}

// ownTenant finds the tenant of an EgainClient even if it does not allow the client any more: a token of its is still its own.
func (e *environment) ownTenant(ctx context.Context, ec *egainv1alpha1.EgainClient) (request.Tenant, error) {
	tenant, err := e.tenant(ctx, ec)
	if err != nil && fault.Of(err) == nil {
		return tenant, err
	}
	return tenant, nil
}
