package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

const (
	// maxMessage bounds messages in the status, in bytes.
	maxMessage = 1024
	// maxRenewal bounds a renewal request, and maxScopes and maxScope the scopes in the status, as the CRD does.
	maxRenewal = 256
	maxScopes  = 256
	maxScope   = 512
	// maxURL bounds the endpoints in the status; those of a metadata document may be longer.
	maxURL = 2048
	// maxSkew is the skew of the clocks from which on somebody should look: JWT libraries allow for up to a minute, and half
	// of that may be needed on the way from the provider to the operator to the workload.
	maxSkew = 30 * time.Second
	// busyUntold is how long an object says nothing of waiting for its turn, since it came or since its token expired. Of 1,000
	// applied at once more than half had to wait, and each such status costs the API server as much as the token's own; an
	// operator with more to do than the machine can, that told of each expired token at once, made 1.7 status patches and 0.7
	// events a rotation.
	busyUntold = 10 * time.Second
)

// report writes the status if it changed, sends events on transitions, and says when to come back.
func (r *EgainClientReconciler) report(ctx context.Context, ec *egainv1alpha1.EgainClient, o outcome) (ctrl.Result, error) {
	r.logOutcome(ctx, o)
	now := r.Clock.Now()
	before := &egainv1alpha1.EgainClient{ObjectMeta: ec.ObjectMeta, Spec: ec.Spec, Status: *ec.Status.DeepCopy()}
	remembered := r.memory.recall(ec)
	ec.Status = remembered.status(ec)
	failures := ec.Status.ConsecutiveFailures
	told := r.told(ec, &o)
	setStatus(ec, &told, now)
	if ec.Status.ConsecutiveFailures > failures {
		r.Metrics.Failed(ec.Status.LastFailure.Reason)
	}
	err := r.writeStatus(ctx, before, ec)
	if fault.Of(o.err) == nil {
		err = errors.Join(o.err, err)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return next(ec, &o, now)
}

// writeStatus patches the status if it changed. One that cannot be written is remembered, and written the next time.
func (r *EgainClientReconciler) writeStatus(ctx context.Context, before, ec *egainv1alpha1.EgainClient) error {
	late := r.memory.recall(ec).unwritten != nil
	if patch, name := statusPatch(before, ec); patch != nil {
		// Without the optimistic lock: the operator is the only writer of the status, and a conflict with somebody who
		// labels the object would lose what came of the attempt.
		status := ec.Status.DeepCopy()
		r.memory.write(before, status)
		writing, span := begin(ctx, r.Tracer, "patch status")
		err := r.Client.Status().Patch(writing, name, patch)
		end(span, err)
		if err != nil {
			r.memory.unwrite(before)
			r.memory.update(ec, func(m *recollection) { m.unwritten = status })
			return client.IgnoreNotFound(err)
		}
		announceClient(r.Recorder, before, ec)
	}
	if late {
		r.memory.update(ec, func(m *recollection) { m.unwritten = nil })
	}
	return nil
}

// statusPatch returns the patch that makes one status the other, and the name of the object that it is for; nil if they are
// the same. To encode and decode whole objects, for the patch and from the answer, would take a fifth of the CPU of a rotation.
func statusPatch(before, after *egainv1alpha1.EgainClient) (client.Patch, *metav1.PartialObjectMetadata) {
	was, is := &egainv1alpha1.EgainClient{Status: before.Status}, &egainv1alpha1.EgainClient{Status: after.Status}
	differ := false
	old, latest := reflect.ValueOf(&was.Status).Elem(), reflect.ValueOf(&is.Status).Elem()
	for i := range old.NumField() {
		if equality.Semantic.DeepEqual(old.Field(i).Interface(), latest.Field(i).Interface()) {
			old.Field(i).SetZero()
			latest.Field(i).SetZero()
			continue
		}
		differ = true
	}
	if !differ {
		return nil, nil
	}
	name := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: after.Namespace, Name: after.Name}}
	name.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	return difference{client.MergeFrom(was), is}, name
}

// difference is the patch to a given object, whatever object the answer is read into.
type difference struct {
	client.Patch
	to client.Object
}

// Data is that of client.Patch.
func (d difference) Data(client.Object) ([]byte, error) { return d.Patch.Data(d.to) }

func (r *EgainClientReconciler) logOutcome(ctx context.Context, o outcome) {
	if o.written != nil {
		log.FromContext(ctx).Info("Wrote token", "cause", o.decision.Cause, "expirationTime", o.written.ExpirationTime)
	}
	if f := fault.Of(o.err); f != nil && o.attempted && f.Class != fault.Busy && f.Class != fault.Terminal {
		log.FromContext(ctx).Info("Issuing a token failed", "reason", f.Reason, "message", f.Message)
	}
}

