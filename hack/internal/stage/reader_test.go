package stage

import (
	"os"
	"syscall"
	"testing"
)

// A connection that breaks is told by the same signal as a reader who leaves.
func TestOnlyAReaderWhoLeavesEndsTheWork(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	ctx, cancel := whileRead(t.Context(), int(writer.Fd()))
	defer cancel()
	broken := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGPIPE); err != nil {
			t.Fatal(err)
		}
	}

	broken()
	if abandoned([]int{int(writer.Fd())}) || ctx.Err() != nil {
		t.Fatal("the reader is still there")
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	broken()
	<-ctx.Done()
}
