package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/refusal"
)

// successor is a refresh token that the server issued and that is not in the session Secret yet. The one that is there is
// void, so that the session is lost with the successor.
type successor struct {
	// secret is the session Secret as it was when its refresh token was used.
	secret metav1.ObjectMeta
	// used is the refresh token that was used.
	used oauth.Secret
	// session is what the Secret is to hold.
	session kubesecret.Session
}

// sessionName is the name of the session Secret; empty if the flow has none.
func sessionName(ec *egainv1alpha1.EgainClient) string {
	if ec.Spec.AuthorizationCode == nil {
		return ""
	}
	return string(ec.Spec.AuthorizationCode.SessionSecretRef.Name)
}

// loginCommand is what a person runs to begin a session.
func loginCommand(ec *egainv1alpha1.EgainClient) string {
	return fmt.Sprintf("kubectl egain login %s --namespace %s", ec.Name, ec.Namespace)
}

// gatherSession looks up the session Secret. Of several clients with one session Secret only the oldest uses it: each
// refresh token serves once.
func (r *EgainClientReconciler) gatherSession(ctx context.Context, ec *egainv1alpha1.EgainClient, w *world) (*metav1.ObjectMeta, error) {
	name := sessionName(ec)
	meta, err := r.source(ctx, ec, name, func(string) error { return sessionMissing(ec) })
	if err != nil {
		return nil, err
	}
	w.session = sessionVersion(meta)
	w.sessionExpiration = kubesecret.SessionExpiration(meta)
	var rivals egainv1alpha1.EgainClientList
	if err := r.Cache.List(ctx, &rivals, client.InNamespace(ec.Namespace), client.MatchingFields{indexObjects: "Secret/" + name}); err != nil {
		return nil, fmt.Errorf("listing the EgainClients with session Secret %q: %w", name, err)
	}
	for i := range rivals.Items {
		if rival := &rivals.Items[i]; sessionName(rival) == name && older(rival, ec) {
			return nil, fault.New(fault.Terminal, egainv1alpha1.ReasonSessionInvalid, "Secret %q holds the session of EgainClient %q: name a Secret of its own in authorizationCode.sessionSecretRef", name, rival.Name)
		}
	}
	return meta, nil
}

func sessionVersion(meta metav1.Object) string {
	return fmt.Sprintf(" session=%s/%s", meta.GetUID(), meta.GetResourceVersion())
}

func sessionMissing(ec *egainv1alpha1.EgainClient) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonSessionNotFound, "waiting for somebody to log in: run %s", loginCommand(ec))
}

// readSession reads the refresh token.
func (r *EgainClientReconciler) readSession(ctx context.Context, ec *egainv1alpha1.EgainClient, in *ingredients) error {
	if ec.Spec.AuthorizationCode == nil {
		return nil
	}
	secret, err := r.secret(ctx, ec, sessionName(ec), func(string) error { return sessionMissing(ec) })
	if err != nil {
		return err
	}
	in.sources.session = &secret.ObjectMeta
	in.request.Session.RefreshToken, err = kubesecret.RefreshToken(secret)
	return loginAdvised(err, ec)
}

// loginAdvised adds the command that begins another session to a failure that only that ends.
func loginAdvised(err error, ec *egainv1alpha1.EgainClient) error {
	f := fault.Of(err)
	if f == nil || (f.Reason != egainv1alpha1.ReasonReauthorizationRequired && f.Reason != egainv1alpha1.ReasonSessionInvalid) {
		return err
	}
	return fault.New(f.Class, f.Reason, "%s: run %s", f.Message, loginCommand(ec))
}

// succeeding is the refresh token that came with an answer in place of the one that was used; nil if none did.
func succeeding(in *ingredients, tok oauth.Token) *successor {
	if in.sources.session == nil || tok.RefreshToken == "" || tok.RefreshToken == in.request.Session.RefreshToken {
		return nil
	}
	return &successor{
		secret: *in.sources.session, used: in.request.Session.RefreshToken,
		session: kubesecret.Session{RefreshToken: tok.RefreshToken, ExpirationTime: tok.RefreshExpirationTime},
	}
}

// persistBackoff has an API server that fails for a moment asked again at once, since the process might end before the
// next reconcile.
var persistBackoff = wait.Backoff{Steps: 6, Duration: 100 * time.Millisecond, Factor: 2}

// persistSession writes a successor, if there is one, to the session Secret. It stays remembered until that has succeeded,
// or until the Secret proves to be another session's.
func (r *EgainClientReconciler) persistSession(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) error {
	s := o.world.remembered.successor
	if s == nil {
		return nil
	}
	o.attempted = true
	err := retry.OnError(persistBackoff, func(error) bool { return ctx.Err() == nil }, func() error {
		return r.writeSession(ctx, s)
	})
	if err != nil {
		return fmt.Errorf("writing the refresh token to Secret %q: %w", s.secret.Name, err)
	}
	o.world.session = sessionVersion(&s.secret)
	o.world.sessionExpiration = s.session.ExpirationTime
	o.world.remembered.successor = nil
	r.memory.remember(ec, o.world.remembered)
	return nil
}

// writeSession applies a successor to the version of the Secret that its forerunner was read from. If there is another
// version by now it is looked at: somebody may have logged in anew, or logged out, and then the successor serves no more.
func (r *EgainClientReconciler) writeSession(ctx context.Context, s *successor) error {
	applied := kubesecret.RenderSession(&s.secret, s.session).WithResourceVersion(s.secret.ResourceVersion)
	err := refusal.Unquoted(r.Client.Apply(ctx, applied, client.FieldOwner(kubesecret.Manager), client.ForceOwnership), applied.Data)
	if err == nil {
		s.secret.ResourceVersion = *applied.ResourceVersion
		return nil
	}
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && !refusal.AnotherObject(err) {
		return err
	}
	secret := &corev1.Secret{}
	if errGet := r.Client.Get(ctx, client.ObjectKey{Namespace: s.secret.Namespace, Name: s.secret.Name}, secret); apierrors.IsNotFound(errGet) {
		return nil
	} else if errGet != nil {
		return errGet
	}
	if token, _ := kubesecret.RefreshToken(secret); token != s.used {
		return nil
	}
	s.secret = secret.ObjectMeta
	return err
}
