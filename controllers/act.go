package controllers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// outcome is what came of a reconcile.
type outcome struct {
	facts facts
	// decision is of no meaning unless decided.
	decision rotation.Decision
	decided  bool
	// unread says that the world could not be read whole, so that what is in the target is unknown.
	unread bool
	result
}

// result is what came of acting.
type result struct {
	// attempted says that the provider or the API server was asked for something, so that a failure counts.
	attempted bool
	// written is the token that was written to the target; nil if none was.
	written *target.Token
	// endpoints that were used; nil if none were needed.
	endpoints *oauth.Endpoints
	// skew of the provider's clock; nil if no answer told it.
	skew *time.Duration
	// session is what was written to the session Secret; nil if nothing was.
	session *session.Written
	err     error
}

// then adds what came of writing the target.
func (r result) then(applied result) result {
	r.attempted = r.attempted || applied.attempted
	r.written, r.err = applied.written, applied.err
	return r
}

// act carries out a decision, if nothing is amiss. Whatever comes of that, the target is kept in shape.
func (r *EgainClientReconciler) act(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, d rotation.Decision, amiss error) result {
	res := result{err: amiss}
	if amiss == nil {
		res = r.carryOut(ctx, ec, f, d)
	}
	if fault.Of(res.err) != nil || d.Action == rotation.Wait {
		res = r.repair(ctx, ec, f, d, res)
	}
	return res
}

// carryOut sends the token request, if one is needed, and writes the target, then cleans up the target of an earlier name.
func (r *EgainClientReconciler) carryOut(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, d rotation.Decision) result {
	held := f.remembered.held
	if held != nil && d.Cause != rotation.CauseHeld {
		// It was written after all, or serves no more: no token rests in memory.
		r.memory.update(ec, func(m *recollection) { m.held, m.endpoints = nil, nil })
	}
	var res result
	switch d.Action {
	case rotation.Keep, rotation.Wait:
		if d.Cause != "" {
			return res
		}
	case rotation.Render:
		if d.Cause == rotation.CauseHeld {
			res = r.apply(ctx, ec, f, held)
			res.endpoints = f.remembered.endpoints
			r.countRotation(f, d.Cause, res)
			break
		}
		res = r.apply(ctx, ec, f, f.target.Content)
	case rotation.Issue:
		res = r.rotate(ctx, ec, f, d.Cause)
	}
	if res.err == nil && !ec.Suspended() {
		res.err = r.cleanUp(ctx, ec)
	}
	return res
}

// repair writes the token that is in the target once more if the rest of the target is not as it should be, and no other
// token is to be had now: an outage of the provider is no reason to leave it so. It is no attempt to get a token.
func (r *EgainClientReconciler) repair(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, d rotation.Decision, res result) result {
	tried := d.Action == rotation.Render || res.written != nil || r.memory.recall(ec).held != nil
	if !f.input.Drifted || tried || ec.Suspended() {
		return res
	}
	repaired := r.apply(ctx, ec, f, f.target.Content)
	res.written, res.err = repaired.written, errors.Join(res.err, repaired.err)
	return res
}

// rotate issues a token and writes it, unless the one that is there turns out to be what is asked for.
func (r *EgainClientReconciler) rotate(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, cause string) result {
	if paused := r.paused(ec, f); paused != nil {
		return result{err: paused}
	}
	hc, err := r.Providers.http(ctx, f.tenant, f.trust)
	if err != nil {
		return result{err: err}
	}
	already, standing, err := r.standing(ctx, ec, f, cause, hc)
	if standing != nil {
		return already.result(nil).then(r.apply(ctx, ec, f, standing))
	}
	res := already.result(err)
	if err == nil {
		res = r.obtain(ctx, ec, f, hc, already)
	}
	r.countRotation(f, cause, res)
	return res
}

// obtain issues a token and writes it. From the answer until the write has succeeded the token is held, so that a conflict or an
// outage of the API server never costs a second one.
func (r *EgainClientReconciler) obtain(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client, already found) result {
	ctx, k, release, err := r.prepare(ctx, ec, f, hc, already)
	if err != nil {
		return k.result(err)
	}
	defer release()
	tok, skew, sent, err := r.issue(ctx, ec, f, hc, *k.addressed, *k.material)
	k.asked = k.asked || sent
	if err == nil {
		r.memory.update(ec, func(m *recollection) {
			m.held, m.endpoints, m.digest = tok, &k.addressed.Endpoints, k.material.Digest()
		})
	}
	res := k.result(err)
	written, unwritten := r.writeSessions(ctx, key(ec), sessionKey(ec))
	res.skew, res.session = skew, written
	if unwritten != nil {
		res.err = unwritten // the rest can wait: nothing else is tried before the refresh token is written
		return res
	}
	if err != nil {
		return res
	}
	return res.then(r.apply(ctx, ec, f, tok))
}

