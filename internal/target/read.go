package target

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Reading is what a live target holds.
type Reading struct {
	// Token in it; nil if it contains none, or a damaged one.
	Token *Token
	// Damaged says that the operator wrote a token there that is no longer whole: another writer changed or removed a key.
	Damaged bool

	applied *corev1ac.SecretApplyConfiguration
}

// Read reads a target back. Changes by others show in the managed fields: the API server takes a field from its applier when
// another manager changes its value. So no fingerprint of the token needs to be kept.
func Read(s *corev1.Secret) (Reading, error) {
	applied, err := extract(s)
	if err != nil {
		return Reading{}, fmt.Errorf("reading the managed fields of Secret %q: %w", s.Name, err)
	}
	r := Reading{applied: applied}
	mine := metav1.ObjectMeta{}
	if applied.ObjectMetaApplyConfiguration != nil {
		mine.Annotations = applied.Annotations
	}
	remembered := Recall(&mine)
	if remembered == nil {
		r.Damaged = len(applied.Data) > 0
		return r, nil
	}
	tok := &Token{
		Token:       *remembered,
		AccessToken: oauth.Secret(applied.Data[KeyAccessToken]),
		TokenType:   string(applied.Data[KeyTokenType]),
		Scopes:      strings.Fields(string(applied.Data[KeyScope])),
		APIURL:      string(applied.Data[KeyAPIURL]),
	}
	if !whole(applied, tok) {
		r.Damaged = true
		return r, nil
	}
	r.Token = tok
	return r, nil
}

func whole(applied *corev1ac.SecretApplyConfiguration, tok *Token) bool {
	for _, key := range coreKeys {
		if _, present := applied.Data[key]; !present {
			return false
		}
	}
	return tok.AccessToken != "" && string(applied.Data[KeyAuthorization]) == tok.authorization() &&
		string(applied.Data[KeyExpiresAt]) == stamp(tok.ExpirationTime)
}

// lastWriter is the field manager that changed a Secret last; empty if that is the operator, or none is known. Times are whole
// seconds: in doubt it is not the operator.
func lastWriter(s *corev1.Secret) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range s.ManagedFields {
		if entry.Time != nil && (last.Time == nil || last.Time.Before(entry.Time) || (last.Manager == Manager && last.Time.Equal(entry.Time))) {
			last = entry
		}
	}
	if last.Manager == Manager {
		return ""
	}
	return last.Manager
}

// ReadOwn reads the token of an EgainClient from its target; nil if it contains none, or the Secret is not the client's.
func ReadOwn(ctx context.Context, secrets Secrets, ec *egainv1alpha1.EgainClient) (*Token, error) {
	secret, err := secrets.Get(ctx, targetOf(ec))
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the target: %w", err)
	case !isOurs(secret, ec):
		return nil, nil
	}
	reading, err := Read(secret)
	return reading.Token, err
}
