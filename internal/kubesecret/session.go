package kubesecret

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// KeyRefreshToken is the key of a session Secret.
const KeyRefreshToken = "refresh_token"

// Annotations of a session Secret.
const (
	// AnnotationSession identifies a login: any value that no login before had. The operator has a token issued when it
	// changes, and leaves it as it is.
	AnnotationSession = "auth.egain.com/session"
	// AnnotationSessionExpirationTime is when the refresh token expires (RFC 3339), if the server said.
	AnnotationSessionExpirationTime = "auth.egain.com/session-expiration-time"
)

// Session is what a session Secret holds.
type Session struct {
	RefreshToken oauth.Secret
	// ExpirationTime of the refresh token; zero if unknown.
	ExpirationTime time.Time
}

// RefreshToken reads the refresh token of a session. One line break at its end is not part of it. Where there is none that
// can be used, the failure is Terminal: nothing but a login brings one.
func RefreshToken(s *corev1.Secret) (oauth.Secret, error) {
	token, ok := line(s.Data[KeyRefreshToken])
	switch {
	case !ok:
		return "", sessionFault("the refresh token under the key %q of Secret %q is not one line of text: log in again", KeyRefreshToken, s.Name)
	case token == "":
		return "", sessionFault("there is no refresh token under the key %q of Secret %q: log in again", KeyRefreshToken, s.Name)
	}
	return oauth.Secret(token), nil
}

func sessionFault(format string, args ...any) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonSessionInvalid, format, args...)
}

// RenderSession returns a session Secret as a refresh leaves it, to be applied by Manager. What identifies the login is not
// in it, so that it stays.
func RenderSession(secret metav1.Object, s Session) *corev1ac.SecretApplyConfiguration {
	expiration := "" // written even if it is unknown, or that of the forerunner would stay
	if !s.ExpirationTime.IsZero() {
		expiration = stamp(s.ExpirationTime)
	}
	return corev1ac.Secret(secret.GetName(), secret.GetNamespace()).WithUID(secret.GetUID()).
		WithData(map[string][]byte{KeyRefreshToken: []byte(s.RefreshToken)}).
		WithAnnotations(map[string]string{AnnotationSessionExpirationTime: expiration})
}

// SessionExpiration is when the refresh token in a session Secret expires; zero if its annotations do not say.
func SessionExpiration(secret metav1.Object) time.Time {
	at, err := time.Parse(time.RFC3339, secret.GetAnnotations()[AnnotationSessionExpirationTime])
	if err != nil {
		return time.Time{}
	}
	return at
}
