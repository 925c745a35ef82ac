package stage

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/egain-operator/egain-operator/internal/election"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

const (
	// OperatorStart is how long the operator may take to be ready and, after another replica was lost, to wait until the Lease
	// ends.
	OperatorStart = 45 * time.Second
	// restartPause keeps an operator that cannot start from being started without end.
	restartPause = 2 * time.Second
)

// Operator is the operator's binary as a process, which is started again when it ends, as a kubelet does with a container.
type Operator struct {
	// Metrics is the address that it serves metrics on.
	Metrics string

	log     string
	command []string
	health  string

	mu       sync.Mutex
	pod      types.UID
	process  *Process
	restarts int
	stopping bool
	held     bool
}

// NewOperator prepares an operator that runs by a kubeconfig and keeps its Lease in a namespace. The command is its binary,
// with what that is run by before it; the arguments that this machine makes necessary are added, and some more. Its output
// goes to a log file.
func NewOperator(ctx context.Context, command []string, log, kubeconfig, namespace string, more ...string) (*Operator, error) {
	o := &Operator{log: log, pod: uuid.NewUUID()}
	var err error
	if o.health, err = controlplane.FreeAddress(ctx); err != nil {
		return nil, err
	}
	if o.Metrics, err = controlplane.FreeAddress(ctx); err != nil {
		return nil, err
	}
	o.command = slices.Concat(command, []string{
		"--kubeconfig=" + kubeconfig,
		"--leader-election-namespace=" + namespace,
		"--metrics-bind-address=" + o.Metrics,
		"--health-probe-bind-address=" + o.health,
		"--allow-loopback",          // the simulator is here
		"--allowed-audiences=egain", // of config/components/service-account-tokens
	}, more)
	return o, nil
}

// Start starts the operator and waits until it says that it is ready.
func (o *Operator) Start(ctx context.Context) error {
	if err := o.launch(ctx); err != nil {
		return err
	}
	return Await(ctx, OperatorStart, "starting the operator", func(ctx context.Context) (bool, error) {
		if err := o.current().Exited(); err != nil {
			return false, err
		}
		return o.ready(ctx), nil
	})
}

func (o *Operator) launch(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopping || o.held {
		return nil
	}
	p, err := StartProcess(ctx, o.log, []string{election.PodUID + "=" + string(o.pod)}, o.command[0], o.command[1:]...)
	if err != nil {
		return err
	}
	if o.process != nil {
		o.restarts++
	}
	o.process = p
	return nil
}

func (o *Operator) current() *Process {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.process
}

// State is the id of the operator's process, and how often it was started again.
func (o *Operator) State() (pid, restarts int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.process.cmd.Process.Pid, o.restarts
}

// Supervise starts the operator again whenever it ends, until the context does.
func (o *Operator) Supervise(ctx context.Context, trouble func(error)) {
	for {
		began := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-o.current().ended:
		}
		if time.Since(began) < restartPause {
			select {
			case <-ctx.Done():
				return
			case <-time.After(restartPause):
			}
		}
		if err := o.launch(ctx); err != nil {
			trouble(fmt.Errorf("restarting the operator: %w", err))
		}
	}
}

// Kill ends the operator as `kill -9` does, which leaves it no chance to give up its Lease.
func (o *Operator) Kill() error { return o.end(syscall.SIGKILL) }

// Terminate ends the operator as a node that is drained does, which leaves it time to give up its Lease.
func (o *Operator) Terminate() error { return o.end(syscall.SIGTERM) }

func (o *Operator) end(signal syscall.Signal) error {
	p := o.current()
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("ending the operator by %s: %w", signal, err)
	}
	<-p.ended
	return nil
}

// Hold says whether the operator stays down once it has ended, as one whose node is lost. When that is over, it is started
// again within the pause between two starts, as another pod.
func (o *Operator) Hold(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held && !down {
		o.pod = uuid.NewUUID()
	}
	o.held = down
}

// Stop ends the operator for good.
func (o *Operator) Stop() error {
	o.mu.Lock()
	o.stopping = true
	p := o.process
	o.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.Stop()
}

// ready asks the operator's readiness probe.
func (o *Operator) ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.health+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := (&http.Client{Timeout: time.Second}).Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
