package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// chain is what the documents of a tenant say, read one after the other as the operator reads them.
type chain struct {
	found oauth.Discovery
	// failure is nil if the chain was walked to its end.
	failure error
	// asked are the documents that were asked for, in order.
	asked []step
}

// step is a request for a document.
type step struct {
	at  oauth.Place
	err error
}

// walked reads the documents once, for all checks that are about them.
func (e *examination) walked(ctx context.Context) *chain {
	if e.chain != nil {
		return e.chain
	}
	e.chain = &chain{}
	directory := &oauth.Directory{Now: e.Clock.Now}
	read := directory.Reader(e.http)
	e.chain.found, e.chain.failure = e.tenant.OAuth().Discover(ctx, func(ctx context.Context, at oauth.Place) (*oauth.Document, error) {
		document, err := read(ctx, at)
		e.chain.asked = append(e.chain.asked, step{at, err})
		return document, err
	}, e.actor())
	return e.chain
}

// deployment is the request for the document at the address; nil if it was not made.
func (c *chain) deployment() *step { return c.step(oauth.DeploymentInfoDocument) }

// metadata is the request for the document that decides; nil if it was not made.
func (c *chain) metadata() *step {
	return c.step(oauth.MetadataAtURL, oauth.DiscoveredMetadata)
}

func (c *chain) step(kinds ...oauth.Kind) *step {
	if i := slices.IndexFunc(c.asked, func(s step) bool { return slices.Contains(kinds, s.at.Kind) }); i >= 0 {
		return &c.asked[i]
	}
	return nil
}

// atAddress reports whether the chain breaks at the address, rather than at the metadata document.
func (c *chain) atAddress() bool { return c.failure != nil && c.metadata() == nil }

func (e *examination) actor() oauth.Actor { return e.draft.Actor() }

// role is the actor of the flow, as the API names it.
func (e *examination) role() egainv1alpha1.TenantActor {
	for _, role := range request.Roles() {
		if role.Actor == e.actor() {
			return role.Name
		}
	}
	return ""
}

func hasAddress(e *examination) bool { return e.tenant.Discovery.URL != "" }

func hasDocuments(e *examination) bool { return e.tenant.OAuth().Discovers() }

// reads reports whether documents say something that the flow uses: to the operator, or to a login.
func (e *examination) reads() bool {
	t := e.tenant.OAuth()
	login := e.draft.Flow == oauth.AuthorizationCode && t.For(e.actor()).AuthorizationURL == ""
	return t.Discovers() && (t.NeedsDocuments(e.actor()) || login)
}

// address asks the address of the customer's eGain who it is.
func (e *examination) address(ctx context.Context) Finding {
	if !e.reads() {
		return Finding{Status: Skipped, Message: "not read: the spec has the token URL and the API URL"}
	}
	c := e.walked(ctx)
	s, host := c.deployment(), hostOf(string(e.tenant.Discovery.URL))
	if s == nil {
		return e.brokenLink(c.failure, "correct spec.url of "+e.tenantObject(), nil)
	}
	details := []string{"GET " + s.at.URL}
	switch {
	case refusedByRule(s.err):
		return e.brokenLink(c.failure, ruleAdvice, details)
	case s.err != nil:
		return e.brokenLink(c.failure, "open "+s.at.URL+": eGain answers with JSON, without a login", details)
	case c.atAddress():
		return e.brokenLink(c.failure, e.addressAdvice(), details)
	}
	return Finding{Status: OK, Message: host + " identifies the tenant", Details: append(details, deploymentLines(c.found)...)}
}

// deploymentLines are what the address says.
func deploymentLines(d oauth.Discovery) []string {
	var lines []string
	for _, line := range []struct{ name, value string }{
		{"tenant id    ", d.TenantID}, {"API URL      ", d.APIURL}, {"domain hint  ", d.DomainHint},
	} {
		if line.value != "" {
			lines = append(lines, line.name+line.value)
		}
	}
	return lines
}

// addressAdvice is what to do about what the address says.
func (e *examination) addressAdvice() string {
	switch f := fault.Of(e.chain.failure); {
	case f == nil:
		return ""
	case f.Reason == fault.ReasonTenantMismatch:
		return "correct spec.url or spec.id of " + e.tenantObject()
	case f.Reason == fault.ReasonEndpointRefused:
		return e.trustAdvice()
	default:
		return "set spec.endpoints.apiURL, spec.metadataURL or spec.actorEndpoints of " + e.tenantObject()
	}
}

