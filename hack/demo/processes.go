package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a program gets to end by itself.
const stopGrace = 10 * time.Second

// process is a program that runs beside the demo, with its output in a file.
type process struct {
	name   string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	// ended is closed when the program has ended; cmd.ProcessState then says how.
	ended chan struct{}
}

// startProcess starts a program that runs until it is stopped: the end of the context alone does not end it, so that
// programs can be stopped in the order in which they need one another.
func startProcess(ctx context.Context, logs, program string, args ...string) (*process, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &process{name: filepath.Base(program), cancel: cancel, ended: make(chan struct{})}
	log, err := os.OpenFile(logFile(logs, p.name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }()                 // the program has a descriptor of its own
	p.cmd = exec.CommandContext(ctx, program, args...) //nolint:gosec // Programs and arguments are the demo's own.
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	// Ctrl-C reaches every process of the terminal's group. The demo stops its programs itself, in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the program, by force if it does not end by itself.
func (p *process) stop() error {
	defer p.cancel()
	if !p.running() {
		return nil
	}
	p.cancel()
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return fmt.Errorf("stopping %s: it had to be killed", p.name)
	}
	return nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// exited returns an error if the program has ended.
func (p *process) exited() error {
	if p.running() {
		return nil
	}
	return fmt.Errorf("%s ended by itself: %s", p.name, p.cmd.ProcessState)
}

func logFile(logs, name string) string { return filepath.Join(logs, name+".log") }

// tail returns the last lines of a file, or nothing.
func tail(file string, lines int) []string {
	content, err := os.ReadFile(file) //nolint:gosec // The file is one of the demo's own.
	if err != nil || len(content) == 0 {
		return nil
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return all[max(0, len(all)-lines):]
}

// await calls done until it reports true, fails, or time is up.
func await(ctx context.Context, limit time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s took more than %s", what, limit))
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ok, err := done(ctx); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}
