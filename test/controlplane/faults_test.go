package controlplane

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestChildIsAProcessOfOurs(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	pid, args, err := child("sleep")
	if err != nil || pid != cmd.Process.Pid || !slices.Equal(args, cmd.Args) {
		t.Errorf("found process %d %q, %v, want %d %q", pid, args, err, cmd.Process.Pid, cmd.Args)
	}
	if _, _, err := child("no-such-program"); err == nil {
		t.Error("found a program that does not run")
	}
	if got := parent(os.Getpid()); got != os.Getppid() {
		t.Errorf("our parent is %d, want %d", got, os.Getppid())
	}
	if args := commandLine(0); args != nil {
		t.Errorf("no process has the arguments %q", args)
	}
}
