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
	file := int32(writer.Fd())
	ctx, cancel := whileRead(t.Context(), file)
	defer cancel()
	broken := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGPIPE); err != nil {
			t.Fatal(err)
		}
	}

	broken()
	if abandoned([]int32{file}) || ctx.Err() != nil {
		t.Fatal("the reader is still there")
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	broken()
	<-ctx.Done()
}
