package chart_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// notesOf are values that decide which clients the operator serves, by what they do.
var notesOf = map[string][]string{
	"the default":                 nil,
	"shared tenants only":         {"requireTenantRef=true"},
	"some namespaces":             {"watchNamespaces={team-a,team-b}"},
	"some Secrets":                {"rbac.secretNames={portal-token,knowledge-token}"},
	"hosts of a domain":           {"allowedHosts={*.egain.example.com}"},
	"tokens of ServiceAccounts":   {"serviceAccountTokens.enabled=true", "serviceAccountTokens.audiences={egain}", "requireTenantRef=true"},
	"everything at once":          {"requireTenantRef=true", "watchNamespaces={team-b,team-a}", "rbac.secretNames={portal-token}", "allowedHosts={login.egain.example.com:8443}"},
	"hardened in some namespaces": {"hardened=true", "allowedHosts={*.egain.cloud}", "watchNamespaces={team-a}", "rbac.secretNames={portal-token}"},
}

// TestTheNotesPrintAClientThatIsServed follows the notes of a release, under values that limit what the operator serves.
func TestTheNotesPrintAClientThatIsServed(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"team-a", "team-b"} {
		w.Expect(w.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(gomega.Succeed())
	}
	w.Expect(w.admin.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace("default"))).To(gomega.Succeed())
	for name, values := range notesOf {
		args := []string{"upgrade", "--install", release, chart, "--create-namespace", "--reset-values"}
		for _, value := range values {
			args = append(args, "--set="+value)
		}
		_, notes, found := strings.Cut(w.helm(args...), "\nNOTES:\n")
		w.Expect(found).To(gomega.BeTrue(), name)
		w.follow(notes)
		w.expectServed(name, values)
	}
}

// follow runs the commands of the notes, except those that wait for pods or for an eGain.
func (w *world) follow(notes string) {
	w.t.Helper()
	var script []string
	for line := range strings.Lines(notes) {
		command, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "  ")
		if indented && !strings.Contains(command, "rollout status") && !strings.Contains(command, " wait ") {
			script = append(script, command)
		}
	}
	kubectl, err := exec.CommandContext(w.t.Context(), root+"/hack/tools/run.sh", "-path", "kubectl").Output()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	shell := exec.CommandContext(w.t.Context(), "bash", "-ec", strings.Join(script, "\n"))
	shell.Env = []string{"KUBECONFIG=" + w.kubeconfig, "HOME=" + w.t.TempDir(), "PATH=" + filepath.Dir(strings.TrimSpace(string(kubectl))) + ":" + os.Getenv("PATH")}
	output, err := shell.CombinedOutput()
	w.Expect(err).NotTo(gomega.HaveOccurred(), "%s\n%s", output, strings.Join(script, "\n"))
}

// expectServed wants the one client to be one that the operator serves under the values, and removes it.
func (w *world) expectServed(name string, values []string) {
	w.t.Helper()
	set := func(value string) bool { return slices.Contains(values, value) }
	var clients egainv1alpha1.EgainClientList
	w.Expect(w.admin.List(w.t.Context(), &clients)).To(gomega.Succeed())
	w.Expect(clients.Items).To(gomega.HaveLen(1), name)
	ec := &clients.Items[0]
	w.Expect(w.may("get", ec.Namespace, string(ec.Spec.CredentialsSecretRef.Name))).To(gomega.BeTrue(), "%s: the credentials may be read", name)
	w.Expect(w.may("patch", ec.Namespace, ec.TargetName())).To(gomega.BeTrue(), "%s: the target may be written", name)
	secret := &corev1.Secret{}
	w.Expect(w.admin.Get(w.t.Context(), types.NamespacedName{Namespace: ec.Namespace, Name: string(ec.Spec.CredentialsSecretRef.Name)}, secret)).To(gomega.Succeed())
	url := string(ec.Spec.Tenant.MetadataURL)
	if set("requireTenantRef=true") || set("hardened=true") {
		w.Expect(ec.Spec.TenantRef).NotTo(gomega.BeNil(), name)
		et := &egainv1alpha1.EgainTenant{}
		w.Expect(w.admin.Get(w.t.Context(), types.NamespacedName{Name: string(ec.Spec.TenantRef.Name)}, et)).To(gomega.Succeed())
		w.Expect(et.Spec.AllowedNamespaces.Names).To(gomega.ContainElement(egainv1alpha1.NamespaceName(ec.Namespace)), name)
		url = string(et.Spec.URL)
		w.Expect(w.admin.Delete(w.t.Context(), et)).To(gomega.Succeed())
	}
	for value, host := range map[string]string{
		"allowedHosts={*.egain.example.com}": "https://acme.egain.example.com", "allowedHosts={login.egain.example.com:8443}": "https://login.egain.example.com:8443",
	} {
		if set(value) {
			w.Expect(url).To(gomega.HavePrefix(host), name)
		}
	}
	for _, o := range []client.Object{ec, secret} {
		w.Expect(w.admin.Delete(w.t.Context(), o)).To(gomega.Succeed())
	}
}
