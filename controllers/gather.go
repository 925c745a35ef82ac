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
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// world is what a decision rests on.
type world struct {
	input      rotation.Input
	tenant     request.Tenant
	target     target.Observation
	remembered recollection
	// trust identifies the version of the CA bundle. Another one is no reason for a new token, but one to try TLS again.
	trust string
	// session identifies the version of the session Secret. The operator itself makes new ones, so that another one is no
	// reason for a new token, but one to try a session again that was over.
	session string
	// sessionExpiration is when the refresh token expires; zero if unknown.
	sessionExpiration time.Time
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

// gatherTarget observes the target, and remembers the state that it is known to be in.
func (r *EgainClientReconciler) gatherTarget(ctx context.Context, ec *egainv1alpha1.EgainClient, w *world) error {
	cached, err := metadata(ctx, r.Cache, "Secret", types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()})
	if err != nil {
		return err
	}
	known := w.remembered.known
	w.target, err = target.Observe(ctx, secrets{r.Client}, clients{r.Cache}, ec, cached, known)
	w.input.Token, w.input.Damaged, w.input.Drifted = w.target.Token, w.target.Damaged, w.target.Drifted
	if w.target.Known != known {
		w.remembered.known = w.target.Known
		r.memory.remember(ec, w.remembered)
	}
	return err
}

// gatherSources identifies the Secrets that a token is issued with.
func (r *EgainClientReconciler) gatherSources(ctx context.Context, ec *egainv1alpha1.EgainClient, w *world) error {
	found, err := r.Requests.Sources(ctx, ec)
	if found.Session != nil {
		w.session, w.sessionExpiration = session.Version(found.Session), session.Expiration(found.Session)
	}
	if err == nil {
		w.input.Sources = found.String()
	}
	return err
}

// gatherTrust identifies the CA bundle, as far as the operator may look.
func (r *EgainClientReconciler) gatherTrust(ctx context.Context, _ *egainv1alpha1.EgainClient, w *world) error {
	ref := w.tenant.CABundleRef
	if ref == nil || !watched(r.Namespaces, string(ref.Namespace)) {
		return nil
	}
	meta, err := metadata(ctx, r.Cache, ref.Kind, types.NamespacedName{Namespace: string(ref.Namespace), Name: string(ref.Name)})
	if meta != nil {
		w.trust = fmt.Sprintf(" ca=%s/%s", meta.UID, meta.ResourceVersion)
	}
	return err
}

// metadata reads an object's metadata from the cache; nil if it does not exist.
func metadata(ctx context.Context, cache client.Reader, kind string, name types.NamespacedName) (*metav1.ObjectMeta, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	if err := cache.Get(ctx, name, object); apierrors.IsNotFound(err) {
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
