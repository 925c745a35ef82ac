package oauth

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Metadata is what a metadata document says. Nothing of it is trusted: Resolve checks what a flow uses.
type Metadata struct {
	// Any holds for every actor that has no entry of its own.
	Any ActorMetadata
	// Actors holds what the document says per actor.
	Actors map[Actor]ActorMetadata
	// Issuer is the document's issuer, as it is spelt there; empty if it names none.
	Issuer string
	// AnswersNameIssuer says that each answer to a login names the issuer (RFC 9207 section 3).
	AnswersNameIssuer bool
	// Native says that the document has eGain's own shape, whose API domain is the host that serves it.
	Native bool
}

// ActorMetadata is what a document says for one actor. Every field may be empty.
type ActorMetadata struct {
	TokenURL, AuthorizationURL, RevocationURL, APIURL, ScopePrefix string
}

// EndpointsOf returns what holds for an actor: its own entry, completed by what holds for all.
func (m *Metadata) EndpointsOf(a Actor) ActorMetadata {
	own := m.Actors[a]
	return ActorMetadata{
		TokenURL:         first(own.TokenURL, m.Any.TokenURL),
		AuthorizationURL: first(own.AuthorizationURL, m.Any.AuthorizationURL),
		RevocationURL:    first(own.RevocationURL, m.Any.RevocationURL),
		APIURL:           first(own.APIURL, m.Any.APIURL),
		ScopePrefix:      first(own.ScopePrefix, m.Any.ScopePrefix),
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// The names of fields, lower-cased and without separators: those of RFC 8414 and OpenID Connect Discovery first, which win
// over those that the eGain console shows, of which any spelling is read.
var (
	tokenURLNames         = []string{"tokenendpoint", "accesstokenurl", "tokenurl"}
	authorizationURLNames = []string{"authorizationendpoint", "authorizationurl", "authorizeurl", "authurl"}
	revocationURLNames    = []string{"revocationendpoint", "revocationurl"}
	apiURLNames           = []string{"apidomain", "domainurl", "apiurl"}
	scopePrefixNames      = []string{"apipermissionprefix"}
)

// ParseMetadata reads a metadata document: eGain's own shape, RFC 8414, OpenID Connect Discovery, or the eGain console's
// names, flat or per actor. It fails if the document is not a JSON object, names no endpoint, or names an issuer other than
// the one that its URL stands for.
func ParseMetadata(document []byte, from string) (*Metadata, error) {
	base, err := url.Parse(from)
	if err != nil {
		return nil, endpointFault("spec.tenant.metadataURL is not a URL: correct it")
	}
	fields, err := parseObject(document, base.Host, MetadataAtURL.String())
	if err != nil {
		return nil, err
	}
	issuer, err := issuerOf(fields, base)
	if err != nil {
		return nil, err
	}
	m := &Metadata{Actors: map[Actor]ActorMetadata{}, Issuer: issuer}
	_ = json.Unmarshal(fields["authorization_response_iss_parameter_supported"], &m.AnswersNameIssuer) // anything else stands for false
	m.readConsole(normalized(fields))
	m.readNative(document)
	if m.empty() {
		return nil, fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "the metadata document of %s names no endpoint", base.Host)
	}
	return m, nil
}

// parseObject reads a JSON object. The errors tell apart what a person sees in a browser: nothing, a page, something else.
func parseObject(document []byte, host, what string) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	start := bytes.TrimLeft(bytes.TrimPrefix(document, byteOrderMark), " \t\r\n")
	problem := "is not a JSON object"
	switch {
	case len(start) == 0:
		problem = "is empty"
	case start[0] == '<':
		problem = "is an HTML or XML page, not a JSON object"
	case json.Unmarshal(start, &fields) == nil && fields != nil:
		return fields, nil
	}
	return nil, fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "the %s of %s %s", what, host, problem)
}

