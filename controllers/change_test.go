package controllers

import (
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

func TestIssuesAnewWhenTheSpecChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)

	f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
	f.Expect(f.value("sync", "scope")).To(gomega.Equal("core.aiservices.read"))
	f.Expect(ec.Status.Token.Scopes).To(gomega.Equal([]string{"core.aiservices.read"}))
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestIsNotReadyWithATokenForAnEarlierSpec(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	secret := f.unchanged(f.secret("sync"))

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"no.such.scope"} })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: TokenOutdated, ScopeRejected"))
	secret()

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"knowledge.portalmgr.manage"} })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), "the token that is there is the one that is wanted again")
	secret()
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestRewritesTheTargetWithoutARequestWhenOnlyItsFormChanges(t *testing.T) {
	t.Parallel()
	label := func(key string, value egainv1alpha1.LabelValue) quick {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Metadata: &egainv1alpha1.TargetMetadata{
				Labels: map[string]egainv1alpha1.LabelValue{key: value},
			}}
		}
	}
	tests := map[string]struct {
		before, after quick
		want          func(*fixture, *corev1.Secret)
	}{
		"a key is added": {
			after: templated("TOKEN", "{{ .AccessToken }}"),
			want: func(f *fixture, s *corev1.Secret) {
				f.Expect(s.Data["TOKEN"]).To(gomega.Equal(s.Data["access_token"]))
			},
		},
		"a key is changed": {
			before: templated("TOKEN", "{{ .AccessToken }}"), after: templated("TOKEN", "{{ .TokenType }}"),
			want: func(f *fixture, s *corev1.Secret) { f.Expect(string(s.Data["TOKEN"])).To(gomega.Equal("Bearer")) },
		},
		"a key is dropped": {
			before: templated("TOKEN", "{{ .AccessToken }}"),
			after:  func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Template = nil },
			want:   func(f *fixture, s *corev1.Secret) { f.Expect(s.Data).NotTo(gomega.HaveKey("TOKEN")) },
		},
		"a label is added": {
			after: label("team", "a"),
			want:  func(f *fixture, s *corev1.Secret) { f.Expect(s.Labels).To(gomega.HaveKeyWithValue("team", "a")) },
		},
		"a label is dropped": {
			before: label("team", "a"), after: label("crew", "b"),
			want: func(f *fixture, s *corev1.Secret) {
				f.Expect(s.Labels).To(gomega.And(gomega.HaveKeyWithValue("crew", "b"), gomega.Not(gomega.HaveKey("team"))))
			},
		},
		"the label that marks our Secrets is given another value": {
			after: label("app.kubernetes.io/managed-by", "helm"),
			want: func(f *fixture, s *corev1.Secret) {
				f.Expect(s.Labels).To(gomega.Equal(map[string]string{"app.kubernetes.io/managed-by": "helm"}))
			},
		},
		"an annotation is added": {
			after: func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Metadata: &egainv1alpha1.TargetMetadata{
					Annotations: map[string]egainv1alpha1.AnnotationValue{"example.com/note": "rotates by itself"},
				}}
			},
			want: func(f *fixture, s *corev1.Secret) {
				f.Expect(s.Annotations).To(gomega.HaveKeyWithValue("example.com/note", "rotates by itself"))
			},
		},
		"it is to be retained": {
			after: retaining,
			want:  func(f *fixture, s *corev1.Secret) { f.Expect(s.OwnerReferences).To(gomega.BeEmpty()) },
		},
		"it is not to be retained any more": {
			before: retaining,
			after: func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Target.DeletionPolicy = egainv1alpha1.DeletionPolicyDelete
			},
			want: func(f *fixture, s *corev1.Secret) { f.Expect(s.OwnerReferences).To(gomega.HaveLen(1)) },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			if tc.before != nil {
				f.update(ec, func() { tc.before(ec) })
			}
			f.run(ec)
			was := f.secret("sync")

			f.update(ec, func() { tc.after(ec) })
			f.run(ec)

			is := f.secret("sync")
			tc.want(f, is)
			f.Expect(is.UID).To(gomega.Equal(was.UID))
			f.Expect(is.Data["access_token"]).To(gomega.Equal(was.Data["access_token"]))
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))

			unchanged := f.unchanged(is)
			f.run(ec)
			unchanged()
			f.Expect(f.requests()).To(gomega.Equal(1))
		})
	}
}

