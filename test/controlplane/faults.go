package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
)

// apiServerStart bounds the time that kube-apiserver takes to be ready again.
const apiServerStart = 60 * time.Second

// KillAPIServer kills kube-apiserver as `kill -9` does. It needs Linux, as the other faults do: envtest, which started the
// processes, does not hand them out.
func (cp *ControlPlane) KillAPIServer() error {
	if cp.apiServer != nil {
		err := cp.apiServer.Process.Kill()
		_ = cp.apiServer.Wait() // it was killed
		cp.apiServer = nil
		return err
	}
	pid, args, err := child("kube-apiserver")
	if err != nil {
		return err
	}
	cp.apiServerArgs = args
	return syscall.Kill(pid, syscall.SIGKILL)
}

// RestartAPIServer starts kube-apiserver as it was before it was killed, and waits until it is ready.
func (cp *ControlPlane) RestartAPIServer(ctx context.Context) error {
	if cp.apiServer != nil || len(cp.apiServerArgs) == 0 {
		return errors.New("kube-apiserver was not killed")
	}
	logs, err := os.Create(filepath.Join(cp.Dir, "kube-apiserver.log"))
	if err != nil {
		return fmt.Errorf("creating the log of kube-apiserver: %w", err)
	}
	defer logs.Close()                                                //nolint:errcheck // the process has its own descriptor
	cmd := exec.Command(cp.apiServerArgs[0], cp.apiServerArgs[1:]...) //nolint:gosec,noctx // ours; it ends by Stop
	if err := startProcess(cmd, logs); err != nil {
		return err
	}
	cp.apiServer = cmd
	return cp.awaitAPIServer(ctx)
}

func (cp *ControlPlane) awaitAPIServer(ctx context.Context) error {
	clientset, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, apiServerStart)
	defer cancel()
	for {
		_, err := clientset.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for kube-apiserver: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// PauseEtcd stops etcd in its tracks: it keeps its connections and answers nothing.
func (cp *ControlPlane) PauseEtcd() error { return signalChild("etcd", syscall.SIGSTOP) }

// ResumeEtcd has etcd go on after PauseEtcd. Otherwise it changes nothing.
func (cp *ControlPlane) ResumeEtcd() error { return signalChild("etcd", syscall.SIGCONT) }

// PID is the id of the process of etcd or kube-apiserver. It needs Linux.
func (cp *ControlPlane) PID(program string) (int, error) {
	if program == "kube-apiserver" && cp.apiServer != nil {
		return cp.apiServer.Process.Pid, nil
	}
	pid, _, err := child(program)
	return pid, err
}

func signalChild(name string, signal syscall.Signal) error {
	pid, _, err := child(name)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, signal)
}

// child finds the process of a program that this one started.
func child(name string) (pid int, args []string, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, nil, fmt.Errorf("looking for %s: %w", name, err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if args := commandLine(pid); len(args) > 0 && filepath.Base(args[0]) == name && parent(pid) == os.Getpid() {
			return pid, args, nil
		}
	}
	return 0, nil, fmt.Errorf("%s is no process that this one started", name)
}

func commandLine(pid int) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(content) == 0 {
		return nil
	}
	var args []string
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(content, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}

// parent is the id of a process's parent, 0 if the process has ended.
func parent(pid int) int {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	lines := bytes.Split(content, []byte("\n"))
	i := slices.IndexFunc(lines, func(line []byte) bool { return bytes.HasPrefix(line, []byte("PPid:")) })
	if i < 0 {
		return 0
	}
	id, _ := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimPrefix(lines[i], []byte("PPid:")))))
	return id
}
