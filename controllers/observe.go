package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
)

// facts are the state of the cluster before the reconcile acts. No function that receives them writes to them.
type facts struct {
	status.Facts
	tenant request.Tenant
	target target.Observation
	// recent is the token that Input.Recent is about.
	recent *target.Token
}

// observe reads the state of the cluster. With an error it returns what it read, so that a missing credentials Secret does not make
// a valid token look lost. The cache may not contain a session that was just written, which is why it is an argument. The entry
// that it returns knows the target.
func (r *EgainClientReconciler) observe(
	ctx context.Context, ec *egainv1alpha1.EgainClient, entry journal.Entry, written *session.Written,
) (facts, journal.Entry, error) {
	var f facts
	f.Object, f.Input = string(ec.UID), inputOf(ec, entry, r.Clock.Now())
	seen, err := observeTarget(ctx, r.Client, r.Cache, ec, entry.Known)
	entry.Known, f.target = seen.Known, seen.At(f.Input.Now)
	f.Content, f.Writer = f.target.Content, f.target.Writer
	f.Input.Token, f.Input.Damaged, f.Input.Drifted = f.target.Token, f.target.Damaged, f.target.Drifted
	if err != nil && fault.Of(err) == nil {
		f.Facts = f.After(written)
		return f, entry, err
	}
	failure := err
	// Every step runs, also after a failure: the first failure is reported.
	for _, step := range []func(context.Context, *egainv1alpha1.EgainClient, *facts) error{r.observeTenant, r.observeTrust, r.observeSources} {
		err := step(ctx, ec, &f)
		if err != nil && fault.Of(err) == nil {
			f.Facts = f.After(written)
			return f, entry, err
		}
		failure = cmp.Or(failure, err)
	}
	if entry.TriedLent == 0 || entry.TriedLent == provider.LentDigest(f.Lent) {
		f.Input.Failure = status.LastFailure(entry.Status(ec), f.Facts)
	}
	if entry.Lent, f.Input.Outdated = lent(entry, ec, f.Lent); f.Input.Outdated {
		f.Input.Accepted = r.Providers.Gate.Accepted(provider.Trial(ec, f.Lent))
	}
	f.Input.History = history(ec, entry.History(), f)
	if entry.Recent != nil {
		f.recent, f.Input.Recent = entry.Recent.Whole, &entry.Recent.Recent
	}
	f.Facts = f.After(written)
	return f, entry, failure
}

// inputOf is the part of what a decision depends on that needs no look at other objects.
func inputOf(ec *egainv1alpha1.EgainClient, entry journal.Entry, now time.Time) rotation.Input {
	in := rotation.Input{
		Now:       now,
		Renewal:   status.RenewalRequest(ec),
		Suspended: ec.Suspended(),
		Policy:    policy(ec),
		Spread:    rotation.Spread(string(ec.UID)),
	}
	if entry.Held != nil {
		in.Held = &entry.Held.Token.Token
	}
	return in
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

// history is what is known of the token requests until now. The time of the last issue is also in the target, unless that is lost, and
// in the status, so that it is known after a restart.
func history(ec *egainv1alpha1.EgainClient, known rotation.History, f facts) rotation.History {
	known.Written = known.Written || ec.Status.Token != nil
	var reported time.Time
	if tok := ec.Status.Token; tok != nil && tok.IssueTime != nil {
		reported = tok.IssueTime.Time
	}
	for _, at := range []time.Time{f.Input.Token.IssuedAt(), f.target.Issued, reported} {
		if at.After(known.Issued) && !at.After(f.Input.Now) {
			known.Issued = at
		}
	}
	return known
}

// observeTarget observes the target. It is read only if it may have changed since it was known.
func observeTarget(ctx context.Context, c client.Client, cache client.Reader, ec *egainv1alpha1.EgainClient, known target.Known) (target.Observation, error) {
	cached, err := metadata(ctx, cache, "Secret", types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()})
	if err != nil {
		return target.Observation{Known: known}, err
	}
	return target.Observe(ctx, secrets{c}, clients{cache}, ec, cached, known)
}

// observeTenant finds the tenant and what identifies the spec with it. While the tenant, or its application, does not exist, a token that was issued for
// the observed generation counts as issued for the spec.
func (r *EgainClientReconciler) observeTenant(ctx context.Context, ec *egainv1alpha1.EgainClient, f *facts) error {
	tenant, err := findTenant(ctx, r.Cache, r.Providers.Transport, ec)
	f.tenant, f.Input.Spec = tenant, request.SpecID(ec, tenant)
	f.EndpointsChecked = r.started()
	if tenant.ReadySince.After(f.EndpointsChecked) {
		f.EndpointsChecked = tenant.ReadySince
	}
	failure := fault.Of(err)
	absent := failure != nil && (failure.Reason == egainv1alpha1.ReasonTenantNotFound || failure.Reason == egainv1alpha1.ReasonApplicationNotFound)
	if absent && f.Input.Token != nil && ec.Status.ObservedGeneration == ec.Generation {
		f.Input.Spec = f.Input.Token.Spec
	}
	return err
}

// observeTrust identifies the CA bundle, as far as the operator may read it.
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

// observeSources identifies the Secrets that a token is issued with.
func (r *EgainClientReconciler) observeSources(ctx context.Context, ec *egainv1alpha1.EgainClient, f *facts) error {
	found, err := r.Tokens.Reader.Sources(ctx, ec, f.tenant)
	if found.Session != nil {
		f.SessionVersion, f.SessionExpiration = session.Version(found.Session), session.Expiration(found.Session, f.Input.Now)
	}
	if err == nil {
		f.Input.Sources, f.Lent = found.String(), found.LentVersion()
	}
	return err
}

// lent says whether the credentials of an application have changed since the token was issued, and which version to remember. Only this
// process knows: the namespace of the EgainClient learns nothing of a Secret in another. After a restart the token counts as issued
// with the present version, unless the status says that the client waits for it to be accepted.
func lent(entry journal.Entry, ec *egainv1alpha1.EgainClient, version string) (remember uint64, outdated bool) {
	is := provider.LentDigest(version)
	last := entry.Status(ec).LastFailure
	switch {
	case is == 0:
		return 0, false
	case entry.Lent != 0:
		return entry.Lent, entry.Lent != is
	case last != nil && last.Reason == egainv1alpha1.ReasonApplicationFailing:
		return ^is, true
	default:
		return is, false
	}
}
