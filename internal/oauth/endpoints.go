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
	ID, MetadataURL, TokenURL, AuthorizationURL, RevocationURL, APIURL, ScopePrefix string
}

// Endpoints are what a flow needs.
type Endpoints struct {
	TokenURL, RevocationURL, APIURL string
	// AuthorizationURL is where somebody logs in for AuthorizationCode; empty for the other flows, or if nothing names one:
	// a refresh does without.
	AuthorizationURL string
	// Issuer that the metadata document names; empty if none was read, or it names none.
	Issuer string
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

// The endpoints of the self-service platform, as its paths end.
const (
	endToken     = "token"
	endAuthorize = "authorize"
)

// selfServiceEndpoint is the path of a URL of the self-service platform: the tenant, and U for users and clients or C for
// customers.
var selfServiceEndpoint = regexp.MustCompile(`^/system/auth/(.+)-([UC])/oauth2/(?:` + endToken + `|` + endAuthorize + `)$`)

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
	var issuer string
	if m != nil {
		said, issuer = m.For(actor), m.Issuer
	}
	// The console shows the API domain with a slash at its end, which would be doubled by whoever appends a path.
	e := Endpoints{
		RevocationURL: first(t.RevocationURL, said.RevocationURL),
		APIURL:        strings.TrimSuffix(first(t.APIURL, said.APIURL), "/"),
		ScopePrefix:   first(t.ScopePrefix, said.ScopePrefix),
		Issuer:        issuer,
	}
	if t.MetadataURL == "" && t.TokenURL == "" {
		if t.ID == "" {
			return Endpoints{}, endpointFault("nothing says where tokens are issued: set tenant.id, tenant.metadataURL or tenant.endpoints.tokenURL")
		}
		said = ActorMetadata{TokenURL: selfServiceLogin + selfServicePath(t.ID, realm(actor), endToken)}
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
	if flow == AuthorizationCode {
		e.AuthorizationURL = first(t.AuthorizationURL, ofActor(said.AuthorizationURL, actor), loginBeside(e.TokenURL))
	}
	return e, nil
}

func actorOf(flow Flow, s Subject) Actor {
	switch {
	case flow == OnBehalfOf && s.Email != "", flow == AnonymousCustomer, flow == AuthorizationCode && s.Actor == ActorCustomer:
		return ActorCustomer
	case flow == OnBehalfOf, flow == TokenExchange, flow == AuthorizationCode:
		return ActorUser
	default:
		return ActorClient
	}
}

// realm is the letter of an actor in the paths of the self-service platform.
func realm(actor Actor) string {
	if actor == ActorCustomer {
		return "C"
	}
	return "U"
}

func selfServicePath(tenantID, realm, end string) string {
	return "/system/auth/" + url.PathEscape(tenantID) + "-" + realm + "/oauth2/" + end
}

// ofActor turns an authorization URL of the self-service platform into that of an actor, since a document may list one
// actor's for all. It leaves others as they are.
func ofActor(raw string, actor Actor) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	match := selfServiceEndpoint.FindStringSubmatch(u.Path)
	if match == nil {
		return raw
	}
	return first(sibling(u, selfServicePath(match[1], realm(actor), endAuthorize)), raw)
}

// loginBeside is the authorization URL that belongs to a token URL of the self-service platform; "" for others.
func loginBeside(tokenURL string) string {
	u, err := url.Parse(tokenURL)
	if err != nil {
		return ""
	}
	match := selfServiceEndpoint.FindStringSubmatch(u.Path)
	if match == nil {
		return ""
	}
	u.RawQuery = ""
	return sibling(u, selfServicePath(match[1], match[2], endAuthorize))
}

// specialURL derives the token URL of the flows that have one of their own beside the actor's, which the metadata does
// not list, or list for one actor only. It returns "" for the other flows. The platform shows in the shape of the actor's token URL.
func specialURL(tokenURL, apiURL, tenantID string, flow Flow, actor Actor) (string, error) {
	login, err := url.Parse(tokenURL)
	if err != nil {
		return "", metadataInvalid("the token URL in the metadata document is not a URL: set tenant.endpoints.tokenURL")
	}
	selfService := selfServiceEndpoint.FindStringSubmatch(login.Path)
	switch {
	case flow == AnonymousCustomer && selfService != nil:
		return withQuery(apiURL, selfServiceAnonymous, "user_type", "customer", "domain_hint", tenantID)
	case flow == AnonymousCustomer:
		return withQuery("https://"+login.Host, commercialAnonymous, "user_type", "customer", "domain_hint", tenantID)
	case (flow == OnBehalfOf || flow == AuthorizationCode) && selfService != nil:
		return sibling(login, selfServicePath(selfService[1], realm(actor), endToken)), nil
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

// openIDScopes are those of OpenID Connect Core sections 3.1.2.1, 5.4 and 11. They are of the protocol, not of an API.
var openIDScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// WithPrefix puts the tenant's scope prefix before every scope that lacks it, but for those of OpenID Connect.
func (e Endpoints) WithPrefix(scopes []string) []string {
	prefixed := make([]string, len(scopes))
	for i, s := range scopes {
		if !strings.HasPrefix(s, e.ScopePrefix) && !slices.Contains(openIDScopes, s) {
			s = e.ScopePrefix + s
		}
		prefixed[i] = s
	}
	return prefixed
}