// setStatus brings the status of an object up to date with what came of a reconcile.
func setStatus(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) {
	f := fault.Of(o.err)
	unserved := f != nil && f.Reason == fault.ReasonAPIServerFailed
	switch {
	case o.err != nil && (f == nil || f.Class == fault.Busy), unserved && inForce(ec, o, now):
		setUntried(ec, o, now)
		return
	case (unserved || o.unread) && !o.decided:
		setUnseen(ec, o, now)
		return
	}
	st := &ec.Status
	st.ObservedGeneration = ec.Generation
	setToken(ec, o)
	if o.endpoints != nil {
		st.Endpoints = &egainv1alpha1.EndpointsStatus{
			TokenURL: truncate(o.endpoints.TokenURL, maxURL), APIURL: truncate(o.endpoints.APIURL, maxURL),
			ScopePrefix: truncate(o.endpoints.ScopePrefix, maxRenewal),
			Issuer:      truncate(o.endpoints.Issuer, maxURL), Source: egainv1alpha1.EndpointSource(o.endpoints.Source),
		}
	}
	st.Session = nil
	if at := o.facts.after(o.session).sessionExpiration; !at.IsZero() {
		st.Session = &egainv1alpha1.SessionStatus{ExpirationTime: second(at)}
	}
	setFailure(ec, o, now)
	setConditions(ec, o, now)
}

// setUntried says what is known though nothing was found out: that a client waits for its turn, and that a token has run
// out, which it does whether or not the API server and the provider answer.
func setUntried(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) {
	st := &ec.Status
	ready, f := meta.FindStatusCondition(st.Conditions, egainv1alpha1.ConditionReady), fault.Of(o.err)
	c := metav1.Condition{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionFalse, LastTransitionTime: *second(now)}
	switch {
	case f != nil && f.Class == fault.Busy && now.Sub(waitsSince(ec)) < busyUntold:
		return
	case ready == nil && f != nil:
		st.ObservedGeneration = ec.Generation
		c.Reason, c.Message = egainv1alpha1.ReasonNoToken, "there is no token: "+f.Message
	case ready != nil && ready.Status == metav1.ConditionTrue && !o.token().Valid(now) && ranOut(st.Token, now):
		c.Reason, c.Message = egainv1alpha1.ReasonTokenExpired, fmt.Sprintf("the token in Secret %q has expired", ec.TargetName())
	default:
		return
	}
	c.ObservedGeneration = st.ObservedGeneration
	meta.SetStatusCondition(&st.Conditions, c)
	if !ec.Suspended() {
		c.Type, c.Status = egainv1alpha1.ConditionReconciling, metav1.ConditionTrue
		meta.SetStatusCondition(&st.Conditions, c)
	}
}

// waitsSince is since when a client has no valid token.
func waitsSince(ec *egainv1alpha1.EgainClient) time.Time {
	if tok := ec.Status.Token; tok != nil && tok.ExpirationTime != nil {
		return tok.ExpirationTime.Time
	}
	return ec.CreationTimestamp.Time
}

// inForce reports whether an earlier failure is what keeps a client from trying, so that it stays the last one.
func inForce(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) bool {
	last := ec.Status.LastFailure
	switch {
	case o.decided:
		return o.decision.Action == rotation.Wait
	case last == nil:
		return false
	default:
		return last.Reason == egainv1alpha1.ReasonReauthorizationRequired || (last.RetryTime != nil && last.RetryTime.After(now))
	}
}

// setUnseen tells of a failure that left unknown what is in the target, so that what was said of that stands.
func setUnseen(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) {
	setUntried(ec, o, now)
	setFailure(ec, o, now)
	st := &ec.Status
	c := issuedCondition(ec, o)
	c.ObservedGeneration, c.LastTransitionTime = ec.Generation, *second(now)
	meta.SetStatusCondition(&st.Conditions, c)
	if meta.IsStatusConditionTrue(st.Conditions, egainv1alpha1.ConditionReady) || ec.Suspended() {
		return
	}
	meta.RemoveStatusCondition(&st.Conditions, egainv1alpha1.ConditionStalled)
	c.Type, c.Status = egainv1alpha1.ConditionReconciling, metav1.ConditionTrue
	meta.SetStatusCondition(&st.Conditions, c)
}

func ranOut(tok *egainv1alpha1.TokenStatus, now time.Time) bool {
	return tok != nil && tok.ExpirationTime != nil && !tok.ExpirationTime.After(now)
}

