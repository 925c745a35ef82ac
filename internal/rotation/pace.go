package rotation

import "time"

const (
	// Floor is the least time between two token requests for one object, for causes that repeat by themselves, and between two
	// repairs of its target with one token. Each request costs the provider one and the API server three to five.
	Floor = 5 * time.Second
	// ShortestLifetime is that of a token which can be renewed in time: one that lasts less has expired, or is about to, once the
	// floor and one retry are over.
	ShortestLifetime = 2 * Floor
	// FreeChanges is how many requests that follow a change, of the spec, a Secret, the CA bundle or the renewal request, are sent
	// immediately within ChangeWindow. Later ones are Floor apart.
	FreeChanges = 3
	// ChangeWindow is the time within which requests that follow a change are counted.
	ChangeWindow = time.Minute
	// Contested is how long a token is kept after it was lost, from when it was written again. A target that another writer keeps
	// changing costs one request, not one per change.
	Contested = time.Minute
	// Release is the most time over which the clients of an application follow the one that tried its changed credentials. It is also
	// no more than a tenth of a token's lifetime.
	Release = 10 * time.Minute
)

// TooShort reports whether renewal cannot keep up with a token's lifetime.
func (t *Token) TooShort() bool { return t.ExpirationTime.Sub(t.IssueTime) < ShortestLifetime }

// Recent is a token that was issued and written, and is kept in case another writer removes it.
type Recent struct {
	Token
	// Repaired is when it was last written again; zero if it was not.
	Repaired time.Time
	// Until is when it is dropped.
	Until time.Time
}

// Keep returns what is kept of a token that was issued and written: for as long as no other may be issued, or for as
// long as another writer may be changing the target.
func (in *Input) Keep(t Token, now time.Time) Recent {
	keep := Floor
	if in.Lost() {
		keep = Contested
	}
	return Recent{Token: t, Until: now.Add(keep)}
}

// Repair returns what is kept once the token was written again.
func (r Recent) Repair(now time.Time) Recent {
	r.Repaired, r.Until = now, now.Add(Contested)
	return r
}

// repairAt is when the token may be written again. The first time is immediate.
func (r *Recent) repairAt() time.Time {
	if r.Repaired.IsZero() {
		return time.Time{}
	}
	return r.Repaired.Add(Floor)
}

// History is what is remembered of the token requests of an object. The zero value says that none is known. It is a value:
// nothing that it holds is written to.
type History struct {
	// Issued is when the last token was requested; zero if unknown.
	Issued time.Time
	// IssuedWith identifies what that request was made with, and With what the last request was made with, which may have failed;
	// empty if unknown.
	IssuedWith, With string
	// Changes are when the last requests were sent that were made with something else than the request before, the latest last.
	Changes [FreeChanges]time.Time
	// Written says that a token was written to the target.
	Written bool
}

// Sent returns the history after a request was sent.
func (h History) Sent(with string, at time.Time) History {
	if h.With != with {
		copy(h.Changes[:], h.Changes[1:])
		h.Changes[FreeChanges-1], h.With = at, with
	}
	return h
}

// Requested returns the history after a token was issued that was requested at a time.
func (h History) Requested(with string, at time.Time) History {
	h.Issued, h.IssuedWith = at, with
	return h
}

// Since reports whether something was sent or issued after a time: what is older no longer counts.
func (h History) Since(at time.Time) bool {
	return h.Changes[FreeChanges-1].After(at) || h.Issued.After(at)
}

// Lost reports whether a token that was in the target is not any more.
func (in *Input) Lost() bool {
	return in.Damaged || (in.Token == nil && in.History.Written)
}

// With identifies all that a request now would be made with.
func (in *Input) With() string { return in.Inputs() + in.Versions }

// issueAt is the soonest that a token may be requested for a cause.
func (in *Input) issueAt(cause string) time.Time {
	var soonest time.Time
	if in.repeats(cause) && !in.History.Issued.IsZero() && !in.History.Issued.After(in.Now) {
		soonest = in.History.Issued.Add(Floor)
	}
	if at := in.History.afterChangeAt(in.Now); cause != CauseRenewalDue && in.History.With != in.With() && at.After(soonest) {
		soonest = at
	}
	return soonest
}

// releaseAt is when the changed credentials of an application are a cause for another token: immediately until they are accepted, since the
// gate lets one client try them; after that spread over a while.
func (in *Input) releaseAt() time.Time {
	if in.Accepted.IsZero() {
		return time.Time{}
	}
	window := min(in.Token.ExpirationTime.Sub(in.Token.IssueTime)/10, Release)
	return in.Accepted.Add(time.Duration(in.Spread * float64(window)))
}

// repeats reports whether a cause may repeat by itself: nothing changed since the last token was issued. A renewal always does, although a
// refresh makes a new version of the session Secret. After a restart a lost token does.
func (in *Input) repeats(cause string) bool {
	if with := in.History.IssuedWith; with != "" {
		return cause == CauseRenewalDue || (with == in.With() && with == in.History.With)
	}
	return cause == CauseRenewalDue || cause == CauseDamaged || cause == CauseNoToken
}

// afterChangeAt is the soonest that a request may follow a change.
func (h *History) afterChangeAt(now time.Time) time.Time {
	oldest, latest := h.Changes[0], h.Changes[FreeChanges-1]
	if oldest.IsZero() || now.Sub(oldest) >= ChangeWindow {
		return time.Time{}
	}
	return latest.Add(Floor)
}
