package stage

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"syscall"
	"testing"
)

func TestRun(t *testing.T) {
	told := func(signal syscall.Signal) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			if err := syscall.Kill(os.Getpid(), signal); err != nil {
				return false, err
			}
			<-ctx.Done()
			return false, nil
		}
	}
	for name, tc := range map[string]struct {
		parsed error
		work   func(context.Context) (bool, error)
		code   int
		stderr string
	}{
		"work that comes to what it should": {work: func(context.Context) (bool, error) { return true, nil }},
		"work that has told why it did not": {work: func(context.Context) (bool, error) { return false, nil }, code: 1},
		"work that fails":                   {work: func(context.Context) (bool, error) { return true, errors.New("no disk") }, code: 1, stderr: "bench: no disk\n"},
		"a question for help":               {parsed: flag.ErrHelp},
		"a command line that makes none":    {parsed: errors.New("no such flag"), code: 2, stderr: "bench: no such flag\n"},
		"a stop that is asked for":          {work: told(syscall.SIGTERM), code: 1},
		"a terminal that is closed":         {work: told(syscall.SIGHUP), code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := Run("bench", []string{"-x"}, &stderr,
				func(args []string, _ io.Writer) (string, error) { return args[0], tc.parsed },
				func(ctx context.Context, option string) (bool, error) {
					if tc.work == nil || option != "-x" {
						t.Fatalf("work is done with option %q", option)
					}
					return tc.work(ctx)
				})
			if code != tc.code || stderr.String() != tc.stderr {
				t.Errorf("exit code %d, stderr %q, want %d, %q", code, stderr.String(), tc.code, tc.stderr)
			}
		})
	}
}
