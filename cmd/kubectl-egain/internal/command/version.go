package command

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/egain-operator/egain-operator/internal/transport"
)

func newVersionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version of the plugin",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			env.printf("kubectl-egain %s (%s, %s/%s)\n", transport.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
