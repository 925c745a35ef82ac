package controllers

import (
	"context"
	"errors"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// act carries out a decision, unless observing failed. In both cases it repairs the target.
func (r *EgainClientReconciler) act(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, d rotation.Decision, observeErr error) status.Result {
	res := status.Result{Err: observeErr}
	if observeErr == nil {
		res = r.carryOut(ctx, ec, f, d)
	}
	if fault.Of(res.Err) != nil || d.Action == rotation.Wait {
		res = r.repair(ctx, ec, f, d, res)
	}
	return res
}

// carryOut sends the token request, if one is needed, and writes the target, then cleans up the target of an earlier name.
func (r *EgainClientReconciler) carryOut(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, d rotation.Decision) status.Result {
	held := f.remembered.held
	if held != nil && d.Cause != rotation.CauseHeld {
		// It was written, or is no longer usable: memory keeps no token longer than it must.
		r.memory.update(ec, func(m *recollection) { m.held, m.endpoints = nil, nil })
	}
	var res status.Result
	switch d.Action {
	case rotation.Keep, rotation.Wait:
		if d.Cause != "" {
			return res
		}
	case rotation.Render:
		res = r.render(ctx, ec, f, d.Cause)
	case rotation.Issue:
		res = r.rotate(ctx, ec, f, d.Cause)
	}
	if res.Err == nil && !ec.Suspended() {
		res.Err = r.cleanUp(ctx, ec)
	}
	return res
}

// render writes a token that was issued before.
func (r *EgainClientReconciler) render(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, cause string) status.Result {
	switch cause {
	case rotation.CauseHeld:
		res := r.apply(ctx, ec, f, f.remembered.held)
		res.Endpoints = f.remembered.endpoints
		countRotation(r.Metrics, f, cause, res)
		return res
	case rotation.CauseDrifted:
		return r.apply(ctx, ec, f, f.target.Content)
	default:
		return r.rewrite(ctx, ec, f)
	}
}

// repair writes the target's own token again if the rest of the target drifted and no new token is available: an eGain outage must
// not keep drift in place. It does not count as an attempt to get a token.
func (r *EgainClientReconciler) repair(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, d rotation.Decision, res status.Result) status.Result {
	tried := d.Action == rotation.Render || res.Written != nil || r.memory.recall(ec).held != nil
	if !f.Input.Drifted || tried || ec.Suspended() {
		return res
	}
	repaired := r.apply(ctx, ec, f, f.target.Content)
	res.Written, res.Err = repaired.Written, errors.Join(res.Err, repaired.Err)
	return res
}

// rotate requests a token and writes it, unless the token in the target already is what the spec asks for.
func (r *EgainClientReconciler) rotate(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, cause string) status.Result {
	if paused := r.paused(ec, f); paused != nil {
		return status.Result{Err: paused}
	}
	hc, err := r.Providers.HTTPClient(ctx, f.tenant, f.Trust)
	if err != nil {
		return status.Result{Err: err}
	}
	skipped := r.reportSkipped(ctx, ec, f, hc)
	known, reusable, err := r.reusable(ctx, ec, f, cause, hc)
	began := r.Clock.Now()
	if reusable != nil {
		r.memory.update(ec, func(m *recollection) { m.issuedWith(*known.material) })
		res := known.result(nil).Then(r.apply(ctx, ec, f, reusable))
		r.memory.recordRequest(ec, f, began, res)
		return res
	}
	res := known.result(err)
	if err == nil {
		res = r.requestToken(ctx, ec, f, hc, known)
	}
	r.memory.recordRequest(ec, f, began, res)
	if res.Err == nil {
		r.memory.keepRecent(ec, r.Clock.Now(), f.Input.Keep(res.Written.Token, r.Clock.Now()), res.Written)
	}
	res.Err = provider.WithSkipped(res.Err, skipped)
	countRotation(r.Metrics, f, cause, res)
	return res
}

// requestToken requests a token and writes it. Memory holds the token until the write succeeds, so that a conflict or an outage of
// the API server never costs a second token.
func (r *EgainClientReconciler) requestToken(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client, known prepared) status.Result {
	ctx, k, release, err := r.prepare(ctx, ec, f, hc, known)
	if err != nil {
		return k.result(err)
	}
	defer release()
	at := r.Clock.Now()
	r.memory.update(ec, func(m *recollection) { m.triedLent = lentDigest(k.material.Sources.LentVersion()) })
	tok, skew, sent, err := r.sendRequest(ctx, ec, f, hc, *k.addressed, *k.material)
	k.asked = k.asked || sent
	if err == nil {
		r.memory.update(ec, func(m *recollection) {
			m.held, m.endpoints = tok, &k.addressed.Endpoints
			m.issuedWith(*k.material)
		})
	}
	res := k.result(err)
	written, unwritten := r.memory.writeSessions(ctx, r.Client, key(ec), sessionKey(ec))
	if err == nil {
		r.memory.recordIssue(ec, f.After(written), at)
	}
	res.Skew, res.Session = skew, written
	if unwritten != nil {
		res.Err = unwritten // the refresh token comes first: it is the only copy
		return res
	}
	if err != nil {
		return res
	}
	return res.Then(r.apply(ctx, ec, f, tok))
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

// prepared is a token request as far as it is prepared.
type prepared struct {
	// addressed and material are nil until they are read.
	addressed *request.Addressed
	material  *request.Material
	// asked is set once a request for it was sent to a server.
	asked bool
}

// result is that of an attempt that got so far.
func (k prepared) result(err error) status.Result {
	res := status.Result{Attempted: k.asked, Err: err}
	if k.addressed != nil {
		res.Endpoints = &k.addressed.Endpoints
	}
	return res
}

// prepare completes a token request and reserves a slot for it. A client without a free slot is refused before its Secrets are
// read.
func (r *EgainClientReconciler) prepare(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client, known prepared) (context.Context, prepared, func(), error) {
	k := known
	if k.addressed == nil {
		var err error
		if k.addressed, k.asked, err = r.address(ctx, ec, f, hc); err != nil {
			return ctx, k, nil, err
		}
	}
	e := egress.Endpoint{Client: hc, URL: k.addressed.Endpoints.TokenURL}
	r.recordEndpoint(ec, f, e)
	reserved, release, refused := r.Providers.Breakers.Reserve(ctx, e, r.waiter(ec))
	if refused != nil {
		return ctx, k, nil, refused
	}
	if k.material == nil {
		m, err := r.Requests.Read(ctx, ec, f.tenant)
		if err != nil {
			release()
			k.asked = known.asked // a document that was read has nothing to do with it
			return ctx, k, nil, err
		}
		k.material = &m
	}
	if err := k.addressed.CheckGrant(ec, *k.material); err != nil {
		release()
		return ctx, k, nil, err
	}
	return reserved, k, release, nil
}

// recordEndpoint remembers the endpoint of an attempt.
func (r *EgainClientReconciler) recordEndpoint(ec *egainv1alpha1.EgainClient, f facts, e egress.Endpoint) {
	r.memory.update(ec, func(m *recollection) { m.tried = attempt{with: f.fingerprint(), endpoint: e} })
}

// ask returns a function that sends requests for a client, records their endpoint, and sets sent.
func (r *EgainClientReconciler) ask(ec *egainv1alpha1.EgainClient, f facts, sent *bool) provider.Sender {
	return func(ctx context.Context, e egress.Endpoint, send func(context.Context) error) error {
		r.recordEndpoint(ec, f, e)
		r.Metrics.Use(brings(ec), tracing.HostOf(e.URL))
		return r.Providers.Breakers.Do(ctx, e, func(ctx context.Context) error {
			*sent = true
			return send(ctx)
		})
	}
}

func countRotation(m *metrics.Metrics, f facts, cause string, res status.Result) {
	if !res.Attempted {
		return
	}
	if failure := fault.Of(res.Err); failure != nil && failure.Class == fault.Busy {
		return
	}
	if res.Err != nil {
		m.Rotation(cause, metrics.Failure)
		return
	}
	m.Rotation(cause, metrics.Success)
	if old := f.Input.Token; old != nil {
		left := old.ExpirationTime.Sub(f.Input.Now)
		m.Remaining(max(0, left.Seconds()/old.ExpirationTime.Sub(old.IssueTime).Seconds()))
	}
}

// reusable returns the token in the target if a change of its Secrets, the spec or the tenant still asks for the same one; then only
// the annotations that say what it was issued for are rewritten. Otherwise it returns nil and the part of the request that it
// prepared.
func (r *EgainClientReconciler) reusable(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, cause string, hc *http.Client) (prepared, *target.Token, error) {
	if cause != rotation.CauseSourcesChanged && cause != rotation.CauseSpecChanged {
		return prepared{}, nil, nil
	}
	m, err := r.Requests.Read(ctx, ec, f.tenant)
	if err != nil {
		return prepared{}, nil, err
	}
	k := prepared{material: &m}
	if cause == rotation.CauseSourcesChanged {
		return k, reuseForSources(ctx, r.Client, ec, f, m), nil
	}
	if k.addressed, k.asked, err = r.address(ctx, ec, f, hc); err != nil {
		return k, nil, err
	}
	return k, reuseForSpec(ctx, r.Client, ec, f, *k.addressed, m), nil
}

// reuseForSources returns the token in the target if its Secrets have a new version with the same content, as after a label
// changed.
func reuseForSources(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient, f facts, m request.Material) *target.Token {
	if f.remembered.digest != m.Digest() {
		return nil
	}
	tok := currentToken(ctx, c, ec, f)
	if tok != nil {
		tok.Sources = m.Sources.String()
	}
	return tok
}

// reuseForSpec returns the token in the target if the changed spec or tenant leads to the same request to the same server.
func reuseForSpec(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient, f facts, a request.Addressed, m request.Material) *target.Token {
	there, sources := f.Input.Token, m.Sources.String()
	same := ec.Application() == "" && there.Request == a.ID() && there.Sources == sources
	client := a.ClientID(m.Credentials.ClientID)
	if !same && (there.Client != client || request.ExceptCredentials(there.Sources) != request.ExceptCredentials(sources)) {
		return nil
	}
	tok := currentToken(ctx, c, ec, f)
	if tok != nil {
		tok.Spec, tok.APIURL = f.Input.Spec, a.Endpoints.APIURL
		tok.Sources, tok.Request, tok.Client = sources, a.ID(), client
	}
	return tok
}

// currentToken reads the token in the target; nil if it is due for renewal or cannot be read.
func currentToken(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient, f facts) *target.Token {
	there := f.Input.Token
	due := rotation.RenewAt(there.IssueTime, there.ExpirationTime, f.Input.Policy, f.Input.Spread)
	requested := f.Input.Renewal != "" && f.Input.Renewal != there.Renewal
	if requested || !f.Input.Now.Before(due) {
		return nil
	}
	secret, err := secrets{c}.Get(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()})
	if err != nil {
		return nil
	}
	reading, err := target.Read(secret)
	if err != nil {
		return nil
	}
	return reading.Token
}

// address resolves the endpoint of the token request. It also reports whether it sent a request to read a document.
func (r *EgainClientReconciler) address(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, hc *http.Client) (*request.Addressed, bool, error) {
	asked := false
	endpoints, err := r.Providers.Endpoints(ctx, ec, f.tenant, hc, r.ask(ec, f, &asked))
	if err != nil {
		last, ok := provider.LastEndpoints(ec, f.tenant, f.Input.Token, err)
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

// sendRequest runs the flow. It holds the refresh token of a response even if the response is otherwise unusable. It also returns
// the clock skew and whether the request was sent.
func (r *EgainClientReconciler) sendRequest(
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
		bounded, span := tracing.Begin(bounded, r.Tracer, "request token")
		span.SetAttributes(tracing.Host.String(tracing.HostOf(a.Endpoints.TokenURL)), tracing.Flow.String(string(ec.Spec.Flow)))
		tok, err = r.OAuth.Token(bounded, hc, a.Granted(m).Complete(m.Secrets))
		tracing.End(span, err)
		countRequest(r.Metrics, ec, a.Endpoints.TokenURL, r.Clock.Since(start).Seconds(), tok.Skew, err)
		if s, ok := m.Successor(tok); ok {
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
			Spec:           f.Input.Spec,
			Sources:        m.Sources.String(),
			Renewal:        f.Input.Renewal,
			Request:        a.ID(),
			Client:         a.ClientID(m.Credentials.ClientID),
		},
		AccessToken: tok.AccessToken,
		TokenType:   tok.TokenType,
		Scopes:      tok.Scopes,
		APIURL:      a.Endpoints.APIURL,
	}, tok.Skew, sent, nil
}

// brings is the namespace that brings the hosts of an EgainClient's requests; empty if an EgainTenant does.
func brings(ec *egainv1alpha1.EgainClient) string {
	if ec.Spec.TenantRef != nil {
		return ""
	}
	return ec.Namespace
}

func countRequest(m *metrics.Metrics, ec *egainv1alpha1.EgainClient, tokenURL string, seconds float64, skew *time.Duration, err error) {
	host := tracing.HostOf(tokenURL)
	if skew != nil {
		m.ClockSkew(brings(ec), host, skew.Seconds())
	}
	outcome := metrics.Success
	if f := fault.Of(err); f != nil {
		if f.Class == fault.Busy {
			return
		}
		outcome = f.Reason
	}
	m.Request(brings(ec), host, string(ec.Spec.Flow), outcome, seconds)
}

// apply writes the target.
func (r *EgainClientReconciler) apply(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, tok *target.Token) status.Result {
	plan, err := target.PlanWrite(ec, f.target, tok)
	if err != nil {
		return status.Result{Err: err}
	}
	if err := r.deleteReplaced(ctx, ec, plan, tok); err != nil {
		return status.Result{Attempted: true, Err: plan.Refused(err)}
	}
	writing, span := tracing.Begin(ctx, r.Tracer, "apply Secret")
	span.SetAttributes(tracing.Secret.String(ec.TargetName()))
	known, err := plan.Apply(writing, secrets{r.Client})
	tracing.End(span, err)
	if err != nil {
		return status.Result{Attempted: true, Err: plan.Refused(err)}
	}
	r.memory.update(ec, func(m *recollection) { m.held, m.endpoints, m.known = nil, nil, known })
	if known.Final {
		r.Recorder.Eventf(ec, nil, corev1.EventTypeWarning, egainv1alpha1.ReasonTargetImmutable, status.ActionIssueToken,
			"Secret %q came out immutable, or of another type, so that each renewal replaces it: exempt it from the policy that does so, since pods that mount it keep the old token", ec.TargetName())
	}
	return status.Result{Attempted: true, Written: tok}
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
	if err := keepSessions(ctx, r.Client, r.Cache, ec, target.FormerName(ec)); err != nil {
		return err
	}
	if err := target.ReleaseFormer(ctx, secrets{r.Client}, ec); err != nil {
		return err
	}
	return dropFinalizer(ctx, r.Client, ec)
}