// trustAdvice is what to do about hosts of another site.
func (e *examination) trustAdvice() string {
	if e.tenant.Name == "" {
		return "if the host is right, set the URL in spec.tenant.endpoints, or refer to an EgainTenant whose trustedHosts list the host"
	}
	names := make([]string, 0, 1)
	for _, host := range e.tenant.OAuth().ForeignHosts(e.chain.found) {
		names = append(names, host.Name)
	}
	if len(names) == 0 {
		return "set another URL in spec.actorEndpoints or spec.endpoints of " + e.tenantObject()
	}
	return "if the host is right, add it to spec.trustedHosts of " + e.tenantObject() + ": " + strings.Join(names, ", ")
}

// tenantObject is the object that describes the tenant.
func (e *examination) tenantObject() string {
	if e.tenant.Name == "" {
		return fmt.Sprintf("EgainClient %q", e.Name)
	}
	return fmt.Sprintf("EgainTenant %q", e.tenant.Name)
}

// metadata looks at the document that names the endpoints.
func (e *examination) metadata(ctx context.Context) Finding {
	if !e.reads() {
		return Finding{Status: Skipped, Message: "not read: the spec has the token URL and the API URL"}
	}
	c := e.walked(ctx)
	s := c.metadata()
	switch {
	case c.atAddress() && hasAddress(e):
		return Finding{Status: Skipped, Message: "not read: the address does not lead to it"}
	case s == nil:
		return e.brokenLink(c.failure, "correct metadataURL of the tenant", nil)
	case refusedByRule(s.err):
		return e.brokenLink(c.failure, ruleAdvice, []string{"GET " + s.at.URL})
	case c.failure != nil:
		return e.brokenLink(c.failure, e.metadataAdvice(s), []string{"GET " + s.at.URL})
	}
	return Finding{Status: OK, Message: "read from " + hostOf(s.at.URL), Details: []string{"GET " + s.at.URL}}
}

// ruleAdvice is what to do about a request that the operator's rules refuse.
const ruleAdvice = "correct the URL or its DNS record, or ask an administrator to allow it in the operator's flags"

// refusedByRule reports whether a request was not sent, by a rule about hosts and addresses.
func refusedByRule(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Reason == fault.ReasonEndpointRefused
}

func (e *examination) metadataAdvice(s *step) string {
	if s.at.Kind == oauth.MetadataAtURL {
		return "open " + s.at.URL + " and compare it with the Metadata URL that the eGain console shows, or set endpoints.tokenURL and endpoints.apiURL of the tenant"
	}
	return "open " + s.at.URL + "; if it shows no JSON, set spec.metadataURL of " + e.tenantObject() + " to the Metadata URL that the eGain console shows"
}

// brokenLink is a finding for a link through which this machine does not get. It breaks the chain unless the operator goes on
// without, as it does with endpoints in the status of an EgainTenant.
func (e *examination) brokenLink(failure error, advice string, details []string) Finding {
	f := broken(e.tenant.NameFields(failure).Error(), advice)
	f.Details = append(details, e.reported()...)
	if _, known := e.fallback(failure); known {
		f.Status = Warning
		f.Message += fmt.Sprintf("; until then the operator uses the endpoints in the status of EgainTenant %q", e.tenant.Name)
	} else if !e.tenant.OAuth().NeedsDocuments(e.actor()) {
		f.Status = Warning
		f.Message += "; only a login needs it"
	}
	return f
}

// fallback are the endpoints that the operator goes on with while documents cannot be read: those of the EgainTenant's status,
// for a client that has had a token.
func (e *examination) fallback(failure error) (oauth.Endpoints, bool) {
	f := fault.Of(failure)
	if f == nil || f.Reason != fault.ReasonMetadataUnavailable || e.client.Status.Token == nil {
		return oauth.Endpoints{}, false
	}
	return e.tenant.KnownFor(e.actor())
}

// reported is what the operator says of the actor in the status of the EgainTenant; it may reach documents that this machine
// does not.
func (e *examination) reported() []string {
	for _, known := range e.tenant.Known {
		if known.Actor == e.role() && known.Reason != "" {
			return []string{fmt.Sprintf("EgainTenant %q, actor %s: %s: %s", e.tenant.Name, known.Actor, known.Reason, known.Message)}
		}
	}
	return nil
}

