package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/target"
)

func (e *examination) targetSecret(ctx context.Context) Finding {
	if err := target.CheckTemplates(e.client); err != nil {
		return broken(err.Error(), correctTemplate)
	}
	secret, err := lookup.Secret(ctx, e.Cluster, e.Namespace, e.client.TargetName(), "the operator creates it with the first token: see the other checks")
	switch {
	case apierrors.IsNotFound(err):
		return e.missing(err)
	case err != nil:
		return unreadable(err)
	}
	if f := e.claimed(secret); f != nil {
		return *f
	}
	renew := "kubectl egain renew " + e.Name + " writes it again"
	if missing := slices.DeleteFunc(target.Keys(e.client), func(key string) bool { return secret.Data[key] != nil }); len(missing) > 0 {
		return broken(fmt.Sprintf("Secret %q has no keys %s", secret.Name, strings.Join(missing, ", ")), renew)
	}
	reading, err := target.Read(secret)
	if err != nil || reading.Token == nil {
		return broken(fmt.Sprintf("Secret %q was changed by another writer than the operator", secret.Name), renew)
	}
	if _, err := target.Render(e.client, reading.Token); err != nil {
		return broken(err.Error(), correctTemplate)
	}
	left := reading.Token.ExpirationTime.Sub(e.Clock.Now())
	if left <= 0 {
		return broken(fmt.Sprintf("the token in Secret %q expired at %s", secret.Name, reading.Token.ExpirationTime.UTC().Format(time.RFC3339)), renew)
	}
	e.target = secret
	return ok(fmt.Sprintf("Secret %q contains a token that expires in %s", secret.Name, duration.HumanDuration(left)))
}

const correctTemplate = "correct spec.target.template.data"

// missing is a finding for a target that does not exist. The operator says what keeps it from creating one.
func (e *examination) missing(err error) Finding {
	last := e.client.Status.LastFailure
	switch {
	case e.client.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge:
		return broken(err.Error(), "create it: with spec.target.creationPolicy Merge the operator only adds keys to an existing Secret")
	case last != nil:
		return broken(fmt.Sprintf("%s; the operator's last attempt failed: %s: %s", err, last.Reason, last.Message), "fix it, then run kubectl egain renew "+e.Name)
	default:
		return unreadable(err)
	}
}

// claimed is a finding if the Secret is not for this EgainClient.
func (e *examination) claimed(secret *corev1.Secret) *Finding {
	rename := "name another Secret in spec.target.secretName"
	claim, holder := target.ClaimOn(secret, e.client)
	var f Finding
	switch {
	case claim == target.ClaimOther:
		f = broken(fmt.Sprintf("Secret %q contains the token of EgainClient %q", secret.Name, holder), rename)
	case claim == target.ClaimLeaving:
		f = broken(fmt.Sprintf("Secret %q belongs to a deleted EgainClient of this name, and is being deleted", secret.Name), "try again in a minute, or "+rename)
	case claim == target.ClaimNone && e.client.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge:
		f = broken(fmt.Sprintf("Secret %q has none of the operator's keys yet", secret.Name), "see the other checks")
		if foreign := target.ForeignKeys(secret, e.client); len(foreign) > 0 {
			f = broken(fmt.Sprintf("Secret %q already has the keys %s, from another writer", secret.Name, strings.Join(foreign, ", ")), rename)
		}
	case claim == target.ClaimNone:
		f = broken(fmt.Sprintf("Secret %q is not the operator's, and is not overwritten", secret.Name), rename+", or set spec.target.creationPolicy to Merge to add keys to it")
	default:
		return nil
	}
	return &f
}

