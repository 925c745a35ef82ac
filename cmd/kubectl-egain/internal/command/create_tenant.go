package command

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
	"github.com/egain-operator/egain-operator/internal/issuance"
)

// createTenant is the command line of kubectl egain create tenant.
type createTenant struct {
	creation
	tenant   manifest.Tenant
	location locationFlags
}

func newCreateTenantCommand(env *environment) *cobra.Command {
	c := &createTenant{creation: creation{env: env}}
	c.location.Location = &c.tenant.Location
	cmd := &cobra.Command{
		Use:     "tenant NAME",
		Aliases: []string{"egaintenant", "egt"},
		Short:   "Create an EgainTenant, or print its manifest",
		Long: `Create an EgainTenant, which describes an eGain tenant once for the EgainClients of the whole cluster. It is checked by the
rules of the API before anything is written. With --dry-run=client -o yaml the manifest is printed.`,
		Example: `  kubectl egain create tenant production --from-metadata https://login.example.com/metadata --allow-namespace team-a,team-b
  kubectl egain create tenant sandbox --tenant-id TMPRODB88619984 --allow-scope 'knowledge.*' --dry-run=client -o yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.tenant.Name = args[0]
			return c.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	c.location.addFlags(flags)
	flags.StringVar(&c.tenant.CABundleNamespace, "ca-bundle-namespace", "", "namespace of the CA bundle; default: that of --namespace")
	flags.StringArrayVar(&c.tenant.AllowedNamespaces, "allow-namespace", nil, "`namespaces` whose EgainClients may use the tenant, separated by commas; may be repeated; default: all")
	flags.StringVar(&c.tenant.NamespaceSelector, "namespace-selector", "", "selector of further namespaces by their labels")
	flags.StringArrayVar(&c.tenant.AllowedScopes, "allow-scope", nil, "`scopes` that EgainClients may ask for, or their beginnings and '*', separated by commas; may be repeated; default: all")
	flags.Int32Var(&c.tenant.ConcurrentRequests, "concurrent", 0, "token requests under way at a time, of all EgainClients together; default: what the operator allows for each host")
	flags.Int32Var(&c.tenant.RequestsPerSecond, "per-second", 0, "token requests begun in a second, of all EgainClients together; default: no limit")
	c.addFlags(cmd)
	return cmd
}

func (c *createTenant) run(ctx context.Context) error {
	if err := c.validate(); err != nil {
		return err
	}
	if c.tenant.CABundle != "" && c.tenant.CABundleNamespace == "" {
		namespace, err := c.env.namespace()
		if err != nil {
			return err
		}
		c.tenant.CABundleNamespace = namespace
	}
	if err := c.discover(ctx); err != nil {
		return err
	}
	et, err := c.tenant.Build()
	object, err := encode(manifest.TenantSchema(), et, err)
	if err != nil {
		return err
	}
	return c.emit(ctx, manifest.TenantSchema(), object)
}

// discover reads the document of --from-metadata, if there is one, and says which flows it serves.
func (c *createTenant) discover(ctx context.Context) error {
	document, err := c.env.readMetadata(ctx, &c.location)
	if err != nil || document == nil {
		return err
	}
	et, err := c.tenant.Build()
	if err != nil {
		return usageError{err}
	}
	flows := resolvable(issuance.Shared(et).OAuth(), document)
	if len(flows) == 0 {
		return advise(errors.New("the metadata document names no token URL for any flow"), "give the endpoints with --token-url and --api-url")
	}
	names := make([]string, len(flows))
	for i, flow := range flows {
		names[i] = string(flow)
	}
	c.env.notef("That serves these flows: %s\n", strings.Join(names, ", "))
	return nil
}
