package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/target"
)

// maxSubjects bounds a chain of EgainClients that exchange each other's tokens. Each link is another round trip between a
// change at its beginning and the token at its end.
const maxSubjects = 8

// subjectClient is the name of the EgainClient whose token is exchanged; empty if it comes from elsewhere.
func subjectClient(ec *egainv1alpha1.EgainClient) string {
	if ec.Spec.TokenExchange == nil || ec.Spec.TokenExchange.SubjectToken.EgainClientRef == nil {
		return ""
	}
	return string(ec.Spec.TokenExchange.SubjectToken.EgainClientRef.Name)
}

// subjectSecret is the name of the Secret that holds the subject token; empty if none does.
func (r *EgainClientReconciler) subjectSecret(ctx context.Context, ec *egainv1alpha1.EgainClient) (string, error) {
	if ec.Spec.TokenExchange == nil {
		return "", nil
	}
	if ref := ec.Spec.TokenExchange.SubjectToken.SecretKeyRef; ref != nil {
		return string(ref.Name), nil
	}
	if subjectClient(ec) == "" {
		return "", nil
	}
	subject, err := r.subjectOf(ctx, ec)
	if err != nil {
		return "", err
	}
	return subject.TargetName(), nil
}

// subjectOf finds the EgainClient whose token is exchanged, and refuses a chain that leads back to where it began.
func (r *EgainClientReconciler) subjectOf(ctx context.Context, ec *egainv1alpha1.EgainClient) (*egainv1alpha1.EgainClient, error) {
	var nearest *egainv1alpha1.EgainClient
	at := ec
	for range maxSubjects {
		name := subjectClient(at)
		next := &egainv1alpha1.EgainClient{}
		if err := r.Cache.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: name}, next); apierrors.IsNotFound(err) && nearest == nil {
			return nil, fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, whose token is to be exchanged: create it, or name another in tokenExchange.subjectToken.egainClientRef", name)
		} else if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("looking up EgainClient %q: %w", name, err)
		}
		if nearest == nil {
			nearest = next
		}
		if subjectClient(next) == "" {
			return nearest, nil
		}
		at = next
	}
	return nil, fault.New(fault.Terminal, egainv1alpha1.ReasonSubjectTokenInvalid, "the EgainClients that tokenExchange.subjectToken.egainClientRef names, one after another, form a circle, or a chain of more than %d: begin it with a client of another flow", maxSubjects)
}

// subjectToken reads the token that an EgainClient keeps in its target.
func (r *EgainClientReconciler) subjectToken(secret *corev1.Secret, name string) (oauth.Secret, error) {
	reading, err := target.Read(secret)
	switch {
	case err != nil:
		return "", err
	case reading.Token == nil || !keptBy(secret, name):
		return "", fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q to keep a token in Secret %q", name, secret.Name)
	case !reading.Token.Valid(r.Clock.Now()):
		return "", fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, whose token has expired", name)
	}
	return reading.Token.AccessToken, nil
}

// keptBy reports whether a Secret says that an EgainClient of a name keeps its token there.
func keptBy(secret *corev1.Secret, name string) bool {
	return secret.Annotations[target.AnnotationOwnedBy] == name || secret.Annotations[target.AnnotationMergedBy] == name
}
