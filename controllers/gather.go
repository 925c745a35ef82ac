package controllers

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/issuance"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
)

// world is what a decision rests on.
type world struct {
	input      rotation.Input
	tenant     issuance.Tenant
	target     target
	remembered recollection
	// trust identifies the version of the CA bundle. Another one is no reason for a new token, but one to try TLS again.
	trust string
	// session identifies the version of the session Secret. The operator itself makes new ones, so that another one is no
	// reason for a new token, but one to try a session again that was over.
	session string
	// sessionExpiration is when the refresh token expires; zero if unknown.
	sessionExpiration time.Time
}

// target is the target Secret as it is.
type target struct {
	// meta is nil if there is no Secret.
	meta *metav1.ObjectMeta
	// reading is what it holds; nil if it was not read since nothing changed since it was last found in order.
	reading *kubesecret.Reading
	// replace says that the Secret cannot take what the spec asks for and must make way.
	replace bool
}

// gather reads the world. It returns what it could read even with an error, so that a missing credentials Secret does not
// make a valid token look lost.
func (r *EgainClientReconciler) gather(ctx context.Context, ec *egainv1alpha1.EgainClient) (world, error) {
	w := world{remembered: r.memory.recall(ec)}
	w.input = rotation.Input{
		Now:       r.Clock.Now(),
		Renewal:   truncate(ec.Annotations[egainv1alpha1.RenewRequestedAtAnnotation], maxRenewal),
		Suspended: ec.Suspended(),
		Policy:    policy(ec),
		Spread:    rotation.Spread(string(ec.UID)),
	}
	if held := w.remembered.held; held != nil {
		w.input.Held = &held.Token
	}
	// Each step is taken although one before it found something amiss, which is then what is told.
	var amiss error
	for _, step := range []func(context.Context, *egainv1alpha1.EgainClient, *world) error{
		r.gatherTarget, r.gatherTenant, r.gatherTrust, r.gatherSources,
	} {
		err := step(ctx, ec, &w)
		if err != nil && fault.Of(err) == nil {
			return w, err
		}
		amiss = cmp.Or(amiss, err)
	}
	w.input.Failure = w.lastFailure(w.remembered.status(ec))
	return w, amiss
}

func policy(ec *egainv1alpha1.EgainClient) rotation.Policy {
	switch renewal := ec.Spec.Renewal; {
	case renewal == nil:
		return rotation.Policy{}
	case renewal.Before != nil:
		return rotation.Policy{Before: renewal.Before.Duration}
	default:
		return rotation.Policy{Percent: renewal.Percent}
	}
}

// lastFailure is the last failed attempt, unless what it failed for may have been mended since.
func (w *world) lastFailure(st egainv1alpha1.EgainClientStatus) *rotation.Failure {
	last := st.LastFailure
	if last == nil || unwrittenSession(last) { // which is over: the refresh token was written before
		return nil
	}
	inputs, same := strings.CutSuffix(last.Inputs, w.alsoTriedWith(last.Reason))
	switch {
	case !same:
		return nil
	case last.RetryTime != nil:
		return &rotation.Failure{Inputs: inputs, RetryTime: last.RetryTime.Time}
	case last.Reason == egainv1alpha1.ReasonReauthorizationRequired:
		return &rotation.Failure{Inputs: inputs}
	default:
		return nil
	}
}

// alsoTriedWith identifies what an attempt that failed for a reason depends on beyond its inputs.
func (w *world) alsoTriedWith(reason string) string {
	switch reason {
	case egainv1alpha1.ReasonTLSFailed:
		return w.trust
	case egainv1alpha1.ReasonReauthorizationRequired:
		return w.session
	default:
		return ""
	}
}

// gatherTarget looks at the target: its metadata from the cache if they are as we left them, else the whole Secret, live.
// That there is none is believed of the cache unless we wrote one: before one is created, it is looked for again.
func (r *EgainClientReconciler) gatherTarget(ctx context.Context, ec *egainv1alpha1.EgainClient, w *world) error {
	name := types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()}
	meta, err := r.metadata(ctx, "Secret", name)
	switch {
	case err != nil:
		return err
	case meta != nil && w.remembered.verified == versionOf(ec, meta):
		w.target.meta, w.input.Token = meta, w.remembered.token
		return nil
	case meta == nil && w.remembered.verified == version{}:
		return r.gatherMissing(ctx, ec)
	}
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, name, secret); apierrors.IsNotFound(err) {
		w.remembered.verified, w.remembered.token = version{}, nil
		r.memory.remember(ec, w.remembered)
		return r.gatherMissing(ctx, ec)
	} else if err != nil {
		return fmt.Errorf("reading Secret %q: %w", name.Name, err)
	}
	w.target.meta = &secret.ObjectMeta
	if err := r.claim(ctx, ec, secret); err != nil {
		return err
	}
	return r.inspect(ec, secret, w)
}

