package gitops_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	// mergeAnnotation lets the fields of other managers be.
	mergeAnnotation = "kustomize.toolkit.fluxcd.io/ssa"
	// plugin is the field manager of kubectl egain.
	plugin = "egain-cli"
)

// takeFromKubectl does what kustomize-controller does before it applies an object (ssa.PatchReplaceFieldsManagers): it makes the
// fields of managers whose names begin with kubectl its own. Its apply, which does not mention them, then removes them.
func (w *world) takeFromKubectl(manifest *unstructured.Unstructured) {
	w.t.Helper()
	live := w.live(manifest)
	if live.GetAnnotations()[mergeAnnotation] == "Merge" {
		return
	}
	before := live.DeepCopy()
	fields, names := live.GetManagedFields(), sets.New[string]()
	for i, entry := range fields {
		if strings.HasPrefix(entry.Manager, "kubectl") && entry.Subresource == "" {
			fields[i].Operation = metav1.ManagedFieldsOperationUpdate // which is all that UpgradeManagedFields looks at
			names.Insert(entry.Manager)
		}
	}
	if names.Len() == 0 {
		return
	}
	live.SetManagedFields(fields)
	w.Expect(csaupgrade.UpgradeManagedFields(live, names, tool)).To(gomega.Succeed())
	w.Expect(w.admin.Patch(w.t.Context(), live, client.MergeFrom(before))).To(gomega.Succeed())
}

// reconcile is one of kustomize-controller.
func (w *world) reconcile(manifest *unstructured.Unstructured) {
	w.t.Helper()
	w.takeFromKubectl(manifest)
	w.Expect(w.sync(manifest)).To(gomega.Succeed())
}

// interfere writes what people write between two reconciles, with the field manager of the plugin, unless Git has an opinion on it.
func (w *world) interfere(manifest *unstructured.Unstructured) {
	w.t.Helper()
	by := &unstructured.Unstructured{}
	by.SetGroupVersionKind(manifest.GroupVersionKind())
	by.SetNamespace(manifest.GetNamespace())
	by.SetName(manifest.GetName())
	by.SetAnnotations(map[string]string{"example.com/note": "by another manager"})
	if _, inGit, _ := unstructured.NestedFieldNoCopy(manifest.Object, "spec", "suspend"); manifest.GetKind() == "EgainClient" && !inGit {
		by.SetAnnotations(map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: "2026-11-30T10:00:00Z"})
		w.Expect(unstructured.SetNestedField(by.Object, true, "spec", "suspend")).To(gomega.Succeed())
	}
	w.Expect(w.admin.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(by), client.FieldOwner(plugin), client.ForceOwnership)).To(gomega.Succeed())
}

// kubectlEgain runs a command of the plugin.
func (w *world) kubectlEgain(args ...string) {
	w.t.Helper()
	kubeconfig := filepath.Join(w.plane.Dir, "admin.kubeconfig")
	w.Expect(controlplane.WriteKubeconfig(kubeconfig, w.plane.Config)).To(gomega.Succeed())
	program := exec.CommandContext(w.t.Context(), filepath.Join(w.operator.Bin, "kubectl-egain"), append(args, "--kubeconfig="+kubeconfig)...)
	output, err := program.CombinedOutput()
	w.Expect(err).NotTo(gomega.HaveOccurred(), "%s", output)
}

// patchAs changes an EgainClient as a person does who signs as another manager.
func (w *world) patchAs(manager string, ec *egainv1alpha1.EgainClient, patch string) {
	w.t.Helper()
	w.Expect(w.admin.Patch(w.t.Context(), ec, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner(manager))).To(gomega.Succeed())
}

func TestFluxLeavesWhatThePluginWrites(t *testing.T) {
	w := newWorld(t)
	ec := w.client("of-the-plugin")
	w.apply(ec)
	manifest := w.manifests["EgainClient of-the-plugin"]
	suspended := func() bool {
		w.reconcile(manifest)
		w.Expect(w.admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
		return ec.Suspended()
	}

	w.kubectlEgain("suspend", ec.Name)
	w.kubectlEgain("renew", ec.Name)
	w.Expect(suspended()).To(gomega.BeTrue(), "what the plugin has set stays")
	w.Expect(ec.Annotations).To(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))
	w.kubectlEgain("resume", ec.Name)
	w.Expect(suspended()).To(gomega.BeFalse())

	for _, former := range []string{"kubectl-egain", "kubectl-patch"} {
		w.patchAs(former, ec, `{"spec":{"suspend":true}}`)
		w.Expect(suspended()).To(gomega.BeFalse(), "Flux removes what %s has set", former)
		w.patchAs(former, ec, `{"spec":{"suspend":true}}`)
		w.kubectlEgain("suspend", ec.Name)
		w.Expect(suspended()).To(gomega.BeTrue(), "the plugin also keeps what %s has set", former)
		w.kubectlEgain("resume", ec.Name)
		w.Expect(suspended()).To(gomega.BeFalse())
		w.patchAs(former, ec, `{"spec":{"suspend":true}}`)
		w.kubectlEgain("resume", ec.Name)
		w.Expect(suspended()).To(gomega.BeFalse(), "the plugin resumes what %s has suspended", former)
	}

	git := &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(ec.Name), Spec: *ec.Spec.DeepCopy()}
	git.Spec.Suspend = nil
	metav1.SetMetaDataAnnotation(&git.ObjectMeta, mergeAnnotation, "Merge")
	w.apply(git)
	manifest = w.manifests["EgainClient of-the-plugin"]
	w.patchAs("kubectl-patch", ec, `{"spec":{"suspend":true}}`)
	w.Expect(suspended()).To(gomega.BeTrue(), "with the annotation also what kubectl patch has set stays")
}
