package controllers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// outcome is what came of a reconcile.
type outcome struct {
	world world
	// decision is of no meaning unless decided.
	decision rotation.Decision
	decided  bool
	// unread says that the world could not be read whole, so that what is in the target is unknown.
	unread bool
	// attempted says that the provider or the API server was asked for something, so that a failure counts.
	attempted bool
	// written is the token that was written to the target; nil if none was.
	written *target.Token
	// endpoints that were used; nil if none were needed.
	endpoints *oauth.Endpoints
	// skew of the provider's clock; nil if no answer told it.
	skew *time.Duration
	err  error
}

// act carries out a decision, if one could be made. Whatever comes of that, the target is kept in shape.
func (r *EgainClientReconciler) act(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) {
	if o.err == nil {
		r.carryOut(ctx, ec, o)
	}
	if fault.Of(o.err) != nil || o.decision.Action == rotation.Wait {
		r.repair(ctx, ec, o)
	}
}

// carryOut sends the token request, if one is needed, and writes the target, then cleans up the target of an earlier name.
func (r *EgainClientReconciler) carryOut(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) {
	if held := o.world.remembered.held; held != nil && o.decision.Cause != rotation.CauseHeld {
		// It was written after all, or serves no more: no token rests in memory.
		o.world.remembered.held, o.world.remembered.endpoints = nil, nil
		r.memory.remember(ec, o.world.remembered)
	}
	switch o.decision.Action {
	case rotation.Keep, rotation.Wait:
		if o.decision.Cause != "" {
			return
		}
	case rotation.Render:
		if o.decision.Cause == rotation.CauseHeld {
			o.endpoints = o.world.remembered.endpoints
			o.err = r.apply(ctx, ec, o, o.world.remembered.held)
			r.countRotation(o, o.err)
			break
		}
		o.err = r.apply(ctx, ec, o, o.world.target.Content)
	case rotation.Issue:
		o.err = r.rotate(ctx, ec, o)
	}
	if o.err == nil && !ec.Suspended() {
		o.err = r.cleanUp(ctx, ec)
	}
}

// repair writes the token that is in the target once more if the rest of the target is not as it should be, and no other
// token is to be had now: an outage of the provider is no reason to leave it so.
func (r *EgainClientReconciler) repair(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) {
	tried := o.decision.Action == rotation.Render || o.world.remembered.held != nil
	if !o.world.input.Drifted || tried || ec.Suspended() {
		return
	}
	attempted := o.attempted
	o.err = errors.Join(o.err, r.apply(ctx, ec, o, o.world.target.Content))
	o.attempted = attempted
}

// rotate issues a token and writes it. From the answer until the write has succeeded the token is held, so that a
// conflict or an outage of the API server never costs a second one.
func (r *EgainClientReconciler) rotate(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) error {
	if f := r.paused(ec, o); f != nil {
		return f
	}
	hc, err := r.Providers.http(ctx, o.world.tenant, o.world.trust)
	if err != nil {
		return err
	}
	already, tok, err := r.standing(ctx, ec, o, hc)
	if tok != nil {
		return r.apply(ctx, ec, o, tok)
	} else if err != nil {
		r.countRotation(o, err)
		return err
	}
	ctx, a, m, release, err := r.prepare(ctx, ec, o, hc, already)
	if err != nil {
		r.countRotation(o, err)
		return err
	}
	defer release()
	tok, err = r.issue(ctx, ec, o, hc, a, m)
	if err == nil {
		o.world.remembered.held, o.world.remembered.endpoints, o.world.remembered.digest = tok, &a.Endpoints, m.Digest()
	}
	r.memory.remember(ec, o.world.remembered)
	written, unwritten := r.writeSessions(ctx, key(ec), sessionKey(ec))
	o.world.noteSession(written)
	if unwritten != nil {
		err = unwritten // the rest can wait: nothing else is tried before the refresh token is written
	} else if err == nil {
		err = r.apply(ctx, ec, o, tok)
	}
	r.countRotation(o, err)
	return err
}

