//go:build long

package node_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// restricted enforces the Pod Security Standard of that name.
var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// TestTheChartServesPodsThroughAnUpgrade installs the chart of the previous commit's operator, hardened and with two replicas, deletes
// the leader's pod, and upgrades. A pod that reads its token for each call has none refused meanwhile.
func TestTheChartServesPodsThroughAnUpgrade(t *testing.T) {
	n := startNode(t, time.Second)
	n.Expect(filepath.Join(os.Getenv("NODE_DIR"), "previous")).To(gomega.BeADirectory(), "NODE_PREVIOUS names a commit")
	n.label(metav1.NamespaceDefault)
	n.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: controlplane.OperatorNamespace, Labels: restricted}})
	n.helm("install", previousImage)
	n.expectOperators(previousImage)
	ec := n.borrow()
	testbed.AwaitReady(t, n.admin, ec)

	pod := n.createWorkload("workload", ec, nil)
	n.createWorkload("with-subpath", ec, func(c *corev1.Container) {
		c.VolumeMounts[0].MountPath, c.VolumeMounts[0].SubPath = "/var/run/egain/authorization", "authorization"
	})
	n.createWorkload("with-variable", ec, func(c *corev1.Container) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "HEADER", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: ec.TargetName()}, Key: "authorization",
		}}})
	})
	for _, name := range []string{"workload", "with-subpath", "with-variable"} {
		n.Eventually(func() []string { return n.statuses(name) }).WithTimeout(patience).Should(gomega.ContainElement("200"), name)
	}

	n.rotate(ec, pod)
	for _, name := range []string{"with-subpath", "with-variable"} {
		n.Eventually(func() []string { return n.statuses(name) }).WithTimeout(patience).Should(gomega.ContainElement("401"), "%s does not follow", name)
	}

	leader := n.leader()
	n.Expect(n.admin.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: controlplane.OperatorNamespace, Name: leader}})).To(gomega.Succeed())
	n.expectOperators(previousImage)
	n.Eventually(n.leader).WithTimeout(patience).ShouldNot(gomega.Or(gomega.BeEmpty(), gomega.Equal(leader)))
	n.rotate(ec, pod)

	issued := n.issued()
	n.helm("upgrade", operatorImage)
	n.expectOperators(operatorImage)
	n.Expect(n.issued()).To(gomega.Equal(issued), "an upgrade renews nothing")
	n.rotate(ec, pod)

	statuses := n.statuses("workload")
	n.Expect(slices.Compact(slices.Sorted(slices.Values(statuses)))).To(gomega.Equal([]string{"200"}), "no call is refused")
	t.Logf("%d calls, none refused", len(statuses))
	n.expectMemory()
}

// TestHowLongAMountedFileLags measures it with the kubelet's default, by pods that are synced at different times. docs/workloads.md
// has the figures; the bound is ten times what it says.
func TestHowLongAMountedFileLags(t *testing.T) {
	const pods = 24
	n := startNode(t, time.Minute)
	n.install()
	ec := n.createClient()
	testbed.AwaitReady(t, n.admin, ec)
	all := make([]*corev1.Pod, pods)
	for i := range all {
		all[i] = n.createWorkload(fmt.Sprintf("workload-%d", i), ec, nil)
		time.Sleep(2 * time.Second) // so that they are not synced together
	}
	for _, pod := range all {
		n.Eventually(func() []string { return n.statuses(pod.Name) }).WithTimeout(patience).ShouldNot(gomega.BeEmpty(), pod.Name)
	}
	token := n.requestRenewal(ec)
	written := time.Now()
	var lags []time.Duration
	following := map[string]bool{}
	n.Eventually(func() int {
		for _, pod := range all {
			if !following[pod.Name] && n.holds(pod, token) {
				following[pod.Name] = true
				lags = append(lags, time.Since(written).Round(100*time.Millisecond))
			}
		}
		return len(lags)
	}).WithTimeout(20 * time.Minute).WithPolling(100 * time.Millisecond).Should(gomega.Equal(pods))
	var total time.Duration
	for _, lag := range lags {
		total += lag
	}
	t.Logf("%d files followed after %s to %s, %s on average", pods, lags[0], lags[pods-1], (total / pods).Round(100*time.Millisecond))
}

func (n *node) label(namespace string) {
	n.t.Helper()
	ns := &corev1.Namespace{}
	n.Expect(n.admin.Get(n.t.Context(), types.NamespacedName{Name: namespace}, ns)).To(gomega.Succeed())
	before := ns.DeepCopy()
	for key, value := range restricted {
		metav1.SetMetaDataLabel(&ns.ObjectMeta, key, value)
	}
	n.Expect(n.admin.Patch(n.t.Context(), ns, client.MergeFrom(before))).To(gomega.Succeed())
}

// helm installs or upgrades the chart with an image. The address of the node is a private one.
func (n *node) helm(verb, image string) {
	n.t.Helper()
	repository, tag, _ := strings.Cut(image, ":")
	ctx, cancel := context.WithTimeout(n.t.Context(), 5*time.Minute)
	defer cancel()
	helm := exec.CommandContext(ctx, filepath.Join(root, "hack", "tools", "run.sh"), "helm", verb, "egain-operator", filepath.Join(root, "charts", "egain-operator"),
		"--namespace="+controlplane.OperatorNamespace, "--kubeconfig="+n.kubeconfig, "--wait", "--timeout=4m",
		"--set=hardened=true,replicas=2,allowPrivate=true,image.repository="+repository+",image.tag="+tag, "--set=allowedHosts={"+n.address+"}")
	said, err := helm.CombinedOutput()
	n.Expect(err).NotTo(gomega.HaveOccurred(), string(said))
}

