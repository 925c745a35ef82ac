package target

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// observed observes the target of a client that the cache has in its latest version, and remembers nothing of it.
func observed(t *testing.T, s *fakeSecrets, ec *egainv1alpha1.EgainClient, clients ...egainv1alpha1.EgainClient) (Observation, error) {
	t.Helper()
	if is := s.stored[ec.TargetName()]; is != nil {
		return Observe(t.Context(), s, fakeClients(clients), ec, is.ObjectMeta.DeepCopy(), Known{})
	}
	return Observe(t.Context(), s, fakeClients(clients), ec, nil, Known{})
}

func TestTarget_ObserveFindsWhatIsToBeDone(t *testing.T) {
	t.Parallel()
	type want struct{ token, damaged, drifted, replace, known bool }
	for name, tc := range map[string]struct {
		is   func(*corev1.Secret)
		asks func(*egainv1alpha1.EgainClient)
		want want
	}{
		"nothing":                  {want: want{token: true, known: true}},
		"a rewrite":                {is: func(s *corev1.Secret) { s.OwnerReferences = nil }, want: want{token: true, drifted: true}},
		"a rewrite for the spec":   {asks: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.DeletionPolicy = "Retain" }, want: want{token: true, drifted: true}},
		"a new token":              {is: func(s *corev1.Secret) { loses(s, "access_token") }, want: want{damaged: true}},
		"a replacement":            {is: func(s *corev1.Secret) { s.Immutable = new(true) }, want: want{token: true, drifted: true, replace: true}},
		"a replacement, mutable":   {is: func(s *corev1.Secret) { s.Immutable = new(false) }, want: want{token: true, known: true}},
		"another type":             {asks: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Type = "example.com/token" }, want: want{token: true, drifted: true, replace: true}},
		"a new token in a new one": {is: func(s *corev1.Secret) { loses(s, "access_token"); s.Immutable = new(true) }, want: want{damaged: true, replace: true}},
		"a token":                  {is: func(s *corev1.Secret) { s.ManagedFields = nil }, want: want{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := rendered(t, client(nil), token())
			if tc.is != nil {
				tc.is(secret)
			}
			ec := client(nil)
			if tc.asks != nil {
				tc.asks(ec)
			}
			s := secretsWith(t, secret)
			seen, err := observed(t, s, ec)
			if err != nil {
				t.Fatal(err)
			}
			got := want{seen.Token != nil, seen.Damaged, seen.Drifted, seen.Replace, seen.Known != Known{}}
			if got != tc.want || (seen.Content != nil) != tc.want.token || seen.Meta == nil {
				t.Errorf("got %+v, content %t, want %+v", got, seen.Content != nil, tc.want)
			}
			if diff := cmp.Diff([]string{callGet}, s.calls); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTarget_ObserveReadsOnlyAVersionThatIsNotKnown(t *testing.T) {
	t.Parallel()
	s := secretsWith(t, rendered(t, client(nil), token()))
	ec := client(nil)
	first, err := observed(t, s, ec)
	if err != nil {
		t.Fatal(err)
	}
	s.calls = nil
	again, err := Observe(t.Context(), s, fakeClients{}, ec, first.Meta, first.Known)
	if err != nil || len(s.calls) != 0 {
		t.Errorf("called %q, %v", s.calls, err)
	}
	want := first
	want.Content = nil // what is remembered has no access token
	if diff := cmp.Diff(want, again, cmpopts.EquateComparable(Version{})); diff != "" {
		t.Error(diff)
	}

	for name, change := range map[string]func(){
		"another version of the Secret": func() { s.put(s.stored["sync"]) },
		"another spec":                  func() { ec.Generation++ },
	} {
		change()
		s.calls = nil
		seen, err := Observe(t.Context(), s, fakeClients{}, ec, s.stored["sync"].ObjectMeta.DeepCopy(), first.Known)
		if err != nil || len(s.calls) != 1 || seen.Content == nil || seen.Known.Version == first.Known.Version {
			t.Errorf("%s: called %q, content %t, %v", name, s.calls, seen.Content != nil, err)
		}
	}
}

func TestTarget_ObserveAsksTheAPIServerForATargetThatTheCacheHasLost(t *testing.T) {
	t.Parallel()
	ec := client(nil)
	known := Known{Version: Version{generation: 1, secret: 1}, Token: &token().Token}
	s := secretsWith(t)
	gone, err := Observe(t.Context(), s, fakeClients{}, ec, nil, known)
	if err != nil || len(s.calls) != 1 || gone.Meta != nil || gone.Token != nil || gone.Known != (Known{}) {
		t.Errorf("called %q, %+v, %v", s.calls, gone, err)
	}
	s = secretsWith(t, rendered(t, ec, token()))
	there, err := Observe(t.Context(), s, fakeClients{}, ec, nil, known)
	if err != nil || there.Token == nil {
		t.Errorf("%+v, %v", there, err)
	}
	s = secretsWith(t)
	none, err := observed(t, s, ec)
	if err != nil || len(s.calls) != 0 || none.Meta != nil {
		t.Errorf("one that was never known: called %q, %+v, %v", s.calls, none, err)
	}
}

func TestTarget_ObserveKeepsWhatIsKnownWhenTheAPIServerFails(t *testing.T) {
	t.Parallel()
	known := Known{Version: Version{generation: 1, secret: 1}, Token: &token().Token}
	s := secretsWith(t)
	s.fails[callGet] = errors.New("no answer")
	seen, err := Observe(t.Context(), s, fakeClients{}, client(nil), nil, known)
	if seen.Known != known || err == nil || err.Error() != `reading Secret "sync": no answer` {
		t.Errorf("%+v, %v", seen.Known, err)
	}
}

func TestTarget_ObserveReportsATemplateBeforeATokenIsRequested(t *testing.T) {
	t.Parallel()
	ec := client(map[string]egainv1alpha1.Template{"a": "{{"})
	empty := rendered(t, client(nil), token())
	empty.ManagedFields = nil
	for name, s := range map[string]*fakeSecrets{
		"without a target":         secretsWith(t),
		"with a target without it": secretsWith(t, empty),
		"with a whole target":      secretsWith(t, rendered(t, client(nil), token())),
	} {
		_, err := observed(t, s, ec)
		if f := fault.Of(err); f == nil || !strings.Contains(f.Message, `["a"] does not parse`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
