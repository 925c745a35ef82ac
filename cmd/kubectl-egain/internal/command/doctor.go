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
		Short: "Check every step from an EgainClient to a working token",
		Long: `Check every step from an EgainClient to the workloads that use its token, in order: the object, its tenant and Secrets, the
tenant's documents and endpoints, the network, a token request, the operator, the target and the API. The first failed check is
marked, and the checks that depend on it are skipped. The exit code is 1 if a check fails.

The token request uses the client's credentials. It is shown with its secrets masked, and its token is revoked if the tenant has a
revocation endpoint. If eGain refuses the scopes for ClientCredentials or AnonymousCustomer, the request is repeated with the
other spelling of the scope prefix (with or without https://). No request is sent for flow AuthorizationCode, since a refresh token
works once. Network checks run on this machine, whose DNS and proxies may differ from the cluster's.

The API check sends GET with the token in the target Secret to --path. The default path / may not exist: pass one that requires a
token to see whether the API accepts it.

Requests that the operator's flags forbid are not sent: for a tenant in spec.tenant under --require-tenant-ref, to a host that
--allowed-hosts does not list, or to loopback and private addresses. If the flags cannot be read, the strictest are assumed.`,
		Example: `  kubectl egain doctor knowledge-sync
  kubectl egain doctor knowledge-sync --path '/knowledge/portalmgr/v4/portals?$lang=en-US'
  kubectl egain doctor knowledge-sync --no-request -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVarP(&e.output, "output", "o", "", "Output format. One of: (json, yaml).")
	cmd.Flags().StringVar(&e.path, "path", "/", "API path to call with the token in the target Secret")
	env.addRulesFlag(cmd.Flags())
	cmd.Flags().BoolVar(&e.noRequest, "no-request", false, "send no token request to eGain")
	return cmd
}

func (x *examine) run(ctx context.Context, name string) error {
	if !slices.Contains([]string{"", "json", "yaml"}, x.output) {
		return usagef("unknown output format %q: use json or yaml", x.output)
	}
	path, err := url.Parse(x.path)
	if err != nil || !isPath(path) || !strings.HasPrefix(path.Path, "/") {
		return usagef("--path %q is not an API path: use one such as /knowledge/portalmgr/v4/portals", x.path)
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
		return errors.New("interrupted before all checks ran")
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
			return advise(fmt.Errorf("check %s failed: %s", f.Check, f.Message), f.Advice)
		}
	}
	return nil
}
