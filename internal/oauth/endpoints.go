package oauth

import (
	"regexp"
	"strings"
)

// Source says where an endpoint came from.
type Source string

// The sources, by the names of the API.
const (
	SourceSpec     Source = "Spec"
	SourceMetadata Source = "Metadata"
	SourceDerived  Source = "Derived"
)

// Endpoints are what a flow needs.
type Endpoints struct {
	TokenURL, RevocationURL, APIURL string
	// AuthorizationURL is where a person logs in for AuthorizationCode; empty for the other flows, or if nothing names one:
	// a refresh does without.
	AuthorizationURL string
	// DomainHint is the host by which a shared gateway finds the tenant of a login; empty if it is unknown.
	DomainHint string
	// Issuer that the metadata document names; empty if none was read, or it names none.
	Issuer string
	// AnswersNameIssuer is that of the metadata document.
	AnswersNameIssuer bool
	// Source of TokenURL.
	Source Source
	// ScopePrefix is put before scopes that lack it.
	ScopePrefix string
	// Sources of the rest.
	Sources Sources
	// Unusable says why an endpoint is missing that a document names.
	Unusable Unusable
}

// Sources say where the endpoints other than the token URL came from; empty for those that are missing.
type Sources struct {
	AuthorizationURL, RevocationURL, APIURL, ScopePrefix Source
}

// Unusable are the failures of endpoints that a flow can do without to get a token. Each is nil or a *fault.Error.
type Unusable struct {
	AuthorizationURL, RevocationURL, APIURL error
}

