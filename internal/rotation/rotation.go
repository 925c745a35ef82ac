// Package rotation knows when and why a token is replaced, and nothing else. It is pure: it does no I/O and takes the
// current time as an argument.
package rotation

import (
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
