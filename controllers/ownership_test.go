package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

func TestRefusesASecretOfAnotherOwner(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*corev1.Secret){
		"with data of its own": func(*corev1.Secret) {},
		"with a token in it":   func(s *corev1.Secret) { s.StringData = map[string]string{"access_token": "theirs"} },
		"empty":                func(s *corev1.Secret) { s.StringData = nil },
		"of a controller": func(s *corev1.Secret) {
			// The namespace's own ConfigMap exists, so that nothing is collected.
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "egain-ca", UID: "replaced", Controller: new(true)}}
		},
		"immutable": func(s *corev1.Secret) { s.Immutable = new(true) },
		"with our label": func(s *corev1.Secret) {
			s.Labels = map[string]string{"app.kubernetes.io/managed-by": target.Manager}
		},
	}
	for name, shape := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			secret := &corev1.Secret{ObjectMeta: f.named("sync"), StringData: map[string]string{"password": "theirs"}}
			shape(secret)
			if len(secret.OwnerReferences) > 0 {
				ca := &corev1.ConfigMap{}
				f.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: "egain-ca"}, ca)).To(gomega.Succeed())
				secret.OwnerReferences[0].UID = ca.UID
			}
			f.create(secret)
			unchanged := f.unchanged(secret)
			ec := f.client("sync")

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetNotOwned"))
			f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(`Secret "sync"`), gomega.ContainSubstring("set another spec.target.secretName"), gomega.ContainSubstring("Merge"), gomega.Not(gomega.ContainSubstring("delete"))))
			f.Expect(f.requests()).To(gomega.BeZero(), "no token is spent on a target that cannot be written")
			unchanged()

			f.delete(secret)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.keys("sync")).To(gomega.ConsistOf(core))
		})
	}
}

func TestLeavesASecretThatAnotherCreatesDuringTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	var secret *corev1.Secret
	f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		err := c.Get(ctx, key, obj, opts...)
		if key.Name == "egain-app" && secret == nil { // the target was looked at before, and is written after
			secret = &corev1.Secret{ObjectMeta: f.named("sync"), StringData: map[string]string{"password": "theirs"}}
			return errors.Join(err, admin.Create(ctx, secret))
		}
		return err
	}})

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("already exists")))
	unchanged := f.unchanged(secret)
	f.Expect(f.keys("sync")).To(gomega.ConsistOf("password"))
	f.Expect(f.secret("sync").OwnerReferences).To(gomega.BeEmpty())
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetNotOwned"))
	unchanged()

	f.delete(secret)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1), "the token was held meanwhile")
}

