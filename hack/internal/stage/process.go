// Package stage sets up what programs for people run on this machine: a real control plane, a simulated eGain and the operator
// under its own ServiceAccount, each as a process of its own. The demo and the chaos runs share it.
package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a program gets to end by itself.
const stopGrace = 10 * time.Second

// Process is a program that runs beside this one, with its output in a file.
type Process struct {
	name   string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	// ended is closed when the program has ended; cmd.ProcessState then says how.
	ended chan struct{}
}

// StartProcess starts a program that runs until it is stopped: the end of the context alone does not end it, so that
// programs can be stopped in the order in which they need one another. Its environment is this program's and some more, its
// output is added to a log file.
func StartProcess(ctx context.Context, logFile string, environment []string, program string, args ...string) (*Process, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Process{name: filepath.Base(program), cancel: cancel, ended: make(chan struct{})}
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the caller says where
	if err != nil {
		cancel()
		return nil, fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }()                 // the program has a descriptor of its own
	p.cmd = exec.CommandContext(ctx, program, args...) //nolint:gosec // Programs and arguments are the caller's own.
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	// Ctrl-C reaches every process of the terminal's group. The parent stops the programs, in order.
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

// Stop ends the program, by force if it does not end by itself.
func (p *Process) Stop() error {
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

func (p *Process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Exited returns an error if the program has ended.
func (p *Process) Exited() error {
	if p.running() {
		return nil
	}
	return fmt.Errorf("%s ended by itself: %s", p.name, p.cmd.ProcessState)
}

// LogFile is where the output of a program goes in a directory of logs.
func LogFile(logs, name string) string { return filepath.Join(logs, name+".log") }

// Tail returns the last lines of a file, or nothing.
func Tail(file string, lines int) []string {
	content, err := os.ReadFile(file) //nolint:gosec // The file is one of the caller's own.
	if err != nil || len(content) == 0 {
		return nil
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return all[max(0, len(all)-lines):]
}

// Await calls done until it reports true, fails, or time is up.
func Await(ctx context.Context, limit time.Duration, what string, done func(context.Context) (bool, error)) error {
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