// paused is the failure of an endpoint that the last attempt was going to, and that an attempt with the same inputs would
// meet again.
func (r *EgainClientReconciler) paused(ec *egainv1alpha1.EgainClient, o *outcome) *fault.Error {
	last := o.world.remembered.tried
	if !o.repeats(last) {
		return nil
	}
	return r.Providers.Breakers.Waits(last.endpoint, r.waiter(ec))
}

// found is what was found out of a token request; nil fields were not.
type found struct {
	addressed *request.Addressed
	material  *request.Material
}

// prepare finds out the rest of a token request, and has a slot for it reserved. Whoever the endpoint's limits refuse is refused
// before anything is read.
func (r *EgainClientReconciler) prepare(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, hc *http.Client, k found) (context.Context, request.Addressed, request.Material, func(), error) {
	attempted := o.attempted
	if k.addressed == nil {
		a, err := r.address(ctx, ec, o, hc)
		if err != nil {
			return ctx, request.Addressed{}, request.Material{}, nil, err
		}
		k.addressed = &a
	}
	e := egress.Endpoint{Client: hc, URL: k.addressed.Endpoints.TokenURL}
	r.heading(ec, o, e)
	reserved, release, f := r.Providers.Breakers.Reserve(ctx, e, r.waiter(ec))
	if f != nil {
		return ctx, request.Addressed{}, request.Material{}, nil, f
	}
	if k.material == nil {
		m, err := r.Requests.Read(ctx, ec)
		if err != nil {
			release()
			o.attempted = attempted // a document that was read has nothing to do with it
			return ctx, request.Addressed{}, request.Material{}, nil, err
		}
		k.material = &m
	}
	return reserved, *k.addressed, *k.material, release, nil
}

// heading notes where an attempt is going.
func (r *EgainClientReconciler) heading(ec *egainv1alpha1.EgainClient, o *outcome, e egress.Endpoint) {
	o.world.remembered.tried = attempt{with: digest(o.world.input.Inputs(), o.world.trust), endpoint: e}
	r.memory.remember(ec, o.world.remembered)
}

// repeats reports whether an attempt goes where an earlier one was going.
func (o *outcome) repeats(earlier attempt) bool {
	return earlier.endpoint.Client != nil && earlier.with == digest(o.world.input.Inputs(), o.world.trust)
}

// ask has requests sent on behalf of a client, and notes where the last one was going.
func (r *EgainClientReconciler) ask(ec *egainv1alpha1.EgainClient, o *outcome) asker {
	return func(ctx context.Context, e egress.Endpoint, send func(context.Context) error) error {
		r.heading(ec, o, e)
		return r.Providers.Breakers.Do(ctx, e, func(ctx context.Context) error {
			o.attempted = true
			return send(ctx)
		})
	}
}

func (r *EgainClientReconciler) countRotation(o *outcome, err error) {
	if !o.attempted {
		return
	}
	if f := fault.Of(err); f != nil && f.Class == fault.Busy {
		return
	}
	if err != nil {
		r.Metrics.Rotation(o.decision.Cause, metrics.Failure)
		return
	}
	r.Metrics.Rotation(o.decision.Cause, metrics.Success)
	if old := o.world.input.Token; old != nil {
		left := old.ExpirationTime.Sub(o.world.input.Now)
		r.Metrics.Remaining(max(0, left.Seconds()/old.ExpirationTime.Sub(old.IssueTime).Seconds()))
	}
}

// standing returns the token that is already there if a change of its sources, of the spec, or of the tenant turns out to ask
// for no other one; nil if it does, and then what was found out of the request. Only the note of what it was issued for is then
// written.
func (r *EgainClientReconciler) standing(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, hc *http.Client) (found, *target.Token, error) {
	cause := o.decision.Cause
	if cause != rotation.CauseSourcesChanged && cause != rotation.CauseSpecChanged {
		return found{}, nil, nil
	}
	m, err := r.Requests.Read(ctx, ec)
	if err != nil {
		return found{}, nil, err
	}
	if cause == rotation.CauseSourcesChanged {
		return found{material: &m}, r.relabelled(ctx, ec, o, m), nil
	}
	a, err := r.address(ctx, ec, o, hc)
	if err != nil {
		return found{}, nil, err
	}
	return found{&a, &m}, r.restated(ctx, ec, o, a, m), nil
}