// paused is the failure of an endpoint that the last attempt was going to, and that an attempt with the same inputs would
// meet again.
func (r *EgainClientReconciler) paused(ec *egainv1alpha1.EgainClient, f facts) *fault.Error {
	last := f.remembered.tried
	if last.endpoint.Client == nil || last.with != f.fingerprint() {
		return nil
	}
	return r.Providers.Breakers.Waits(last.endpoint, r.waiter(ec))
}

// found is what was found out of a token request.
type found struct {
	// addressed and material are nil if they were not looked for.
	addressed *request.Addressed
	material  *request.Material
	// asked says that a server was asked for it.
	asked bool
}

// result is that of an attempt that got so far.
func (k found) result(err error) result {
	res := result{attempted: k.asked, err: err}
	if k.addressed != nil {
		res.endpoints = &k.addressed.Endpoints
	}
	return res
}

// prepare finds out the rest of a token request, and has a slot for it reserved. Whoever the endpoint's limits refuse is refused
// before anything is read.
func (r *EgainClientReconciler) prepare(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client, already found) (context.Context, found, func(), error) {
	k := already
	if k.addressed == nil {
		var err error
		if k.addressed, k.asked, err = r.address(ctx, ec, f, hc); err != nil {
			return ctx, k, nil, err
		}
	}
	e := egress.Endpoint{Client: hc, URL: k.addressed.Endpoints.TokenURL}
	r.heading(ec, f, e)
	reserved, release, refused := r.Providers.Breakers.Reserve(ctx, e, r.waiter(ec))
	if refused != nil {
		return ctx, k, nil, refused
	}
	if k.material == nil {
		m, err := r.Requests.Read(ctx, ec)
		if err != nil {
			release()
			k.asked = already.asked // a document that was read has nothing to do with it
			return ctx, k, nil, err
		}
		k.material = &m
	}
	return reserved, k, release, nil
}

// heading notes where an attempt is going.
func (r *EgainClientReconciler) heading(ec *egainv1alpha1.EgainClient, f facts, e egress.Endpoint) {
	r.memory.update(ec, func(m *recollection) { m.tried = attempt{with: f.fingerprint(), endpoint: e} })
}

// ask has requests sent on behalf of a client, and notes where the last one was going.
func (r *EgainClientReconciler) ask(ec *egainv1alpha1.EgainClient, f facts, sent *bool) asker {
	return func(ctx context.Context, e egress.Endpoint, send func(context.Context) error) error {
		r.heading(ec, f, e)
		return r.Providers.Breakers.Do(ctx, e, func(ctx context.Context) error {
			*sent = true
			return send(ctx)
		})
	}
}

func (r *EgainClientReconciler) countRotation(f facts, cause string, res result) {
	if !res.attempted {
		return
	}
	if failure := fault.Of(res.err); failure != nil && failure.Class == fault.Busy {
		return
	}
	if res.err != nil {
		r.Metrics.Rotation(cause, metrics.Failure)
		return
	}
	r.Metrics.Rotation(cause, metrics.Success)
	if old := f.input.Token; old != nil {
		left := old.ExpirationTime.Sub(f.input.Now)
		r.Metrics.Remaining(max(0, left.Seconds()/old.ExpirationTime.Sub(old.IssueTime).Seconds()))
	}
}

// standing returns the token that is already there if a change of its sources, of the spec, or of the tenant turns out to ask
// for no other one; nil if it does, and then what was found out of the request. Only the note of what it was issued for is then
// written.
func (r *EgainClientReconciler) standing(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, cause string, hc *http.Client) (found, *target.Token, error) {
	if cause != rotation.CauseSourcesChanged && cause != rotation.CauseSpecChanged {
		return found{}, nil, nil
	}
	m, err := r.Requests.Read(ctx, ec)
	if err != nil {
		return found{}, nil, err
	}
	k := found{material: &m}
	if cause == rotation.CauseSourcesChanged {
		return k, r.relabelled(ctx, ec, f, m), nil
	}
	if k.addressed, k.asked, err = r.address(ctx, ec, f, hc); err != nil {
		return k, nil, err
	}
	return k, r.restated(ctx, ec, f, *k.addressed, m), nil
}

// relabelled returns the token that is already there if its sources got a new version but say the same, as when somebody
// labels a Secret.
func (r *EgainClientReconciler) relabelled(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, m request.Material) *target.Token {
	if f.remembered.digest != m.Digest() {
		return nil
	}
	tok := r.undue(ctx, ec, f)
	if tok != nil {
		tok.Sources = m.Sources.String()
	}
	return tok
}

// restated returns the token that is already there if the spec, or the tenant that it refers to, says the same in other
// words: the same request to the same server.
func (r *EgainClientReconciler) restated(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, a request.Addressed, m request.Material) *target.Token {
	there := f.input.Token
	if there.Request != a.ID() || there.Sources != m.Sources.String() {
		return nil
	}
	tok := r.undue(ctx, ec, f)
	if tok != nil {
		tok.Spec, tok.APIURL = f.input.Spec, a.Endpoints.APIURL
	}
	return tok
}

