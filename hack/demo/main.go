// Command demo shows the operator at work on this machine, without a cluster: it starts a real Kubernetes control plane and
// a simulated eGain, installs the operator as `make deploy` does, runs it as its own ServiceAccount, applies an EgainClient
// for every flow, plays the workloads that mount the tokens, and draws what happens as a table. With -once it ends by
// itself, and fails unless every token was issued, rotated and accepted.
//
// What it cannot have is a kubelet. A mirror stands in for it, which writes the keys of the Secrets to files as a mounted
// volume has them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// options are the command line.
type options struct {
	once      bool
	tokenLife time.Duration
	timeout   time.Duration
	interval  time.Duration
	binaries  string
	logs      string
}

func main() { os.Exit(stage.Run("demo", os.Args[1:], os.Stderr, parse, run)) }

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.once, "once", false, "end when every check was made, with an error unless all passed")
	flags.DurationVar(&o.tokenLife, "token-life", 0, "the life of access tokens, from 30s (default: 1m; 30s with -once)")
	flags.DurationVar(&o.timeout, "timeout", 0, "with -once, the time for every client to replace its first token (default: three lives and 30s)")
	flags.DurationVar(&o.interval, "interval", 10*time.Second, "the time between tables if the output is not a terminal")
	flags.StringVar(&o.binaries, "bin", "bin", "the directory of the binaries egain-operator and egainsim")
	flags.StringVar(&o.logs, "logs", "", "a directory to keep the logs of all programs in (default: they are removed)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("there is an argument too many: %s", flags.Arg(0))
	}
	return o.withDefaults()
}

// shortestLife is what tokens must live at least, and what they live with -once, which waits for some renewals of each. They are
// renewed after 2/5 to 1/2 of it, 12 to 15 seconds, so that there are moments without a renewal to kill the operator at.
const shortestLife = 30 * time.Second

// withDefaults completes the options.
func (o options) withDefaults() (options, error) {
	if o.tokenLife == 0 {
		o.tokenLife = time.Minute
		if o.once {
			o.tokenLife = shortestLife
		}
	}
	if o.tokenLife < shortestLife || o.tokenLife%time.Second != 0 {
		return o, fmt.Errorf("-token-life is %s: it must be at least %s, and whole seconds", o.tokenLife, shortestLife)
	}
	if o.timeout == 0 {
		o.timeout = 3*o.tokenLife + 30*time.Second
	}
	if o.interval < time.Second {
		return o, fmt.Errorf("-interval is %s: it must be at least 1s", o.interval)
	}
	return o, nil
}

// run runs the demo, and reports whether nothing was left unproven.
func run(ctx context.Context, o options) (proven bool, err error) {
	d, err := newDemo(o, os.Stdout)
	if err != nil {
		return false, err
	}
	if err := d.run(ctx); !errors.Is(err, errUnproven) {
		return true, err
	}
	return false, nil
}