// relabelled returns the token that is already there if its sources got a new version but say the same, as when somebody
// labels a Secret.
func (r *EgainClientReconciler) relabelled(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, m request.Material) *target.Token {
	if o.world.remembered.digest != m.Digest() {
		return nil
	}
	tok := r.undue(ctx, ec, o)
	if tok != nil {
		tok.Sources = m.Sources.String()
	}
	return tok
}

// restated returns the token that is already there if the spec, or the tenant that it refers to, says the same in other
// words: the same request to the same server.
func (r *EgainClientReconciler) restated(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, a request.Addressed, m request.Material) *target.Token {
	there := o.world.input.Token
	if there.Request != a.ID() || there.Sources != m.Sources.String() {
		return nil
	}
	tok := r.undue(ctx, ec, o)
	if tok != nil {
		tok.Spec, tok.APIURL = o.world.input.Spec, a.Endpoints.APIURL
	}
	return tok
}

// undue reads the token in the target, if it needs no renewal; nil if it does, or cannot be read.
func (r *EgainClientReconciler) undue(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) *target.Token {
	there := o.world.input.Token
	due := rotation.RenewAt(there.IssueTime, there.ExpirationTime, o.world.input.Policy, o.world.input.Spread)
	requested := o.world.input.Renewal != "" && o.world.input.Renewal != there.Renewal
	if requested || !o.world.input.Now.Before(due) {
		return nil
	}
	secret := &corev1.Secret{}
	if r.Client.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: ec.TargetName()}, secret) != nil {
		return nil
	}
	reading, err := target.Read(secret)
	if err != nil {
		return nil
	}
	return reading.Token
}

// address finds out where the token request goes.
func (r *EgainClientReconciler) address(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, hc *http.Client) (request.Addressed, error) {
	draft := request.For(ec)
	endpoints, err := r.Providers.endpoints(ctx, r.Tracer, ec, o.world.tenant, hc, r.ask(ec, o))
	if err != nil {
		last, ok := lastEndpoints(ec, o.world.tenant, o.world.input.Token, err)
		if !ok {
			return request.Addressed{}, err
		}
		endpoints = last
	}
	if err := o.world.tenant.AdmitScopes(ec, endpoints.ScopePrefix); err != nil {
		return request.Addressed{}, err
	}
	o.endpoints = &endpoints
	return draft.Address(endpoints), nil
}

// lastEndpoints finds the endpoints without documents, if those cannot be read, as after a restart while only their server is
// down: those of the EgainTenant's status, else of the client's own. The latter serve if with them the request is the very one
// that the token in the target was issued for. A client without a token waits.
func lastEndpoints(ec *egainv1alpha1.EgainClient, t request.Tenant, tok *rotation.Token, err error) (oauth.Endpoints, bool) {
	last, draft, f := ec.Status.Endpoints, request.For(ec), fault.Of(err)
	if f == nil || f.Reason != egainv1alpha1.ReasonMetadataUnavailable || tok == nil {
		return oauth.Endpoints{}, false
	}
	if known, ok := t.KnownFor(draft.Actor()); ok {
		return known, true
	}
	if last == nil {
		return oauth.Endpoints{}, false
	}
	e := oauth.Endpoints{
		TokenURL: last.TokenURL, APIURL: last.APIURL, ScopePrefix: last.ScopePrefix, Issuer: last.Issuer, Source: oauth.Source(last.Source),
	}
	return e, draft.Address(e).ID() == tok.Request
}

