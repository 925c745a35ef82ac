package journal

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func client(uid types.UID) *egainv1alpha1.EgainClient {
	return &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "sync", UID: uid}}
}

func full() Entry {
	e := Entry{object: Digest("a", ""), Digest: 7}
	e = e.After(rotation.History{}.Requested("with", noon))
	return e.Holding(&target.Token{AccessToken: "held"}).Keep(rotation.Recent{Until: noon.Add(time.Second)}, &target.Token{AccessToken: "recent"})
}

func TestJournal_AnEntryIsThatOfOneObject(t *testing.T) {
	t.Parallel()
	var j Journal
	j.Store(client("a"), full())
	if e := j.Load(client("a"), noon); e.Held == nil || e.Recent == nil || e.Digest != 7 {
		t.Errorf("the object's own entry is %+v", e)
	}
	e := j.Load(client("b"), noon)
	if e.Held != nil || e.Recent != nil || e.Digest != 0 {
		t.Errorf("another object of the same name has %+v", e)
	}
	if e.History().Issued != noon {
		t.Error("another object of the same name does not have the history")
	}
}

func TestJournal_ATokenIsKeptUntilItsTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		after time.Duration
		want  bool
	}{"before": {time.Second - 1, true}, "at it": {time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var j Journal
			j.Store(client("a"), full())
			if got := j.Load(client("a"), noon.Add(tc.after)).Recent != nil; got != tc.want {
				t.Errorf("loaded: %t", got)
			}
			j.Sweep(noon.Add(tc.after))
			if got := j.Load(client("a"), noon).Recent != nil; got != tc.want {
				t.Errorf("kept: %t", got)
			}
		})
	}
}

func TestJournal_ForgetsAllButTheHistoryOfAnObjectThatIsGone(t *testing.T) {
	t.Parallel()
	var j Journal
	j.Store(client("a"), full())
	j.Forget(Name(client("a")))
	if e := j.Load(client("a"), noon); e.Held != nil || e.Recent != nil || e.History().Issued != noon {
		t.Errorf("got %+v", e)
	}
	j.Sweep(noon.Add(rotation.ChangeWindow - 1))
	if j.Load(client("a"), noon).History().Issued != noon {
		t.Error("the history is gone within the window")
	}
	j.Sweep(noon.Add(rotation.ChangeWindow))
	j.entries.Range(func(name, _ any) bool { t.Errorf("an entry is kept of %v", name); return true })
}

func TestJournal_SweepingKeepsWhatIsKnownOfAnObject(t *testing.T) {
	t.Parallel()
	var j Journal
	j.Store(client("a"), full())
	j.Sweep(noon.Add(24 * time.Hour))
	if e := j.Load(client("a"), noon); e.Digest != 7 || e.Held == nil {
		t.Errorf("got %+v", e)
	}
}

func TestJournal_TheStatusThatCouldNotBeWrittenIsNotShared(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{Status: egainv1alpha1.EgainClientStatus{ObservedGeneration: 1}}
	e := Entry{Unwritten: &egainv1alpha1.EgainClientStatus{ObservedGeneration: 2, LastFailure: &egainv1alpha1.FailureStatus{Reason: "a"}}}
	st := e.Status(ec)
	st.LastFailure.Reason = "b"
	if got := e.Unwritten.LastFailure.Reason; got != "a" {
		t.Errorf("the reason is %q", got)
	}
	e.Unwritten = nil
	if got := e.Status(ec).ObservedGeneration; got != 1 {
		t.Errorf("got the status of generation %d", got)
	}
}

func TestStatuses_AStatusIsDroppedOnceTheCacheHasIt(t *testing.T) {
	t.Parallel()
	ec := func(resourceVersion string) *egainv1alpha1.EgainClient {
		ec := client("a")
		ec.ResourceVersion = resourceVersion
		return ec
	}
	for name, tc := range map[string]struct {
		happens func(*Statuses)
		want    bool
	}{
		"nothing since":                           {func(*Statuses) {}, true},
		"an event of the version it was over":     {func(s *Statuses) { s.Seen(ec("9")) }, true},
		"an event of an earlier version":          {func(s *Statuses) { s.Seen(ec("8")) }, true},
		"an event of a later version":             {func(s *Statuses) { s.Seen(ec("10")) }, false},
		"a reconcile of the same version":         {func(s *Statuses) { s.CatchUp(ec("9"), s.Last(Name(ec("9")))) }, true},
		"a reconcile of a later version":          {func(s *Statuses) { s.CatchUp(ec("10"), s.Last(Name(ec("9")))) }, false},
		"gone, or it could not be written at all": {func(s *Statuses) { s.Drop(Name(ec("9"))) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Statuses
			s.Record(ec("9"), &egainv1alpha1.EgainClientStatus{ObservedGeneration: 5})
			tc.happens(&s)
			if got := s.Last(Name(ec("9"))) != nil; got != tc.want {
				t.Errorf("kept: %t", got)
			}
			cached := ec("9")
			if s.CatchUp(cached, s.Last(Name(cached))); (cached.Status.ObservedGeneration == 5) != tc.want {
				t.Errorf("the status has generation %d", cached.Status.ObservedGeneration)
			}
		})
	}
}

func TestStatuses_AStatusThatTheCacheGetsDuringAReconcileIsStillTheLastOne(t *testing.T) {
	t.Parallel()
	var s Statuses
	stale, latest := client("a"), client("a")
	stale.ResourceVersion, latest.ResourceVersion = "9", "10"
	s.Record(stale, &egainv1alpha1.EgainClientStatus{ObservedGeneration: 5})
	last := s.Last(Name(stale))
	s.Seen(latest)
	if s.CatchUp(stale, last); stale.Status.ObservedGeneration != 5 {
		t.Errorf("the status that was read before has generation %d", stale.Status.ObservedGeneration)
	}
}
