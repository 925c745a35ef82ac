package oauth

import (
	"slices"
	"strings"
)

// notInScope reports whether a scope may not hold a character (RFC 6749 section 3.3).
func notInScope(r rune) bool {
	return r <= ' ' || r > '~' || r == '"' || r == '\\'
}

// openIDScopes are those of OpenID Connect Core sections 3.1.2.1, 5.4 and 11. They are of the protocol, not of an API.
var openIDScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// IsOpenIDScope reports whether a scope is one of OpenID Connect, which has no prefix.
func IsOpenIDScope(scope string) bool { return slices.Contains(openIDScopes, scope) }

// scheme is what tells the two spellings of a scope prefix apart: eGain's own clients write it, one page of eGain's does not.
const scheme = "https://"

// WithoutPrefix takes a scope prefix off a scope, once, in either spelling.
func WithoutPrefix(scope, prefix string) string {
	if prefix == "" {
		return scope
	}
	for _, spelling := range []string{prefix, otherSpelling(prefix)} {
		if plain, found := strings.CutPrefix(scope, spelling); found {
			return plain
		}
	}
	return scope
}

// otherSpelling is a scope prefix with its scheme, or without.
func otherSpelling(prefix string) string {
	if bare, found := strings.CutPrefix(prefix, scheme); found {
		return bare
	}
	return scheme + prefix
}

// WithPrefix puts the scope prefix before every scope that lacks it. A scope that is a URI is whole already, and so is one of
// OpenID Connect. One with the prefix in its other spelling gets that of the prefix.
func (e Endpoints) WithPrefix(scopes []string) []string {
	prefixed := make([]string, len(scopes))
	for i, s := range scopes {
		prefixed[i] = e.spelt(s)
	}
	return prefixed
}

func (e Endpoints) spelt(scope string) string {
	if e.ScopePrefix == "" || strings.HasPrefix(scope, e.ScopePrefix) || IsOpenIDScope(scope) {
		return scope
	}
	plain := WithoutPrefix(scope, e.ScopePrefix)
	if plain == scope && strings.Contains(scope, "://") {
		return scope
	}
	return e.ScopePrefix + plain
}