func TestAsksForNothingWhenOnlyTheScheduleChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	secret := f.unchanged(f.secret("sync"))
	renewal := ec.Status.Token.RenewalTime.Time

	f.update(ec, func() { ec.Spec.Renewal = &egainv1alpha1.Renewal{Percent: 90} })
	f.run(ec)
	f.update(ec, func() { ec.Spec.RevokeOnDelete = new(true) })
	f.run(ec)

	f.Expect(ec.Status.Token.RenewalTime.Time).To(gomega.BeTemporally(">", renewal))
	secret()
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestLeavesWhatOthersStampOnTheObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)

	f.update(ec, func() {
		ec.Labels = map[string]string{"argocd.argoproj.io/instance": "app"}
		ec.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	})
	f.change("sync", func(s *corev1.Secret) {
		s.Labels["argocd.argoproj.io/instance"] = "app"
		s.Annotations["reloader.stakater.com/match"] = "true"
		s.Data["their-key"] = []byte("theirs")
	})
	secret, object := f.unchanged(f.secret("sync")), f.unchanged(ec)
	for range 2 {
		f.run(ec)
		f.restart()
		f.run(ec)
	}

	secret()
	object()
	f.Expect(f.requests()).To(gomega.Equal(1))

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.Expect(f.value("sync", "their-key")).To(gomega.Equal("theirs"), "a rotation leaves it too")
	f.Expect(f.secret("sync").Labels).To(gomega.HaveKey("argocd.argoproj.io/instance"))
}

func TestIssuesAnewWhenTheTokenInTheTargetWasTamperedWith(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*corev1.Secret){
		"the token was edited":                  func(s *corev1.Secret) { s.Data["access_token"] = []byte("another") },
		"the token was deleted":                 func(s *corev1.Secret) { delete(s.Data, "access_token") },
		"the header value was edited":           func(s *corev1.Secret) { s.Data["authorization"] = []byte("Bearer another") },
		"the expiry was edited":                 func(s *corev1.Secret) { s.Data["expires_at"] = []byte("2099-01-01T00:00:00Z") },
		"the scope was deleted":                 func(s *corev1.Secret) { delete(s.Data, "scope") },
		"the type was emptied":                  func(s *corev1.Secret) { s.Data["token_type"] = nil },
		"all data was deleted":                  func(s *corev1.Secret) { s.Data = nil },
		"the expiry in the memory was edited":   func(s *corev1.Secret) { s.Annotations[target.AnnotationExpirationTime] = "2099-01-01T00:00:00Z" },
		"the memory was deleted":                func(s *corev1.Secret) { delete(s.Annotations, target.AnnotationIssueTime) },
		"the managed fields were taken from us": func(s *corev1.Secret) { s.ManagedFields = []metav1.ManagedFieldsEntry{{}} },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.run(ec)
			token := f.token("sync")
			f.step(rotation.Floor)

			f.change("sync", edit)
			f.run(ec)

			f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
			f.Expect(f.active("sync")).To(gomega.BeTrue())
			f.Expect(f.keys("sync")).To(gomega.ConsistOf(core))
			f.Expect(f.value("sync", "authorization")).To(gomega.Equal("Bearer " + f.token("sync")))
			f.Expect(f.requests()).To(gomega.Equal(2))

			secret := f.unchanged(f.secret("sync"))
			f.run(ec)
			secret()
			f.Expect(f.requests()).To(gomega.Equal(2))
		})
	}
}

func TestIsNotReadyOnATokenThatWasTamperedWith(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})
	f.step(rotation.Floor)

	f.change("sync", func(s *corev1.Secret) { s.Data["access_token"] = []byte("another") })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
}

func TestRepairsTheRestOfTheTargetWithoutARequest(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*corev1.Secret){
		"a template's key was edited":          func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("another") },
		"a template's key was deleted":         func(s *corev1.Secret) { delete(s.Data, "TOKEN") },
		"a template's label was edited":        func(s *corev1.Secret) { s.Labels["team"] = "b" },
		"a template's label was deleted":       func(s *corev1.Secret) { delete(s.Labels, "team") },
		"the label that marks it was edited":   func(s *corev1.Secret) { s.Labels["app.kubernetes.io/managed-by"] = "me" },
		"the note whose it is was edited":      func(s *corev1.Secret) { s.Annotations[target.AnnotationOwnedBy] = "me" },
		"the owner reference was taken off":    func(s *corev1.Secret) { s.OwnerReferences = nil },
		"it was made immutable":                func(s *corev1.Secret) { s.Immutable = new(true) },
		"it was made immutable and edited too": func(s *corev1.Secret) { s.Immutable, s.Data["TOKEN"] = new(true), nil },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"), func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Target.Template.Metadata = &egainv1alpha1.TargetMetadata{Labels: map[string]egainv1alpha1.LabelValue{"team": "a"}}
			})
			f.run(ec)
			was := f.secret("sync")

			f.change("sync", edit)
			f.run(ec)

			is := f.secret("sync")
			f.Expect(is.Data).To(gomega.Equal(was.Data))
			f.Expect(is.Labels).To(gomega.Equal(was.Labels))
			f.Expect(is.Annotations).To(gomega.Equal(was.Annotations))
			f.Expect(is.OwnerReferences).To(gomega.Equal(was.OwnerReferences))
			f.Expect(is.Immutable).To(gomega.BeNil())
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.requests()).To(gomega.Equal(1))
		})
	}
}

func TestBringsADeletedTargetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
	f.run(ec)
	token := f.token("sync")
	f.step(rotation.Floor)

	f.delete(f.secret("sync"))
	f.run(ec)

	f.Expect(f.keys("sync")).To(gomega.ConsistOf(withCore("TOKEN")))
	f.Expect(f.token("sync")).NotTo(gomega.Equal(token), "the token is nowhere but in the target")
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestNoticesADeletedTargetWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Drop: true, Times: 1})
	f.step(rotation.Floor)

	f.delete(f.secret("sync"))
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
	f.Expect(ec.Status.Token).To(gomega.BeNil())
	f.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 5*time.Second))

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestForgetsAnObjectThatIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.Expect(f.entry(ec).Known).NotTo(gomega.BeZero())

	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.entry(ec).Known).To(gomega.BeZero())
}

func TestStartsAfreshWithAnObjectOfAFormerName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	former := ec.DeepCopy()

	f.delete(ec)
	f.Eventually(func() bool { return f.gone(&corev1.Secret{ObjectMeta: f.named("sync")}) }, collected).Should(gomega.BeTrue())
	again := f.client("sync")
	f.Expect(f.entry(again).Known).To(gomega.BeZero(), "what is remembered of %s is not true of %s", former.UID, again.UID)
	f.run(again)
	f.Expect(state(again)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.secret("sync").OwnerReferences[0].UID).To(gomega.Equal(again.UID))
}

func TestWaitsUntilTheTargetOfADeletedNamesakeIsCollected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	// As the garbage collector has it in hand: the owner is gone, and one of the same name is there.
	secret := &corev1.Secret{ObjectMeta: f.named("sync")}
	secret.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: egainv1alpha1.SchemeGroupVersion.String(), Kind: "EgainClient", Name: "sync", UID: "of-another-time", Controller: new(true),
	}}
	secret.Finalizers = []string{"example.com/slow"}
	f.create(secret)
	ec := f.client("sync")

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, TargetClaimed"))
	f.Expect(f.requests()).To(gomega.BeZero())

	f.Expect(admin.Patch(f.t.Context(), secret, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))).To(gomega.Succeed())
	f.Eventually(func() bool { return f.gone(secret) }, collected).Should(gomega.BeTrue())
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestRepairsTheRestOfTheTargetWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	for name, woken := range map[string]bool{"when it is woken while it waits": true, "when it tries in vain": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
			f.step(f.run(ec).RequeueAfter)
			f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503})
			wait := f.run(ec).RequeueAfter
			token := f.token("sync")

			f.change("sync", func(s *corev1.Secret) { delete(s.Data, "TOKEN") })
			f.update(ec, func() { templated("KIND", "{{ .TokenType }}")(ec) })
			if !woken {
				f.step(wait)
			}
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ServerUnavailable"))
			f.Expect(f.value("sync", "TOKEN")).To(gomega.Equal(token))
			f.Expect(f.value("sync", "KIND")).To(gomega.Equal("Bearer"))

			unchanged := f.unchanged(f.secret("sync"))
			f.run(ec)
			unchanged()
			f.sim.ClearFaults()
			f.step(ec.Status.LastFailure.RetryTime.Sub(f.clock.Now()))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
		})
	}
}

func TestRepairsTheRestOfTheTargetWhileItWaitsForTheCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	credentials := f.credentials()
	ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
	f.run(ec)
	token := f.token("sync")
	f.delete(credentials)
	f.run(ec)

	f.change("sync", func(s *corev1.Secret) { delete(s.Data, "TOKEN") })
	f.run(ec)
	f.Expect(f.value("sync", "TOKEN")).To(gomega.Equal(token))
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, CredentialsNotFound"))
	f.Expect(ec.Status.ConsecutiveFailures).To(gomega.Equal(int32(1)), "that is no other attempt")
}

func TestATokenThatIsHeldIsNotLostToARepair(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
	f.step(f.run(ec).RequeueAfter)
	f.change("sync", func(s *corev1.Secret) { delete(s.Data, "TOKEN") })
	f.failApply(errors.New("no leader"))

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.HaveOccurred())
	f.run(ec)
	f.Expect(f.value("sync", "TOKEN")).To(gomega.Equal(f.token("sync")))
	f.Expect(f.requests()).To(gomega.Equal(2))
}
