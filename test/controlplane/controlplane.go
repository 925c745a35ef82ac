// Package controlplane starts a real Kubernetes control plane on this machine: etcd and kube-apiserver by envtest, and
// kube-controller-manager beside them, so that owner references are collected and namespaces deleted for real. It is for
// tests, the demo and benchmarks.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// controllers of kube-controller-manager that run: those that act on what the operator makes, and what those need.
const controllers = "garbage-collector-controller,namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,resourcequota-controller,validatingadmissionpolicy-status-controller"

// stopGrace is how long a process gets to end by itself.
const stopGrace = 10 * time.Second

// ControlPlane is a running control plane.
type ControlPlane struct {
	// Config is that of an administrator.
	Config *rest.Config
	// Dir holds the kubeconfigs and logs.
	Dir string

	env *envtest.Environment
	// controllers are those of kube-controller-manager that run.
	controllers string
	// beside are the processes beside etcd and kube-apiserver.
	beside []*exec.Cmd
	// apiServer is kube-apiserver once it was killed and restarted, and apiServerArgs what it was started with.
	apiServer     *exec.Cmd
	apiServerArgs []string
}

// Option changes how the control plane is started.
type Option func(*ControlPlane)

// Audiences has kube-apiserver accept tokens of these audiences and no others.
func Audiences(audiences ...string) Option {
	return func(cp *ControlPlane) { cp.apiServerFlags().Set("api-audiences", audiences...) }
}

// AuditLog has kube-apiserver write who asked for what, and whether that was allowed, to a file: one line of JSON for each
// request that was answered.
func AuditLog(policy, file string) Option {
	return func(cp *ControlPlane) {
		cp.apiServerFlags().Set("audit-policy-file", policy).Set("audit-log-path", file).Set("audit-log-mode", "blocking-strict").
			Set("audit-log-maxsize", "10000") // in MB: at 100, the default, the log would be rotated
	}
}

// EtcdQuota lets etcd hold so many bytes; its default is 2 GiB.
func EtcdQuota(bytes int64) Option {
	return func(cp *ControlPlane) {
		cp.env.ControlPlane.Etcd.Configure().Set("quota-backend-bytes", strconv.FormatInt(bytes, 10))
	}
}

func (cp *ControlPlane) apiServerFlags() *envtest.Arguments {
	return cp.env.ControlPlane.GetAPIServer().Configure()
}

// Start starts a control plane with the CRDs of a directory, or none if that is empty. It needs KUBEBUILDER_ASSETS. Whatever
// it started is stopped again if it fails.
func Start(crds string, options ...Option) (*ControlPlane, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: run this through make, or with KUBEBUILDER_ASSETS=$(hack/controlplane.sh)")
	}
	dir, err := os.MkdirTemp("", "egain-controlplane-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	cp := &ControlPlane{Dir: dir, env: &envtest.Environment{}, controllers: controllers}
	if crds != "" {
		cp.env.CRDDirectoryPaths, cp.env.ErrorIfCRDPathMissing = []string{crds}, true
	}
	if err := cp.start(options); err != nil {
		return nil, errors.Join(err, cp.Stop())
	}
	return cp, nil
}

func (cp *ControlPlane) start(options []Option) error {
	// The issuer of ServiceAccount tokens and the audience that the API server accepts, as a real cluster has them.
	cp.env.ControlPlane.Etcd = &envtest.Etcd{}
	cp.apiServerFlags().Set("service-account-issuer", "https://kubernetes.default.svc")
	for _, option := range append([]Option{Audiences("https://kubernetes.default.svc")}, options...) {
		option(cp)
	}
	config, err := cp.env.Start()
	if err != nil {
		return fmt.Errorf("starting etcd and kube-apiserver: %w", err)
	}
	cp.Config = rest.CopyConfig(config)
	cp.Config.QPS = -1
	return cp.startManager()
}

func (cp *ControlPlane) startManager() error {
	kubeconfig := filepath.Join(cp.Dir, "controller-manager.kubeconfig")
	if err := WriteKubeconfig(kubeconfig, cp.Config); err != nil {
		return err
	}
	return cp.run("kube-controller-manager",
		"--kubeconfig="+kubeconfig, "--controllers="+cp.controllers, "--leader-elect=false", "--secure-port=0",
		"--root-ca-file="+cp.caFile(), "--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-gc-syncs=20")
}

// run starts a program of KUBEBUILDER_ASSETS that ends by Stop. Its log is in Dir.
func (cp *ControlPlane) run(program string, args ...string) error {
	logs, err := os.Create(filepath.Join(cp.Dir, program+".log")) //nolint:gosec // its own directory
	if err != nil {
		return fmt.Errorf("creating the log of %s: %w", program, err)
	}
	defer logs.Close()                                                                    //nolint:errcheck // the process has its own descriptor
	cmd := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), program), args...) //nolint:gosec,noctx // ours; it ends by Stop
	if err := startProcess(cmd, logs); err != nil {
		return err
	}
	cp.beside = append(cp.beside, cmd)
	return nil
}

// EtcdURL is where etcd serves its clients.
func (cp *ControlPlane) EtcdURL() string { return cp.env.ControlPlane.Etcd.URL.String() }

func (cp *ControlPlane) caFile() string {
	file := filepath.Join(cp.Dir, "ca.crt")
	_ = os.WriteFile(file, cp.Config.CAData, 0o600) // kube-controller-manager says so if it is missing
	return file
}

func startProcess(cmd *exec.Cmd, logs io.Writer) error {
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches only the parent, which then stops it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return nil
}

// Stop stops all processes and removes the directory.
func (cp *ControlPlane) Stop() error {
	var errs []error
	for _, process := range slices.Backward(cp.beside) {
		errs = append(errs, StopProcess(process))
	}
	if cp.apiServer != nil {
		errs = append(errs, StopProcess(cp.apiServer))
	}
	errs = append(errs, cp.env.Stop(), os.RemoveAll(cp.Dir))
	return errors.Join(errs...)
}

// StopProcess ends a process that was started, by force if it does not end by itself.
func StopProcess(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", cmd.Path, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended does not matter any more
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(stopGrace):
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("%s had to be killed", cmd.Path)
	}
}

// JWKS returns the keys that the API server signs ServiceAccount tokens with, as it publishes them.
func (cp *ControlPlane) JWKS(ctx context.Context) ([]byte, error) {
	clientset, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return clientset.RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
}

// ServiceAccountConfig returns the configuration of a client that acts as a ServiceAccount, by a token that lives an hour.
func (cp *ControlPlane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	clientset, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	hour := int64(time.Hour / time.Second)
	request, err := clientset.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("minting a token for %s/%s: %w", namespace, name, err)
	}
	config := rest.AnonymousClientConfig(cp.Config)
	config.BearerToken = request.Status.Token
	config.QPS = -1
	return config, nil
}

// WriteKubeconfig writes a kubeconfig for a configuration.
func WriteKubeconfig(file string, config *rest.Config) error {
	const name = "egain"
	kubeconfig := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			Token: config.BearerToken, TokenFile: config.BearerTokenFile, ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: corev1.NamespaceDefault}},
		CurrentContext: name,
	}
	if err := clientcmd.WriteToFile(kubeconfig, file); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}
