package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/dotenv"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// createClient is the command line of kubectl egain create client.
type createClient struct {
	creation
	client      manifest.Client
	location    locationFlags
	envFile     string
	interactive bool

	// prompter asks, if it is interactive.
	prompter *prompter
	// document is what --from-metadata read, by the rules.
	document *oauth.Metadata
	rules    *rules
	// file is what --from-env-file read.
	file *dotenv.File
}

func newCreateClientCommand(env *environment) *cobra.Command {
	c := &createClient{creation: creation{env: env}}
	c.location.Location = &c.client.Location
	spec := pflag.NewFlagSet("spec", pflag.ContinueOnError)
	cmd := &cobra.Command{
		Use:     "client NAME",
		Aliases: []string{"egainclient", "egc"},
		Short:   "Create an EgainClient, or print its manifest",
		Long: `Create an EgainClient from flags, a metadata document, an .env file, or answers to questions. Questions are asked without flags, or
with --interactive. The object is validated before it is written. With --dry-run=client -o yaml the manifest is printed; it never
contains a secret, and omits fields with default values.

An .env file may contain EGAIN_CLIENT_ID, EGAIN_CLIENT_SECRET, EGAIN_TENANT_ID, EGAIN_METADATA_URL, EGAIN_TOKEN_URL, EGAIN_API_URL
and EGAIN_SCOPES (or EGAIN_SCOPE). These names are this command's own, not eGain's. The credentials do not go into the manifest;
the command prints how to create the Secret that the manifest refers to. Flags override the file.

A document of --from-metadata may name a host of another site. The operator sends no credentials there unless the spec contains the
URL, so the command asks about each such host and puts its URLs into the manifest. Without a terminal it fails and lists the flags
to pass. Requests that the operator's flags forbid are not sent.`,
		Example: `  kubectl egain create client knowledge-sync --tenant-ref production --credentials egain-app --scope knowledge.portalmgr.manage
  kubectl egain create client knowledge-sync --from-env-file .env --dry-run=client -o yaml > knowledge-sync.yaml
  kubectl egain create client knowledge-sync --tenant-ref production --application default --scope knowledge.portalmgr.manage
  kubectl egain create client agent --tenant-ref production --credentials egain-app --on-behalf-of-username agent.smith --scope core.aiservices.read
  kubectl egain create client`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.client.Name = strings.Join(args, "")
			c.interactive = c.interactive || (!anyChanged(spec) && env.answers)
			return c.run(cmd.Context())
		},
	}
	c.addSpecFlags(spec)
	cmd.Flags().AddFlagSet(spec)
	cmd.Flags().BoolVarP(&c.interactive, "interactive", "i", false, "ask for values that no flag sets")
	env.addRulesFlag(cmd.Flags())
	c.addFlags(cmd)
	c.completeFlags(cmd)
	return cmd
}

func (c *createClient) addSpecFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.client.Flow, "flow", "", "flow of the token; default: the flow that the other flags belong to, or ClientCredentials")
	flags.StringVar(&c.client.TenantRef, "tenant-ref", "", "EgainTenant that issues the tokens")
	flags.StringVar(&c.client.Application, "application", "", "application of the EgainTenant to use instead of --credentials; needs --tenant-ref")
	c.location.addFlags(flags, "--from-metadata")
	flags.StringVar(&c.client.Credentials, "credentials", "", "SECRET or SECRET:ID_KEY:SECRET_KEY with the client id and the client secret; the keys default to client_id and client_secret")
	flags.StringArrayVar(&c.client.Scopes, "scope", nil, "`scopes` to request, separated by commas or spaces; may be repeated")
	flags.StringVar(&c.envFile, "from-env-file", "", ".env file of the client application (see above)")
	flags.StringToStringVar(&c.client.Parameters, "parameter", nil, "`NAME=VALUE`, an extra parameter of the token request; may be repeated")
	// Not --as-…, since kubectl's own --as, --as-uid and --as-group say who talks to the API server.
	flags.StringVar(&c.client.OnBehalfOf.Username, "on-behalf-of-username", "", "user to act for (flow OnBehalfOf)")
	flags.StringVar(&c.client.OnBehalfOf.UserID, "on-behalf-of-user-id", "", "id of a user to act for (flow OnBehalfOf)")
	flags.StringVar(&c.client.OnBehalfOf.Email, "on-behalf-of-email", "", "customer to act for (flow OnBehalfOf)")
	c.addExchangeFlags(flags)
	flags.StringVar(&c.client.Session.Actor, "actor", "", "who logs in (flow AuthorizationCode): User or Customer")
	flags.StringVar(&c.client.Session.Secret, "session", "", "Secret that keeps the session (flow AuthorizationCode); default: NAME-session")
	flags.StringVar(&c.client.Session.RedirectURL, "redirect-url", "", "redirect URL of the login, as registered at eGain (flow AuthorizationCode)")
	flags.StringToStringVar(&c.client.LoginParameters, "login-parameter", nil, "`NAME=VALUE`, an extra parameter of the login, such as prompt=consent (flow AuthorizationCode); may be repeated")
	flags.StringVar(&c.client.Target.Secret, "target", "", "Secret for the token; default: NAME")
	flags.StringVar(&c.client.Target.CreationPolicy, "creation-policy", "", "Owner to create that Secret, or Merge to add keys to an existing one")
	flags.StringVar(&c.client.Target.DeletionPolicy, "deletion-policy", "", "Delete or Retain that Secret when the EgainClient is deleted")
	flags.StringVar(&c.client.Target.Type, "type", "", "type of that Secret")
	flags.StringArrayVar(&c.client.Target.EnvVars, "env-var", nil,
		"`NAME[=FIELD]`, an extra key for envFrom, such as EGAIN_ACCESS_TOKEN or EGAIN_API_URL=APIURL; fields: "+strings.Join(manifest.Fields, ", ")+"; may be repeated")
	flags.Int32Var(&c.client.RenewPercent, "renew-percent", 0, "percent of the token's lifetime after which it is renewed, 50 to 90")
	flags.DurationVar(&c.client.RenewBefore, "renew-before", 0, "how long before its expiry the token is renewed, 5s to 720h")
	flags.BoolVar(&c.client.RevokeOnDelete, "revoke-on-delete", false, "revoke the token when the EgainClient is deleted")
	flags.BoolVar(&c.client.Suspend, "suspend", false, "request no token until kubectl egain resume")
}

