// Package election makes the lock that lets one of several replicas of the operator work at a time.
package election

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

const (
	// LeaseName is the Lease, and the name that it has in metrics. The operator's Role allows no other.
	LeaseName = "egain-operator.auth.egain.com"
	// PodUID is the environment variable that the Deployment puts the UID of the pod into, by the downward API.
	PodUID = "POD_UID"
	// namespaceFile holds the namespace of a pod, beside the token of its ServiceAccount.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	// requestTimeout bounds a request for the Lease: half of the 10 seconds that a leader may fail to renew it for, so that one
	// slow answer does not end it. controller-runtime does the same.
	requestTimeout = 5 * time.Second
)

// Lock is the Lease in a namespace, the pod's if that is empty, as this process asks for it.
//
// It asks in the name of its pod: of a container that is restarted the next process finds the Lease to be its own and goes on
// at once. With an identity of its own, which controller-runtime gives each process, it would wait for the Lease of the one
// before to end, 15 seconds more if a renewal was still on its way when that died. Two processes of one pod cannot meet: the
// kubelet starts a container when the one before has ended. Without a pod's UID in the environment each process is somebody
// else, as a hostname alone can be that of two pods: in the network of a node it is the node's.
func Lock(config *rest.Config, namespace string) (*resourcelock.LeaseLock, error) {
	if namespace == "" {
		var err error
		if namespace, err = podNamespace(namespaceFile); err != nil {
			return nil, err
		}
	}
	identity, err := identity()
	if err != nil {
		return nil, err
	}
	config = rest.AddUserAgent(rest.CopyConfig(config), "leader-election")
	config.Timeout = requestTimeout
	client, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for the Lease: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: LeaseName},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}, nil
}

// identity is who holds the Lease, to people too: a pod's hostname is its name.
func identity() (string, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("finding a name for the holder of the Lease: %w", err)
	}
	return hostname + "_" + cmp.Or(os.Getenv(PodUID), string(uuid.NewUUID())), nil
}

func podNamespace(file string) (string, error) {
	content, err := os.ReadFile(file) //nolint:gosec // Where Kubernetes puts it.
	if err != nil {
		return "", fmt.Errorf("finding the namespace of the Lease, which --leader-election-namespace sets outside of a cluster: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}
