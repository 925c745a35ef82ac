package request

import (
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
)

// SecretOptional reports whether the credentials may be without a client secret: a public client has none (RFC 6749 section 2.1),
// and eGain's anonymous customers need none.
func SecretOptional(spec *egainv1alpha1.EgainClientSpec) bool {
	return spec.Flow == egainv1alpha1.FlowAnonymousCustomer || spec.Flow == egainv1alpha1.FlowAuthorizationCode
}

// CredentialsFrom reads the client's credentials from the Secret that the spec names. One line break at the end of a value, which
// editors and echo leave, is not part of it.
func CredentialsFrom(s *corev1.Secret, spec *egainv1alpha1.EgainClientSpec) (oauth.Credentials, error) {
	ref := spec.CredentialsSecretRef
	id, err := text(s, string(ref.ClientIDKey), egainv1alpha1.ReasonCredentialsInvalid, "credentialsSecretRef.clientIDKey")
	if err != nil {
		return oauth.Credentials{}, err
	}
	if _, present := s.Data[string(ref.ClientSecretKey)]; !present && SecretOptional(spec) {
		return oauth.Credentials{ClientID: id}, nil
	}
	secret, err := text(s, string(ref.ClientSecretKey), egainv1alpha1.ReasonCredentialsInvalid, "credentialsSecretRef.clientSecretKey")
	return oauth.Credentials{ClientID: id, ClientSecret: oauth.Secret(secret)}, err
}

// SubjectTokenFrom reads the foreign token of a token exchange.
func SubjectTokenFrom(s *corev1.Secret, ref *egainv1alpha1.SecretKeyReference) (oauth.Secret, error) {
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
	line, ok := session.OneLine(value)
	switch {
	case !ok:
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q is not one line of text: store the value itself, not encoded and without line breaks", key, s.Name)
	case line == "":
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q is empty: put the value there", key, s.Name)
	}
	return line, nil
}
