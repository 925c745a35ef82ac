package oauth

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Source says where a token URL came from.
type Source string

// The sources, by the names of the API.
const (
	SourceSpec     Source = "Spec"
	SourceMetadata Source = "Metadata"
	SourceDerived  Source = "Derived"
)

// Tenant is what a spec says of a tenant. Every field may be empty, but not all of ID, MetadataURL and TokenURL.
type Tenant struct {
	ID, MetadataURL, TokenURL, RevocationURL, APIURL, ScopePrefix string
}

// Endpoints are what a flow needs.
type Endpoints struct {
	TokenURL, RevocationURL, APIURL string
	// Source of TokenURL.
	Source Source
	// ScopePrefix is put before scopes that lack it.
	ScopePrefix string
}

// Hosts of the self-service platform, for which the tenant's id is enough to derive every URL.
const (
	selfServiceLogin = "https://ai.egain.cloud"
	selfServiceAPI   = "https://api.ai.egain.cloud"
)

// Paths that eGain documents.
const (
	selfServiceAnonymous = "/core/authmgr/v3/oauth2/v2.0/anonymous/token"
	commercialAnonymous  = "/internal/oauth2/v2.0/anonymous/token"
	commercialOnBehalfOf = "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token"
)

// selfServiceToken is the path of a token URL of the self-service platform: U for users and clients, C for customers.
var selfServiceToken = regexp.MustCompile(`^/system/auth/(.+)-[UC]/oauth2/token$`)

// NeedsMetadata reports whether the token URL or the API URL is left to the metadata document. With both in the spec the
// document is not asked for, so that they work around one that is wrong or unreachable.
func (t Tenant) NeedsMetadata() bool {
	return t.MetadataURL != "" && (t.TokenURL == "" || t.APIURL == "")
}

// Resolve finds the endpoints of a flow: those of the spec, else of the metadata document (nil if there is none or it
// is not needed), else derived from documented URLs. It fails if that leaves no token URL: Terminal if only the spec can
// change that, Rejected if the document can, since no event tells of its change.
func Resolve(t Tenant, m *Metadata, flow Flow, subject Subject) (Endpoints, error) {
	actor := actorOf(flow, subject)
	var said ActorMetadata
	if m != nil {
		said = m.For(actor)
	}
	// The console shows the API domain with a slash at its end, which would be doubled by whoever appends a path.
	e := Endpoints{
		RevocationURL: first(t.RevocationURL, said.RevocationURL),
		APIURL:        strings.TrimSuffix(first(t.APIURL, said.APIURL), "/"),
		ScopePrefix:   first(t.ScopePrefix, said.ScopePrefix),
	}
	if t.MetadataURL == "" && t.TokenURL == "" {
		if t.ID == "" {
			return Endpoints{}, endpointFault("nothing says where tokens are issued: set tenant.id, tenant.metadataURL or tenant.endpoints.tokenURL")
		}
		said = ActorMetadata{TokenURL: selfServiceLogin + selfServicePath(t.ID, actor)}
		e.APIURL = first(e.APIURL, selfServiceAPI)
	}
	switch {
	case t.TokenURL != "":
		e.TokenURL, e.Source = t.TokenURL, SourceSpec
	case said.TokenURL == "":
		return Endpoints{}, metadataInvalid("the metadata document has no token URL for this flow: set tenant.endpoints.tokenURL")
	default:
		special, err := specialURL(said.TokenURL, e.APIURL, t.ID, flow, actor)
		if err != nil {
			return Endpoints{}, err
		}
		e.TokenURL, e.Source = first(special, said.TokenURL), SourceMetadata
		if special != "" || m == nil {
			e.Source = SourceDerived
		}
	}
	return e, nil
}

func actorOf(flow Flow, s Subject) Actor {
	switch {
	case flow == OnBehalfOf && s.Email != "", flow == AnonymousCustomer:
		return ActorCustomer
	case flow == OnBehalfOf, flow == TokenExchange:
		return ActorUser
	default:
		return ActorClient
	}
}

func selfServicePath(tenantID string, actor Actor) string {
	kind := "U"
	if actor == ActorCustomer {
		kind = "C"
	}
	return "/system/auth/" + url.PathEscape(tenantID) + "-" + kind + "/oauth2/token"
}

// specialURL derives the token URL of the flows that have one of their own beside the actor's, which the metadata does
// not list. It returns "" for the other flows. The platform shows in the shape of the actor's token URL.
func specialURL(tokenURL, apiURL, tenantID string, flow Flow, actor Actor) (string, error) {
	login, err := url.Parse(tokenURL)
	if err != nil {
		return "", metadataInvalid("the token URL in the metadata document is not a URL")
	}
	selfService := selfServiceToken.FindStringSubmatch(login.Path)
	switch {
	case flow == AnonymousCustomer && selfService != nil:
		return withQuery(apiURL, selfServiceAnonymous, "user_type", "customer", "domain_hint", tenantID)
	case flow == AnonymousCustomer:
		return withQuery("https://"+login.Host, commercialAnonymous, "user_type", "customer", "domain_hint", tenantID)
	case flow == OnBehalfOf && selfService != nil:
		return sibling(login, selfServicePath(selfService[1], actor)), nil
	case flow == OnBehalfOf:
		return withQuery(apiURL, commercialOnBehalfOf, "user_type", string(actor))
	default:
		return "", nil
	}
}

// sibling is a URL with another path; "" if it has that path already.
func sibling(u *url.URL, path string) string {
	if u.EscapedPath() == path {
		return ""
	}
	s := &url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: u.RawQuery}
	return s.JoinPath(path).String()
}

// withQuery joins a base URL, a path and a query in the order given, leaving out parameters without a value.
func withQuery(base, path string, params ...string) (string, error) {
	if base == "" {
		return "", metadataInvalid("this flow's token URL is on the API domain, which the metadata document does not name: set tenant.endpoints.apiURL or tenant.endpoints.tokenURL")
	}
	var query []string
	for pair := range slices.Chunk(params, 2) {
		if name, value := pair[0], pair[1]; value != "" {
			query = append(query, name+"="+url.QueryEscape(value))
		}
	}
	return strings.TrimSuffix(base, "/") + path + "?" + strings.Join(query, "&"), nil
}

// WithPrefix puts the tenant's scope prefix before every scope that lacks it.
func (e Endpoints) WithPrefix(scopes []string) []string {
	prefixed := make([]string, len(scopes))
	for i, s := range scopes {
		if !strings.HasPrefix(s, e.ScopePrefix) {
			s = e.ScopePrefix + s
		}
		prefixed[i] = s
	}
	return prefixed
}
