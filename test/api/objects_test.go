package api_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ base, want string }{
		"of what every object has": {anonymousCustomer, `
flow: AnonymousCustomer
tenant: {id: TMPRODB88619984}
scopes: [knowledge.portalmgr.read]
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`},
		"of credentials and CA bundle": {clientCredentials, `
flow: ClientCredentials
tenant: {id: TMPRODB88619984, caBundleRef: {kind: ConfigMap, name: corp-ca, key: ca.crt}}
credentialsSecretRef: {name: egain-app, clientIDKey: client_id, clientSecretKey: client_secret}
scopes: [knowledge.portalmgr.manage]
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`},
		"of a token exchange": {serviceAccountExchange, `
flow: TokenExchange
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app, clientIDKey: client_id, clientSecretKey: client_secret}
tokenExchange:
  registrationID: cluster
  subjectTokenType: urn:ietf:params:oauth:token-type:access_token
  subjectToken: {serviceAccountToken: {name: sync, audience: egain, expirationSeconds: 600}}
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want any
			if err := yaml.Unmarshal([]byte(row.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, want), fetch(t, stored, row.base).Object["spec"]); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryDefaultIsShown fails if the CRD has a default that no base of TestDefaults leaves to it.
func TestEveryDefaultIsShown(t *testing.T) {
	t.Parallel()
	walk("", openSchema(t), func(path string, s apiextensionsv1.JSONSchemaProps) {
		if s.Default == nil {
			return
		}
		for _, name := range []string{anonymousCustomer, clientCredentials, serviceAccountExchange} {
			_, written := lookUp(baseObject(stored, name), path)
			_, found := lookUp(fetch(t, stored, name), path)
			if found && !written {
				return
			}
		}
		t.Errorf("no base leaves %s to its default, %s", path, s.Default.Raw)
	})
}

func fetch(t *testing.T, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestUnknownFieldsAreRefused is about users who mistype a field and validate strictly, as kubectl does.
func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"spec.tenantRef", "spec.tenant.issuer", "spec.target.name", "spec.target.template.metadata.name"} {
		for how, err := range attempts(t, "", change{path: "x"}) {
			if !apierrors.IsBadRequest(err) {
				t.Errorf("%s with %s: got %v, want a refusal", how, path, err)
			}
		}
	}
}

func TestAnObjectMayHaveTheLongestNameOfKubernetes(t *testing.T) {
	t.Parallel()
	object := baseObject(empty, clientCredentials)
	object.SetName(long(253))
	if err := admin.Create(t.Context(), object, client.DryRunAll); err != nil {
		t.Error(err)
	}
	object.SetName(long(254))
	if err := admin.Create(t.Context(), object, client.DryRunAll); !apierrors.IsInvalid(err) {
		t.Errorf("a name of 254 characters: got %v, want a refusal", err)
	}
}

// TestTheStatusIsASubresource: users write the spec, the operator the status, and neither the other's.
func TestTheStatusIsASubresource(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	object := baseObject(empty, clientCredentials)
	object.SetName("status")
	g.Expect(unstructured.SetNestedField(object.Object, int64(7), "status", "consecutiveFailures")).To(gomega.Succeed())
	g.Expect(admin.Create(t.Context(), object)).To(gomega.Succeed())
	g.Expect(object.Object).NotTo(gomega.HaveKey("status"), "a status given at creation")

	object = change{"status.consecutiveFailures": 3, "spec.suspend": true}.applied(t, object)
	g.Expect(admin.Status().Update(t.Context(), object)).To(gomega.Succeed())
	got := fetch(t, empty, "status")
	g.Expect(got.Object["status"]).To(gomega.Equal(map[string]any{"consecutiveFailures": int64(3)}))
	g.Expect(got.Object["spec"]).To(gomega.HaveKeyWithValue("suspend", false), "the spec in an update of the status")
	g.Expect(got.GetGeneration()).To(gomega.BeEquivalentTo(1), "an update of the status is no new generation")

	object = change{"status.consecutiveFailures": 9, "spec.suspend": true}.applied(t, got)
	g.Expect(admin.Update(t.Context(), object)).To(gomega.Succeed())
	got = fetch(t, empty, "status")
	g.Expect(got.Object["status"]).To(gomega.Equal(map[string]any{"consecutiveFailures": int64(3)}), "the status in an update of the spec")
	g.Expect(got.Object["spec"]).To(gomega.HaveKeyWithValue("suspend", true))
	g.Expect(got.GetGeneration()).To(gomega.BeEquivalentTo(2))
}

// TestKubectlFindsTheKind is about what users type.
func TestKubectlFindsTheKind(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	c, err := discovery.NewDiscoveryClientForConfig(plane.Config)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	all, err := c.ServerResourcesForGroupVersion(egainv1alpha1.SchemeGroupVersion.String())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	resources := map[string]metav1.APIResource{}
	for _, r := range all.APIResources {
		resources[r.Name] = r
	}
	got := resources["egainclients"]
	g.Expect(got.Kind).To(gomega.Equal("EgainClient"))
	g.Expect(got.SingularName).To(gomega.Equal("egainclient"))
	g.Expect(got.ShortNames).To(gomega.ConsistOf("egc"))
	g.Expect(got.Categories).To(gomega.ConsistOf("egain"))
	g.Expect(got.Namespaced).To(gomega.BeTrue())
	g.Expect(resources).To(gomega.HaveKey("egainclients/status"))
}

// TestColumns is about `kubectl get`, with the wide columns after the others.
func TestColumns(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	object := baseObject(empty, clientCredentials)
	object.SetName("columns")
	g.Expect(admin.Create(t.Context(), object)).To(gomega.Succeed())
	g.Expect(tableOf(t, "columns")).To(gomega.Equal([]string{
		"Name: columns", "Ready: <nil>", "Flow: ClientCredentials", "Expires: <nil>", "Renews: <nil>", "Age: set",
		"wide Target: <nil>", "wide Reason: <nil>", "wide Message: <nil>",
	}), "before the operator has seen it")

	object = change{"status": map[string]any{
		"conditions": []map[string]string{
			{"type": "Ready", "status": "True", "reason": "TokenValid", "message": "valid", "lastTransitionTime": "2026-11-23T00:00:00Z"},
			{"type": "TokenIssued", "status": "False", "reason": "ServerUnavailable", "message": "down", "lastTransitionTime": "2026-11-23T00:00:00Z"},
		},
		"token":  map[string]string{"expirationTime": "2026-11-23T01:00:00Z", "renewalTime": "2026-11-23T00:40:00Z"},
		"target": map[string]string{"secretName": "columns"},
	}}.applied(t, object)
	g.Expect(admin.Status().Update(t.Context(), object)).To(gomega.Succeed())
	g.Expect(tableOf(t, "columns")).To(gomega.Equal([]string{
		"Name: columns", "Ready: True", "Flow: ClientCredentials", "Expires: 2026-11-23T01:00:00Z", "Renews: 2026-11-23T00:40:00Z", "Age: set",
		"wide Target: columns", "wide Reason: ServerUnavailable", "wide Message: down",
	}), "while a renewal fails")
}

// tableOf is what kubectl gets to print of an object. The age is that of this moment, so that it is only noted.
func tableOf(t *testing.T, name string) []string {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	err = clientset.RESTClient().Get().
		AbsPath("apis", egainv1alpha1.SchemeGroupVersion.Group, egainv1alpha1.SchemeGroupVersion.Version, "namespaces", empty, "egainclients", name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(&table)
	if err != nil {
		t.Fatal(err)
	}
	var cells []string
	for i, column := range table.ColumnDefinitions {
		value := table.Rows[0].Cells[i]
		if column.Name == "Age" && value != nil {
			value = "set"
		}
		cell := fmt.Sprintf("%s: %v", column.Name, value)
		if column.Priority > 0 {
			cell = "wide " + cell
		}
		cells = append(cells, cell)
	}
	return cells
}
