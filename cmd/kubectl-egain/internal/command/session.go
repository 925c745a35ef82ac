package command

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// sessionStore is the session Secret of an EgainClient.
type sessionStore struct {
	cluster client.Client
	client  *egainv1alpha1.EgainClient
	// id identifies the login that is stored.
	id string
	// granted and refused are the scopes that it asked for.
	granted, refused []string
}

func (e *environment) sessionStore(ec *egainv1alpha1.EgainClient) (*sessionStore, error) {
	c, err := e.cluster()
	return &sessionStore{cluster: c, client: ec, id: rand.Text()}, err
}

func (s *sessionStore) name() string {
	return string(s.client.Spec.AuthorizationCode.SessionSecretRef.Name)
}

// read returns the Secret as it is, without a name if there is none. One that is not for the session of this EgainClient is an
// error.
func (s *sessionStore) read(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := s.cluster.Get(ctx, client.ObjectKey{Namespace: s.client.Namespace, Name: s.name()}, secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the session Secret %q: %w", s.name(), err)
	}
	clients := &egainv1alpha1.EgainClientList{}
	if err := s.cluster.List(ctx, clients, client.InNamespace(s.client.Namespace)); err != nil {
		return nil, fmt.Errorf("checking whether another EgainClient uses Secret %q: %w", s.name(), err)
	}
	for i := range clients.Items {
		if use := s.useBy(&clients.Items[i]); use != "" {
			return nil, s.refuse("Secret %q contains %s of EgainClient %q", s.name(), use, clients.Items[i].Name)
		}
	}
	if err := s.refuseOfTenants(ctx); err != nil {
		return nil, err
	}
	return secret, s.refuseForeign(secret)
}

// refuseOfTenants refuses a Secret that an EgainTenant reads, such as that of an application. A user who may not list EgainTenants is
// refused by the API server, or by the operator.
func (s *sessionStore) refuseOfTenants(ctx context.Context) error {
	tenants := &egainv1alpha1.EgainTenantList{}
	if err := s.cluster.List(ctx, tenants); err != nil {
		if apierrors.IsForbidden(err) {
			return nil
		}
		return fmt.Errorf("checking whether an EgainTenant uses Secret %q: %w", s.name(), err)
	}
	for i := range tenants.Items {
		if use := tenants.Items[i].SecretUseIn(s.client.Namespace, s.name()); use != "" {
			return s.refuse("Secret %q belongs to %s of EgainTenant %q", s.name(), use, tenants.Items[i].Name)
		}
	}
	return nil
}

// useBy says what an EgainClient has the Secret for; "" if nothing, or as it should be.
func (s *sessionStore) useBy(ec *egainv1alpha1.EgainClient) string {
	uses := map[string]string{ec.TargetName(): "the access token"}
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		uses[string(ref.Name)] = "the credentials"
	}
	if exchange := ec.Spec.TokenExchange; exchange != nil && exchange.SubjectToken.SecretKeyRef != nil {
		uses[string(exchange.SubjectToken.SecretKeyRef.Name)] = "the subject token"
	}
	if ref := ec.Spec.Tenant.CABundleRef; ref != nil && ref.Kind == "Secret" {
		uses[string(ref.Name)] = "the CA bundle"
	}
	if code := ec.Spec.AuthorizationCode; code != nil && ec.UID != s.client.UID {
		uses[string(code.SessionSecretRef.Name)] = "the session"
	}
	return uses[s.name()]
}

// refuseForeign refuses a Secret that says itself that it is for something else.
func (s *sessionStore) refuseForeign(secret *corev1.Secret) error {
	for _, annotation := range []string{target.AnnotationOwnedBy, target.AnnotationMergedBy} {
		if by := secret.Annotations[annotation]; by != "" {
			return s.refuse("Secret %q contains the access token of EgainClient %q", s.name(), by)
		}
	}
	if _, present := secret.Data[session.KeyRefreshToken]; present && !session.Marked(secret) {
		return s.refuse("Secret %q contains a refresh token that no kubectl egain login stored", s.name())
	}
	for _, owner := range secret.OwnerReferences {
		switch {
		case owner.UID == s.client.UID:
		case owner.Kind == "EgainClient" && owner.Name == s.client.Name:
			return advise(fmt.Errorf("the Secret %q belongs to a deleted EgainClient of this name, and is being deleted", s.name()),
				"try again in a minute, or name another Secret in spec.authorizationCode.sessionSecretRef")
		default:
			return s.refuse("Secret %q belongs to %s %q", s.name(), owner.Kind, owner.Name)
		}
	}
	if secret.Immutable != nil && *secret.Immutable {
		return s.refuse("Secret %q is immutable", s.name())
	}
	return nil
}

