package controllers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// failing has every request of a kind fail with what there is to fail with, until it returns nil.
type failing func(f *fixture, failure func() error)

func failingApply(f *fixture, failure func() error) {
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if err := failure(); err != nil {
			return err
		}
		return c.Apply(ctx, obj, opts...)
	}
}

func failingGet(f *fixture, failure func() error) {
	f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		if _, is := obj.(*corev1.Secret); is {
			if err := failure(); err != nil {
				return err
			}
		}
		return c.Get(ctx, key, obj, opts...)
	}})
}

func failingPatch(f *fixture, failure func() error) {
	f.through(interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
		if err := failure(); err != nil {
			return err
		}
		return c.Patch(ctx, obj, patch, opts...)
	}})
}

func TestAnAPIServerThatKeepsFailingIsReportedOnce(t *testing.T) {
	t.Parallel()
	secrets := corev1.Resource("secrets")
	tests := map[string]struct {
		failing failing
		failure func(n int) error
		change  quick
		ready   string
		want    []string
		// requests that were sent to eGain meanwhile.
		requests int
	}{
		"an admission webhook that cannot be called": {
			failing: failingApply, ready: egainv1alpha1.ReasonNoToken, requests: 1,
			failure: func(n int) error {
				return apierrors.NewInternalError(fmt.Errorf("failed calling webhook %q: read tcp 10.0.0.1:%d: connection reset", "policy.example.com", n))
			},
			want: []string{`applying Secret "sync" fails repeatedly`, "policy.example.com", "check the admission webhook that is named here"},
		},
		"no answer": {
			failing: failingApply, ready: egainv1alpha1.ReasonNoToken, requests: 1,
			failure: func(n int) error {
				return &url.Error{Op: "Patch", URL: "https://10.0.0.1", Err: fmt.Errorf("dial tcp: port %d", n)}
			},
			want: []string{`applying Secret "sync" fails repeatedly and is retried every 30 seconds: the API server does not answer`},
		},
		"a conflict that never ends": {
			failing: failingApply, ready: egainv1alpha1.ReasonNoToken, requests: 1,
			failure: func(int) error { return apierrors.NewConflict(secrets, "sync", errors.New("another was faster")) },
			want:    []string{"another was faster", "find the other client that changes the object"},
		},
		"a Role that lacks a verb": {
			failing: failingGet, ready: egainv1alpha1.ReasonNoToken,
			failure: func(int) error { return apierrors.NewForbidden(secrets, "sync", errors.New("not yours")) },
			want:    []string{`reading Secret "egain-app" fails repeatedly`, "not yours", "grant the operator's ServiceAccount"},
		},
		"a finalizer that cannot be set": {
			failing: failingPatch, ready: egainv1alpha1.ReasonNoToken,
			failure: func(int) error { return apierrors.NewInternalError(errors.New("no")) },
			change:  func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) },
			want:    []string{"changing the finalizers fails repeatedly"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			registry := f.measured()
			f.credentials()
			changes := []quick{}
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			ec := f.client("sync", changes...)
			n, fixed := 0, false
			tc.failing(f, func() error {
				if fixed {
					return nil
				}
				n++
				return tc.failure(n)
			})
			for range 4 {
				_, err := f.tryReconcile(ec)
				f.Expect(err).To(gomega.HaveOccurred(), "the queue asks again")
				f.Expect(ec.Status.Conditions).To(gomega.BeEmpty(), "what is over in a moment is not told")
			}
			result, err := f.tryReconcile(ec)
			f.Expect(err).To(gomega.HaveOccurred())
			f.expectLawful(ec, result)
			f.Expect(state(ec)).To(gomega.Equal("InProgress: " + tc.ready + ", APIServerFailed"))
			for _, want := range tc.want {
				f.Expect(message(ec)).To(gomega.ContainSubstring(want))
			}
			f.Expect(condition(ec, egainv1alpha1.ConditionReady).Message).To(gomega.ContainSubstring("fails repeatedly"))
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning APIServerFailed"}))

			unchanged := f.unchanged(ec)
			for range 5 {
				_, err := f.tryReconcile(ec)
				f.Expect(err).To(gomega.HaveOccurred())
			}
			unchanged()
			f.Expect(f.sent()).To(gomega.BeEmpty())
			f.Expect(f.counted(registry, "egain_client_failures_total", "APIServerFailed")).To(gomega.Equal(1.0))
			f.Expect(f.requests()).To(gomega.Equal(tc.requests), "none is in vain")

			fixed = true
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.sent()).To(gomega.BeEmpty())
			f.Expect(f.requests()).To(gomega.Equal(1))
		})
	}
}

