package kubesecret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Reading is what a live target holds.
type Reading struct {
	// Token in it; nil if there is none, or not as we wrote it.
	Token *Token
	// Damaged says that we wrote a token there and it is no longer whole: a key is gone or was changed by somebody else.
	Damaged bool

	applied *corev1ac.SecretApplyConfiguration
}

// Read reads a target back. What was changed by somebody else shows in the managed fields: the API server takes a field
// from its applier when another manager changes its value. So no fingerprint of the token needs to be kept.
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

// Drifted reports whether the target, which holds a whole token, else differs from what the spec asks for.
func (r Reading) Drifted(want *corev1ac.SecretApplyConfiguration) (bool, error) {
	is, err := json.Marshal(r.applied)
	if err != nil {
		return false, fmt.Errorf("encoding the target as it is: %w", err)
	}
	should, err := json.Marshal(want)
	if err != nil {
		return false, fmt.Errorf("encoding the target as it should be: %w", err)
	}
	return !bytes.Equal(is, should), nil
}

// ForeignKeys are the keys that Render would write, that the Secret has, and that we did not put there, sorted. In a
// Secret that was created for the EgainClient, as when its creationPolicy was Owner before, none is foreign.
func ForeignKeys(s *corev1.Secret, ec *egainv1alpha1.EgainClient) []string {
	if CreatedFor(s, ec) {
		return nil
	}
	ours := map[string]bool{}
	if s.Annotations[AnnotationMergedBy] == ec.Name {
		for _, key := range slices.Concat(coreKeys, strings.Split(s.Annotations[AnnotationMergedKeys], ",")) {
			ours[key] = true
		}
	}
	var foreign []string
	for _, key := range Keys(ec) {
		if _, present := s.Data[key]; present && !ours[key] {
			foreign = append(foreign, key)
		}
	}
	return foreign
}

// Claim says whose a Secret is, as far as its metadata tell.
type Claim int

const (
	// ClaimNone means nobody's that we know of, so not ours to overwrite either.
	ClaimNone Claim = iota
	// ClaimOurs means the EgainClient's that was asked about.
	ClaimOurs
	// ClaimOther means another EgainClient's.
	ClaimOther
	// ClaimLeaving means that it belonged to a deleted EgainClient of the same name and is about to be collected.
	ClaimLeaving
)

// ClaimOn says whose a Secret is, and names the holder if it is another EgainClient.
func ClaimOn(s metav1.Object, ec *egainv1alpha1.EgainClient) (claim Claim, holder string) {
	if c := metav1.GetControllerOf(s); c != nil {
		switch {
		case c.UID == ec.UID:
			return ClaimOurs, ""
		case c.Kind != "EgainClient":
			return ClaimNone, ""
		case c.Name == ec.Name:
			return ClaimLeaving, ""
		default:
			return ClaimOther, c.Name
		}
	}
	by := AnnotationOwnedBy
	if ec.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge {
		by = AnnotationMergedBy
	}
	a := s.GetAnnotations()
	switch {
	case a[by] == ec.Name:
		return ClaimOurs, ""
	case a[AnnotationOwnedBy] != "" && a[AnnotationOwnedBy] != ec.Name:
		return ClaimOther, a[AnnotationOwnedBy]
	case a[AnnotationMergedBy] != "" && a[AnnotationMergedBy] != ec.Name:
		return ClaimOther, a[AnnotationMergedBy]
	default:
		return ClaimNone, ""
	}
}

// CreatedFor reports whether a Secret was created for an EgainClient.
func CreatedFor(s metav1.Object, ec *egainv1alpha1.EgainClient) bool {
	if c := metav1.GetControllerOf(s); c != nil {
		return c.UID == ec.UID
	}
	return s.GetAnnotations()[AnnotationOwnedBy] == ec.Name
}

// MergedBy reports whether an EgainClient added keys to a Secret.
func MergedBy(s metav1.Object, ec *egainv1alpha1.EgainClient) bool {
	return s.GetAnnotations()[AnnotationMergedBy] == ec.Name
}
