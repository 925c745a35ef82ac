package request

import (
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/text"
)

// SecretOptional reports whether the credentials may be without a client secret: a public client has none (RFC 6749 section 2.1),
// and eGain's anonymous customers need none.
func SecretOptional(spec *egainv1alpha1.EgainClientSpec) bool {
	return spec.Flow == egainv1alpha1.FlowAnonymousCustomer || spec.Flow == egainv1alpha1.FlowAuthorizationCode
}

// CredentialsFrom reads the client's credentials from the Secret that a reference names; the client secret may be optional. A byte
// order mark before a value and one line break after it, which editors and echo leave, are not part of it.
func CredentialsFrom(s *corev1.Secret, ref *egainv1alpha1.CredentialsSecretReference, secretOptional bool) (oauth.Credentials, error) {
	id, err := valueOf(s, string(ref.ClientIDKey), egainv1alpha1.ReasonCredentialsInvalid, "credentialsSecretRef", "clientIDKey")
	if err != nil {
		return oauth.Credentials{}, err
	}
	if _, present := s.Data[string(ref.ClientSecretKey)]; !present && secretOptional {
		return oauth.Credentials{ClientID: id}, nil
	}
	secret, err := valueOf(s, string(ref.ClientSecretKey), egainv1alpha1.ReasonCredentialsInvalid, "credentialsSecretRef", "clientSecretKey")
	return oauth.Credentials{ClientID: id, ClientSecret: oauth.Secret(secret)}, err
}

// SubjectTokenFrom reads the foreign token of a token exchange.
func SubjectTokenFrom(s *corev1.Secret, ref *egainv1alpha1.SecretKeyReference) (oauth.Secret, error) {
	token, err := valueOf(s, string(ref.Key), egainv1alpha1.ReasonSubjectTokenInvalid, "tokenExchange.subjectToken.secretKeyRef", "key")
	return oauth.Secret(token), err
}

// valueOf reads a value that must be one line of printable ASCII (RFC 6749 appendix A). The reference to the Secret is a field of the
// spec, and the key is one of the reference.
func valueOf(s *corev1.Secret, key, reason, reference, field string) (string, error) {
	// Secrets of these types log in to the cluster itself, and a user who may create EgainClients may not be allowed to read Secrets.
	if target.LogsIn(s.Type) {
		return "", fault.New(fault.Terminal, reason, "Secret %q is of type %q, whose content logs in to the cluster and is never sent: name a Secret of type Opaque in spec.%s.name", s.Name, s.Type, reference)
	}
	value, present := s.Data[key]
	if !present {
		return "", fault.New(fault.Terminal, reason, "Secret %q lacks the key %q: add it, or name the right key in spec.%s.%s", s.Name, key, reference, field)
	}
	line, flaw := text.Line(value)
	switch {
	case flaw != nil && flaw.Character:
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q %s: retype that part of the value, which must be printable ASCII", key, s.Name, flaw.Is)
	case flaw != nil:
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q is not one line of text (it %s): store the value itself, not encoded and without line breaks", key, s.Name, flaw.Is)
	case line == "":
		return "", fault.New(fault.Terminal, reason, "key %q of Secret %q is empty: store the value there", key, s.Name)
	}
	return line, nil
}
