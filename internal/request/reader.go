package request

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// API is what it takes of the API server to read secrets. Errors are the API server's own.
type API interface {
	// Get reads a Secret live.
	Get(context.Context, types.NamespacedName) (*corev1.Secret, error)
	// MintToken mints a token of a ServiceAccount by the TokenRequest API.
	MintToken(ctx context.Context, account types.NamespacedName, audience string, expirationSeconds int64) (oauth.Secret, error)
	// ReviewToken asks what the API server makes of a token.
	ReviewToken(context.Context, oauth.Secret) (*authenticationv1.TokenReviewStatus, error)
}

// Cache is what it takes of the cache. It may be behind the API server.
type Cache interface {
	// Client looks up an EgainClient. Its errors are the API server's.
	Client(context.Context, types.NamespacedName) (*egainv1alpha1.EgainClient, error)
	// Naming lists the EgainClients that name a Secret.
	Naming(context.Context, types.NamespacedName) ([]egainv1alpha1.EgainClient, error)
	// SecretMetadata looks up the metadata of a Secret; nil if it does not exist.
	SecretMetadata(context.Context, types.NamespacedName) (*metav1.ObjectMeta, error)
}

// Reader reads what is in Secrets for token requests. Errors that are not *fault.Error are the API server's.
type Reader struct {
	API   API
	Cache Cache
	Now   func() time.Time
	// OwnToken returns the token that the operator authenticates to the API server with.
	OwnToken func() (oauth.Secret, error)
	// Audiences are those that ServiceAccount tokens may be minted for; none if empty.
	Audiences []string
	// ApplicationNamespaces are those that credentials of applications are read in; none if empty.
	ApplicationNamespaces []string
	// LabelledOnly refuses Secrets of an EgainClient's namespace that are not labelled to be sent. Sessions have their mark.
	LabelledOnly bool

	audiences audiences
}

// Material is what was read for one request, and dropped after it.
type Material struct {
	Secrets
	Sources Sources
}

// digestSeed makes digests useless outside this process.
var digestSeed = maphash.MakeSeed()

// Digest covers what was read from Secrets: it tells other credentials from a Secret that was only labelled. A token minted for a
// ServiceAccount differs each time and is left out, and so is a refresh token: the login counts.
func (m Material) Digest() uint64 {
	subject := string(m.SubjectToken)
	switch {
	case m.Sources.Session != nil:
		subject = session.ID(m.Sources.Session)
	case m.Sources.Subject == nil:
		subject = ""
	}
	return maphash.Comparable(digestSeed, [3]string{m.Credentials.ClientID, string(m.Credentials.ClientSecret), subject})
}

// Read reads the secrets of a token request, live.
func (r *Reader) Read(ctx context.Context, ec *egainv1alpha1.EgainClient, t Tenant) (Material, error) {
	var m Material
	credentials, from, err := r.Credentials(ctx, ec, t)
	if err != nil {
		return Material{}, err
	}
	m.Credentials = credentials
	m.Sources.setCredentials(ec, from)
	if m.SubjectToken, m.Sources.Subject, err = r.subjectToken(ctx, ec); err != nil {
		return Material{}, err
	}
	m.Session.RefreshToken, m.Sources.Session, err = r.refreshToken(ctx, ec)
	if err != nil {
		return Material{}, err
	}
	return m, nil
}

// Credentials reads the client's credentials, and where they are from; neither if the spec names none.
func (r *Reader) Credentials(ctx context.Context, ec *egainv1alpha1.EgainClient, t Tenant) (oauth.Credentials, *metav1.ObjectMeta, error) {
	o, err := r.origin(ec, t)
	if o == nil || err != nil {
		return oauth.Credentials{}, nil, err
	}
	secret, err := r.API.Get(ctx, o.secret)
	switch {
	case apierrors.IsNotFound(err):
		return oauth.Credentials{}, nil, o.missing(ec, t)
	case apierrors.IsForbidden(err) && o.lent:
		return oauth.Credentials{}, nil, t.applicationUnusable(ec, fault.Retryable)
	case err != nil && o.lent:
		return oauth.Credentials{}, nil, fmt.Errorf("reading the credentials of %s: %w", t.Lent(ec), err)
	case err != nil:
		return oauth.Credentials{}, nil, fmt.Errorf("reading Secret %q: %w", o.secret.Name, err)
	}
	if err := checkLabelIf(r.LabelledOnly && !o.lent, secret); err != nil {
		return oauth.Credentials{}, nil, err
	}
	credentials, err := o.parse(ec, t, secret)
	return credentials, &secret.ObjectMeta, err
}

