package command

import (
	"context"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/request"
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
		Long: `Create an EgainTenant, which defines an eGain tenant for the EgainClients of the whole cluster. The object is validated before it
is written. With --dry-run=client -o yaml the manifest is printed.

--url needs only the address at which people open eGain. The command reads eGain's documents, shows the endpoints of each actor,
and lists the flows that work. The manifest contains the address only: the operator discovers the endpoints itself.

A document may name a host of another site, such as acmeint.b2clogin.com. The operator refuses it unless spec.trustedHosts lists
it, so the command asks about each such host. Without a terminal it fails and lists the --trust-host flags to pass.`,
		Example: `  kubectl egain create tenant acme --url https://acme.egain.cloud
  kubectl egain create tenant acme --url https://acme.egain.cloud --trust-host acmeint.b2clogin.com --dry-run=client -o yaml
  kubectl egain create tenant production --from-metadata https://login.example.com/metadata --allow-namespace team-a,team-b
  kubectl egain create tenant sandbox --tenant-id TMPRODB88619984 --allow-scope 'knowledge.*' --dry-run=client -o yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.tenant.Name = args[0]
			return c.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.tenant.URL, "url", "", "address at which people open your eGain, such as https://acme.egain.cloud; endpoints are discovered from it")
	flags.StringArrayVar(&c.tenant.TrustedHosts, "trust-host", nil, "`hosts` of other sites that eGain's documents may name (spec.trustedHosts), separated by commas; may be repeated")
	c.location.addFlags(flags, "--url and --from-metadata")
	flags.StringVar(&c.tenant.CABundleNamespace, "ca-bundle-namespace", "", "namespace of the CA bundle; default: that of --namespace")
	flags.StringArrayVar(&c.tenant.AllowedNamespaces, "allow-namespace", nil, "`namespaces` that may use the tenant, separated by commas; may be repeated; default: all")
	flags.StringVar(&c.tenant.NamespaceSelector, "namespace-selector", "", "label selector of more namespaces that may use the tenant")
	flags.StringArrayVar(&c.tenant.AllowedScopes, "allow-scope", nil, "`scopes` that EgainClients may request, or prefixes that end in '*', separated by commas; may be repeated; default: all")
	flags.Int32Var(&c.tenant.ConcurrentRequests, "concurrent", 0, "concurrent token requests of all EgainClients; default: the operator's limit for each host")
	flags.Int32Var(&c.tenant.RequestsPerSecond, "per-second", 0, "token requests per second of all EgainClients; default: no limit")
	env.addRulesFlag(flags)
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
	if err := c.explore(ctx); err != nil {
		return err
	}
	object, err := c.build()
	if err != nil {
		return err
	}
	return c.emit(ctx, manifest.TenantSchema(), object)
}

func (c *createTenant) build() (*unstructured.Unstructured, error) {
	et, err := c.tenant.Build()
	return encode(manifest.TenantSchema(), et, err)
}

// explore asks eGain what --url or --from-metadata lead to. What is found is not kept, since the operator finds it by itself;
// the hosts that the user trusts are.
func (c *createTenant) explore(ctx context.Context) error {
	if err := c.settleURL(); err != nil {
		return err
	}
	read, err := c.location.settle(c.tenant.URL != "")
	if err != nil || (c.tenant.URL == "" && !read) {
		return err
	}
	bundle, err := c.location.bundle()
	if err != nil {
		return err
	}
	// No question is asked for a manifest that the API would not accept.
	object, err := c.build()
	if err != nil {
		return err
	}
	if errs := manifest.TenantSchema().Check(ctx, object); len(errs) > 0 {
		return invalid(object, errs)
	}
	et, err := c.tenant.Build()
	if err != nil {
		return err
	}
	agreed, err := c.env.explore(ctx, c.env.creationRules(ctx, ""), et.Name, request.Shared(et).OAuth(), bundle)
	c.tenant.TrustedHosts = append(c.tenant.TrustedHosts, agreed...)
	return err
}

// settleURL makes the address of --url: people paste what the address bar shows.
func (c *createTenant) settleURL() error {
	if c.tenant.URL == "" {
		return nil
	}
	raw := strings.TrimSpace(c.tenant.URL)
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return advise(usagef("--url is not an address"), "pass the address at which people open eGain, such as https://acme.egain.cloud")
	case u.Scheme != "https":
		return advise(usagef("--url must start with https://, not %s://", u.Scheme), "pass --url https://"+u.Host)
	case u.User != nil:
		return advise(usagef("--url must not contain a user name"), "pass --url https://"+u.Host)
	}
	c.tenant.URL = "https://" + strings.ToLower(u.Host)
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		c.env.notef("Using only the scheme and host of --url: %s\n", view.OneLine(c.tenant.URL))
	}
	return nil
}
