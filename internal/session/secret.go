// Package session owns the session Secret: the refresh token of a login, where it is stored, and how one that the server
// issued replaces the one that was used. Who may use a session is the controllers' business.
package session

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/text"
)

// KeyRefreshToken is the key of a session Secret.
const KeyRefreshToken = "refresh_token"

// Annotations of a session Secret.
const (
	// AnnotationID identifies a login: any value that no login before had. The operator requests a token when it changes,
	// and never writes it.
	AnnotationID = "auth.egain.com/session"
	// AnnotationClient is the EgainClient whose session it is, as namespace/name. A login writes it; one by an earlier version of
	// the plugin did not.
	AnnotationClient = "auth.egain.com/session-of"
	// AnnotationExpirationTime is when the refresh token expires (RFC 3339), if the server said.
	AnnotationExpirationTime = "auth.egain.com/session-expiration-time"
	// AnnotationScopes are the scopes that the login was granted, separated by spaces. A refresh may ask for no others (RFC 6749
	// section 6). Sessions of earlier versions do not say.
	AnnotationScopes = "auth.egain.com/session-scopes"
	// AnnotationScopesNotGranted are those that the login asked for and was not granted.
	AnnotationScopesNotGranted = "auth.egain.com/session-scopes-not-granted"
)

// Content is what a session Secret contains.
type Content struct {
	RefreshToken oauth.Secret
	// ExpirationTime of the refresh token; zero if unknown.
	ExpirationTime time.Time
}

// Marked reports whether a Secret says that it is a session, or was one.
func Marked(secret metav1.Object) bool {
	_, written := secret.GetAnnotations()[AnnotationExpirationTime]
	return written || ID(secret) != ""
}

// Check refuses a Secret that is not marked as the session of an EgainClient: a refresh token in it is none of the operator's
// business. The failure is Terminal.
func Check(secret metav1.Object, client types.NamespacedName) error {
	switch of := Of(secret); {
	case ID(secret) == "":
		return invalid("Secret %q is not marked as a session: name another Secret in spec.authorizationCode.sessionSecretRef and log in", secret.GetName())
	case of != "" && of != client.String():
		return invalid("Secret %q contains the session of another EgainClient, %q: name another Secret in spec.authorizationCode.sessionSecretRef and log in", secret.GetName(), of)
	default:
		return nil
	}
}

// Of is the EgainClient, as namespace/name, that a session Secret says it is of; empty if it does not say.
func Of(secret metav1.Object) string {
	of := secret.GetAnnotations()[AnnotationClient]
	return of[:min(len(of), maxName)]
}

// maxName is longer than any namespace/name.
const maxName = 320

// RefreshToken reads the refresh token of the session of an EgainClient. A byte order mark before it and one line break after it
// are not part of it. If no usable one exists, the failure is Terminal: only a login brings one.
func RefreshToken(s *corev1.Secret, client types.NamespacedName) (oauth.Secret, error) {
	if err := Check(s, client); err != nil {
		return "", err
	}
	return refreshToken(s)
}

func refreshToken(s *corev1.Secret) (oauth.Secret, error) {
	token, flaw := text.Line(s.Data[KeyRefreshToken])
	switch {
	case flaw != nil && flaw.Character:
		return "", invalid("key %q of Secret %q %s, which no refresh token does: log in again", KeyRefreshToken, s.Name, flaw.Is)
	case flaw != nil:
		return "", invalid("key %q of Secret %q is not one line of text (it %s): log in again", KeyRefreshToken, s.Name, flaw.Is)
	case token == "":
		return "", invalid("Secret %q has no refresh token under the key %q: log in again", s.Name, KeyRefreshToken)
	}
	return oauth.Secret(token), nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonSessionInvalid, format, args...)
}

// maxAnnotation is the size of an annotation that is kept as it is, in bytes. Those of a login have 26 and 20.
const maxAnnotation = 64

// ID identifies the login that a session Secret is of; empty if it does not say. A long text is replaced by its digest.
func ID(secret metav1.Object) string {
	id := secret.GetAnnotations()[AnnotationID]
	if len(id) <= maxAnnotation {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:28])
}

// Annotations are those of a session Secret that its ID, Of and Expiration are read from, whatever their size was; nil if it has none.
func Annotations(secret metav1.Object) map[string]string {
	all := secret.GetAnnotations()
	kept := map[string]string{}
	if _, is := all[AnnotationID]; is {
		kept[AnnotationID] = ID(secret)
	}
	if of := Of(secret); of != "" {
		kept[AnnotationClient] = strings.Clone(of) // or the whole of a long one would stay in memory
	}
	if at, is := all[AnnotationExpirationTime]; is && len(at) <= maxAnnotation {
		kept[AnnotationExpirationTime] = at
	} else if is {
		kept[AnnotationExpirationTime] = "" // which is no time, as the long text is none
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// Expiration is when the refresh token in a session Secret expires; zero if its annotations do not say, or name a time that is
// further from now than any that is accepted of a server.
func Expiration(secret metav1.Object, now time.Time) time.Time {
	at, err := time.Parse(time.RFC3339, secret.GetAnnotations()[AnnotationExpirationTime])
	if err != nil || at.After(now.Add(oauth.MaxLifetime+maxAhead)) {
		return time.Time{}
	}
	return at
}

// maxAhead is how far the clock of the process that wrote an expiry may have been ahead.
const maxAhead = time.Minute

// Grant returns the scopes that the login of a session was granted, and those that it was not; false if the Secret does not say.
func Grant(secret metav1.Object) (granted, refused []string, known bool) {
	annotations := secret.GetAnnotations()
	scopes, known := annotations[AnnotationScopes]
	return strings.Fields(scopes), strings.Fields(annotations[AnnotationScopesNotGranted]), known
}

// Version identifies the version of a session Secret.
func Version(secret metav1.Object) string {
	return fmt.Sprintf(" session=%s/%s", secret.GetUID(), secret.GetResourceVersion())
}

// Render returns a session Secret as a refresh leaves it. What identifies the login is not in it, so that it stays.
func Render(secret metav1.Object, c Content) *corev1ac.SecretApplyConfiguration {
	expiration := "" // written even if it is unknown, or that of the token before would stay
	if !c.ExpirationTime.IsZero() {
		expiration = c.ExpirationTime.UTC().Format(time.RFC3339)
	}
	return corev1ac.Secret(secret.GetName(), secret.GetNamespace()).WithUID(secret.GetUID()).
		WithData(map[string][]byte{KeyRefreshToken: []byte(c.RefreshToken)}).
		WithAnnotations(map[string]string{AnnotationExpirationTime: expiration})
}