// gatherMissing says what is in the way of a target that does not exist yet.
func (r *EgainClientReconciler) gatherMissing(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if ec.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge {
		return fault.New(fault.Waiting, egainv1alpha1.ReasonTargetNotFound, "Secret %q does not exist: create it, or set target.creationPolicy to Owner", ec.TargetName())
	}
	if err := r.contend(ctx, ec); err != nil {
		return err
	}
	return kubesecret.CheckTemplates(ec)
}

// inspect reads a Secret that is ours to write.
func (r *EgainClientReconciler) inspect(ec *egainv1alpha1.EgainClient, secret *corev1.Secret, w *world) error {
	reading, err := kubesecret.Read(secret)
	if err != nil {
		return err
	}
	w.target.reading = &reading
	w.input.Damaged = reading.Damaged
	if reading.Token != nil {
		w.input.Token = &reading.Token.Token
	}
	immutable := secret.Immutable != nil && *secret.Immutable
	if ec.Spec.Target.CreationPolicy != egainv1alpha1.CreationPolicyMerge {
		w.target.replace = immutable || string(secret.Type) != ec.Spec.Target.Type
	} else if err := addable(ec, secret, immutable); err != nil {
		return err
	}
	if reading.Token == nil {
		return kubesecret.CheckTemplates(ec)
	}
	return r.compare(ec, secret, w)
}

// compare finds out whether a Secret with a whole token in it else is what the spec asks for.
func (r *EgainClientReconciler) compare(ec *egainv1alpha1.EgainClient, secret *corev1.Secret, w *world) error {
	want, err := kubesecret.Render(ec, w.target.reading.Token)
	if err != nil {
		return err
	}
	drifted, err := w.target.reading.Drifted(want)
	if err != nil {
		return err
	}
	w.input.Drifted = drifted || w.target.replace
	if !w.input.Drifted {
		w.remembered.verified, w.remembered.token = versionOf(ec, &secret.ObjectMeta), new(w.target.reading.Token.Token)
		r.memory.remember(ec, w.remembered)
	}
	return nil
}

// addable refuses a Secret that our keys cannot be added to. A token of ours may be in it all the same.
func addable(ec *egainv1alpha1.EgainClient, secret *corev1.Secret, immutable bool) error {
	if foreign := kubesecret.ForeignKeys(secret, ec); len(foreign) > 0 {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetConflict, "Secret %q already has the keys %q: remove them from it, or name another target.secretName", secret.Name, foreign)
	}
	if immutable {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetImmutable, "Secret %q is immutable: replace it by one that is not, or name another target.secretName", secret.Name)
	}
	return nil
}

func versionOf(ec *egainv1alpha1.EgainClient, meta *metav1.ObjectMeta) version {
	return version{generation: ec.Generation, target: digest(string(meta.UID), meta.ResourceVersion)}
}

// claim refuses a Secret that is not ours to write.
func (r *EgainClientReconciler) claim(ctx context.Context, ec *egainv1alpha1.EgainClient, secret *corev1.Secret) error {
	claim, holder := kubesecret.ClaimOn(secret, ec)
	switch claim {
	case kubesecret.ClaimOther:
		left, err := r.leftBehind(ctx, secret, holder)
		if err != nil {
			return err
		}
		if !left {
			return claimed(secret.Name, holder)
		}
	case kubesecret.ClaimLeaving:
		return fault.New(fault.Waiting, egainv1alpha1.ReasonTargetClaimed, "Secret %q belongs to a deleted EgainClient of the same name and is about to be collected", secret.Name)
	case kubesecret.ClaimOurs:
		return nil
	case kubesecret.ClaimNone:
	}
	if ec.Spec.Target.CreationPolicy != egainv1alpha1.CreationPolicyMerge {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetNotOwned, "Secret %q exists and was not created for this EgainClient: delete it, set target.creationPolicy to Merge, or name another target.secretName", secret.Name)
	}
	return r.contend(ctx, ec)
}

// leftBehind reports whether the EgainClient whose note a Secret bears does not exist any more, as after Retain. An owner
// reference is the garbage collector's to deal with.
func (r *EgainClientReconciler) leftBehind(ctx context.Context, secret *corev1.Secret, holder string) (bool, error) {
	if metav1.GetControllerOf(secret) != nil {
		return false, nil
	}
	err := r.Cache.Get(ctx, client.ObjectKey{Namespace: secret.Namespace, Name: holder}, &egainv1alpha1.EgainClient{})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("looking up EgainClient %q: %w", holder, err)
	}
	return err != nil, nil
}

