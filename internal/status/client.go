// Package status knows what the status of an object says after a reconcile: its conditions, endpoints, token and last failure, the
// events of a transition, and when something changes without an event. It is pure: facts, decision, result and time are arguments.
package status

import (
	"fmt"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/plain"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
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
	// maxSkew is the skew of the clocks from which on a person should act: JWT libraries allow for up to a minute, and half
	// of that may be needed on the way from the provider to the operator to the workload.
	maxSkew = 30 * time.Second
	// unreportedWait is how long a queued client reports nothing, since its creation or since its token expired. Of 1,000 applied
	// at once more than half were queued, and each such status costs the API server as much as the token's own; an overloaded
	// operator that reported each expired token immediately made 1.7 status patches and 0.7 events a rotation.
	unreportedWait = 10 * time.Second
)

// Facts are the state of the cluster before the operator acts, as far as the status depends on it. No function that receives them
// writes to them.
type Facts struct {
	// Input is what the decision depends on.
	Input rotation.Input
	// Content is the token in the target; nil if the target has none, or was not read since it was last found unchanged.
	Content *target.Token
	// Writer is the field manager that changed a target without a whole token last; empty if unknown.
	Writer string
	// Object is the UID. Another one of the same name needs a request of its own.
	Object string
	// Trust identifies the version of the CA bundle. Another version is no reason for a new token, except for another TLS handshake.
	Trust string
	// Lent identifies the version of the credentials of an application; empty without any. It is not written anywhere.
	Lent string
	// SessionVersion identifies the version of the session Secret. The operator itself makes new versions, so that another version is no reason for a
	// new token, except for another attempt with a session that was over.
	SessionVersion string
	// EndpointsChecked is since when the rules and endpoints that a request depends on are as they are: the first reconcile of this
	// process, which may have other flags, or the transition of the EgainTenant to Ready.
	EndpointsChecked time.Time
	// SessionExpiration is when the refresh token expires; zero if unknown.
	SessionExpiration time.Time
}

// After returns the facts after a refresh token was written to the session Secret, if one was.
func (f Facts) After(written *session.Written) Facts {
	if written != nil {
		f.SessionVersion, f.SessionExpiration = written.Version, written.Expiration
	}
	f.Input.Versions = f.Object + f.Trust + f.SessionVersion + f.Lent
	return f
}

// Result is what the operator did, and how that ended.
type Result struct {
	// Attempted says that a request to the provider or the API server was sent, so that a failure counts.
	Attempted bool
	// Written is the token that was written to the target; nil if none was.
	Written *target.Token
	// Endpoints that were used; nil if none were needed.
	Endpoints *oauth.Endpoints
	// Skew of the provider's clock; nil if no response contained its time.
	Skew *time.Duration
	// Session is what was written to the session Secret; nil if nothing was.
	Session *session.Written
	Err     error
}

// Then adds the result of writing the target.
func (r Result) Then(applied Result) Result {
	r.Attempted = r.Attempted || applied.Attempted
	r.Written, r.Err = applied.Written, applied.Err
	return r
}

// Outcome is a reconcile: what it observed, decided and did.
type Outcome struct {
	Facts
	// Decision has no meaning unless Decided.
	Decision rotation.Decision
	Decided  bool
	// Unread says that the cluster could not be read completely, so that the content of the target is unknown.
	Unread bool
	Result
}

// Next is the status of an EgainClient after a reconcile.
func Next(ec *egainv1alpha1.EgainClient, o Outcome, now time.Time) egainv1alpha1.EgainClientStatus {
	after := &egainv1alpha1.EgainClient{ObjectMeta: ec.ObjectMeta, Spec: ec.Spec, Status: *ec.Status.DeepCopy()}
	setStatus(after, &o, now)
	return after.Status
}