// subjectToken reads or mints the foreign token of a token exchange. One that is minted is from no Secret.
func (r *Reader) subjectToken(ctx context.Context, ec *egainv1alpha1.EgainClient) (oauth.Secret, *metav1.ObjectMeta, error) {
	if ec.Spec.TokenExchange == nil {
		return "", nil, nil
	}
	from := ec.Spec.TokenExchange.SubjectToken
	if from.ServiceAccountToken != nil {
		token, err := r.mint(ctx, ec)
		return token, nil, err
	}
	name, err := r.subjectSecret(ctx, ec)
	if err != nil {
		return "", nil, err
	}
	secret, err := r.secret(ctx, ec, name, missingSubject(from))
	if err != nil {
		return "", nil, err
	}
	if err := checkLabelIf(r.LabelledOnly, secret); err != nil {
		return "", nil, err
	}
	var token oauth.Secret
	if from.EgainClientRef != nil {
		token, err = keptToken(secret, string(from.EgainClientRef.Name), r.Now())
	} else {
		token, err = SubjectTokenFrom(secret, from.SecretKeyRef)
	}
	return token, &secret.ObjectMeta, err
}

// RefreshToken reads the refresh token of the session that an EgainClient uses.
func (r *Reader) RefreshToken(ctx context.Context, ec *egainv1alpha1.EgainClient) (oauth.Secret, error) {
	if _, err := r.session(ctx, ec); err != nil {
		return "", err
	}
	token, _, err := r.refreshToken(ctx, ec)
	return token, err
}

func (r *Reader) refreshToken(ctx context.Context, ec *egainv1alpha1.EgainClient) (oauth.Secret, *metav1.ObjectMeta, error) {
	if ec.Spec.AuthorizationCode == nil {
		return "", nil, nil
	}
	secret, err := r.secret(ctx, ec, SessionName(ec), func(string) error { return sessionMissing(ec) })
	if err != nil {
		return "", nil, err
	}
	if err := r.checkNoTarget(ctx, ec, secret); err != nil {
		return "", &secret.ObjectMeta, err
	}
	token, err := session.RefreshToken(secret, nameOf(ec))
	return token, &secret.ObjectMeta, AdviseLogin(err, ec)
}

// checkNoTarget refuses a session Secret that is the target of another EgainClient. One that came later has no claim: it is refused
// the Secret itself.
func (r *Reader) checkNoTarget(ctx context.Context, ec *egainv1alpha1.EgainClient, secret *corev1.Secret) error {
	rivals, err := r.naming(ctx, ec, secret.Name)
	if err != nil {
		return err
	}
	for i := range rivals {
		rival := &rivals[i]
		kept := target.CreatedFor(secret, rival) || (target.MergedBy(secret, rival) && rival.OlderThan(ec))
		if rival.Name != ec.Name && rival.TargetName() == secret.Name && kept {
			return fault.New(fault.Terminal, egainv1alpha1.ReasonSessionInvalid, "Secret %q is the target of EgainClient %q: name a Secret of its own in spec.authorizationCode.sessionSecretRef", secret.Name, rival.Name)
		}
	}
	return nil
}

// naming lists the EgainClients that name a Secret in the namespace of an EgainClient.
func (r *Reader) naming(ctx context.Context, ec *egainv1alpha1.EgainClient, secret string) ([]egainv1alpha1.EgainClient, error) {
	all, err := r.Cache.Naming(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: secret})
	if err != nil {
		return nil, fmt.Errorf("listing the EgainClients that name Secret %q: %w", secret, err)
	}
	return all, nil
}

func nameOf(ec *egainv1alpha1.EgainClient) types.NamespacedName {
	return types.NamespacedName{Namespace: ec.Namespace, Name: ec.Name}
}

func (r *Reader) secret(ctx context.Context, ec *egainv1alpha1.EgainClient, name string, missing func(string) error) (*corev1.Secret, error) {
	secret, err := r.API.Get(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: name})
	if apierrors.IsNotFound(err) {
		return nil, missing(name)
	} else if err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", name, err)
	}
	return secret, nil
}

// mint mints the subject token by the TokenRequest API.
func (r *Reader) mint(ctx context.Context, ec *egainv1alpha1.EgainClient) (oauth.Secret, error) {
	spec := ec.Spec.TokenExchange.SubjectToken.ServiceAccountToken
	if err := AdmitAudience(r.Audiences, ec); err != nil {
		return "", err
	}
	if err := r.refuseBeforeMinting(ctx, spec.Audience); err != nil {
		return "", err
	}
	token, err := r.API.MintToken(ctx, types.NamespacedName{Namespace: ec.Namespace, Name: string(spec.Name)}, spec.Audience, spec.ExpirationSeconds)
	switch {
	case apierrors.IsNotFound(err):
		return "", fault.New(fault.Retryable, egainv1alpha1.ReasonSubjectTokenNotFound, "ServiceAccount %q does not exist: create it, or correct spec.tokenExchange.subjectToken.serviceAccountToken.name", spec.Name)
	case apierrors.IsForbidden(err):
		return "", fault.New(fault.Retryable, egainv1alpha1.ReasonSubjectTokenForbidden, "the operator may not mint tokens for ServiceAccount %q: grant it create on serviceaccounts/token by a Role here, or install the component service-account-tokens", spec.Name)
	case err != nil:
		return "", fmt.Errorf("minting a token for ServiceAccount %q: %w", spec.Name, err)
	}
	return token, r.refuseAfterMinting(ctx, spec.Audience, token)
}

