package controllers

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
)

// sessionName is that of the session Secret of an EgainClient.
func sessionName(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: request.SessionName(ec)}
}

// keepSession makes a session that an earlier version of the operator wrote keep its refresh token when the Secret is released as a
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
