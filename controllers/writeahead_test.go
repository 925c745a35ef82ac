package controllers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/target"
)

func TestAnApplyThatFailsCostsNoSecondRequest(t *testing.T) {
	t.Parallel()
	resource := corev1.Resource("secrets")
	for name, failure := range map[string]error{
		"a conflict":          apierrors.NewConflict(resource, "sync", errors.New("somebody was faster")),
		"an internal error":   apierrors.NewInternalError(errors.New("etcd is full")),
		"a timeout":           apierrors.NewServerTimeout(resource, "patch", 1),
		"too many requests":   apierrors.NewTooManyRequests("later", 1),
		"a broken connection": errors.New("connection reset by peer"),
	} {
		for moment, due := range map[string]bool{"at the first token": false, "at a renewal": true} {
			t.Run(name+" "+moment, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.credentials()
				ec := f.client("sync")
				if due {
					f.step(f.run(ec).RequeueAfter)
				}
				before := f.requests()
				f.failApply(failure)

				_, err := f.tryReconcile(ec)
				f.Expect(err).To(gomega.MatchError(gomega.And(gomega.ContainSubstring(`applying Secret "sync"`), gomega.ContainSubstring(failure.Error()))))
				f.Expect(f.holds(ec)).To(gomega.BeTrue())
				f.Expect(f.requests()).To(gomega.Equal(before + 1))

				f.run(ec)
				f.Expect(f.active("sync")).To(gomega.BeTrue())
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
				f.Expect(ec.Status.Endpoints.Source).To(gomega.Equal(egainv1alpha1.EndpointSourceSpec))
				f.Expect(f.holds(ec)).To(gomega.BeFalse(), "a token rests in its target and nowhere else")
				f.Expect(f.requests()).To(gomega.Equal(before + 1))
			})
		}
	}
}

func TestAnApplyWhoseAnswerIsLostLeavesNoTokenInMemory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	fail := failOnce(context.DeadlineExceeded)
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		return errors.Join(c.Apply(ctx, obj, opts...), fail())
	}

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.Expect(f.secret("sync")).NotTo(gomega.BeNil())
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.holds(ec)).To(gomega.BeFalse())
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestATokenThatIsHeldIsNotWrittenOnceItIsNotWantedAnyMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.failApply(context.DeadlineExceeded)
	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.Expect(f.value("sync", "scope")).To(gomega.Equal("core.aiservices.read"))
	f.Expect(f.holds(ec)).To(gomega.BeFalse())
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestATokenThatIsHeldIsForgottenOnceItCanServeNoMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.failApply(context.DeadlineExceeded)
	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.Expect(f.holds(ec)).To(gomega.BeTrue())

	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})
	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
	f.Expect(f.holds(ec)).To(gomega.BeFalse())
}

func TestATokenThatIsHeldSurvivesAnAPIServerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.failApply(context.DeadlineExceeded)
	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())

	fail := failOnce(apierrors.NewInternalError(errors.New("no leader")))
	f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		if err := fail(); err != nil {
			return err
		}
		return c.Get(ctx, key, obj, opts...)
	}})
	_, err = f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())

	f.run(ec)
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestAStatusThatCannotBeWrittenCostsNoSecondRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.failStatus(errors.New("no quorum"))

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError("no quorum"))
	f.Expect(ec.Status.Conditions).To(gomega.BeEmpty())

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(ec.Status.Token.Scopes).To(gomega.Equal([]string{"knowledge.portalmgr.manage"}))
	f.Expect(ec.Status.Endpoints).NotTo(gomega.BeNil(), "what the status says of the endpoints is not lost either")
	f.Expect(ec.Status.Target.SecretName).To(gomega.Equal("sync"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestAFailureWhoseStatusCannotBeWrittenIsNotTriedAgainEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.Expect(f.sim.RemoveSecret(egainsim.RigelClientID, egainsim.RigelClientSecret)).To(gomega.Succeed())
	f.failStatus(errors.New("no quorum"))

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError("no quorum"))
	f.Expect(f.sent()).To(gomega.BeEmpty(), "what the status does not say yet is no event yet")
	f.step(time.Second)
	result := f.run(ec)

	f.Expect(f.requests()).To(gomega.Equal(1), "a rejected login must not be repeated, or the account is locked")
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ClientRejected"))
	f.Expect(ec.Status.ConsecutiveFailures).To(gomega.Equal(int32(1)))
	f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 25*time.Minute))
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning ClientRejected"}))
}

func TestATargetThatTheAPIServerRefusesIsReported(t *testing.T) {
	t.Parallel()
	resource := corev1.Resource("secrets")
	tests := map[string]struct {
		failure error
		want    string
		retries bool
	}{
		"forbidden by a quota": {apierrors.NewForbidden(resource, "sync", errors.New("exceeded quota: secrets")), "exceeded quota", true},
		"denied by a webhook":  {apierrors.NewBadRequest("admission webhook denied the request: label team is missing"), "label team is missing", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.failApply(tc.failure)

			result, _ := f.tryReconcile(ec)
			f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(egainv1alpha1.ReasonTargetRejected))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.want))
			retries := result.RequeueAfter > 0
			f.Expect(retries).To(gomega.Equal(tc.retries))

			f.step(result.RequeueAfter)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.requests()).To(gomega.Equal(1))
		})
	}
}

func TestARefusalThatQuotesTheTokenIsNotShown(t *testing.T) {
	t.Parallel()
	for name, quote := range map[string]func([]byte) string{
		"as it is":          func(token []byte) string { return string(token) },
		"as the API has it": func(token []byte) string { return base64.StdEncoding.EncodeToString(token) },
		"as a header, as the API has": func(token []byte) string {
			return base64.StdEncoding.EncodeToString(append([]byte("Bearer "), token...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			quoted := ""
			f.intercept.Apply = func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
				quoted = quote([]byte(f.entry(ec).Held.Token.AccessToken))
				return apierrors.NewBadRequest(fmt.Sprintf("admission webhook denied %q", quoted))
			}

			_, _ = f.tryReconcile(ec)
			f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(egainv1alpha1.ReasonTargetRejected))
			f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring("is not shown"), gomega.Not(gomega.ContainSubstring(quoted))))
		})
	}
}

func TestATargetThatIsTooLargeIsReported(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]int{"for a Secret": 6, "for a request": 16} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			padding := egainv1alpha1.Template(`{{ with printf "%999s" "" }}` + strings.Repeat(`{{ . }}`, 250) + `{{ end }}`)
			ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
				for i := range keys {
					templated(fmt.Sprintf("PAD%d", i), padding)(ec)
				}
			})

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetRejected"))
			f.Expect(f.secret("sync")).To(gomega.BeNil())
			f.Expect(f.requests()).To(gomega.Equal(1))

			f.update(ec, func() { ec.Spec.Target.Template = nil })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.requests()).To(gomega.Equal(1))
			f.Expect(f.holds(ec)).To(gomega.BeFalse())
		})
	}
}

func TestTheTargetHoldsNothingThatIsSecretButTheToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)

	for name, value := range f.secret("sync").Annotations {
		f.Expect(value).NotTo(gomega.ContainSubstring(egainsim.RigelClientSecret), name)
		f.Expect(value).NotTo(gomega.ContainSubstring(f.token("sync")), name)
		f.Expect(name).To(gomega.HavePrefix("auth.egain.com/"))
	}
	f.Expect(f.secret("sync").Annotations).To(gomega.HaveKey(target.AnnotationIssuedForSources))
}
