package oauth

// Tenant is what a spec says of a tenant. Every field may be empty, but not all that lead to a token URL.
type Tenant struct {
	// ID of the tenant, such as TMPRODB88619984.
	ID string
	// URL is the address of the customer's eGain: scheme and host.
	URL string
	// MetadataURL is that of a document, which wins over the documents that URL leads to.
	MetadataURL string
	// The endpoints of all actors.
	TokenURL, AuthorizationURL, RevocationURL, APIURL, ScopePrefix string
	// Actors are the endpoints of single actors, which win over those of all.
	Actors map[Actor]ActorEndpoints
	// TrustedHosts are hosts of other sites that documents may name.
	TrustedHosts []string
}

// ActorEndpoints are what a spec says of one actor. Every field may be empty.
type ActorEndpoints struct {
	TokenURL, AuthorizationURL, RevocationURL, ScopePrefix string
}

// For returns what the spec says for an actor: its own endpoints, completed by those of all.
func (t Tenant) For(a Actor) ActorEndpoints {
	own := t.Actors[a]
	return ActorEndpoints{
		TokenURL:         first(own.TokenURL, t.TokenURL),
		AuthorizationURL: first(own.AuthorizationURL, t.AuthorizationURL),
		RevocationURL:    first(own.RevocationURL, t.RevocationURL),
		ScopePrefix:      first(own.ScopePrefix, t.ScopePrefix),
	}
}

// Discovers reports whether documents may be read for the tenant.
func (t Tenant) Discovers() bool { return t.URL != "" || t.MetadataURL != "" }

// NeedsDocuments reports whether the token URL of an actor or the API URL is left to documents. With both in the spec they are
// not asked for, so that the spec works around documents that are wrong or unreachable.
func (t Tenant) NeedsDocuments(a Actor) bool {
	return t.Discovers() && (t.For(a).TokenURL == "" || t.APIURL == "")
}

// Empty reports whether the spec says nothing.
func (t Tenant) Empty() bool {
	return !t.Discovers() && t.ID == "" && len(t.Actors) == 0 &&
		first(t.TokenURL, t.AuthorizationURL, t.RevocationURL, t.APIURL, t.ScopePrefix) == ""
}

// start is the URL in the spec that the metadata document was found from.
func (t Tenant) start() string { return first(t.MetadataURL, t.URL) }

// IssuesFrom is a URL on the site that the tokens of an actor are from, as the spec has it without any document.
func (t Tenant) IssuesFrom(a Actor) string {
	return first(t.For(a).TokenURL, t.start(), selfServiceLogin)
}
