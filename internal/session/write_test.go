package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

var expires = time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)

// successorOf is the successor "second" of the refresh token in a fake, which is "first".
func successorOf(f *fakeSecrets) Successor {
	return Successor{Secret: f.live().ObjectMeta, Used: "first", Content: Content{RefreshToken: "second", ExpirationTime: expires}}
}

func secrets(err error) *apierrors.StatusError {
	return apierrors.NewForbidden(corev1.Resource("secrets"), name.Name, err)
}

// once fails the first apply of sessions, after something was done.
func once(err error, meanwhile func()) func(string) error {
	done := false
	return func(call string) error {
		if done || call != Manager {
			return nil
		}
		done = true
		meanwhile()
		return err
	}
}

func TestSession_ASuccessorIsWrittenOverTheTokenThatWasUsed(t *testing.T) {
	t.Parallel()
	nothing := func() {}
	for name, tc := range map[string]struct {
		before     func(*fakeSecrets)
		want       string
		superseded bool
	}{
		"as it is": {func(*fakeSecrets) {}, "second", false},
		"labelled meanwhile": {func(f *fakeSecrets) {
			f.before = once(nil, func() {
				f.apply(corev1ac.Secret(name.Name, name.Namespace).WithLabels(map[string]string{"team": "a"}), "a-person")
			})
		}, "second", false},
		"while the API server failed for a moment": {func(f *fakeSecrets) { f.before = once(apierrors.NewInternalError(errors.New("no leader")), nothing) }, "second", false},
		"another login meanwhile":                  {func(f *fakeSecrets) { f.before = once(nil, func() { f.logIn("login") }) }, "login", true},
		"another login while a policy refuses": {func(f *fakeSecrets) {
			f.before = func(call string) error {
				if call == Manager {
					f.logIn("login")
					return secrets(errors.New("no"))
				}
				return nil
			}
		}, "login", true},
		"a logout meanwhile": {func(f *fakeSecrets) { f.before = once(nil, func() { f.logIn("") }) }, "", true},
		"deleted meanwhile":  {func(f *fakeSecrets) { f.before = once(nil, func() { f.gone = true }) }, "first", true},
		"replaced meanwhile": {func(f *fakeSecrets) {
			f.before = once(nil, func() {
				f.uid = "uid-2"
				f.logIn("login")
			})
		}, "login", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := secretsOf(t, "first")
			s := successorOf(f)
			tc.before(f)
			written, superseded, err := Write(t.Context(), f, s)
			if err != nil || superseded != tc.superseded || f.token() != tc.want {
				t.Fatalf("got %q, superseded %t, %v", f.token(), superseded, err)
			}
			want := Written{Version: Version(f.live()), Expiration: expires}
			if superseded {
				want = Written{}
			}
			if diff := cmp.Diff(want, written); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !superseded && !Expiration(f.live(), expires).Equal(expires) {
				t.Errorf("it expires %s", Expiration(f.live(), expires))
			}
		})
	}
}

func TestSession_WhatKeepsASuccessorFromBeingWritten(t *testing.T) {
	t.Parallel()
	const held = "; the new refresh token is only in memory until it is written: let the operator write that Secret"
	for name, tc := range map[string]struct {
		err  error
		want string
		// rejected says that the API server does not accept the Secret, which ends the attempt at once.
		rejected bool
	}{
		"a policy that forbids it": {secrets(errors.New("quota")), `the API server does not accept Secret "session": secrets "session" is forbidden: quota` + held, true},
		"an invalid Secret":        {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, name.Name, nil), `the API server does not accept Secret "session": Secret "session" is invalid` + held, true},
		"a webhook":                {apierrors.NewBadRequest("denied"), `the API server does not accept Secret "session": denied` + held, true},
		"a webhook that quotes it": {apierrors.NewBadRequest("denied second"), `the API server does not accept Secret "session": (the message quotes the Secret and is not shown)` + held, true},
		"one that quotes the old":  {apierrors.NewBadRequest("denied first"), `the API server does not accept Secret "session": (the message quotes the Secret and is not shown)` + held, true},
		"too large a request":      {apierrors.NewRequestEntityTooLargeError("limit"), `the API server does not accept Secret "session": Request entity too large: limit` + held, true},
		"an API server that fails": {apierrors.NewInternalError(errors.New("no leader")), `writing the refresh token to Secret "session": Internal error occurred: no leader`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := secretsOf(t, "first")
			f.before = func(call string) error {
				if call == Manager {
					return tc.err
				}
				return nil
			}
			ctx := t.Context()
			if !tc.rejected { // or the backoff would take its time
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				cancel()
			}
			_, superseded, err := Write(ctx, f, successorOf(f))
			if err == nil || err.Error() != tc.want || superseded {
				t.Fatalf("got %v, superseded %t", err, superseded)
			}
			if classified := fault.Of(err); tc.rejected != (classified != nil) {
				t.Fatalf("got %#v", err)
			} else if tc.rejected && (classified.Class != fault.Retryable || classified.Reason != egainv1alpha1.ReasonSessionRejected || classified.RetryWithin != RetryWithin) {
				t.Errorf("got %#v", classified)
			}
			if want := []string{Manager, "get"}; tc.rejected && !cmp.Equal(f.calls, want) {
				t.Errorf("calls %q, want %q", f.calls, want)
			}
		})
	}
}

func TestSession_ALongRefusalIsCut(t *testing.T) {
	t.Parallel()
	f := secretsOf(t, "first")
	f.before = func(string) error { return apierrors.NewBadRequest(strings.Repeat("é", 2000)) }
	_, _, err := Write(t.Context(), f, successorOf(f))
	if len(err.Error()) > 1024 || !strings.HasSuffix(err.Error(), "let the operator write that Secret") {
		t.Errorf("%d bytes: %s", len(err.Error()), err)
	}
}
