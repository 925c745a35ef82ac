// Package node_test runs the operator as a pod of config/default, under its own RBAC, on a kubelet with containerd, and beside
// it a pod with the token of an EgainClient.
package node_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/election"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	root = "../.."
	// patience bounds waits; nothing depends on how soon they end within it.
	patience      = 90 * time.Second
	operatorImage = "localhost/egain-operator:node"
	// workloadImage is also the sandbox image of hack/node.sh.
	workloadImage = "localhost/workload:node"
	// previousImage is there if hack/node.sh was to build one.
	previousImage = "localhost/egain-operator:previous"
)

// unavailable says why no node can run here.
var unavailable string

// TestMain has the tests run on a node: it becomes hack/node.sh, which runs this program again.
func TestMain(m *testing.M) {
	script := filepath.Join(root, "hack", "node.sh")
	if os.Getenv("NODE_DIR") == "" {
		if said, err := exec.Command(script, "-check").CombinedOutput(); err != nil { //nolint:noctx // it is short
			unavailable = string(said)
		} else {
			unavailable = fmt.Sprint(syscall.Exec(script, append([]string{script}, os.Args...), os.Environ()))
		}
	}
	os.Exit(m.Run())
}

// node is a cluster of one node.
type node struct {
	*gomega.WithT
	t       *testing.T
	admin   client.Client
	sim     *egainsim.Simulator
	address string
	// kubeconfig is the administrator's.
	kubeconfig string
}

func TestAPodFollowsItsTokenWhenTheLeaderIsKilled(t *testing.T) {
	n := startNode(t, time.Second)
	n.install()
	ec := n.createClient()
	n.createWorkload("workload", ec, nil)
	n.expectCalls(time.Now())

	n.renew(ec)
	lease := n.lease()
	n.killOperator()
	n.renew(ec)
	n.Expect(n.lease().Spec).To(gomega.And(
		gomega.HaveField("HolderIdentity", lease.Spec.HolderIdentity),
		gomega.HaveField("LeaseTransitions", lease.Spec.LeaseTransitions),
	), "the Lease is taken back")
}

// startNode starts a control plane and a kubelet that looks at each pod so often, and up to half as long again between. All of it ends
// with the namespaces that this process is in, so that a process can start one.
func startNode(t *testing.T, sync time.Duration) *node {
	t.Helper()
	if unavailable != "" {
		if os.Getenv("EGAIN_NODE") == "required" {
			t.Fatal(unavailable)
		}
		t.Skip(unavailable)
	}
	n := &node{WithT: gomega.NewWithT(t), t: t, address: os.Getenv("NODE_ADDRESS")}
	dir := os.Getenv("NODE_DIR")
	images := []image{{operatorImage, filepath.Join(dir, "bin", "egain-operator")}, {workloadImage, filepath.Join(dir, "bin", "workload")}}
	if previous := filepath.Join(dir, "previous", "egain-operator"); exists(previous) {
		images = append(images, image{previousImage, previous})
	}
	archive := filepath.Join(dir, "images.tar")
	n.Expect(writeImages(archive, images...)).To(gomega.Succeed())
	said, err := exec.CommandContext(t.Context(), "ctr", "--namespace=k8s.io", "images", "import", archive).CombinedOutput()
	n.Expect(err).NotTo(gomega.HaveOccurred(), string(said))

	plane, err := controlplane.Start("", controlplane.Node)
	n.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(t, filepath.Join(plane.Dir, "*.log"), "/var/log/pods/*/*/*.log")
		}
	})
	n.admin = testbed.Admin(t, plane)
	n.kubeconfig = filepath.Join(plane.Dir, "admin.kubeconfig")
	n.Expect(controlplane.WriteKubeconfig(n.kubeconfig, plane.Config)).To(gomega.Succeed())
	config := filepath.Join(dir, "kubelet.yaml")
	n.Expect(os.WriteFile(config, kubeletConfig(sync), 0o600)).To(gomega.Succeed())
	n.Expect(plane.StartNode("node", n.address, config)).To(gomega.Succeed())
	n.startSimulator()
	return n
}

