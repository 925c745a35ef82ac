package controllers

import (
	"hash/maphash"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// memory is what the operator remembers of single objects between reconciles. Losing it, as at a restart, costs a read
// per object and nothing else. Entries are values, replaced whole; reconciles of one object never overlap.
type memory struct {
	objects sync.Map // types.NamespacedName to recollection
}

// recollection is what is remembered of one object.
type recollection struct {
	// uid of the object; another one of the same name starts afresh.
	uid types.UID
	// verified is the state of object and target that was last found, or made, in order; zero if there is no target.
	verified version
	// token is what the target said of its token then.
	token *rotation.Token
	// held is a token that was issued and could not be written yet, with the endpoints that it came from.
	held      *kubesecret.Token
	endpoints *oauth.Endpoints
	// successor is a refresh token that could not be written yet.
	successor *successor
	// digest of the credentials that the last token was issued with, zero if unknown.
	digest uint64
	// tried is where the last attempt was going, so that the next one need not read its ingredients to find out that the
	// endpoint still fails.
	tried attempt
	// unserved are the errors that the API server answered with until now.
	unserved unserved
	// unwritten is the status that could not be written, nil as a rule. What came of an attempt must not be forgotten for
	// that: a failure would be repeated too early.
	unwritten *egainv1alpha1.EgainClientStatus
	// written is the status that was last written, over the version of the object that is in over. As long as the cache has
	// that version, the status in it is an old one: the target's own change often comes sooner than the status after it.
	written *egainv1alpha1.EgainClientStatus
	over    string
}

// attempt is one to issue a token, as far as it got.
type attempt struct {
	// inputs and trust of the attempt; another one may go elsewhere.
	inputs, trust string
	endpoint      egress.Endpoint
}

// version identifies a target and the spec it was compared with.
type version struct {
	generation      int64
	targetUID       types.UID
	resourceVersion string
}

func (m *memory) recall(ec *egainv1alpha1.EgainClient) recollection {
	if found, ok := m.objects.Load(key(ec)); ok && found.(recollection).uid == ec.UID {
		return found.(recollection)
	}
	return recollection{uid: ec.UID}
}

// catchUp brings the status of an object up to what was last written, if the cache has not got so far.
func (m *memory) catchUp(ec *egainv1alpha1.EgainClient) {
	r := m.recall(ec)
	switch {
	case r.written == nil:
	case r.over == ec.ResourceVersion:
		ec.Status = *r.written.DeepCopy()
	default:
		r.written, r.over = nil, ""
		m.remember(ec, r)
	}
}

func (m *memory) remember(ec *egainv1alpha1.EgainClient, r recollection) { m.objects.Store(key(ec), r) }

func (m *memory) forget(name types.NamespacedName) { m.objects.Delete(name) }

func key(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: ec.Name}
}

// digestSeed makes digests useless outside this process.
var digestSeed = maphash.MakeSeed()

// digest tells credentials that changed from credentials whose Secret was only labelled.
func digest(parts ...string) uint64 {
	return maphash.Comparable(digestSeed, [3]string(append(parts, "", "", "")[:3]))
}

// status is the last one of an object, written or not.
func (r *recollection) status(ec *egainv1alpha1.EgainClient) egainv1alpha1.EgainClientStatus {
	if r.unwritten != nil {
		return *r.unwritten.DeepCopy()
	}
	return ec.Status
}