// contend refuses a target that nobody holds yet if an older EgainClient wants it too.
func (r *EgainClientReconciler) contend(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	var rivals egainv1alpha1.EgainClientList
	if err := r.Cache.List(ctx, &rivals, client.InNamespace(ec.Namespace), client.MatchingFields{indexObjects: "Secret/" + ec.TargetName()}); err != nil {
		return fmt.Errorf("listing the EgainClients with target %q: %w", ec.TargetName(), err)
	}
	for i := range rivals.Items {
		if rival := &rivals.Items[i]; rival.TargetName() == ec.TargetName() && older(rival, ec) {
			return claimed(ec.TargetName(), rival.Name)
		}
	}
	return nil
}

func older(a, b *egainv1alpha1.EgainClient) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

func claimed(secret, holder string) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTargetClaimed, "Secret %q is the target of EgainClient %q: name another target.secretName", secret, holder)
}

// gatherSources identifies the Secrets that a token is issued with by UID and resourceVersion. A hash of what is in them
// would invite guessing.
func (r *EgainClientReconciler) gatherSources(ctx context.Context, ec *egainv1alpha1.EgainClient, w *world) error {
	var s sources
	var err error
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		if s.credentials, err = r.source(ctx, ec, string(ref.Name), credentialsMissing); err != nil {
			return err
		}
	}
	name, err := r.subjectSecret(ctx, ec)
	if err != nil {
		return err
	}
	if name != "" {
		if s.subject, err = r.source(ctx, ec, name, subjectMissing); err != nil {
			return err
		}
	}
	if ec.Spec.AuthorizationCode != nil {
		if s.session, err = r.gatherSession(ctx, ec, w); err != nil {
			return err
		}
	}
	w.input.Sources = s.String()
	return nil
}

// source looks up a Secret that a token is issued with.
func (r *EgainClientReconciler) source(ctx context.Context, ec *egainv1alpha1.EgainClient, name string, missing func(string) error) (*metav1.ObjectMeta, error) {
	meta, err := r.metadata(ctx, "Secret", types.NamespacedName{Namespace: ec.Namespace, Name: name})
	if meta == nil && err == nil {
		err = missing(name)
	}
	return meta, err
}

func credentialsMissing(name string) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonCredentialsNotFound, "waiting for Secret %q: create it with the client id and secret of the client application", name)
}

func subjectMissing(name string) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, "waiting for Secret %q with the subject token: create it, or name another in tokenExchange.subjectToken.secretKeyRef", name)
}

// gatherTrust identifies the CA bundle, as far as the operator may look.
func (r *EgainClientReconciler) gatherTrust(ctx context.Context, _ *egainv1alpha1.EgainClient, w *world) error {
	ref := w.tenant.CABundleRef
	if ref == nil || !watched(r.Namespaces, string(ref.Namespace)) {
		return nil
	}
	meta, err := r.metadata(ctx, ref.Kind, types.NamespacedName{Namespace: string(ref.Namespace), Name: string(ref.Name)})
	if meta != nil {
		w.trust = fmt.Sprintf(" ca=%s/%s", meta.UID, meta.ResourceVersion)
	}
	return err
}

// sources are the Secrets that a token is issued with; each may be nil.
type sources struct {
	credentials, subject, session *metav1.ObjectMeta
}

// String identifies the versions.
func (s sources) String() string {
	text := ""
	if s.credentials != nil {
		text += fmt.Sprintf("credentials=%s/%s", s.credentials.UID, s.credentials.ResourceVersion)
	}
	if s.subject != nil {
		text += fmt.Sprintf(" subject=%s/%s", s.subject.UID, s.subject.ResourceVersion)
	}
	if s.session != nil {
		// Not the version: the operator writes a new one with each refresh token.
		text += fmt.Sprintf(" session=%s/%s", s.session.UID, session.ID(s.session))
	}
	return text
}

// metadata reads an object's metadata from the cache; nil if it does not exist.
func (r *EgainClientReconciler) metadata(ctx context.Context, kind string, name types.NamespacedName) (*metav1.ObjectMeta, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	if err := r.Cache.Get(ctx, name, object); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("looking up %s %q: %w", kind, name.Name, err)
	}
	return &object.ObjectMeta, nil
}

// expiry is when the token that is in the target expires; zero if there is none.
func (w *world) expiry() time.Time {
	if w.input.Token == nil {
		return time.Time{}
	}
	return w.input.Token.ExpirationTime
}
