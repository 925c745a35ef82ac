package session

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// writtenBefore makes a session one that an earlier version wrote, which may be a target too.
func writtenBefore(f *fakeSecrets, expiration string, more map[string][]byte) {
	f.apply(corev1ac.Secret(name.Name, name.Namespace).WithAnnotations(map[string]string{AnnotationExpirationTime: expiration}).
		WithData(map[string][]byte{KeyRefreshToken: []byte("first")}).WithData(more), formerManager)
	f.apply(corev1ac.Secret(name.Name, name.Namespace).WithAnnotations(map[string]string{AnnotationID: "a-login"}), "egain-cli")
	f.calls = nil
}

// expectTakenOver checks that only Manager owns the session, and that the former manager removes nothing but its own.
func expectTakenOver(t *testing.T, f *fakeSecrets, token string, more map[string][]byte) {
	t.Helper()
	if got := f.owned(Manager); !slices.Equal(got, []string{KeyRefreshToken, AnnotationExpirationTime}) {
		t.Errorf("the manager of sessions owns %q", got)
	}
	if got := f.owned(formerManager); len(got) != len(more) {
		t.Errorf("the former manager owns %q", got)
	}
	if got := f.live().Annotations[AnnotationID]; got != "a-login" {
		t.Errorf("the login is %q", got)
	}
	f.apply(corev1ac.Secret(name.Name, name.Namespace), formerManager)
	if data := f.live().Data; f.token() != token || len(data) != 1 {
		t.Errorf("after an apply of nothing: %q", data)
	}
}

func TestSession_TheFieldsOfAnEarlierVersionAreTakenOver(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]map[string][]byte{"a session": nil, "also a target": {"access_token": []byte("x")}} {
		for expiry, expiration := range map[string]string{"that expires": "2027-01-01T00:00:00Z", "without an expiry": ""} {
			t.Run(name+" "+expiry+", by a refresh", func(t *testing.T) {
				t.Parallel()
				f := secretsOf(t, "login")
				writtenBefore(f, expiration, more)
				s := successorOf(f)
				s.Content.ExpirationTime = Expiration(f.live(), expires) // the same again, which both managers own after the write
				written, superseded, err := Write(t.Context(), f, s)
				if err != nil || superseded || written.Version != Version(f.live()) {
					t.Fatalf("got %v, superseded %t, %v", written, superseded, err)
				}
				expectTakenOver(t, f, "second", more)
			})
			t.Run(name+" "+expiry+", before a refresh", func(t *testing.T) {
				t.Parallel()
				f := secretsOf(t, "login")
				writtenBefore(f, expiration, more)
				for range 2 {
					if err := TakeOver(t.Context(), f, f.name()); err != nil {
						t.Fatal(err)
					}
				}
				if want := 2; f.applies() != want {
					t.Errorf("calls %q, want %d applies", f.calls, want)
				}
				expectTakenOver(t, f, "first", more)
			})
		}
	}
}

func (f *fakeSecrets) name() types.NamespacedName { return name }

func (f *fakeSecrets) applies() int {
	return len(slices.DeleteFunc(slices.Clone(f.calls), func(call string) bool { return call == "get" }))
}

func TestSession_ATakeoverThatIsInterruptedLosesNothing(t *testing.T) {
	t.Parallel()
	down := apierrors.NewInternalError(errors.New("no leader"))
	for name, fails := range map[string]func(*fakeSecrets, string) error{
		"before the first apply": func(_ *fakeSecrets, call string) error {
			return map[string]error{Manager: down}[call]
		},
		"between the two": func(_ *fakeSecrets, call string) error {
			return map[string]error{formerManager: down}[call]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := secretsOf(t, "login")
			writtenBefore(f, "", nil)
			f.before = func(call string) error { return fails(f, call) }
			if err := TakeOver(t.Context(), f, f.name()); !apierrors.IsInternalError(err) {
				t.Fatalf("got %v", err)
			}
			if f.token() != "first" {
				t.Fatal("the refresh token is lost")
			}
			f.before = func(string) error { return nil }
			if err := TakeOver(t.Context(), f, f.name()); err != nil {
				t.Fatal(err)
			}
			expectTakenOver(t, f, "first", nil)
		})
	}
}

func TestSession_ATakeoverDoesNotUndoAChangeInBetween(t *testing.T) {
	t.Parallel()
	for _, at := range []string{Manager, formerManager} {
		t.Run("before the apply of "+at, func(t *testing.T) {
			t.Parallel()
			f := secretsOf(t, "login")
			writtenBefore(f, "", nil)
			done := false
			f.before = func(call string) error {
				if call == at && !done {
					done = true
					f.logIn("another")
				}
				return nil
			}
			if err := TakeOver(t.Context(), f, f.name()); err != nil {
				t.Fatal(err)
			}
			f.apply(corev1ac.Secret(name.Name, name.Namespace), formerManager)
			if f.token() != "another" || len(f.owned(formerManager)) > 0 {
				t.Errorf("the refresh token is %q, the former manager owns %q", f.token(), f.owned(formerManager))
			}
		})
	}
}

func TestSession_WhatIsNoneOfAnEarlierVersionStaysAsItIs(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*fakeSecrets){
		"a login":     func(*fakeSecrets) {},
		"none at all": func(f *fakeSecrets) { f.gone = true },
		"a target": func(f *fakeSecrets) {
			f.apply(corev1ac.Secret(name.Name, name.Namespace).WithData(map[string][]byte{"access_token": []byte("x")}), formerManager)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := secretsOf(t, "first")
			prepare(f)
			before := f.version
			if err := TakeOver(t.Context(), f, f.name()); err != nil || f.version != before {
				t.Errorf("version %d after %d, %v", f.version, before, err)
			}
		})
	}
	if managedByFormer(&corev1.Secret{}) {
		t.Error("a Secret without managers is managed")
	}
}
