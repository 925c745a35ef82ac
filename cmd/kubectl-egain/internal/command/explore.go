package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// exploration asks eGain for the endpoints of a tenant, as the operator will, and the user which hosts to trust on the way.
type exploration struct {
	env      *environment
	prompter *prompter
	// name of the EgainTenant.
	name   string
	tenant oauth.Tenant
	read   oauth.Reader
	// found is what the documents say so far, and failure why they say no more.
	found   oauth.Discovery
	failure error
	// given are the hosts of --trust-host; agreed and declined those that the user was asked about.
	given, agreed, declined []string
}

// explore asks eGain. It returns the hosts of other sites that the user agreed to trust.
func (e *environment) explore(ctx context.Context, r rules, name string, tenant oauth.Tenant, caBundle []byte) ([]string, error) {
	hc, err := e.http(r, name, caBundle, metadataTimeout)
	if err != nil {
		return nil, adviseClient(err)
	}
	directory := &oauth.Directory{Now: e.clock.Now, Lifetime: metadataTimeout}
	x := &exploration{env: e, prompter: newPrompter(e), name: name, tenant: tenant, read: directory.Reader(hc), given: tenant.TrustedHosts}
	if err := x.walk(ctx); err != nil {
		return nil, err
	}
	return x.agreed, x.conclude()
}

// start is the URL that the user gave.
func (x *exploration) start() string {
	if x.tenant.URL != "" {
		return x.tenant.URL
	}
	return x.tenant.MetadataURL
}

// walk reads the documents, again after each answer that lets it go further.
func (x *exploration) walk(ctx context.Context) error {
	x.env.notef("Reading %s ...\n", view.OneLine(x.start()))
	x.discover(ctx)
	for {
		hosts := x.unasked()
		if len(hosts) == 0 || !x.env.answers {
			return ctx.Err()
		}
		before := len(x.agreed)
		for _, host := range hosts {
			if err := x.ask(ctx, host); err != nil {
				return err
			}
		}
		if len(x.agreed) == before {
			return nil
		}
		x.discover(ctx)
	}
}

func (x *exploration) discover(ctx context.Context) {
	x.tenant.TrustedHosts = slices.Concat(x.given, x.agreed)
	roles := request.Roles()
	actors := make([]oauth.Actor, len(roles))
	for i, role := range roles {
		actors[i] = role.Actor
	}
	x.found, x.failure = x.tenant.Discover(ctx, x.read, actors...)
	x.failure = x.nameFields(x.failure)
}

// nameFields makes a failure name the fields of the EgainTenant.
func (x *exploration) nameFields(err error) error {
	return request.Tenant{Name: x.name}.NameFields(err)
}

// unasked are the hosts of other sites without a decision.
func (x *exploration) unasked() []oauth.ForeignHost {
	return slices.DeleteFunc(x.tenant.ForeignHosts(x.found), func(h oauth.ForeignHost) bool { return slices.Contains(x.declined, h.Name) })
}

func (x *exploration) ask(ctx context.Context, host oauth.ForeignHost) error {
	x.env.notef("\n%s is a host of another site. The documents name it for:\n", view.OneLine(host.Name))
	for _, purpose := range host.Purposes {
		for _, line := range view.Wrap(purposeWords(purpose), columns-4) {
			x.env.notef("    %s\n", line)
		}
	}
	x.env.notef("The operator would send credentials, tokens and people who log in there.\n")
	agreed, err := x.prompter.confirm(ctx, "Trust "+view.OneLine(host.Name)+"?")
	switch {
	case err != nil:
		return err
	case agreed:
		x.agreed = append(x.agreed, host.Name)
	default:
		x.declined = append(x.declined, host.Name)
	}
	return nil
}

// purposeWords says what a host is for.
func purposeWords(p oauth.Purpose) string {
	if len(p.Actors) == 0 {
		return string(p.Use)
	}
	names := make([]string, len(p.Actors))
	for i, actor := range p.Actors {
		names[i] = actorName(actor)
	}
	return string(p.Use) + " of " + strings.Join(names, ", ")
}

