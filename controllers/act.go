package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// act carries out a decision, unless observing failed. In both cases it repairs the target.
func (r *EgainClientReconciler) act(
	ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, d rotation.Decision, observeErr error,
) (status.Result, journal.Entry) {
	res := status.Result{Err: observeErr}
	if observeErr == nil {
		res, entry = r.carryOut(ctx, ec, f, entry, d)
	}
	if fault.Of(res.Err) != nil || d.Action == rotation.Wait {
		res, entry = r.repair(ctx, ec, f, entry, d, res)
	}
	return res, entry
}

// carryOut sends the token request, if one is needed, and writes the target, then cleans up the target of an earlier name.
func (r *EgainClientReconciler) carryOut(
	ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, d rotation.Decision,
) (status.Result, journal.Entry) {
	if d.Cause != rotation.CauseHeld {
		// It was written, or is no longer usable: memory keeps no token longer than it must.
		entry.Held = nil
	}
	var res status.Result
	switch d.Action {
	case rotation.Keep, rotation.Wait:
		if d.Cause != "" {
			return res, entry
		}
	case rotation.Render:
		res, entry = r.render(ctx, ec, f, entry, d.Cause)
	case rotation.Issue:
		res, entry = r.rotate(ctx, ec, f, entry, d.Cause)
	}
	if res.Err == nil && !ec.Suspended() {
		res.Err = cleanUp(ctx, r.Client, r.Cache, ec)
	}
	return res, entry
}

// render writes a token that was issued before.
func (r *EgainClientReconciler) render(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, cause string) (status.Result, journal.Entry) {
	var res status.Result
	switch cause {
	case rotation.CauseHeld:
		endpoints := entry.Held.Endpoints
		res, entry = r.apply(ctx, ec, f, entry, entry.Held.Token)
		res.Endpoints = endpoints
		countRotation(r.Metrics, f, cause, res)
	case rotation.CauseDrifted:
		res, entry = r.apply(ctx, ec, f, entry, f.target.Content)
	default: // another writer removed the last token
		if res, entry = r.apply(ctx, ec, f, entry, f.recent); res.Err == nil {
			now := r.Clock.Now()
			entry = entry.Keep(f.Input.Recent.Repair(now), f.recent)
		}
	}
	return res, entry
}

// repair writes the target's own token again if the rest of the target drifted and no new token is available: an eGain outage must
// not keep drift in place. It does not count as an attempt to get a token.
func (r *EgainClientReconciler) repair(
	ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, d rotation.Decision, res status.Result,
) (status.Result, journal.Entry) {
	tried := d.Action == rotation.Render || res.Written != nil || entry.Held != nil
	if !f.Input.Drifted || tried || ec.Suspended() {
		return res, entry
	}
	repaired, entry := r.apply(ctx, ec, f, entry, f.target.Content)
	res.Written, res.Err = repaired.Written, errors.Join(res.Err, repaired.Err)
	return res, entry
}

// rotate requests a token and writes it. The journal holds the token until the write succeeds, so that a conflict or an outage of the
// API server never costs a second token. The refresh token is written first: it is the only copy.
func (r *EgainClientReconciler) rotate(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, cause string) (status.Result, journal.Entry) {
	began := r.Clock.Now()
	answer := r.Tokens.Request(ctx, provider.Attempt{
		Client: ec, Tenant: f.tenant, Trust: f.Trust, Lent: f.Lent, Input: f.Input, Cause: cause, Digest: entry.Digest, Expires: rank(ec),
	})
	entry = reportSkipped(ctx, r.Recorder, ec, f, entry, answer.Skipped)
	res := status.Result{Attempted: answer.Sent, Endpoints: answer.Endpoints, Skew: answer.Skew, Err: answer.Err}
	issued := answer.Token != nil && !answer.Reused
	if answer.TokenSent {
		entry.TriedLent = answer.Lent
	}
	if answer.Token != nil {
		entry.Digest, entry.Lent = answer.Digest, answer.Lent
	}
	if issued {
		entry.Held = &journal.Issued{Token: answer.Token, Endpoints: answer.Endpoints}
		r.journal.Store(ec, entry)
	}
	res = writeSuccessor(ctx, r.Client, &r.sessions, ec, answer.Successor, res)
	if res.Err == nil {
		applied, after := r.apply(ctx, ec, f, entry, answer.Token)
		res, entry = res.Then(applied), after
	}
	now := r.Clock.Now()
	past := sent(entry.History(), f, began, res)
	if issued {
		after := f.After(res.Session)
		past = past.Requested(after.Input.With(), answer.At)
	}
	entry = entry.After(past)
	if issued && res.Err == nil {
		entry = entry.Keep(f.Input.Keep(res.Written.Token, now), res.Written)
	}
	if !answer.Reused {
		countRotation(r.Metrics, f, cause, res)
	}
	return res, entry
}

