package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kstatustools "sigs.k8s.io/cli-utils/pkg/kstatus/status"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// collected is how long the garbage collector gets.
const collected = 30 * time.Second

// run reconciles an object once, to any outcome but an error of the API server, and holds the status to its rules.
func (f *fixture) run(ec *egainv1alpha1.EgainClient) ctrl.Result {
	f.t.Helper()
	result, err := f.tryReconcile(ec)
	if !errors.Is(err, reconcile.TerminalError(nil)) {
		f.Expect(err).NotTo(gomega.HaveOccurred())
	}
	f.expectLawful(ec, result)
	return result
}

// expectLawful checks what holds after every reconcile, whatever came of it.
func (f *fixture) expectLawful(ec *egainv1alpha1.EgainClient, result ctrl.Result) {
	f.t.Helper()
	st := &ec.Status
	ready, issued := condition(ec, egainv1alpha1.ConditionReady), condition(ec, egainv1alpha1.ConditionTokenIssued)
	isReady, isIssued, fails := ready.Status == metav1.ConditionTrue, issued.Status == metav1.ConditionTrue, st.ConsecutiveFailures > 0
	f.Expect(isReady).To(gomega.Equal(ready.Reason == egainv1alpha1.ReasonTokenValid), "Ready: %s", ready.Reason)
	f.Expect(isIssued).To(gomega.Equal(issued.Reason == egainv1alpha1.ReasonIssued), "TokenIssued: %s", issued.Reason)
	f.Expect(st.ObservedGeneration).To(gomega.Equal(ec.Generation))
	for _, c := range st.Conditions {
		f.Expect(c.ObservedGeneration).To(gomega.Equal(ec.Generation), c.Type)
	}
	f.Expect(fails).To(gomega.Equal(st.LastFailure != nil), "the count and the last failure go together")

	var abnormal []string
	for _, c := range st.Conditions {
		if c.Type == egainv1alpha1.ConditionReconciling || c.Type == egainv1alpha1.ConditionStalled {
			f.Expect(c.Status).To(gomega.Equal(metav1.ConditionTrue), "%s is present only while it is True", c.Type)
			abnormal = append(abnormal, c.Type)
		}
	}
	if isReady || ec.Suspended() {
		f.Expect(abnormal).To(gomega.BeEmpty())
	} else {
		f.Expect(abnormal).To(gomega.HaveLen(1), "one of Reconciling and Stalled says why Ready is False")
	}
	if isReady {
		left := st.Token.ExpirationTime.Sub(f.clock.Now())
		f.Expect(left).To(gomega.BeNumerically(">", 0), "Ready on a dead token")
		f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", left)), "the expiry comes without an event")
	}
}

// condition of an object, or one that says nothing.
func condition(ec *egainv1alpha1.EgainClient, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(ec.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// state sums up the conditions: what kstatus makes of them, and the reasons of Ready and TokenIssued, which say their
// status too.
func state(ec *egainv1alpha1.EgainClient) string {
	return fmt.Sprintf("%s: %s, %s", kstatus(ec),
		condition(ec, egainv1alpha1.ConditionReady).Reason, condition(ec, egainv1alpha1.ConditionTokenIssued).Reason)
}

// second makes a time of the API, which has whole seconds.
func second(t time.Time) *metav1.Time {
	truncated := metav1.NewTime(t.Truncate(time.Second))
	return &truncated
}

// kstatus is the status that tools compute which know nothing of the operator's kinds.
func kstatus(o client.Object) string {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err.Error()
	}
	computed, err := kstatustools.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		return err.Error()
	}
	return computed.Status.String()
}

// message of the condition TokenIssued.
func message(ec *egainv1alpha1.EgainClient) string {
	return condition(ec, egainv1alpha1.ConditionTokenIssued).Message
}

// token is the one in a Secret.
func (f *fixture) token(secret string) string {
	f.t.Helper()
	return f.value(secret, target.KeyAccessToken)
}

// change edits a Secret as another user would.
func (f *fixture) change(name string, edit func(*corev1.Secret)) *corev1.Secret {
	f.t.Helper()
	secret := f.secret(name)
	f.Expect(secret).NotTo(gomega.BeNil(), "Secret %q", name)
	edit(secret)
	f.Expect(admin.Update(f.t.Context(), secret, client.FieldOwner("somebody-else"))).To(gomega.Succeed())
	return secret
}

