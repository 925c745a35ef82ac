package controllers

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// policy has the API server change Secrets of the test's namespace that fit an expression by a JSON patch, from when it returns on.
// It does so by a webhook, which every supported version of Kubernetes has.
func (f *fixture) policy(matches, patch string, operations ...admissionregistrationv1.OperationType) {
	f.t.Helper()
	server := f.reviewing(func([]byte) *admissionv1.AdmissionResponse {
		return &admissionv1.AdmissionResponse{Allowed: true, PatchType: new(admissionv1.PatchTypeJSONPatch), Patch: []byte(patch)}
	})
	hook := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}, Webhooks: []admissionregistrationv1.MutatingWebhook{{
		Name: "policy.example.com", AdmissionReviewVersions: []string{"v1"},
		SideEffects: new(admissionregistrationv1.SideEffectClassNone), FailurePolicy: new(admissionregistrationv1.Fail),
		ClientConfig: webhookAt(server), NamespaceSelector: f.here(), Rules: secretRules(operations...),
		MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "fits", Expression: matches}},
	}}}
	f.create(hook)
	f.t.Cleanup(func() { f.Expect(admin.Delete(context.Background(), hook)).To(gomega.Succeed()) })
	probe := &corev1.Secret{ObjectMeta: f.named("probe"), StringData: map[string]string{"access_token": "x"}}
	probe.Labels = map[string]string{"seal": "now"}
	if slices.Contains(operations, admissionregistrationv1.Update) {
		f.create(probe)
	}
	f.Eventually(func(g gomega.Gomega) {
		is := probe.DeepCopy()
		if is.UID == "" {
			g.Expect(admin.Create(f.t.Context(), is, client.DryRunAll)).To(gomega.Succeed())
		} else {
			is.Labels["tried"] = "yes"
			g.Expect(admin.Update(f.t.Context(), is, client.DryRunAll)).To(gomega.Succeed())
		}
		g.Expect(is.Immutable != nil || is.Type != corev1.SecretTypeOpaque).To(gomega.BeTrue())
	}).Should(gomega.Succeed())
}

const (
	hasToken      = `has(object.data) && 'access_token' in object.data`
	makeImmutable = `[{"op": "add", "path": "/immutable", "value": true}]`
)

// lives runs an EgainClient over three lives of its tokens, each of which costs one request and leaves the client Ready.
func (f *fixture) lives(ec *egainv1alpha1.EgainClient, before func()) {
	f.t.Helper()
	for life := range 3 {
		if before != nil {
			before()
		}
		f.step(f.run(ec).RequeueAfter)
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		f.Expect(f.requests()).To(gomega.Equal(life + 2))
		f.Expect(f.active(ec.TargetName())).To(gomega.BeTrue())
	}
}

func TestRenewsATargetThatAPolicyMakesFinal(t *testing.T) {
	t.Parallel()
	for name, patch := range map[string]string{
		"immutable":       makeImmutable,
		"of another type": `[{"op": "replace", "path": "/type", "value": "example.com/sealed"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.policy(hasToken, patch, admissionregistrationv1.Create)
			f.credentials()
			ec := f.client("sync")
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.lives(ec, nil)
			f.Expect(f.sent()).To(gomega.ContainElement(gomega.ContainSubstring("Warning TargetImmutable an admission policy or webhook made Secret \"sync\" immutable or changed its type")))

			was := f.secret("sync")
			f.restart()
			f.run(ec)
			f.run(ec)
			f.Expect(f.secret("sync").Data).To(gomega.Equal(was.Data))
			f.Expect(f.requests()).To(gomega.Equal(4), "a restart costs no request")
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestRenewsATargetThatIsMadeImmutableByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.lives(ec, func() { f.change("sync", func(s *corev1.Secret) { s.Immutable = new(true) }) })
}

// Who makes it immutable each time, and the operator, do not take turns.
func TestReplacesATargetOnlyOnceThatIsMadeImmutableAgainAndAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	seen := map[types.UID]bool{}
	for range 5 {
		seen[f.change("sync", func(s *corev1.Secret) { s.Immutable = new(true) }).UID] = true
		f.run(ec)
		f.change("sync", func(s *corev1.Secret) { s.Labels["seen"] = fmt.Sprint(len(seen), s.ResourceVersion) })
		f.run(ec)
	}
	f.Expect(seen).To(gomega.HaveLen(2))
	f.Expect(f.requests()).To(gomega.Equal(1))
	f.lives(ec, nil)
}

// Between what the operator read and what it writes, the Secret was made immutable: the API server says so.
func TestRenewsATargetThatWasMadeImmutableJustNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.policy(hasToken+` && object.metadata.?labels.seal.orValue('') == 'now'`, makeImmutable, admissionregistrationv1.Update)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Metadata: &egainv1alpha1.TargetMetadata{Labels: map[string]egainv1alpha1.LabelValue{"seal": "now"}}}
	})
	f.run(ec)
	f.lives(ec, nil)
}

// A Secret of others is never deleted: what is said names the Secret, and no token is requested that cannot be written.
func TestMergeReportsASecretThatAPolicyMakesImmutable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.policy(hasToken, makeImmutable, admissionregistrationv1.Update)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"))
	f.run(ec)
	f.Expect(f.secret("app").Immutable).To(gomega.Equal(new(true)))
	for range 3 {
		f.step(time.Hour)
		f.run(ec)
		f.run(ec)
	}
	f.Expect(f.requests()).To(gomega.Equal(1))
	f.Expect(state(ec)).To(gomega.Equal("Failed: TokenExpired, TargetImmutable"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`Secret "app" is immutable`))
	f.Expect(f.secret("app").Data).To(gomega.HaveKey("password"))
}
