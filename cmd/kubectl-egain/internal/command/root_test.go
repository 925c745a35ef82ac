package command

import (
	"regexp"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestTheHelpNamesValuesAndNoTypesOfGo(t *testing.T) {
	t.Parallel()
	camel := regexp.MustCompile("[a-z][A-Z]") // as stringArray
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		check := func(flag *pflag.Flag) {
			name, _ := pflag.UnquoteUsage(flag)
			if camel.MatchString(name) {
				t.Errorf("%s: the help shows --%s %s", cmd.CommandPath(), flag.Name, name)
			}
		}
		cmd.PersistentFlags().VisitAll(check)
		cmd.Flags().VisitAll(check)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand(newEnvironment(genericiooptions.NewTestIOStreamsDiscard())))
}