// delete deletes an object and leaves what that entails to the garbage collector.
func (f *fixture) delete(o client.Object) {
	f.t.Helper()
	f.Expect(admin.Delete(f.t.Context(), o, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
}

// foreign creates a Secret that is none of ours.
func (f *fixture) foreign(name string, data map[string]string) *corev1.Secret {
	f.t.Helper()
	secret := &corev1.Secret{ObjectMeta: f.named(name), StringData: data}
	f.Expect(admin.Create(f.t.Context(), secret, client.FieldOwner("somebody-else"))).To(gomega.Succeed())
	return secret
}

// gone reports whether an object does not exist any more.
func (f *fixture) gone(o client.Object) bool {
	f.t.Helper()
	err := admin.Get(f.t.Context(), client.ObjectKeyFromObject(o), o)
	f.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	return err != nil
}

// keys are the keys of a Secret.
func (f *fixture) keys(name string) []string {
	f.t.Helper()
	secret := f.secret(name)
	f.Expect(secret).NotTo(gomega.BeNil(), "Secret %q", name)
	var keys []string
	for key := range secret.Data {
		keys = append(keys, key)
	}
	return keys
}

// core are the keys that every target has.
var core = []string{"access_token", "token_type", "expires_at", "scope", "authorization", "api_url"}

// withCore are the keys of a target with some more.
func withCore(more ...string) []string { return append(append([]string{}, core...), more...) }

// sent are the events since they were last looked at.
func (f *fixture) sent() []string {
	var all []string
	for {
		select {
		case e := <-f.events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// reasons of events, with their type.
func reasons(events []string) []string {
	all := []string{}
	for _, e := range events {
		all = append(all, strings.Join(strings.SplitN(e, " ", 3)[:2], " "))
	}
	return all
}

// asked counts requests to an endpoint of the simulator, whatever it answered.
func (f *fixture) asked(endpoint egainsim.Endpoint) int {
	return f.sim.Count(egainsim.Match{Endpoint: endpoint}, "")
}

// failOnce fails a call once and lets all others through.
func failOnce(err error) func() error {
	failed := false
	return func() error {
		if failed {
			return nil
		}
		failed = true
		return err
	}
}

// failApply has the next apply fail without effect.
func (f *fixture) failApply(err error) {
	fail := failOnce(err)
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if err := fail(); err != nil {
			return err
		}
		return c.Apply(ctx, obj, opts...)
	}
}

// failStatus has the next patch of a status fail without effect.
func (f *fixture) failStatus(err error) {
	fail := failOnce(err)
	f.intercept.SubResourcePatch = func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
		if err := fail(); err != nil {
			return err
		}
		return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
	}
}

// through puts more interception between the reconciler and the API server, until the next restart.
func (f *fixture) through(funcs interceptor.Funcs) {
	f.reachBy(interceptor.NewClient(f.r.Client.(client.WithWatch), funcs))
	f.r.Providers.API = secrets{f.r.Client}
}

// entry is what is kept of an object.
func (f *fixture) entry(ec *egainv1alpha1.EgainClient) journal.Entry {
	return f.r.journal.Load(ec, f.clock.Now())
}

// holds reports whether the operator holds a token in memory.
func (f *fixture) holds(ec *egainv1alpha1.EgainClient) bool { return f.entry(ec).Held != nil }

// unchanged returns a check that an object is as it was, to the byte.
func (f *fixture) unchanged(o client.Object) func() {
	f.t.Helper()
	read := func() client.Object {
		f.t.Helper()
		now := o.DeepCopyObject().(client.Object)
		f.Expect(admin.Get(f.t.Context(), client.ObjectKeyFromObject(o), now)).To(gomega.Succeed())
		return now
	}
	before := read()
	return func() {
		f.t.Helper()
		f.Expect(cmp.Diff(before, read())).To(gomega.BeEmpty())
	}
}

// quick is a change of a client that is often wanted.
type quick = func(*egainv1alpha1.EgainClient)

func merging(secret string) quick {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
		ec.Spec.Target.SecretName = egainv1alpha1.SecretName(secret)
	}
}

func targeting(secret string) quick {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.SecretName = egainv1alpha1.SecretName(secret)
	}
}

func retaining(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Target.DeletionPolicy = egainv1alpha1.DeletionPolicyRetain
}

func templated(key string, text egainv1alpha1.Template) quick {
	return func(ec *egainv1alpha1.EgainClient) {
		if ec.Spec.Target.Template == nil {
			ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{}
		}
		if ec.Spec.Target.Template.Data == nil {
			ec.Spec.Target.Template.Data = map[string]egainv1alpha1.Template{}
		}
		ec.Spec.Target.Template.Data[key] = text
	}
}

func scoped(scopes ...egainv1alpha1.Scope) quick {
	return func(ec *egainv1alpha1.EgainClient) { ec.Spec.Scopes = scopes }
}

// reach has the operator reach providers by other options, as after a restart with other flags.
func (f *fixture) reach(perHost int, o transport.Options) {
	before := f.r
	f.build(perHost, o)
	f.r.Providers.API, f.r.Providers.Directory = before.Providers.API, before.Providers.Directory
	f.r.Client, f.r.Tokens.Reader.API = before.Client, before.Tokens.Reader.API
}

// reachBy has the reconciler reach the API server by another client.
func (f *fixture) reachBy(c client.Client) { f.r.Client, f.r.Tokens.Reader.API = c, secrets{c} }