func TestAnAPIServerThatKeepsFailingTakesNoTokenAway(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]failing{"to write": failingApply, "to read": failingGet} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.step(f.run(ec).RequeueAfter)
			f.restart()
			failing(f, func() error { return errors.New("no quorum") })
			for range 5 {
				_, err := f.tryReconcile(ec)
				f.Expect(err).To(gomega.HaveOccurred())
			}
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, APIServerFailed"))

			f.step(ec.Status.Token.ExpirationTime.Sub(f.clock.Now()))
			result, err := f.tryReconcile(ec)
			f.Expect(err).To(gomega.HaveOccurred())
			f.expectLawful(ec, result)
			f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenExpired, APIServerFailed"))
		})
	}
}

func TestAnAPIServerThatFailsHidesNoRefusalOfEGain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte("wrong") })
	f.run(ec)
	last := ec.Status.LastFailure.DeepCopy()
	f.restart()
	failed := true
	failingGet(f, func() error {
		if failed {
			return errors.New("no quorum")
		}
		return nil
	})
	for range 6 {
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.HaveOccurred())
	}
	f.Expect(ec.Status.LastFailure).To(gomega.Equal(last), "a login that was rejected is repeated rarely")
	failed = false
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestADeletionThatTheAPIServerHoldsUpSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "x"})
	ec := f.client("sync", merging("app"))
	f.run(ec)
	f.delete(ec)
	failing := true
	failingApply(f, func() error {
		if failing {
			return apierrors.NewInternalError(errors.New("no"))
		}
		return nil
	})
	for range 5 {
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.HaveOccurred())
	}
	f.Expect(message(ec)).To(gomega.HavePrefix(`cleaning up the former target "app" fails repeatedly`))
	failing = false
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
}

// reviewing serves an admission webhook, whose answer may depend on the body that it was sent.
func (f *fixture) reviewing(answer func(body []byte) *admissionv1.AdmissionResponse) *httptest.Server {
	f.t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		review := &admissionv1.AdmissionReview{}
		if err := errors.Join(err, json.Unmarshal(body, review)); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		review.Response = answer(body)
		review.Response.UID, review.Request = review.Request.UID, nil
		_ = json.NewEncoder(w).Encode(review)
	}))
	f.t.Cleanup(server.Close)
	return server
}

// webhookAt is how the API server calls a webhook.
func webhookAt(server *httptest.Server) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{
		URL: new(server.URL), CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
}

// secretRules are those of a webhook for writes of Secrets.
func secretRules(operations ...admissionregistrationv1.OperationType) []admissionregistrationv1.RuleWithOperations {
	return []admissionregistrationv1.RuleWithOperations{{
		Operations: operations,
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
	}}
}

// here selects the namespace of a test.
func (f *fixture) here() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: f.namespace}}
}

// denying is an admission webhook that answers every write of a Secret in the namespace of a test so, with a status of 500 and
// all that it was sent.
func (f *fixture) denying() *httptest.Server {
	f.t.Helper()
	server := f.reviewing(func(body []byte) *admissionv1.AdmissionResponse {
		return &admissionv1.AdmissionResponse{Result: &metav1.Status{Code: 500, Message: "no: " + string(body)}}
	})
	hook := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}, Webhooks: []admissionregistrationv1.ValidatingWebhook{{
		Name: "policy.example.com", AdmissionReviewVersions: []string{"v1"},
		SideEffects: new(admissionregistrationv1.SideEffectClassNone), FailurePolicy: new(admissionregistrationv1.Fail),
		ClientConfig: webhookAt(server), NamespaceSelector: f.here(),
		Rules: secretRules(admissionregistrationv1.Create, admissionregistrationv1.Update),
	}}}
	f.create(hook)
	f.t.Cleanup(func() { f.Expect(admin.Delete(context.Background(), hook)).To(gomega.Succeed()) })
	return server
}

func TestAnAdmissionWebhookThatDeniesEachWriteIsReported(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	server := f.denying()
	f.Eventually(func(g gomega.Gomega) {
		_, err := f.tryReconcile(ec)
		g.Expect(err).To(gomega.HaveOccurred())
		g.Expect(err.Error()).NotTo(gomega.ContainSubstring(base64.StdEncoding.EncodeToString([]byte(f.entry(ec).Held.Token.AccessToken))))
		g.Expect(message(ec)).To(gomega.Equal(`applying Secret "sync" fails repeatedly and is retried every 30 seconds: check the admission webhook that is named here; ` +
			`the API server says: admission webhook "policy.example.com" denied the request: (the message quotes the Secret and is not shown)`))
	}).Should(gomega.Succeed())

	server.Close()
	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("failed calling webhook")))
	f.Expect(f.requests()).To(gomega.Equal(1))
}