// writeSuccessor writes the refresh token of an answer, if there is one. The sessions hold it until it is written.
func writeSuccessor(
	ctx context.Context, c client.Client, sessions *journal.Sessions, ec *egainv1alpha1.EgainClient, s *session.Successor, res status.Result,
) status.Result {
	if s == nil {
		return res
	}
	sessions.Hold(journal.Name(ec), *s)
	written, unwritten := sessions.Write(ctx, secrets{c}, journal.Name(ec), sessionName(ec))
	res.Session = written
	if unwritten != nil {
		res.Err = unwritten
	}
	return res
}

// sent is the history after an attempt that began at a time, if it sent a request.
func sent(h rotation.History, f facts, began time.Time, res status.Result) rotation.History {
	if failure := fault.Of(res.Err); !res.Attempted || (failure != nil && failure.Class == fault.Busy) {
		return h
	}
	f.Facts = f.After(res.Session) // a refresh makes a new version, which is no change
	return h.Sent(f.Input.With(), began)
}

func countRotation(m *metrics.Metrics, f facts, cause string, res status.Result) {
	if failure := fault.Of(res.Err); !res.Attempted || (failure != nil && failure.Class == fault.Busy) {
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

// reportSkipped sends an event about what of a CA bundle cannot be used, once for each version of the bundle.
func reportSkipped(
	ctx context.Context, recorder events.EventRecorder, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, skipped string,
) journal.Entry {
	if skipped == "" || entry.SkippedIn == f.Trust {
		return entry
	}
	entry.SkippedIn = f.Trust
	sendSkipped(ctx, recorder, ec, skipped)
	return entry
}

// apply writes the target. A target that the planned one replaces is deleted before; from then until the write has succeeded the
// journal holds the token.
func (r *EgainClientReconciler) apply(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts, entry journal.Entry, tok *target.Token) (status.Result, journal.Entry) {
	plan, err := target.PlanWrite(ec, f.target, tok)
	if err != nil {
		return status.Result{Err: err}, entry
	}
	if plan.Replaces() {
		if err := plan.Rehearse(ctx, secrets{r.Client}); err != nil {
			return status.Result{Attempted: true, Err: plan.Refused(err)}, entry
		}
		entry = entry.Holding(tok)
		r.journal.Store(ec, entry)
		if err := plan.Delete(ctx, secrets{r.Client}); err != nil {
			return status.Result{Attempted: true, Err: plan.Refused(err)}, entry
		}
	}
	writing, span := tracing.Begin(ctx, r.Tracer, "apply Secret")
	span.SetAttributes(tracing.Secret.String(ec.TargetName()))
	known, err := plan.Apply(writing, secrets{r.Client})
	tracing.End(span, err)
	if err != nil {
		return status.Result{Attempted: true, Err: plan.Refused(err)}, entry
	}
	if known.Final {
		r.Recorder.Eventf(ec, nil, corev1.EventTypeWarning, egainv1alpha1.ReasonTargetImmutable, status.ActionIssueToken,
			"an admission policy or webhook made Secret %q immutable or changed its type, so each renewal replaces it: exempt it, since pods may keep the old token", ec.TargetName())
	}
	return status.Result{Attempted: true, Written: tok}, entry.Wrote(known)
}

// cleanUp ends what an earlier spec asked for, once the target is as the present one asks for.
func cleanUp(ctx context.Context, c client.Client, cache client.Reader, ec *egainv1alpha1.EgainClient) error {
	if err := keepSessions(ctx, c, cache, ec, target.FormerName(ec)); err != nil {
		return err
	}
	if err := target.ReleaseFormer(ctx, secrets{c}, ec); err != nil {
		return err
	}
	return dropFinalizer(ctx, c, ec)
}
