// Command chaos finds out what becomes of tokens when things break: it runs two replicas of the operator on a real control
// plane, has them keep the tokens of many EgainClients at simulated eGains fresh, breaks one thing after the other, and has an
// auditor who shares no code with the operator ask the simulators a few times a second whether each token works. It prints a
// table, writes a report as JSON, and fails unless every scenario came to what is expected of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// options are the command line.
type options struct {
	short    bool
	list     bool
	only     *regexp.Regexp
	lanes    int
	kills    int
	seed     uint64
	binaries string
	logs     string
	report   string
}

func main() { os.Exit(stage.Run("chaos", os.Args[1:], os.Stderr, parse, run)) }

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{only: regexp.MustCompile("")}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.short, "short", false, "run a few scenarios of each group, in less than 3 minutes")
	flags.BoolVar(&o.list, "list", false, "name the scenarios and end")
	flags.Func("only", "a regular expression that the group and name of a scenario must match, as in 'provider: .*429'", func(s string) error {
		var err error
		o.only, err = regexp.Compile(s)
		return err
	})
	flags.IntVar(&o.lanes, "lanes", 4, "how many scenarios run at a time, of those that leave the operator and the cluster alone")
	flags.IntVar(&o.kills, "kills", 100, "how often the leader is killed at random moments")
	flags.Uint64Var(&o.seed, "seed", 1, "what random moments and choices are made from")
	flags.StringVar(&o.binaries, "bin", "bin", "the directory of the binaries egain-operator and egainsim")
	flags.StringVar(&o.logs, "logs", "", "a directory to keep the logs of all programs in (default: they are removed)")
	flags.StringVar(&o.report, "report", "", "a file to write the report to, as JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("there is an argument too many: %s", flags.Arg(0))
	case o.lanes < 1:
		return o, fmt.Errorf("-lanes is %d: it must be at least 1", o.lanes)
	case o.kills < 1:
		return o, fmt.Errorf("-kills is %d: it must be at least 1", o.kills)
	case len(o.scenarios()) == 0:
		return o, fmt.Errorf("no scenario matches -only: see -list")
	}
	return o, nil
}

// scenarios are those that the options select.
func (o options) scenarios() []scenario {
	var selected []scenario
	for _, s := range scenarios(o) {
		if (s.short || !o.short) && o.only.MatchString(s.title()) {
			selected = append(selected, s)
		}
	}
	return selected
}

func list(w io.Writer, o options) {
	for _, s := range o.scenarios() {
		_, _ = fmt.Fprintln(w, s.title())
	}
}

// run runs the scenarios, or names them, and reports whether all passed.
func run(ctx context.Context, o options) (passed bool, err error) {
	if o.list {
		list(os.Stdout, o)
		return true, nil
	}
	return newHarness(o, os.Stdout).run(ctx)
}
