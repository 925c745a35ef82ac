package command

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/egain-operator/egain-operator/internal/plain"
)

// completer is the name by which kubectl runs a plugin to complete its arguments.
const completer = "kubectl_complete-egain"

// Run runs the command line of a process and returns its exit code: 0, 1 for a failure, or 2 for a command line that makes no
// sense. A process called kubectl_complete-egain completes the command line instead.
func Run(ctx context.Context, argv []string, streams genericiooptions.IOStreams) int {
	args := argv[1:]
	if name := filepath.Base(argv[0]); strings.TrimSuffix(name, filepath.Ext(name)) == completer {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	return run(ctx, newEnvironment(streams), args)
}

func run(ctx context.Context, env *environment, args []string) int {
	root := newRootCommand(env) //nolint:contextcheck // cobra hands the context on to the commands
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		// What comes from the cluster may hold control sequences.
		env.notef("error: %s\nnext:  %s\n", plain.Text(err.Error()), plain.Text(advice(err, cmd.CommandPath())))
	}
	return exitCode(err)
}

// newRootCommand returns the command that all others are below.
func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:         "kubectl-egain",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl egain"},
		Short:       "List, renew and use the eGain tokens of EgainClients",
		Long: `List, renew and use the eGain tokens of EgainClients.

The plugin reads the cluster, so the operator does not have to run. Colours and bars appear on terminals only; NO_COLOR turns
colours off. For kubectl to complete arguments, link this program as kubectl_complete-egain in PATH.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// A letter that is missing, wrong or too many, or two that are swapped.
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE:                       showHelp,
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.ErrOut)
	env.config.AddFlags(root.PersistentFlags())
	nameValue(root.PersistentFlags(), "as-group", "Group")
	nameValue(root.PersistentFlags(), "as-user-extra", "extras")
	env.completeConfig(root)
	root.AddCommand(
		newCreateCommand(env),
		newImportCommand(env),
		newStatusCommand(env),
		newRenewCommand(env),
		newSuspendCommand(env),
		newResumeCommand(env),
		newTokenCommand(env),
		newCallCommand(env),
		newLoginCommand(env),
		newRevokeCommand(env),
		newDoctorCommand(env),
		newVersionCommand(env),
	)
	markRuns(root)
	return root
}

// nameValue has the help call the values of a flag of kubectl by a word of its usage, rather than by a type of Go.
func nameValue(flags *pflag.FlagSet, name, word string) {
	flag := flags.Lookup(name)
	flag.Usage = strings.Replace(flag.Usage, word, "`"+word+"`", 1)
}

// showHelp is what the root does when no command below it is named.
func showHelp(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	err := usagef("unknown command %q", args[0])
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		return advise(err, "did you mean "+strings.Join(similar, " or ")+"?")
	}
	return err
}

// markRuns tells the errors of commands from those of their command lines, which cobra returns alike.
func markRuns(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		markRuns(sub)
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return ranError{err}
			}
			return nil
		}
	}
}
