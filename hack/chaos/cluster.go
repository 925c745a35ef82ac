package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
)

// flowName is the name of what limits the operator's requests to the API server.
const flowName = "chaos-operator"

func clusterScenarios(o options) []scenario {
	return concat("kubernetes", longLife, []scenario{
		{alone: true, name: "kube-apiserver killed, and back after 5 s", run: steps(atRenewal, killAPIServer(5*time.Second), healthy), expect: report.Expectation{Recovery: takeover + soon, Extra: 0.2}},
		{alone: true, name: "etcd stopped for 20 s, three times", run: steps(atRenewal, stopEtcd, stopEtcd, stopEtcd, healthy), expect: report.Expectation{Recovery: soon, Extra: 0.2}},
		{name: "objects and targets written by others 20 times a second", run: scribble(o, 70*time.Second), expect: report.Expectation{Recovery: soon}},
		{alone: true, name: "API server that answers 429", run: steps(atRenewal, throttle(30*time.Second), healthy), expect: report.Expectation{Recovery: soon}},
		{
			name: "targets deleted or edited by others", short: true, run: vandalize(o, 30*time.Second),
			// Each costs one token of one client; the auditor looks four times a second.
			expect: report.Expectation{
				Longest: 5 * time.Second, Recovery: soon, Extra: 1.2 / (3 * clientsPerTenant),
				Because: "the operator sees it only afterwards",
			},
		},
		{name: "namespace deleted in the middle of renewals", arrange: addOthers(1), run: steps(atRenewal, deleteOthers, healthy), expect: report.Expectation{Recovery: soon}},
		{alone: true, name: "CRDs applied again, ten times", run: steps(atRenewal, reapply(10), healthy), expect: report.Expectation{Recovery: soon}},
	})
}

func killAPIServer(d time.Duration) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		l.struck()
		if err := l.cluster.Plane.KillAPIServer(); err != nil {
			return err
		}
		if err := l.hold(ctx, d); err != nil {
			return err
		}
		defer l.repaired()
		return l.cluster.Plane.RestartAPIServer(ctx)
	}
}

// stopEtcd stops etcd for 20 seconds: longer than a leader lives that cannot renew its Lease. The 5 seconds after it have to do
// for a token of every client, as the Lease may still be the dead leader's: a request that etcd had not answered it carries out.
func stopEtcd(ctx context.Context, l *lane) error {
	l.struck()
	if err := l.cluster.Plane.PauseEtcd(); err != nil {
		return err
	}
	err := l.hold(ctx, 20*time.Second)
	l.repaired()
	if errResume := l.cluster.Plane.ResumeEtcd(); errResume != nil {
		return errResume
	}
	return errors.Join(err, l.hold(ctx, 5*time.Second))
}

// often does something to a random client in an interval, for a time.
func often(o options, d, interval time.Duration, do func(context.Context, *lane, *tokenClient, int) error) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		random := rand.New(rand.NewPCG(o.seed, 1)) //nolint:gosec // Choices are to be the same with the same seed.
		for i := range int(d / interval) {
			if err := do(ctx, l, l.clients[random.IntN(len(l.clients))], i); client.IgnoreNotFound(err) != nil {
				return err
			}
			l.repaired()
			if err := l.hold(ctx, interval); err != nil {
				return err
			}
		}
		return nil
	}
}

// scribble writes labels and annotations to objects of the operator's and to targets.
func scribble(o options, d time.Duration) func(context.Context, *lane) error {
	return often(o, d, 50*time.Millisecond, func(ctx context.Context, l *lane, c *tokenClient, i int) error {
		var object client.Object = &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}}
		if i%2 == 1 {
			object = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.target().Name}}
		}
		change := fmt.Appendf(nil, `{"metadata":{"labels":{"chaos":"%d"},"annotations":{"example.com/chaos":"%d"}}}`, i, i)
		return l.cluster.Patch(ctx, object, client.RawPatch(mergePatch, change))
	})
}

// vandalize deletes targets, and puts another token into them.
func vandalize(o options, d time.Duration) func(context.Context, *lane) error {
	return often(o, d, time.Second, func(ctx context.Context, l *lane, c *tokenClient, i int) error {
		l.struck()
		target := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.target().Name}}
		if i%2 == 0 {
			return l.cluster.Delete(ctx, target)
		}
		return l.cluster.Patch(ctx, target, client.RawPatch(mergePatch, []byte(`{"stringData":{"access_token":"another-client-was-here"}}`)))
	})
}

// throttle has the API server let the operator have one request at a time, and answer 429 to all others.
func throttle(d time.Duration) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		l.struck()
		level, flow := limits(l.account.Namespace, l.account.Name)
		for _, object := range []client.Object{level, flow} {
			if err := l.create(ctx, object); err != nil {
				return err
			}
		}
		err := l.hold(ctx, d)
		for _, object := range []client.Object{flow, level} {
			if errDelete := l.cluster.Delete(ctx, object); errDelete != nil {
				return fmt.Errorf("ending the limit: %w", errDelete)
			}
		}
		l.repaired()
		return err
	}
}

// limits are a priority level of one seat without a queue, and the flow of an account's requests to it.
func limits(namespace, name string) (*flowcontrolv1.PriorityLevelConfiguration, *flowcontrolv1.FlowSchema) {
	level := &flowcontrolv1.PriorityLevelConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: flowName},
		Spec: flowcontrolv1.PriorityLevelConfigurationSpec{
			Type: flowcontrolv1.PriorityLevelEnablementLimited,
			Limited: &flowcontrolv1.LimitedPriorityLevelConfiguration{
				NominalConcurrencyShares: new(int32(1)),
				LendablePercent:          new(int32(0)),
				BorrowingLimitPercent:    new(int32(0)),
				LimitResponse:            flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject},
			},
		},
	}
	anything := []string{"*"}
	flow := &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: flowName},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: flowName},
			MatchingPrecedence:         2, // the first except for the one that exempts
			Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
				Subjects: []flowcontrolv1.Subject{{
					Kind:           flowcontrolv1.SubjectKindServiceAccount,
					ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: namespace, Name: name},
				}},
				ResourceRules: []flowcontrolv1.ResourcePolicyRule{{
					Verbs: anything, APIGroups: anything, Resources: anything, ClusterScope: true, Namespaces: anything,
				}},
			}},
		},
	}
	return level, flow
}

// reapply applies the CRDs as they are, as each deployment does.
func reapply(times int) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		for range times {
			l.struck()
			if err := l.cluster.ApplyCRDs(ctx); err != nil {
				return err
			}
			l.repaired()
			if err := l.hold(ctx, time.Second); err != nil {
				return err
			}
		}
		return nil
	}
}
