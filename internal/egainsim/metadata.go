package egainsim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	wellKnownOAuth  = "/.well-known/oauth-authorization-server"
	wellKnownOpenID = "/.well-known/openid-configuration"
)

// MetadataForm is a form of metadata document.
type MetadataForm string

// The forms. Of the console's own form only the names of the entries are public, not their spelling in JSON or whether
// the actors are apart, so it is served in every way.
const (
	// OAuthMetadata is RFC 8414's.
	OAuthMetadata MetadataForm = "oauth"
	// OpenIDMetadata is OpenID Connect Discovery's, for users and customers of commercial tenants.
	OpenIDMetadata MetadataForm = "openid"
	// ConsoleFlatCamel and ConsoleFlatSnake are about one actor.
	ConsoleFlatCamel MetadataForm = "console-flat-camel"
	ConsoleFlatSnake MetadataForm = "console-flat-snake"
	// ConsoleNestedCamel and ConsoleNestedSnake have an object for every actor.
	ConsoleNestedCamel MetadataForm = "console-nested-camel"
	ConsoleNestedSnake MetadataForm = "console-nested-snake"
)

const (
	camelCase = "camelCase"
	snakeCase = "snake_case"
)

// MetadataURL is where an actor's metadata is served in a form. The nested forms are the same for every actor.
func (t *Tenant) MetadataURL(form MetadataForm, actor Actor) string {
	styles := map[MetadataForm]string{
		ConsoleFlatCamel: camelCase, ConsoleNestedCamel: camelCase,
		ConsoleFlatSnake: snakeCase, ConsoleNestedSnake: snakeCase,
	}
	query := "?style=" + styles[form]
	switch form {
	case OAuthMetadata:
		return t.loginURL(actor) + wellKnownOAuth + t.issuerPath(actor)
	case OpenIDMetadata:
		return t.Issuer(actor) + wellKnownOpenID
	case ConsoleFlatCamel, ConsoleFlatSnake:
		return t.loginURL(actor) + t.consolePath() + "/" + string(actor) + query
	case ConsoleNestedCamel, ConsoleNestedSnake:
		return t.sim.LoginURL() + t.consolePath() + query
	default:
		return ""
	}
}

// RootMetadataURL is RFC 8414 metadata whose issuer has no path: it is about the users of the first Rigel tenant.
func (s *Simulator) RootMetadataURL() string { return s.LoginURL() + wellKnownOAuth }

func (t *Tenant) consolePath() string { return "/metadata/" + url.PathEscape(t.config.ID) }

func (t *Tenant) addMetadataRoutes(add func(string, route)) {
	for _, actor := range t.actors() {
		add(wellKnownOAuth+t.issuerPath(actor), route{
			endpoint: MetadataEndpoint, actor: actor, answer: (*Simulator).answerOAuthMetadata,
		})
		if t.config.Platform == Commercial && actor != Client {
			add(t.issuerPath(actor)+wellKnownOpenID, route{
				endpoint: MetadataEndpoint, actor: actor, answer: (*Simulator).answerOpenIDMetadata,
			})
		}
	}
	style := queryRules{"style": {values: []string{camelCase, snakeCase}}}
	add(t.consolePath(), route{endpoint: MetadataEndpoint, query: style, answer: (*Simulator).answerConsoleMetadata})
	for _, actor := range []Actor{User, Customer, Client} {
		add(t.consolePath()+"/"+string(actor), route{
			endpoint: MetadataEndpoint, actor: actor, query: style, answer: (*Simulator).answerConsoleMetadata,
		})
	}
}

// checkRead holds a request for a document to GET and HEAD, and to the query that the endpoint knows.
func (c *call) checkRead() error {
	if c.request.Method != http.MethodGet && c.request.Method != http.MethodHead {
		return methodNotAllowed(http.MethodGet)
	}
	return c.checkQuery()
}

func (s *Simulator) answerOAuthMetadata(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	return answerJSON(c.route.tenant.oauthMetadata(c.route.tenant.Issuer(c.route.actor), c.route.actor))
}

