package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// defaults are the specs of bases as they are stored.
var defaults = map[string]string{
	anonymousCustomer: `
flow: AnonymousCustomer
tenant: {id: TMPRODB88619984}
scopes: [knowledge.portalmgr.read]
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`,
	clientCredentials: `
flow: ClientCredentials
tenant: {id: TMPRODB88619984, caBundleRef: {kind: ConfigMap, name: corp-ca, key: ca.crt}}
credentialsSecretRef: {name: egain-app, clientIDKey: client_id, clientSecretKey: client_secret}
scopes: [knowledge.portalmgr.manage]
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`,
	serviceAccountExchange: `
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
`,
	authorizationCode: `
flow: AuthorizationCode
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app, clientIDKey: client_id, clientSecretKey: client_secret}
authorizationCode: {actor: User, sessionSecretRef: {name: agent-session}, redirectURL: "http://127.0.0.1:8765/callback"}
scopes: [knowledge.portalmgr.read]
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`,
	tenantReference: `
flow: ClientCredentials
tenantRef: {name: production}
credentialsSecretRef: {name: egain-app, clientIDKey: client_id, clientSecretKey: client_secret}
scopes: [knowledge.portalmgr.manage]
target: {creationPolicy: Owner, deletionPolicy: Delete, type: Opaque}
revokeOnDelete: false
suspend: false
`,
	lendingTenant: `
id: TMPRODB88619984
applications:
- name: default
  credentialsSecretRef: {namespace: platform, name: acme-app}
  allowedNamespaces: {selector: {matchLabels: {egain: "true"}}}
  allowedFlows: [ClientCredentials]
`,
	sharedTenant: `
id: TMPRODB88619984
caBundleRef: {kind: ConfigMap, name: corp-ca, namespace: platform, key: ca.crt}
allowedNamespaces: {names: [team-a], selector: {matchLabels: {egain: "true"}}}
allowedScopes: [knowledge.*]
requestLimits: {concurrent: 8, perSecond: 20}
`,
	unlimitedTenant: `
metadataURL: https://login.egain.cloud/metadata
`,
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	for base, stands := range defaults {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			var want any
			if err := yaml.Unmarshal([]byte(stands), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, want), fetch(t, stored, base).Object["spec"]); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoDefaultIsInAList is about tools that compare lists as a whole: what the API server fills in there is drift.
func TestNoDefaultIsInAList(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		walk("", k.schema(t), func(path string, s apiextensionsv1.JSONSchemaProps) {
			if s.Default != nil && strings.Contains(path, "[") {
				t.Errorf("%s of %s has the default %s within a list", path, k.name, s.Default.Raw)
			}
		})
	}
}

// TestEveryDefaultIsShown fails if a CRD has a default that no base among the defaults leaves to it.
func TestEveryDefaultIsShown(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		walk("", k.schema(t), func(path string, s apiextensionsv1.JSONSchemaProps) {
			if s.Default == nil {
				return
			}
			for name := range defaults {
				if kindOf(name) != k {
					continue
				}
				_, written := lookUp(baseObject(stored, name), path)
				_, found := lookUp(fetch(t, stored, name), path)
				if found && !written {
					return
				}
			}
			t.Errorf("no base leaves %s of %s to its default, %s", path, k.name, s.Default.Raw)
		})
	}
}

// fetch reads the object of a base.
func fetch(t *testing.T, namespace, base string) *unstructured.Unstructured {
	t.Helper()
	return kindOf(base).fetch(t, baseObject(namespace, base))
}