// expectOperators waits until two pods with an image are Ready, by their probes, and no others are left.
func (n *node) expectOperators(image string) {
	n.t.Helper()
	ready := gomega.And(
		gomega.HaveField("DeletionTimestamp", gomega.BeNil()),
		gomega.HaveField("Status.ContainerStatuses", gomega.ConsistOf(gomega.And(gomega.HaveField("Ready", true), gomega.HaveField("Image", image)))),
	)
	n.Eventually(n.operators).WithTimeout(patience).Should(gomega.HaveExactElements(ready, ready))
	n.Eventually(n.leader).WithTimeout(patience).ShouldNot(gomega.BeEmpty())
}

func (n *node) operators() ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	err := n.admin.List(n.t.Context(), pods, client.InNamespace(controlplane.OperatorNamespace))
	return pods.Items, err
}

// leader is the pod that holds the Lease, empty if none of those that run does.
func (n *node) leader() string {
	pods, err := n.operators()
	n.Expect(err).NotTo(gomega.HaveOccurred())
	holder := n.lease().Spec.HolderIdentity
	for i := range pods {
		if holder != nil && strings.HasPrefix(*holder, pods[i].Name) {
			return pods[i].Name
		}
	}
	return ""
}

// borrow creates an EgainClient that has no credentials in its namespace, and what it needs.
func (n *node) borrow() *egainv1alpha1.EgainClient {
	n.t.Helper()
	credentials := testbed.Credentials()
	credentials.Namespace = controlplane.OperatorNamespace
	n.create(credentials)
	own := n.client()
	n.create(&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: own.Spec.Tenant.TenantLocation,
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: metav1.NamespaceDefault,
		},
		Applications: []egainv1alpha1.Application{{
			Name: "default", AllowedFlows: []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials},
			AllowedNamespaces: egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{metav1.NamespaceDefault}},
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: controlplane.OperatorNamespace, Name: egainv1alpha1.SecretName(credentials.Name),
			},
		}},
	}})
	ec := &egainv1alpha1.EgainClient{ObjectMeta: own.ObjectMeta, Spec: egainv1alpha1.EgainClientSpec{
		TenantRef: &egainv1alpha1.TenantReference{Name: "production", Application: "default"}, Scopes: own.Spec.Scopes,
	}}
	n.create(ec)
	return ec
}

// rotate has the token of an EgainClient renewed, and the old one revoked once a pod has the new one.
func (n *node) rotate(ec *egainv1alpha1.EgainClient, pod *corev1.Pod) {
	n.t.Helper()
	old := n.token(ec)
	token := n.requestRenewal(ec)
	n.Eventually(func() bool { return n.holds(pod, token) }).WithTimeout(patience).Should(gomega.BeTrue(), "the file follows")
	time.Sleep(time.Second) // the call that read the old one has ended
	n.sim.RevokeToken(string(old))
	n.expectCalls(time.Now())
}

// holds reports whether the file of a pod has a token.
func (n *node) holds(pod *corev1.Pod, token []byte) bool {
	content, err := os.ReadFile(filepath.Join("/var/lib/kubelet/pods", string(pod.UID), "volumes/kubernetes.io~secret/token/access_token"))
	return err == nil && bytes.Equal(content, token)
}

// statuses are those of the answers to a pod's calls.
func (n *node) statuses(pod string) []string {
	n.t.Helper()
	files, err := filepath.Glob("/var/log/pods/default_" + pod + "_*/workload/0.log")
	n.Expect(err).NotTo(gomega.HaveOccurred())
	var all []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		n.Expect(err).NotTo(gomega.HaveOccurred())
		for line := range strings.Lines(string(content)) {
			if _, status, is := strings.Cut(strings.TrimSpace(line), " stdout F "); is {
				all = append(all, status)
			} else {
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	return all
}

// issued is how many tokens the simulator has issued.
func (n *node) issued() int {
	return n.sim.Stats().Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeOK)
}

// expectMemory compares what the operator's containers used at most with their limits, by their cgroups.
func (n *node) expectMemory() {
	n.t.Helper()
	pods, err := n.operators()
	n.Expect(err).NotTo(gomega.HaveOccurred())
	for i := range pods {
		_, id, _ := strings.Cut(pods[i].Status.ContainerStatuses[0].ContainerID, "://")
		groups, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/memory", os.Getenv("NODE_CGROUP"), "kubepods/*/*", id))
		n.Expect(err).NotTo(gomega.HaveOccurred())
		n.Expect(groups).To(gomega.HaveLen(1))
		used, limit := bytesOf(n, groups[0], "memory.max_usage_in_bytes"), bytesOf(n, groups[0], "memory.limit_in_bytes")
		n.Expect(limit).To(gomega.Equal(pods[i].Spec.Containers[0].Resources.Limits.Memory().Value()))
		n.Expect(used).To(gomega.BeNumerically("<", limit))
		n.t.Logf("%s used at most %d of %d MiB", pods[i].Name, used>>20, limit>>20)
	}
}

func bytesOf(n *node, group, file string) int64 {
	n.t.Helper()
	content, err := os.ReadFile(filepath.Join(group, file))
	n.Expect(err).NotTo(gomega.HaveOccurred())
	value, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	n.Expect(err).NotTo(gomega.HaveOccurred())
	return value
}
