package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/plain"
	"github.com/egain-operator/egain-operator/internal/revocation"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
)

const (
	// revokeTimeout is how long a deletion waits for the token to be revoked.
	revokeTimeout = time.Minute
	// revokeRetry is the wait between attempts to revoke.
	revokeRetry = 5 * time.Second
)

// Events of a deletion.
const (
	reasonRevoked        = "TokenRevoked"
	reasonRevokingFailed = "TokenNotRevoked"
	actionRevokeToken    = "RevokeToken"
)

// needsFinalizer reports whether deleting the object asks for more than the garbage collector does.
func needsFinalizer(ec *egainv1alpha1.EgainClient) bool {
	spec := ec.Spec.Target
	return ec.RevokesOnDelete() ||
		(spec.CreationPolicy == egainv1alpha1.CreationPolicyMerge && spec.DeletionPolicy != egainv1alpha1.DeletionPolicyRetain)
}

// ensureFinalizer sets the finalizer if the spec asks for it; it is the first write about an object that needs it.
func ensureFinalizer(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient) error {
	before := ec.DeepCopy()
	if !needsFinalizer(ec) || !controllerutil.AddFinalizer(ec, egainv1alpha1.CleanupFinalizer) {
		return nil
	}
	return patchFinalizers(ctx, c, before, ec)
}

// dropFinalizer removes the finalizer if the spec does not ask for it any more. Until the target is as the spec has it,
// there may be keys of ours in a merged Secret.
func dropFinalizer(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient) error {
	before := ec.DeepCopy()
	if needsFinalizer(ec) || !controllerutil.RemoveFinalizer(ec, egainv1alpha1.CleanupFinalizer) {
		return nil
	}
	return patchFinalizers(ctx, c, before, ec)
}

func patchFinalizers(ctx context.Context, c client.Client, before, ec *egainv1alpha1.EgainClient) error {
	if slices.Contains(before.Finalizers, caching.FinalizersLeftOut) {
		return fault.New(fault.Retryable, fault.ReasonAPIServerFailed, "the EgainClient has more than %d KiB of finalizers, so the operator cannot change its own: remove those that are not needed", caching.MaxFinalizers>>10)
	}
	// With the optimistic lock: a merge patch replaces the whole list, and others have finalizers in it.
	if err := c.Patch(ctx, ec, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("changing the finalizers: %w", err)
	}
	return nil
}

// finalize does what a deletion asks for, then lets the object go. Owner references take care of the rest. A refresh token that is
// not written yet is written, whatever becomes of the object.
func (r *EgainClientReconciler) finalize(ctx context.Context, ec *egainv1alpha1.EgainClient, entry journal.Entry, unwritten error) (ctrl.Result, error) {
	entry.Recent = nil
	r.journal.Store(ec, entry)
	if !controllerutil.ContainsFinalizer(ec, egainv1alpha1.CleanupFinalizer) {
		return keepWriting(ctx, ctrl.Result{}, unwritten), nil
	}
	if ec.RevokesOnDelete() && !entry.Revoked {
		if !r.revoke(ctx, ec) {
			return ctrl.Result{RequeueAfter: revokeRetry, Priority: new(priority(ec))}, nil
		}
		entry.Revoked = true
		r.journal.Store(ec, entry)
	}
	if err := release(ctx, r.Client, r.Cache, ec); err != nil {
		return r.report(ctx, ec, entry, status.Outcome{Result: status.Result{Err: err}})
	}
	r.Providers.Gate.Forget(journal.Name(ec).String())
	return keepWriting(ctx, ctrl.Result{}, unwritten), nil
}

// release gives the target up and removes the finalizer.
func release(ctx context.Context, c client.Client, cache client.Reader, ec *egainv1alpha1.EgainClient) error {
	if err := keepSessions(ctx, c, cache, ec, ec.TargetName(), target.FormerName(ec)); err != nil {
		return err
	}
	if err := target.Release(ctx, secrets{c}, ec); err != nil {
		return err
	}
	before := ec.DeepCopy()
	controllerutil.RemoveFinalizer(ec, egainv1alpha1.CleanupFinalizer)
	return client.IgnoreNotFound(patchFinalizers(ctx, c, before, ec))
}

// revoke revokes the tokens of an EgainClient, if there are any and the tenant can. It returns false if it is to be tried again, and
// reports the outcome, and nothing else, by an event.
func (r *EgainClientReconciler) revoke(ctx context.Context, ec *egainv1alpha1.EgainClient) bool {
	revoker := revocation.Revoker{Secrets: secrets{r.Client}, Requests: r.Tokens.Reader, Providers: r.Providers, OAuth: r.Tokens.OAuth, Now: r.Clock.Now}
	held, _ := r.sessions.Held(sessionName(ec))
	tokens, err := revoker.Tokens(ctx, ec, held)
	if err == nil && len(tokens) == 0 {
		return true
	}
	if err == nil {
		err = revokeAt(ctx, revoker, r.Cache, ec, tokens)
	}
	switch {
	case err == nil:
		if slices.Contains(tokens, revocation.Token{Kind: oauth.RefreshToken, Value: held.Content.RefreshToken}) {
			r.sessions.Release(sessionName(ec))
		}
		r.Recorder.Eventf(ec, nil, corev1.EventTypeNormal, reasonRevoked, actionRevokeToken, "the token was revoked")
	case r.Clock.Since(ec.DeletionTimestamp.Time) < revokeTimeout && passing(ctx, r.Cache, ec, err):
		return false
	default:
		r.Metrics.Failed(reasonRevokingFailed)
		r.Recorder.Eventf(ec, nil, corev1.EventTypeWarning, reasonRevokingFailed, actionRevokeToken,
			"%s; the token stays valid until it expires or is revoked at eGain", plain.Line(err.Error()))
	}
	return true
}

// revokeAt revokes tokens at the tenant of an EgainClient, also if the EgainTenant no longer allows the client: at the EgainTenant's own
// endpoint. The credentials of an application serve only the clients that it allows.
func revokeAt(ctx context.Context, revoker revocation.Revoker, cache client.Reader, ec *egainv1alpha1.EgainClient, tokens []revocation.Token) error {
	tenant, err := findTenant(ctx, cache, revoker.Providers.Transport, ec)
	if err != nil && (ec.Application() != "" || tenant.OAuth().Empty()) {
		return err
	}
	return revoker.Revoke(ctx, ec, tenant, tokens)
}

// passing reports whether time may heal a failure. A missing object may be created again, except in a namespace that is being
// deleted.
func passing(ctx context.Context, cache client.Reader, ec *egainv1alpha1.EgainClient, err error) bool {
	f := fault.Of(err)
	switch {
	case f == nil:
		return true
	case f.Class == fault.Waiting:
		return !terminating(ctx, cache, ec.Namespace)
	default:
		return f.Class == fault.Retryable || f.Class == fault.Paused || f.Class == fault.Busy
	}
}

// terminating reports whether a namespace is being deleted.
func terminating(ctx context.Context, cache client.Reader, name string) bool {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(namespaceKind)
	err := cache.Get(ctx, types.NamespacedName{Name: name}, namespace)
	return apierrors.IsNotFound(err) || (err == nil && !namespace.DeletionTimestamp.IsZero())
}