// keptToken reads the token that an EgainClient keeps in its target.
func keptToken(secret *corev1.Secret, name string, now time.Time) (oauth.Secret, error) {
	reading, err := target.Read(secret)
	switch {
	case err != nil:
		return "", err
	case !keptBy(secret, name):
		return "", fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, which has no token in Secret %q yet: see its conditions", name, secret.Name)
	case reading.Token == nil:
		return "", fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, which has no token yet: see its conditions", name)
	case !reading.Token.Valid(now):
		return "", fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, whose token has expired: see its conditions", name)
	}
	return reading.Token.AccessToken, nil
}

// keptBy reports whether a Secret says that an EgainClient of a name keeps its token there.
func keptBy(secret *corev1.Secret, name string) bool {
	return secret.Annotations[target.AnnotationOwnedBy] == name || secret.Annotations[target.AnnotationMergedBy] == name
}

// CheckGrant fails if a request needs scopes that the login of its session did not ask for: a refresh cannot add any (RFC 6749
// section 6). What the login asked for and was not granted stays away, since another login would not bring it.
func (a Addressed) CheckGrant(ec *egainv1alpha1.EgainClient, m Material) error {
	granted, refused, known := m.grant()
	added := oauth.NotGranted(a.Scopes, slices.Concat(granted, refused))
	if !known || len(added) == 0 {
		return nil
	}
	shown := added[:min(len(added), maxShownScopes)]
	return AdviseLogin(fault.New(fault.Terminal, fault.ReasonReauthorizationRequired,
		"the login did not request the scopes %q, and a refresh cannot add them: log in again", shown), ec)
}

// Granted is the request with those of its scopes only that the login of its session was granted, if that is known.
func (a Addressed) Granted(m Material) Addressed {
	granted, _, known := m.grant()
	if !known {
		return a
	}
	missing := oauth.NotGranted(a.Scopes, granted)
	a.Scopes = slices.DeleteFunc(slices.Clone(a.Scopes), func(scope string) bool { return slices.Contains(missing, scope) })
	return a
}

// grant is that of the login of a session; unknown without one.
func (m Material) grant() (granted, refused []string, known bool) {
	if m.Sources.Session == nil {
		return nil, nil, false
	}
	return session.Grant(m.Sources.Session)
}

// maxShownScopes bounds the scopes in a message.
const maxShownScopes = 5

// AdviseLogin adds the command that begins another session to a failure that a login may end.
func AdviseLogin(err error, ec *egainv1alpha1.EgainClient) error {
	f := fault.Of(err)
	if f == nil || (!f.Login && f.Reason != egainv1alpha1.ReasonReauthorizationRequired && f.Reason != egainv1alpha1.ReasonSessionInvalid) {
		return err
	}
	advised := *f
	if strings.Contains(f.Message, "; sent ") {
		advised.Message += "; to log in again,"
	} else {
		advised.Message += ":"
	}
	advised.Message += " run " + loginCommand(ec)
	return &advised
}

// loginCommand is what a person runs to begin a session.
func loginCommand(ec *egainv1alpha1.EgainClient) string {
	return fmt.Sprintf("kubectl egain login %s --namespace %s", ec.Name, ec.Namespace)
}

func credentialsMissing(name string) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonCredentialsNotFound, "waiting for Secret %q: create it with the client id and secret of the client application, or correct spec.credentialsSecretRef", name)
}

// missingSubject is the failure for a Secret that does not exist. The operator creates that of an EgainClient: a user who creates it
// keeps that client from writing its token there.
func missingSubject(from egainv1alpha1.SubjectToken) func(string) error {
	if from.EgainClientRef == nil {
		return subjectMissing
	}
	return func(string) error {
		return fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for EgainClient %q, which has no token yet: see its conditions", from.EgainClientRef.Name)
	}
}

func subjectMissing(name string) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for Secret %q with the subject token: create it, or name another in spec.tokenExchange.subjectToken.secretKeyRef", name)
}

func sessionMissing(ec *egainv1alpha1.EgainClient) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonSessionNotFound, "waiting for a login: run %s", loginCommand(ec))
}

// Successor is the refresh token that came with an answer in place of the one that was used; false if none did.
func (m Material) Successor(tok oauth.Token) (session.Successor, bool) {
	if m.Sources.Session == nil || tok.RefreshToken == "" || tok.RefreshToken == m.Session.RefreshToken {
		return session.Successor{}, false
	}
	return session.Successor{
		Secret: *m.Sources.Session, Used: m.Session.RefreshToken,
		Content: session.Content{RefreshToken: tok.RefreshToken, ExpirationTime: tok.RefreshExpirationTime},
	}, true
}
