package egainsim

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// Endpoint is a kind of endpoint, as faults and counts tell them apart.
type Endpoint string

// The kinds of endpoints.
const (
	// TokenEndpoint is every endpoint that issues tokens, on either host.
	TokenEndpoint Endpoint = "token"
	// AuthorizationEndpoint is where a browser begins a login.
	AuthorizationEndpoint Endpoint = "authorize"
	// LoginEndpoint and ConsentEndpoint answer to the forms of the pages that follow.
	LoginEndpoint   Endpoint = "login"
	ConsentEndpoint Endpoint = "consent"
	// DeploymentInfoEndpoint is the first step of eGain's discovery.
	DeploymentInfoEndpoint Endpoint = "deploymentInfo"
	// MetadataEndpoint serves metadata in any form.
	MetadataEndpoint Endpoint = "metadata"
	// JWKSEndpoint serves the keys that tokens are signed with.
	JWKSEndpoint Endpoint = "jwks"
	// RevocationEndpoint revokes tokens.
	RevocationEndpoint Endpoint = "revoke"
	// IntrospectionEndpoint tells whether a token is valid.
	IntrospectionEndpoint Endpoint = "introspect"
	// APIEndpoint is the protected API.
	APIEndpoint Endpoint = "api"
	// UnknownEndpoint is whatever does not exist at the host that was asked.
	UnknownEndpoint Endpoint = "unknown"
)

const (
	rigelAnonymousPath       = "/core/authmgr/v3/oauth2/v2.0/anonymous/token"
	commercialAnonymousPath  = "/internal/oauth2/v2.0/anonymous/token"
	commercialOnBehalfOfPath = "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token"
)

// route is an endpoint at a place.
type route struct {
	endpoint Endpoint
	// path is what the record of requests shows.
	path string
	// tenant and actor are unset where one URL serves several; the query then tells, by the platform's own rules.
	tenant   *Tenant
	platform Platform
	actor    Actor
	query    queryRules
	// grants are what a token endpoint offers.
	grants []*grant
	answer func(*Simulator, *call) answer
}

// queryRules are the query parameters that an endpoint knows. It refuses all others.
type queryRules map[string]queryRule

// queryRule limits one query parameter. Without values, any will do.
type queryRule struct {
	required bool
	values   []string
}

// sharedRoutes are the endpoints whose URL names no tenant, or only in its query.
func sharedRoutes() map[string]*route {
	return map[string]*route{
		apiHost + rigelAnonymousPath: {
			endpoint: TokenEndpoint, path: rigelAnonymousPath, platform: Rigel, actor: Customer,
			query:  queryRules{"user_type": {true, []string{"customer"}}, domainHintParam: {required: true}},
			grants: []*grant{&anonymous}, answer: (*Simulator).answerToken,
		},
		loginHost + commercialAnonymousPath: {
			endpoint: TokenEndpoint, path: commercialAnonymousPath, platform: Commercial, actor: Customer,
			query:  queryRules{"user_type": {true, []string{"customer"}}, domainHintParam: {}},
			grants: []*grant{&anonymous}, answer: (*Simulator).answerToken,
		},
		apiHost + commercialOnBehalfOfPath: {
			endpoint: TokenEndpoint, path: commercialOnBehalfOfPath, platform: Commercial,
			query:  queryRules{"user_type": {true, []string{"user", "customer"}}, "tenantId": {}},
			grants: []*grant{&onBehalfOf}, answer: (*Simulator).answerToken,
		},
		loginHost + wellKnownOAuth: {
			endpoint: MetadataEndpoint, path: wellKnownOAuth, answer: (*Simulator).answerRootMetadata,
		},
	}
}

// routes are the endpoints of one tenant by host and path.
func (t *Tenant) routes() map[string]*route {
	all := map[string]*route{}
	add := func(path string, r route) {
		r.path, r.tenant, r.platform = path, t, t.config.Platform
		all[t.loginHost(r.actor)+path] = &r
	}
	for _, actor := range t.actors() {
		add(t.oauthPath(actor, "token"), route{
			endpoint: TokenEndpoint, actor: actor, grants: t.grants(actor), answer: (*Simulator).answerToken,
		})
		add(t.oauthPath(actor, "revoke"), route{
			endpoint: RevocationEndpoint, actor: actor, answer: (*Simulator).answerRevocation,
		})
		add(t.oauthPath(actor, "introspect"), route{
			endpoint: IntrospectionEndpoint, actor: actor, answer: (*Simulator).answerIntrospection,
		})
		add(t.keysPath(actor), route{endpoint: JWKSEndpoint, actor: actor, answer: (*Simulator).answerJWKS})
	}
	t.addPageRoutes(add)
	t.addMetadataRoutes(add)
	t.addDeploymentRoutes(all)
	return all
}

