package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

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
