// Package rotation knows when and why a token is replaced, and nothing else. It is pure: it does no I/O and takes the
// current time as an argument.
package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Token is what is remembered of a token, without the token itself.
type Token struct {
	// IssueTime is when the token was asked for.
	IssueTime time.Time
	// ExpirationTime is when it expires.
	ExpirationTime time.Time
	// Spec identifies the part of the spec that it was issued for.
	Spec string
	// Sources identifies the versions of the Secrets that it was issued with.
	Sources string
	// Renewal is the renewal request that it answered, empty if none was ever made.
	Renewal string
	// Request identifies the token request, without its secrets; empty if unknown. A spec that changed without changing
	// the request needs no new token.
	Request string
	// Client identifies the token request with its client id, wherever the credentials are kept; empty if unknown.
	Client string
}

// Valid reports whether the token has not expired.
func (t *Token) Valid(now time.Time) bool {
	return t != nil && now.Before(t.ExpirationTime)
}

// Expiry is when a token expires; zero if there is none.
func (t *Token) Expiry() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.ExpirationTime
}

// IssuedAt is when the token was requested; zero if there is none.
func (t *Token) IssuedAt() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.IssueTime
}

// Failure is the last failed attempt since the last success.
type Failure struct {
	// Inputs is what the attempt was made with, as Input.inputs says it.
	Inputs string
	// RetryTime is when to try again; zero if only other inputs can help.
	RetryTime time.Time
}

// Input is everything that a decision depends on.
type Input struct {
	// Now is the current time.
	Now time.Time
	// Token in the target; nil if there is none, or it was damaged.
	Token *Token
	// Damaged says that the target exists with a token that is not as we wrote it.
	Damaged bool
	// Drifted says that the target holds the token, but else is not what the spec asks for.
	Drifted bool
	// Held is a token that was issued and could not be written yet; nil if there is none.
	Held *Token
	// Recent is the last token, kept for a while after it was written; nil if it is not kept any more.
	Recent *Recent
	// History is what is known of the requests until now.
	History History
	// Versions identifies what a request depends on and Inputs does not, such as the CA bundle.
	Versions string
	// Spec and Sources are what a token issued now would be issued for.
	Spec, Sources string
	// Outdated says that the credentials of an application have changed since the token was issued. Sources does not tell.
	Outdated bool
	// Accepted is when the server was first seen to accept the changed credentials, from any client; zero if it was not.
	Accepted time.Time
	// Renewal is the renewal request on the object, empty if there is none.
	Renewal string
	// Suspended says that nothing is to be done.
	Suspended bool
	// Failure is the last failed attempt; nil if the last one succeeded.
	Failure *Failure
	// Policy and Spread shape the schedule.
	Policy Policy
	Spread float64
}

// Action is what to do about a token.
type Action int

const (
	// Keep leaves everything as it is until Decision.At.
	Keep Action = iota
	// Render writes the token that is already there, or held, in the form that the spec asks for.
	Render
	// Issue asks the provider for a new token.
	Issue
	// Wait would issue or write, but the last attempt was too recent: decide again at Decision.At.
	Wait
)

// Why a token is replaced; label values of metrics and words of log lines.
const (
	CauseNoToken          = "NoToken"
	CauseDamaged          = "TargetDamaged"
	CauseSpecChanged      = "SpecChanged"
	CauseSourcesChanged   = "SourcesChanged"
	CauseRenewalRequested = "RenewalRequested"
	CauseRenewalDue       = "RenewalDue"
	CauseDrifted          = "TargetDrifted"
	CauseHeld             = "TokenHeld"
)

// Decision is what to do and when to look again.
type Decision struct {
	// Action to take.
	Action Action
	// Cause of the action; empty for Keep.
	Cause string
	// At is when to look again if nothing changes; zero if only a change can matter. It is never after the expiry of a
	// valid token, which happens without an event.
	At time.Time
}

