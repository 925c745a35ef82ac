package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// Caller is the object that requests are sent for, as far as the gate tells objects apart.
type Caller struct {
	// HTTP is the client of the tenant.
	HTTP *http.Client
	// brings is the namespace that brings the hosts of the requests; empty if an EgainTenant does.
	brings string
	// lent is how messages name the application that lends its credentials; empty without one.
	lent string
	asks gate.Client
}

// ForClient is the caller of requests for an EgainClient. The soonest to expire is served first; the zero time before all. The trust
// identifies the version of the CA bundle.
func ForClient(ec *egainv1alpha1.EgainClient, t request.Tenant, hc *http.Client, trust string, expires time.Time) Caller {
	c := ForTenant(t, hc)
	c.asks.Key, c.asks.Namespace, c.asks.App = ec.Namespace+"/"+ec.Name, ec.Namespace, application(ec)
	c.asks.Expires, c.asks.Trust = expires, trust
	// The answer may contain the only refresh token that is still valid.
	c.asks.MustFinish = ec.Spec.AuthorizationCode != nil
	if ec.Spec.TenantRef == nil {
		c.brings = ec.Namespace
	}
	if ec.Application() != "" {
		c.lent = t.Lent(ec)
	}
	return c
}

// ForTenant is the caller of requests for an EgainTenant.
func ForTenant(t request.Tenant, hc *http.Client) Caller {
	return Caller{HTTP: hc, asks: gate.Client{
		Key: "/" + t.Name, Endpoint: gate.Endpoint{Tenant: t.Name},
		Concurrent: int(t.Limits.Concurrent), PerSecond: int(t.Limits.PerSecond),
	}}
}

// application identifies the client application of an EgainClient by what refers to its credentials: which those are is known only
// once they are read, which is after the gate.
func application(ec *egainv1alpha1.EgainClient) string {
	if name := ec.Application(); name != "" {
		return "EgainTenant " + string(ec.Spec.TenantRef.Name) + "/" + name
	}
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		return ec.Namespace + "/" + string(ref.Name)
	}
	return ec.Namespace + "/"
}

// Trial is what a version of an application's credentials is tried as; empty without one. A client application may be allowed one flow
// and not another, or act for users and not for customers, who have endpoints of their own.
func Trial(ec *egainv1alpha1.EgainClient, version string) gate.Credentials {
	if version == "" {
		return gate.Credentials{}
	}
	return gate.Credentials{Group: fmt.Sprintf("%s %s %v", application(ec), ec.Spec.Flow, request.For(ec).Actor()), Version: LentDigest(version)}
}

// ask asks the gate for a permit to send one request to a URL. The failure says that the caller is queued.
func (a *Access) ask(c Caller, to string) (*gate.Permit, error) {
	asks := c.asks
	asks.URL, asks.Host = to, tracing.HostOf(to)
	a.Metrics.Use(c.brings, asks.Host)
	permit, queued := a.Gate.Ask(asks)
	if queued != nil {
		return nil, failureOf(queued, c, asks.Host)
	}
	return permit, nil
}

// Send asks for a permit and sends a request with it.
func (a *Access) Send(ctx context.Context, c Caller, to string, send func(context.Context) error) error {
	permit, err := a.ask(c, to)
	if err != nil {
		return err
	}
	return do(ctx, permit, c, to, send)
}

// do sends a request to a URL with a permit.
func do(ctx context.Context, permit *gate.Permit, c Caller, to string, send func(context.Context) error) error {
	if permit.Reconnect {
		c.HTTP.CloseIdleConnections()
	}
	return failureOf(permit.Do(ctx, send), c, tracing.HostOf(to))
}

// failureOf is the failure of a caller that is queued. Other errors are returned as they are.
func failureOf(err error, c Caller, host string) error {
	queued, is := errors.AsType[*gate.Queued](err)
	if !is {
		return err
	}
	f := fault.New(fault.Busy, fault.ReasonServerUnavailable, "%s; host %s", queued, host)
	if queued.Refused {
		f = fault.New(fault.Paused, fault.ReasonApplicationFailing,
			"%s fails: %s (its EgainClients keep their tokens, and resume when its owner corrects its Secret)", c.lent, queued)
	} else if cause := fault.Of(queued.Cause); cause != nil {
		f = fault.New(fault.Paused, cause.Reason, "%s", queued)
	}
	f.Queued = true
	return f
}

// Judge is what the gate makes of the outcome of a request.
func Judge(err error) gate.Verdict {
	f := fault.Of(err)
	switch {
	case f != nil && f.Application:
		return gate.Verdict{Kind: gate.Refused}
	case blames(f):
		return gate.Verdict{Kind: gate.Failed, RetryAfter: min(f.RetryAfter, maxRetryAfter)}
	case f == nil && err != nil, f != nil && f.Class == fault.Busy:
		return gate.Verdict{Kind: gate.Unknown}
	default:
		return gate.Verdict{Kind: gate.Served}
	}
}

// maxRetryAfter bounds the Retry-After that is honoured, as for single clients.
const maxRetryAfter = time.Hour

// blames reports whether a failure speaks of the endpoint: it will pass by itself. A certificate that is not trusted speaks of the
// CA bundle as much.
func blames(f *fault.Error) bool {
	return f != nil && f.Class == fault.Retryable && f.Reason != fault.ReasonTLSFailed
}
