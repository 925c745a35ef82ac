// Package journal keeps what must not be lost between two reconciles of an EgainClient until it is written: a token that was issued,
// a refresh token, a status. It also keeps what a reconcile would otherwise read or decide again. Losing it, as at a restart, costs a
// read per object; losing a refresh token costs a login.
package journal

import (
	"hash/maphash"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
)

// Entry is what is kept of one EgainClient. It is a value: a reconcile loads it, passes it on, and stores it. Reconciles of one
// object never overlap.
type Entry struct {
	// object is a digest of the UID; another object of the same name starts with the history only.
	object uint64
	// Known is the state of the target that was last found, or made, as the spec asks for; zero if there is no target.
	Known target.Known
	// Held is a token that was issued and is not written yet.
	Held *Issued
	// Digest is that of the credentials that the last token was issued with; zero if unknown.
	Digest uint64
	// Lent is a digest of the version of the application's credentials that the last token was issued with, TriedLent of that which the
	// last request was sent with; zero if unknown.
	Lent, TriedLent uint64
	// SkippedIn is the version of the CA bundle of which the skipped certificates were reported.
	SkippedIn string
	// Errors are those that the API server answered with since the last reconcile without one; usually nil.
	Errors *status.APIErrors
	// Unwritten is the status that could not be written; usually nil. A failure that is forgotten would be retried too early.
	Unwritten *egainv1alpha1.EgainClientStatus
	// Revoked is set once the outcome of the revocation was reported, since a deletion can be reconciled again: after a conflict,
	// or from a cache that still has the object.
	Revoked bool
	// past is the history of the token requests for the name, nil a minute after the last of them. It outlasts the object: deleting
	// and creating one is no reason to send more.
	past *rotation.History
	// Recent is the last token, kept for a few seconds in case another writer removes it; nil once it is dropped.
	Recent *Recent
}

// Issued is a token with the endpoints that it came from.
type Issued struct {
	Token     *target.Token
	Endpoints *oauth.Endpoints
}

// Recent is a token that was written.
type Recent struct {
	rotation.Recent
	Whole *target.Token
}

// Status is the last one of an object, written or not.
func (e Entry) Status(ec *egainv1alpha1.EgainClient) egainv1alpha1.EgainClientStatus {
	if e.Unwritten != nil {
		return *e.Unwritten.DeepCopy()
	}
	return ec.Status
}

// Holding returns the entry with a token that is about to be written. The endpoints of a token that is held already stay known.
func (e Entry) Holding(tok *target.Token) Entry {
	if e.Held == nil || e.Held.Token != tok {
		e.Held = &Issued{Token: tok}
	}
	return e
}

// Keep returns the entry with a token that was written, in case another writer removes it.
func (e Entry) Keep(recent rotation.Recent, tok *target.Token) Entry {
	h := e.History()
	h.Written, e.past, e.Recent = true, &h, &Recent{recent, tok}
	return e
}

// History is what is known of the token requests for the name within the last minute.
func (e Entry) History() rotation.History {
	if e.past == nil {
		return rotation.History{}
	}
	return *e.past
}

// After returns the entry with another history.
func (e Entry) After(h rotation.History) Entry {
	e.past = &h
	return e
}

// Wrote returns the entry after the target was written.
func (e Entry) Wrote(known target.Known) Entry {
	e.Held, e.Known = nil, known
	return e
}

// Journal keeps entries by name. The zero value is empty, and safe for concurrent use.
type Journal struct {
	entries sync.Map // types.NamespacedName to *Entry, which is never written to
}

// Load returns the entry of an object as of a time.
func (j *Journal) Load(ec *egainv1alpha1.EgainClient, now time.Time) Entry {
	object := Digest(string(ec.UID), "")
	found, ok := j.entries.Load(Name(ec))
	if !ok {
		return Entry{object: object}
	}
	e := *found.(*Entry)
	if e.object != object {
		return Entry{object: object, past: e.past}
	}
	return e.at(now)
}

// Store replaces the entry of an object.
func (j *Journal) Store(ec *egainv1alpha1.EgainClient, e Entry) { j.entries.Store(Name(ec), &e) }

// Forget drops all but the history of a name.
func (j *Journal) Forget(name types.NamespacedName) {
	if found, ok := j.entries.Load(name); ok {
		j.entries.Store(name, &Entry{past: found.(*Entry).past})
	}
}

// Sweep drops what no longer counts at a time: recent tokens, and the history of names without an object.
func (j *Journal) Sweep(now time.Time) {
	j.entries.Range(func(name, value any) bool {
		was := value.(*Entry)
		is := was.at(now)
		if is.past != nil && is.Recent == nil && !is.past.Since(now.Add(-rotation.ChangeWindow)) {
			is.past = nil
		}
		switch {
		case is == Entry{}:
			j.entries.CompareAndDelete(name, value)
		case is != *was:
			j.entries.CompareAndSwap(name, value, &is)
		}
		return true
	})
}

// at is the entry at a time.
func (e Entry) at(now time.Time) Entry {
	if e.Recent != nil && !now.Before(e.Recent.Until) {
		e.Recent = nil
	}
	return e
}

// Name is that of an EgainClient.
func Name(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: ec.Name}
}

// seed makes digests useless outside this process.
var seed = maphash.MakeSeed()

// Digest stands for two texts where only a change counts.
func Digest(a, b string) uint64 { return maphash.Comparable(seed, [2]string{a, b}) }
