package stage

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// The files of what is printed.
const stdoutFile, stderrFile = 1, 2

// whileRead returns a context that ends when what is written to one of the files is read by no one any more, and SIGPIPE tells
// so. The same signal reports broken connections, on which nothing depends.
func whileRead(ctx context.Context, files ...int32) (context.Context, context.CancelFunc) {
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-pipes:
				if abandoned(files) {
					cancel(errors.New("no process reads what is printed"))
				}
			}
		}
	}()
	return ctx, func() {
		signal.Stop(pipes)
		cancel(nil)
	}
}

// abandoned reports whether one of the files is a pipe whose reader has gone.
func abandoned(files []int32) bool {
	for _, file := range files {
		states := []unix.PollFd{{Fd: file}}
		if _, err := unix.Poll(states, 0); err == nil && states[0].Revents&unix.POLLERR != 0 {
			return true
		}
	}
	return false
}
