package stage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Run does what main of a program for people does: it reads the command line, does the work until that is through or the
// program is stopped, and returns the exit code: 0 for work that came to what it should, 1 for work that failed or did
// not, and 2 for a command line that makes no sense. Errors go to stderr under the program's name; work that has told why it
// came to nothing returns false without one.
//
// The context of the work ends with SIGINT, SIGTERM and SIGHUP, with the parent process, and with the reader of what it prints,
// so that one who leaves, as head does, ends the program in order rather than leave all that it started running.
func Run[Options any](
	name string, args []string, stderr io.Writer,
	parse func(args []string, stderr io.Writer) (Options, error),
	work func(context.Context, Options) (bool, error),
) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, leave := whileRead(ctx, stdoutFile, stderrFile)
	defer leave()
	ctx, cancel := WhileParentLives(ctx)
	defer cancel()
	ok, err := work(ctx, o)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}
