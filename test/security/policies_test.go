package security_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/transport"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// author is who the policies are about: may edit EgainClients, and what a test adds.
const author = "author@example.com"

// cluster is an API server with policies, and no operator.
type cluster struct {
	*gomega.WithT
	t      *testing.T
	plane  *controlplane.ControlPlane
	admin  client.Client
	author client.Client
}

// newCluster installs config/default with components of config/policies.
func newCluster(t *testing.T, components ...string) *cluster {
	t.Helper()
	c := &cluster{WithT: gomega.NewWithT(t), t: t}
	c.plane, c.admin = testbed.StartCluster(t)
	c.Expect(c.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team}})).To(gomega.Succeed())
	c.Expect(controlplane.Apply(t.Context(), c.admin, withPolicies(t, components...)...)).To(gomega.Succeed())
	c.author = c.as(author)
	c.Expect(c.admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "author"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-egaintenant-editor"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: author}},
	})).To(gomega.Succeed())
	c.bind("egainclient-editor", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-egainclient-editor"}, author)
	c.awaitTypeChecks()
	return c
}

// in is the cluster for a test within another.
func (c *cluster) in(t *testing.T) *cluster {
	t.Helper()
	inner := *c
	inner.WithT, inner.t = gomega.NewWithT(t), t
	return &inner
}

