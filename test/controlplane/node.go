package controlplane

import (
	"fmt"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// nodeControllers are the controllers that make pods, and those that let them go to a node.
const nodeControllers = ",deployment-controller,replicaset-controller,node-lifecycle-controller,taint-eviction-controller"

// Node readies a control plane for StartNode: the API server listens at the address of its own Service, so that pods reach it
// without a kube-proxy, and takes kubelets and pods as that of a real cluster does. It needs hack/node.sh.
func Node(cp *ControlPlane) {
	server := cp.env.ControlPlane.GetAPIServer()
	server.Address, server.Port = "10.0.0.1", "443"
	cp.apiServerFlags().Disable("disable-admission-plugins").Set("authorization-mode", "Node", "RBAC").Set("enable-admission-plugins", "NodeRestriction")
	cp.controllers += nodeControllers
}

// StartNode starts a kubelet with an address and a KubeletConfiguration, as a node of a name, and kube-scheduler.
func (cp *ControlPlane) StartNode(name, address, kubeletConfig string) error {
	scheduler, err := cp.userKubeconfig(envtest.User{Name: "system:kube-scheduler"})
	if err != nil {
		return err
	}
	if err := cp.run("kube-scheduler", "--kubeconfig="+scheduler, "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	kubelet, err := cp.userKubeconfig(envtest.User{Name: "system:node:" + name, Groups: []string{"system:nodes"}})
	if err != nil {
		return err
	}
	return cp.run("kubelet", "--kubeconfig="+kubelet, "--config="+kubeletConfig, "--hostname-override="+name, "--node-ip="+address)
}

// userKubeconfig writes a kubeconfig for a user with a certificate.
func (cp *ControlPlane) userKubeconfig(user envtest.User) (string, error) {
	authenticated, err := cp.env.AddUser(user, nil)
	if err != nil {
		return "", fmt.Errorf("adding the user %s: %w", user.Name, err)
	}
	file := filepath.Join(cp.Dir, user.Name+".kubeconfig")
	return file, WriteKubeconfig(file, authenticated.Config())
}