// undue reads the token in the target, if it needs no renewal; nil if it does, or cannot be read.
func (r *EgainClientReconciler) undue(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts) *target.Token {
	there := f.input.Token
	due := rotation.RenewAt(there.IssueTime, there.ExpirationTime, f.input.Policy, f.input.Spread)
	requested := f.input.Renewal != "" && f.input.Renewal != there.Renewal
	if requested || !f.input.Now.Before(due) {
		return nil
	}
	secret, err := secrets{r.Client}.Get(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()})
	if err != nil {
		return nil
	}
	reading, err := target.Read(secret)
	if err != nil {
		return nil
	}
	return reading.Token
}

// address finds out where the token request goes, and whether a server was asked for that.
func (r *EgainClientReconciler) address(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client) (*request.Addressed, bool, error) {
	asked := false
	endpoints, err := r.Providers.endpoints(ctx, r.Tracer, ec, f.tenant, hc, r.ask(ec, f, &asked))
	if err != nil {
		last, ok := lastEndpoints(ec, f.tenant, f.input.Token, err)
		if !ok {
			return nil, asked, err
		}
		endpoints = last
	}
	if err := f.tenant.AdmitScopes(ec, endpoints.ScopePrefix); err != nil {
		return nil, asked, err
	}
	a := request.For(ec).Address(endpoints)
	return &a, asked, nil
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

// issue runs the flow. A refresh token that came with the answer is held, whatever else the answer was worth. Besides the token it
// returns the skew of the clocks, and whether the request was sent.
func (r *EgainClientReconciler) issue(
	ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client, a request.Addressed, m request.Material,
) (issued *target.Token, skew *time.Duration, sent bool, err error) {
	var tok oauth.Token
	err = r.ask(ec, f, &sent)(ctx, egress.Endpoint{Client: hc, URL: a.Endpoints.TokenURL}, func(untilRecovered context.Context) error {
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
		r.countRequest(ec, a.Endpoints.TokenURL, r.Clock.Since(start).Seconds(), tok.Skew, err)
		if s, ok := succeeding(m, tok); ok {
			r.memory.hold(ec, s)
		}
		return err
	})
	if err != nil {
		return nil, tok.Skew, sent, request.AdviseLogin(err, ec)
	}
	return &target.Token{
		Token: rotation.Token{
			IssueTime:      tok.IssueTime,
			ExpirationTime: tok.ExpirationTime,
			Spec:           f.input.Spec,
			Sources:        m.Sources.String(),
			Renewal:        f.input.Renewal,
			Request:        a.ID(),
		},
		AccessToken: tok.AccessToken,
		TokenType:   tok.TokenType,
		Scopes:      tok.Scopes,
		APIURL:      a.Endpoints.APIURL,
	}, tok.Skew, sent, nil
}

func (r *EgainClientReconciler) countRequest(ec *egainv1alpha1.EgainClient, tokenURL string, seconds float64, skew *time.Duration, err error) {
	u, parseErr := url.Parse(tokenURL)
	if parseErr != nil {
		return
	}
	if skew != nil {
		r.Metrics.ClockSkew(u.Host, skew.Seconds())
	}
	outcome := metrics.Success
	if f := fault.Of(err); f != nil {
		if f.Class == fault.Busy {
			return
		}
		outcome = f.Reason
	}
	r.Metrics.Request(u.Host, string(ec.Spec.Flow), outcome, seconds)
}

// apply writes the target.
func (r *EgainClientReconciler) apply(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, tok *target.Token) result {
	plan, err := target.PlanWrite(ec, f.target, tok)
	if err != nil {
		return result{err: err}
	}
	if err := keepSession(ctx, r.Client, f.target.Meta); err != nil {
		return result{attempted: true, err: err}
	}
	if err := r.deleteReplaced(ctx, ec, plan, tok); err != nil {
		return result{attempted: true, err: plan.Refused(err)}
	}
	writing, span := begin(ctx, r.Tracer, "apply Secret")
	span.SetAttributes(attributeSecret.String(ec.TargetName()))
	known, err := plan.Apply(writing, secrets{r.Client})
	end(span, err)
	if err != nil {
		return result{attempted: true, err: plan.Refused(err)}
	}
	r.memory.update(ec, func(m *recollection) { m.held, m.endpoints, m.known = nil, nil, known })
	return result{attempted: true, written: tok}
}

// deleteReplaced deletes a target that the planned one replaces. It stays if the API server would refuse its replacement. From
// its deletion until Apply has succeeded the token is held.
func (r *EgainClientReconciler) deleteReplaced(ctx context.Context, ec *egainv1alpha1.EgainClient, plan target.Plan, tok *target.Token) error {
	if !plan.Replaces() {
		return nil
	}
	if err := plan.Rehearse(ctx, secrets{r.Client}); err != nil {
		return err
	}
	r.memory.update(ec, func(m *recollection) { m.held = tok })
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
