package controllers

import (
	"context"
	"errors"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

func TestMergeWaitsForTheSecretAndAddsItsKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", merging("app"), templated("TOKEN", "{{ .AccessToken }}"))

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, TargetNotFound"))
	f.Expect(result.RequeueAfter).To(gomega.BeZero())
	f.Expect(f.requests()).To(gomega.BeZero())
	f.Expect(f.secret("app")).To(gomega.BeNil())

	was := f.foreign("app", map[string]string{"password": "theirs"})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	is := f.secret("app")
	f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("password", "TOKEN")))
	f.Expect(string(is.Data["password"])).To(gomega.Equal("theirs"))
	f.Expect(is.UID).To(gomega.Equal(was.UID))
	f.Expect(is.OwnerReferences).To(gomega.BeEmpty(), "it is not to be deleted with the client")
	f.Expect(is.Labels).To(gomega.BeEmpty(), "it is not managed by us")
	f.Expect(f.active("app")).To(gomega.BeTrue())

	unchanged := f.unchanged(is)
	f.run(ec)
	f.restart()
	f.run(ec)
	unchanged()
}

func TestMergeTakesASecretOfAnyType(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.create(&corev1.Secret{ObjectMeta: f.named("app"), Type: corev1.SecretTypeBasicAuth, StringData: map[string]string{"username": "u", "password": "p"}})
	ec := f.client("sync", merging("app"), func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Type = "example.com/ignored" })

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.secret("app").Type).To(gomega.Equal(corev1.SecretTypeBasicAuth))
	f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("username", "password")))
}

func TestMergeRefusesKeysThatAreThere(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"a key of the operator": "access_token", "a key of the template": "TOKEN"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			secret := f.foreign("app", map[string]string{key: "theirs", "password": "theirs"})
			unchanged := f.unchanged(secret)
			ec := f.client("sync", merging("app"), templated("TOKEN", "{{ .AccessToken }}"))

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetConflict"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(`["` + key + `"]`))
			f.Expect(f.requests()).To(gomega.BeZero())
			unchanged()

			f.change("app", func(s *corev1.Secret) { delete(s.Data, key) })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestMergeStaysReadyWhenATemplateComesToWantAForeignKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"))
	f.run(ec)
	unchanged := f.unchanged(f.secret("app"))

	f.update(ec, func() { templated("password", "{{ .AccessToken }}")(ec) })
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, TargetConflict"), "the token that is there is as good as it was")
	unchanged()

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: TokenExpired, TargetConflict"))
}

func TestMergeRefusesAnImmutableSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	secret := &corev1.Secret{ObjectMeta: f.named("app"), Immutable: new(true), StringData: map[string]string{"password": "theirs"}}
	f.create(secret)
	unchanged := f.unchanged(secret)
	ec := f.client("sync", merging("app"))

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetImmutable"))
	f.Expect(f.requests()).To(gomega.BeZero())
	unchanged()
}

func TestMergeStaysReadyWhenTheSecretIsMadeImmutable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", nil)
	ec := f.client("sync", merging("app"))
	f.run(ec)

	f.change("app", func(s *corev1.Secret) { s.Immutable = new(true) })
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, TargetImmutable"))

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: TokenExpired, TargetImmutable"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestMergeRepairsItsKeys(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit     func(*corev1.Secret)
		requests int
	}{
		"the token was edited":         {func(s *corev1.Secret) { s.Data["access_token"] = []byte("another") }, 2},
		"the token was deleted":        {func(s *corev1.Secret) { delete(s.Data, "access_token") }, 2},
		"a template's key was edited":  {func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("another") }, 1},
		"a template's key was deleted": {func(s *corev1.Secret) { delete(s.Data, "TOKEN") }, 1},
		"a foreign key was edited":     {func(s *corev1.Secret) { s.Data["password"] = []byte("theirs, too") }, 1},
		"the list of keys was edited":  {func(s *corev1.Secret) { s.Annotations[target.AnnotationMergedKeys] = "TOKEN,password" }, 1},
		"everything was replaced": {func(s *corev1.Secret) {
			s.Data, s.Annotations = map[string][]byte{"password": []byte("theirs")}, nil
		}, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.foreign("app", map[string]string{"password": "theirs"})
			ec := f.client("sync", merging("app"), templated("TOKEN", "{{ .AccessToken }}"))
			f.run(ec)
			annotations := f.secret("app").Annotations
			f.step(rotation.Floor)

			password := f.change("app", tc.edit).Data["password"]
			f.run(ec)
			is := f.secret("app")
			f.Expect(is.Data["TOKEN"]).To(gomega.Equal(is.Data["access_token"]))
			f.Expect(f.active("app")).To(gomega.BeTrue())
			f.Expect(is.Data["password"]).To(gomega.Equal(password))
			f.Expect(is.Annotations[target.AnnotationMergedKeys]).To(gomega.Equal(annotations[target.AnnotationMergedKeys]))
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.requests()).To(gomega.Equal(tc.requests))
		})
	}
}

