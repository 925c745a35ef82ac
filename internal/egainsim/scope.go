package egainsim

import (
	"slices"
	"strings"
)

// ScopeKind says which flows a scope can be had with.
type ScopeKind string

// The kinds of scopes.
const (
	// ApplicationScope is for client applications: client credentials.
	ApplicationScope ScopeKind = "application"
	// DelegatedScope is for users and customers: token exchange, and logins with a browser.
	DelegatedScope ScopeKind = "delegated"
	// OnBehalfOfScope is for client applications that act for a user or customer.
	OnBehalfOfScope ScopeKind = "onbehalfof"
)

// Scope is an entry of a tenant's catalogue. Its name is without prefix. A scope of several kinds has an entry for each.
type Scope struct {
	Name string    `json:"name"`
	Kind ScopeKind `json:"kind"`
}

// everyScope is what a client application may ask a commercial tenant for, after the prefix, to have all it may have.
const everyScope = ".default"

// scopeRule is what a flow demands of the scope parameter.
type scopeRule struct {
	kinds []ScopeKind
	// optional scopes default to all that the client may have of the kinds.
	optional bool
	// defaults allows everyScope.
	defaults bool
}

// grantScopes are the names, without prefix, that a request is granted, which are all that it asks for: a single scope
// that it cannot have refuses it.
func (t *Tenant) grantScopes(asked, prefix string, rule scopeRule, client *clientState) ([]string, error) {
	if t.asksForAll(asked, prefix, rule) {
		return t.allScopes(rule, client), nil
	}
	if asked == "" {
		return nil, refuse(invalidScope, "the scope parameter is required")
	}
	var granted []string
	for word := range strings.SplitSeq(asked, " ") {
		name, err := scopeName(word, prefix)
		if err != nil {
			return nil, err
		}
		if err := t.checkScope(name, rule, client); err != nil {
			return nil, err
		}
		if !slices.Contains(granted, name) {
			granted = append(granted, name)
		}
	}
	return granted, nil
}

// asksForAll reports whether a request leaves the choice of scopes to the server.
func (t *Tenant) asksForAll(asked, prefix string, rule scopeRule) bool {
	if asked == "" {
		return rule.optional
	}
	return rule.defaults && t.config.Platform == Commercial && asked == prefix+everyScope
}

// scopeName checks the spelling of one scope and takes the prefix off.
func scopeName(word, prefix string) (string, error) {
	if word == "" {
		return "", refuse(invalidScope, "scopes are separated by exactly one space")
	}
	name, ok := strings.CutPrefix(word, prefix)
	if !ok {
		return "", refuse(invalidScope, "a scope lacks the API permission prefix of the actor")
	}
	return name, nil
}

func (t *Tenant) checkScope(name string, rule scopeRule, client *clientState) error {
	var kinds []ScopeKind
	for _, scope := range t.config.Scopes {
		if scope.Name == name {
			kinds = append(kinds, scope.Kind)
		}
	}
	if len(kinds) == 0 {
		return refuse(invalidScope, "a scope is unknown")
	}
	if !slices.ContainsFunc(kinds, func(kind ScopeKind) bool { return slices.Contains(rule.kinds, kind) }) {
		return refuse(invalidScope, "a scope of kind "+string(kinds[0])+" is not for this flow")
	}
	if !client.may(name) {
		return refuse(invalidScope, "a scope is not granted to this client")
	}
	return nil
}

// may reports whether a client was given a scope. Anonymous customers have no client that could limit them.
func (c *clientState) may(name string) bool {
	return c == nil || len(c.scopes) == 0 || slices.Contains(c.scopes, name)
}

func (t *Tenant) allScopes(rule scopeRule, client *clientState) []string {
	var all []string
	for _, scope := range t.config.Scopes {
		if slices.Contains(rule.kinds, scope.Kind) && client.may(scope.Name) && !slices.Contains(all, scope.Name) {
			all = append(all, scope.Name)
		}
	}
	return all
}

// spellScopes is a list of scopes as requests and answers spell it.
func spellScopes(prefix string, names []string) string {
	spelt := make([]string, 0, len(names))
	for _, name := range names {
		spelt = append(spelt, prefix+name)
	}
	return strings.Join(spelt, " ")
}