// kubeletConfig is for a cgroup and a directory of the node's own. Nothing is evicted or collected as the machine's disk and
// memory are not the test's, and nothing asks the kubelet.
func kubeletConfig(sync time.Duration) []byte {
	return fmt.Appendf(nil, `
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: %s
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", imagefs.available: "0%%", nodefs.inodesFree: "0%%"}
imageGCHighThresholdPercent: 100
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
enableServer: false
resolvConf: ""
podLogsDir: /var/log/pods
syncFrequency: %s
`, os.Getenv("NODE_CGROUP"), sync)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// showLogs shows the ends of files.
func showLogs(t *testing.T, patterns ...string) {
	t.Helper()
	const shown = 5000
	for _, pattern := range patterns {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			content, err := os.ReadFile(file)
			t.Logf("%s: %v\n%s", file, err, content[max(0, len(content)-shown):])
		}
	}
}

// startSimulator serves a simulated eGain at the address of the node, since the simulator's own are those of the loopback
// interface, which is another one in each pod.
func (n *node) startSimulator() {
	n.t.Helper()
	sim, err := egainsim.New(egainsim.Config{})
	n.Expect(err).NotTo(gomega.HaveOccurred())
	certificate, key, err := cert.GenerateSelfSignedCertKey(n.address, []net.IP{net.ParseIP(n.address)}, nil)
	n.Expect(err).NotTo(gomega.HaveOccurred())
	files := map[string][]byte{"ca.crt": certificate, "tls.key": key}
	dir := n.t.TempDir()
	for name, content := range files {
		n.Expect(os.WriteFile(filepath.Join(dir, name), content, 0o600)).To(gomega.Succeed())
	}
	server := &http.Server{Addr: n.address + ":443", ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "localhost"
		if r.URL.Path == egainsim.PortalsPath {
			r.Host = "127.0.0.1"
		}
		sim.ServeHTTP(w, r)
	})}
	go func() { _ = server.ListenAndServeTLS(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "tls.key")) }()
	n.t.Cleanup(func() { _ = server.Close() })
	n.sim = sim
	n.create(&corev1.ConfigMap{ObjectMeta: testbed.Named("egain-ca"), Data: map[string]string{"ca.crt": string(certificate)}})
}

// create creates an object, once what it needs is there.
func (n *node) create(object client.Object) {
	n.t.Helper()
	n.Eventually(func() error { return n.admin.Create(n.t.Context(), object) }).WithTimeout(patience).Should(gomega.Succeed())
}

// install applies config/default with the image of the test. The address of the node is a private one.
func (n *node) install() {
	n.t.Helper()
	rendered, err := exec.CommandContext(n.t.Context(), filepath.Join(root, "hack", "render.sh"), "default", operatorImage).Output()
	n.Expect(err).NotTo(gomega.HaveOccurred())
	objects, err := controlplane.Decode(rendered)
	n.Expect(err).NotTo(gomega.HaveOccurred())
	for _, object := range objects {
		n.Expect(controlplane.AddFlags(object, "--allow-private")).To(gomega.Succeed())
	}
	n.Expect(controlplane.Apply(n.t.Context(), n.admin, objects...)).To(gomega.Succeed())
}

// createClient creates an EgainClient of the simulator, and its credentials.
func (n *node) createClient() *egainv1alpha1.EgainClient {
	n.t.Helper()
	n.create(testbed.Credentials())
	ec := n.client()
	n.create(ec)
	return ec
}

// client is an EgainClient of the simulator.
func (n *node) client() *egainv1alpha1.EgainClient {
	n.t.Helper()
	token, err := url.Parse(n.sim.Rigel().TokenURL(egainsim.Client))
	n.Expect(err).NotTo(gomega.HaveOccurred())
	ec := testbed.Client(n.sim, testbed.Named("knowledge-sync"))
	ec.Spec.Tenant.MetadataURL = ""
	ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{
		TokenURL: egainv1alpha1.HTTPSURL("https://" + n.address + token.Path),
		APIURL:   egainv1alpha1.HTTPSURL("https://" + n.address),
	}
	return ec
}

