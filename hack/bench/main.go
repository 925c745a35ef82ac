// Command bench measures the operator on a real control plane, against what the API server allows: the simulated eGain, the
// operator as its release binary under its own RBAC and each program of the control plane are processes of their own, and
// whatever is compared is compared within one run. It prints a table, writes a report as JSON and plots as PNG. It fails if
// something is wrong, as a second token request for one rotation is, and never for being slow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// options are the command line.
type options struct {
	small bool
	list  bool
	only  *regexp.Regexp
	// clients is for how many EgainClients rates are measured, applied how many are there for what a storm is, and sizes how
	// many for what grows with them.
	clients int
	applied int
	sizes   sizes
	foreign int
	repeats int
	// window is how long a rate is measured.
	window time.Duration
	// delay is how long the simulated eGain takes to answer.
	delay    time.Duration
	lives    int
	profiles string
	binaries string
	logs     string
	output   string
}

// sizes are numbers of EgainClients.
type sizes []int

func (s sizes) String() string {
	words := make([]string, 0, len(s))
	for _, n := range s {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

// Set reads numbers between commas.
func (s *sizes) Set(text string) error {
	*s = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of clients", word)
		}
		*s = append(*s, n)
	}
	return nil
}

func main() { os.Exit(stage.Run("bench", os.Args[1:], os.Stderr, parse, run)) }

// full and small are the defaults of the two forms.
var (
	full  = options{clients: 2000, applied: 10_000, sizes: sizes{1000, 10_000}, foreign: 50_000, repeats: 5, window: 10 * time.Second, lives: 20}
	small = options{clients: 200, applied: 200, sizes: sizes{150, 300}, foreign: 300, repeats: 1, window: 2 * time.Second, lives: 3}
)

func parse(args []string, stderr io.Writer) (options, error) {
	o := full
	flags := o.bind(stderr)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.small {
		// Again, since other flags override the small form.
		o = small
		flags = o.bind(stderr)
		if err := flags.Parse(args); err != nil {
			return o, err
		}
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("there is an argument too many: %s", flags.Arg(0))
	case o.clients < 1 || o.applied < 1 || o.foreign < 1 || o.repeats < 1 || o.lives < 1:
		return o, errors.New("numbers must be at least 1")
	case len(o.measurements()) == 0:
		return o, errors.New("no measurement matches -only: see -list")
	}
	return o, nil
}

func (o *options) bind(stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.only = regexp.MustCompile("")
	flags.BoolVar(&o.small, "small", false, "see that everything works, in less than 4 minutes")
	flags.BoolVar(&o.list, "list", false, "name the measurements and end")
	flags.Func("only", "a regular expression that the name of a measurement must match", func(s string) error {
		var err error
		o.only, err = regexp.Compile(s)
		return err
	})
	flags.IntVar(&o.clients, "clients", o.clients, "for how many clients rates are measured")
	flags.IntVar(&o.applied, "applied", o.applied, "how many clients a storm is made of")
	flags.Var(&o.sizes, "sizes", "for how many clients memory, restarts and growth are measured, as in 1000,10000,100000")
	flags.IntVar(&o.foreign, "foreign", o.foreign, "how many Secrets of 10 kB there are that no EgainClient names")
	flags.IntVar(&o.repeats, "repeats", o.repeats, "how often what varies is measured")
	flags.DurationVar(&o.window, "window", o.window, "how long a rate is measured")
	flags.DurationVar(&o.delay, "delay", 20*time.Millisecond, "how long the simulated eGain takes to answer")
	flags.IntVar(&o.lives, "lives", o.lives, "over how many lives of tokens memory must not grow")
	flags.StringVar(&o.profiles, "profiles", "", "a directory to write profiles of the operator to (default: none are made)")
	flags.StringVar(&o.binaries, "bin", "bin", "the directory of the binaries egain-operator and egainsim")
	flags.StringVar(&o.logs, "logs", "", "a directory to keep the logs of all programs in (default: they are removed)")
	flags.StringVar(&o.output, "output", "", "a directory to write the report and the plots to (default: none is written)")
	return flags
}

// run measures, or names the measurements, and reports whether nothing was wrong.
func run(ctx context.Context, o options) (correct bool, err error) {
	if o.list {
		for _, m := range o.measurements() {
			_, _ = fmt.Println(m.name + ": " + m.what)
		}
		return true, nil
	}
	// The logs of envtest and client-go are no measurements.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	return newHarness(o, os.Stdout).run(ctx)
}