func TestMergeDropsKeysThatTheTemplateDrops(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"), templated("TOKEN", "{{ .AccessToken }}"), templated("KIND", "{{ .TokenType }}"))
	f.run(ec)

	f.update(ec, func() { delete(ec.Spec.Target.Template.Data, "KIND") })
	f.run(ec)
	f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("password", "TOKEN")))
	f.update(ec, func() { ec.Spec.Target.Template = nil })
	f.run(ec)
	f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("password")))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestMergeStartsAgainInASecretThatWasCreatedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	secret := f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"))
	f.run(ec)
	f.step(rotation.Floor)

	f.delete(secret)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, TargetNotFound"))
	f.foreign("app", map[string]string{"password": "theirs"})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestMergeDoesNotBringASecretBackThatIsDeletedDuringTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	secret := f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"))
	deleted := false
	f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		err := c.Get(ctx, key, obj, opts...)
		if key.Name == "egain-app" && !deleted {
			deleted = true
			return errors.Join(err, admin.Delete(ctx, secret))
		}
		return err
	}})

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.Expect(f.secret("app")).To(gomega.BeNil())
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, TargetNotFound"))

	f.foreign("app", map[string]string{"password": "theirs"})
	f.run(ec)
	f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("password")))
	f.Expect(f.requests()).To(gomega.Equal(1), "the token was held meanwhile")
}

func TestMergeTakesItsKeysOutAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	was := f.foreign("app", map[string]string{"password": "theirs"})
	f.change("app", func(s *corev1.Secret) {
		s.Labels, s.Annotations = map[string]string{"team": "a"}, map[string]string{"note": "b"}
	})
	ec := f.client("sync", merging("app"), templated("TOKEN", "{{ .AccessToken }}"), func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.Template.Metadata = &egainv1alpha1.TargetMetadata{Labels: map[string]egainv1alpha1.LabelValue{"ours": "yes"}}
	})
	f.run(ec)
	f.Expect(ec.Finalizers).To(gomega.ConsistOf(egainv1alpha1.CleanupFinalizer))
	f.Expect(f.secret("app").Labels).To(gomega.Equal(map[string]string{"team": "a", "ours": "yes"}))

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	is := f.secret("app")
	f.Expect(is.UID).To(gomega.Equal(was.UID))
	f.Expect(is.Data).To(gomega.Equal(map[string][]byte{"password": []byte("theirs")}))
	f.Expect(is.Labels).To(gomega.Equal(map[string]string{"team": "a"}))
	f.Expect(is.Annotations).To(gomega.Equal(map[string]string{"note": "b"}))
}

func TestMergeRetainLeavesAllKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"), retaining)
	f.run(ec)
	f.Expect(ec.Finalizers).To(gomega.BeEmpty())
	unchanged := f.unchanged(f.secret("app"))

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	unchanged()

	again := f.client("sync", merging("app"), retaining)
	f.run(again)
	f.Expect(state(again)).To(gomega.Equal("Current: TokenValid, Issued"))
	unchanged()
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestMergeGoesAwayWithoutTheSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	secret := f.foreign("app", nil)
	ec := f.client("sync", merging("app"))
	f.run(ec)

	f.delete(secret)
	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	f.Expect(f.secret("app")).To(gomega.BeNil())
}

func TestMergeLeavesTheSecretOfAnotherClientWhenItIsDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	holder, other := f.client("a", merging("app")), f.client("b", merging("app"))
	f.run(holder)
	f.run(other)
	unchanged := f.unchanged(f.secret("app"))

	f.delete(other)
	f.reconcile(other)
	f.Expect(f.gone(other)).To(gomega.BeTrue())
	unchanged()
}

func TestMergeTakesItsKeysOutThoughTheClientWasOnTheMoveWhenItWasDeleted(t *testing.T) {
	t.Parallel()
	tests := map[string]quick{
		"to a Secret that does not exist yet": targeting("missing"),
		"to owning the same Secret": func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyOwner
		},
		"to owning another, which it has no token for yet": func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Target.CreationPolicy, ec.Spec.Target.SecretName = egainv1alpha1.CreationPolicyOwner, "own"
			ec.Spec.Scopes = []egainv1alpha1.Scope{"no.such.scope"}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.foreign("app", map[string]string{"password": "theirs"})
			ec := f.client("sync", merging("app"))
			f.run(ec)

			f.update(ec, func() { change(ec) })
			f.run(ec)
			f.Expect(f.active("app")).To(gomega.BeTrue(), "the last good token stays until there is another")
			f.delete(ec)
			f.reconcile(ec)
			f.Expect(f.gone(ec)).To(gomega.BeTrue())
			f.Expect(f.keys("app")).To(gomega.ConsistOf("password"))
		})
	}
}

func TestMergeRetainOnTheMoveLeavesAllKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.foreign("app", map[string]string{"password": "theirs"})
	ec := f.client("sync", merging("app"), func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) })
	f.run(ec)
	f.update(ec, func() { ec.Spec.Target.DeletionPolicy = egainv1alpha1.DeletionPolicyRetain })

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	f.Expect(f.keys("app")).To(gomega.ConsistOf(withCore("password")))
}