// First is the first failure in the order in which people should see to them; nil if there is none.
func (u Unusable) First() error {
	for _, err := range []error{u.APIURL, u.AuthorizationURL, u.RevocationURL} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Hosts of the self-service platform, for which the tenant's id is enough to derive every URL.
const (
	selfServiceLogin = "https://ai.egain.cloud"
	selfServiceAPI   = "https://api.ai.egain.cloud"
)

// Resolve finds the endpoints of a flow: those of the spec, else of the documents, else derived from documented URLs. It
// fails if that leaves no token URL: Terminal if only the spec can change that, Rejected if a document can, since no event
// reports its change. What is wrong with an endpoint that the flow does not need to get a token is in Unusable.
func Resolve(t Tenant, d Discovery, flow Flow, subject Subject) (Endpoints, error) {
	r := resolution{tenant: t, found: d, flow: flow, actor: ActorOf(flow, subject)}
	r.own, r.said = t.For(r.actor), d.about(r.actor)
	e := Endpoints{DomainHint: d.DomainHint}
	if d.Metadata != nil {
		e.Issuer, e.AnswersNameIssuer = d.Metadata.Issuer, d.Metadata.AnswersNameIssuer
	}
	e.APIURL, e.Sources.APIURL, e.Unusable.APIURL = r.apiURL()
	var err error
	if e.TokenURL, e.Source, err = r.tokenURL(e); err != nil {
		return Endpoints{}, err
	}
	if e.ScopePrefix, e.Sources.ScopePrefix, err = r.scopePrefix(); err != nil {
		return Endpoints{}, err
	}
	e.RevocationURL, e.Sources.RevocationURL, e.Unusable.RevocationURL = r.choose(r.own.RevocationURL, r.said.RevocationURL, "a revocation URL")
	if flow == AuthorizationCode {
		e.AuthorizationURL, e.Sources.AuthorizationURL, e.Unusable.AuthorizationURL = r.authorizationURL(e.TokenURL)
	}
	return e, nil
}

// resolution is what the endpoints of one flow are found from.
type resolution struct {
	tenant Tenant
	found  Discovery
	flow   Flow
	actor  Actor
	// own is what the spec says for the actor, said what the documents say.
	own  ActorEndpoints
	said ActorMetadata
}

// choose prefers the spec's URL to a document's, and says where it came from.
func (r resolution) choose(spec, said, what string) (string, Source, error) {
	switch {
	case spec != "":
		return spec, SourceSpec, filled(spec, what)
	case said != "":
		usable, err := r.document(said, what)
		if err != nil {
			return "", "", err
		}
		return usable, SourceMetadata, nil
	default:
		return "", "", nil
	}
}

// filled refuses a URL of the spec in which documentation's placeholders are left.
func filled(raw, what string) error {
	if p := placeholderIn(raw); p != "" {
		return endpointFault("the spec has %s with the placeholder %s: replace it with the tenant's own value", what, p)
	}
	return nil
}

// document is a URL that a document names, with the tenant's id filled in, if it may be used.
func (r resolution) document(raw, what string) (string, error) {
	usable := fillDomainName(raw, r.tenantID())
	host := host(first(r.found.MetadataURL, r.tenant.start()))
	if domainNames.MatchString(usable) {
		return "", metadataInvalid("the metadata document of %s names %s with %s, which stands for the tenant's id, and the id is unknown: set spec.tenant.id", host, what, domainName)
	}
	if p := placeholderIn(usable); p != "" {
		return "", metadataInvalid("the metadata document of %s names %s with the placeholder %s: set the URL in spec.tenant.endpoints", host, what, p)
	}
	return usable, boundary{r.tenant.start(), r.tenant.TrustedHosts}.check(usable, what, host)
}

func (r resolution) tenantID() string { return first(r.tenant.ID, r.found.TenantID) }

// domainName is the literal that eGain's documents have in place of the tenant's id.
const domainName = "<DOMAIN_NAME>"

// domainNames finds domainName, percent-encoded or not.
var domainNames = regexp.MustCompile(`(?i:<|%3c)DOMAIN_NAME(?i:>|%3e)`)

func fillDomainName(raw, id string) string {
	if id == "" {
		return raw
	}
	return domainNames.ReplaceAllLiteralString(raw, id)
}

// apiURL is the base URL of API calls. A document of eGain's shape names none: it is the host that serves the document. The
// console shows the API domain with a slash at its end, which would be doubled by whatever appends a path.
func (r resolution) apiURL() (string, Source, error) {
	if r.tenant.APIURL == "" && !r.tenant.Discovers() && r.own.TokenURL == "" {
		return selfServiceAPI, SourceDerived, nil
	}
	if r.tenant.APIURL == "" && r.found.APIURL != "" { // it was checked on the way to the document
		return r.found.APIURL, SourceMetadata, nil
	}
	raw, source, err := r.choose(r.tenant.APIURL, r.said.APIURL, "an API URL")
	return strings.TrimSuffix(raw, "/"), source, err
}

func (r resolution) scopePrefix() (string, Source, error) {
	if r.own.ScopePrefix != "" {
		return r.own.ScopePrefix, SourceSpec, filled(r.own.ScopePrefix, "a scopePrefix")
	}
	prefix, from := fillDomainName(r.said.ScopePrefix, r.tenantID()), host(r.found.MetadataURL)
	switch {
	case prefix == "":
		return "", "", nil
	case len(prefix) > maxPrefix:
		return "", "", metadataInvalid("the metadata document of %s has an API permission prefix of more than %d characters: set spec.tenant.scopePrefix", from, maxPrefix)
	case domainNames.MatchString(prefix):
		return "", "", metadataInvalid("the metadata document of %s has an API permission prefix with %s, which stands for the tenant's id, and the id is unknown: set spec.tenant.id", from, domainName)
	case placeholderIn(prefix) != "":
		return "", "", metadataInvalid("the metadata document of %s has an API permission prefix with the placeholder %s: set spec.tenant.scopePrefix", from, placeholderIn(prefix))
	case strings.ContainsFunc(prefix, notInScope):
		return "", "", metadataInvalid("the metadata document of %s has an API permission prefix with characters that no scope may contain: set spec.tenant.scopePrefix", from)
	case strings.Contains(prefix, "://") && !strings.HasSuffix(prefix, "/"):
		prefix += "/"
	}
	return prefix, SourceMetadata, nil
}

// tokenURL is the spec's, or the documents' own for the actor, or one derived from those of another actor.
func (r resolution) tokenURL(e Endpoints) (string, Source, error) {
	if r.own.TokenURL != "" {
		return r.own.TokenURL, SourceSpec, filled(r.own.TokenURL, "a token URL")
	}
	if !r.tenant.Discovers() {
		return r.selfService(e)
	}
	if listed := r.found.listed(r.actor); listed != "" {
		usable, err := r.document(listed, "a token URL")
		return usable, SourceMetadata, err
	}
	if r.actor == ActorAnonymousCustomer && r.found.AnonymousFault != nil {
		return "", "", r.found.AnonymousFault
	}
	return r.derived(e)
}

// selfService is for a tenant of which only the id is known.
func (r resolution) selfService(e Endpoints) (string, Source, error) {
	if r.tenant.ID == "" {
		return "", "", endpointFault("the tenant has no token URL: set spec.tenant.id, spec.tenant.metadataURL or spec.tenant.endpoints.tokenURL")
	}
	actors := selfServiceLogin + selfServicePath(r.tenant.ID, r.actor.person(), endToken)
	special, err := r.special(actors, e)
	return first(special, actors), SourceDerived, err
}

// derived tries the candidates until one can be used. The failure of the first is reported.
func (r resolution) derived(e Endpoints) (string, Source, error) {
	failure := r.noTokenURL()
	for i, c := range r.found.candidates(r.actor) {
		tokenURL, source, err := r.deriveFrom(c, e)
		switch {
		case err == nil:
			return tokenURL, source, nil
		case i == 0:
			failure = err
		}
	}
	return "", "", failure
}

// deriveFrom is the actor's token URL as a candidate has it, or one derived from that.
func (r resolution) deriveFrom(c candidate, e Endpoints) (string, Source, error) {
	base, err := r.document(c.url, "a token URL")
	if err != nil {
		return "", "", err
	}
	var special string
	if c.another && r.actor == ActorClient {
		special, err = r.clientFrom(base)
	} else {
		special, err = r.special(base, e)
	}
	if err != nil || special != "" {
		return special, SourceDerived, err
	}
	return base, SourceMetadata, nil
}

func (r resolution) noTokenURL() error {
	return metadataInvalid("the metadata document of %s has no token URL for this flow (actor %s): set spec.tenant.endpoints.tokenURL",
		host(first(r.found.MetadataURL, r.tenant.start())), r.actor.Name())
}

// authorizationURL is where a person logs in.
func (r resolution) authorizationURL(tokenURL string) (string, Source, error) {
	raw, source, err := r.choose(r.own.AuthorizationURL, ofActor(r.said.AuthorizationURL, r.actor), "an authorization URL")
	if raw != "" || err != nil {
		return raw, source, err
	}
	if beside := loginBeside(tokenURL); beside != "" {
		return beside, SourceDerived, nil
	}
	return "", "", nil
}
