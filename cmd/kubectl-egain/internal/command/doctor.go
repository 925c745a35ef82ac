package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/doctor"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/workload"
)

// examine is the command line of kubectl egain doctor.
type examine struct {
	env       *environment
	output    string
	path      string
	noRequest bool
}

func newDoctorCommand(env *environment) *cobra.Command {
	e := &examine{env: env}
	cmd := &cobra.Command{
		Use:   "doctor NAME",
		Short: "Find out where the chain to a working token breaks, and what to do",
		Long: `Check every link of the chain from an EgainClient to the workloads that use its token, in order: the object, its tenant and
Secrets, the documents of the tenant (the address, then the metadata, then the endpoints of the flow's actor), the way to eGain,
a token request, the target, the operator, the API. The first that is broken is marked, and what depends on it is left out. The
exit code is 1 if one is broken.

The token request is a dry run: it is sent with the client's credentials, shown with its secrets masked, and its token is revoked
at once if the tenant has an endpoint for that. If its scopes are refused, it is sent again, with the other spelling of their
prefix (with or without https://), for ClientCredentials and AnonymousCustomer. It is never sent for flow AuthorizationCode, whose
refresh token serves once. Checks of the network are made from this machine, which may see other names and proxies than the
cluster.

The API is called with the token in the target Secret: GET at --path, or at the root of the API, where nothing need exist. Only an
answer that depends on the token shows that it is accepted. Name a path that needs a token to find out.

The operator's flags are looked at first. What they refuse is not sent: nothing for a tenant in the spec under
--require-tenant-ref, nothing to a host that is not in --allowed-hosts, nothing to loopback and private addresses unless they
allow it. Flags that cannot be read count as the strictest.`,
		Example: `  kubectl egain doctor knowledge-sync
  kubectl egain doctor knowledge-sync --path '/knowledge/portalmgr/v4/portals?$lang=en-US'
  kubectl egain doctor knowledge-sync --no-request -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVarP(&e.output, "output", "o", "", "json or yaml, for programs")
	cmd.Flags().StringVar(&e.path, "path", "/", "the path of the API to call with the token in the target Secret")
	env.addRulesFlag(cmd.Flags())
	cmd.Flags().BoolVar(&e.noRequest, "no-request", false, "do not ask eGain for a token")
	return cmd
}

func (x *examine) run(ctx context.Context, name string) error {
	if !slices.Contains([]string{"", "json", "yaml"}, x.output) {
		return usagef("-o %s is not an output of this command: give json or yaml", x.output)
	}
	path, err := url.Parse(x.path)
	if err != nil || !isPath(path) || !strings.HasPrefix(path.Path, "/") {
		return usagef("--path %q is not a path of the API: give one such as /knowledge/portalmgr/v4/portals", x.path)
	}
	namespace, err := x.env.namespace()
	if err != nil {
		return err
	}
	c, err := x.env.cluster()
	if err != nil {
		return err
	}
	r := x.env.rules(ctx, namespace)
	maker := func(r rules) doctor.HTTPMaker {
		return func(tenant string, bundle []byte, timeout time.Duration) (*http.Client, error) {
			return x.env.http(r, tenant, bundle, timeout)
		}
	}
	report := doctor.Examine(ctx, doctor.Patient{
		Namespace: namespace, Name: name, Cluster: c, HTTP: maker(r), API: maker(r.forAPI()), Clock: x.env.clock, Path: path, NoRequest: x.noRequest,
		Installation: r.found, RulesSkipped: r.skipped,
		Workloads: func(ctx context.Context, namespace, secret string) ([]workload.Use, []string) {
			objects, unread := workloadsOf(ctx, c, namespace)
			return workload.Of(secret, objects), unread
		},
	})
	if err := x.print(&report); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: not every check was made")
	}
	return breakOf(&report)
}

func (x *examine) print(report *doctor.Report) error {
	var encode func(any) ([]byte, error)
	switch x.output {
	case "json":
		encode = func(v any) ([]byte, error) { return json.MarshalIndent(v, "", "  ") }
	case "yaml":
		encode = yaml.Marshal
	default:
		for _, line := range x.env.screen.style.Checklist(itemsOf(report)) {
			x.env.printf("%s\n", line)
		}
		return nil
	}
	encoded, err := encode(report)
	x.env.encoded(string(encoded) + "\n")
	return err
}

var marks = map[doctor.Status]view.Mark{
	doctor.OK: view.Tick, doctor.Warning: view.Notice, doctor.Broken: view.Cross, doctor.Skipped: view.Dash,
}

func itemsOf(report *doctor.Report) []view.Item {
	items := make([]view.Item, len(report.Findings))
	for i, f := range report.Findings {
		items[i] = view.Item{
			Mark: marks[f.Status], Title: f.Check, Text: f.Message, Next: f.Advice, Details: f.Details, Here: f.Check == report.Break,
		}
	}
	return items
}

// breakOf is an error if the chain is broken.
func breakOf(report *doctor.Report) error {
	for _, f := range report.Findings {
		if f.Check == report.Break {
			return advise(fmt.Errorf("the chain breaks at %s: %s", f.Check, f.Message), f.Advice)
		}
	}
	return nil
}
