package request

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/session"
)

// Sources are the Secrets that a token is issued with; each may be nil.
type Sources struct {
	Credentials, Subject, Session *metav1.ObjectMeta
	// Lent are the credentials of an application, in place of Credentials.
	Lent *metav1.ObjectMeta
}

// setCredentials notes where the credentials are from.
func (s *Sources) setCredentials(ec *egainv1alpha1.EgainClient, from *metav1.ObjectMeta) {
	if ec.Application() != "" {
		s.Lent = from
	} else {
		s.Credentials = from
	}
}

// LentVersion identifies the version of an application's credentials; empty without any. It is for memory only: the namespace of
// the EgainClient learns nothing of a Secret in another.
func (s Sources) LentVersion() string {
	if s.Lent == nil {
		return ""
	}
	return fmt.Sprintf("%s/%s", s.Lent.UID, s.Lent.ResourceVersion)
}

// String identifies the versions by UID and resourceVersion: a hash of what is in the Secrets would invite guessing. Targets hold
// it, so that the Secret of an application is not part of it.
func (s Sources) String() string {
	text := ""
	if s.Credentials != nil {
		text += fmt.Sprintf("credentials=%s/%s", s.Credentials.UID, s.Credentials.ResourceVersion)
	}
	if s.Subject != nil {
		text += fmt.Sprintf(" subject=%s/%s", s.Subject.UID, s.Subject.ResourceVersion)
	}
	if s.Session != nil {
		// Not the version: the operator writes a new one with each refresh token.
		text += fmt.Sprintf(" session=%s/%s", s.Session.UID, session.ID(s.Session))
	}
	return text
}

// ExceptCredentials is the text of Sources without the credentials.
func ExceptCredentials(sources string) string {
	if !strings.HasPrefix(sources, "credentials=") {
		return sources
	}
	_, rest, others := strings.Cut(sources, " ")
	if !others {
		return ""
	}
	return " " + rest
}

// Sources looks up the Secrets that a token of an EgainClient is issued with. With an error it returns those that were found
// before. A token that may not be minted is refused here, so that not even a metadata document is requested for it.
func (r *Reader) Sources(ctx context.Context, ec *egainv1alpha1.EgainClient, t Tenant) (Sources, error) {
	var s Sources
	err := AdmitAudience(r.Audiences, ec)
	if err != nil {
		return s, err
	}
	credentials, err := r.credentialsSource(ctx, ec, t)
	if err != nil {
		return s, err
	}
	s.setCredentials(ec, credentials)
	name, err := r.subjectSecret(ctx, ec)
	if err != nil {
		return s, err
	}
	if name != "" {
		if s.Subject, err = r.source(ctx, ec, name, missingSubject(ec.Spec.TokenExchange.SubjectToken)); err != nil {
			return s, err
		}
	}
	if ec.Spec.AuthorizationCode != nil {
		s.Session, err = r.session(ctx, ec)
	}
	return s, err
}

// credentialsSource looks up the Secret with the credentials; nil if the spec names none.
func (r *Reader) credentialsSource(ctx context.Context, ec *egainv1alpha1.EgainClient, t Tenant) (*metav1.ObjectMeta, error) {
	o, err := r.origin(ec, t)
	if o == nil || err != nil {
		return nil, err
	}
	meta, err := r.Cache.SecretMetadata(ctx, o.secret)
	if meta == nil && err == nil {
		err = o.missing(ec, t)
	}
	return meta, err
}

// source looks up a Secret that a token is issued with.
func (r *Reader) source(ctx context.Context, ec *egainv1alpha1.EgainClient, name string, missing func(string) error) (*metav1.ObjectMeta, error) {
	meta, err := r.Cache.SecretMetadata(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: name})
	if meta == nil && err == nil {
		err = missing(name)
	}
	return meta, err
}

// session looks up the session Secret, and returns it even if it is refused. Each refresh token serves once: of several clients
// with one session Secret only that uses it which the login was for; the oldest if the Secret does not say.
func (r *Reader) session(ctx context.Context, ec *egainv1alpha1.EgainClient) (*metav1.ObjectMeta, error) {
	name := SessionName(ec)
	meta, err := r.source(ctx, ec, name, func(string) error { return sessionMissing(ec) })
	if err != nil {
		return nil, err
	}
	if err := session.Check(meta, nameOf(ec)); err != nil {
		return meta, AdviseLogin(err, ec)
	}
	if session.Of(meta) != "" {
		return meta, nil
	}
	rivals, err := r.naming(ctx, ec, name)
	if err != nil {
		return meta, err
	}
	for i := range rivals {
		if rival := &rivals[i]; SessionName(rival) == name && rival.OlderThan(ec) {
			return meta, fault.New(fault.Terminal, egainv1alpha1.ReasonSessionInvalid, "Secret %q contains the session of EgainClient %q: name another Secret in spec.authorizationCode.sessionSecretRef", name, rival.Name)
		}
	}
	return meta, nil
}

// SessionName is the name of the session Secret; empty if the flow has none.
func SessionName(ec *egainv1alpha1.EgainClient) string {
	if ec.Spec.AuthorizationCode == nil {
		return ""
	}
	return string(ec.Spec.AuthorizationCode.SessionSecretRef.Name)
}

// maxSubjects bounds a chain of EgainClients that exchange each other's tokens. Each link is another round trip between a
// change at its beginning and the token at its end.
const maxSubjects = 8

// SubjectClient is the name of the EgainClient whose token is exchanged; empty if it comes from elsewhere.
func SubjectClient(ec *egainv1alpha1.EgainClient) string {
	if ec.Spec.TokenExchange == nil || ec.Spec.TokenExchange.SubjectToken.EgainClientRef == nil {
		return ""
	}
	return string(ec.Spec.TokenExchange.SubjectToken.EgainClientRef.Name)
}

// subjectSecret is the name of the Secret that holds the subject token; empty if none does.
func (r *Reader) subjectSecret(ctx context.Context, ec *egainv1alpha1.EgainClient) (string, error) {
	if ec.Spec.TokenExchange == nil {
		return "", nil
	}
	if ref := ec.Spec.TokenExchange.SubjectToken.SecretKeyRef; ref != nil {
		return string(ref.Name), nil
	}
	if SubjectClient(ec) == "" {
		return "", nil
	}
	subject, err := r.subjectOf(ctx, ec)
	if err != nil {
		return "", err
	}
	return subject.TargetName(), nil
}

// subjectOf finds the EgainClient whose token is exchanged, and refuses a chain that leads back to where it began.
func (r *Reader) subjectOf(ctx context.Context, ec *egainv1alpha1.EgainClient) (*egainv1alpha1.EgainClient, error) {
	var nearest *egainv1alpha1.EgainClient
	at := ec
	for range maxSubjects {
		name := SubjectClient(at)
		next, err := r.Cache.Client(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: name})
		switch {
		case apierrors.IsNotFound(err) && nearest != nil:
			return nearest, nil // which says itself what it waits for
		case apierrors.IsNotFound(err):
			return nil, fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, whose token is to be exchanged: create it, or name another in spec.tokenExchange.subjectToken.egainClientRef", name)
		case err != nil:
			return nil, fmt.Errorf("looking up EgainClient %q: %w", name, err)
		case nearest == nil:
			nearest = next
		}
		if SubjectClient(next) == "" {
			return nearest, nil
		}
		at = next
	}
	return nil, fault.New(fault.Terminal, egainv1alpha1.ReasonSubjectTokenInvalid, "spec.tokenExchange.subjectToken.egainClientRef forms a cycle, or a chain of more than %d EgainClients: start it with a client of another flow", maxSubjects)
}