// actorName is the name that the API has for an actor.
func actorName(actor oauth.Actor) string {
	for _, role := range request.Roles() {
		if role.Actor == actor {
			return string(role.Name)
		}
	}
	return string(actor)
}

// conclude shows what was found and judges it.
func (x *exploration) conclude() error {
	found := x.resolve()
	usable := slices.ContainsFunc(found, func(f actorFound) bool { return f.failure == nil })
	if x.failure == nil || usable {
		x.show(found)
	} else if x.found.TenantID != "" || x.found.APIURL != "" {
		x.showDeployment()
	}
	if hosts := x.unasked(); len(hosts) > 0 {
		return x.untrusted(hosts)
	}
	x.noteUnused()
	switch {
	case x.failure != nil && x.needed():
		return advise(x.failure, x.advice(fault.Of(x.failure)))
	case x.failure != nil:
		x.note("The documents could not be read, but these flags do not need them: " + x.failure.Error())
	case !usable:
		return advise(fmt.Errorf("no token URL of any actor found at %s", x.start()), otherWays)
	}
	return nil
}

// otherWays are those to describe a tenant whose address does not.
const otherWays = "pass --metadata-url with the Metadata URL that the eGain console shows, or --token-url and --api-url"

// needed reports whether the operator reads the documents.
func (x *exploration) needed() bool {
	return slices.ContainsFunc(request.Roles(), func(role request.Role) bool { return x.tenant.NeedsDocuments(role.Actor) })
}

// advice says by which flag what failed is put right.
func (x *exploration) advice(f *fault.Error) string {
	switch {
	case f == nil:
		return otherWays
	case f.Reason == fault.ReasonTenantMismatch:
		return "correct --tenant-id or --url, or omit --tenant-id: the address names the tenant"
	case f.Reason == fault.ReasonTLSFailed:
		return "for a private CA, pass its certificates with --ca-file, and their place in the cluster with --ca-bundle"
	case f.Reason == fault.ReasonEndpointRefused:
		return x.refusedAdvice(f)
	case f.Reason == fault.ReasonEndpointInvalid && x.found.Metadata == nil && x.found.APIURL == "":
		return "pass the API domain with --api-url, or the Metadata URL with --metadata-url"
	case x.tenant.URL != "":
		return "check --url, or " + otherWays
	default:
		return "correct the URL, which the eGain console shows for the client application, or pass the endpoints with --token-url and --api-url"
	}
}

// refusedAdvice is for a request that the operator's rules refuse, or for an API domain of another site.
func (x *exploration) refusedAdvice(f *fault.Error) string {
	if x.found.RefusedAPIURL == "" {
		return ruleAdvice(f)
	}
	return "trust the host if it is right, or pass another API URL with --api-url"
}

// untrusted is the error of hosts without a decision, and without a terminal to ask at.
func (x *exploration) untrusted(hosts []oauth.ForeignHost) error {
	var named, flags []string
	for _, host := range hosts {
		purposes := make([]string, len(host.Purposes))
		for i, purpose := range host.Purposes {
			purposes[i] = purposeWords(purpose)
		}
		named = append(named, "\n  "+host.Name+": "+strings.Join(purposes, "; "))
		flags = append(flags, "--trust-host "+host.Name)
	}
	next := "if the hosts are right, pass " + strings.Join(flags, " ")
	if x.found.RefusedAPIURL != "" {
		next += "; documents that were not read may name more hosts"
	}
	return advise(errors.New("documents name hosts of other sites, and there is no terminal to ask about them:"+strings.Join(named, "")), next)
}

// noteUnused names hosts of --trust-host that no document names.
func (x *exploration) noteUnused() {
	if x.failure != nil {
		return // what was not read may name them
	}
	plain := x.tenant
	plain.TrustedHosts = nil
	foreign := plain.ForeignHosts(x.found)
	for _, given := range x.given {
		if !slices.ContainsFunc(foreign, func(h oauth.ForeignHost) bool { return strings.EqualFold(h.Name, given) }) {
			x.note("No document names " + given + " as a host of another site. It is still written to spec.trustedHosts.")
		}
	}
}

// note shows a sentence to the user.
func (x *exploration) note(text string) { x.env.paragraph(text) }
