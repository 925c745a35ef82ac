package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// Providers reaches the authorization servers of tenants, for both reconcilers.
type Providers struct {
	// Client reads CA bundles, live.
	Client client.Client
	// Directory keeps metadata documents.
	Directory *oauth.Directory
	// Egress makes HTTP clients.
	Egress *egress.Egress
	// Breakers leave endpoints alone that fail.
	Breakers *egress.Breakers
}

// asker sends a request to an endpoint, or fails without, as egress.Breakers do.
type asker func(ctx context.Context, e egress.Endpoint, send func(context.Context) error) error

// http returns the HTTP client of a tenant, the only way to send a request for it. It fails if a rule of the operator lets none
// be sent. The version identifies the object that the CA bundle is in, which is read only if the version is another one; it is
// empty if it is unknown.
func (p *Providers) http(ctx context.Context, t request.Tenant, version string) (*http.Client, error) {
	if err := p.Egress.PermitTenant(t.Name); err != nil {
		return nil, err
	}
	p.Egress.Limit(t.Name, egress.Limits{Concurrent: int(t.Limits.Concurrent), PerSecond: int(t.Limits.PerSecond)})
	trust := version
	if version != "" {
		trust += " " + string(t.CABundleRef.Key)
	}
	if c := p.Egress.Known(t.Name, trust); c != nil {
		return c, nil
	}
	bundle, err := p.caBundle(ctx, t.CABundleRef)
	if err != nil {
		return nil, err
	}
	return p.Egress.Client(t.Name, trust, bundle)
}

// caBundle reads the PEM certificates to trust; nil for the system's.
func (p *Providers) caBundle(ctx context.Context, ref *egainv1alpha1.NamespacedCABundleReference) ([]byte, error) {
	if ref == nil {
		return nil, nil
	}
	name, key := client.ObjectKey{Namespace: string(ref.Namespace), Name: string(ref.Name)}, string(ref.Key)
	var bundle []byte
	var err error
	if ref.Kind == "Secret" {
		secret := &corev1.Secret{}
		err = p.Client.Get(ctx, name, secret)
		bundle = secret.Data[key]
	} else {
		configMap := &corev1.ConfigMap{}
		err = p.Client.Get(ctx, name, configMap)
		bundle = []byte(configMap.Data[key])
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, fault.New(fault.Waiting, egainv1alpha1.ReasonCABundleNotFound, "waiting for %s %q with the CA bundle: create it, or name another in tenant.caBundleRef", ref.Kind, ref.Name)
	case apierrors.IsForbidden(err):
		return nil, fault.New(fault.Retryable, egainv1alpha1.ReasonCABundleNotFound, "the operator may not read %s %q in namespace %q: keep the CA bundle in a namespace that it works in", ref.Kind, ref.Name, ref.Namespace)
	case err != nil:
		return nil, fmt.Errorf("reading %s %q: %w", ref.Kind, ref.Name, err)
	case len(bundle) == 0:
		return nil, fault.New(fault.Terminal, egainv1alpha1.ReasonCABundleInvalid, "%s %q has nothing under the key %q: put PEM certificates there, or name the right key in tenant.caBundleRef.key", ref.Kind, ref.Name, key)
	}
	return bundle, nil
}

// document reads a document, or has it from before.
func (p *Providers) document(ctx context.Context, tracer trace.Tracer, hc *http.Client, at oauth.Place) (*oauth.Document, error) {
	ctx, span := begin(ctx, tracer, "read metadata")
	span.SetAttributes(attributeHost.String(hostOf(at.URL)))
	document, err := p.Directory.Read(ctx, hc, at)
	end(span, err)
	return document, err
}

