package target

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// Token is all that a target says of a token.
type Token struct {
	rotation.Token
	AccessToken oauth.Secret
	TokenType   string
	Scopes      []string
	APIURL      string
}

// Render returns the target as the spec asks for it, complete, to be applied by Manager: whatever it applied before and
// is not in there goes away. It fails, Terminal, if a template does.
func Render(ec *egainv1alpha1.EgainClient, tok *Token) (*corev1ac.SecretApplyConfiguration, error) {
	data := map[string][]byte{
		KeyAccessToken:   []byte(tok.AccessToken),
		KeyTokenType:     []byte(tok.TokenType),
		KeyExpiresAt:     []byte(stamp(tok.ExpirationTime)),
		KeyScope:         []byte(strings.Join(tok.Scopes, " ")),
		KeyAuthorization: []byte(tok.authorization()),
		KeyAPIURL:        []byte(tok.APIURL),
	}
	template := ec.Spec.Target.Template
	if template == nil {
		template = &egainv1alpha1.TargetTemplate{}
	}
	extra, err := execute(template.Data, tok)
	if err != nil {
		return nil, err
	}
	maps.Copy(data, extra)
	secret := corev1ac.Secret(ec.TargetName(), ec.Namespace).WithData(data)
	if m := template.Metadata; m != nil {
		secret.WithLabels(plain(m.Labels)).WithAnnotations(plain(m.Annotations))
	}
	secret.WithAnnotations(memory(&tok.Token))
	if isMerge(ec) {
		return merged(secret, ec), nil
	}
	return owned(secret, ec), nil
}

func plain[V ~string](typed map[string]V) map[string]string {
	m := make(map[string]string, len(typed))
	for k, v := range typed {
		m[k] = string(v)
	}
	return m
}

func (t *Token) authorization() string { return t.TokenType + " " + string(t.AccessToken) }

// memory is what Recall reads back.
func memory(t *rotation.Token) map[string]string {
	m := map[string]string{
		AnnotationIssueTime:        stamp(t.IssueTime),
		AnnotationExpirationTime:   stamp(t.ExpirationTime),
		AnnotationIssuedForSpec:    t.Spec,
		AnnotationIssuedForSources: t.Sources,
	}
	if t.Request != "" {
		m[AnnotationIssuedForRequest] = t.Request
	}
	if t.Client != "" {
		m[AnnotationIssuedForClient] = t.Client
	}
	if t.Renewal != "" {
		m[AnnotationRenewal] = t.Renewal
	}
	return m
}

func merged(secret *corev1ac.SecretApplyConfiguration, ec *egainv1alpha1.EgainClient) *corev1ac.SecretApplyConfiguration {
	secret.WithAnnotations(map[string]string{AnnotationMergedBy: ec.Name})
	if keys := templateKeys(ec); len(keys) > 0 {
		secret.WithAnnotations(map[string]string{AnnotationMergedKeys: strings.Join(keys, ",")})
	}
	if metadata := metadataOf(ec); len(metadata) > 0 {
		secret.WithAnnotations(map[string]string{AnnotationMergedMetadata: strings.Join(metadata, ",")})
	}
	return secret
}

func owned(secret *corev1ac.SecretApplyConfiguration, ec *egainv1alpha1.EgainClient) *corev1ac.SecretApplyConfiguration {
	secret.WithType(corev1.SecretType(ec.Spec.Target.Type)).WithAnnotations(map[string]string{AnnotationOwnedBy: ec.Name})
	if _, set := secret.Labels[LabelManagedBy]; !set {
		secret.WithLabels(map[string]string{LabelManagedBy: Manager})
	}
	if ec.Spec.Target.DeletionPolicy != egainv1alpha1.DeletionPolicyRetain {
		secret.WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(egainv1alpha1.SchemeGroupVersion.String()).WithKind("EgainClient").
			WithName(ec.Name).WithUID(ec.UID).WithController(true))
	}
	return secret
}

// Keys are the keys that Render writes, sorted.
func Keys(ec *egainv1alpha1.EgainClient) []string {
	keys := append(templateKeys(ec), coreKeys...)
	slices.Sort(keys)
	return keys
}

var coreKeys = []string{KeyAccessToken, KeyTokenType, KeyExpiresAt, KeyScope, KeyAuthorization, KeyAPIURL}

func templateKeys(ec *egainv1alpha1.EgainClient) []string {
	if ec.Spec.Target.Template == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(ec.Spec.Target.Template.Data))
}

// Recall reads what the annotations of a Secret say of the token in it; nil if they do not say it whole. The annotations
// of a Secret that others changed prove nothing: see Read.
func Recall(s metav1.Object) *rotation.Token {
	a := s.GetAnnotations()
	issue, errIssue := time.Parse(time.RFC3339, a[AnnotationIssueTime])
	expiration, errExpiration := time.Parse(time.RFC3339, a[AnnotationExpirationTime])
	life := expiration.Sub(issue)
	if errIssue != nil || errExpiration != nil || life <= 0 || life > maxLifetime || a[AnnotationIssuedForSpec] == "" {
		return nil
	}
	return &rotation.Token{
		IssueTime:      issue,
		ExpirationTime: expiration,
		Spec:           a[AnnotationIssuedForSpec],
		Sources:        a[AnnotationIssuedForSources],
		Renewal:        a[AnnotationRenewal],
		Request:        a[AnnotationIssuedForRequest],
		Client:         a[AnnotationIssuedForClient],
	}
}

// maxLifetime is the longest that a target can say of a token: the longest that is accepted of a server, and the second that
// whole seconds may add. A target that says more is damaged.
const maxLifetime = oauth.MaxLifetime + time.Second

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
