package target

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/refusal"
)

// Plan is a target that is rendered and not written yet. It serves for one Apply.
type Plan struct {
	ec   *egainv1alpha1.EgainClient
	want *corev1ac.SecretApplyConfiguration
	// replaced is the Secret that has to be deleted first; nil if none has to.
	replaced *metav1.ObjectMeta
}

// PlanWrite renders the target that an EgainClient asks for with a token. It fails, Terminal, if a template does.
func PlanWrite(ec *egainv1alpha1.EgainClient, seen Observation, tok *Token) (Plan, error) {
	want, err := Render(ec, tok)
	switch {
	case err != nil:
		return Plan{}, err
	case seen.Replace:
		return Plan{ec: ec, want: want, replaced: seen.Meta}, nil
	case seen.Meta != nil:
		want.WithUID(seen.Meta.UID).WithResourceVersion(seen.Meta.ResourceVersion)
	}
	return Plan{ec: ec, want: want}, nil
}

// Apply writes the target and returns what to remember of it. Changes that others made to the operator's fields are
// overwritten. A Secret that was created, or changed, since Observe is not: a key that appeared there is not the operator's, and
// the next Observe says so. Refused makes the error fit to be shown.
func (p Plan) Apply(ctx context.Context, secrets Secrets) (Known, error) {
	exists := p.want.UID != nil
	if !exists {
		// An apply cannot be told to create or fail, and Observe was before the token request.
		if err := checkAbsent(ctx, secrets, p.ec); err != nil {
			return Known{}, err
		}
	}
	wanted := ptr.Deref(p.want.Type, "")
	meta, err := secrets.Apply(ctx, p.want, metav1.ApplyOptions{FieldManager: Manager, Force: exists})
	if err != nil {
		return Known{}, err
	}
	immutable := ptr.Deref(p.want.Immutable, false)
	if isMerge(p.ec) {
		if immutable { // the next Observe reads it, and says so before a token is requested
			return Known{}, nil
		}
		return Known{Version: VersionOf(p.ec, meta), Token: Recall(meta)}, nil
	}
	final := immutable || ptr.Deref(p.want.Type, "") != wanted
	return Known{Version: VersionOf(p.ec, meta), Token: Recall(meta), Final: final, Replaced: p.Replaces()}, nil
}

// checkAbsent fails if the target exists.
func checkAbsent(ctx context.Context, secrets Secrets, ec *egainv1alpha1.EgainClient) error {
	_, err := secrets.Get(ctx, targetOf(ec))
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	default:
		return apierrors.NewAlreadyExists(corev1.Resource("secrets"), ec.TargetName())
	}
}

// Refused classifies an error of Rehearse, Delete or Apply. What a person must fix becomes a failure with the API server's
// text. No value of the Secret that an admission webhook repeats is in the result.
func (p Plan) Refused(err error) error {
	invalid := (apierrors.IsInvalid(err) && !refusal.AnotherObject(err)) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
	err = refusal.Unquoted(err, p.want.Data, KeyAccessToken)
	if !invalid && !apierrors.IsForbidden(err) {
		return fmt.Errorf("applying Secret %q: %w", p.ec.TargetName(), err)
	}
	class := fault.Retryable // a quota or a webhook may let it pass later, and nothing reports that
	if invalid {
		class = fault.Terminal
	}
	advice := refusal.Remedy(err)
	if apierrors.IsInvalid(err) && !strings.Contains(refusal.Text(err), "AdmissionPolicy") || apierrors.IsRequestEntityTooLargeError(err) {
		advice = "correct spec.target"
	}
	return fault.New(class, egainv1alpha1.ReasonTargetRejected, "the API server does not accept Secret %q: %s; %s", p.ec.TargetName(), refusal.Text(err), advice)
}