// endpoints finds where the token requests of an EgainClient go, and its revocations if it has its tokens revoked.
func (p *Providers) endpoints(ctx context.Context, tracer trace.Tracer, ec *egainv1alpha1.EgainClient, t request.Tenant, hc *http.Client, ask asker) (oauth.Endpoints, error) {
	tenant, draft := t.OAuth(), request.For(ec)
	actor := draft.Actor()
	revokes := ec.RevokesOnDelete() && tenant.For(actor).RevocationURL == "" && tenant.Discovers()
	if !revokes && !tenant.NeedsDocuments(actor) {
		return draft.Resolve(tenant, oauth.Discovery{})
	}
	read := func(ctx context.Context, at oauth.Place) (document *oauth.Document, err error) {
		err = ask(ctx, egress.Endpoint{Client: hc, URL: at.URL, Shared: true}, func(ctx context.Context) (err error) {
			document, err = p.document(ctx, tracer, hc, at)
			return err
		})
		return document, err
	}
	documents, err := tenant.Discover(ctx, read, actor)
	if err != nil {
		return oauth.Endpoints{}, err
	}
	return draft.Resolve(tenant, documents)
}

// inspection is what was found out about a tenant.
type inspection struct {
	endpoints []egainv1alpha1.ActorEndpointsStatus
	// found is the zero value if no document was needed.
	found oauth.Discovery
}

// inspect finds the endpoints of every actor of a tenant. It fails if no actor has a token URL that requests may go to.
func (p *Providers) inspect(ctx context.Context, tracer trace.Tracer, t request.Tenant) (inspection, error) {
	hc, err := p.http(ctx, t, "")
	if err != nil {
		return inspection{}, err
	}
	var found inspection
	tenant, roles := t.OAuth(), request.Roles()
	var wanting []oauth.Actor
	for _, role := range roles {
		if tenant.NeedsDocuments(role.Actor) {
			wanting = append(wanting, role.Actor)
		}
	}
	if len(wanting) > 0 {
		read := func(ctx context.Context, at oauth.Place) (*oauth.Document, error) {
			return p.document(ctx, tracer, hc, at)
		}
		if found.found, err = tenant.Discover(ctx, read, wanting...); err != nil {
			return inspection{}, err
		}
	}
	var failure error
	usable := false
	for _, role := range roles {
		e, err := oauth.Resolve(tenant, found.found, role.Flow, role.Subject)
		if err == nil {
			err = p.Egress.PermitURL(e.TokenURL)
		}
		usable = usable || err == nil
		failure = cmp.Or(failure, err)
		found.endpoints = append(found.endpoints, actorStatus(role.Name, e, cmp.Or(err, e.Unusable.First())))
	}
	if usable {
		failure = nil
	}
	return found, failure
}

// actorStatus is the status of an actor's endpoints. It contains none if the token URL is refused.
func actorStatus(actor egainv1alpha1.TenantActor, e oauth.Endpoints, err error) egainv1alpha1.ActorEndpointsStatus {
	st := egainv1alpha1.ActorEndpointsStatus{Actor: actor}
	if f := fault.Of(err); f != nil {
		st.Reason, st.Message = f.Reason, truncate(f.Message, maxMessage)
	}
	if err != nil && !errors.Is(err, e.Unusable.First()) {
		return st
	}
	st.TokenURL, st.Source = truncate(e.TokenURL, maxURL), egainv1alpha1.EndpointSource(e.Source)
	st.AuthorizationURL, st.AuthorizationURLSource = truncate(e.AuthorizationURL, maxURL), egainv1alpha1.EndpointSource(e.Sources.AuthorizationURL)
	st.RevocationURL, st.RevocationURLSource = truncate(e.RevocationURL, maxURL), egainv1alpha1.EndpointSource(e.Sources.RevocationURL)
	st.APIURL, st.APIURLSource = truncate(e.APIURL, maxURL), egainv1alpha1.EndpointSource(e.Sources.APIURL)
	st.ScopePrefix, st.ScopePrefixSource = truncate(e.ScopePrefix, maxRenewal), egainv1alpha1.EndpointSource(e.Sources.ScopePrefix)
	return st
}