// withPolicies renders config/default with components of config/policies.
func withPolicies(t *testing.T, components ...string) []*unstructured.Unstructured {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config")
	if err := os.CopyFS(config, os.DirFS("../../config")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(config, "default", "kustomization.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := "components:\n"
	for _, component := range components {
		list += "- ../policies/" + component + "\n"
	}
	changed := strings.Replace(string(text), "components: []\n", list, 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered, err := exec.CommandContext(t.Context(), "../../hack/tools/run.sh", "kustomize", "build", filepath.Join(config, "default")).Output()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := controlplane.Decode(rendered)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// as is a client that acts as a user.
func (c *cluster) as(user string) client.Client {
	c.t.Helper()
	config := rest.CopyConfig(c.plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	acting, err := client.New(config, client.Options{Scheme: c.admin.Scheme()})
	c.Expect(err).NotTo(gomega.HaveOccurred())
	return acting
}

// bind binds a role to a user in the team's namespace.
func (c *cluster) bind(name string, role rbacv1.RoleRef, user string) {
	c.t.Helper()
	c.Expect(c.admin.Create(c.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: named(name), RoleRef: role,
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	})).To(gomega.Succeed())
}

// grant gives a user a right in the team's namespace, and returns a client of that user.
func (c *cluster) grant(user string, rules ...rbacv1.PolicyRule) client.Client {
	c.t.Helper()
	name := strings.NewReplacer("@", "-", " ", "-").Replace(user)
	c.Expect(c.admin.Create(c.t.Context(), &rbacv1.Role{ObjectMeta: named(name), Rules: rules})).To(gomega.Succeed())
	c.bind(name, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, user)
	c.bind(name+"-editor", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-egainclient-editor"}, user)
	return c.as(user)
}

// awaitTypeChecks waits until the API server has checked the types of every policy, and found nothing.
func (c *cluster) awaitTypeChecks() {
	c.t.Helper()
	c.Eventually(func(g gomega.Gomega) {
		policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
		g.Expect(c.admin.List(c.t.Context(), policies)).To(gomega.Succeed())
		g.Expect(policies.Items).NotTo(gomega.BeEmpty())
		for i := range policies.Items {
			p := &policies.Items[i]
			g.Expect(p.Spec.FailurePolicy).To(gomega.HaveValue(gomega.Equal(admissionregistrationv1.Fail)), p.Name)
			g.Expect(p.Status.ObservedGeneration).To(gomega.Equal(p.Generation), p.Name)
			g.Expect(p.Status.TypeChecking).NotTo(gomega.BeNil(), p.Name)
			g.Expect(p.Status.TypeChecking.ExpressionWarnings).To(gomega.BeEmpty(), p.Name)
		}
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// awaitEffect waits until the API server enforces a policy, by something that it refuses.
func (c *cluster) awaitEffect(refused func() error, words string) {
	c.t.Helper()
	c.Eventually(refused).WithTimeout(patience).Should(gomega.MatchError(gomega.ContainSubstring(words)))
}

// written is an EgainClient as a user writes it.
func written(t *testing.T, name, spec string) *egainv1alpha1.EgainClient {
	t.Helper()
	ec := &egainv1alpha1.EgainClient{}
	text := fmt.Sprintf(`{"apiVersion":"auth.egain.com/v1alpha1","kind":"EgainClient","metadata":{"name":%q,"namespace":%q},"spec":%s}`, name, team, spec)
	if err := json.Unmarshal([]byte(text), ec); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ec
}

// ways are all ways to write an EgainClient. Each needs one that exists, and one that does not, and changes nothing.
var ways = map[string]func(c *cluster, by client.Client, existing, ec *egainv1alpha1.EgainClient) error{
	"create": func(c *cluster, by client.Client, _, ec *egainv1alpha1.EgainClient) error {
		return by.Create(c.t.Context(), ec.DeepCopy(), client.DryRunAll)
	},
	"create with a generated name": func(c *cluster, by client.Client, _, ec *egainv1alpha1.EgainClient) error {
		ec = ec.DeepCopy()
		ec.GenerateName, ec.Name = ec.Name+"-", ""
		return by.Create(c.t.Context(), ec, client.DryRunAll)
	},
	"server-side apply of a new one": func(c *cluster, by client.Client, _, ec *egainv1alpha1.EgainClient) error {
		return by.Apply(c.t.Context(), applied(c.t, ec), client.FieldOwner("author"), client.ForceOwnership, client.DryRunAll)
	},
	"server-side apply over another": func(c *cluster, by client.Client, existing, ec *egainv1alpha1.EgainClient) error {
		over := existing.DeepCopy()
		over.Spec = *ec.Spec.DeepCopy()
		return by.Apply(c.t.Context(), applied(c.t, over), client.FieldOwner("admin"), client.ForceOwnership, client.DryRunAll)
	},
	"update": func(c *cluster, by client.Client, existing, ec *egainv1alpha1.EgainClient) error {
		over := &egainv1alpha1.EgainClient{}
		c.Expect(c.admin.Get(c.t.Context(), client.ObjectKeyFromObject(existing), over)).To(gomega.Succeed())
		over.Spec = *ec.Spec.DeepCopy()
		return by.Update(c.t.Context(), over, client.DryRunAll)
	},
	"JSON patch": func(c *cluster, by client.Client, existing, ec *egainv1alpha1.EgainClient) error {
		spec, err := json.Marshal(ec.Spec)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		patch := client.RawPatch(types.JSONPatchType, fmt.Appendf(nil, `[{"op":"replace","path":"/spec","value":%s}]`, spec))
		return by.Patch(c.t.Context(), existing.DeepCopy(), patch, client.DryRunAll)
	},
}

// applied is an EgainClient as server-side apply sends it.
func applied(t *testing.T, ec *egainv1alpha1.EgainClient) runtime.ApplyConfiguration {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ec)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "auth.egain.com/v1alpha1", "kind": "EgainClient",
		"metadata": map[string]any{"name": ec.Name, "namespace": ec.Namespace}, "spec": content["spec"],
	}}
	return client.ApplyConfigurationFromUnstructured(u)
}

func readSecrets(names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: names, Verbs: []string{"get"}}
}

// harmless is an EgainClient that names no Secret, of a host that is listed.
const harmless = `{"flow":"AnonymousCustomer","tenant":{"endpoints":{"tokenURL":"https://ai.egain.cloud/token"}},"scopes":["a"]}`

// referring are the ways to name a Secret, with the right that each takes.
var referring = map[string]struct {
	spec string
	rule rbacv1.PolicyRule
	// words that the refusal has.
	words []string
}{
	"credentials": {
		`{"tenant":{"id":"T"},"scopes":["a"],"credentialsSecretRef":{"name":"app"}}`,
		readSecrets("app"),
		[]string{`"app"`, "spec.credentialsSecretRef"},
	},
	"credentials of an EgainTenant's client": {
		`{"tenantRef":{"name":"production"},"scopes":["a"],"credentialsSecretRef":{"name":"db-password","clientIDKey":"user","clientSecretKey":"password"}}`,
		readSecrets("db-password"),
		[]string{`"db-password"`, "spec.credentialsSecretRef"},
	},
	"a subject token": {
		`{"flow":"TokenExchange","tenant":{"id":"T"},"credentialsSecretRef":{"name":"app"},
		  "tokenExchange":{"registrationID":"r","subjectToken":{"secretKeyRef":{"name":"google","key":"k"}}}}`,
		readSecrets("app", "google"),
		[]string{`"google"`, "spec.tokenExchange.subjectToken.secretKeyRef"},
	},
	"the token of another EgainClient": {
		`{"flow":"TokenExchange","tenant":{"id":"T"},"credentialsSecretRef":{"name":"app"},
		  "tokenExchange":{"registrationID":"r","subjectToken":{"egainClientRef":{"name":"other"}}}}`,
		readSecrets(),
		[]string{"every Secret of the namespace", `EgainClient "other"`},
	},
	"a session": {
		`{"flow":"AuthorizationCode","tenant":{"id":"T"},"scopes":["a"],"credentialsSecretRef":{"name":"app"},
		  "authorizationCode":{"sessionSecretRef":{"name":"google-oauth"}}}`,
		readSecrets("app", "google-oauth"),
		[]string{`"google-oauth"`, "spec.authorizationCode.sessionSecretRef"},
	},
	"a CA bundle": {
		`{"flow":"AnonymousCustomer","tenant":{"id":"T","caBundleRef":{"kind":"Secret","name":"db-tls","key":"tls.key"}},"scopes":["a"]}`,
		readSecrets("db-tls"),
		[]string{`"db-tls"`, "spec.tenant.caBundleRef"},
	},
	"a target to merge into": {
		`{"flow":"AnonymousCustomer","tenant":{"id":"T"},"scopes":["a"],"target":{"secretName":"env","creationPolicy":"Merge"}}`,
		readSecrets("env"),
		[]string{`"env"`, "spec.target"},
	},
	"a token of a ServiceAccount": {
		`{"flow":"TokenExchange","tenant":{"id":"T"},"credentialsSecretRef":{"name":"app"},
		  "tokenExchange":{"registrationID":"r","subjectToken":{"serviceAccountToken":{"name":"deployer","audience":"egain"}}}}`,
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{"deployer"}, Verbs: []string{"create"}},
		[]string{`ServiceAccount "deployer"`, "spec.tokenExchange.subjectToken.serviceAccountToken"},
	},
}

func TestPolicy_Secrets(t *testing.T) {
	c := newCluster(t, "secrets")
	t.Run("an EgainClient names only Secrets that its author may get", func(t *testing.T) { c.in(t).namesOnlySecretsOfItsAuthor() })
	t.Run("a changed spec is checked whole, metadata is not", func(t *testing.T) { c.in(t).checksAChangedSpec() })
	t.Run("type checks find mistakes", func(t *testing.T) { c.in(t).findsMistakes() })
}

func (c *cluster) namesOnlySecretsOfItsAuthor() {
	t := c.t
	existing := written(t, "existing", harmless)
	c.Expect(c.admin.Apply(t.Context(), applied(t, existing), client.FieldOwner("admin"))).To(gomega.Succeed())
	c.awaitEffect(func() error {
		return c.author.Create(t.Context(), written(t, "probe", referring["credentials"].spec), client.DryRunAll)
	}, "may not get Secret")
	near := c.grant("near@example.com", readSecrets("app2", "ap", "other"),
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "delete", "list", "patch", "update", "watch"}})
	app := c.grant("app@example.com", readSecrets("app"))
	everything := c.grant("everything@example.com", readSecrets(),
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}})
	for name, r := range referring {
		allowed := c.grant(strings.ToLower(strings.ReplaceAll(name, "'", ""))+"@example.com", r.rule, readSecrets("app"))
		lacking, user := app, "app@example.com"
		if name == "credentials" {
			lacking, user = c.author, author
		}
		for way, write := range ways {
			t.Run(name+": "+way, func(t *testing.T) {
				c := c.in(t)
				ec := written(t, "new", r.spec)
				for _, by := range []client.Client{c.author, near} {
					if err := write(c, by, existing, ec); !apierrors.IsForbidden(err) {
						t.Errorf("got %v, want it refused", err)
					}
				}
				// RBAC takes a moment.
				c.Eventually(func() string { return fmt.Sprint(write(c, lacking, existing, ec)) }).WithTimeout(patience).Should(gomega.And(
					gomega.ContainSubstring(user+" may not "), gomega.ContainSubstring(r.words[0]), gomega.ContainSubstring(r.words[1])))
				for _, by := range []client.Client{allowed, everything, c.admin} {
					c.Eventually(func() error { return write(c, by, existing, ec) }).WithTimeout(patience).Should(gomega.Succeed())
				}
			})
		}
	}
}

