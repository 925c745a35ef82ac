package oauth

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxRefusal bounds the message about refused scopes, in bytes; a condition shows 1,024 at most.
	maxRefusal = 1023
	// maxShownScopes and maxShownScope bound the scopes in it: how many, and the bytes of each.
	maxShownScopes = 5
	maxShownScope  = 256
)

// bareScope is a scope whose prefix is a host and a path without a scheme, such as api.egain.cloud/auth/. Plain scopes have no
// slash.
var bareScope = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+/([^/]+/)+[^/]+$`)

// OtherSpelling returns the same scopes with their prefix in its other spelling: with https:// before it, or without. It returns
// false if no scope has a prefix with another spelling. Where a list has both spellings, all get https://.
//
// eGain's own clients write https://api.egain.cloud/auth/, and one of its pages writes api.egain.cloud/auth/.
func OtherSpelling(scopes []string) ([]string, bool) {
	respell := func(scope string) string { return strings.TrimPrefix(scope, scheme) }
	if slices.ContainsFunc(scopes, bareScope.MatchString) {
		respell = func(scope string) string { return scheme + strings.TrimPrefix(scope, scheme) }
	}
	other, changed := slices.Clone(scopes), false
	for i, scope := range scopes {
		if bareScope.MatchString(strings.TrimPrefix(scope, scheme)) {
			other[i] = respell(scope)
			changed = changed || other[i] != scope
		}
	}
	if !changed {
		return nil, false
	}
	return other, true
}

// OtherPrefix returns the first prefix that OtherSpelling changes, in its other spelling; "" if it changes none.
func OtherPrefix(scopes []string) string {
	other, _ := OtherSpelling(scopes)
	for i, scope := range other {
		if scope != scopes[i] {
			return scope[:strings.LastIndexByte(scope, '/')+1]
		}
	}
	return ""
}

// refusedScopes extends the advice about scopes that a server refuses by their other spelling and by the scopes themselves.
func (v verdict) refusedScopes(scopes []string, server string) verdict {
	if len(scopes) == 0 {
		return v
	}
	switch prefix := OtherPrefix(scopes); {
	case strings.HasPrefix(prefix, scheme+"api.egain.cloud/"), strings.HasPrefix(prefix, scheme+"api-emea.egain.cloud/"):
		v.advice = fmt.Sprintf("eGain's own clients write the prefix %s: correct spec.tenant.scopePrefix or spec.scopes, and check that the scopes are granted and of the flow's kind", quoteScope(prefix))
	case strings.HasPrefix(prefix, scheme):
		v.advice = fmt.Sprintf("the prefix may lack its scheme: try %s in spec.tenant.scopePrefix or spec.scopes, and check that the scopes are granted and of the flow's kind", quoteScope(prefix))
	case prefix != "":
		v.advice += fmt.Sprintf("; the other spelling of the prefix is %s", quoteScope(prefix))
	}
	if sent := quoteScopes(scopes, maxRefusal-len(v.message("invalid_scope", server))-len("; sent ")); sent != "" {
		v.advice += "; sent " + sent
	}
	return v
}

// quoteScopes lists scopes in at most so many bytes, all others as their number; "" if there is room for none.
func quoteScopes(scopes []string, room int) string {
	list := ""
	for i, scope := range scopes {
		separator, rest := "", ""
		if i > 0 {
			separator = ", "
		}
		if more := len(scopes) - i - 1; more > 0 {
			rest = fmt.Sprintf(" and %d more", more)
		}
		next := list + separator + quoteScope(scope)
		if i == maxShownScopes || len(next)+len(rest) > room {
			if i == 0 {
				return ""
			}
			return fmt.Sprintf("%s and %d more", list, len(scopes)-i)
		}
		list = next
	}
	return list
}

// quoteScope quotes a scope in ASCII. One that is too long ends in three dots after the quote.
func quoteScope(scope string) string {
	quoted := strconv.QuoteToASCII(scope)
	if len(quoted) <= maxShownScope {
		return quoted
	}
	cut := ""
	for end := range scope {
		longer := strconv.QuoteToASCII(scope[:end]) + "..."
		if len(longer) > maxShownScope {
			break
		}
		cut = longer
	}
	return cut
}
