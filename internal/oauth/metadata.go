package oauth

import (
	"encoding/json"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Actor is who a token speaks for; the eGain console lists endpoints per actor.
type Actor string

// The actors, as the console names them.
const (
	ActorClient   Actor = "client"
	ActorUser     Actor = "user"
	ActorCustomer Actor = "customer"
)

// Metadata is what a tenant's metadata document says.
type Metadata struct {
	// Any holds for every actor that has no entry of its own.
	Any ActorMetadata
	// Actors holds what the document says per actor.
	Actors map[Actor]ActorMetadata
	// Issuer is the document's issuer, as it is spelt there; empty if it names none.
	Issuer string
	// ReadTime is when a Directory read the document from the server.
	ReadTime time.Time
}

// ActorMetadata is what a document says for one actor. Every field may be empty.
type ActorMetadata struct {
	TokenURL, AuthorizationURL, RevocationURL, APIURL, ScopePrefix string
}

// For returns what holds for an actor: its own entry, completed by what holds for all.
func (m *Metadata) For(a Actor) ActorMetadata {
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
// over those that the eGain console uses. eGain does not publish the form of its document, so either spelling of either is
// read.
var (
	tokenURLNames         = []string{"tokenendpoint", "accesstokenurl", "tokenurl"}
	authorizationURLNames = []string{"authorizationendpoint", "authorizationurl", "authorizeurl"}
	revocationURLNames    = []string{"revocationendpoint", "revocationurl"}
	apiURLNames           = []string{"apidomain", "domainurl", "apiurl"}
	scopePrefixNames      = []string{"apipermissionprefix"}
)

// ParseMetadata reads a metadata document: RFC 8414, OpenID Connect Discovery, or the eGain console's form, flat or per
// actor. Every URL in it must be https, and of the same site as the document or of a host that is trusted, since credentials
// are sent there, and people log in there. A nil function trusts no host.
func ParseMetadata(document []byte, from string, trusted func(*url.URL) bool) (*Metadata, error) {
	base, err := url.Parse(from)
	if err != nil {
		return nil, endpointFault("tenant.metadataURL is not a URL: correct it")
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(document, &fields) != nil {
		return nil, fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "the metadata document of %s is not a JSON object: check tenant.metadataURL", base.Host)
	}
	issuer, err := issuerOf(fields, base)
	if err != nil {
		return nil, err
	}
	fields = normalized(fields)
	m := &Metadata{Any: actorMetadata(fields), Actors: map[Actor]ActorMetadata{}, Issuer: issuer}
	for _, actor := range []Actor{ActorClient, ActorUser, ActorCustomer} {
		var nested map[string]json.RawMessage
		if json.Unmarshal(fields[string(actor)], &nested) == nil && len(nested) > 0 {
			m.Actors[actor] = actorMetadata(normalized(nested))
		}
	}
	if err := m.check(base, trusted); err != nil {
		return nil, err
	}
	return m, nil
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
		var value string
		if json.Unmarshal(fields[name], &value) == nil && value != "" {
			return value
		}
	}
	return ""
}

// issuerOf returns the issuer, if there is one, and holds it against the URL that the document came from. RFC 8414 section
// 3.3 asks for identity, which is checked for a document at that RFC's well-known place. OpenID providers of the Azure AD
// B2C family, to which the commercial platform belongs, publish issuers of another path, so elsewhere the host must be
// the same.
func issuerOf(fields map[string]json.RawMessage, base *url.URL) (string, error) {
	raw, ok := fields["issuer"]
	if !ok {
		return "", nil
	}
	var issuer string
	if json.Unmarshal(raw, &issuer) != nil {
		return "", metadataInvalid("the issuer in the metadata document is not a string: check tenant.metadataURL")
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, base.Host) {
		return "", metadataInvalid("the issuer in the metadata document is not on " + base.Host + ", where the document is from: check tenant.metadataURL")
	}
	path, standard := strings.CutPrefix(base.Path, "/.well-known/oauth-authorization-server")
	if standard && (strings.TrimSuffix(u.Path, "/") != strings.TrimSuffix(path, "/") || u.RawQuery != "" || u.Fragment != "") {
		return "", metadataInvalid("the issuer in the metadata document is not the one that the URL of the document stands for (RFC 8414 section 3.3): check tenant.metadataURL")
	}
	return issuer, nil
}

func (m *Metadata) check(base *url.URL, trusted func(*url.URL) bool) error {
	empty := true
	for _, a := range []ActorMetadata{m.Any, m.Actors[ActorClient], m.Actors[ActorUser], m.Actors[ActorCustomer]} {
		for _, raw := range []string{a.TokenURL, a.AuthorizationURL, a.RevocationURL, a.APIURL} {
			if raw == "" {
				continue
			}
			empty = false
			if !trustworthy(raw, base, trusted) {
				return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "the metadata document of %s names an endpoint that is not https or belongs to another site: if it is right, set tokenURL and apiURL in tenant.endpoints, and authorizationURL for AuthorizationCode, or list the host in the operator's --allowed-hosts", base.Host)
			}
		}
		if strings.ContainsFunc(a.ScopePrefix, notInScope) {
			return metadataInvalid("the API permission prefix in the metadata document holds characters that no scope may hold: check tenant.metadataURL")
		}
	}
	if empty {
		return fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "the metadata document of %s names no endpoint: check tenant.metadataURL, or set tenant.endpoints.tokenURL", base.Host)
	}
	return nil
}

// notInScope reports whether a scope may not hold a character (RFC 6749 section 3.3).
func notInScope(r rune) bool {
	return r <= ' ' || r > '~' || r == '"' || r == '\\'
}

// trustworthy reports whether credentials may be sent to a URL that the document at base names.
func trustworthy(raw string, base *url.URL, trusted func(*url.URL) bool) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return false
	}
	return sameSite(u.Hostname(), base.Hostname()) || (trusted != nil && trusted(u))
}

// sameSite reports whether two hosts belong to one registrable domain, as ai.egain.cloud and api.ai.egain.cloud do. This
// machine is one site by whichever name.
func sameSite(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b || (loopback(a) && loopback(b)) {
		return true
	}
	siteA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	siteB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && siteA == siteB && net.ParseIP(a) == nil && net.ParseIP(b) == nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// endpointFault is about an endpoint in the spec, whose change wakes the client.
func endpointFault(message string) error {
	return fault.New(fault.Terminal, fault.ReasonEndpointInvalid, "%s", message)
}

// metadataInvalid is about a metadata document that was read, of whose change nothing tells: it is looked at again, rarely.
func metadataInvalid(message string) error {
	return fault.New(fault.Rejected, fault.ReasonEndpointInvalid, "%s", message)
}
