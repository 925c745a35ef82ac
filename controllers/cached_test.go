package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

func TestTheCacheKeepsOfASecretOnlyItsVersionAndSession(t *testing.T) {
	t.Parallel()
	in := &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{Kind: "Secret", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "sync", UID: "uid", ResourceVersion: "7", Generation: 1,
			CreationTimestamp: metav1.NewTime(noon), Labels: map[string]string{"team": "a"}, Finalizers: []string{"x"},
			OwnerReferences: []metav1.OwnerReference{{Name: "sync"}},
			Annotations: map[string]string{
				session.AnnotationID: "login", "kubectl.kubernetes.io/last-applied-configuration": `{"data":{"password":"aHVzaA=="}}`,
				target.AnnotationOwnedBy: "sync", "auth.egain.community/x": "another group",
			},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
	}
	want := &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{Kind: "Secret", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "sync", UID: "uid", ResourceVersion: "7",
			Annotations: map[string]string{session.AnnotationID: "login"},
		},
	}
	got, err := caching.Secret(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNothingComesIntoACacheThatIsNotForIt(t *testing.T) {
	t.Parallel()
	for name, strip := range map[string]cache.TransformFunc{
		"Secrets": caching.Secret, "ConfigMaps": caching.ConfigMap, "Namespaces": caching.Namespace,
		"EgainClients": caching.Client, "EgainTenants": caching.Tenant,
	} {
		gone := cache.DeletedFinalStateUnknown{Key: "ns/sync"}
		if got, err := strip(gone); err != nil || got != gone {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if _, err := strip(&corev1.Secret{}); err == nil {
			t.Errorf("%s: a whole Secret must not come into the cache", name)
		}
	}
}

// wordy is an EgainClient with something in each field that the cache could do without or share.
func wordy() *egainv1alpha1.EgainClient {
	// A copy of each word, as a decoder makes them.
	word := func(s string) string { return string([]byte(s)) }
	return &egainv1alpha1.EgainClient{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: word("ns"), Name: "sync", UID: "uid", ResourceVersion: "7", Generation: 2, CreationTimestamp: metav1.NewTime(noon),
			Finalizers:  []string{egainv1alpha1.CleanupFinalizer},
			Annotations: map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: "now"},
		},
		Spec: egainv1alpha1.EgainClientSpec{
			Tenant: egainv1alpha1.Tenant{
				TenantLocation: egainv1alpha1.TenantLocation{
					ID: word("TENANT"), MetadataURL: egainv1alpha1.HTTPSURL(word("https://ai.example/metadata")), ScopePrefix: word("prefix/"),
					Endpoints: &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(word("https://ai.example/token"))},
				},
				CABundleRef: &egainv1alpha1.CABundleReference{Kind: word("ConfigMap"), Name: egainv1alpha1.SecretName(word("ca"))},
			},
			TenantRef:            &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(word("production"))},
			CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "app", ClientIDKey: egainv1alpha1.SecretKey(word("client_id"))},
			Flow:                 egainv1alpha1.Flow(word("ClientCredentials")),
			Scopes:               []egainv1alpha1.Scope{egainv1alpha1.Scope(word("a.read"))},
			Target:               egainv1alpha1.Target{SecretName: "sync-token", Type: word("Opaque")},
		},
		Status: egainv1alpha1.EgainClientStatus{
			Conditions: []metav1.Condition{
				{Type: word("Ready"), Status: metav1.ConditionTrue, Reason: word("TokenValid"), Message: `Secret "sync-token" holds an unexpired token`},
				{Type: word("TokenIssued"), Status: metav1.ConditionTrue, Reason: word("Issued"), Message: word("the token was issued")},
			},
			Token:     &egainv1alpha1.TokenStatus{IssueTime: second(noon), TokenType: word("Bearer"), Scopes: []string{word("a.read")}},
			Endpoints: &egainv1alpha1.EndpointsStatus{TokenURL: word("https://ai.example/token"), Source: egainv1alpha1.EndpointSource(word("Spec"))},
			Target:    &egainv1alpha1.TargetStatus{SecretName: word("sync-token")},
		},
	}
}

func TestTheCacheKeepsOfAnEgainClientAllThatDecisionsRestOn(t *testing.T) {
	t.Parallel()
	in := wordy()
	in.Labels = map[string]string{"team": "a"}
	in.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
	in.OwnerReferences = []metav1.OwnerReference{{Name: "app"}}
	in.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}

	got, err := caching.Client(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wordy(), got); diff != "" {
		t.Error(diff)
	}
}

// What the cache does without belongs to others. The operator patches what it read there: first the finalizer, then the status,
// and in the end the finalizer again.
func TestWhatTheCacheDoesWithoutSurvivesEveryPatch(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	f.credentials()
	owner := &corev1.ConfigMap{ObjectMeta: f.named("owner")}
	f.create(owner)
	const theirs = "example.com/theirs"
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Labels, ec.Annotations, ec.Finalizers = map[string]string{"team": "a"}, map[string]string{theirs: "x"}, []string{theirs}
		ec.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}
		ec.Spec.RevokeOnDelete = new(true)
	})
	startManager(t, operatorConfig(t, f.namespace), 2, f.namespace)
	f.ready(ec, true)
	unharmed := func(g gomega.Gomega, finalizers ...string) {
		g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
		g.Expect(ec.Labels).To(gomega.Equal(map[string]string{"team": "a"}))
		g.Expect(ec.Annotations).To(gomega.HaveKeyWithValue(theirs, "x"))
		g.Expect(ec.OwnerReferences).To(gomega.HaveLen(1))
		g.Expect(ec.Finalizers).To(gomega.ConsistOf(finalizers))
	}
	f.eventually(func(g gomega.Gomega) { unharmed(g, theirs, egainv1alpha1.CleanupFinalizer) })

	f.update(ec, func() { ec.Spec.RevokeOnDelete = nil })
	f.eventually(func(g gomega.Gomega) { unharmed(g, theirs) })

	f.update(ec, func() { ec.Finalizers = nil })
}