func TestLeavesASecretThatTakesThePlaceOfTheTargetDuringTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.step(f.run(ec).RequeueAfter)
	exchanged := false
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if !exchanged {
			exchanged = true
			theirs := &corev1.Secret{ObjectMeta: f.named("sync"), StringData: map[string]string{"access_token": "theirs"}}
			if err := errors.Join(admin.Delete(ctx, theirs.DeepCopy()), admin.Create(ctx, theirs)); err != nil {
				return err
			}
		}
		return c.Apply(ctx, obj, opts...)
	}

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.Expect(f.keys("sync")).To(gomega.ConsistOf("access_token"))
	f.Expect(f.token("sync")).To(gomega.Equal("theirs"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetNotOwned"))
}

func TestTheOlderOfTwoClientsGetsTheTarget(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	first, second := f.client("a", targeting("shared")), f.client("b", targeting("shared"))

	f.run(second)
	f.Expect(state(second)).To(gomega.Equal("Failed: NoToken, TargetClaimed"), "whichever is reconciled first")
	f.Expect(message(second)).To(gomega.ContainSubstring(`EgainClient "a"`))
	f.run(first)
	f.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged := f.unchanged(f.secret("shared"))
	f.run(second)
	f.Expect(state(second)).To(gomega.Equal("Failed: NoToken, TargetClaimed"))
	unchanged()
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestTheHolderOfATargetKeepsItThoughAnOlderClientComesToWantIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	older, holder := f.client("a"), f.client("b", targeting("shared"))
	f.run(older)
	f.run(holder)
	unchanged := f.unchanged(f.secret("shared"))

	f.update(older, func() { older.Spec.Target.SecretName = "shared" })
	f.run(older)
	f.Expect(state(older)).To(gomega.Equal("Failed: NoToken, TargetClaimed"))
	f.Expect(message(older)).To(gomega.ContainSubstring(`EgainClient "b"`))
	f.Expect(f.secret("a")).NotTo(gomega.BeNil(), "the former target stays until there is a new one")
	f.run(holder)
	f.Expect(state(holder)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged()
}

func TestTheOtherClientGetsTheTargetWhenTheFirstGivesItUp(t *testing.T) {
	t.Parallel()
	shared := targeting("shared")
	sharedByMerge := merging("shared")
	tests := map[string]struct {
		first, second quick
		// waiting is what the second is while the first has the target.
		waiting string
	}{
		"Owner after Owner": {shared, shared, "Failed: NoToken, TargetClaimed"},
		"Merge after Owner": {shared, sharedByMerge, "Failed: NoToken, TargetClaimed"},
		"Owner after Merge": {sharedByMerge, shared, "Failed: NoToken, TargetClaimed"},
		"Merge after Merge": {sharedByMerge, sharedByMerge, "Failed: NoToken, TargetClaimed"},
	}
	ways := map[string]func(*fixture, *egainv1alpha1.EgainClient){
		"when it is deleted": func(f *fixture, first *egainv1alpha1.EgainClient) {
			f.delete(first)
			f.reconcile(first)
			f.Expect(f.gone(first)).To(gomega.BeTrue())
		},
		"when it is renamed": func(f *fixture, first *egainv1alpha1.EgainClient) {
			f.foreign("elsewhere", nil)
			f.update(first, func() { first.Spec.Target.SecretName = "elsewhere-owned" })
			if first.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge {
				f.update(first, func() { first.Spec.Target.SecretName = "elsewhere" })
			}
			f.run(first)
			f.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
		},
	}
	for name, tc := range tests {
		for way, giveUp := range ways {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.credentials()
				first := f.client("a", tc.first)
				merges := first.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge
				if merges {
					f.foreign("shared", map[string]string{"password": "theirs"})
				}
				f.run(first)
				f.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
				second := f.client("b", tc.second)
				f.run(second)
				f.Expect(state(second)).To(gomega.Equal(tc.waiting))

				giveUp(f, first)
				if !merges {
					f.Eventually(func() bool { return f.gone(&corev1.Secret{ObjectMeta: f.named("shared")}) }, collected).Should(gomega.BeTrue())
				}
				f.run(second)

				switch secondMerges := second.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge; {
				case merges && secondMerges:
					f.Expect(state(second)).To(gomega.Equal("Current: TokenValid, Issued"))
					f.Expect(f.keys("shared")).To(gomega.ConsistOf(withCore("password")))
				case merges:
					f.Expect(state(second)).To(gomega.Equal("Failed: NoToken, TargetNotOwned"), "it was never the first's to give")
					f.Expect(f.keys("shared")).To(gomega.ConsistOf("password"))
				case secondMerges:
					f.Expect(state(second)).To(gomega.Equal("InProgress: NoToken, TargetNotFound"))
				default:
					f.Expect(state(second)).To(gomega.Equal("Current: TokenValid, Issued"))
					f.Expect(f.secret("shared").OwnerReferences[0].UID).To(gomega.Equal(second.UID))
				}
			})
		}
	}
}

func TestAClientThatMergesStandsBackForAnOlderOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("shared", map[string]string{"password": "theirs"})
	first, second := f.client("a", merging("shared")), f.client("b", merging("shared"))

	f.run(second)
	f.Expect(state(second)).To(gomega.Equal("Failed: NoToken, TargetClaimed"))
	f.run(first)
	f.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.secret("shared").Annotations).To(gomega.HaveKeyWithValue(target.AnnotationMergedBy, "a"))
}

