package controllers

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/issuance"
	"github.com/egain-operator/egain-operator/internal/oauth"
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

	// known are HTTP clients by what they were made of, so that a CA bundle is read once and not for each request.
	known     *lru.Cache
	knownOnce sync.Once
}

// maxKnown bounds the HTTP clients that are known by the versions of their CA bundles; it is the number that Egress keeps.
const maxKnown = 1024

// profile is what an HTTP client is made of, with the version of the CA bundle in place of the bundle.
type profile struct {
	version, key, group string
	limits              egainv1alpha1.RequestLimits
}

// asker sends a request to an endpoint, or fails without, as egress.Breakers do.
type asker func(ctx context.Context, e egress.Endpoint, send func(context.Context) error) error

// http makes the HTTP client of a tenant. The version identifies the object that the CA bundle is in; empty if it is unknown.
func (p *Providers) http(ctx context.Context, t issuance.Tenant, version string) (*http.Client, error) {
	p.knownOnce.Do(func() { p.known = lru.New(maxKnown) })
	made := profile{version: version, group: t.Name, limits: t.Limits}
	if t.CABundleRef != nil {
		made.key = string(t.CABundleRef.Key)
	}
	if c, ok := p.known.Get(made); ok && version != "" {
		return c.(*http.Client), nil
	}
	bundle, err := p.caBundle(ctx, t.CABundleRef)
	if err != nil {
		return nil, err
	}
	c, err := p.Egress.Client(egress.Profile{
		CABundle: bundle, Group: t.Name, Concurrent: int(t.Limits.Concurrent), PerSecond: int(t.Limits.PerSecond),
	})
	if err == nil && version != "" {
		p.known.Add(made, c)
	}
	return c, err
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

// metadata reads a document, or has it from before.
func (p *Providers) metadata(ctx context.Context, tracer trace.Tracer, hc *http.Client, address string) (*oauth.Metadata, error) {
	ctx, span := begin(ctx, tracer, "read metadata")
	span.SetAttributes(attributeHost.String(hostOf(address)))
	document, err := p.Directory.Metadata(ctx, hc, address)
	end(span, err)
	return document, err
}

// inspection is what was found out about a tenant.
type inspection struct {
	endpoints   []egainv1alpha1.ActorEndpoints
	scopePrefix string
	// document is nil if none was needed.
	document *oauth.Metadata
}

// inspect finds the endpoints of every actor of a tenant. An actor that a document says nothing of, or whose token requests
// would be refused, is left out.
func (p *Providers) inspect(ctx context.Context, tracer trace.Tracer, t issuance.Tenant) (inspection, error) {
	hc, err := p.http(ctx, t, "")
	if err != nil {
		return inspection{}, err
	}
	var found inspection
	tenant := t.OAuth()
	if tenant.NeedsMetadata() {
		if found.document, err = p.metadata(ctx, tracer, hc, tenant.MetadataURL); err != nil {
			return inspection{}, err
		}
	}
	var amiss error
	for _, actor := range actors {
		e, err := oauth.Resolve(tenant, found.document, actor.flow, actor.subject)
		if err == nil {
			err = p.Egress.Permits(e.TokenURL)
		}
		if err != nil {
			amiss = err
			continue
		}
		found.scopePrefix = e.ScopePrefix
		found.endpoints = append(found.endpoints, egainv1alpha1.ActorEndpoints{
			Actor: actor.name, TokenURL: truncate(e.TokenURL, maxURL), AuthorizationURL: truncate(e.AuthorizationURL, maxURL),
			RevocationURL: truncate(e.RevocationURL, maxURL), APIURL: truncate(e.APIURL, maxURL), Source: egainv1alpha1.EndpointSource(e.Source),
		})
	}
	if len(found.endpoints) == 0 {
		return inspection{}, amiss
	}
	return found, nil
}

// actors are those that the eGain console lists endpoints for, each with a flow that uses them.
var actors = []struct {
	name    string
	flow    oauth.Flow
	subject oauth.Subject
}{
	{"Client", oauth.ClientCredentials, oauth.Subject{}},
	{"User", oauth.AuthorizationCode, oauth.Subject{Actor: oauth.ActorUser}},
	{"Customer", oauth.AuthorizationCode, oauth.Subject{Actor: oauth.ActorCustomer}},
}
