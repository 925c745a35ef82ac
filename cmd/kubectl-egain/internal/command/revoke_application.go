package command

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// borrowed is what it takes to revoke the tokens of all EgainClients that use an application.
type borrowed struct {
	*revoke
	tenant      request.Tenant
	credentials oauth.Credentials
	// providers are those of actors, which have endpoints of their own.
	providers map[oauth.Actor]*provider
}

// runApplication revokes the tokens of all EgainClients that use an application, also of those that it no longer allows.
func (r *revoke) runApplication(ctx context.Context) error {
	if r.tenant == "" || r.application == "" || r.session {
		return usagef("pass --tenant and --application together, without NAME and --session")
	}
	c, err := r.env.cluster()
	if err != nil {
		return err
	}
	et := &egainv1alpha1.EgainTenant{}
	if err := c.Get(ctx, client.ObjectKey{Name: r.tenant}, et); err != nil {
		return fmt.Errorf("reading EgainTenant %q: %w", r.tenant, err)
	}
	clients, err := r.users(ctx, c)
	if err != nil {
		return err
	}
	b := &borrowed{revoke: r, tenant: request.Shared(et), providers: map[oauth.Actor]*provider{}}
	if b.credentials, err = lookup.ApplicationCredentials(ctx, c, et, r.application); err != nil {
		return err
	}
	question := fmt.Sprintf("Revoke the access tokens of %d EgainClients that use application %q of EgainTenant %q?", len(clients), r.application, r.tenant)
	if err := r.agree(ctx, question, fmt.Sprintf("the tokens of application %q are", r.application)); err != nil {
		return err
	}
	return b.endAll(ctx, clients)
}

// endAll revokes the tokens of EgainClients, and goes on after a failure.
func (b *borrowed) endAll(ctx context.Context, clients []egainv1alpha1.EgainClient) error {
	failed := 0
	for i := range clients {
		if err := b.end(ctx, &clients[i]); err != nil {
			failed++
			b.env.notef("egainclient/%s in %s: %v\n", clients[i].Name, clients[i].Namespace, err)
		}
	}
	if failed > 0 {
		return advise(fmt.Errorf("%d of %d EgainClients: not revoked, or no renewal requested", failed, len(clients)), "fix the errors above, then run the command again")
	}
	return nil
}

// users are the EgainClients that name the application, in all namespaces.
func (r *revoke) users(ctx context.Context, c client.Client) ([]egainv1alpha1.EgainClient, error) {
	list := &egainv1alpha1.EgainClientList{}
	if err := c.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing the EgainClients of all namespaces: %w", err)
	}
	var found []egainv1alpha1.EgainClient
	for i := range list.Items {
		ref := list.Items[i].Spec.TenantRef
		if ref != nil && string(ref.Name) == r.tenant && string(ref.Application) == r.application {
			found = append(found, list.Items[i])
		}
	}
	if len(found) == 0 {
		return nil, advise(fmt.Errorf("no EgainClient uses application %q of EgainTenant %q", r.application, r.tenant),
			"list its applications with kubectl get egaintenant "+r.tenant+" -o yaml")
	}
	return found, nil
}

// end revokes the token of one EgainClient, and requests the next one.
func (b *borrowed) end(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	t, err := b.accessToken(ctx, ec)
	if err != nil {
		return err
	}
	if t.token == "" {
		b.env.printf("egainclient/%s in %s: no token\n", ec.Name, ec.Namespace)
		return nil
	}
	p, err := b.provider(ctx, ec)
	if err != nil {
		return err
	}
	if err := p.client.Revoke(ctx, p.http, p.endpoints.RevocationURL, b.credentials, t.kind, t.token); err != nil {
		return fmt.Errorf("revoking the access token: %w", p.nameFields(err))
	}
	if b.noRenew {
		b.env.printf("egainclient/%s in %s: access token revoked\n", ec.Name, ec.Namespace)
		return nil
	}
	if err := requestRenewal(ctx, b.env, ec, b.env.clock.Now()); err != nil {
		return fmt.Errorf("access token revoked; requesting the next one: %w", err)
	}
	b.env.printf("egainclient/%s in %s: access token revoked, renewal requested\n", ec.Name, ec.Namespace)
	return nil
}

// provider finds the revocation endpoint for an EgainClient.
func (b *borrowed) provider(ctx context.Context, ec *egainv1alpha1.EgainClient) (*provider, error) {
	actor := request.For(ec).Actor()
	if p := b.providers[actor]; p != nil {
		return p, nil
	}
	p, err := b.env.reach(ctx, ec, b.tenant, func(e oauth.Endpoints) string { return e.RevocationURL })
	if err != nil {
		return nil, err
	}
	if p.endpoints.RevocationURL == "" {
		return nil, errors.New("the tenant has no revocation endpoint: set spec.endpoints.revocationURL of the EgainTenant if eGain has one, or revoke the token in the eGain console")
	}
	b.providers[actor] = p
	return p, nil
}
