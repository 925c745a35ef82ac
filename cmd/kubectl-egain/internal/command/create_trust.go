package command

import (
	"context"
	"errors"
	"slices"
	"strings"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// foreignURL is an endpoint of the flow that a document names on a host of another site, with the flag that names it instead.
type foreignURL struct {
	flag, url string
	use       oauth.Use
	into      *string
}

// trust asks about the hosts of other sites that the document names for the flow. The URLs on those that the user agrees to go
// into the manifest: an EgainClient lists no trusted hosts.
func (c *createClient) trust(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	foreign := c.foreign(ec)
	if len(foreign) == 0 {
		return nil
	}
	if !c.env.answers {
		var named, flags []string
		for _, f := range foreign {
			named, flags = append(named, "\n  "+string(f.use)+" "+f.url), append(flags, f.flag+" '"+f.url+"'")
		}
		return advise(errors.New("the document names hosts of other sites, and there is no terminal to ask about them:"+strings.Join(named, "")),
			"if the hosts are right, pass "+strings.Join(flags, " "))
	}
	prompter := c.prompter
	if prompter == nil {
		prompter = newPrompter(c.env)
	}
	for _, f := range foreign {
		c.env.notef("\n%s is a host of another site. The document names it for:\n    %s\n", view.OneLine(hostOf(f.url)), view.OneLine(string(f.use)+" "+f.url))
		agreed, err := prompter.confirm(ctx, "Trust "+view.OneLine(hostOf(f.url))+" for that?")
		if err != nil {
			return err
		}
		if agreed {
			*f.into = f.url
		}
	}
	return nil
}

// foreign are the endpoints of the flow that only the document names, on hosts of other sites.
func (c *createClient) foreign(ec *egainv1alpha1.EgainClient) []foreignURL {
	tenant, draft := request.Inline(ec).OAuth(), request.For(ec)
	found := oauth.Discovery{Metadata: c.document, MetadataURL: tenant.MetadataURL}
	if c.document == nil {
		return nil
	}
	for _, host := range tenant.ForeignHosts(found) {
		tenant.TrustedHosts = append(tenant.TrustedHosts, host.Name)
	}
	e, err := draft.Resolve(tenant, found)
	if err != nil {
		return nil // the check of the endpoints says why
	}
	all := []foreignURL{
		{"--token-url", e.TokenURL, oauth.UseTokenURL, &c.client.TokenURL},
		{"--authorization-url", e.AuthorizationURL, oauth.UseLoginURL, &c.client.AuthorizationURL},
		{"--revocation-url", e.RevocationURL, oauth.UseRevocationURL, &c.client.RevocationURL},
		{"--api-url", e.APIURL, oauth.UseAPIURL, &c.client.APIURL},
	}
	return slices.DeleteFunc(all, func(f foreignURL) bool { return *f.into != "" || !tenant.Trusts(f.url) })
}