// createWorkload creates a pod, changed as a test needs, that calls the API of the simulator with the token of an EgainClient.
// The Pod Security Standard restricted allows it.
func (n *node) createWorkload(name string, ec *egainv1alpha1.EgainClient, change func(*corev1.Container)) *corev1.Pod {
	n.t.Helper()
	pod := &corev1.Pod{ObjectMeta: testbed.Named(name), Spec: corev1.PodSpec{
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), FSGroup: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "workload", Image: workloadImage,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			Env: []corev1.EnvVar{
				{Name: "URL", Value: "https://" + n.address + egainsim.PortalsPath},
				{Name: "AUTHORIZATION", Value: "/var/run/egain/authorization"},
				{Name: "SSL_CERT_FILE", Value: "/etc/egain/ca.crt"},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "token", MountPath: "/var/run/egain"}, {Name: "ca", MountPath: "/etc/egain"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: ec.TargetName(), DefaultMode: new(int32(0o440))}}},
			{Name: "ca", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: "egain-ca"},
			}}},
		},
	}}
	if change != nil {
		change(&pod.Spec.Containers[0])
	}
	n.create(pod)
	return pod
}

// expectCalls waits until the pod's calls succeed after a time.
func (n *node) expectCalls(after time.Time) {
	n.t.Helper()
	n.Eventually(func() bool {
		requests := n.sim.Requests()
		for i := len(requests) - 1; i >= 0 && requests[i].Time.After(after); i-- {
			if requests[i].Endpoint == egainsim.APIEndpoint {
				return requests[i].Outcome == egainsim.OutcomeOK
			}
		}
		return false
	}).WithTimeout(patience).Should(gomega.BeTrue(), "the pod calls with a valid token")
}

// renew has the token of an EgainClient renewed, and waits until the pod calls with the new one: the old one is revoked.
func (n *node) renew(ec *egainv1alpha1.EgainClient) {
	n.t.Helper()
	old := n.token(ec)
	n.requestRenewal(ec)
	n.sim.RevokeToken(string(old))
	n.expectCalls(time.Now())
}

// token is what the target of an EgainClient holds.
func (n *node) token(ec *egainv1alpha1.EgainClient) []byte {
	n.t.Helper()
	secret := &corev1.Secret{}
	n.Expect(n.admin.Get(n.t.Context(), client.ObjectKey{Namespace: ec.Namespace, Name: ec.TargetName()}, secret)).To(gomega.Succeed())
	return secret.Data["access_token"]
}

// requestRenewal has the token of an EgainClient renewed, and returns the new one.
func (n *node) requestRenewal(ec *egainv1alpha1.EgainClient) []byte {
	n.t.Helper()
	old := n.token(ec)
	request := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, egainv1alpha1.RenewRequestedAtAnnotation, time.Now().Format(time.RFC3339Nano))
	n.Expect(n.admin.Patch(n.t.Context(), ec, client.RawPatch(types.MergePatchType, request))).To(gomega.Succeed())
	n.Eventually(func() bool { return bytes.Equal(n.token(ec), old) }).WithTimeout(patience).Should(gomega.BeFalse(), "the token is renewed")
	return n.token(ec)
}

// lease is the operator's.
func (n *node) lease() *coordinationv1.Lease {
	n.t.Helper()
	lease := &coordinationv1.Lease{}
	n.Expect(n.admin.Get(n.t.Context(), client.ObjectKey{Namespace: controlplane.OperatorNamespace, Name: election.LeaseName}, lease)).To(gomega.Succeed())
	return lease
}

// killOperator kills the operator's process and waits until the kubelet has started its container again and it is ready.
func (n *node) killOperator() {
	n.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	n.Expect(err).NotTo(gomega.HaveOccurred())
	killed := 0
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.HasPrefix(line, []byte("/egain-operator\x00")) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			n.Expect(err).NotTo(gomega.HaveOccurred())
			n.Expect(syscall.Kill(pid, syscall.SIGKILL)).To(gomega.Succeed())
			killed++
		}
	}
	n.Expect(killed).To(gomega.Equal(1))
	n.Eventually(func(g gomega.Gomega) {
		pods := &corev1.PodList{}
		g.Expect(n.admin.List(n.t.Context(), pods, client.InNamespace(controlplane.OperatorNamespace))).To(gomega.Succeed())
		g.Expect(pods.Items).To(gomega.HaveLen(1))
		g.Expect(pods.Items[0].Status.ContainerStatuses).To(gomega.ConsistOf(gomega.And(
			gomega.HaveField("RestartCount", int32(1)), gomega.HaveField("Ready", true),
		)))
	}).WithTimeout(patience).Should(gomega.Succeed(), "the operator's container is started again")
}