func (c *cluster) checksAChangedSpec() {
	t := c.t
	ec := written(t, "sync", `{"tenant":{"endpoints":{"tokenURL":"https://ai.egain.cloud/token"}},"scopes":["a"],"credentialsSecretRef":{"name":"app"},
		"target":{"secretName":"env","creationPolicy":"Merge"}}`)
	c.Expect(c.admin.Apply(t.Context(), applied(t, ec), client.FieldOwner("admin"))).To(gomega.Succeed())
	c.awaitEffect(func() error {
		return c.author.Create(t.Context(), written(t, "probe", referring["credentials"].spec), client.DryRunAll)
	}, "may not get Secret")
	operator := c.as("system:serviceaccount:" + system + ":" + account)
	patch := func(by client.Client, patch string) error {
		return by.Patch(t.Context(), ec.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
	for what, err := range map[string]error{
		"the operator sets its finalizer":      patch(operator, `{"metadata":{"finalizers":["auth.egain.com/cleanup"]}}`),
		"the operator removes its finalizer":   patch(operator, `{"metadata":{"finalizers":[]}}`),
		"the operator reports":                 operator.Status().Patch(t.Context(), ec.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"status":{"observedGeneration":1}}`))),
		"an author sets a label":               patch(c.author, `{"metadata":{"labels":{"argocd.argoproj.io/instance":"a"}}}`),
		"an author asks for a renewal":         patch(c.author, `{"metadata":{"annotations":{"auth.egain.com/renew-requested-at":"now"}}}`),
		"an author patches the spec as it is":  patch(c.author, `{"spec":{"scopes":["a"]}}`),
		"an author applies the spec as it is":  c.author.Apply(t.Context(), applied(t, ec), client.FieldOwner("author"), client.ForceOwnership),
		"an author spells a default out":       patch(c.author, `{"spec":{"flow":"ClientCredentials","suspend":false}}`),
		"an author tries to delete it":         c.author.Delete(t.Context(), ec.DeepCopy(), client.DryRunAll),
		"an author writes one without Secrets": c.author.Create(t.Context(), written(t, "plain", harmless), client.DryRunAll),
	} {
		c.Expect(err).NotTo(gomega.HaveOccurred(), what)
	}
	for what, change := range map[string]string{
		"another URL for the same Secret":   `{"spec":{"tenant":{"endpoints":{"tokenURL":"https://evil.example.com/token"}}}}`,
		"a revocation URL":                  `{"spec":{"tenant":{"endpoints":{"revocationURL":"https://evil.example.com/revoke"}},"revokeOnDelete":true}}`,
		"a metadata URL":                    `{"spec":{"tenant":{"metadataURL":"https://evil.example.com/m"}}}`,
		"other keys of the same Secret":     `{"spec":{"credentialsSecretRef":{"clientSecretKey":"password"}}}`,
		"another Secret":                    `{"spec":{"credentialsSecretRef":{"name":"db"}}}`,
		"another target":                    `{"spec":{"target":{"secretName":"other"}}}`,
		"the target that has its own name":  `{"spec":{"target":{"secretName":null}}}`,
		"a tenant of the platform's":        `{"spec":{"tenant":null,"tenantRef":{"name":"production"}}}`,
		"no credentials, but still a merge": `{"spec":{"flow":"AnonymousCustomer","credentialsSecretRef":null}}`,
		"another key that is merged":        `{"spec":{"target":{"template":{"data":{"NODE_OPTIONS":"x"}}}}}`,
	} {
		err := patch(c.author, change)
		c.Expect(apierrors.IsForbidden(err)).To(gomega.BeTrue(), "%s: %v", what, err)
		c.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(author+" may not get Secret")), what)
	}
	c.Expect(patch(c.author, `{"spec":{"flow":"AnonymousCustomer","credentialsSecretRef":null,"target":{"creationPolicy":"Owner"}}}`)).To(gomega.Succeed(), "it names no Secret any more")
}

// policyHosts are the hosts of the list in config/policies/hosts when a test has replaced it.
var policyHosts = []string{"login.egain.example", "*.egain.cloud", "gateway.corp.example:8443", "192.0.2.1", "[2001:db8::1]:8443", "UPPER.example.", "*.wild.example:8443"}

// hostURLs are URLs of hosts that are listed, and of others.
var hostURLs = []string{
	"https://login.egain.example/token", "https://LOGIN.egain.example.:443/token", "https://login.egain.example:8443/token", "https://login.egain.example:/token",
	"https://x.login.egain.example/token", "https://login.egain.example.evil.example/", "https://ai.egain.cloud/token", "https://api.ai.egain.cloud/token",
	"https://egain.cloud/token", "https://.egain.cloud/token", "https://ai.egain.cloud:8443/token", "https://evilegain.cloud/token", "https://evil.example/x.egain.cloud",
	"https://evil.example/?x=.egain.cloud", "https://evil.example:443/.egain.cloud:443", "https://gateway.corp.example:8443/", "https://gateway.corp.example/",
	"https://192.0.2.1/", "https://192.0.2.2/", "https://[2001:db8::1]:8443/", "https://[2001:db8::1]/", "https://[2001:db8::2]:8443/", "https://upper.example/",
	"https://a.wild.example:8443/", "https://a.wild.example/", "https://egain.cloud./", "https://x.egain.cloud../", "https://x..egain.cloud/",
	"https://x_y.egain.cloud/", "https://-.egain.cloud/", "https://evil%2eegain.cloud/", "https://evil%E2%80%AE.egain.cloud/",
	"https://①⓪.⑨⑥.⓪.①/", "https://evil.example／.egain.cloud/", "https://evil。egain.cloud/", "https://ｅvil.egain.cloud/", "https://ⅼocalhost.egain.cloud/", "https://K.egain.cloud/",
}

// listHosts replaces the list of both policies.
func (c *cluster) listHosts(hosts ...string) {
	c.t.Helper()
	list, err := json.Marshal(hosts)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	for _, name := range []string{"egain-operator-egainclient-hosts", "egain-operator-egaintenant-hosts"} {
		policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
		c.Expect(c.admin.Get(c.t.Context(), types.NamespacedName{Name: name}, policy)).To(gomega.Succeed())
		i := slices.IndexFunc(policy.Spec.Variables, func(v admissionregistrationv1.Variable) bool { return v.Name == "hosts" })
		policy.Spec.Variables[i].Expression = string(list)
		c.Expect(c.admin.Update(c.t.Context(), policy)).To(gomega.Succeed())
	}
	c.awaitTypeChecks()
	c.Eventually(func() error { // both have taken effect
		return c.author.Create(c.t.Context(), writtenTenant(c.t, `{"url":"https://`+strings.TrimPrefix(strings.Trim(hosts[0], "."), "*.")+`"}`), client.DryRunAll)
	}).WithTimeout(patience).Should(gomega.Succeed())
}

func writtenTenant(t *testing.T, spec string) *egainv1alpha1.EgainTenant {
	t.Helper()
	et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}}
	if err := json.Unmarshal([]byte(spec), &et.Spec); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return et
}

func TestPolicy_Hosts(t *testing.T) {
	c := newCluster(t, "hosts")
	t.Run("every URL is of a listed host", func(t *testing.T) { c.in(t).listsEveryURL() })
	t.Run("hosts are those of the flag", func(t *testing.T) { c.in(t).listsHostsAsTheFlagDoes() })
}

// listsHostsAsTheFlagDoes holds the policy equal to --allowed-hosts, URL by URL.
func (c *cluster) listsHostsAsTheFlagDoes() {
	t := c.t
	c.listHosts(policyHosts...)
	hosts, err := transport.ParseHosts(policyHosts)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	var allowed, refused int
	for _, raw := range hostURLs {
		spec, err := json.Marshal(map[string]any{
			"flow": "AnonymousCustomer", "scopes": []string{"a"}, "tenant": map[string]any{"endpoints": map[string]any{"tokenURL": raw}},
		})
		c.Expect(err).NotTo(gomega.HaveOccurred())
		write := func() error { return c.author.Create(t.Context(), written(t, "new", string(spec)), client.DryRunAll) }
		if apierrors.IsInvalid(write()) {
			continue // the API itself refuses the spelling
		}
		u, err := url.Parse(raw)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		if hosts.Lists(u) {
			allowed++
			c.expect(write, "", raw)
		} else {
			refused++
			c.expect(write, "is not among the hosts that URLs may be of: correct the URL in spec.tenant", raw)
		}
	}
	c.Expect([]int{allowed, refused}).To(gomega.HaveEach(gomega.BeNumerically(">", 8)), "some of each are left")
}

func (c *cluster) listsEveryURL() {
	t := c.t
	c.awaitEffect(func() error {
		return c.author.Create(t.Context(), writtenTenant(t, `{"url":"https://evil.example.com"}`), client.DryRunAll)
	}, "evil.example.com:443 is not among the hosts that URLs may be of (*.egain.cloud): correct the URL")
	existing := written(t, "existing", harmless)
	c.Expect(c.admin.Apply(t.Context(), applied(t, existing), client.FieldOwner("admin"))).To(gomega.Succeed())
	clientOf := `{"flow":"AnonymousCustomer","scopes":["a"],"tenant":`
	for field, spec := range map[string]string{
		"metadataURL":              `{"credentialsSecretRef":{"name":"app"},"scopes":["a"],"tenant":{"metadataURL":"https://HOST/m"}}`,
		"tokenURL":                 clientOf + `{"endpoints":{"tokenURL":"https://HOST/t"}}}`,
		"revocationURL":            clientOf + `{"endpoints":{"tokenURL":"https://ai.egain.cloud/t","revocationURL":"https://HOST/r"}}}`,
		"authorizationURL":         clientOf + `{"endpoints":{"tokenURL":"https://ai.egain.cloud/t","authorizationURL":"https://HOST/a"}}}`,
		"apiURL":                   clientOf + `{"endpoints":{"tokenURL":"https://ai.egain.cloud/t","apiURL":"https://HOST/"}}}`,
		"metadataURL beside an id": clientOf + `{"id":"T","metadataURL":"https://HOST/m"}}`,
	} {
		for way, write := range ways {
			err := write(c, c.author, existing, written(t, "new", strings.ReplaceAll(spec, "HOST", "evil.example.com")))
			c.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("evil.example.com:443 is not among the hosts")), "%s: %s", field, way)
			c.Expect(write(c, c.author, existing, written(t, "new", strings.ReplaceAll(spec, "HOST", "api.egain.cloud")))).To(gomega.Succeed(), "%s: %s", field, way)
		}
	}
	for field, spec := range map[string]string{
		"url":                     `{"url":"https://HOST"}`,
		"metadataURL":             `{"metadataURL":"https://HOST/m"}`,
		"tokenURL":                `{"endpoints":{"tokenURL":"https://HOST/m"}}`,
		"revocationURL":           `{"url":"https://ai.egain.cloud","endpoints":{"revocationURL":"https://HOST/m"}}`,
		"authorizationURL":        `{"url":"https://ai.egain.cloud","endpoints":{"authorizationURL":"https://HOST/m"}}`,
		"apiURL":                  `{"url":"https://ai.egain.cloud","endpoints":{"apiURL":"https://HOST/m"}}`,
		"an actor's tokenURL":     `{"actorEndpoints":[{"actor":"Client","tokenURL":"https://ai.egain.cloud/t"},{"actor":"User","tokenURL":"https://HOST/m"}]}`,
		"an actor's revocation":   `{"url":"https://ai.egain.cloud","actorEndpoints":[{"actor":"Client","revocationURL":"https://HOST/m"}]}`,
		"an actor's login":        `{"url":"https://ai.egain.cloud","actorEndpoints":[{"actor":"User","authorizationURL":"https://HOST/m"}]}`,
		"a trusted host":          `{"url":"https://ai.egain.cloud","trustedHosts":["ai.egain.cloud","HOST"]}`,
		"a trusted host, shouted": `{"url":"https://ai.egain.cloud","trustedHosts":["HOST"]}`,
	} {
		evil, good := "evil.example.com", "api.egain.cloud"
		if strings.HasSuffix(field, "shouted") {
			evil, good = "EGAIN.CLOUD.EXAMPLE.COM", "API.EGAIN.CLOUD"
		}
		err := c.author.Create(t.Context(), writtenTenant(t, strings.ReplaceAll(spec, "HOST", evil)), client.DryRunAll)
		c.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("is not among the hosts")), field)
		c.Expect(c.author.Create(t.Context(), writtenTenant(t, strings.ReplaceAll(spec, "HOST", good)), client.DryRunAll)).To(gomega.Succeed(), field)
	}
	c.listHosts("login.example.com", "api.ai.egain.cloud")
	for spec, want := range map[string]string{
		clientOf + `{"id":"T"}}`: "", // an anonymous customer's is of the API domain
		`{"flow":"ClientCredentials","credentialsSecretRef":{"name":"a"},"scopes":["a"],"tenant":{"id":"T"}}`: "ai.egain.cloud:443 is not among",
		`{"tenantRef":{"name":"x"},"credentialsSecretRef":{"name":"a"},"scopes":["a"]}`:                       "",
	} {
		c.expect(func() error { return c.author.Create(t.Context(), written(t, "new", spec), client.DryRunAll) }, want, spec)
	}
	c.expect(func() error { return c.author.Create(t.Context(), writtenTenant(t, `{"id":"T"}`), client.DryRunAll) }, "ai.egain.cloud:443 is not among", "an EgainTenant with an id")
	// What was there before the list is not held up, except for its spec.
	touch := func(patch string) error {
		return c.author.Patch(t.Context(), existing.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
	c.Expect(touch(`{"metadata":{"labels":{"a":"b"}}}`)).To(gomega.Succeed())
	c.expect(func() error { return touch(`{"spec":{"suspend":true}}`) }, "ai.egain.cloud:443 is not among", "another spec")
}

// expect waits until a write is refused with words, or allowed if there are none.
func (c *cluster) expect(write func() error, words, what string) {
	c.t.Helper()
	match := gomega.Succeed()
	if words != "" {
		match = gomega.MatchError(gomega.ContainSubstring(words))
	}
	c.Eventually(write).WithTimeout(patience).Should(match, what)
}

func TestPolicy_Targets(t *testing.T) {
	c := newCluster(t, "targets")
	t.Run("reserved Secrets are no targets", func(t *testing.T) { c.in(t).refusesReservedTargets() })
	t.Run("the operator writes no reserved Secret", func(t *testing.T) { c.in(t).keepsTheOperatorFromReservedSecrets() })
}

func (c *cluster) refusesReservedTargets() {
	t := c.t
	existing := written(t, "existing", harmless)
	c.Expect(c.admin.Apply(t.Context(), applied(t, existing), client.FieldOwner("admin"))).To(gomega.Succeed())
	target := func(target string) string { return strings.TrimSuffix(harmless, "}") + `,"target":` + target + `}` }
	c.awaitEffect(func() error {
		return c.author.Create(t.Context(), written(t, "new", target(`{"secretName":"sh.helm.release.v1.app.v9"}`)), client.DryRunAll)
	}, `Secrets of the name "sh.helm.release.v1.app.v9" are reserved`)
	for what, tc := range map[string]struct{ spec, want string }{
		"a release of Helm":        {target(`{"secretName":"sh.helm.release.v1.app.v9"}`), "are reserved"},
		"a release, merged":        {target(`{"secretName":"sh.helm.release.v1.app.v9","creationPolicy":"Merge"}`), "are reserved"},
		"a bootstrap token":        {target(`{"secretName":"bootstrap-token-abcdef"}`), "are reserved"},
		"a name with that within":  {target(`{"secretName":"my-sh.helm.release.v1.app.v9"}`), ""},
		"a name like the pattern":  {target(`{"secretName":"shxhelm.release.v1.app.v9"}`), ""},
		"the beginning alone":      {target(`{"secretName":"sh.helm.release.v1"}`), ""},
		"another type":             {target(`{"type":"kubernetes.io/basic-auth"}`), ""},
		"the type of a release":    {target(`{"type":"helm.sh/release.v1"}`), `type "helm.sh/release.v1" are reserved`},
		"a repository of Argo CD":  {target(`{"template":{"metadata":{"labels":{"argocd.argoproj.io/secret-type":"repository"}}}}`), "argocd.argoproj.io/secret-type are reserved"},
		"a cluster of Argo CD":     {target(`{"template":{"metadata":{"labels":{"argocd.argoproj.io/secret-type":"cluster"}}}}`), "argocd.argoproj.io/secret-type are reserved"},
		"as an annotation":         {target(`{"template":{"metadata":{"annotations":{"argocd.argoproj.io/secret-type":"cluster"}}}}`), "are reserved"},
		"another label":            {target(`{"template":{"metadata":{"labels":{"argocd.argoproj.io/instance":"a"}}}}`), ""},
		"a session in a release":   {`{"flow":"AuthorizationCode","tenant":{"id":"T"},"scopes":["a"],"credentialsSecretRef":{"name":"app"},"authorizationCode":{"sessionSecretRef":{"name":"sh.helm.release.v1.a.v1"}}}`, "are reserved"},
		"credentials in a release": {`{"tenant":{"id":"T"},"scopes":["a"],"credentialsSecretRef":{"name":"sh.helm.release.v1.a.v1"}}`, ""},
	} {
		for way, write := range ways {
			c.expect(func() error { return write(c, c.author, existing, written(t, "new", tc.spec)) }, tc.want, what+": "+way)
		}
	}
	err := c.author.Create(t.Context(), written(t, "sh.helm.release.v1.app.v1", harmless), client.DryRunAll)
	c.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("are reserved")), "by the name of the EgainClient")
}

// keepsTheOperatorFromReservedSecrets is about what an EgainClient does not show: labels and types of Secrets that exist.
func (c *cluster) keepsTheOperatorFromReservedSecrets() {
	t := c.t
	operator := c.as("system:serviceaccount:" + system + ":" + account)
	secret := func(name, kind string, labels, annotations map[string]string) *corev1.Secret {
		meta := named(name)
		meta.Labels, meta.Annotations = labels, annotations
		return &corev1.Secret{ObjectMeta: meta, Type: corev1.SecretType(kind), StringData: map[string]string{"theirs": "x"}}
	}
	argo := map[string]string{"argocd.argoproj.io/secret-type": "cluster"}
	c.awaitEffect(func() error {
		return operator.Create(t.Context(), secret("sh.helm.release.v1.app.v9", "Opaque", nil, nil), client.DryRunAll)
	}, "Secrets of this name are reserved")
	for name, tc := range map[string]struct {
		secret *corev1.Secret
		want   string
	}{
		"release":   {secret("sh.helm.release.v1.a.v1", "helm.sh/release.v1", nil, nil), "are reserved"},
		"type":      {secret("a-release", "helm.sh/release.v1", nil, nil), `type "helm.sh/release.v1" are reserved`},
		"bootstrap": {secret("bootstrap", "bootstrap.kubernetes.io/token", nil, nil), "are reserved"},
		"argo":      {secret("argo", "Opaque", argo, nil), "argocd.argoproj.io/secret-type"},
		"plain":     {secret("plain", "Opaque", map[string]string{"app": "x"}, nil), ""},
		"session":   {secret("session", "Opaque", argo, map[string]string{session.AnnotationID: "s"}), ""},
	} {
		c.Expect(c.admin.Create(t.Context(), tc.secret)).To(gomega.Succeed(), "%s: others may", name)
		for what, patch := range map[string]string{
			"a key":            `{"data":{"access_token":"eA=="}}`,
			"a key of others'": `{"data":{"theirs":"eQ=="}}`,
			"a label":          `{"metadata":{"labels":{"new":"x"}}}`,
		} {
			c.expect(func() error {
				return operator.Patch(t.Context(), tc.secret.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)), client.DryRunAll)
			}, tc.want, name+": "+what)
		}
		release := `{"data":{"theirs":null},"metadata":{"labels":{"app":null},"annotations":{"auth.egain.com/merged-by":null}}}`
		c.Expect(operator.Patch(t.Context(), tc.secret.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(release)))).To(gomega.Succeed(), "%s: keys are removed", name)
		c.Expect(operator.Delete(t.Context(), tc.secret)).To(gomega.Succeed(), name)
	}
	labelled := secret("labelled", "Opaque", nil, nil)
	c.Expect(operator.Create(t.Context(), labelled)).To(gomega.Succeed())
	err := operator.Patch(t.Context(), labelled, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"argocd.argoproj.io/secret-type":"repository"}}}`)))
	c.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("are reserved")))
}