// resolve finds the endpoints of the flow by what the spec and the documents say.
func (e *examination) resolve(ctx context.Context) Finding {
	found, failure := e.documents(ctx)
	read := failure == nil
	if read {
		e.endpoints, failure = e.draft.Resolve(e.tenant.OAuth(), found)
	}
	if failure == nil {
		return e.judge()
	}
	known, ok := e.fallback(failure)
	if !ok {
		return e.brokenLink(failure, e.resolveAdvice(failure), nil)
	}
	e.endpoints = known
	f := e.used(fmt.Sprintf("the status of EgainTenant %q", e.tenant.Name))
	if f.Status == OK && read { // no check before this one says so
		return e.brokenLink(failure, e.resolveAdvice(failure), f.Details)
	}
	return f
}

// documents are what the documents say, as far as the flow needs them. Those that only a login needs may be missing.
func (e *examination) documents(ctx context.Context) (oauth.Discovery, error) {
	if !e.reads() {
		return oauth.Discovery{}, nil
	}
	c := e.walked(ctx)
	if c.failure != nil && !e.tenant.OAuth().NeedsDocuments(e.actor()) {
		return oauth.Discovery{}, nil
	}
	return c.found, c.failure
}

// used completes the request by the endpoints, if it may be sent to them.
func (e *examination) used(from string) Finding {
	if err := e.tenant.AdmitScopes(e.client, e.endpoints.ScopePrefix); err != nil {
		return broken(err.Error(), "see what it allows with kubectl get egaintenant "+e.tenant.Name+" -o yaml")
	}
	e.addressed = e.draft.Address(e.endpoints)
	u, err := url.Parse(e.endpoints.TokenURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return broken("the token URL is not an https URL", "correct endpoints.tokenURL of the tenant")
	}
	if f := e.refused(e.endpoints.TokenURL); f != nil && !e.RulesSkipped {
		return *f
	}
	return Finding{Status: OK, Message: fmt.Sprintf("the token URL of actor %s comes from %s", e.role(), from), Details: e.endpointLines()}
}

// judge looks at the endpoints that spec and documents lead to: the token URL first, then those that a token does without.
func (e *examination) judge() Finding {
	f := e.used(sources[e.endpoints.Source])
	if f.Status != OK {
		return f
	}
	refusal := e.endpoints.Unusable.First()
	switch {
	case refusal != nil:
		f.Status, f.Message, f.Advice = Warning, e.tenant.NameFields(refusal).Error(), e.unusableAdvice(refusal)
	case e.draft.Flow == oauth.AuthorizationCode && e.endpoints.AuthorizationURL == "":
		f.Status, f.Message = Warning, f.Message+", but the tenant has no authorization URL"
		f.Advice = fmt.Sprintf("set authorizationURL of the tenant, which kubectl egain login %s needs", e.Name)
	}
	return f
}

// resolveAdvice is what to do about an actor without a token URL.
func (e *examination) resolveAdvice(err error) string {
	f := fault.Of(err)
	switch {
	case f != nil && f.Reason == fault.ReasonEndpointRefused:
		return e.trustAdvice()
	case e.tenant.Name == "":
		return "compare spec.tenant with what the eGain console shows under Metadata, or set spec.tenant.endpoints.tokenURL"
	default:
		return fmt.Sprintf("add an entry for actor %s to spec.actorEndpoints of %s, as the eGain console shows it under Metadata", e.role(), e.tenantObject())
	}
}

// unusableAdvice is what to do about a URL that is refused although the token URL is not.
func (e *examination) unusableAdvice(refusal error) string {
	if f := fault.Of(refusal); f != nil && f.Reason == fault.ReasonEndpointRefused && e.chain != nil {
		return e.trustAdvice()
	}
	return "set that URL in endpoints of the tenant"
}

var sources = map[oauth.Source]string{
	oauth.SourceSpec: "the spec", oauth.SourceMetadata: "the metadata document", oauth.SourceDerived: "eGain's documented URLs",
}

// endpointLines are the endpoints of the flow, and why some that documents name are not among them.
func (e *examination) endpointLines() []string {
	var lines []string
	for _, more := range []struct {
		name, value string
		unusable    error
	}{
		{"token        ", e.endpoints.TokenURL, nil},
		{"login        ", e.endpoints.AuthorizationURL, e.endpoints.Unusable.AuthorizationURL},
		{"revoke       ", e.endpoints.RevocationURL, e.endpoints.Unusable.RevocationURL},
		{"API          ", e.endpoints.APIURL, e.endpoints.Unusable.APIURL},
		{"scope prefix ", e.endpoints.ScopePrefix, nil},
	} {
		switch {
		case more.unusable != nil:
			lines = append(lines, more.name+"not usable: "+e.tenant.NameFields(more.unusable).Error())
		case more.value != "":
			lines = append(lines, more.name+more.value)
		}
	}
	return lines
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}
