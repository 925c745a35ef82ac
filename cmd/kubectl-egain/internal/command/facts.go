package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/report"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/workload"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// maxEvents bounds the events of a story: the last few say what happens now.
const maxEvents = 8

// gatherFacts finds out all that there is to say about an EgainClient. What may not be read is said in its place.
func gatherFacts(ctx context.Context, env *environment, ec *egainv1alpha1.EgainClient) (*report.Facts, error) {
	c, err := env.cluster()
	if err != nil {
		return nil, err
	}
	facts := &report.Facts{Client: ec, Unread: map[string][]string{}}
	facts.Sources = sourcesOf(ctx, c, ec)
	facts.Target = secretFacts(ctx, c, ec, ec.TargetName())
	if facts.Events, err = eventsOf(ctx, c, ec); err != nil {
		facts.Unread[report.TitleEvents] = []string{trouble(err)}
	}
	objects, unread := workloadsOf(ctx, c, ec.Namespace)
	facts.Uses, facts.Unread[report.TitleWorkloads] = workload.Of(ec.TargetName(), objects), unread
	return facts, nil
}

// sourcesOf reads the Secrets that an EgainClient's token is made from.
func sourcesOf(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient) []report.Source {
	var sources []report.Source
	add := func(what string, name egainv1alpha1.SecretName, needs ...string) {
		sources = append(sources, report.Source{Secret: secretFacts(ctx, c, ec, string(name)), What: what, Needs: needs})
	}
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		needs := []string{string(ref.ClientIDKey)}
		if !request.SecretOptional(&ec.Spec) {
			needs = append(needs, string(ref.ClientSecretKey))
		}
		add("Secret", ref.Name, needs...)
	}
	if exchange := ec.Spec.TokenExchange; exchange != nil && exchange.SubjectToken.SecretKeyRef != nil {
		add("Subject token", exchange.SubjectToken.SecretKeyRef.Name, string(exchange.SubjectToken.SecretKeyRef.Key))
	}
	if code := ec.Spec.AuthorizationCode; code != nil {
		add("Session", code.SessionSecretRef.Name, session.KeyRefreshToken)
	}
	return sources
}

// trouble says why something was not read, in place of it.
func trouble(err error) string {
	if apierrors.IsForbidden(err) {
		return "you have no permission to read this"
	}
	return "not read: " + err.Error()
}

// secretFacts drops the values as soon as they are read.
func secretFacts(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient, name string) report.Secret {
	facts, secret := report.Secret{Name: name}, &corev1.Secret{}
	switch err := c.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: name}, secret); {
	case apierrors.IsNotFound(err):
		facts.Missing = true
		return facts
	case err != nil:
		facts.Trouble = trouble(err)
		return facts
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		if len(secret.Data[key]) > 0 {
			facts.Keys = append(facts.Keys, key)
		}
	}
	facts.Version, facts.Changed = secret.ResourceVersion, lastChange(secret)
	facts.Claim, facts.Holder = target.ClaimOn(secret, ec)
	return facts
}

// lastChange is the latest time that a user's fields have.
func lastChange(object client.Object) time.Time {
	latest := object.GetCreationTimestamp().Time
	for _, entry := range object.GetManagedFields() {
		if entry.Time != nil && entry.Time.After(latest) {
			latest = entry.Time.Time
		}
	}
	return latest
}

// eventsOf returns the last events of an EgainClient, the latest first.
func eventsOf(ctx context.Context, c client.Client, ec *egainv1alpha1.EgainClient) ([]report.Event, error) {
	list := &corev1.EventList{}
	err := c.List(ctx, list, client.InNamespace(ec.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("involvedObject.uid", string(ec.UID))})
	if err != nil {
		return nil, err
	}
	events := make([]report.Event, len(list.Items))
	for i := range list.Items {
		e := &list.Items[i]
		events[i] = report.Event{Time: eventTime(e), Type: e.Type, Reason: e.Reason, Message: e.Message}
	}
	slices.SortStableFunc(events, func(a, b report.Event) int { return b.Time.Compare(a.Time) })
	return events[:min(len(events), maxEvents)], nil
}

// eventTime is when it was last seen; recorders of either API fill other fields.
func eventTime(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
	}
}

// workloadsOf lists what may use a Secret of a namespace, and says which kinds it may not list.
func workloadsOf(ctx context.Context, c client.Client, namespace string) ([]client.Object, []string) {
	var objects []client.Object
	var unread []string
	for _, kind := range []struct {
		name string
		list client.ObjectList
	}{
		{"Pods", &corev1.PodList{}},
		{"ReplicaSets", &appsv1.ReplicaSetList{}},
		{"Deployments", &appsv1.DeploymentList{}},
		{"StatefulSets", &appsv1.StatefulSetList{}},
		{"DaemonSets", &appsv1.DaemonSetList{}},
		{"Jobs", &batchv1.JobList{}},
		{"CronJobs", &batchv1.CronJobList{}},
	} {
		err := c.List(ctx, kind.list, client.InNamespace(namespace))
		if err == nil {
			err = meta.EachListItem(kind.list, func(item runtime.Object) error {
				object, is := item.(client.Object)
				if !is {
					return fmt.Errorf("a %T is no object", item)
				}
				objects = append(objects, object)
				return nil
			})
		}
		if err != nil {
			unread = append(unread, kind.name+": "+trouble(err))
		}
	}
	return objects, unread
}
