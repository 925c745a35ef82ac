package controllers

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sessionSecrets has internal/session read and write Secrets.
type sessionSecrets struct{ client client.Client }

// Get reads a Secret, not from the cache.
func (s sessionSecrets) Get(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	return secret, s.client.Get(ctx, name, secret)
}

// Apply applies a Secret by force as a field manager, and returns the resourceVersion that it has then.
func (s sessionSecrets) Apply(ctx context.Context, desired *corev1ac.SecretApplyConfiguration, manager string) (string, error) {
	// The client reads the answer into what it sends.
	meta, sent := *desired.ObjectMetaApplyConfiguration, *desired
	meta.Annotations, sent.Data, sent.ObjectMetaApplyConfiguration = maps.Clone(meta.Annotations), maps.Clone(sent.Data), &meta
	if err := s.client.Apply(ctx, &sent, client.FieldOwner(manager), client.ForceOwnership); err != nil {
		return "", err
	}
	if meta.ResourceVersion == nil {
		return "", nil
	}
	return *meta.ResourceVersion, nil
}
