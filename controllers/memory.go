package controllers

import (
	"hash/maphash"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// memory is what the operator remembers of single objects between reconciles. Losing it, as at a restart, costs a read
// per object and nothing else. Entries are values, replaced whole; reconciles of one object never overlap.
type memory struct {
	objects sync.Map // types.NamespacedName to recollection
	written sync.Map // types.NamespacedName to *written
	// successors are the refresh tokens that are not written yet, by session Secret, not by EgainClient: whichever client uses the
	// session next would use the void one. Losing them loses sessions.
	successors sync.Map // types.NamespacedName to heldSuccessor
	// paces outlast objects by a minute.
	paces sync.Map // types.NamespacedName to pace
}

// heldSuccessor is a refresh token that is not written yet.
type heldSuccessor struct {
	session.Successor
	// client is the EgainClient that requested it, which goes on writing it when its spec names another session.
	client types.NamespacedName
}

// written is a status that was written over the version of the object that is in over, kept until the cache has another one: the
// change of the target often comes sooner than the status after it.
type written struct {
	over   string
	status egainv1alpha1.EgainClientStatus
}

// recollection is what is remembered of one object.
type recollection struct {
	// object is a digest of the object's UID; another one of the same name starts afresh.
	object uint64
	// known is the state of the target that was last found, or made, as the spec asks for; zero if there is no target.
	known target.Known
	// held is a token that was issued and could not be written yet, with the endpoints that it came from.
	held      *target.Token
	endpoints *oauth.Endpoints
	// digest of the credentials that the last token was issued with, zero if unknown.
	digest uint64
	// lent is a digest of the version of the application's credentials that the last token was issued with, and triedLent of those
	// that the last request was sent with; zero if unknown.
	lent, triedLent uint64
	// tried is where the last attempt was going, so that the next one need not read its ingredients to find out that the
	// endpoint still fails.
	tried attempt
	// skippedIn is the version of the CA bundle of which the skipped certificates were reported.
	skippedIn string
	// unserved are the errors that the API server answered with until now, nil as a rule.
	unserved *unserved
	// unwritten is the status that could not be written, nil as a rule. What came of an attempt must not be forgotten for
	// that: a failure would be repeated too early.
	unwritten *egainv1alpha1.EgainClientStatus
	// revoked is set once the outcome of the revocation was reported, since a deletion can be reconciled again: after a conflict,
	// or from a cache that still has the object.
	revoked bool
}

// issuedWith remembers what the token in the target is issued with.
func (r *recollection) issuedWith(m request.Material) {
	r.digest, r.lent = m.Digest(), lentDigest(m.Sources.LentVersion())
}

// attempt is one to issue a token, as far as it got.
type attempt struct {
	// with is a digest of what the attempt was made with and of the CA bundle; another one may go elsewhere.
	with     uint64
	endpoint egress.Endpoint
}

func (m *memory) recall(ec *egainv1alpha1.EgainClient) recollection {
	object := digest(string(ec.UID), "")
	if found, ok := m.objects.Load(key(ec)); ok && found.(recollection).object == object {
		return found.(recollection)
	}
	return recollection{object: object}
}

// write notes a status that is about to be written over the version of the object that the cache has. That comes before the
// write, since the cache may have caught up before the API server's answer is here.
func (m *memory) write(ec *egainv1alpha1.EgainClient, status *egainv1alpha1.EgainClientStatus) {
	m.written.Store(key(ec), &written{ec.ResourceVersion, *status})
}

// lastWritten is the status of an object that the cache does not have yet; nil if it has it.
func (m *memory) lastWritten(name types.NamespacedName) *written {
	if last, ok := m.written.Load(name); ok {
		return last.(*written)
	}
	return nil
}

// catchUp brings the status of an object from the cache up to what was last written, if the cache had not got so far. What was
// last written is asked for before the cache: an event in between has it forgotten.
func (m *memory) catchUp(ec *egainv1alpha1.EgainClient, last *written) {
	switch {
	case last == nil:
	case last.in(ec):
		m.written.CompareAndDelete(key(ec), last)
	default:
		last.status.DeepCopyInto(&ec.Status)
	}
}

// caughtUp forgets the last status of an object that was written if the cache, which has the object, has it.
func (m *memory) caughtUp(ec *egainv1alpha1.EgainClient) {
	if last := m.lastWritten(key(ec)); last != nil && last.in(ec) {
		m.written.CompareAndDelete(key(ec), last)
	}
}

// statusSeen passes all, and has statuses forgotten that the cache has come to have.
func (m *memory) statusSeen() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		m.caughtUp(e.ObjectNew.(*egainv1alpha1.EgainClient))
		return true
	}}
}

// in reports whether a version of the object is a later one than the status was written over.
func (w *written) in(ec *egainv1alpha1.EgainClient) bool {
	order, err := resourceversion.CompareResourceVersion(ec.ResourceVersion, w.over)
	return err != nil || order > 0
}

// unwrite forgets a status that could not be written.
func (m *memory) unwrite(ec *egainv1alpha1.EgainClient) { m.written.Delete(key(ec)) }

// update changes what is remembered of an object.
func (m *memory) update(ec *egainv1alpha1.EgainClient, change func(*recollection)) {
	r := m.recall(ec)
	change(&r)
	m.objects.Store(key(ec), r)
}

// hold keeps a refresh token until it is released.
func (m *memory) hold(ec *egainv1alpha1.EgainClient, s session.Successor) {
	m.successors.Store(s.Name(), heldSuccessor{s, key(ec)})
}

// release forgets the refresh token that is held for a session Secret.
func (m *memory) release(secret types.NamespacedName) { m.successors.Delete(secret) }

// held is the refresh token that is held for a session Secret.
func (m *memory) held(secret types.NamespacedName) (session.Successor, bool) {
	found, ok := m.successors.Load(secret)
	if !ok {
		return session.Successor{}, false
	}
	return found.(heldSuccessor).Successor, true
}

// heldFor are the refresh tokens that are held for a session Secret, or that an EgainClient requested. Few are held at a time.
func (m *memory) heldFor(client, secret types.NamespacedName) []session.Successor {
	var all []session.Successor
	m.successors.Range(func(name, value any) bool {
		if s := value.(heldSuccessor); name == secret || s.client == client {
			all = append(all, s.Successor)
		}
		return true
	})
	return all
}

func (m *memory) forget(name types.NamespacedName) {
	m.objects.Delete(name)
	m.written.Delete(name)
	m.dropRecent(name)
}

func key(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: ec.Name}
}

// digestSeed makes digests useless outside this process.
var digestSeed = maphash.MakeSeed()

// digest stands for two texts where only a change counts.
func digest(a, b string) uint64 { return maphash.Comparable(digestSeed, [2]string{a, b}) }

// status is the last one of an object, written or not.
func (r *recollection) status(ec *egainv1alpha1.EgainClient) egainv1alpha1.EgainClientStatus {
	if r.unwritten != nil {
		return *r.unwritten.DeepCopy()
	}
	return ec.Status
}
