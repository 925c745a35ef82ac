package controllers

import (
	"cmp"
	"context"
	"fmt"

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
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
)

// facts are the state of the cluster before the reconcile acts. No function that receives them writes to them.
type facts struct {
	status.Facts
	tenant     request.Tenant
	target     target.Observation
	remembered recollection
	// recent is the token that Input.Recent is about.
	recent *target.Token
}

// observe reads the state of the cluster. With an error it returns what it read, so that a missing credentials Secret does not make
// a valid token look lost. The cache may not contain a session that was just written, which is why it is an argument.
func (r *EgainClientReconciler) observe(ctx context.Context, ec *egainv1alpha1.EgainClient, written *session.Written) (facts, error) {
	f := facts{remembered: r.memory.recall(ec)}
	f.Object = string(ec.UID)
	f.Input = rotation.Input{
		Now:       r.Clock.Now(),
		Renewal:   status.RenewalRequest(ec),
		Suspended: ec.Suspended(),
		Policy:    policy(ec),
		Spread:    rotation.Spread(string(ec.UID)),
	}
	if held := f.remembered.held; held != nil {
		f.Input.Held = &held.Token
	}
	// Every step runs, also after a failure: the first failure is reported.
	var failure error
	for _, step := range []func(context.Context, *egainv1alpha1.EgainClient, *facts) error{
		r.observeTarget, r.observeTenant, r.observeTrust, r.observeSources,
	} {
		err := step(ctx, ec, &f)
		if err != nil && fault.Of(err) == nil {
			f.Facts = f.After(written)
			return f, err
		}
		failure = cmp.Or(failure, err)
	}
	if f.remembered.triedLent == 0 || f.remembered.triedLent == lentDigest(f.Lent) {
		f.Input.Failure = status.LastFailure(f.remembered.status(ec), f.Facts)
	}
	r.observePace(ec, &f)
	f.Facts = f.After(written)
	return f, failure
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

// observeTarget observes the target, and remembers the state that it is known to be in.
func (r *EgainClientReconciler) observeTarget(ctx context.Context, ec *egainv1alpha1.EgainClient, f *facts) error {
	cached, err := metadata(ctx, r.Cache, "Secret", types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()})
	if err != nil {
		return err
	}
	known := f.remembered.known
	seen, err := target.Observe(ctx, secrets{r.Client}, clients{r.Cache}, ec, cached, known)
	f.target = seen.At(f.Input.Now)
	f.Content, f.Writer = f.target.Content, f.target.Writer
	f.Input.Token, f.Input.Damaged, f.Input.Drifted = f.target.Token, f.target.Damaged, f.target.Drifted
	if f.target.Known != known {
		r.memory.update(ec, func(m *recollection) { m.known = f.target.Known })
	}
	return err
}

// observeSources identifies the Secrets that a token is issued with.
func (r *EgainClientReconciler) observeSources(ctx context.Context, ec *egainv1alpha1.EgainClient, f *facts) error {
	found, err := r.Requests.Sources(ctx, ec, f.tenant)
	if found.Session != nil {
		f.SessionVersion, f.SessionExpiration = session.Version(found.Session), session.Expiration(found.Session, f.Input.Now)
	}
	if err == nil {
		f.Input.Sources = found.String()
		r.observeLent(ec, f, found)
	}
	return err
}

// observeLent tells whether the credentials of an application have changed since the token was issued. Only this process knows: the
// namespace of the EgainClient learns nothing of a Secret in another. After a restart the token counts as issued with what there is.
func (r *EgainClientReconciler) observeLent(ec *egainv1alpha1.EgainClient, f *facts, found request.Sources) {
	f.Lent = found.LentVersion()
	switch known := f.remembered.lent; {
	case f.Lent == "" && known == 0:
	case f.Lent == "" || known == 0:
		r.memory.update(ec, func(m *recollection) { m.lent = lentDigest(f.Lent) })
	default:
		f.Input.Outdated = known != lentDigest(f.Lent)
	}
}

// lentDigest stands for a version of an application's credentials; zero for none.
func lentDigest(version string) uint64 {
	if version == "" {
		return 0
	}
	return digest(version, "")
}

// observeTrust identifies the CA bundle, as far as the operator may look.
func (r *EgainClientReconciler) observeTrust(ctx context.Context, _ *egainv1alpha1.EgainClient, f *facts) error {
	ref := f.tenant.CABundleRef
	if ref == nil || !watched(r.Namespaces, string(ref.Namespace)) {
		return nil
	}
	meta, err := metadata(ctx, r.Cache, ref.Kind, types.NamespacedName{Namespace: string(ref.Namespace), Name: string(ref.Name)})
	if meta != nil {
		f.Trust = fmt.Sprintf(" ca=%s/%s", meta.UID, meta.ResourceVersion)
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

// fingerprint stands for what an attempt is made with; another one may go elsewhere.
func (f *facts) fingerprint() uint64 { return digest(f.Input.Inputs(), f.Trust+f.Lent) }
