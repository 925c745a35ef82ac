package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// selection is which EgainClients a command changes: those of some names, of a label selector, or all.
type selection struct {
	selector      string
	all           bool
	allNamespaces bool
}

func (s *selection) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.selector, "selector", "l", "", "label selector of the EgainClients, as in kubectl get")
	cmd.Flags().BoolVar(&s.all, "all", false, "select all EgainClients of the namespace")
	cmd.Flags().BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "with --selector or --all: select from all namespaces")
}

// validate wants exactly one way to say which.
func (s *selection) validate(names []string) error {
	ways := 0
	for _, given := range []bool{len(names) > 0, s.selector != "", s.all} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0:
		return usagef("pass the NAMEs of EgainClients, --selector or --all")
	case ways > 1:
		return usagef("pass only one of NAMEs, --selector and --all")
	case s.allNamespaces && len(names) > 0:
		return usagef("a NAME needs a namespace: pass -n, not --all-namespaces")
	default:
		return nil
	}
}

// list reads the selected EgainClients, in the order of the names or, for the other ways, of namespace and name. None at all is
// an error.
func (s *selection) list(ctx context.Context, env *environment, names []string) ([]egainv1alpha1.EgainClient, error) {
	if err := s.validate(names); err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return env.egainClients(ctx, names)
	}
	found, err := listClients(ctx, env, s.selector, s.allNamespaces)
	if err == nil && len(found.Items) == 0 {
		return nil, advise(fmt.Errorf("no EgainClients found%s", s.scope()), "list EgainClients with kubectl egain status -A")
	}
	return found.Items, err
}

func (s *selection) scope() string {
	where := " in the namespace"
	if s.allNamespaces {
		where = " in any namespace"
	}
	if s.selector == "" {
		return where
	}
	return fmt.Sprintf(" with selector %q", s.selector) + where
}

// label names an EgainClient in what a command prints, with its namespace where there may be several.
func (s *selection) label(ec *egainv1alpha1.EgainClient) string {
	if s.allNamespaces {
		return "egainclient/" + ec.Name + " in " + ec.Namespace
	}
	return "egainclient/" + ec.Name
}

func (e *environment) egainClients(ctx context.Context, names []string) ([]egainv1alpha1.EgainClient, error) {
	found := make([]egainv1alpha1.EgainClient, 0, len(names))
	for _, name := range names {
		ec, err := e.egainClient(ctx, name)
		if err != nil {
			return nil, err
		}
		found = append(found, *ec)
	}
	return found, nil
}

// listClients lists EgainClients by namespace and name.
func listClients(ctx context.Context, env *environment, selector string, allNamespaces bool) (*egainv1alpha1.EgainClientList, error) {
	list := &egainv1alpha1.EgainClientList{}
	opts, err := listOptions(env, selector, allNamespaces)
	if err != nil {
		return list, err
	}
	c, err := env.cluster()
	if err != nil {
		return list, err
	}
	if err := c.List(ctx, list, opts); err != nil {
		return list, err
	}
	slices.SortFunc(list.Items, byName)
	return list, nil
}

func byName(a, b egainv1alpha1.EgainClient) int {
	if byNamespace := strings.Compare(a.Namespace, b.Namespace); byNamespace != 0 {
		return byNamespace
	}
	return strings.Compare(a.Name, b.Name)
}

func listOptions(env *environment, selector string, allNamespaces bool) (*client.ListOptions, error) {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return nil, usagef("parsing the selector %q: %w", selector, err)
	}
	opts := &client.ListOptions{LabelSelector: parsed}
	if !allNamespaces {
		opts.Namespace, err = env.namespace()
	}
	return opts, err
}