// fetch reads an object.
func (k *kind) fetch(t *testing.T, named client.Object) *unstructured.Unstructured {
	t.Helper()
	object := k.object()
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(named), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestUnknownFieldsAreRefused is about users who mistype a field and validate strictly, as kubectl does.
func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"spec.tenantName", "spec.tenant.issuer", "spec.target.name", "spec.target.template.metadata.name"} {
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
	for _, row := range []struct {
		kind           *kind
		spec, status   string
		specIs, change any
	}{
		{&clients, "suspend", "consecutiveFailures", false, true},
		{&tenants, "id", "clients", "TMPRODB88619984", "OTHER"},
	} {
		t.Run(row.kind.name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			object := baseObject(empty, row.kind.base)
			object.SetName("status")
			g.Expect(unstructured.SetNestedField(object.Object, int64(7), "status", row.status)).To(gomega.Succeed())
			g.Expect(admin.Create(t.Context(), object)).To(gomega.Succeed())
			unseen := map[string]any{"observedGeneration": int64(-1)}
			g.Expect(object.Object["status"]).To(gomega.Equal(unseen), "a status given at creation")

			object = change{"status." + row.status: 3, "spec." + row.spec: row.change}.applied(t, object)
			g.Expect(admin.Status().Update(t.Context(), object)).To(gomega.Succeed())
			got := row.kind.fetch(t, object)
			written := map[string]any{row.status: int64(3), "observedGeneration": int64(-1)}
			g.Expect(got.Object["status"]).To(gomega.Equal(written))
			g.Expect(got.Object["spec"]).To(gomega.HaveKeyWithValue(row.spec, row.specIs), "the spec in an update of the status")
			g.Expect(got.GetGeneration()).To(gomega.BeEquivalentTo(1), "an update of the status is no new generation")

			object = change{"status." + row.status: 9, "spec." + row.spec: row.change}.applied(t, got)
			g.Expect(admin.Update(t.Context(), object)).To(gomega.Succeed())
			got = row.kind.fetch(t, object)
			g.Expect(got.Object["status"]).To(gomega.Equal(written), "the status in an update of the spec")
			g.Expect(got.Object["spec"]).To(gomega.HaveKeyWithValue(row.spec, row.change))
			g.Expect(got.GetGeneration()).To(gomega.BeEquivalentTo(2))
		})
	}
}

// TestATenantGivesWayToAReference is about the ways in which people move an EgainClient to an EgainTenant, and back. Each
// takes one out and puts the other in at once; on the way there must be no moment with both or neither.
func TestATenantGivesWayToAReference(t *testing.T) {
	t.Parallel()
	inline, shared := object{"tenant": object{"id": "TMPRODB88619984"}}, object{"tenantRef": object{"name": "production"}}
	for name, move := range map[string]func(*unstructured.Unstructured, string, string, any) error{
		// As kubectl replace and edit do.
		"update": func(o *unstructured.Unstructured, from, to string, value any) error {
			return admin.Update(t.Context(), change{"spec." + from: nil, "spec." + to: value}.applied(t, o))
		},
		// As kubectl patch and client-side apply do.
		"merge-patch": func(o *unstructured.Unstructured, from, to string, value any) error {
			patch, err := json.Marshal(object{"spec": object{from: nil, to: value}})
			if err != nil {
				return err
			}
			return admin.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, patch))
		},
		// As GitOps does, with the manager that applied the object before.
		"server-side-apply": func(o *unstructured.Unstructured, from, to string, value any) error {
			o.SetManagedFields(nil)
			o.SetResourceVersion("")
			return applied(t, change{"spec." + from: nil, "spec." + to: value}.applied(t, o))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			o := baseObject(empty, clientCredentials)
			o.SetName("moved-by-" + name)
			g.Expect(applied(t, change{"spec.tenant": inline["tenant"]}.applied(t, o))).To(gomega.Succeed())
			for _, leg := range []struct {
				from, to string
				want     object
			}{{"tenant", "tenantRef", shared}, {"tenantRef", "tenant", inline}} {
				g.Expect(move(clients.fetch(t, o), leg.from, leg.to, leg.want[leg.to])).To(gomega.Succeed())
				spec := clients.fetch(t, o).Object["spec"]
				g.Expect(spec).To(gomega.HaveKeyWithValue(leg.to, leg.want[leg.to]))
				g.Expect(spec).NotTo(gomega.HaveKey(leg.from))
			}
		})
	}
}

// applied applies an object by the hand of one manager.
func applied(t *testing.T, o *unstructured.Unstructured) error {
	t.Helper()
	return admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("gitops"), client.ForceOwnership)
}

// TestKubectlFindsTheKinds is about what users type.
func TestKubectlFindsTheKinds(t *testing.T) {
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
	for _, row := range []struct {
		kind                *kind
		singular, shortName string
	}{{&clients, "egainclient", "egc"}, {&tenants, "egaintenant", "egt"}} {
		got := resources[row.kind.resource]
		g.Expect(got.Kind).To(gomega.Equal(row.kind.name))
		g.Expect(got.SingularName).To(gomega.Equal(row.singular))
		g.Expect(got.ShortNames).To(gomega.ConsistOf(row.shortName))
		g.Expect(got.Categories).To(gomega.ConsistOf("egain"))
		g.Expect(got.Namespaced).To(gomega.Equal(row.kind.namespaced))
		g.Expect(resources).To(gomega.HaveKey(row.kind.resource + "/status"))
	}
}

