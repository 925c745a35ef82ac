package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
)

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
	w.session = session.Version(meta)
	w.sessionExpiration = session.Expiration(meta)
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
	in.request.Session.RefreshToken, err = session.RefreshToken(secret)
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
func succeeding(in *ingredients, tok oauth.Token) *session.Successor {
	if in.sources.session == nil || tok.RefreshToken == "" || tok.RefreshToken == in.request.Session.RefreshToken {
		return nil
	}
	return &session.Successor{
		Secret: *in.sources.session, Used: in.request.Session.RefreshToken,
		Content: session.Content{RefreshToken: tok.RefreshToken, ExpirationTime: tok.RefreshExpirationTime},
	}
}

// persistSession writes a successor, if there is one, to the session Secret. It stays remembered until that has succeeded,
// or until the Secret proves to be another session's.
func (r *EgainClientReconciler) persistSession(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) error {
	s := o.world.remembered.successor
	if s == nil {
		return nil
	}
	o.attempted = true
	written, superseded, err := session.Write(ctx, sessionSecrets{r.Client}, *s)
	if err != nil {
		return fmt.Errorf("writing the refresh token to Secret %q: %w", s.Secret.Name, err)
	}
	if !superseded {
		o.world.session, o.world.sessionExpiration = written.Version, written.Expiration
	}
	o.world.remembered.successor = nil
	r.memory.remember(ec, o.world.remembered)
	return nil
}
