package controllers

import (
	"cmp"
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// sessionKey names the session Secret of an EgainClient.
func sessionKey(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: request.SessionName(ec)}
}

// writeSessions writes the refresh tokens that are held for an EgainClient, or for its session Secret. Each stays held until it
// is written, or until the Secret proves to be another session's. It returns what was written to the session Secret; nil if
// nothing was.
func (m *memory) writeSessions(ctx context.Context, c client.Client, user, secret types.NamespacedName) (*session.Written, error) {
	var written *session.Written
	var failed error
	for _, s := range m.heldFor(user, secret) {
		w, superseded, err := session.Write(ctx, secrets{c}, s)
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		m.release(s.Name())
		if s.Name() == secret && !superseded {
			written = &w
		}
	}
	return written, failed
}

// keepSession has a session that an earlier version of the operator wrote keep its refresh token when the Secret is released as a
// target.
func keepSession(ctx context.Context, c client.Client, secret *metav1.ObjectMeta) error {
	if secret == nil {
		return nil
	}
	if _, is := secret.Annotations[session.AnnotationExpirationTime]; !is {
		return nil
	}
	return session.TakeOver(ctx, secrets{c}, types.NamespacedName{Namespace: secret.Namespace, Name: secret.Name})
}

// keepSessions is keepSession for Secrets by name.
func keepSessions(ctx context.Context, c client.Client, cache client.Reader, ec *egainv1alpha1.EgainClient, names ...string) error {
	for _, name := range names {
		if name == "" {
			continue
		}
		meta, err := metadata(ctx, cache, "Secret", types.NamespacedName{Namespace: ec.Namespace, Name: name})
		if err == nil {
			err = keepSession(ctx, c, meta)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// departed goes on writing the refresh tokens that an EgainClient without an object, or without a status to report in, has
// requested: another may use the session next.
func (r *EgainClientReconciler) departed(ctx context.Context, name types.NamespacedName, result ctrl.Result, unwritten error) ctrl.Result {
	if result.RequeueAfter > 0 || len(r.memory.heldFor(name, types.NamespacedName{})) == 0 {
		return result
	}
	log.FromContext(ctx).Info("A refresh token of a deleted EgainClient is held in memory until it is written", "reason", tracing.Reason(unwritten))
	return ctrl.Result{RequeueAfter: session.RetryWithin}
}

// WriteHeldSessions makes a last attempt to write the refresh tokens that are not written yet, and logs which sessions end with
// the process. It is for after the last reconcile.
func (r *EgainClientReconciler) WriteHeldSessions(ctx context.Context) {
	r.memory.successors.Range(func(_, value any) bool {
		s := value.(heldSuccessor)
		if _, err := r.memory.writeSessions(ctx, r.Client, s.client, s.Name()); err != nil {
			log.FromContext(ctx).Error(err, "The process ends with a refresh token that it could not write: log in again", "secret", s.Name(), "egainClient", s.client)
		}
		return true
	})
}
