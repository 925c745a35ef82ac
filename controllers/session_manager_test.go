package controllers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// recordedSessions are the session Secrets as earlier versions of the operator left them, by version.
func recordedSessions(t *testing.T) map[string]*corev1ac.SecretApplyConfiguration {
	t.Helper()
	files, err := filepath.Glob("../test/upgrade/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*corev1ac.SecretApplyConfiguration{}
	for _, file := range files {
		var record struct {
			Secrets []struct {
				Name              string
				Annotations, Data map[string]string
			}
		}
		text, err := os.ReadFile(file)
		if err == nil && filepath.Base(file) != "objects.yaml" {
			err = yaml.Unmarshal(text, &record)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range record.Secrets {
			if _, is := secret.Data[session.KeyRefreshToken]; is {
				all[filepath.Base(file)] = corev1ac.Secret(secret.Name, "").WithAnnotations(secret.Annotations)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no version has left a session")
	}
	return all
}

// writtenBefore makes the session Secret one that an earlier version of the operator wrote.
func (f *fixture) writtenBefore(recorded *corev1ac.SecretApplyConfiguration, more map[string][]byte) {
	f.t.Helper()
	earlier := corev1ac.Secret("session", f.namespace).WithAnnotations(recorded.Annotations).
		WithData(map[string][]byte{session.KeyRefreshToken: []byte(f.value("session", session.KeyRefreshToken))}).WithData(more)
	f.Expect(admin.Apply(f.t.Context(), earlier, client.FieldOwner(target.Manager), client.ForceOwnership)).To(gomega.Succeed())
	// The login's part is another's by then: the earlier version replaced its refresh token.
	login := corev1ac.Secret("session", f.namespace).WithAnnotations(map[string]string{session.AnnotationID: "a-login"})
	f.Expect(admin.Apply(f.t.Context(), login, client.FieldOwner("egain-cli"), client.ForceOwnership)).To(gomega.Succeed())
}

// applyAsTarget applies data to the session Secret as a target, or releases it.
func (f *fixture) applyAsTarget(data map[string][]byte) {
	f.t.Helper()
	applied := corev1ac.Secret("session", f.namespace).WithData(data)
	f.Expect(admin.Apply(f.t.Context(), applied, client.FieldOwner(target.Manager), client.ForceOwnership)).To(gomega.Succeed())
}

// fieldsOf are the keys and annotations of the session Secret that a manager owns.
func (f *fixture) fieldsOf(manager string) []string {
	f.t.Helper()
	owned, err := corev1ac.ExtractSecret(f.secret("session"), manager)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	fields := []string{}
	for key := range owned.Data {
		fields = append(fields, key)
	}
	for name := range owned.Annotations {
		fields = append(fields, name)
	}
	return fields
}

func TestSession_HasAFieldManagerOfItsOwn(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	ec := f.client("desk", byLogin)
	f.logIn()
	result := f.run(ec)
	f.Expect(f.fieldsOf(session.Manager)).To(gomega.ConsistOf(session.KeyRefreshToken, session.AnnotationExpirationTime))
	f.Expect(f.fieldsOf(target.Manager)).To(gomega.BeEmpty())

	refreshToken := f.value("session", session.KeyRefreshToken)
	f.applyAsTarget(map[string][]byte{"other": []byte("x")})
	f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(refreshToken))
	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(f.value("session", session.KeyRefreshToken)).NotTo(gomega.Equal(refreshToken))
	f.Expect(f.value("session", "other")).To(gomega.Equal("x"), "a refresh leaves the keys of others")
	f.applyAsTarget(nil)
	f.Expect(f.keys("session")).To(gomega.ConsistOf(session.KeyRefreshToken))
}

func TestSession_AClientThatTargetsItCostsNoLogin(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	f.credentials()
	ec := f.client("desk", byLogin)
	f.logIn()
	f.run(ec)
	other := f.client("other", merging("session"))
	for range 3 {
		_, _ = f.tryReconcile(other)
		f.step(40 * time.Minute)
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		f.Expect(f.session().End).To(gomega.BeEmpty())
	}
	f.delete(other)
	_, _ = f.tryReconcile(other)
	f.step(40 * time.Minute)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestSession_OneThatAnEarlierVersionWroteIsTakenOver(t *testing.T) {
	t.Parallel()
	for version, recorded := range recordedSessions(t) {
		for name, more := range map[string]map[string][]byte{"a session": nil, "also a target": {"access_token": []byte("x")}} {
			t.Run(version+", "+name, func(t *testing.T) {
				t.Parallel()
				f := withLogins(t)
				ec := f.client("desk", byLogin)
				f.logIn()
				f.writtenBefore(recorded, more)
				f.run(ec)

				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
				f.Expect(f.fieldsOf(session.Manager)).To(gomega.ConsistOf(session.KeyRefreshToken, session.AnnotationExpirationTime))
				f.Expect(f.fieldsOf(target.Manager)).To(gomega.HaveLen(len(more)))
				f.Expect(f.secret("session").Annotations).To(gomega.HaveKey(session.AnnotationID))
				refreshToken, version := f.value("session", session.KeyRefreshToken), f.secret("session").ResourceVersion
				f.run(ec)
				f.Expect(f.secret("session").ResourceVersion).To(gomega.Equal(version), "nothing is left to be done")
				for key := range more {
					f.Expect(f.value("session", key)).To(gomega.Equal("x"))
				}
				f.applyAsTarget(nil)
				f.Expect(f.keys("session")).To(gomega.ConsistOf(session.KeyRefreshToken))
				f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(refreshToken))
				f.step(40 * time.Minute)
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
				f.Expect(f.session().End).To(gomega.BeEmpty())
			})
		}
	}
}

func TestSession_OneThatAnEarlierVersionWroteSurvivesATargetBeforeItsNextRefresh(t *testing.T) {
	t.Parallel()
	for version, recorded := range recordedSessions(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			f := withLogins(t)
			f.credentials()
			ec := f.client("desk", byLogin)
			f.logIn()
			f.writtenBefore(recorded, nil)
			refreshToken := f.value("session", session.KeyRefreshToken)

			other := f.client("other", merging("session"))
			_, _ = f.tryReconcile(other)
			f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(refreshToken))
			f.delete(other)
			_, _ = f.tryReconcile(other)
			f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(refreshToken))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestSession_AnInterruptedTakeoverLosesNothing(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(corev1.Resource("secrets"), "session", errors.New("changed"))
	for version, recorded := range recordedSessions(t) {
		for name, interrupted := range map[string]error{
			"a crash": apierrors.NewInternalError(errors.New("no leader")), "a conflict": conflict,
			"a refusal": apierrors.NewForbidden(corev1.Resource("secrets"), "session", errors.New("no")),
		} {
			t.Run(version+", "+name, func(t *testing.T) {
				t.Parallel()
				f := withLogins(t)
				ec := f.client("desk", byLogin)
				f.logIn()
				f.writtenBefore(recorded, nil)
				f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
					o := (&client.ApplyOptions{}).ApplyOptions(opts)
					if *obj.(*corev1ac.SecretApplyConfiguration).Name == "session" && o.FieldManager == target.Manager {
						return interrupted
					}
					return c.Apply(ctx, obj, opts...)
				}
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
				f.Expect(f.holdsSession("session")).To(gomega.BeFalse())
				refreshToken := f.value("session", session.KeyRefreshToken)

				f.restart()
				f.intercept.Apply = nil
				f.applyAsTarget(nil)
				f.Expect(f.value("session", session.KeyRefreshToken)).To(gomega.Equal(refreshToken))
				f.step(40 * time.Minute)
				f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
				f.Expect(f.fieldsOf(target.Manager)).To(gomega.BeEmpty())
				f.Expect(f.session().End).To(gomega.BeEmpty())
			})
		}
	}
}

func TestSession_TheFormerManagerKeepsWhatNoSessionIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	applied := corev1ac.Secret("session", f.namespace).WithData(map[string][]byte{"access_token": []byte("x")}).WithLabels(map[string]string{"a": "b"})
	f.Expect(admin.Apply(f.t.Context(), applied, client.FieldOwner(target.Manager))).To(gomega.Succeed())
	unchanged := f.unchanged(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "session"}})
	f.Expect(session.TakeOver(t.Context(), secrets{admin}, client.ObjectKey{Namespace: f.namespace, Name: "session"})).To(gomega.Succeed())
	unchanged()
	f.Expect(session.TakeOver(t.Context(), secrets{admin}, client.ObjectKey{Namespace: f.namespace, Name: "nowhere"})).To(gomega.Succeed())
	f.Expect(f.secret("nowhere")).To(gomega.BeNil())
}
