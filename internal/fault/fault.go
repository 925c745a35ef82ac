// Package fault knows the classes of failures and when each is tried again, and nothing else. It is pure: it does no
// I/O and takes the current time as an argument.
package fault

import (
	"errors"
	"fmt"
	"time"

	"github.com/egain-operator/egain-operator/internal/plain"
)

// Class says what makes a failure go away.
type Class int

const (
	// Retryable failures go away by themselves: an unreachable server, HTTP 5xx or 429, an answer that is no token.
	Retryable Class = iota
	// Waiting failures end when an object in the cluster appears or changes; the watch on it wakes the client.
	Waiting
	// Terminal failures end when a person edits the spec or an object that it names; the watch wakes the client.
	Terminal
	// Rejected failures end when a person acts at the provider, which nothing tells us. They are retried rarely, since
	// repeated logins with rejected credentials lock accounts.
	Rejected
	// Paused failures end when a probe of an endpoint with an open circuit succeeds. Nothing was sent.
	Paused
	// Busy is no failure: the client is queued for a request slot. Nothing was sent.
	Busy
)

// Error is a classified failure. Its text is shown to users in conditions and events: it holds no secret, no part of a
// response body, and nothing that differs from one attempt to the next.
type Error struct {
	// Class decides when to try again.
	Class Class
	// Reason is the condition reason, one per situation.
	Reason string
	// RetryAfter is how long the server asked its clients to wait, zero if it did not say.
	RetryAfter time.Duration
	// RetryWithin bounds the wait before the next attempt after a Retryable failure; zero if only the expiry does.
	RetryWithin time.Duration
	// Queued says that the client is enqueued once its request may be sent: it needs no retry of its own.
	Queued bool
	// Login says that a login at the browser may end the failure.
	Login bool
	// Application says that the server refuses the client application, for all of its requests with the same flow.
	Application bool
	// Message says what failed and what to change.
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// New returns a classified failure with a formatted message, in which text of others is made plain.
func New(class Class, reason, format string, args ...any) *Error {
	return &Error{Class: class, Reason: reason, Message: plain.Line(fmt.Sprintf(format, args...))}
}

// Of returns the classified failure in an error's chain, or nil if there is none.
func Of(err error) *Error {
	if f, ok := errors.AsType[*Error](err); ok {
		return f
	}
	return nil
}

// Bounds of the waits between attempts.
const (
	// Floor is the shortest wait after a failure: near expiry, attempts are no tighter than this.
	Floor = 2 * time.Second
	// ceilingExpired bounds the wait while there is no usable token, and what is added then to one that the server asked
	// for, so that recovery follows soon after the provider's.
	ceilingExpired = time.Minute
	// ceilingValid bounds the wait while there is one, however long it still lives.
	ceilingValid = 10 * time.Minute
	// rejectedWait is the wait after a rejection; cert-manager, which bothers a CA and locks no account, waits an hour.
	rejectedWait = 30 * time.Minute
	// rejectedFloor is the shortest wait after a rejection while a token that is still valid runs out, before the spread
	// is taken off.
	rejectedFloor = 5 * time.Minute
	// retryAfterCeiling bounds what a server may ask for.
	retryAfterCeiling = time.Hour
	// triesPerLife is into how many waits the time to a token's expiry is divided: each is at most a tenth of what is left
	// then, so that they become denser as the expiry draws near. Past it they become as sparse again: a tenth of the time
	// since, so that a recovery is noticed within a tenth of what it took.
	triesPerLife = 10
	// triesAfter is into how many parts the life is divided that is left once a server that asked for a wait may be
	// asked again. One of them at most is waited longer, the rest is for what may go wrong then.
	triesAfter = 3
)

// Attempt is a failed attempt to issue a token.
type Attempt struct {
	// Failures counts consecutive failures, this one included.
	Failures int32
	// Time of the attempt.
	Time time.Time
	// Expiration of the token that is in the target, past if it has expired; zero if there is none.
	Expiration time.Time
	// Spread in [0, 1) is fixed per object. It takes up to a tenth off a wait of ours and adds up to a tenth to one that
	// the server asked for, so that objects that failed together do not retry together. What is added does not make a
	// token expire that otherwise would not.
	Spread float64
}

// RetryTime says when to try again after a failed attempt. It returns false for failures that only a change in the
// cluster ends.
func (e *Error) RetryTime(a Attempt) (time.Time, bool) {
	left := a.Expiration.Sub(a.Time)
	var wait time.Duration
	switch e.Class {
	case Waiting, Terminal, Paused:
		return time.Time{}, false
	case Rejected:
		wait = rejected(left)
	case Busy:
		wait = Floor
	case Retryable:
		wait = backoff(a.Failures, e.ceiling(left))
	}
	asked := min(e.RetryAfter, retryAfterCeiling)
	wait = max(Floor, wait-a.share(wait/10), asked+a.share(spare(asked, left)))
	return a.Time.Add(wait), true
}

func (a Attempt) share(most time.Duration) time.Duration {
	return time.Duration(a.Spread * float64(most))
}

// spare is how much longer than asked a client may wait whose token has some time left.
func spare(asked, left time.Duration) time.Duration {
	if left <= asked {
		return min(asked/10, ceilingExpired)
	}
	return min(asked/10, (left-asked)/triesAfter)
}

// ceiling is the longest wait after a Retryable failure.
func (e *Error) ceiling(left time.Duration) time.Duration {
	if e.RetryWithin > 0 {
		return e.RetryWithin
	}
	most := ceilingValid
	if left <= 0 {
		most = ceilingExpired
	}
	return min(max(left.Abs()/triesPerLife, Floor), most)
}

// backoff doubles from the floor to the ceiling.
func backoff(failures int32, ceiling time.Duration) time.Duration {
	wait := Floor
	for i := int32(1); i < failures && wait < ceiling; i++ {
		wait *= 2
	}
	return min(wait, ceiling)
}

func rejected(left time.Duration) time.Duration {
	if left <= 0 {
		return rejectedWait
	}
	return min(max(left/4, rejectedFloor), rejectedWait)
}