func TestDeletesTheTargetWithTheClient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)

	f.delete(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue(), "nothing holds it up")
	f.Eventually(func() bool { return f.gone(&corev1.Secret{ObjectMeta: f.named("sync")}) }, collected).Should(gomega.BeTrue())
}

func TestRetainsTheTargetForTheNextClientOfTheName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", retaining)
	f.run(ec)
	secret := f.secret("sync")
	f.Expect(secret.OwnerReferences).To(gomega.BeEmpty())
	unchanged := f.unchanged(secret)

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	unchanged()

	again := f.client("sync", retaining)
	f.run(again)
	f.Expect(state(again)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged()
	f.Expect(f.requests()).To(gomega.Equal(1), "the token that was retained is what this one asks for too")

	f.update(again, func() { again.Spec.Target.DeletionPolicy = egainv1alpha1.DeletionPolicyDelete })
	f.run(again)
	f.Expect(f.secret("sync").OwnerReferences).To(gomega.HaveLen(1))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestRefusesATargetThatWasRetainedForAnotherName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", retaining)
	f.run(ec)
	f.delete(ec)
	f.reconcile(ec)
	unchanged := f.unchanged(f.secret("sync"))

	other := f.client("other", targeting("sync"))
	f.run(other)
	f.Expect(state(other)).To(gomega.Equal("Failed: NoToken, TargetNotOwned"))
	f.Expect(message(other)).To(gomega.ContainSubstring("set another spec.target.secretName"), "no client can be told to give it up")
	unchanged()

	f.delete(f.secret("sync"))
	f.run(other)
	f.Expect(state(other)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestCleansUpTheFormerTargetWhenItIsRenamed(t *testing.T) {
	t.Parallel()
	t.Run("one that we created goes away", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		ec := f.client("sync")
		f.run(ec)

		f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
		f.run(ec)
		f.Expect(f.secret("sync")).To(gomega.BeNil())
		f.Expect(f.active("renamed")).To(gomega.BeTrue())
		f.Expect(ec.Status.Target.SecretName).To(gomega.Equal("renamed"))
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	})
	t.Run("one that we added to is released", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		was := f.foreign("mine", map[string]string{"password": "theirs"})
		f.foreign("renamed", nil)
		ec := f.client("sync", merging("mine"))
		f.run(ec)

		f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
		f.run(ec)
		f.Expect(f.active("renamed")).To(gomega.BeTrue())
		is := f.secret("mine")
		f.Expect(is.Data).To(gomega.Equal(map[string][]byte{"password": []byte("theirs")}))
		f.Expect(is.Annotations).To(gomega.BeEmpty())
		f.Expect(is.UID).To(gomega.Equal(was.UID))
	})
	t.Run("one that is to be retained stays", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		ec := f.client("sync", retaining)
		f.run(ec)
		unchanged := f.unchanged(f.secret("sync"))

		f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
		f.run(ec)
		f.Expect(f.active("renamed")).To(gomega.BeTrue())
		unchanged()
	})
	t.Run("one that another client has created there since stays", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		ec := f.client("sync")
		f.run(ec)
		f.delete(f.secret("sync"))
		unchanged := f.unchanged(f.foreign("sync", map[string]string{"password": "theirs"}))

		f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
		f.run(ec)
		f.Expect(f.active("renamed")).To(gomega.BeTrue())
		unchanged()
	})
	t.Run("one that is gone already is no obstacle", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		ec := f.client("sync")
		f.run(ec)
		f.delete(f.secret("sync"))

		f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
		f.run(ec)
		f.Expect(f.active("renamed")).To(gomega.BeTrue())
	})
	t.Run("one that holds the last good token stays until there is another", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.credentials()
		ec := f.client("sync")
		f.run(ec)
		unchanged := f.unchanged(f.secret("sync"))

		f.update(ec, func() { ec.Spec.Target.SecretName = "renamed"; ec.Spec.Scopes = []egainv1alpha1.Scope{"no.such.scope"} })
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ScopeRejected"))
		unchanged()

		f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
		f.run(ec)
		f.Expect(f.secret("sync")).To(gomega.BeNil())
		f.Expect(f.active("renamed")).To(gomega.BeTrue())
	})
}

func TestFinishesTheCleanUpThatFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	fail := failOnce(context.DeadlineExceeded)
	f.through(interceptor.Funcs{Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
		if err := fail(); err != nil {
			return err
		}
		return c.Delete(ctx, obj, opts...)
	}})

	f.step(rotation.Floor)
	f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`cleaning up the former target "sync"`)))
	f.Expect(f.secret("sync")).NotTo(gomega.BeNil())

	f.restart()
	f.run(ec)
	f.Expect(f.secret("sync")).To(gomega.BeNil())
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(2), "one for each name")
}

func TestReplacesATargetWhoseTypeIsChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	was := f.secret("sync")

	f.update(ec, func() { ec.Spec.Target.Type = "example.com/token" })
	f.run(ec)

	is := f.secret("sync")
	f.Expect(is.Type).To(gomega.Equal(corev1.SecretType("example.com/token")))
	f.Expect(is.UID).NotTo(gomega.Equal(was.UID))
	f.Expect(is.Data).To(gomega.Equal(was.Data))
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestReplacesAnImmutableTargetAtTheRenewal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	result := f.run(ec)
	was := f.secret("sync")
	f.change("sync", func(s *corev1.Secret) { s.Immutable = new(true) })

	f.step(result.RequeueAfter)
	f.run(ec)
	is := f.secret("sync")
	f.Expect(is.UID).NotTo(gomega.Equal(was.UID))
	f.Expect(is.Immutable).To(gomega.BeNil())
	f.Expect(is.Data["access_token"]).NotTo(gomega.Equal(was.Data["access_token"]))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestHoldsTheTokenOfATargetThatIsBeingReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")
	f.failApply(context.DeadlineExceeded)

	f.update(ec, func() { ec.Spec.Target.Type = "example.com/token" })
	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.run(ec)

	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.Expect(f.holds(ec)).To(gomega.BeFalse())
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestKeepsATargetThatTheAPIServerWouldNotTakeBackInAnotherType(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	unchanged := f.unchanged(f.secret("sync"))

	f.update(ec, func() { ec.Spec.Target.Type = string(corev1.SecretTypeTLS) })
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, TargetRejected"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("tls.crt"))
	f.Expect(result.RequeueAfter).To(gomega.Equal(time.Hour))
	unchanged()

	f.update(ec, func() { ec.Spec.Target.Type = string(corev1.SecretTypeOpaque) })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged()
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestHandsItsOwnTargetOverToMerge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
	f.run(ec)
	was := f.secret("sync")

	f.update(ec, func() { ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge })
	f.run(ec)
	is := f.secret("sync")
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(is.UID).To(gomega.Equal(was.UID))
	f.Expect(is.Data).To(gomega.Equal(was.Data))
	f.Expect(is.OwnerReferences).To(gomega.BeEmpty(), "from now on only its keys are ours")
	f.Expect(is.Annotations).To(gomega.And(gomega.HaveKey(target.AnnotationMergedBy), gomega.Not(gomega.HaveKey(target.AnnotationOwnedBy))))
	f.Expect(f.requests()).To(gomega.Equal(1))

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	f.Expect(f.keys("sync")).To(gomega.BeEmpty())
}

func TestDoesNotMakeAMergedSecretItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("mine", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("mine"))
	f.run(ec)
	unchanged := f.unchanged(f.secret("mine"))

	f.update(ec, func() { ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyOwner })
	f.run(ec)
	f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(egainv1alpha1.ReasonTargetNotOwned))
	unchanged()

	f.update(ec, func() { ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged()
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestReleasesAMergedSecretWhenTheClientMovesToOneOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("mine", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("mine"))
	f.run(ec)

	f.update(ec, func() {
		ec.Spec.Target.CreationPolicy, ec.Spec.Target.SecretName = egainv1alpha1.CreationPolicyOwner, ""
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.keys("mine")).To(gomega.ConsistOf("password"))
	f.Expect(f.keys("sync")).To(gomega.ConsistOf(core))
	f.Expect(ec.Finalizers).To(gomega.BeEmpty())
}
