package journal

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Statuses keeps statuses that the cache does not have yet: an event of the target often comes before the cache has the status that
// was written after it. The zero value is empty, and safe for concurrent use.
type Statuses struct {
	patched sync.Map // types.NamespacedName to *Patched
}

// Patched is the last status that was patched on top of a resourceVersion.
type Patched struct {
	over   string
	status egainv1alpha1.EgainClientStatus
}

// Record notes a status that is about to be patched on top of the version of the object that the cache has. That comes before the
// patch, since the cache may have it before the API server's answer arrives.
func (s *Statuses) Record(ec *egainv1alpha1.EgainClient, status *egainv1alpha1.EgainClientStatus) {
	s.patched.Store(Name(ec), &Patched{ec.ResourceVersion, *status})
}

// Last is the status of an object that the cache does not have yet; nil if it has it. It must be read before the object is read from
// the cache: an event in between drops it.
func (s *Statuses) Last(name types.NamespacedName) *Patched {
	if found, ok := s.patched.Load(name); ok {
		return found.(*Patched)
	}
	return nil
}

// CatchUp brings the status of an object from the cache up to the last one that was patched.
func (s *Statuses) CatchUp(ec *egainv1alpha1.EgainClient, last *Patched) {
	switch {
	case last == nil:
	case last.in(ec):
		s.patched.CompareAndDelete(Name(ec), last)
	default:
		last.status.DeepCopyInto(&ec.Status)
	}
}

// Seen drops the last status of an object that the cache has.
func (s *Statuses) Seen(ec *egainv1alpha1.EgainClient) {
	if last := s.Last(Name(ec)); last != nil && last.in(ec) {
		s.patched.CompareAndDelete(Name(ec), last)
	}
}

// Drop drops the status of an object that is gone, or one that could not be written.
func (s *Statuses) Drop(name types.NamespacedName) { s.patched.Delete(name) }

// in reports whether a version of the object is later than the one that the status was patched on top of.
func (p *Patched) in(ec *egainv1alpha1.EgainClient) bool {
	order, err := resourceversion.CompareResourceVersion(ec.ResourceVersion, p.over)
	return err != nil || order > 0
}