func (c *createClient) addExchangeFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.client.Exchange.RegistrationID, "registration-id", "", "registration of the identity provider at eGain (flow TokenExchange)")
	flags.StringVar(&c.client.Exchange.SubjectTokenType, "subject-token-type", "", "type of the subject token (flow TokenExchange)")
	flags.StringVar(&c.client.Exchange.Secret, "subject-secret", "", "SECRET:KEY of the subject token (flow TokenExchange)")
	flags.StringVar(&c.client.Exchange.ServiceAccount, "subject-service-account", "", "ServiceAccount for which a subject token is minted (flow TokenExchange)")
	flags.StringVar(&c.client.Exchange.Audience, "subject-audience", "", "audience of the minted token, with --subject-service-account")
	flags.DurationVar(&c.client.Exchange.Life, "subject-life", 0, "lifetime of the minted token, with --subject-service-account: 10m to 24h")
	flags.StringVar(&c.client.Exchange.Client, "subject-client", "", "EgainClient whose token is the subject token (flow TokenExchange)")
}

func (c *createClient) completeFlags(cmd *cobra.Command) {
	flows := make([]string, 0, len(manifest.Flows))
	for _, flow := range manifest.Flows {
		flows = append(flows, string(flow))
	}
	complete(cmd, "flow", flows...)
	complete(cmd, "actor", string(egainv1alpha1.ActorUser), string(egainv1alpha1.ActorCustomer))
	complete(cmd, "creation-policy", string(egainv1alpha1.CreationPolicyOwner), string(egainv1alpha1.CreationPolicyMerge))
	complete(cmd, "deletion-policy", string(egainv1alpha1.DeletionPolicyDelete), string(egainv1alpha1.DeletionPolicyRetain))
}

func anyChanged(flags *pflag.FlagSet) bool {
	changed := false
	flags.VisitAll(func(flag *pflag.Flag) { changed = changed || flag.Changed })
	return changed
}

// isTerminal tells whether a stream is one that a user sits at.
func isTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

