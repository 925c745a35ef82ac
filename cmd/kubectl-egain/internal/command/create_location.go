package command

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// metadataTimeout bounds the wait for a metadata document: a user sits at the keyboard.
const metadataTimeout = 15 * time.Second

// locationFlags are the flags that say where tokens come from.
type locationFlags struct {
	*manifest.Location
	// fromMetadata is the URL of a document that is read before anything is written.
	fromMetadata string
	// caFile holds the certificates to trust while eGain is asked.
	caFile string
	// asking are the flags by which eGain is asked.
	asking string
}

func (l *locationFlags) addFlags(flags *pflag.FlagSet, asking string) {
	l.asking = asking
	flags.StringVar(&l.ID, "tenant-id", "", "tenant id, such as TMPRODB88619984; alone it means a tenant of the self-service platform")
	flags.StringVar(&l.MetadataURL, "metadata-url", "", "Metadata URL that the eGain console shows for the client application")
	flags.StringVar(&l.fromMetadata, "from-metadata", "", "like --metadata-url, but also reads the document now, shows it and checks its endpoints")
	flags.StringVar(&l.caFile, "ca-file", "", "PEM file of the certificates to trust for "+asking+"; default: the system's")
	flags.StringVar(&l.TokenURL, "token-url", "", "token endpoint")
	flags.StringVar(&l.APIURL, "api-url", "", "base URL of API calls, the console's Domain URL or API Domain")
	flags.StringVar(&l.AuthorizationURL, "authorization-url", "", "authorization endpoint, the login page")
	flags.StringVar(&l.RevocationURL, "revocation-url", "", "RFC 7009 revocation endpoint, for --revoke-on-delete")
	flags.StringVar(&l.ScopePrefix, "scope-prefix", "", "prefix added to scopes that lack it, the console's API Permission Prefix, such as https://api.egain.cloud/auth/")
	flags.StringVar(&l.CABundle, "ca-bundle", "", "KIND/NAME or KIND/NAME/KEY of the PEM certificates that the operator trusts, such as configmap/corp-ca/ca.crt")
}

// settle makes one of --from-metadata and --metadata-url, and tells whether eGain is to be asked for the document. asks says
// that it is asked for something else already.
func (l *locationFlags) settle(asks bool) (bool, error) {
	if l.fromMetadata == "" {
		if l.caFile != "" && !asks {
			return false, advise(usagef("--ca-file needs %s", l.asking), "pass --ca-bundle for certificates that the operator trusts")
		}
		return false, nil
	}
	if l.MetadataURL != "" && l.MetadataURL != l.fromMetadata {
		return false, advise(usagef("--metadata-url and --from-metadata name different documents"), "pass one of them")
	}
	l.MetadataURL = l.fromMetadata
	return true, nil
}

// bundle reads the certificates of --ca-file; nil, for the system's, without the flag.
func (l *locationFlags) bundle() ([]byte, error) {
	if l.caFile == "" {
		return nil, nil
	}
	bundle, err := os.ReadFile(l.caFile)
	if err != nil {
		return nil, advise(fmt.Errorf("reading the certificates: %w", err), "pass a file with PEM certificates to --ca-file")
	}
	return bundle, nil
}

// discover reads the metadata document for a tenant that an EgainClient describes, and shows what it names.
func (e *environment) discover(ctx context.Context, r rules, url string, caBundle []byte) (*oauth.Metadata, error) {
	hc, err := e.http(r, "", caBundle, metadataTimeout)
	if err != nil {
		return nil, adviseClient(err)
	}
	directory := &oauth.Directory{Now: e.clock.Now, Lifetime: metadataTimeout}
	read, err := directory.Read(ctx, hc, oauth.Place{URL: url})
	if next := ruleAdvice(fault.Of(err)); next != "" {
		return nil, advise(err, next)
	}
	if err != nil {
		return nil, advise(err, "correct the URL, which the eGain console shows for the client application, or pass the endpoints with --token-url and --api-url")
	}
	e.notef("The metadata document at %s names:\n", view.OneLine(url))
	e.showMetadata(read.Metadata)
	return read.Metadata, nil
}

// adviseClient says what to do if no HTTP client could be made: a rule refuses it, or the CA bundle is none.
func adviseClient(err error) error {
	if next := ruleAdvice(fault.Of(err)); next != "" {
		return advise(err, next)
	}
	return advise(err, "put PEM certificates into the file of --ca-file")
}

func (e *environment) showMetadata(document *oauth.Metadata) {
	table := view.Table{Header: []string{"ACTOR", "WHAT", "VALUE"}}
	add := func(actor, what, value string) {
		if value != "" {
			table.Rows = append(table.Rows, []view.Cell{view.Text(actor), view.Text(what), view.Text(value)})
		}
	}
	addAll := func(actor string, m oauth.ActorMetadata) {
		add(actor, "token URL", m.TokenURL)
		add(actor, "authorization URL", m.AuthorizationURL)
		add(actor, "revocation URL", m.RevocationURL)
		add(actor, "API URL", m.APIURL)
		add(actor, "scope prefix", m.ScopePrefix)
	}
	add("all", "issuer", document.Issuer)
	addAll("all", document.Any)
	for _, actor := range []oauth.Actor{oauth.ActorClient, oauth.ActorUser, oauth.ActorCustomer} {
		addAll(string(actor), document.Actors[actor])
	}
	for _, line := range (view.Style{}).Lines(table, 0) {
		e.notef("  %s\n", line)
	}
}

// checkEndpoints checks that the endpoints of a flow are known, if that can be told from here: document is nil if it was not read.
func checkEndpoints(tenant oauth.Tenant, document *oauth.Metadata, flow egainv1alpha1.Flow, subject oauth.Subject) error {
	if document == nil && tenant.NeedsDocuments(oauth.ActorOf(oauth.Flow(flow), subject)) {
		return nil
	}
	found := oauth.Discovery{Metadata: document, MetadataURL: tenant.MetadataURL}
	endpoints, err := oauth.Resolve(tenant, found, oauth.Flow(flow), subject)
	if err != nil {
		return advise(fmt.Errorf("flow %s: %w", flow, err), "choose another flow with --flow, or pass the endpoints with --token-url and --api-url")
	}
	if flow == egainv1alpha1.FlowAuthorizationCode && endpoints.AuthorizationURL == "" {
		return advise(fmt.Errorf("flow %s: the tenant has no authorization URL", flow), "pass it with --authorization-url")
	}
	return nil
}
