package oauth

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ForeignHost is a host of another site that documents name. A tenant uses it only if its TrustedHosts list it.
type ForeignHost struct {
	// Name of the host, as TrustedHosts lists it.
	Name string
	// Purposes are what the documents name it for: at least one.
	Purposes []Purpose
}

// Purpose is what a document names a host for.
type Purpose struct {
	// Use is UseAPIDomain or a kind of URL.
	Use Use
	// Actors that it is for; nil for the API domain, which is that of all.
	Actors []Actor
}

// Use is what documents name a host for, as people are shown it.
type Use string

// The uses.
const (
	UseAPIDomain     Use = "API domain"
	UseTokenURL      Use = "token URL"
	UseLoginURL      Use = "login URL"
	UseRevocationURL Use = "revocation URL"
	UseAPIURL        Use = "API URL"
)

// listable is a host that TrustedHosts of the API may list. An IPv6 address is none, nor is what DNS has no name for.
var listable = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// ForeignHosts are the hosts of other sites that would be used if the tenant trusted all that documents name, without those
// that it trusts already. A refused API domain is the only one that is known until it is trusted: no document that it serves
// was read. d may be what Discover returns with an error.
func (t Tenant) ForeignHosts(d Discovery) []ForeignHost {
	found := foreigners{tenant: t}
	if t.URL != "" && t.APIURL == "" {
		found.add(first(d.RefusedAPIURL, d.APIURL), UseAPIDomain, "")
	}
	trusting := t
	trusting.TrustedHosts = slices.Concat(t.TrustedHosts, d.hosts())
	for _, a := range actors {
		flow, subject := a.flow()
		e, err := Resolve(trusting, d, flow, subject)
		if err != nil || d.Metadata == nil {
			continue
		}
		for use, endpoint := range map[Use]struct {
			url    string
			source Source
		}{
			UseTokenURL: {e.TokenURL, e.Source}, UseLoginURL: {e.AuthorizationURL, e.Sources.AuthorizationURL},
			UseRevocationURL: {e.RevocationURL, e.Sources.RevocationURL}, UseAPIURL: {e.APIURL, e.Sources.APIURL},
		} {
			known := endpoint.source == SourceSpec || (use == UseAPIURL && endpoint.url == d.APIURL) // the API domain, added before
			if !known {
				found.add(endpoint.url, use, a)
			}
		}
	}
	return found.sorted()
}

// actors are all, in the order in which people are shown them.
var actors = []Actor{ActorClient, ActorUser, ActorCustomer, ActorAnonymousCustomer, ActorOnBehalfOfUser, ActorOnBehalfOfCustomer}

// flow is one that uses the endpoints of an actor, with a subject that makes it the actor's.
func (a Actor) flow() (Flow, Subject) {
	switch a {
	case ActorUser, ActorCustomer:
		return AuthorizationCode, Subject{Actor: a}
	case ActorAnonymousCustomer:
		return AnonymousCustomer, Subject{}
	case ActorOnBehalfOfUser:
		return OnBehalfOf, Subject{Username: "-"}
	case ActorOnBehalfOfCustomer:
		return OnBehalfOf, Subject{Email: "-"}
	case ActorClient:
	}
	return ClientCredentials, Subject{}
}

// hosts are all that the documents name and that a spec may list.
func (d Discovery) hosts() []string {
	var names []string
	add := func(m ActorMetadata) {
		for _, raw := range []string{m.TokenURL, m.AuthorizationURL, m.RevocationURL, m.APIURL} {
			if name := hostname(raw); listable.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	for _, m := range []*Metadata{d.Metadata, d.Anonymous} {
		if m == nil {
			continue
		}
		add(m.Any)
		for _, said := range m.Actors {
			add(said)
		}
	}
	return names
}

// hostname is the host of a URL without its port; "" if there is none.
func hostname(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// foreigners collects hosts of other sites.
type foreigners struct {
	tenant Tenant
	all    []ForeignHost
}

func (f *foreigners) add(raw string, use Use, actor Actor) {
	name := strings.ToLower(hostname(raw))
	if !listable.MatchString(name) || f.accepted(name) {
		return
	}
	i := slices.IndexFunc(f.all, func(h ForeignHost) bool { return h.Name == name })
	if i < 0 {
		i, f.all = len(f.all), append(f.all, ForeignHost{Name: name})
	}
	h := &f.all[i]
	j := slices.IndexFunc(h.Purposes, func(p Purpose) bool { return p.Use == use })
	if j < 0 {
		j, h.Purposes = len(h.Purposes), append(h.Purposes, Purpose{Use: use})
	}
	if actor != "" {
		h.Purposes[j].Actors = append(h.Purposes[j].Actors, actor)
	}
}

// accepted reports whether a host needs no more trust: as the API domain by the address, as anything else by the URL that the
// metadata document was found from.
func (f *foreigners) accepted(name string) bool {
	return boundary{f.tenant.start(), f.tenant.TrustedHosts}.within(name) || boundary{f.tenant.URL, nil}.within(name)
}

// sorted has hosts in the order of the alphabet, and purposes in that of the chain.
func (f *foreigners) sorted() []ForeignHost {
	slices.SortFunc(f.all, func(a, b ForeignHost) int { return strings.Compare(a.Name, b.Name) })
	order := []Use{UseAPIDomain, UseTokenURL, UseLoginURL, UseRevocationURL, UseAPIURL}
	for _, h := range f.all {
		slices.SortFunc(h.Purposes, func(a, b Purpose) int { return slices.Index(order, a.Use) - slices.Index(order, b.Use) })
	}
	return f.all
}