// condition is one of a status.
func condition(kind, status, reason, message string) map[string]string {
	return map[string]string{
		"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-23T00:00:00Z",
	}
}

// TestColumns is about `kubectl get`, with the wide columns after the others. Before the operator has seen an object, there
// is little to show.
func TestColumns(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kind          *kind
		before, after []string
		status        map[string]any
	}{
		{
			&clients,
			[]string{
				"Name: columns", "Ready: <nil>", "Reason: <nil>", "Expires: <nil>", "Age: set",
				"wide Target: <nil>", "wide Flow: ClientCredentials", "wide Renews: <nil>", "wide Message: <nil>",
			},
			[]string{
				"Name: columns", "Ready: True", "Reason: ServerUnavailable", "Expires: 2026-11-23T01:00:00Z", "Age: set",
				"wide Target: columns", "wide Flow: ClientCredentials", "wide Renews: 2026-11-23T00:40:00Z", "wide Message: down",
			},
			map[string]any{
				"conditions": []any{condition("Ready", "True", "TokenValid", "valid"), condition("TokenIssued", "False", "ServerUnavailable", "down")},
				"token":      map[string]string{"expirationTime": "2026-11-23T01:00:00Z", "renewalTime": "2026-11-23T00:40:00Z"},
				"target":     map[string]string{"secretName": "columns"},
			},
		},
		{
			&tenants,
			[]string{
				"Name: columns", "Ready: <nil>", "Reason: <nil>", "Clients: <nil>", "Age: set",
				"wide Metadata since: <nil>", "wide Failing applications: <nil>", "wide API: <nil>", "wide Message: <nil>",
			},
			[]string{
				"Name: columns", "Ready: True", "Reason: EndpointsKnown", "Clients: 0", "Age: set",
				"wide Metadata since: set", "wide Failing applications: other", "wide API: https://api.egain.cloud", "wide Message: known",
			},
			map[string]any{
				"conditions": []any{condition("Ready", "True", "EndpointsKnown", "known")},
				"endpoints":  []any{map[string]string{"actor": "Client", "apiURL": "https://api.egain.cloud"}, map[string]string{"actor": "User"}},
				"metadata":   map[string]string{"readTime": "2026-11-23T00:00:00Z"},
				"applications": []any{
					object{"name": "default", "ready": "True", "reason": "Accepted", "clients": 1, "rejectedClients": 0},
					object{"name": "other", "ready": "False", "reason": "ApplicationFailing", "clients": 1, "rejectedClients": 0},
				},
				"clients": 0,
			},
		},
	} {
		t.Run(row.kind.name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			object := baseObject(empty, row.kind.base)
			object.SetName("columns")
			g.Expect(admin.Create(t.Context(), object)).To(gomega.Succeed())
			g.Expect(row.kind.tableOf(t, "columns")).To(gomega.Equal(row.before), "before the operator has seen it")
			object = change{"status": row.status}.applied(t, object)
			g.Expect(admin.Status().Update(t.Context(), object)).To(gomega.Succeed())
			g.Expect(row.kind.tableOf(t, "columns")).To(gomega.Equal(row.after), "after it has")
		})
	}
}

// tableOf is what kubectl gets to print of an object. Ages are those of this moment, so that they are only noted.
func (k *kind) tableOf(t *testing.T, name string) []string {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	request := clientset.RESTClient().Get().
		AbsPath("apis", egainv1alpha1.SchemeGroupVersion.Group, egainv1alpha1.SchemeGroupVersion.Version).Resource(k.resource).Name(name)
	if k.namespaced {
		request = request.Namespace(empty)
	}
	var table metav1.Table
	if err := request.SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(&table); err != nil {
		t.Fatal(err)
	}
	var cells []string
	for i, column := range table.ColumnDefinitions {
		value := table.Rows[0].Cells[i]
		if (column.Type == "date" || column.Name == "Age") && value != nil {
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
