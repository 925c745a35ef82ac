package oauth

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// boundary is where the documents of a tenant may send credentials, people and tokens: hosts of the site of the URL in the
// spec that discovery began with, and hosts that the spec lists. A document does not move it, whichever host serves it.
type boundary struct {
	start   string
	trusted []string
}

// check refuses a URL that a document of a host names.
func (b boundary) check(raw, what, host string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || !printable(raw) {
		return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "the metadata document of %s names %s that is not a plain https URL: set it in endpoints or actorEndpoints", host, what)
	}
	if b.within(u.Hostname()) {
		return nil
	}
	return fault.New(fault.Rejected, fault.ReasonEndpointRefused,
		"the metadata document of %s names %s on %s, a host of another site: if it is right, add it to trustedHosts of the EgainTenant, or set the URL in endpoints",
		host, what, shownHost(u.Hostname()))
}

func (b boundary) within(host string) bool {
	start, err := url.Parse(b.start)
	return err == nil && (sameSite(host, start.Hostname()) ||
		slices.ContainsFunc(b.trusted, func(t string) bool { return strings.EqualFold(t, host) }))
}

// maxHost is the longest name of a host (RFC 1035 section 2.3.4).
const maxHost = 253

// shownHost is a host as messages show it.
func shownHost(host string) string {
	if printable(host) && len(host) <= maxHost {
		return host
	}
	return strconv.QuoteToASCII(host[:min(len(host), maxHost)])
}

// printable reports whether a text is visible ASCII. A host beyond it may be resolved as another one.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// rentable are domains under which anyone gets a name by signing up, so that two names there may belong to two owners: of
// identity providers, which are not on the public suffix list.
var rentable = []string{
	"b2clogin.com", "b2clogin.cn", "b2clogin.us", "onmicrosoft.com", "onmicrosoft.us", "partner.onmschina.cn",
	"ciamlogin.com", "ciamlogin.us", "auth0.com", "auth0app.com", "okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com",
	"onelogin.com", "pingone.com", "pingone.eu", "pingone.ca", "pingone.asia", "pingone.com.au", "forgeblocks.com",
	"my.salesforce.com", "my.site.com", "amazoncognito.com", "fusionauth.io", "frontegg.com", "zitadel.cloud", "ory.com", "stytch.com",
}

// rented reports whether a host has a name under a domain where anyone gets one: those above, and private entries of the
// public suffix list.
func rented(host string) bool {
	if slices.ContainsFunc(rentable, func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }) {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	return !icann && strings.Contains(suffix, ".")
}

// sameSite reports whether two hosts belong to one registrable domain, as ai.egain.cloud and api.ai.egain.cloud do. This
// machine is one site by its usual names.
func sameSite(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b || (loopback(a) && loopback(b)) {
		return true
	}
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil || rented(a) || rented(b) {
		return false
	}
	siteA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	siteB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && siteA == siteB
}

// loopback reports whether a host is this machine by one of its usual names. Other addresses of 127.0.0.0/8 are hosts of
// their own.
func loopback(host string) bool {
	return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
}

// placeholders are words that documentation writes in place of a part of a URL.
var placeholders = []string{
	"GATEWAY_ID", "TENANT_ID", "DOMAIN_NAME", "LOGIN_DOMAIN", "API_DOMAIN", "TENANT_NAME", "GATEWAY-ID", "TENANT-ID", "DOMAIN-NAME",
	"LOGIN-DOMAIN", "API-DOMAIN", "TENANT-NAME", "REPLACE-ME", "REPLACE_ME",
}

// placeholderIn finds what was to be replaced in a URL: a word of documentation as a whole path segment, host label or value
// of the query, or anything in brackets. It returns "" if there is none.
func placeholderIn(raw string) string {
	plain, err := url.PathUnescape(raw)
	if err != nil {
		plain = raw
	}
	if i := strings.IndexAny(plain, "<>{}"); i >= 0 {
		return strconv.QuoteToASCII(plain[i : i+1])
	}
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	parts := slices.Concat(strings.Split(u.Hostname(), "."), strings.Split(u.Path, "/"))
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	for _, p := range placeholders {
		if slices.ContainsFunc(parts, func(part string) bool { return strings.EqualFold(p, part) }) {
			return p
		}
	}
	return ""
}
