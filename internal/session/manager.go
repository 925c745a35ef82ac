package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/retry"

	"github.com/egain-operator/egain-operator/internal/refusal"
)

const (
	// Manager is the field manager of the session Secrets that the operator writes. Targets have another: an apply removes the
	// fields that its manager applied before and does not apply now.
	Manager = "egain-operator-session"
	// formerManager is that of targets. Earlier versions of the operator wrote sessions with it too.
	formerManager = "egain-operator"
)

// TakeOver makes Manager the field manager of a session that an earlier version of the operator wrote, so that no apply of a
// target removes the refresh token. Secrets of which the former manager owns no session, or that do not exist, stay as they are.
//
// It is two applies, each on the version that was read. After the first, both managers own the refresh token, so that neither
// can remove it; after the second, only Manager does. A crash or a conflict in between loses nothing.
func TakeOver(ctx context.Context, secrets Secrets, name types.NamespacedName) error {
	return retry.OnError(backoff, apierrors.IsConflict, func() error {
		_, err := takeOver(ctx, secrets, name)
		return err
	})
}

// takenOver is the version of a session Secret after its fields were taken over; empty if they were not.
func takenOver(ctx context.Context, secrets Secrets, name types.NamespacedName) string {
	meta, err := takeOver(ctx, secrets, name)
	if err != nil || meta == nil {
		return ""
	}
	return Version(meta)
}

// takeOver returns the metadata of the Secret after the last of its applies; nil if there was none.
func takeOver(ctx context.Context, secrets Secrets, name types.NamespacedName) (*metav1.ObjectMeta, error) {
	secret, err := secrets.Get(ctx, name)
	if apierrors.IsNotFound(err) || (err == nil && !managedByFormer(&secret.ObjectMeta)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the session Secret %q: %w", name.Name, err)
	}
	former, errFormer := corev1ac.ExtractSecret(secret, formerManager)
	ours, errOurs := corev1ac.ExtractSecret(secret, Manager)
	if err := cmp.Or(errFormer, errOurs); err != nil {
		return nil, fmt.Errorf("reading the field managers of Secret %q: %w", name.Name, err)
	}
	token, expiration := sessionFields(former)
	if !token && !expiration {
		return nil, nil
	}
	version := secret.ResourceVersion
	if hasToken, hasExpiration := sessionFields(ours); !hasToken || !hasExpiration {
		meta, err := send(ctx, secrets, secret, version, stored(secret), Manager)
		if err != nil {
			return nil, err
		}
		version = meta.ResourceVersion
	}
	return send(ctx, secrets, secret, version, withoutSession(former), formerManager)
}

// managedByFormer reports whether the former manager has applied something of a Secret.
func managedByFormer(secret metav1.Object) bool {
	return slices.ContainsFunc(secret.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == formerManager && m.Operation == metav1.ManagedFieldsOperationApply
	})
}

// sessionFields reports which fields of a session are among those of a Secret.
func sessionFields(fields *corev1ac.SecretApplyConfiguration) (token, expiration bool) {
	_, token = fields.Data[KeyRefreshToken]
	if fields.ObjectMetaApplyConfiguration != nil {
		_, expiration = fields.Annotations[AnnotationExpirationTime]
	}
	return token, expiration
}

// stored are the fields of the session as they are.
func stored(secret *corev1.Secret) *corev1ac.SecretApplyConfiguration {
	fields := corev1ac.Secret(secret.Name, secret.Namespace)
	if token, ok := secret.Data[KeyRefreshToken]; ok {
		fields.WithData(map[string][]byte{KeyRefreshToken: token})
	}
	return fields.WithAnnotations(map[string]string{AnnotationExpirationTime: secret.Annotations[AnnotationExpirationTime]})
}

// withoutSession are the fields of a Secret except those of the session: those that it has as a target.
func withoutSession(fields *corev1ac.SecretApplyConfiguration) *corev1ac.SecretApplyConfiguration {
	rest := *fields
	rest.Data = without(fields.Data, KeyRefreshToken)
	meta := *fields.ObjectMetaApplyConfiguration
	meta.Annotations = without(meta.Annotations, AnnotationExpirationTime)
	rest.ObjectMetaApplyConfiguration = &meta
	return &rest
}

func without[V any](all map[string]V, name string) map[string]V {
	rest := map[string]V{}
	for key, value := range all {
		if key != name {
			rest[key] = value
		}
	}
	return rest
}

// send applies fields of a Secret to one version of it.
func send(ctx context.Context, secrets Secrets, secret *corev1.Secret, version string, fields *corev1ac.SecretApplyConfiguration, manager string) (*metav1.ObjectMeta, error) {
	desired := fields.WithUID(secret.UID).WithResourceVersion(version)
	meta, err := secrets.Apply(ctx, desired, metav1.ApplyOptions{FieldManager: manager, Force: true})
	if err != nil {
		err = refusal.Unquoted(err, secret.Data, KeyRefreshToken)
		return nil, fmt.Errorf("making %s the field manager of the session in Secret %q: %w", Manager, secret.Name, err)
	}
	return meta, nil
}
