package oauth

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
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

// commercialEndpoint is the path of the token URL of users and customers on the commercial platform: the region's gateway
// and the sign-in policy.
var commercialEndpoint = regexp.MustCompile(`^/([^/]+)/[^/]+/oauth2/v2\.0/token$`)

// commercial reports whether a token URL may be of the commercial platform. Tenants of Azure AD B2C have its paths, on hosts
// under a name that anyone can rent.
func commercial(u *url.URL) bool {
	return commercialEndpoint.MatchString(u.Path) && !rented(u.Hostname())
}

func selfServicePath(tenantID string, person Actor, end string) string {
	realm := "U"
	if person == ActorCustomer {
		realm = "C"
	}
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
	return first(sibling(u, selfServicePath(match[1], actor.person(), endAuthorize)), raw)
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
	return sibling(u, "/system/auth/"+url.PathEscape(match[1])+"-"+match[2]+"/oauth2/"+endAuthorize)
}

// clientFrom derives the token URL of client applications from that of users or customers.
func (r resolution) clientFrom(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", r.noTokenURL()
	}
	if match := selfServiceEndpoint.FindStringSubmatch(u.Path); match != nil {
		return first(sibling(u, selfServicePath(match[1], ActorUser, endToken)), base), nil
	}
	if !commercial(u) { // an identity provider has no gateway of eGain's
		return "", r.noTokenURL()
	}
	match := commercialEndpoint.FindStringSubmatch(u.Path)
	return sibling(&url.URL{Scheme: u.Scheme, Host: u.Host}, "/global/"+url.PathEscape(match[1])+"/oauth2/v2.0/token"), nil
}

// special derives the token URL of the flows that have one of their own beside the person's, which the documents do
// not list, or list for one person only. It returns "" for the other flows. The platform shows in the shape of the base.
func (r resolution) special(base string, e Endpoints) (string, error) {
	login, err := url.Parse(base)
	if err != nil {
		return "", metadataInvalid("the token URL in the metadata document is not a URL: set spec.tenant.endpoints.tokenURL")
	}
	selfService := selfServiceEndpoint.FindStringSubmatch(login.Path)
	switch {
	case r.flow == AnonymousCustomer && selfService != nil:
		return onAPI(e, selfServiceAnonymous, "user_type", "customer", "domain_hint", first(r.tenantID(), selfService[1]))
	case r.flow == AnonymousCustomer && !commercial(login): // an identity provider knows no anonymous customers
		return "", r.noTokenURL()
	case r.flow == AnonymousCustomer:
		return withQuery("https://"+login.Host, commercialAnonymous, "user_type", "customer", "domain_hint", r.tenantID()), nil
	case (r.flow == OnBehalfOf || r.flow == AuthorizationCode) && selfService != nil:
		return sibling(login, selfServicePath(selfService[1], r.actor.person(), endToken)), nil
	case r.flow == OnBehalfOf:
		return onAPI(e, commercialOnBehalfOf, "user_type", string(r.actor.person()))
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

// onAPI is a URL on the API domain, which must be known.
func onAPI(e Endpoints, path string, params ...string) (string, error) {
	if e.Unusable.APIURL != nil {
		return "", e.Unusable.APIURL
	}
	if e.APIURL == "" {
		return "", metadataInvalid("this flow needs the API domain, which the metadata document does not name: set spec.tenant.endpoints.apiURL or spec.tenant.endpoints.tokenURL")
	}
	return withQuery(e.APIURL, path, params...), nil
}

// withQuery joins a base URL, a path and a query in the order given, leaving out parameters without a value.
func withQuery(base, path string, params ...string) string {
	var query []string
	for pair := range slices.Chunk(params, 2) {
		if name, value := pair[0], pair[1]; value != "" {
			query = append(query, name+"="+url.QueryEscape(value))
		}
	}
	return strings.TrimSuffix(base, "/") + path + "?" + strings.Join(query, "&")
}
