package target

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// immutable are Secrets of which the target has to be replaced.
func immutable(t *testing.T) *fakeSecrets {
	t.Helper()
	secret := rendered(t, client(nil), token())
	secret.Immutable = new(true)
	return secretsWith(t, secret)
}

func TestTarget_ReplacesInFourSteps(t *testing.T) {
	t.Parallel()
	s := immutable(t)
	former := s.stored["sync"].UID
	plan := planned(t, s, client(nil), renewed())
	if !plan.Replaces() {
		t.Fatal("an immutable Secret stays")
	}
	if err := errors.Join(plan.Rehearse(t.Context(), s), plan.Delete(t.Context(), s)); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{callRehearse, callDelete, callGet, callApply}, s.calls); diff != "" {
		t.Error(diff)
	}
	if is := s.stored["sync"]; is.UID == former || is.Immutable != nil || string(is.Data[KeyAccessToken]) != "another-token" {
		t.Errorf("stored %+v", is)
	}
}

func TestTarget_RehearseFailsOnlyWhereTheReplacementIsInvalid(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"invalid":            {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "sync", nil), true},
		"a quota, now":       {apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "sync", errors.New("exceeded quota")), false},
		"no answer":          {errors.New("no answer"), false},
		"nothing against it": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := immutable(t)
			plan := planned(t, s, client(nil), renewed())
			s.fails[callRehearse] = tc.err
			if err := plan.Rehearse(t.Context(), s); (err != nil) != tc.want || s.stored["sync"] == nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTarget_DeleteTakesOnlyWhatWasObserved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		meanwhile func(*fakeSecrets)
		want      bool
	}{
		"unchanged":            {func(*fakeSecrets) {}, false},
		"gone":                 {func(s *fakeSecrets) { delete(s.stored, "sync") }, false},
		"changed":              {func(s *fakeSecrets) { s.put(s.stored["sync"]) }, true},
		"created by a person":  {func(s *fakeSecrets) { s.put(&corev1.Secret{ObjectMeta: named("sync", "", 0).ObjectMeta}) }, true},
		"an API server's down": {func(s *fakeSecrets) { s.fails[callDelete] = errors.New("no answer") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := immutable(t)
			plan := planned(t, s, client(nil), renewed())
			tc.meanwhile(s)
			err := plan.Delete(t.Context(), s)
			if (err != nil) != tc.want || (s.stored["sync"] != nil) != tc.want {
				t.Fatalf("got %v, stored %t", err, s.stored["sync"] != nil)
			}
			if tc.want && !strings.HasPrefix(err.Error(), `replacing Secret "sync": `) {
				t.Errorf("got %v", err)
			}
		})
	}
}
