// Package election makes the lock that lets one of several replicas of the operator work at a time.
package election

import (
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
)

const (
	// LeaseName is the Lease, and the name that it has in metrics. The operator's Role allows no other.
	LeaseName = "egain-operator.auth.egain.com"
	// PodUID is the environment variable that the Deployment puts the UID of the pod into, by the downward API.
	PodUID = "POD_UID"
	// RenewDeadline is for how long a leader may fail to renew its Lease until it ends: controller-runtime's default.
	RenewDeadline = 10 * time.Second
)

// Lock is the Lease in a namespace, the pod's if that is empty, as this process asks for it. It sends no event
// until it is given a recorder.
//
// It asks in the name of its pod: of a container that is restarted the next process finds the Lease to be its own and goes on
// at once. With an identity of its own, which controller-runtime gives each process, it would wait for the Lease of the one
// before to end, 15 seconds more if a renewal was still on its way when that died. Two processes of one pod cannot meet: the
// kubelet starts a container when the one before has ended. Without a pod's UID in the environment each process has its own
// identity, as a hostname alone can be that of two pods: in the network of a node it is the node's.
func Lock(config *rest.Config, namespace string) (*resourcelock.LeaseLock, error) {
	made, err := leaderelection.NewResourceLock(rest.CopyConfig(config), silent{}, leaderelection.Options{
		LeaderElection:          true,
		LeaderElectionNamespace: namespace,
		LeaderElectionID:        LeaseName,
		RenewDeadline:           RenewDeadline,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing for the Lease, whose namespace --leader-election-namespace sets outside of a cluster: %w", err)
	}
	lock, ok := made.(*resourcelock.LeaseLock)
	if !ok {
		return nil, fmt.Errorf("preparing for the Lease: the lock is a %T", made)
	}
	if pod := os.Getenv(PodUID); pod != "" {
		hostname, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("finding a name for the holder of the Lease: %w", err)
		}
		lock.LockConfig.Identity = hostname + "_" + pod
	}
	return lock, nil
}

// silent is for a lock that is made before there is anything to send events by.
type silent struct{ recorder.Provider }

func (silent) GetEventRecorderFor(string) record.EventRecorder { return nil }
