package provider

import (
	"context"
	"hash/maphash"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// Requester requests tokens.
type Requester struct {
	*Access
	// Reader reads what requests are made of.
	Reader *request.Reader
	// OAuth sends the requests.
	OAuth *oauth.Client
	// Now tells the time.
	Now func() time.Time
}

// Attempt is what a token is requested with.
type Attempt struct {
	Client *egainv1alpha1.EgainClient
	Tenant request.Tenant
	// Trust identifies the version of the CA bundle; empty if it is unknown.
	Trust string
	// Lent identifies the version of the application's credentials; empty without an application.
	Lent string
	// Input is what the decision depended on, and Cause is why a token is requested.
	Input rotation.Input
	Cause string
	// Digest is that of the credentials that the token in the target was issued with; zero if unknown.
	Digest uint64
	// Expires orders the request among those of others, the soonest first: when the token expires; the zero time before all.
	Expires time.Time
}

// Answer is what came of an attempt.
type Answer struct {
	// Token was issued, or is in the target already, if Reused, since the present spec and Secrets ask for the same one; nil if there
	// is none.
	Token  *target.Token
	Reused bool
	// Digest is that of the credentials that the token was issued with.
	Digest uint64
	// Lent is a digest of the version of an application's credentials that were read; zero for none.
	Lent uint64
	// Endpoints that were found; nil if the attempt did not get so far.
	Endpoints *oauth.Endpoints
	// Successor is the refresh token that replaces the one that was used; nil if there is none. An answer that is unusable otherwise
	// may have one.
	Successor *session.Successor
	// Skew of the server's clock; nil if no response contained its time.
	Skew *time.Duration
	// Sent says that a request was sent to a server, and At when the token request was.
	Sent bool
	At   time.Time
	// TokenSent says that the token request was sent.
	TokenSent bool
	// Skipped describes what of the CA bundle cannot be used; usually empty.
	Skipped string
	Err     error
}

// prepared is a token request as far as it is prepared.
type prepared struct {
	// addressed and material are nil until they are known.
	addressed *request.Addressed
	material  *request.Material
	// asked is set once a request for a document was sent.
	asked bool
}

// answer is that of an attempt that got so far.
func (p prepared) answer(err error) Answer {
	a := Answer{Sent: p.asked, Err: err}
	if p.addressed != nil {
		a.Endpoints = &p.addressed.Endpoints
	}
	if p.material != nil {
		a.Digest, a.Lent = p.material.Digest(), LentDigest(p.material.Sources.LentVersion())
	}
	return a
}

// reuses is the answer of an attempt that found a token to reuse, or failed.
func (p prepared) reuses(tok *target.Token, err error) Answer {
	answer := p.answer(err)
	answer.Token, answer.Reused = tok, tok != nil
	return answer
}

// Request requests a token, unless the one in the target is what the spec asks for already. A client without a free slot is refused
// before its Secrets are read.
func (r *Requester) Request(ctx context.Context, a Attempt) Answer {
	hc, err := r.HTTPClient(ctx, a.Tenant, a.Trust)
	if err != nil {
		return Answer{Err: a.Tenant.NameFields(err)}
	}
	c := ForClient(a.Client, a.Tenant, hc, a.Trust, a.Expires)
	c.asks.Credentials = Trial(a.Client, a.Lent)
	answer := r.request(ctx, a, c)
	answer.Skipped = strings.Join(r.Transport.Skipped(hc), ", ")
	answer.Err = a.Tenant.NameFields(withSkipped(answer.Err, answer.Skipped))
	return answer
}

func (r *Requester) request(ctx context.Context, a Attempt, c Caller) Answer {
	p, tok, err := r.reusable(ctx, a, c)
	if tok != nil || err != nil {
		return p.reuses(tok, err)
	}
	if p.addressed == nil {
		if p.addressed, p.asked, err = r.address(ctx, a, c); err != nil {
			return p.answer(err)
		}
	}
	permit, err := r.ask(c, p.addressed.Endpoints.TokenURL)
	if err != nil {
		return p.answer(err)
	}
	if p.material == nil {
		m, err := r.Reader.Read(ctx, a.Client, a.Tenant)
		if err != nil {
			p.asked = false // a document that was read has nothing to do with it
			return p.answer(err)
		}
		p.material = &m
		if a.Cause == rotation.CauseSourcesChanged {
			if tok := r.reuseForSources(ctx, a, m); tok != nil {
				return p.reuses(tok, nil)
			}
		}
	}
	if err := p.check(a, c); err != nil {
		return p.answer(err)
	}
	return r.exchange(ctx, a, c, p, permit)
}

// check refuses credentials of an application that changed since the permit was asked for, and what the grant does not allow.
func (p prepared) check(a Attempt, c Caller) error {
	if p.material.Sources.LentVersion() != a.Lent {
		return fault.New(fault.Busy, fault.ReasonServerUnavailable, "the credentials of %s have just changed", c.lent)
	}
	return p.addressed.CheckGrant(a.Client, *p.material)
}

// reusable returns the token in the target if a change of its Secrets, the spec or the tenant still asks for the same one; then only
// the annotations that say what it was issued for are rewritten. Otherwise it returns nil and the part of the request that it
// prepared.
func (r *Requester) reusable(ctx context.Context, a Attempt, c Caller) (prepared, *target.Token, error) {
	if a.Cause != rotation.CauseSourcesChanged && a.Cause != rotation.CauseSpecChanged {
		return prepared{}, nil, nil
	}
	if a.Cause == rotation.CauseSourcesChanged && a.Lent != "" { // all clients of the application would read its Secret while one tries it
		return prepared{}, nil, nil
	}
	m, err := r.Reader.Read(ctx, a.Client, a.Tenant)
	if err != nil {
		return prepared{}, nil, err
	}
	p := prepared{material: &m}
	if a.Cause == rotation.CauseSourcesChanged {
		return p, r.reuseForSources(ctx, a, m), nil
	}
	if p.addressed, p.asked, err = r.address(ctx, a, c); err != nil {
		return p, nil, err
	}
	return p, r.reuseForSpec(ctx, a, *p.addressed, m), nil
}

// reuseForSources returns the token in the target if its Secrets have a new version with the same content, as after a label
// changed.
func (r *Requester) reuseForSources(ctx context.Context, a Attempt, m request.Material) *target.Token {
	if a.Digest != m.Digest() {
		return nil
	}
	tok := r.currentToken(ctx, a)
	if tok != nil {
		tok.Sources = m.Sources.String()
	}
	return tok
}

// reuseForSpec returns the token in the target if the changed spec or tenant leads to the same request to the same server.
func (r *Requester) reuseForSpec(ctx context.Context, a Attempt, to request.Addressed, m request.Material) *target.Token {
	is, sources, client := a.Input.Token, m.Sources.String(), to.ClientID(m.Credentials.ClientID)
	same := a.Client.Application() == "" && is.Request == to.ID() && is.Sources == sources
	if !same && (is.Client != client || request.ExceptCredentials(is.Sources) != request.ExceptCredentials(sources)) {
		return nil
	}
	tok := r.currentToken(ctx, a)
	if tok != nil {
		tok.Spec, tok.APIURL = a.Input.Spec, to.Endpoints.APIURL
		tok.Sources, tok.Request, tok.Client = sources, to.ID(), client
	}
	return tok
}

// currentToken reads the token in the target; nil if it is due for renewal or cannot be read.
func (r *Requester) currentToken(ctx context.Context, a Attempt) *target.Token {
	is := a.Input.Token
	due := rotation.RenewAt(is.IssueTime, is.ExpirationTime, a.Input.Policy, a.Input.Spread)
	requested := a.Input.Renewal != "" && a.Input.Renewal != is.Renewal
	if requested || !a.Input.Now.Before(due) {
		return nil
	}
	secret, err := r.API.Get(ctx, types.NamespacedName{Namespace: a.Client.Namespace, Name: a.Client.TargetName()})
	if err != nil {
		return nil
	}
	reading, err := target.Read(secret)
	if err != nil {
		return nil
	}
	return reading.Token
}

// address finds the endpoint of the token request. It also reports whether it sent a request to read a document.
func (r *Requester) address(ctx context.Context, a Attempt, c Caller) (*request.Addressed, bool, error) {
	endpoints, asked, err := r.Endpoints(ctx, a.Client, a.Tenant, c)
	if err != nil {
		last, ok := lastEndpoints(a.Client, a.Tenant, a.Input.Token, err)
		if !ok {
			return nil, asked, err
		}
		endpoints = last
	}
	if err := a.Tenant.AdmitScopes(a.Client, endpoints.ScopePrefix); err != nil {
		return nil, asked, err
	}
	to := request.For(a.Client).Address(endpoints)
	return &to, asked, nil
}

// exchange sends a token request that is prepared.
func (r *Requester) exchange(ctx context.Context, a Attempt, c Caller, p prepared, permit *gate.Permit) Answer {
	answer, m, to := p.answer(nil), *p.material, *p.addressed
	answer.At = r.Now()
	host, flow := tracing.HostOf(to.Endpoints.TokenURL), string(a.Client.Spec.Flow)
	var tok oauth.Token
	err := do(ctx, permit, c, to.Endpoints.TokenURL, func(ctx context.Context) (err error) {
		answer.Sent, answer.TokenSent = true, true
		ctx, span := tracing.Begin(ctx, r.Tracer, "request token")
		span.SetAttributes(tracing.Host.String(host), tracing.Flow.String(flow))
		start := r.Now()
		tok, err = r.OAuth.Token(ctx, c.HTTP, to.Granted(m).Complete(m.Secrets))
		tracing.End(span, err)
		r.Metrics.Request(c.brings, host, flow, reasonOf(err), r.Now().Sub(start).Seconds())
		return err
	})
	if answer.Skew = tok.Skew; tok.Skew != nil {
		r.Metrics.ClockSkew(c.brings, host, tok.Skew.Seconds())
	}
	if s, ok := m.Successor(tok); ok {
		answer.Successor = &s
	}
	if err != nil {
		answer.Err = request.AdviseLogin(a.Tenant.AdviseOwner(err, a.Client), a.Client)
		return answer
	}
	answer.Token = issued(a, to, m, tok)
	return answer
}

// issued is a token with what it was issued for.
func issued(a Attempt, to request.Addressed, m request.Material, tok oauth.Token) *target.Token {
	return &target.Token{
		Token: rotation.Token{
			IssueTime:      tok.IssueTime,
			ExpirationTime: tok.ExpirationTime,
			Spec:           a.Input.Spec,
			Sources:        m.Sources.String(),
			Renewal:        a.Input.Renewal,
			Request:        to.ID(),
			Client:         to.ClientID(m.Credentials.ClientID),
		},
		AccessToken: tok.AccessToken,
		TokenType:   tok.TokenType,
		Scopes:      tok.Scopes,
		APIURL:      to.Endpoints.APIURL,
	}
}

// reasonOf is the reason of a failure; empty without one.
func reasonOf(err error) string {
	if f := fault.Of(err); f != nil {
		return f.Reason
	}
	return ""
}

// seed makes digests useless outside this process.
var seed = maphash.MakeSeed()

// LentDigest stands for a version of an application's credentials; zero for none.
func LentDigest(version string) uint64 {
	if version == "" {
		return 0
	}
	return maphash.Comparable(seed, version)
}