// access asks the API server what the operator may do here.
func (e *examination) access(ctx context.Context) Finding {
	if len(e.Installation.Operators) == 0 {
		return Finding{Status: Skipped, Message: "the operator's ServiceAccount is unknown"}
	}
	account := e.Installation.Operators[0].Account
	wanted := []authorizationv1.ResourceAttributes{{Verb: "patch", Resource: "secrets", Name: e.client.TargetName()}}
	if ref := e.client.Spec.CredentialsSecretRef; ref != nil {
		wanted = append(wanted, authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Name: string(ref.Name)})
	}
	if app := e.tenant.Application(e.client); app != nil {
		ref := &app.CredentialsSecretRef
		wanted = append(wanted, authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Name: string(ref.Name), Namespace: string(ref.Namespace)})
	}
	if code := e.client.Spec.AuthorizationCode; code != nil {
		wanted = append(wanted, authorizationv1.ResourceAttributes{Verb: "patch", Resource: "secrets", Name: string(code.SessionSecretRef.Name)})
	}
	for _, attributes := range wanted {
		attributes.Namespace = cmp.Or(attributes.Namespace, e.Namespace)
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: account, ResourceAttributes: &attributes}}
		if err := e.Cluster.Create(ctx, review); err != nil {
			return Finding{Status: Skipped, Message: "you may not check the operator's permissions (create subjectaccessreviews)"}
		}
		if !review.Status.Allowed {
			return broken(fmt.Sprintf("%s may not %s Secret %q in namespace %q", account, attributes.Verb, attributes.Name, attributes.Namespace),
				"grant it the permission: config/rbac cluster-wide, or config/namespaced for single namespaces")
		}
	}
	return ok("the operator may read the credentials and write the target")
}

func (e *examination) status(context.Context) Finding {
	ec, st := e.client, e.client.Status
	ready := meta.FindStatusCondition(st.Conditions, egainv1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return broken("the operator has not reconciled it yet", "check that the operator runs and watches namespace "+e.Namespace)
	case st.ObservedGeneration != ec.Generation:
		return warning(fmt.Sprintf("the operator has reconciled generation %d of the spec, not %d", st.ObservedGeneration, ec.Generation), "try again in a minute, then see the operator's log")
	case ready.Status != metav1.ConditionTrue && st.LastFailure != nil:
		return broken(fmt.Sprintf("not ready: %s: %s; %s", st.LastFailure.Reason, st.LastFailure.Message, nextTry(st.LastFailure)), "fix it, then run kubectl egain renew "+ec.Name)
	case ready.Status != metav1.ConditionTrue:
		return broken(fmt.Sprintf("not ready: %s: %s", ready.Reason, ready.Message), "see kubectl egain status "+ec.Name)
	case st.LastFailure != nil:
		return warning(fmt.Sprintf("ready, but the last renewal failed: %s: %s; %s", st.LastFailure.Reason, st.LastFailure.Message, nextTry(st.LastFailure)), "fix it before the token expires")
	default:
		return ok("ready, and up to date with the spec")
	}
}

func nextTry(f *egainv1alpha1.FailureStatus) string {
	switch {
	case f.RetryTime == nil && fault.PassesByItself(f.Reason):
		return "the operator retries"
	case f.RetryTime == nil:
		return "retried when the spec or an object that it names changes"
	}
	return "next try at " + f.RetryTime.UTC().Format(time.RFC3339)
}

func (e *examination) workloads(ctx context.Context) Finding {
	uses, unread := e.Workloads(ctx, e.Namespace, e.client.TargetName())
	var stale []string
	for _, use := range uses {
		if !use.How.Follows() {
			stale = append(stale, fmt.Sprintf("%s %s, container %s: %s %s", use.Kind, use.Name, use.Container, use.How, use.Where))
		}
	}
	switch {
	case len(stale) > 0:
		return Finding{
			Status: Warning, Message: "workloads read the token only at start, and keep it after it has expired",
			Advice: "mount Secret " + e.client.TargetName() + " as a volume without subPath, and read the file for each call", Details: append(stale, unread...),
		}
	case len(unread) > 0:
		return Finding{Status: Warning, Message: "not all workloads were checked", Advice: "ask an administrator of the cluster for permission to list them", Details: unread}
	case len(uses) == 0:
		return ok("no workload uses the target yet")
	default:
		return ok(fmt.Sprintf("%d containers use the target, and all see every renewal", len(uses)))
	}
}