// issue runs the flow. A refresh token that came with the answer is noted, whatever else the answer was worth.
func (r *EgainClientReconciler) issue(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, hc *http.Client, a request.Addressed, m request.Material) (*target.Token, error) {
	var tok oauth.Token
	err := r.ask(ec, o)(ctx, egress.Endpoint{Client: hc, URL: a.Endpoints.TokenURL}, func(untilRecovered context.Context) error {
		var err error
		start := r.Clock.Now()
		bounded := untilRecovered
		if m.Sources.Session != nil { // the answer may hold the only refresh token that is still valid
			bounded = ctx
		}
		bounded, span := begin(bounded, r.Tracer, "request token")
		span.SetAttributes(attributeHost.String(hostOf(a.Endpoints.TokenURL)), attributeFlow.String(string(ec.Spec.Flow)))
		tok, err = r.OAuth.Token(bounded, hc, a.Complete(m.Secrets))
		end(span, err)
		r.countRequest(ec, a.Endpoints.TokenURL, r.Clock.Since(start).Seconds(), err)
		r.noteSkew(o, tok.Skew)
		if s, ok := succeeding(m, tok); ok {
			r.memory.hold(ec, s)
		}
		return err
	})
	if err != nil {
		return nil, request.AdviseLogin(err, ec)
	}
	return &target.Token{
		Token: rotation.Token{
			IssueTime:      tok.IssueTime,
			ExpirationTime: tok.ExpirationTime,
			Spec:           o.world.input.Spec,
			Sources:        m.Sources.String(),
			Renewal:        o.world.input.Renewal,
			Request:        a.ID(),
		},
		AccessToken: tok.AccessToken,
		TokenType:   tok.TokenType,
		Scopes:      tok.Scopes,
		APIURL:      a.Endpoints.APIURL,
	}, nil
}

func (r *EgainClientReconciler) countRequest(ec *egainv1alpha1.EgainClient, tokenURL string, seconds float64, err error) {
	outcome := metrics.Success
	if f := fault.Of(err); f != nil {
		if f.Class == fault.Busy {
			return
		}
		outcome = f.Reason
	}
	if u, parseErr := url.Parse(tokenURL); parseErr == nil {
		r.Metrics.Request(u.Host, string(ec.Spec.Flow), outcome, seconds)
	}
}

func (r *EgainClientReconciler) noteSkew(o *outcome, skew *time.Duration) {
	o.skew = skew
	if u, err := url.Parse(o.endpoints.TokenURL); err == nil && skew != nil {
		r.Metrics.ClockSkew(u.Host, skew.Seconds())
	}
}

// apply writes the target.
func (r *EgainClientReconciler) apply(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, tok *target.Token) error {
	plan, err := target.PlanWrite(ec, o.world.target, tok)
	if err != nil {
		return err
	}
	o.attempted = true
	if err := keepSession(ctx, r.Client, o.world.target.Meta); err != nil {
		return err
	}
	if err := r.deleteReplaced(ctx, ec, o, plan, tok); err != nil {
		return plan.Refused(err)
	}
	writing, span := begin(ctx, r.Tracer, "apply Secret")
	span.SetAttributes(attributeSecret.String(ec.TargetName()))
	known, err := plan.Apply(writing, secrets{r.Client})
	end(span, err)
	if err != nil {
		return plan.Refused(err)
	}
	o.written = tok
	o.world.remembered.held, o.world.remembered.endpoints, o.world.remembered.known = nil, nil, known
	r.memory.remember(ec, o.world.remembered)
	return nil
}

// deleteReplaced deletes a target that the planned one replaces. It stays if the API server would refuse its replacement. From
// its deletion until Apply has succeeded the token is held.
func (r *EgainClientReconciler) deleteReplaced(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, plan target.Plan, tok *target.Token) error {
	if !plan.Replaces() {
		return nil
	}
	if err := plan.Rehearse(ctx, secrets{r.Client}); err != nil {
		return err
	}
	o.world.remembered.held = tok
	r.memory.remember(ec, o.world.remembered)
	return plan.Delete(ctx, secrets{r.Client})
}

// cleanUp ends what an earlier spec asked for, once the target is as the present one asks for.
func (r *EgainClientReconciler) cleanUp(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if err := r.keepSessions(ctx, ec, target.FormerName(ec)); err != nil {
		return err
	}
	if err := target.ReleaseFormer(ctx, secrets{r.Client}, ec); err != nil {
		return err
	}
	return dropFinalizer(ctx, r.Client, ec)
}