func (c *createClient) run(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if c.interactive {
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	if _, err := c.build(); err != nil {
		return err
	}
	if err := c.resolve(ctx); err != nil {
		return err
	}
	object, err := c.build() // again, since the user may have agreed to hosts
	if err != nil {
		return err
	}
	if c.interactive {
		if agreed, err := c.agree(ctx, object); err != nil || !agreed {
			return err
		}
	}
	if err := c.emit(ctx, manifest.ClientSchema(), object); err != nil {
		return err
	}
	c.advise()
	return nil
}

// prepare reads what the flags name.
func (c *createClient) prepare(ctx context.Context) error {
	var err error
	if err = c.validate(); err != nil {
		return err
	}
	if c.client.Namespace, err = c.env.manifestNamespace(); err != nil {
		return err
	}
	if c.interactive {
		c.prompter = newPrompter(c.env)
		if err := c.askName(ctx); err != nil {
			return err
		}
	}
	if c.envFile != "" {
		if err := c.readEnvFile(); err != nil {
			return err
		}
	}
	return c.readMetadata(ctx)
}

// readMetadata reads the document of --from-metadata, if there is one.
func (c *createClient) readMetadata(ctx context.Context) error {
	read, err := c.location.settle(false)
	if err != nil || !read {
		return err
	}
	bundle, err := c.location.bundle()
	if err != nil {
		return err
	}
	return c.discover(ctx, c.location.MetadataURL, bundle)
}

// discover reads a metadata document, by the rules of the operator of the namespace.
func (c *createClient) discover(ctx context.Context, url string, bundle []byte) error {
	if c.rules == nil {
		namespace, err := c.env.namespace()
		if err != nil {
			namespace = c.client.Namespace // a manifest needs no kubeconfig
		}
		r := c.env.creationRules(ctx, namespace)
		c.rules = &r
	}
	document, err := c.env.discover(ctx, *c.rules, url, bundle)
	c.document = document
	return err
}

// readEnvFile takes from the file what no flag says. Nothing secret of it is kept.
func (c *createClient) readEnvFile() error {
	content, err := c.readAll(c.envFile)
	if err != nil {
		return advise(err, "pass an .env file to --from-env-file")
	}
	if c.file, err = dotenv.Parse(content); err != nil {
		return advise(fmt.Errorf("reading %s: %w", c.envFile, err), "write each line of the file as NAME=value")
	}
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	if c.client.TenantRef == "" {
		set(&c.client.ID, c.file.TenantID)
		set(&c.client.MetadataURL, c.file.MetadataURL)
		set(&c.client.TokenURL, c.file.TokenURL)
		set(&c.client.APIURL, c.file.APIURL)
	}
	if len(c.client.Scopes) == 0 {
		c.client.Scopes = manifest.Words([]string{c.file.Scopes})
	}
	if c.client.Application == "" && (c.file.HasClientID || c.file.HasClientSecret) && !strings.Contains(c.client.Credentials, ":") {
		set(&c.client.Credentials, c.client.Name+"-credentials")
		c.client.Credentials += ":" + dotenv.ClientID + ":" + dotenv.ClientSecret
	}
	return nil
}

func (c *createClient) readAll(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(c.env.In)
	}
	return os.ReadFile(path) //nolint:gosec // it is the user's own file
}

func (c *createClient) build() (*unstructured.Unstructured, error) {
	ec, err := c.client.Build()
	return encode(manifest.ClientSchema(), ec, err)
}

// resolve checks that the flow finds its endpoints.
func (c *createClient) resolve(ctx context.Context) error {
	ec, err := c.client.Build()
	if err != nil || ec.Spec.TenantRef != nil {
		return err
	}
	if err := c.trust(ctx, ec); err != nil {
		return err
	}
	if ec, err = c.client.Build(); err != nil {
		return err
	}
	tenant := request.Inline(ec).OAuth()
	if tenant.Empty() {
		return nil // which the rules of the API say better
	}
	return checkEndpoints(tenant, c.document, ec.Spec.Flow, request.For(ec).Subject)
}

// advise says what is left to do.
func (c *createClient) advise() {
	if c.file != nil {
		c.adviseOnFile()
	}
	if ec, err := c.client.Build(); err == nil && ec.Spec.Flow == egainv1alpha1.FlowAuthorizationCode {
		c.env.notef("Log in once it is in the cluster: kubectl egain login %s\n", c.client.Name)
	}
	if len(c.client.Target.EnvVars) > 0 {
		c.env.notef("Containers read environment variables once, when they start, and then keep an expired token: mount the Secret as files where possible.\n")
	}
}

func (c *createClient) adviseOnFile() {
	if c.file.HasAccessToken {
		c.env.notef("%s in the file is not used: the operator stores a valid token in the target. --env-var %s adds it under that name.\n", dotenv.AccessToken, dotenv.AccessToken)
	}
	if len(c.file.Ignored) > 0 {
		c.env.notef("Unknown variables in the file, not used: %s\n", strings.Join(c.file.Ignored, ", "))
	}
	if c.client.Application != "" || (!c.file.HasClientID && !c.file.HasClientSecret) {
		return
	}
	secret, keys, _ := strings.Cut(c.client.Credentials, ":")
	if keys != dotenv.ClientID+":"+dotenv.ClientSecret {
		return // the user named a Secret that has other keys
	}
	if command, ok := c.file.Command(c.envFile, secret, c.client.Namespace); ok && c.envFile != "-" {
		c.env.notef("The credentials are not in the manifest. Create Secret %s with them:\n\n  %s\n\n", secret, command)
		return
	}
	c.env.notef("The credentials are not in the manifest. Create Secret %s with the keys %s and %s. kubectl cannot read them from this file: write the values without quotes, escapes and comments.\n",
		secret, dotenv.ClientID, dotenv.ClientSecret)
}
