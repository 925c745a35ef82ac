package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/loopback"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// hostOf is the host of a URL, with its port.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// secretSent says what the token endpoint gets in addition to the code.
func (a *attempt) secretSent() string {
	if a.provider.credentials.ClientSecret == "" {
		return ""
	}
	return ", with the client secret"
}

// confirmHosts asks about hosts of another site than the one that the tenant is known by, before anything is sent there.
func (a *attempt) confirmHosts(ctx context.Context) error {
	e := a.provider.endpoints
	known := cmp.Or(a.provider.tenant.MetadataURL, a.provider.tenant.URL, e.AuthorizationURL)
	var foreign []string
	for _, use := range []struct{ url, purpose string }{
		{e.AuthorizationURL, "where you log in"}, {e.TokenURL, "which gets the code" + a.secretSent()},
	} {
		if !oauth.SameSite(use.url, known) && !a.provider.tenant.Trusts(use.url) {
			foreign = append(foreign, hostOf(use.url)+", "+use.purpose)
		}
	}
	if len(foreign) == 0 || a.yes {
		return nil
	}
	what := fmt.Sprintf("%s: not on the site of %s, the tenant's own", strings.Join(foreign, "; "), hostOf(known))
	if !a.env.answers {
		return advise(errors.New(what+", and there is no terminal to ask at"), "if the hosts are right, pass --yes")
	}
	a.env.notef("\n")
	a.env.paragraph(what + ". A host that gets the code can act in your name.")
	agreed, err := a.prompter.confirm(ctx, "Log in with these hosts?")
	if err == nil && !agreed {
		return advise(errors.New("nothing was sent"), "ask the owner of the tenant why it names these hosts")
	}
	return err
}

// confirmServer asks whether an answer is of the tenant's server if it does not say so: another server's login page may have been
// shown, whose code must not go to the tenant's.
func (a *attempt) confirmServer(ctx context.Context, answer loopback.Answer) error {
	if answer.Known || a.yes {
		return nil
	}
	at, to := hostOf(a.provider.endpoints.AuthorizationURL), hostOf(a.provider.endpoints.TokenURL)
	if !a.env.answers {
		return advise(fmt.Errorf("the answer does not name its server (iss), and there is no terminal to ask whether it is %s: the code was not sent", at),
			"if the tenant's hosts are right, pass --yes")
	}
	a.env.paragraph(fmt.Sprintf("The answer does not name its server (iss). If %s forwarded you to the login page of another eGain, answer n: its code would go to %s.", at, to))
	agreed, err := a.prompter.confirm(ctx, fmt.Sprintf("Was the login page of eGain on %s?", at))
	if err == nil && !agreed {
		return advise(errors.New("the code was not sent, and nothing was stored"), "ask the owner of the tenant why its login page forwards to another server")
	}
	return err
}
