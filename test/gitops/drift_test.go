package gitops_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// expectNoDrift compares what is in Git with the cluster as tools do: Flux, and Argo CD with server-side diff, by applying it
// in a dry run; Argo CD by default, and kubectl diff, by the three-way merge patch. Another
// manager has written to the object meanwhile.
func (w *world) expectNoDrift(t *testing.T, manifest *unstructured.Unstructured) {
	t.Helper()
	g := gomega.NewWithT(t)
	w.interfere(manifest)
	w.takeFromKubectl(manifest)
	live := w.live(manifest)
	tried := manifest.DeepCopy()
	g.Expect(w.admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(tried), client.FieldOwner(tool), client.ForceOwnership,
		client.DryRunAll)).To(gomega.Succeed())
	// When fields were last applied differs with each apply.
	for _, o := range []*unstructured.Unstructured{live, tried} {
		o.SetManagedFields(nil)
	}
	if diff := cmp.Diff(live.Object, tried.Object); diff != "" {
		t.Errorf("a dry run of what is in Git changes the object (-live +applied):\n%s", diff)
	}
	w.reconcile(manifest)
	// What stringData says is never stored, so the API server writes a new time at each apply of it, and may store the entries of
	// managedFields in another order then. Tools do not apply it: their dry run shows no difference.
	if _, writeOnly := manifest.Object["stringData"]; !writeOnly {
		g.Expect(w.live(manifest).GetResourceVersion()).To(gomega.Equal(live.GetResourceVersion()), "an apply of what is in Git writes nothing")
	}
	if live.GroupVersionKind().Group != egainv1alpha1.SchemeGroupVersion.Group {
		return // kinds of Kubernetes' own are merged by rules of theirs
	}
	inGit, err := manifest.MarshalJSON()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	inCluster, err := live.MarshalJSON()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(inGit, inGit, inCluster)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(string(patch)).To(gomega.Equal("{}"), "the merge patch from the cluster to what is in Git")
}

// expectNoDriftOfSamples applies each sample and puts it into every state that the operator was seen to report, as the
// operator does: by its status, and its finalizer. The operator itself does not run meanwhile.
func (w *world) expectNoDriftOfSamples(states []state) {
	w.t.Helper()
	rendered, err := exec.CommandContext(w.t.Context(), filepath.Join(root, "hack/tools/run.sh"), "kustomize", "build", filepath.Join(root, "config/samples")).Output()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	samples, err := controlplane.Decode(rendered)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	kinds := map[string]int{}
	for _, sample := range samples {
		if sample.GetKind() != "EgainTenant" {
			sample.SetNamespace("default")
		}
		w.Expect(w.sync(sample.DeepCopy())).To(gomega.Succeed())
		w.t.Run("drift of sample "+sample.GetKind()+" "+sample.GetName(), func(t *testing.T) { w.expectNoDrift(t, sample) })
		for _, s := range states {
			if s.live.GetKind() == sample.GetKind() {
				kinds[s.live.GetKind()]++
				w.t.Run("drift of sample "+sample.GetName()+" as "+s.name, func(t *testing.T) {
					w.put(sample, s.live)
					w.expectNoDrift(t, sample)
				})
			}
		}
	}
	w.Expect(kinds).To(gomega.HaveLen(2))
}

// put gives an object the status and finalizers of another.
func (w *world) put(manifest, like *unstructured.Unstructured) {
	w.t.Helper()
	live := w.live(manifest)
	before := live.DeepCopy()
	live.SetFinalizers(like.GetFinalizers())
	w.Expect(w.admin.Patch(w.t.Context(), live, client.MergeFrom(before), client.FieldOwner("egain-operator"))).To(gomega.Succeed())
	before = live.DeepCopy()
	live.Object["status"] = like.DeepCopy().Object["status"]
	w.Expect(w.admin.Status().Patch(w.t.Context(), live, client.MergeFrom(before), client.FieldOwner("egain-operator"))).To(gomega.Succeed())
}
