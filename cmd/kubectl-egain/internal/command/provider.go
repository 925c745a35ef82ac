package command

import (
	"context"
	"net/http"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// requestTimeout bounds one request to the authorization server: a user waits for it.
const requestTimeout = 20 * time.Second

// provider is the authorization server of an EgainClient.
type provider struct {
	http        *http.Client
	client      *oauth.Client
	credentials oauth.Credentials
	request     request.Addressed
	tenant      oauth.Tenant
	endpoints   oauth.Endpoints
	// nameFields makes a failure name the fields of the object that describes the tenant.
	nameFields func(error) error
	// labelled says that only labelled Secrets may be sent.
	labelled bool
}

// provider finds the authorization server of an EgainClient, then its credentials, which nothing sends before.
func (e *environment) provider(ctx context.Context, ec *egainv1alpha1.EgainClient, tenant request.Tenant, wanted func(oauth.Endpoints) string) (*provider, error) {
	p, err := e.reach(ctx, ec, tenant, wanted)
	if err != nil {
		return nil, err
	}
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	p.credentials, err = lookup.Credentials(ctx, c, ec, p.labelled)
	return p, err
}

// reach finds the authorization server of an EgainClient. The metadata document is read if the operator would read it, or if
// the endpoints lack what is wanted without it. The rules of the operator come first. Failures name the fields of the tenant's object.
func (e *environment) reach(ctx context.Context, ec *egainv1alpha1.EgainClient, tenant request.Tenant, wanted func(oauth.Endpoints) string) (*provider, error) {
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	r := e.rules(ctx, ec.Namespace)
	bundle, err := lookup.CABundle(ctx, c, tenant.CABundleRef)
	if err != nil {
		return nil, err
	}
	p := &provider{client: &oauth.Client{Now: e.clock.Now}, tenant: tenant.OAuth(), nameFields: tenant.NameFields, labelled: r.labelled()}
	if p.http, err = e.http(r, tenant.Name, bundle, requestTimeout); err != nil {
		return nil, err
	}
	if err := p.resolve(ctx, request.For(ec), wanted); err != nil {
		known, ok := tenant.KnownFor(request.For(ec).Actor())
		if f := fault.Of(err); f == nil || f.Reason != fault.ReasonMetadataUnavailable || !ok || wanted(known) == "" {
			return nil, tenant.NameFields(err)
		}
		p.endpoints = known // as the operator does
	}
	return p, nil
}

func (p *provider) resolve(ctx context.Context, draft request.Draft, wanted func(oauth.Endpoints) string) error {
	t, actor := p.tenant, draft.Actor()
	directory := &oauth.Directory{Now: p.client.Now}
	resolve := func(read bool) (err error) {
		var found oauth.Discovery
		if read {
			if found, err = t.Discover(ctx, directory.Reader(p.http), actor); err != nil {
				return err
			}
		}
		p.endpoints, err = draft.Resolve(t, found)
		return err
	}
	needed := t.NeedsDocuments(actor)
	err := resolve(needed)
	if err == nil && wanted(p.endpoints) == "" && !needed && t.Discovers() {
		err = resolve(true)
	}
	p.request = draft.Address(p.endpoints)
	return err
}

// hint asks the address of the customer's eGain for the domain hint of a login, if it was not asked on the way to the
// endpoints. Errors are *fault.Error.
func (p *provider) hint(ctx context.Context) error {
	if p.tenant.URL == "" || p.endpoints.DomainHint != "" {
		return nil
	}
	directory := &oauth.Directory{Now: p.client.Now}
	document, err := directory.Read(ctx, p.http, oauth.DeploymentInfoPlace(p.tenant.URL))
	if err != nil {
		return p.nameFields(err)
	}
	p.endpoints.DomainHint = document.Deployment.DomainHint
	return nil
}
