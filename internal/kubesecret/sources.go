package kubesecret

import (
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Credentials reads the client's credentials. The secret may be missing only if it is optional, as for an anonymous
// customer. One line break at the end of a value, which editors and echo leave, is not part of it.
func Credentials(s *corev1.Secret, ref *egainv1alpha1.CredentialsSecretReference, secretOptional bool) (oauth.Credentials, error) {
	id, err := text(s, string(ref.ClientIDKey), egainv1alpha1.ReasonCredentialsInvalid, "credentialsSecretRef.clientIDKey")
	if err != nil {
		return oauth.Credentials{}, err
	}
	if _, present := s.Data[string(ref.ClientSecretKey)]; !present && secretOptional {
		return oauth.Credentials{ClientID: id}, nil
	}
	secret, err := text(s, string(ref.ClientSecretKey), egainv1alpha1.ReasonCredentialsInvalid, "credentialsSecretRef.clientSecretKey")
	return oauth.Credentials{ClientID: id, ClientSecret: oauth.Secret(secret)}, err
}

// SubjectToken reads the foreign token of a token exchange.
func SubjectToken(s *corev1.Secret, ref *egainv1alpha1.SecretKeyReference) (oauth.Secret, error) {
	token, err := text(s, string(ref.Key), egainv1alpha1.ReasonSubjectTokenInvalid, "tokenExchange.subjectToken.secretKeyRef.key")
	return oauth.Secret(token), err
}

// text reads a value that must be printable text without line breaks.
func text(s *corev1.Secret, key, reason, field string) (string, error) {
	// By the types that nobody keeps a client application's data in: what is in them logs in to the cluster itself, and who
	// may create EgainClients need not be able to read Secrets.
	if s.Type == corev1.SecretTypeServiceAccountToken || s.Type == corev1.SecretTypeBootstrapToken {
		return "", fault.New(fault.Terminal, reason, "Secret %q is of type %q, whose content logs in to the cluster and is sent to nobody: name a Secret of type Opaque in spec.%s", s.Name, s.Type, field)
	}
	value, present := s.Data[key]
	if !present {
		return "", fault.New(fault.Terminal, reason, "Secret %q lacks the key %q: add it, or name the right key in spec.%s", s.Name, key, field)
	}
	line, ok := line(value)
	switch {
	case !ok:
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q is not one line of text: store the value itself, not encoded and without line breaks", key, s.Name)
	case line == "":
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q is empty: put the value there", key, s.Name)
	}
	return line, nil
}

// line is a value without the line break at its end; false if it is not one line of text.
func line(value []byte) (string, bool) {
	trimmed := strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")
	unprintable := func(r rune) bool { return r < ' ' || r == 0x7f }
	return trimmed, utf8.ValidString(trimmed) && !strings.ContainsFunc(trimmed, unprintable)
}