func (s *sessionStore) refuse(format string, args ...any) error {
	return advise(fmt.Errorf(format+": no refresh token is stored there", args...),
		"name another Secret in spec.authorizationCode.sessionSecretRef")
}

// owned reports whether the Secret goes with the EgainClient: one that there is not yet, or that an earlier login made.
func (s *sessionStore) owned(secret *corev1.Secret) bool {
	return secret.Name == "" || slices.ContainsFunc(secret.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == s.client.UID })
}

// rehearse has the API server check what store will ask of it: a code, and the refresh token that it brings, serve once.
func (s *sessionStore) rehearse(ctx context.Context) error {
	secret, err := s.read(ctx)
	if err != nil {
		return err
	}
	if err := s.apply(ctx, secret, session.Content{RefreshToken: "rehearsed"}, client.DryRunAll); err != nil {
		return fmt.Errorf("checking whether you may write the session Secret %q: %w", s.name(), err)
	}
	return nil
}

// storeBackoff has an API server that fails for a moment asked again, since the refresh token is nowhere else: for 20 seconds.
var storeBackoff = wait.Backoff{Steps: 8, Duration: 150 * time.Millisecond, Factor: 2}

// store writes a session. The operator may have written that of an earlier login just now: what is there is looked at again.
func (s *sessionStore) store(ctx context.Context, content session.Content) error {
	// An interrupt now would lose the session, and the write takes only a moment.
	ctx = context.WithoutCancel(ctx)
	retriable := func(err error) bool { return !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) }
	err := retry.OnError(storeBackoff, retriable, func() error {
		secret, err := s.read(ctx)
		if err != nil {
			return err
		}
		return s.apply(ctx, secret, content)
	})
	if err != nil {
		return advise(fmt.Errorf("writing the session Secret %q: %w", s.name(), err), "the login is lost: fix it, then log in again")
	}
	return nil
}

func (s *sessionStore) apply(ctx context.Context, secret *corev1.Secret, content session.Content, opts ...client.ApplyOption) error {
	applied := session.Render(&metav1.ObjectMeta{Namespace: s.client.Namespace, Name: s.name()}, content)
	applied.UID = nil
	if secret.Name != "" {
		applied.WithUID(secret.UID).WithResourceVersion(secret.ResourceVersion)
	}
	applied.WithAnnotations(map[string]string{
		session.AnnotationID: s.id, session.AnnotationClient: client.ObjectKeyFromObject(s.client).String(),
		session.AnnotationScopes: strings.Join(s.granted, " "), session.AnnotationScopesNotGranted: strings.Join(s.refused, " "),
	})
	if s.owned(secret) {
		applied.WithOwnerReferences(s.ownerReference())
	}
	// The operator owns the refresh token of an earlier login, which this one takes the place of.
	return s.cluster.Apply(ctx, applied, append(opts, client.FieldOwner(fieldManager), client.ForceOwnership)...)
}

// ownerReference has the Secret deleted with the EgainClient. It is no controller's: that is what a target has.
func (s *sessionStore) ownerReference() *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().WithAPIVersion(egainv1alpha1.SchemeGroupVersion.String()).WithKind("EgainClient").
		WithName(s.client.Name).WithUID(s.client.UID)
}

// end takes the refresh token out of the Secret, if it is still the one that was read. The operator or an earlier login may
// have put it there, so that it is removed rather than no longer applied.
func (s *sessionStore) end(ctx context.Context, secret *corev1.Secret) error {
	ended := secret.DeepCopy()
	delete(ended.Data, session.KeyRefreshToken)
	delete(ended.Annotations, session.AnnotationExpirationTime)
	return s.cluster.Patch(ctx, ended, client.MergeFromWithOptions(secret, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldManager))
}
