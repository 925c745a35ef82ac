package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sessionSecrets gives internal/session what it needs of the API server.
type sessionSecrets struct{ client client.Client }

// Get reads a Secret live.
func (s sessionSecrets) Get(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := s.client.Get(ctx, name, secret); err != nil {
		return nil, err
	}
	return secret, nil
}

// Apply applies a Secret and returns its metadata as stored. The answer is read into the argument.
func (s sessionSecrets) Apply(ctx context.Context, secret *corev1ac.SecretApplyConfiguration, options metav1.ApplyOptions) (*metav1.ObjectMeta, error) {
	with := []client.ApplyOption{client.FieldOwner(options.FieldManager)}
	if options.Force {
		with = append(with, client.ForceOwnership)
	}
	if err := s.client.Apply(ctx, secret, with...); err != nil {
		return nil, err
	}
	return &metav1.ObjectMeta{
		Namespace: ptr.Deref(secret.Namespace, ""), Name: ptr.Deref(secret.Name, ""), UID: ptr.Deref(secret.UID, ""),
		ResourceVersion: ptr.Deref(secret.ResourceVersion, ""), Annotations: secret.Annotations,
	}, nil
}
