// Package provider reaches the authorization servers of tenants: it makes their HTTP clients, reads their documents and finds their
// endpoints. It declares what it needs of the API server as an interface.
package provider

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/tracing"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// API reads CA bundles, live. It returns the API server's errors as they are.
type API interface {
	Get(ctx context.Context, secret types.NamespacedName) (*corev1.Secret, error)
	ConfigMap(ctx context.Context, name types.NamespacedName) (*corev1.ConfigMap, error)
}

// Access reaches the authorization servers of tenants, for both reconcilers.
type Access struct {
	// API reads CA bundles.
	API API
	// Directory keeps metadata documents.
	Directory *oauth.Directory
	// Egress makes HTTP clients.
	Egress *egress.Egress
	// Breakers leave endpoints alone that fail.
	Breakers *egress.Breakers
	// Tracer traces the reading of documents; nil for none.
	Tracer trace.Tracer

	shares shares
}

// Sender sends a request to an endpoint, or fails without sending, as egress.Breakers do.
type Sender func(ctx context.Context, e egress.Endpoint, send func(context.Context) error) error

// HTTPClient returns the HTTP client of a tenant, the only way to send a request for it. It fails if a rule of the operator lets none
// be sent. The version identifies the object that the CA bundle is in, which is read only if the version is another one; it is
// empty if it is unknown.
func (a *Access) HTTPClient(ctx context.Context, t request.Tenant, version string) (*http.Client, error) {
	if err := a.Egress.PermitTenant(t.Name); err != nil {
		return nil, err
	}
	a.Egress.Limit(t.Name, egress.Limits{Concurrent: int(t.Limits.Concurrent), PerSecond: int(t.Limits.PerSecond)})
	trust := version
	if version != "" {
		trust += " " + string(t.CABundleRef.Key)
	}
	if c := a.Egress.Known(t.Name, trust); c != nil {
		return c, nil
	}
	bundle, err := a.caBundle(ctx, t.CABundleRef)
	if err != nil {
		return nil, err
	}
	c, err := a.Egress.Client(t.Name, trust, bundle)
	if err == nil && t.CABundleRef != nil {
		a.share(t, client{t.Name, cmp.Or(trust, transport.TrustOf(bundle)), len(bundle)})
	}
	return c, err
}

// share counts a client to who brings its CA bundle, and forgets the oldest of those that are too many.
func (a *Access) share(t request.Tenant, made client) {
	owner := "EgainTenant " + t.Name
	if t.Name == "" {
		owner = string(t.CABundleRef.Namespace)
	}
	for _, c := range a.shares.add(owner, made) {
		a.Egress.Forget(c.tenant, c.trust)
	}
}

// caBundle reads the PEM certificates to trust; nil for the system's.
func (a *Access) caBundle(ctx context.Context, ref *egainv1alpha1.NamespacedCABundleReference) ([]byte, error) {
	if ref == nil {
		return nil, nil
	}
	name, key := types.NamespacedName{Namespace: string(ref.Namespace), Name: string(ref.Name)}, string(ref.Key)
	bundle, err := a.readBundle(ctx, ref.Kind, name, key)
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

// readBundle reads what a Secret or ConfigMap has under a key; empty if it has nothing there.
func (a *Access) readBundle(ctx context.Context, kind string, name types.NamespacedName, key string) ([]byte, error) {
	if kind == "Secret" {
		secret, err := a.API.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		return secret.Data[key], nil
	}
	configMap, err := a.API.ConfigMap(ctx, name)
	if err != nil {
		return nil, err
	}
	return append(configMap.BinaryData[key], configMap.Data[key]...), nil // a key is in one of them
}

// document reads a document, or has it from before.
func (a *Access) document(ctx context.Context, hc *http.Client, at oauth.Place) (*oauth.Document, error) {
	ctx, span := tracing.Begin(ctx, a.Tracer, "read metadata")
	span.SetAttributes(tracing.Host.String(tracing.HostOf(at.URL)))
	document, err := a.Directory.Read(ctx, hc, at)
	tracing.End(span, err)
	return document, err
}

// Endpoints finds where the token requests of an EgainClient go, and its revocations if it has its tokens revoked.
func (a *Access) Endpoints(ctx context.Context, ec *egainv1alpha1.EgainClient, t request.Tenant, hc *http.Client, ask Sender) (oauth.Endpoints, error) {
	tenant, draft := t.OAuth(), request.For(ec)
	actor := draft.Actor()
	revokes := ec.RevokesOnDelete() && tenant.For(actor).RevocationURL == "" && tenant.Discovers()
	if !revokes && !tenant.NeedsDocuments(actor) {
		return draft.Resolve(tenant, oauth.Discovery{})
	}
	read := func(ctx context.Context, at oauth.Place) (document *oauth.Document, err error) {
		err = ask(ctx, egress.Endpoint{Client: hc, URL: at.URL, Shared: true}, func(ctx context.Context) (err error) {
			document, err = a.document(ctx, hc, at)
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

// Inspection is what was found out about a tenant.
type Inspection struct {
	// Actors are all actors, in the order of request.Roles.
	Actors []Actor
	// Found is the zero value if no document was needed.
	Found oauth.Discovery
	// Skipped describes what of the CA bundle cannot be used; empty if that is nothing.
	Skipped string
}

// Actor is what was found out about one actor of a tenant.
type Actor struct {
	Name      egainv1alpha1.TenantActor
	Endpoints oauth.Endpoints
	// Err says why there is no token URL that requests may go to; nil if there is one.
	Err error
}

// Inspect finds the endpoints of every actor of a tenant. It fails if no actor has a token URL that requests may go to.
func (a *Access) Inspect(ctx context.Context, t request.Tenant) (Inspection, error) {
	hc, err := a.HTTPClient(ctx, t, "")
	if err != nil {
		return Inspection{}, err
	}
	found := Inspection{Skipped: strings.Join(a.Egress.Skipped(hc), ", ")}
	if found.Found, err = a.discover(ctx, t.OAuth(), hc); err != nil {
		return Inspection{Skipped: found.Skipped}, WithSkipped(err, found.Skipped)
	}
	var failure error
	usable := false
	for _, role := range request.Roles() {
		e, err := oauth.Resolve(t.OAuth(), found.Found, role.Flow, role.Subject)
		if err == nil {
			err = a.Egress.PermitURL(e.TokenURL)
		}
		usable = usable || err == nil
		failure = cmp.Or(failure, err)
		found.Actors = append(found.Actors, Actor{role.Name, e, err})
	}
	if usable {
		failure = nil
	}
	return found, failure
}

// discover reads the documents that any actor of a tenant needs.
func (a *Access) discover(ctx context.Context, tenant oauth.Tenant, hc *http.Client) (oauth.Discovery, error) {
	var wanting []oauth.Actor
	for _, role := range request.Roles() {
		if tenant.NeedsDocuments(role.Actor) {
			wanting = append(wanting, role.Actor)
		}
	}
	if len(wanting) == 0 {
		return oauth.Discovery{}, nil
	}
	read := func(ctx context.Context, at oauth.Place) (*oauth.Document, error) { return a.document(ctx, hc, at) }
	return tenant.Discover(ctx, read, wanting...)
}
