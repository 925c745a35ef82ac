package session

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/retry"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/refusal"
)

// Secrets is what this package needs of the API server.
type Secrets interface {
	// Get reads a Secret, not from a cache.
	Get(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error)
	// Apply applies a Secret, and returns its metadata as the API server has them then.
	Apply(ctx context.Context, desired *corev1ac.SecretApplyConfiguration, options metav1.ApplyOptions) (*metav1.ObjectMeta, error)
}

// Successor is a refresh token that the server issued in place of another, which is void since. Until it is written, the
// process is the only place that has it.
type Successor struct {
	// Secret is the session Secret as it was when its refresh token was used.
	Secret metav1.ObjectMeta
	// Used is the refresh token that was used.
	Used oauth.Secret
	// Content is what the Secret is to contain.
	Content Content
}

// Name of the session Secret.
func (s Successor) Name() types.NamespacedName {
	return types.NamespacedName{Namespace: s.Secret.Namespace, Name: s.Secret.Name}
}

// Written is a session Secret after a successor was written.
type Written struct {
	// Version as Version returns it.
	Version string
	// Expiration of the refresh token; zero if unknown.
	Expiration time.Time
}

// RetryWithin is the longest wait between two attempts to write a successor: a restart in between loses the session.
const RetryWithin = 30 * time.Second

// backoff retries an API server that fails for a moment, since the process might end before the next reconcile: for 3 seconds.
var backoff = wait.Backoff{Steps: 6, Duration: 100 * time.Millisecond, Factor: 2}

// Write writes a successor to the version of the Secret whose refresh token was used. If the Secret has another version by
// now it is read: after another login, or a logout, the successor serves no more and is reported as superseded. An error is a
// *fault.Error if the API server does not accept the Secret, else one of the API server.
func Write(ctx context.Context, secrets Secrets, s Successor) (w Written, superseded bool, err error) {
	err = retry.OnError(backoff, func(err error) bool { return ctx.Err() == nil && !rejects(err) }, func() error {
		var errApply error
		if w, errApply = apply(ctx, secrets, s); errApply == nil {
			return nil
		}
		if s.Secret, superseded = current(ctx, secrets, s); superseded {
			return nil
		}
		return errApply
	})
	switch {
	case err == nil && !superseded && managedByFormer(&s.Secret):
		// The refresh token is written. What fails here is tried again with the next one, and meanwhile costs nothing.
		w.Version = cmp.Or(takenOver(ctx, secrets, s.Name()), w.Version)
		return w, superseded, nil
	case err == nil:
		return w, superseded, nil
	case rejects(err):
		return Written{}, false, rejected(s, err)
	default:
		return Written{}, false, fmt.Errorf("writing the refresh token to Secret %q: %w", s.Secret.Name, err)
	}
}

// rejects reports whether the API server does not accept a Secret. Nothing says when it will: a policy or a quota may change.
func rejects(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err) ||
		(apierrors.IsInvalid(err) && !refusal.AnotherObject(err))
}

func rejected(s Successor, err error) error {
	f := fault.New(fault.Retryable, egainv1alpha1.ReasonSessionRejected,
		"the API server does not accept Secret %q: %s; the new refresh token is only in memory until it is written: let the operator write that Secret",
		s.Secret.Name, refusal.Text(err))
	f.RetryWithin = RetryWithin
	return f
}

func apply(ctx context.Context, secrets Secrets, s Successor) (Written, error) {
	desired := Render(&s.Secret, s.Content).WithResourceVersion(s.Secret.ResourceVersion)
	meta, err := secrets.Apply(ctx, desired, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	if err == nil {
		return Written{Version: Version(meta), Expiration: s.Content.ExpirationTime}, nil
	}
	return Written{}, refusal.Unquoted(err, map[string][]byte{KeyRefreshToken: []byte(s.Content.RefreshToken), used: []byte(s.Used)}, KeyRefreshToken, used)
}

// used stands for the refresh token that was used where the API server's text is searched for it.
const used = "used"

// current reads the session Secret after a write of it failed, for whatever reason, and reports whether a login or a logout
// came in between. If it cannot be read, nothing is known but what was.
func current(ctx context.Context, secrets Secrets, s Successor) (secret metav1.ObjectMeta, superseded bool) {
	found, err := secrets.Get(ctx, s.Name())
	switch {
	case apierrors.IsNotFound(err):
		return s.Secret, true
	case err != nil:
		return s.Secret, false
	}
	token, _ := refreshToken(found)
	return found.ObjectMeta, token != s.Used
}