// findsMistakes guards the guard: without the controller that checks types, no policy would have a warning.
func (c *cluster) findsMistakes() {
	t := c.t
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
	c.Expect(c.admin.Get(t.Context(), types.NamespacedName{Name: "egain-operator-egainclient-secrets"}, policy)).To(gomega.Succeed())
	policy.Spec.Validations = append(policy.Spec.Validations, admissionregistrationv1.Validation{Expression: "object.spec.credentialSecretRef.name == 'x'"})
	c.Expect(c.admin.Update(t.Context(), policy)).To(gomega.Succeed())
	c.Eventually(func(g gomega.Gomega) {
		g.Expect(c.admin.Get(t.Context(), client.ObjectKeyFromObject(policy), policy)).To(gomega.Succeed())
		g.Expect(policy.Status.TypeChecking).NotTo(gomega.BeNil())
		g.Expect(policy.Status.TypeChecking.ExpressionWarnings).To(gomega.HaveLen(1))
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// TestPolicy_AReservedSecretIsReportedAndLeftAsItIs has the operator itself asked to add keys to a cluster Secret of Argo CD.
func TestPolicy_AReservedSecretIsReportedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "guarded", `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../default]
components: [../policies/targets]
`)
	credentials := testbed.Credentials()
	credentials.Namespace = team
	w.create(credentials)
	argo := &corev1.Secret{ObjectMeta: named("argo"), StringData: map[string]string{"server": "https://cluster.example.com"}}
	w.create(argo)
	ec := testbed.Client(w.sim, named("sync"))
	ec.Spec.Target = egainv1alpha1.Target{SecretName: "argo", CreationPolicy: egainv1alpha1.CreationPolicyMerge}
	process := w.start()
	defer testbed.Stop(t, process)
	w.create(ec)
	testbed.AwaitReady(t, w.admin, ec)

	w.eventually("the Secret is labelled", func(g gomega.Gomega) {
		w.fetch(g, argo)
		argo.Labels = map[string]string{"argocd.argoproj.io/secret-type": "cluster"}
		g.Expect(w.admin.Update(t.Context(), argo)).To(gomega.Succeed())
	})
	before := argo.DeepCopy()
	w.Expect(w.admin.Patch(t.Context(), ec.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"auth.egain.com/renew-requested-at":"now"}}}`)))).To(gomega.Succeed())
	w.eventually("the refusal is reported", func(g gomega.Gomega) {
		w.fetch(g, ec)
		issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
		g.Expect(issued.Reason).To(gomega.Equal(egainv1alpha1.ReasonTargetRejected))
		g.Expect(issued.Message).To(gomega.ContainSubstring("argocd.argoproj.io/secret-type are reserved"))
	})
	w.fetch(w.WithT, argo)
	w.Expect(argo.Data).To(gomega.Equal(before.Data))

	w.Expect(w.admin.Delete(t.Context(), ec)).To(gomega.Succeed())
	w.eventually("the EgainClient is deleted", func(g gomega.Gomega) {
		g.Expect(apierrors.IsNotFound(w.admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec))).To(gomega.BeTrue())
	})
	w.fetch(w.WithT, argo)
	w.Expect(argo.Data).To(gomega.HaveLen(1), "the keys of the operator are removed, the others stay")
}
