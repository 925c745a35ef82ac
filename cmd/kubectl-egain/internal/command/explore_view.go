package command

import (
	"slices"
	"strings"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// columns is how wide text is that breaks between words: every terminal shows it.
const columns = 79

// actorFound is what was found for an actor: endpoints, or why there are none.
type actorFound struct {
	role      request.Role
	endpoints oauth.Endpoints
	failure   error
}

func (x *exploration) resolve() []actorFound {
	roles := request.Roles()
	found := make([]actorFound, len(roles))
	for i, role := range roles {
		endpoints, err := oauth.Resolve(x.tenant, x.found, role.Flow, role.Subject)
		if x.failure != nil && x.tenant.NeedsDocuments(role.Actor) {
			err = x.failure
		}
		found[i] = actorFound{role, endpoints, x.nameFields(err)}
	}
	return found
}

// show shows what was found for each actor, and what that is good for.
func (x *exploration) show(found []actorFound) {
	x.showDeployment()
	for _, f := range found {
		x.showActor(f)
	}
	x.env.notef("\n")
	sources := map[oauth.Source]string{
		oauth.SourceMetadata: "Metadata: the token URL is in a document of eGain.",
		oauth.SourceDerived:  "Derived:  the token URL follows from other URLs, as eGain documents.",
		oauth.SourceSpec:     "Spec:     the token URL is from a flag.",
	}
	for _, source := range []oauth.Source{oauth.SourceMetadata, oauth.SourceDerived, oauth.SourceSpec} {
		if slices.ContainsFunc(found, func(f actorFound) bool { return f.failure == nil && f.endpoints.Source == source }) {
			x.env.notef("%s\n", sources[source])
		}
	}
	if slices.ContainsFunc(found, func(f actorFound) bool { return f.failure == nil && f.endpoints.ScopePrefix != "" }) {
		x.env.notef("prefix:   the operator adds it to scopes of the actor that lack it.\n")
	}
	x.showFlows(found)
}

// showDeployment shows what holds for all actors.
func (x *exploration) showDeployment() {
	rows := [][]view.Cell{}
	add := func(name, value string) {
		if value == "" {
			value = "not named"
		}
		rows = append(rows, []view.Cell{view.Text(name), view.Text(value)})
	}
	api, apiErr := x.apiURL()
	id := x.found.TenantID
	if id == "" {
		id = x.tenant.ID
	}
	if x.found.RefusedAPIURL != "" {
		api = x.found.RefusedAPIURL + " (not trusted)"
	}
	add("tenant id", id)
	add("API URL", api)
	if x.tenant.URL != "" {
		add("domain hint", x.found.DomainHint)
	}
	x.env.notef("\n")
	for _, line := range (view.Style{}).Lines(view.Table{Rows: rows}, 0) {
		x.env.notef("%s\n", line)
	}
	if apiErr != nil {
		x.indented("no API URL: " + x.nameFields(apiErr).Error())
	}
}

// apiURL is that of all actors, or why there is none.
func (x *exploration) apiURL() (string, error) {
	var failure error
	for _, role := range request.Roles() {
		e, err := oauth.Resolve(x.tenant, x.found, role.Flow, role.Subject)
		if err == nil && e.APIURL != "" {
			return e.APIURL, nil
		}
		if failure == nil {
			failure = e.Unusable.APIURL
		}
	}
	if x.tenant.APIURL != "" {
		return x.tenant.APIURL, nil
	}
	return x.found.APIURL, failure
}

// showActor has each URL in a line of its own, since URLs of eGain are long.
func (x *exploration) showActor(f actorFound) {
	x.env.notef("\n")
	if f.failure != nil {
		x.env.notef("%s (no token URL)\n", f.role.Name)
		x.indented(f.failure.Error())
		return
	}
	e := f.endpoints
	x.env.notef("%s (%s)\n", f.role.Name, e.Source)
	line := func(name, value string) {
		if value != "" {
			x.env.notef("  %-7s %s\n", name, view.OneLine(value))
		}
	}
	line("token", e.TokenURL)
	line("login", e.AuthorizationURL)
	line("revoke", e.RevocationURL)
	line("prefix", e.ScopePrefix)
	if f.logsIn() && e.AuthorizationURL == "" && e.Unusable.AuthorizationURL == nil {
		x.indented("no login URL: no document names one")
	}
	for _, err := range []error{e.Unusable.AuthorizationURL, e.Unusable.RevocationURL} {
		if err != nil {
			x.indented(x.nameFields(err).Error())
		}
	}
}

func (x *exploration) indented(text string) {
	for _, line := range view.Wrap(text, columns-2) {
		x.env.notef("  %s\n", line)
	}
}

func (f actorFound) logsIn() bool { return f.role.Flow == oauth.AuthorizationCode }

// showFlows says which flows have their endpoints, and which have none.
func (x *exploration) showFlows(found []actorFound) {
	var work, lack []string
	for _, flow := range []struct {
		flow   egainv1alpha1.Flow
		actors []egainv1alpha1.TenantActor
	}{
		{egainv1alpha1.FlowClientCredentials, []egainv1alpha1.TenantActor{egainv1alpha1.TenantActorClient}},
		{egainv1alpha1.FlowAnonymousCustomer, []egainv1alpha1.TenantActor{egainv1alpha1.TenantActorAnonymousCustomer}},
		{egainv1alpha1.FlowOnBehalfOf, []egainv1alpha1.TenantActor{egainv1alpha1.TenantActorOnBehalfOfUser, egainv1alpha1.TenantActorOnBehalfOfCustomer}},
		{egainv1alpha1.FlowTokenExchange, []egainv1alpha1.TenantActor{egainv1alpha1.TenantActorUser}},
		{egainv1alpha1.FlowAuthorizationCode, []egainv1alpha1.TenantActor{egainv1alpha1.TenantActorUser, egainv1alpha1.TenantActorCustomer}},
	} {
		var can, cannot []string
		for _, actor := range flow.actors {
			i := slices.IndexFunc(found, func(f actorFound) bool { return f.role.Name == actor })
			to := &cannot
			if found[i].serves(flow.flow) {
				to = &can
			}
			*to = append(*to, strings.TrimPrefix(string(actor), string(flow.flow)))
		}
		name := func(actors []string) string {
			if len(flow.actors) == 1 {
				return string(flow.flow)
			}
			return string(flow.flow) + " (" + strings.Join(actors, ", ") + ")"
		}
		if len(can) > 0 {
			work = append(work, name(can))
		}
		if len(cannot) > 0 {
			lack = append(lack, name(cannot))
		}
	}
	x.showList("These flows work:", work)
	x.showList("These flows do not:", lack)
	x.env.notef("\n")
}

// serves reports whether a flow of the actor has what it needs: a login needs a login URL too.
func (f actorFound) serves(flow egainv1alpha1.Flow) bool {
	return f.failure == nil && (flow != egainv1alpha1.FlowAuthorizationCode || f.endpoints.AuthorizationURL != "")
}

func (x *exploration) showList(title string, names []string) {
	if len(names) == 0 {
		return
	}
	x.env.notef("\n%s\n", title)
	for _, name := range names {
		x.env.notef("  %s\n", name)
	}
}
