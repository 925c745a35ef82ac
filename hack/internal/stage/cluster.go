package stage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

const (
	// tokenRefresh is half of the hour that the tokens of ServiceAccounts live.
	tokenRefresh = 30 * time.Minute
	establishing = 20 * time.Second
)

// Cluster is the control plane, and an administrator's client of it.
type Cluster struct {
	client.Client
	// Plane is what runs.
	Plane *controlplane.ControlPlane
	// Version of Kubernetes.
	Version string
	// dir holds kubeconfigs and tokens.
	dir string
}

// StartCluster starts a control plane. It takes no context, since half a control plane could not be stopped.
func StartCluster(dir string, options ...controlplane.Option) (*Cluster, error) {
	plane, err := controlplane.Start("", options...)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Plane: plane, dir: dir}
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, plane.Stop())
	}
	return c, nil
}

func (c *Cluster) connect() error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), egainv1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("building the scheme: %w", err)
	}
	var err error
	if c.Client, err = client.New(c.Plane.Config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	asked, err := discovery.NewDiscoveryClientForConfig(c.Plane.Config)
	if err != nil {
		return fmt.Errorf("making a discovery client: %w", err)
	}
	version, err := asked.ServerVersion()
	if err != nil {
		return fmt.Errorf("asking for the version of Kubernetes: %w", err)
	}
	c.Version = version.GitVersion
	return controlplane.WriteKubeconfig(c.Kubeconfig(), c.Plane.Config)
}

// URL is the API server's.
func (c *Cluster) URL() string { return "https://" + c.Address() }

// Address is the host and port of the API server.
func (c *Cluster) Address() string {
	return strings.TrimSuffix(strings.TrimPrefix(c.Plane.Config.Host, "https://"), "/")
}

// Kubeconfig is the file by which a user is the administrator.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// Install applies config/default with some of config/components, and returns the ServiceAccount that its Deployment runs as.
// The Deployment has no replicas: there is no node to run a pod on, so that the operator's binary runs in its place, as that
// ServiceAccount. It has the flag of the binary that the plugin has to know: the simulator is on this machine.
func (c *Cluster) Install(ctx context.Context, components ...string) (types.NamespacedName, error) {
	manifests, err := render(ctx, components)
	if err != nil {
		return types.NamespacedName{}, err
	}
	var account types.NamespacedName
	for _, object := range manifests {
		if object.GetKind() != "Deployment" {
			continue
		}
		if err := errors.Join(controlplane.AddFlags(object, "--allow-loopback"), unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas")); err != nil {
			return account, err
		}
		account.Namespace = object.GetNamespace()
		account.Name, _, _ = unstructured.NestedString(object.Object, "spec", "template", "spec", "serviceAccountName")
	}
	if account.Name == "" {
		return account, errors.New("config/default has no Deployment with a serviceAccountName")
	}
	if err := controlplane.Apply(ctx, c, manifests...); err != nil {
		return account, err
	}
	return account, Await(ctx, establishing, "establishing the CRD", func(ctx context.Context) (bool, error) {
		return c.List(ctx, &egainv1alpha1.EgainClientList{}) == nil, nil
	})
}

// ApplyCRDs applies config/crd.
func (c *Cluster) ApplyCRDs(ctx context.Context) error {
	rendered, err := kustomize(ctx, "config/crd", "build", ".")
	if err != nil {
		return err
	}
	crds, err := controlplane.Decode(rendered)
	if err != nil {
		return err
	}
	return controlplane.Apply(ctx, c, crds...)
}

// render renders config/default with components, on a copy: a component is an edit of config/default, as their comments say.
func render(ctx context.Context, components []string) ([]*unstructured.Unstructured, error) {
	dir, err := os.MkdirTemp("", "egain-config-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.CopyFS(dir, os.DirFS("config")); err != nil {
		return nil, fmt.Errorf("copying config (this must run in the root of the checkout): %w", err)
	}
	overlay := filepath.Join(dir, "default")
	for _, component := range components {
		if _, err := kustomize(ctx, overlay, "edit", "add", "component", "../components/"+component); err != nil {
			return nil, err
		}
	}
	rendered, err := kustomize(ctx, overlay, "build", ".")
	if err != nil {
		return nil, err
	}
	return controlplane.Decode(rendered)
}

// kustomize runs the kustomize that the Makefile uses too. The first time it is built, which it says itself.
func kustomize(ctx context.Context, dir string, args ...string) ([]byte, error) {
	tool, err := filepath.Abs("hack/tools/run.sh")
	if err != nil {
		return nil, fmt.Errorf("finding kustomize: %w", err)
	}
	cmd := exec.CommandContext(ctx, tool, append([]string{"kustomize"}, args...)...) //nolint:gosec // The arguments are the caller's own.
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running kustomize %s: %w", args[0], err)
	}
	return output, nil
}

// ActAs returns the configuration of a client that acts as a ServiceAccount and as nothing else. Its token is in a file,
// which is replaced before the token expires, as in a pod.
func (c *Cluster) ActAs(ctx context.Context, background func(func()), account types.NamespacedName) (*rest.Config, error) {
	file := filepath.Join(c.dir, account.Name+".token")
	mint := func() (*rest.Config, error) {
		config, err := c.Plane.ServiceAccountConfig(ctx, account.Namespace, account.Name)
		if err != nil {
			return nil, err
		}
		if err := replaceFile(file, []byte(config.BearerToken)); err != nil {
			return nil, err
		}
		config.BearerToken, config.BearerTokenFile = "", file
		return config, nil
	}
	config, err := mint()
	if err != nil {
		return nil, err
	}
	background(func() {
		// The token of a failed attempt is good for another half an hour.
		Every(ctx, tokenRefresh, func() { _, _ = mint() })
	})
	return config, nil
}

// replaceFile replaces a file in one step.
func replaceFile(file string, content []byte) error {
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// Object makes an object to apply.
func Object(apiVersion, kind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	maps.Copy(o.Object, fields)
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// ServiceAccount makes a ServiceAccount.
func (c *Cluster) ServiceAccount(ctx context.Context, account types.NamespacedName) error {
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
	if err := c.Create(ctx, sa); err != nil {
		return fmt.Errorf("creating ServiceAccount %s: %w", account, err)
	}
	return nil
}