// setToken describes the token that is in the target now.
func setToken(ec *egainv1alpha1.EgainClient, o *outcome) {
	st := &ec.Status
	tok := o.token()
	if tok == nil {
		st.Token = nil
		return
	}
	if st.Token == nil {
		st.Token = &egainv1alpha1.TokenStatus{}
	}
	in := o.facts.input
	st.Token.IssueTime = second(tok.IssueTime)
	st.Token.ExpirationTime = second(tok.ExpirationTime)
	st.Token.RenewalTime = second(rotation.RenewAt(tok.IssueTime, tok.ExpirationTime, in.Policy, in.Spread))
	whole := o.written
	if whole == nil {
		whole = o.facts.target.Content
	}
	if whole != nil {
		st.Token.Scopes, st.Token.TokenType = nil, whole.TokenType
		for _, scope := range whole.Scopes[:min(len(whole.Scopes), maxScopes)] {
			st.Token.Scopes = append(st.Token.Scopes, truncate(scope, maxScope))
		}
	}
	if o.err == nil {
		st.Target = &egainv1alpha1.TargetStatus{SecretName: ec.TargetName()}
		st.LastHandledRenewal = tok.Renewal
	}
}

// token is what is known of the token in the target after the reconcile.
func (o *outcome) token() *rotation.Token {
	if o.written != nil {
		return &o.written.Token
	}
	return o.facts.input.Token
}

// second makes a time of the status; those have whole seconds.
func second(t time.Time) *metav1.Time {
	truncated := metav1.NewTime(t.Truncate(time.Second))
	return &truncated
}

// setFailure notes a failed attempt. A failure that waits for a change is noted once, however often it is looked at.
func setFailure(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) {
	st := &ec.Status
	f := fault.Of(o.err)
	switch {
	case f == nil && o.decision.Action == rotation.Wait:
		return
	case f == nil:
		st.ConsecutiveFailures, st.LastFailure = 0, nil
		return
	}
	message := truncate(f.Message, maxMessage)
	same := st.LastFailure != nil && st.LastFailure.Reason == f.Reason && st.LastFailure.Message == message
	if !o.attempted && same && st.LastFailure.RetryTime == nil {
		return
	}
	st.ConsecutiveFailures++
	last := &egainv1alpha1.FailureStatus{Time: second(now), Reason: f.Reason, Message: message, Inputs: o.facts.input.Inputs()}
	after := o.facts.after(o.session)
	last.Inputs += after.alsoTriedWith(f.Reason)
	retry, retries := f.RetryTime(fault.Attempt{
		Failures: st.ConsecutiveFailures, Time: now, Expiration: o.facts.expiry(), Spread: o.facts.input.Spread,
	})
	if retries {
		last.RetryTime = second(retry.Add(time.Second - 1)) // rounded up, so that the wait is never shorter than asked for
	}
	st.LastFailure = last
}

func truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

func setConditions(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) {
	st := &ec.Status
	issued := issuedCondition(ec, o)
	ready := readyCondition(ec, o, issued, now)
	set := func(c metav1.Condition) {
		c.ObservedGeneration = ec.Generation
		c.LastTransitionTime = *second(now)
		c.Message = truncate(c.Message, maxMessage)
		meta.SetStatusCondition(&st.Conditions, c)
	}
	set(ready)
	set(issued)
	if o.skew != nil {
		if skewed, so := skewCondition(o); so {
			set(skewed)
		} else {
			meta.RemoveStatusCondition(&st.Conditions, egainv1alpha1.ConditionClockSkewed)
		}
	}
	present, absent := egainv1alpha1.ConditionReconciling, egainv1alpha1.ConditionStalled
	if stalled(ec, o) {
		present, absent = absent, present
	}
	// One that stays is not removed on the way: it would begin anew, and be written, with every look.
	meta.RemoveStatusCondition(&st.Conditions, absent)
	if ready.Status == metav1.ConditionTrue || ec.Suspended() {
		meta.RemoveStatusCondition(&st.Conditions, present)
		return
	}
	set(metav1.Condition{Type: present, Status: metav1.ConditionTrue, Reason: issued.Reason, Message: issued.Message})
}

// issuedCondition says how the last attempt went.
func issuedCondition(ec *egainv1alpha1.EgainClient, o *outcome) metav1.Condition {
	c := metav1.Condition{Type: egainv1alpha1.ConditionTokenIssued, Status: metav1.ConditionFalse}
	last := ec.Status.LastFailure
	switch {
	case ec.Suspended() && !unwrittenSession(last):
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, egainv1alpha1.ReasonSuspended, "spec.suspend is set: no token is requested"
	case last != nil:
		c.Reason, c.Message = last.Reason, last.Message
	default:
		c.Status, c.Reason = metav1.ConditionTrue, egainv1alpha1.ReasonIssued
		c.Message = fmt.Sprintf("the token is in Secret %q", ec.TargetName())
		if tok := o.token(); tok != nil && rotation.Clamped(tok.IssueTime, tok.ExpirationTime, o.facts.input.Policy) {
			c.Message += "; spec.renewal lies outside half of the token's life and the time that mounted files need to follow, and was moved within"
		}
	}
	return c
}

