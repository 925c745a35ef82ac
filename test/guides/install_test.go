package guides_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/test/controlplane"
)

const installGuide = "docs/install.md"

// notInstalled are parts of the commands of the guide that are not run, with the reason.
var notInstalled = map[string]string{
	"make docker-build": "needs docker and a registry",
	"rollout status":    "there is no node to run a pod on; test/chart runs the operator as the Deployment says",
	"cosign":            "needs a release that is published",
}

// journey are the sections of the guide in the order in which a user takes them who begins with nothing, goes from YAML to
// Helm, removes all, and begins again with Helm.
var journey = []string{
	"Before", "With YAML or Kustomize", "From one way to another", "Uninstall", "With Helm", "Monitoring", "Upgrade", "Uninstall", "Verify a release",
}

var (
	// values matches the blocks of values for the chart.
	values = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	// valuesFile replaces the file that the reader keeps values in.
	valuesFile = strings.NewReplacer("my-values.yaml", "charts/egain-operator/ci/high-availability-values.yaml")
)

func TestTheInstallGuideByItsCommands(t *testing.T) {
	r := onAnEmptyCluster(t)
	sections := map[string]string{}
	text, err := os.ReadFile(filepath.Join(root, installGuide))
	r.Expect(err).NotTo(gomega.HaveOccurred())
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		heading, section, _ := strings.Cut(part, "\n")
		sections[heading] = section
		r.Expect(fence.MatchString(section)).To(gomega.Equal(slices.Contains(journey, heading)), "what has commands is taken: %s", heading)
	}
	used := map[string]bool{}
	for _, heading := range journey {
		r.take(sections[heading], used)
	}
	for part := range notInstalled {
		r.Expect(used).To(gomega.HaveKey(part), "a command that is not to be run")
	}
	rendered := 0
	for _, block := range values.FindAllStringSubmatch(string(text), -1) {
		rendered++
		output, err := r.run("helm template egain-operator charts/egain-operator --values=- <<'YAML'\n" + block[1] + "YAML")
		r.Expect(err).NotTo(gomega.HaveOccurred(), "%s\n%s", block[1], output)
	}
	r.Expect(rendered).To(gomega.BeNumerically(">", 2))
}

// TestAllPagesInstallInTheSameWay holds the shorter pages to the guide, whose commands are run.
func TestAllPagesInstallInTheSameWay(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join(root, installGuide))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"README.md", "charts/egain-operator/README.md"} {
		found := false
		for _, b := range blocks(t, page) {
			for _, command := range commands(b) {
				if !strings.HasPrefix(command, "helm ") {
					continue
				}
				found = true
				if !strings.Contains(strings.ReplaceAll(string(guide), "\\\n", ""), command) {
					t.Errorf("%s has another command than %s: %s", page, installGuide, command)
				}
			}
		}
		if !found {
			t.Errorf("%s does not say how to install", page)
		}
	}
}

// onAnEmptyCluster is a reader with kubectl, helm, and a control plane that no one has used.
func onAnEmptyCluster(t *testing.T) *reader {
	t.Helper()
	r := &reader{WithT: gomega.NewWithT(t), t: t, path: kubectlPath(t)}
	helm, err := exec.CommandContext(t.Context(), filepath.Join(root, "hack/tools/run.sh"), "-path", "helm").Output()
	r.Expect(err).NotTo(gomega.HaveOccurred())
	r.path = filepath.Dir(strings.TrimSpace(string(helm))) + ":" + r.path
	plane, err := controlplane.Start("")
	r.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = plane.Stop() })
	kubeconfig := filepath.Join(plane.Dir, "admin.kubeconfig")
	r.Expect(controlplane.WriteKubeconfig(kubeconfig, plane.Config)).To(gomega.Succeed())
	home := t.TempDir()
	r.environment = "export KUBECONFIG=" + kubeconfig + " HELM_CACHE_HOME=" + home + " HELM_CONFIG_HOME=" + home + " HELM_DATA_HOME=" + home
	return r
}

// take does what a section says, except for what cannot be done here, which is noted.
func (r *reader) take(section string, used map[string]bool) {
	r.t.Helper()
	for _, match := range fence.FindAllStringSubmatch(section, -1) {
		for _, command := range commands(block{match[1], match[2]}) {
			if part := partOf(notInstalled, command); part != "" {
				used[part] = true
				continue
			}
			output, err := r.run(valuesFile.Replace(command))
			r.Expect(err).NotTo(gomega.HaveOccurred(), "%s\n%s", command, output)
		}
	}
}
