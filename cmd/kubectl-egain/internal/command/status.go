package command

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/report"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
)

// status is the command line of kubectl egain status.
type status struct {
	env           *environment
	output        *genericclioptions.PrintFlags
	selector      string
	allNamespaces bool
	watch         bool
}

func newStatusCommand(env *environment) *cobra.Command {
	s := &status{env: env, output: genericclioptions.NewPrintFlags("").WithTypeSetter(newScheme())}
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "List EgainClients, or describe one",
		Long: `List EgainClients with the time left of their tokens. With a NAME, describe that EgainClient: its credentials, token, target,
conditions, events and the workloads that use its token.

Rows are sorted by namespace and name, and problems are coloured. The bar shows the time left of the token's lifetime. No value
of a Secret is shown.

LAST PROBLEM is the operator's reason, or one of the plugin's own: NotSeenByOperator and RenewalOverdue mean that the operator
does not run, or does not watch the namespace.`,
		Example: `  kubectl egain status
  kubectl egain status -A --watch
  kubectl egain status knowledge-sync
  kubectl egain status -l team=search -o wide`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	s.output.AddFlags(cmd)
	cmd.Flags().Lookup("output").Usage = "Output format. One of: (wide, " + strings.Join(s.output.AllowedFormats(), ", ") + ")."
	cmd.Flags().StringVarP(&s.selector, "selector", "l", "", "label selector of the EgainClients, as in kubectl get")
	cmd.Flags().BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "list the EgainClients of all namespaces")
	cmd.Flags().BoolVarP(&s.watch, "watch", "w", false, "watch for changes until interrupted")
	return cmd
}

func (s *status) run(ctx context.Context, args []string) error {
	if len(args) > 0 && (s.allNamespaces || s.selector != "") {
		return usagef("a NAME selects one EgainClient: omit --all-namespaces and --selector")
	}
	printer, err := s.printer()
	if err != nil {
		return err
	}
	switch {
	case s.watch:
		return s.follow(ctx, args, printer)
	case len(args) > 0:
		return s.one(ctx, args[0], printer)
	default:
		return s.list(ctx, printer)
	}
}

// printer is that of -o, nil for tables.
func (s *status) printer() (printers.ResourcePrinter, error) {
	if format := *s.output.OutputFormat; format == "wide" || format == "" && *s.output.TemplatePrinterFlags.TemplateArgument == "" {
		return nil, nil
	}
	printer, err := s.output.ToPrinter()
	if err != nil {
		return nil, usageError{err}
	}
	return printer, nil
}

func (s *status) options() report.Options {
	return report.Options{Style: s.env.screen.style, Namespaces: s.allNamespaces, Wide: *s.output.OutputFormat == "wide"}
}

func (s *status) list(ctx context.Context, printer printers.ResourcePrinter) error {
	list, err := listClients(ctx, s.env, s.selector, s.allNamespaces)
	if err != nil {
		return err
	}
	if printer != nil {
		return s.printObjects(list, printer)
	}
	if len(list.Items) == 0 {
		return s.sayNone()
	}
	s.print(s.table(list.Items, s.env.clock.Now()))
	return nil
}

// sayNone is no error, as with kubectl get.
func (s *status) sayNone() error {
	where := "in any namespace"
	if !s.allNamespaces {
		namespace, err := s.env.namespace()
		if err != nil {
			return err
		}
		where = "in namespace " + namespace
	}
	s.env.notef("No EgainClients found %s.\n", where)
	return nil
}

func (s *status) one(ctx context.Context, name string, printer printers.ResourcePrinter) error {
	ec, err := s.env.egainClient(ctx, name)
	if err != nil {
		return err
	}
	if printer != nil {
		return printer.PrintObj(ec, s.env.Out)
	}
	facts, err := gatherFacts(ctx, s.env, ec)
	if err != nil {
		return err
	}
	s.print(s.story(facts, s.env.clock.Now()))
	return nil
}

func (s *status) story(facts *report.Facts, now time.Time) []string {
	return s.env.screen.style.Sections(report.Story(facts, s.env.screen.style, now))
}

// table lays out rows; on a terminal they keep within its width.
func (s *status) table(clients []egainv1alpha1.EgainClient, now time.Time) []string {
	table := view.Table{Header: report.Header(s.options())}
	for i := range clients {
		table.Rows = append(table.Rows, report.Row(&clients[i], s.options(), now))
	}
	width, _ := s.env.screen.size()
	if s.options().Wide {
		width = 0 // who asks for the messages wants all of them
	}
	return s.env.screen.style.Lines(table, width)
}

func (s *status) print(lines []string) {
	s.env.printf("%s\n", strings.Join(lines, "\n"))
}

// printObjects prints a list as one object, or as one after the other if only their names are asked for.
func (s *status) printObjects(list *egainv1alpha1.EgainClientList, printer printers.ResourcePrinter) error {
	for i := range list.Items {
		// The API server leaves the kind out of lists.
		list.Items[i].SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	}
	if *s.output.OutputFormat != "name" {
		return printer.PrintObj(list, s.env.Out)
	}
	for i := range list.Items {
		if err := printer.PrintObj(&list.Items[i], s.env.Out); err != nil {
			return err
		}
	}
	return nil
}