// unwrittenSession reports whether a failure is that of a refresh token that cannot be written: also those of suspended clients
// are, and are reported.
func unwrittenSession(last *egainv1alpha1.FailureStatus) bool {
	return last != nil && last.Reason == egainv1alpha1.ReasonSessionRejected
}

// skewCondition tells of clocks that are apart, if they are. It does not say by how much: that differs with every answer.
func skewCondition(o *outcome) (metav1.Condition, bool) {
	reason, direction := egainv1alpha1.ReasonClockAhead, "ahead of"
	if *o.skew < 0 {
		reason, direction = egainv1alpha1.ReasonClockBehind, "behind"
	}
	host := "the token endpoint"
	if u, err := url.Parse(o.endpoints.TokenURL); err == nil {
		host = u.Host
	}
	return metav1.Condition{
		Type: egainv1alpha1.ConditionClockSkewed, Status: metav1.ConditionTrue, Reason: reason,
		Message: fmt.Sprintf("the clock of %s is 30 seconds or more %s the operator's: check that the nodes' clocks are synchronized, and tell eGain if they are", host, direction),
	}, o.skew.Abs() >= maxSkew
}

// readyCondition is about the target, whatever the last attempt did.
func readyCondition(ec *egainv1alpha1.EgainClient, o *outcome, issued metav1.Condition, now time.Time) metav1.Condition {
	c := metav1.Condition{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	tok := o.token()
	switch {
	case tok.Valid(now) && tok.Spec == o.facts.input.Spec:
		c.Status, c.Reason = metav1.ConditionTrue, egainv1alpha1.ReasonTokenValid
		c.Message = fmt.Sprintf("Secret %q holds an unexpired token", ec.TargetName())
		return c
	case tok.Valid(now):
		c.Reason, c.Message = egainv1alpha1.ReasonTokenOutdated, fmt.Sprintf("the token in Secret %q was issued for an earlier spec", ec.TargetName())
	case tok != nil:
		c.Reason, c.Message = egainv1alpha1.ReasonTokenExpired, fmt.Sprintf("the token in Secret %q has expired", ec.TargetName())
	default:
		c.Reason, c.Message = egainv1alpha1.ReasonNoToken, "there is no token"
	}
	if issued.Status != metav1.ConditionTrue {
		c.Message += ": " + issued.Message
	}
	return c
}

// stalled reports whether somebody must act before there can be a token.
func stalled(ec *egainv1alpha1.EgainClient, o *outcome) bool {
	if f := fault.Of(o.err); f != nil {
		return f.Class == fault.Terminal || f.Class == fault.Rejected
	}
	last := ec.Status.LastFailure
	return last != nil && (fault.IsRejection(last.Reason) || last.Reason == egainv1alpha1.ReasonReauthorizationRequired)
}

// next says when to come back if nothing changes. It is the one place that maps an outcome to a Result.
func next(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) (ctrl.Result, error) {
	result := ctrl.Result{Priority: new(priority(ec))}
	f := fault.Of(o.err)
	attempt := fault.Attempt{Time: now, Expiration: o.facts.expiry(), Spread: o.facts.input.Spread}
	if f != nil && f.Class == fault.Busy {
		result.RequeueAfter = f.LookTime(attempt).Sub(now)
		return result, nil
	}
	times := wakeTimes(ec, o, now)
	if f != nil && f.Class == fault.Paused {
		times = append(times, f.LookTime(attempt))
	}
	at := soonest(times)
	switch {
	case !at.IsZero():
		result.RequeueAfter = max(at.Sub(now), time.Millisecond)
		return result, nil
	case f != nil && f.Class == fault.Terminal:
		return ctrl.Result{}, reconcile.TerminalError(f)
	default:
		return result, nil
	}
}

// wakeTimes are the times at which something changes by itself: a retry, the renewal, or the expiry, which comes without an
// event and ends Ready.
func wakeTimes(ec *egainv1alpha1.EgainClient, o *outcome, now time.Time) []time.Time {
	var times []time.Time
	tok := o.token()
	if tok.Valid(now) {
		times = append(times, tok.ExpirationTime)
	}
	last := ec.Status.LastFailure
	if ec.Suspended() && !unwrittenSession(last) {
		return times
	}
	if last != nil && last.RetryTime != nil {
		return append(times, last.RetryTime.Time)
	}
	if last == nil && tok != nil {
		times = append(times, rotation.RenewAt(tok.IssueTime, tok.ExpirationTime, o.facts.input.Policy, o.facts.input.Spread))
	}
	return times
}

func soonest(times []time.Time) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}
