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
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
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

// Metrics counts requests by host. The namespace is the one that brings the host; empty if an EgainTenant does.
type Metrics interface {
	// Use gives a host a label value of its own, if there is one left.
	Use(namespace, host string)
	// Request counts a token request; the reason of its failure is empty if it succeeded.
	Request(namespace, host, flow, reason string, seconds float64)
	// ClockSkew records how far a host's clock is ahead.
	ClockSkew(namespace, host string, seconds float64)
}

// Access reaches the authorization servers of tenants, for both reconcilers.
type Access struct {
	// API reads CA bundles.
	API API
	// Directory keeps metadata documents.
	Directory *oauth.Directory
	// Transport makes HTTP clients.
	Transport *transport.Transport
	// Gate decides who may send a request now.
	Gate *gate.Gate
	// Metrics counts requests.
	Metrics Metrics
	// Tracer traces the reading of documents; nil for none.
	Tracer trace.Tracer

	shares shares
}

// HTTPClient returns the HTTP client of a tenant, the only way to send a request for it. It fails if a rule of the operator lets none
// be sent. The version identifies the object that the CA bundle is in, which is read only if the version is another one; it is
// empty if it is unknown.
func (a *Access) HTTPClient(ctx context.Context, t request.Tenant, version string) (*http.Client, error) {
	if err := a.Transport.PermitTenant(t.Name); err != nil {
		return nil, err
	}
	trust := version
	if version != "" {
		trust += " " + string(t.CABundleRef.Key)
	}
	if c := a.Transport.Known(t.Name, trust); c != nil {
		return c, nil
	}
	bundle, err := a.caBundle(ctx, t.CABundleRef)
	if err != nil {
		return nil, err
	}
	c, err := a.Transport.Client(t.Name, trust, bundle)
	if f := fault.Of(err); f != nil && f.Reason == fault.ReasonCABundleInvalid && t.CABundleRef != nil {
		ref := t.CABundleRef
		return nil, fault.New(f.Class, f.Reason, "%s %q in namespace %q, key %q: %s", ref.Kind, ref.Name, ref.Namespace, ref.Key, f.Message)
	}
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
		a.Transport.Forget(c.tenant, c.trust)
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
		return nil, fault.New(fault.Waiting, egainv1alpha1.ReasonCABundleNotFound, "waiting for %s %q in namespace %q with the CA bundle: create it, or correct spec.tenant.caBundleRef", ref.Kind, ref.Name, ref.Namespace)
	case apierrors.IsForbidden(err):
		return nil, fault.New(fault.Retryable, egainv1alpha1.ReasonCABundleNotFound, "the operator may not read %s %q in namespace %q: move the CA bundle to a namespace that it watches, or grant it get there", ref.Kind, ref.Name, ref.Namespace)
	case err != nil:
		return nil, fmt.Errorf("reading %s %q: %w", ref.Kind, ref.Name, err)
	case len(bundle) == 0:
		return nil, fault.New(fault.Terminal, egainv1alpha1.ReasonCABundleInvalid, "%s %q in namespace %q has no key %q, or an empty one: store PEM certificates there, or correct spec.tenant.caBundleRef.key", ref.Kind, ref.Name, ref.Namespace, key)
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

// Endpoints finds where the token requests of an EgainClient go, and its revocations if it has its tokens revoked. It reports
// whether it sent a request for a document.
func (a *Access) Endpoints(ctx context.Context, ec *egainv1alpha1.EgainClient, t request.Tenant, c Caller) (found oauth.Endpoints, sent bool, err error) {
	tenant, draft := t.OAuth(), request.For(ec)
	actor := draft.Actor()
	revokes := ec.RevokesOnDelete() && tenant.For(actor).RevocationURL == "" && tenant.Discovers()
	var documents oauth.Discovery
	if revokes || tenant.NeedsDocuments(actor) {
		documents, err = tenant.Discover(ctx, a.reader(c, &sent), actor)
	}
	if err != nil {
		return oauth.Endpoints{}, sent, err
	}
	found, err = draft.Resolve(tenant, documents)
	return found, sent, err
}

// reader reads documents for a caller. A document that the Directory has is read without the gate.
func (a *Access) reader(c Caller, sent *bool) oauth.Reader {
	c.asks.PerSecond = 0 // the limit is one of token requests
	return func(ctx context.Context, at oauth.Place) (document *oauth.Document, err error) {
		if document, err, known := a.Directory.Known(c.HTTP, at); known {
			return document, err
		}
		err = a.Send(ctx, c, at.URL, func(ctx context.Context) (err error) {
			*sent = true
			document, err = a.document(ctx, c.HTTP, at)
			return err
		})
		return document, err
	}
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
	found := Inspection{Skipped: strings.Join(a.Transport.Skipped(hc), ", ")}
	if found.Found, err = a.discover(ctx, t.OAuth(), ForTenant(t, hc)); err != nil {
		return Inspection{Skipped: found.Skipped}, withSkipped(err, found.Skipped)
	}
	var failure error
	usable := false
	for _, role := range request.Roles() {
		e, err := oauth.Resolve(t.OAuth(), found.Found, role.Flow, role.Subject)
		if err == nil {
			err = a.Transport.PermitURL(e.TokenURL)
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
func (a *Access) discover(ctx context.Context, tenant oauth.Tenant, c Caller) (oauth.Discovery, error) {
	var wanting []oauth.Actor
	for _, role := range request.Roles() {
		if tenant.NeedsDocuments(role.Actor) {
			wanting = append(wanting, role.Actor)
		}
	}
	if len(wanting) == 0 {
		return oauth.Discovery{}, nil
	}
	sent := false
	return tenant.Discover(ctx, a.reader(c, &sent), wanting...)
}