// setStatus updates the status of an object after a reconcile.
func setStatus(ec *egainv1alpha1.EgainClient, o *Outcome, now time.Time) {
	f := fault.Of(o.Err)
	apiServerFailed := f != nil && f.Reason == fault.ReasonAPIServerFailed
	switch {
	case o.Err != nil && (f == nil || f.Class == fault.Busy), apiServerFailed && inForce(ec, o, now):
		setUntried(ec, o, now)
		return
	case (apiServerFailed || o.Unread) && !o.Decided:
		setUnseen(ec, o, now)
		return
	}
	st := &ec.Status
	st.ObservedGeneration = ec.Generation
	setToken(ec, o)
	if o.Endpoints != nil {
		st.Endpoints = &egainv1alpha1.EndpointsStatus{
			TokenURL: truncate(o.Endpoints.TokenURL, maxURL), APIURL: truncate(o.Endpoints.APIURL, maxURL),
			ScopePrefix: truncate(o.Endpoints.ScopePrefix, maxRenewal),
			Issuer:      truncate(o.Endpoints.Issuer, maxURL), Source: egainv1alpha1.EndpointSource(o.Endpoints.Source),
		}
	}
	st.Session = nil
	if at := o.After(o.Session).SessionExpiration; !at.IsZero() {
		st.Session = &egainv1alpha1.SessionStatus{ExpirationTime: second(at)}
	}
	setFailure(ec, o, now)
	setConditions(ec, o, now)
}

// setUntried says what is known without an attempt: that a client is queued, and that a token has expired, which it does whether or
// not the API server and the provider answer.
func setUntried(ec *egainv1alpha1.EgainClient, o *Outcome, now time.Time) {
	st := &ec.Status
	ready, f := meta.FindStatusCondition(st.Conditions, egainv1alpha1.ConditionReady), fault.Of(o.Err)
	c := metav1.Condition{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionFalse, LastTransitionTime: *second(now)}
	switch {
	case f != nil && f.Class == fault.Busy && now.Sub(waitsSince(ec)) < unreportedWait:
		return
	case ready == nil && f != nil:
		st.ObservedGeneration = ec.Generation
		c.Reason, c.Message = egainv1alpha1.ReasonNoToken, "there is no token: "+f.Message
	case ready != nil && ready.Status == metav1.ConditionTrue && !o.token().Valid(now) && expired(st.Token, now):
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
func inForce(ec *egainv1alpha1.EgainClient, o *Outcome, now time.Time) bool {
	last := ec.Status.LastFailure
	switch {
	case o.Decided:
		return o.Decision.Action == rotation.Wait
	case last == nil:
		return false
	default:
		return last.Reason == egainv1alpha1.ReasonReauthorizationRequired || (last.RetryTime != nil && last.RetryTime.After(now))
	}
}

// setUnseen reports a failure that left the content of the target unknown: what the status says about that stays.
func setUnseen(ec *egainv1alpha1.EgainClient, o *Outcome, now time.Time) {
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

func expired(tok *egainv1alpha1.TokenStatus, now time.Time) bool {
	return tok != nil && tok.ExpirationTime != nil && !tok.ExpirationTime.After(now)
}

// setToken describes the token that is in the target now.
func setToken(ec *egainv1alpha1.EgainClient, o *Outcome) {
	st := &ec.Status
	tok := o.token()
	if tok == nil {
		st.Token = nil
		return
	}
	if st.Token == nil {
		st.Token = &egainv1alpha1.TokenStatus{}
	}
	st.Token.IssueTime = second(tok.IssueTime)
	st.Token.ExpirationTime = second(tok.ExpirationTime)
	st.Token.RenewalTime = second(o.renewalTime())
	whole := o.Written
	if whole == nil {
		whole = o.Content
	}
	if whole != nil {
		st.Token.Scopes, st.Token.TokenType = nil, whole.TokenType
		for _, scope := range whole.Scopes[:min(len(whole.Scopes), maxScopes)] {
			st.Token.Scopes = append(st.Token.Scopes, truncate(scope, maxScope))
		}
	}
	if o.Err == nil {
		st.Target = &egainv1alpha1.TargetStatus{SecretName: ec.TargetName()}
		st.LastHandledRenewal = tok.Renewal
	}
}

// token is what is known of the token in the target after the reconcile.
func (o *Outcome) token() *rotation.Token {
	if o.Written != nil {
		return &o.Written.Token
	}
	return o.Input.Token
}

// RenewalRequest is the annotation by which a person requests a renewal, as far as the status keeps it.
func RenewalRequest(ec *egainv1alpha1.EgainClient) string {
	return truncate(ec.Annotations[egainv1alpha1.RenewRequestedAtAnnotation], maxRenewal)
}

// second makes a time of the status; those have whole seconds.
func second(t time.Time) *metav1.Time {
	truncated := metav1.NewTime(t.Truncate(time.Second))
	return &truncated
}

// shown is a message as the status has it.
func shown(message string) string { return truncate(plain.Line(message), maxMessage) }

func truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