// answerRootMetadata is of an issuer without a path (RFC 8414 section 3.1).
func (s *Simulator) answerRootMetadata(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	t := s.Rigel()
	if t == nil {
		return s.answerUnknown(c)
	}
	return answerJSON(t.oauthMetadata(s.LoginURL(), User))
}

func (s *Simulator) answerOpenIDMetadata(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	t := c.route.tenant
	document := t.oauthMetadata(t.Issuer(c.route.actor), c.route.actor)
	document["subject_types_supported"] = []string{"public"}
	document["id_token_signing_alg_values_supported"] = []string{"RS256"}
	document["claims_supported"] = []string{"sub", "iss", "aud", "iat", "exp"}
	return answerJSON(document)
}

// oauthMetadata is a document of RFC 8414. Its issuer is what the well-known path was put into, as section 3.3 demands.
func (t *Tenant) oauthMetadata(issuer string, actor Actor) map[string]any {
	var grants []string
	for _, g := range t.grants(actor) {
		grants = append(grants, g.grantType)
	}
	var scopes []string
	for _, scope := range t.config.Scopes {
		if spelt := t.ScopeFor(actor, scope.Name); !slices.Contains(scopes, spelt) {
			scopes = append(scopes, spelt)
		}
	}
	document := map[string]any{
		"issuer":                   issuer,
		"token_endpoint":           t.TokenURL(actor),
		"jwks_uri":                 t.JWKSURL(actor),
		"revocation_endpoint":      t.RevocationURL(actor),
		"introspection_endpoint":   t.IntrospectionURL(actor),
		"scopes_supported":         scopes,
		"response_types_supported": []string{},
		"grant_types_supported":    grants,
	}
	methods := []string{"client_secret_post"}
	document["introspection_endpoint_auth_methods_supported"] = methods
	if slices.Contains(t.grants(actor), &authorizationCodeGrant) {
		document["authorization_endpoint"] = t.AuthorizationURL(actor)
		document["response_types_supported"] = []string{"code"}
		document["response_modes_supported"] = []string{"query"}
		document["code_challenge_methods_supported"] = []string{"S256"}
		methods = []string{"client_secret_post", "none"}
	}
	document["token_endpoint_auth_methods_supported"] = methods
	document["revocation_endpoint_auth_methods_supported"] = methods
	return document
}

// answerConsoleMetadata is what the console's Metadata button shows, as JSON: of one actor, or of all.
func (s *Simulator) answerConsoleMetadata(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	t, style := c.route.tenant, c.request.URL.Query().Get("style")
	if c.route.actor != "" {
		return answerJSON(t.consoleMetadata(c.route.actor, style))
	}
	all := map[string]any{}
	for _, actor := range []Actor{User, Customer, Client} {
		all[string(actor)] = t.consoleMetadata(actor, style)
	}
	return answerJSON(all)
}

// consoleMetadata has the console's own names for things, of which it has two for two of them: each platform uses one.
func (t *Tenant) consoleMetadata(actor Actor, style string) map[string]string {
	spell, form := camel, ConsoleFlatCamel
	if style == snakeCase {
		spell, form = snake, ConsoleFlatSnake
	}
	document := map[string]string{spell("metadata url"): t.MetadataURL(form, actor)}
	if actor != Client {
		document[spell("authorization url")] = t.AuthorizationURL(actor)
	}
	// eGain's documentation writes its API domains with a slash at the end.
	if t.config.Platform == Rigel {
		document[spell("access token url")] = t.TokenURL(actor)
		document[spell("domain url")] = t.APIURL() + "/"
		return document
	}
	document[spell("token url")] = t.TokenURL(actor)
	document[spell("api domain")] = t.APIURL() + "/"
	document[spell("api permission prefix")] = t.prefixFor(actor)
	return document
}

func snake(words string) string { return strings.ReplaceAll(words, " ", "_") }

func camel(words string) string {
	first, rest, _ := strings.Cut(words, " ")
	for word := range strings.FieldsSeq(rest) {
		first += strings.ToUpper(word[:1]) + word[1:]
	}
	return first
}