// byteOrderMark is what some servers put before JSON (RFC 8259 section 8.1 lets readers ignore it).
var byteOrderMark = []byte("\xef\xbb\xbf")

// readConsole reads the names of the standards and of the console.
func (m *Metadata) readConsole(fields map[string]json.RawMessage) {
	m.Any = actorMetadata(fields)
	for _, actor := range []Actor{ActorClient, ActorUser, ActorCustomer} {
		var nested map[string]json.RawMessage
		if json.Unmarshal(fields[string(actor)], &nested) == nil && len(nested) > 0 {
			m.Actors[actor] = actorMetadata(normalized(nested))
		}
	}
}

// nativeEntries are the arrays of eGain's own shape. The last three are the security scheme names of eGain's API
// descriptions; whether its metadata have them is not public.
var nativeEntries = map[string]Actor{
	"oAuthUser":               ActorUser,
	"oAuthCustomer":           ActorCustomer,
	"oAuthAnonymousCustomer":  ActorAnonymousCustomer,
	"oAuthClient":             ActorClient,
	"oAuthOnBehalfOfUser":     ActorOnBehalfOfUser,
	"oAuthOnBehalfOfCustomer": ActorOnBehalfOfCustomer,
}

// readNative reads eGain's own shape, in which an entry wins over one that the console's names made. The query of an
// authURL is dropped, as eGain's own clients do: that of a deployment's document hints at a tenant of its choice.
func (m *Metadata) readNative(document []byte) {
	var top map[string]json.RawMessage
	_ = json.Unmarshal(bytes.TrimPrefix(document, byteOrderMark), &top) // it was read before
	details, ok := members(top["authenticationDetails"])
	if !ok {
		return
	}
	m.Native = true
	for name, actor := range nativeEntries {
		var entries []json.RawMessage
		if json.Unmarshal(details[name], &entries) != nil || len(entries) == 0 {
			continue
		}
		entry, _ := members(entries[0])
		said := m.Actors[actor]
		said.TokenURL = first(textOf(entry["accessTokenURL"]), said.TokenURL)
		said.AuthorizationURL = first(withoutQuery(textOf(entry["authURL"])), said.AuthorizationURL)
		m.Actors[actor] = said
	}
	m.readPrefixes(top, details)
}

// readPrefixes reads the scope prefix of each actor: users and customers have one of their own, and so have anonymous
// customers. That of CORE holds for everyone else, and for those whose own is missing.
func (m *Metadata) readPrefixes(top, details map[string]json.RawMessage) {
	api, _ := members(top["apiMetadata"])
	core, _ := members(api["CORE"])
	m.Any.ScopePrefix = first(textOf(core["apiPermissionPrefix"]), m.Any.ScopePrefix)
	for actor, prefix := range map[Actor]string{
		ActorUser:              textOf(core["iApiPermissionPrefix"]),
		ActorCustomer:          textOf(core["eApiPermissionPrefix"]),
		ActorAnonymousCustomer: textOf(details["apiPermissionPrefix"]),
	} {
		if prefix != "" {
			said := m.Actors[actor]
			said.ScopePrefix = prefix
			m.Actors[actor] = said
		}
	}
}

// members are those of a JSON object; false if it is none.
func members(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var object map[string]json.RawMessage
	err := json.Unmarshal(raw, &object)
	return object, err == nil && object != nil
}

// textOf is a JSON string; "" for anything else.
func textOf(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	return value
}

func withoutQuery(raw string) string {
	address, _, _ := strings.Cut(raw, "?")
	return address
}

// normalized lower-cases names and takes their separators out. Of names that become one, the first in the order of the
// alphabet wins, so that a document means the same each time it is read.
func normalized(fields map[string]json.RawMessage) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(fields))
	separators := strings.NewReplacer("_", "", "-", "", " ", "")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		plain := separators.Replace(strings.ToLower(name))
		if _, taken := out[plain]; !taken {
			out[plain] = fields[name]
		}
	}
	return out
}

