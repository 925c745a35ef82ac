package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// OperatorNamespace is that of config/default.
	OperatorNamespace = "egain-operator-system"
	// operatorAccount is the ServiceAccount of config/default.
	operatorAccount = "egain-operator-controller-manager"
)

// Install applies config/default of the checkout at root, and returns a kubeconfig for the ServiceAccount that the operator
// runs as, which is good for an hour. The Deployment gets more flags: no Pod is made of it, but the plugin reads them.
func (cp *ControlPlane) Install(ctx context.Context, c client.Client, root string, flags ...string) (kubeconfig string, err error) {
	rendered, err := exec.CommandContext(ctx, filepath.Join(root, "hack", "render.sh"), "default").Output() //nolint:gosec // ours
	if err != nil {
		return "", fmt.Errorf("rendering config/default: %w", err)
	}
	objects, err := Decode(rendered)
	if err != nil {
		return "", err
	}
	for _, object := range objects {
		if err := AddFlags(object, flags...); err != nil {
			return "", err
		}
	}
	if err := Apply(ctx, c, objects...); err != nil {
		return "", err
	}
	config, err := cp.ServiceAccountConfig(ctx, OperatorNamespace, operatorAccount)
	if err != nil {
		return "", err
	}
	kubeconfig = filepath.Join(cp.Dir, "operator.kubeconfig")
	return kubeconfig, WriteKubeconfig(kubeconfig, config)
}

// AddFlags adds flags to the containers of a Deployment; it leaves other objects as they are.
func AddFlags(object *unstructured.Unstructured, flags ...string) error {
	if object.GetKind() != "Deployment" {
		return nil
	}
	path := []string{"spec", "template", "spec", "containers"}
	containers, _, err := unstructured.NestedSlice(object.Object, path...)
	if err != nil {
		return fmt.Errorf("reading the containers of the Deployment: %w", err)
	}
	for _, container := range containers {
		fields, _ := container.(map[string]any)
		args, _, _ := unstructured.NestedStringSlice(fields, "args")
		if err := unstructured.SetNestedStringSlice(fields, append(args, flags...), "args"); err != nil {
			return fmt.Errorf("adding flags to the Deployment: %w", err)
		}
	}
	return unstructured.SetNestedSlice(object.Object, containers, path...)
}

// AwaitReady waits until the operator whose probes are served at an address is ready.
func AwaitReady(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			if err := response.Body.Close(); err != nil || response.StatusCode == http.StatusOK {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the operator did not become ready"), context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