// Decide says what to do about a token. The first cause in the order of the checks wins.
func Decide(in Input) Decision {
	if in.Suspended {
		return Decision{Action: Keep, At: in.expiry()}
	}
	cause := in.cause()
	switch {
	case cause == "" && in.Drifted:
		return Decision{Action: Render, Cause: CauseDrifted}
	case cause == "":
		return Decision{Action: Keep, At: in.beforeExpiry(in.changeAt())}
	case in.serves(in.Held):
		return Decision{Action: Render, Cause: CauseHeld}
	case in.lost() && in.Recent != nil && in.serves(&in.Recent.Token):
		return in.paced(Decision{Action: Render, Cause: cause}, in.Recent.repairAt())
	case in.backingOff():
		return Decision{Action: Wait, Cause: cause, At: in.beforeExpiry(in.Failure.RetryTime)}
	default:
		return in.paced(Decision{Action: Issue, Cause: cause}, in.issueAt(cause))
	}
}

// paced is a decision, or to wait until a time that has not come yet.
func (in *Input) paced(d Decision, at time.Time) Decision {
	if in.Now.Before(at) {
		return Decision{Action: Wait, Cause: d.Cause, At: in.beforeExpiry(at)}
	}
	return d
}

// lost reports whether the target contains no token that is as the operator wrote it.
func (in *Input) lost() bool { return in.Damaged || in.Token == nil }

// checks are the causes to issue a token, in the order in which they are looked at.
var checks = []struct {
	cause string
	holds func(*Input) bool
}{
	// Make sure that what is there is what we wrote.
	{CauseDamaged, func(in *Input) bool { return in.Damaged }},
	// Make sure that there is a token at all.
	{CauseNoToken, func(in *Input) bool { return in.Token == nil }},
	// Make sure that it is the token that the current spec asks for.
	{CauseSpecChanged, func(in *Input) bool { return in.Token.Spec != in.Spec }},
	// Make sure that it was issued with the current credentials and subject token.
	{CauseSourcesChanged, func(in *Input) bool {
		return in.Token.Sources != in.Sources || (in.Outdated && !in.Now.Before(in.releaseAt()))
	}},
	// Make sure that a person who asked for a new one gets it, once.
	{CauseRenewalRequested, func(in *Input) bool { return in.Renewal != "" && in.Token.Renewal != in.Renewal }},
	// Make sure that it is replaced in time.
	{CauseRenewalDue, func(in *Input) bool { return !in.Now.Before(in.dueAt(in.Token)) }},
}

func (in *Input) cause() string {
	for _, c := range checks {
		if c.holds(in) {
			return c.cause
		}
	}
	return ""
}

// changeAt is when there is a cause to replace a token that there is none for yet.
func (in *Input) changeAt() time.Time {
	due := in.dueAt(in.Token)
	if release := in.releaseAt(); in.Outdated && release.Before(due) {
		return release
	}
	return due
}

func (in *Input) dueAt(t *Token) time.Time {
	return RenewAt(t.IssueTime, t.ExpirationTime, in.Policy, in.Spread)
}

func (in *Input) expiry() time.Time {
	if in.Token.Valid(in.Now) {
		return in.Token.ExpirationTime
	}
	return time.Time{}
}

// beforeExpiry returns a time, or the expiry of the token if it is valid and expires before that.
func (in *Input) beforeExpiry(at time.Time) time.Time {
	if expiry := in.expiry(); !expiry.IsZero() && (at.IsZero() || expiry.Before(at)) {
		return expiry
	}
	return at
}

// serves reports whether a token that is held is to be written rather than another one issued: it is valid and what would
// be issued now, and not due for renewal yet, or else still better than what is in the target.
func (in *Input) serves(h *Token) bool {
	if !h.Valid(in.Now) || h.Spec != in.Spec || h.Sources != in.Sources || (in.Renewal != "" && h.Renewal != in.Renewal) {
		return false
	}
	return in.Now.Before(in.dueAt(h)) || !in.Token.Valid(in.Now) || in.Token.ExpirationTime.Before(h.ExpirationTime)
}

// Inputs identifies what an attempt is made with, in 32 characters. A retry does not wait once it changes.
func (in *Input) Inputs() string {
	sum := sha256.Sum256([]byte(in.Spec + "\n" + in.Sources + "\n" + in.Renewal))
	return hex.EncodeToString(sum[:16])
}

func (in *Input) backingOff() bool {
	f := in.Failure
	return f != nil && f.Inputs == in.Inputs() && (f.RetryTime.IsZero() || in.Now.Before(f.RetryTime))
}