// addPageRoutes adds what people see in their browser. The query of the authorization endpoint is checked by itself, since
// errors in it are the application's to hear.
func (t *Tenant) addPageRoutes(add func(string, route)) {
	for _, actor := range []Actor{User, Customer} {
		add(t.oauthPath(actor, "authorize"), route{
			endpoint: AuthorizationEndpoint, actor: actor, answer: (*Simulator).answerAuthorization,
		})
		add(t.oauthPath(actor, "login"), route{endpoint: LoginEndpoint, actor: actor, answer: (*Simulator).answerLogin})
		add(t.oauthPath(actor, "consent"), route{endpoint: ConsentEndpoint, actor: actor, answer: (*Simulator).answerConsent})
	}
}

// grants are what the token endpoint of an actor offers, by the platform's table of endpoints.
func (t *Tenant) grants(actor Actor) []*grant {
	switch {
	case t.config.Platform == Commercial && actor == Client:
		return []*grant{&clientCredentials}
	case t.config.Platform == Commercial:
		return []*grant{&authorizationCodeGrant, &refreshTokenGrant, &tokenExchange}
	case actor == Customer:
		return []*grant{&authorizationCodeGrant, &refreshTokenGrant, &onBehalfOf, &tokenExchange}
	default:
		return []*grant{&authorizationCodeGrant, &refreshTokenGrant, &clientCredentials, &onBehalfOf, &tokenExchange}
	}
}

// placeOf is the host that a request names, and if it names the port of a deployment, the tenant.
func (s *Simulator) placeOf(r *http.Request) (string, *Tenant) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return r.Host, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i := slices.IndexFunc(s.deployments, func(t *Tenant) bool { return t.portName() == port }); i >= 0 {
		return host, s.deployments[i]
	}
	return host, nil
}

// route finds the endpoint of a request. A path must match to the letter, so that a doubled slash shows.
func (s *Simulator) route(r *http.Request) *route {
	path := r.URL.EscapedPath()
	host, deployed := s.placeOf(r)
	place := host
	if deployed != nil {
		place = deployed.at(host)
	}
	s.mu.RLock()
	found := s.routes[place+path]
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	if resource, ok := apiResource(path); ok && host == apiHost {
		return &route{endpoint: APIEndpoint, path: resource, tenant: deployed, answer: (*Simulator).answerAPI}
	}
	return &route{endpoint: UnknownEndpoint, answer: (*Simulator).answerUnknown}
}

func (s *Simulator) answerUnknown(*call) answer {
	return answerError(refuseWith(http.StatusNotFound, outcomeNotFound, "there is no such endpoint at this host"))
}

// tenantOf finds the tenant of a request to a route. It may be named by a hint in the query, by the client, or by being
// the only one there is.
func (s *Simulator) tenantOf(r *route, query func(string) string, clientID string) *Tenant {
	hint := r.hint(query)
	if r.tenant != nil {
		if hint != "" && hint != r.tenant.config.ID {
			return nil
		}
		return r.tenant
	}
	if hint != "" {
		return ofPlatform(s.Tenant(hint), r.platform)
	}
	if client := s.client(clientID); client != nil {
		return ofPlatform(client.tenant, r.platform)
	}
	return s.only(r.platform)
}

// hint is the tenant id in the query of an endpoint that knows one.
func (r *route) hint(query func(string) string) string {
	for _, name := range []string{domainHintParam, "tenantId"} {
		if _, known := r.query[name]; known && query(name) != "" {
			return query(name)
		}
	}
	return ""
}

func ofPlatform(t *Tenant, platform Platform) *Tenant {
	if t == nil || t.config.Platform != platform {
		return nil
	}
	return t
}

// only is the tenant of a platform that has no other. Beside one without a Deployment, those with one do not count.
func (s *Simulator) only(platform Platform) *Tenant {
	if all := s.ofPlatform(platform); len(all) == 1 {
		return all[0]
	}
	return nil
}

// apiResource is what a path of the API belongs to: its first three segments, as in /knowledge/portalmgr/v4, or /whoami
// for any path that ends so.
func apiResource(path string) (string, bool) {
	if strings.HasPrefix(path, metadataPath) {
		return "", false
	}
	if strings.HasSuffix(path, whoami) {
		return whoami, true
	}
	segments := strings.Split(path, "/")
	if len(segments) < 5 || segments[0] != "" || !isVersion(segments[3]) {
		return "", false
	}
	if slices.Contains(segments[1:], "") {
		return "", false
	}
	return strings.Join(segments[:4], "/"), true
}

func isVersion(segment string) bool {
	digits, ok := strings.CutPrefix(segment, "v")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}