func actorMetadata(fields map[string]json.RawMessage) ActorMetadata {
	m := ActorMetadata{
		TokenURL:         firstString(fields, tokenURLNames),
		AuthorizationURL: firstString(fields, authorizationURLNames),
		RevocationURL:    firstString(fields, revocationURLNames),
		APIURL:           firstString(fields, apiURLNames),
		ScopePrefix:      firstString(fields, scopePrefixNames),
	}
	// The console shows the API domain, which may come without its scheme.
	if m.APIURL != "" && !strings.Contains(m.APIURL, "://") {
		m.APIURL = "https://" + m.APIURL
	}
	return m
}

// firstString is the first of the named fields that is a string with something in it.
func firstString(fields map[string]json.RawMessage, names []string) string {
	for _, name := range names {
		if value := textOf(fields[name]); value != "" {
			return value
		}
	}
	return ""
}

// issuerOf returns the issuer, if there is one, and holds it against the URL that the document came from. RFC 8414 section
// 3.3 asks for identity, which is checked for a document at that RFC's well-known place. OpenID providers of the Azure AD
// B2C family, to which the commercial platform belongs, publish issuers of another path, so elsewhere the host must be
// the same. Entra ID's document for several tenants has {tenantid} in the path, which names no issuer.
func issuerOf(fields map[string]json.RawMessage, base *url.URL) (string, error) {
	raw, ok := fields["issuer"]
	if !ok {
		return "", nil
	}
	var issuer string
	if json.Unmarshal(raw, &issuer) != nil {
		return "", metadataInvalid("the issuer in the metadata document of %s is not a string", base.Host)
	}
	u, err := url.Parse(issuer)
	switch {
	case err == nil && u.Scheme == "http":
		return "", metadataInvalid("the issuer in the metadata document of %s is an http URL, as of a server that does not know its own https address: "+
			"set that address at the server, or set spec.tenant.endpoints.tokenURL", base.Host)
	case err != nil || !printable(issuer) || !servedFrom(u, base):
		return "", metadataInvalid("the issuer in the metadata document is not on %s, where the document is from", base.Host)
	case !standsFor(base, u):
		return "", metadataInvalid("the issuer in the metadata document of %s is not the one that the URL of the document stands for (RFC 8414 section 3.3)", base.Host)
	case strings.Contains(u.Path, "{tenantid}"):
		return "", nil
	}
	return issuer, nil
}

// standsFor reports whether the URL of a document at the well-known place of RFC 8414 is that of an issuer. Documents at other
// places stand for any.
func standsFor(base, issuer *url.URL) bool {
	path, standard := strings.CutPrefix(base.Path, "/.well-known/oauth-authorization-server")
	return !standard || (strings.TrimSuffix(issuer.Path, "/") == strings.TrimSuffix(path, "/") && issuer.RawQuery == "" && issuer.Fragment == "")
}

// servedFrom reports whether a URL is https, and of the host and port of another one.
func servedFrom(u, base *url.URL) bool {
	return u.Scheme == "https" && canonical(u.Hostname()) == canonical(base.Hostname()) && port(u) == port(base)
}

// empty reports whether a document names no endpoint.
func (m *Metadata) empty() bool {
	named := func(a ActorMetadata) bool {
		return a.TokenURL != "" || a.AuthorizationURL != "" || a.RevocationURL != "" || a.APIURL != ""
	}
	if named(m.Any) {
		return false
	}
	for _, a := range m.Actors {
		if named(a) {
			return false
		}
	}
	return true
}

// endpointFault is about an endpoint in the spec, whose change wakes the client.
func endpointFault(format string, args ...any) error {
	return fault.New(fault.Terminal, fault.ReasonEndpointInvalid, format, args...)
}

// metadataInvalid is about a document that was read. No event reports its change, so it is rarely retried.
func metadataInvalid(format string, args ...any) error {
	return fault.New(fault.Rejected, fault.ReasonEndpointInvalid, format, args...)
}
