package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// operatorStart is how long the operator may take to be ready and, after an operator that was killed, to wait until
	// its Lease ends.
	operatorStart = 45 * time.Second
	// restartPause keeps an operator that cannot start from being started without end.
	restartPause = 2 * time.Second
)

// operator is the operator's binary as a process, which is started again when it ends, as a kubelet would do.
type operator struct {
	binary, logs    string
	args            []string
	health, metrics string

	mu       sync.Mutex
	process  *process
	restarts int
	stopping bool
}

// newOperator prepares an operator that runs by a kubeconfig and keeps its Lease in a namespace.
func newOperator(ctx context.Context, binary, logs, kubeconfig, namespace string) (*operator, error) {
	o := &operator{binary: binary, logs: logs}
	var err error
	if o.health, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if o.metrics, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	o.args = []string{
		"--kubeconfig=" + kubeconfig,
		"--leader-election-namespace=" + namespace,
		"--metrics-bind-address=" + o.metrics,
		"--health-probe-bind-address=" + o.health,
		"--allow-loopback", // the simulator is here
	}
	return o, nil
}

// start starts the operator and waits until it says that it is ready.
func (o *operator) start(ctx context.Context) error {
	if err := o.launch(ctx); err != nil {
		return err
	}
	return await(ctx, operatorStart, "starting the operator", func(ctx context.Context) (bool, error) {
		if err := o.current().exited(); err != nil {
			return false, err
		}
		return o.ready(ctx), nil
	})
}

func (o *operator) launch(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopping {
		return nil
	}
	p, err := startProcess(ctx, o.logs, o.binary, o.args...)
	if err == nil {
		o.process = p
	}
	return err
}

func (o *operator) current() *process {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.process
}

// state is the id of the operator's process, and how often it was started again.
func (o *operator) state() (pid, restarts int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.process.cmd.Process.Pid, o.restarts
}

// supervise starts the operator again whenever it ends, until the context does.
func (o *operator) supervise(ctx context.Context, trouble func(error)) {
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
			continue
		}
		o.mu.Lock()
		o.restarts++
		o.mu.Unlock()
	}
}

// kill ends the operator as `kill -9` does, which leaves it no chance to give up its Lease.
func (o *operator) kill() error {
	p := o.current()
	if err := p.cmd.Process.Signal(os.Kill); err != nil {
		return fmt.Errorf("killing the operator: %w", err)
	}
	<-p.ended
	return nil
}

// stop ends the operator for good.
func (o *operator) stop() error {
	o.mu.Lock()
	o.stopping = true
	p := o.process
	o.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.stop()
}

// ready asks the operator's readiness probe.
func (o *operator) ready(ctx context.Context) bool {
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
