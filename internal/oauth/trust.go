package oauth

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/plain"
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
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || !printable(raw) || !plain.IsHost(u.Hostname()) || len(raw) > maxURL {
		return fault.New(fault.Rejected, fault.ReasonEndpointRefused, "the metadata document of %s names %s that is not a plain https URL: set it in spec.tenant.endpoints", host, what)
	}
	if b.within(u.Hostname()) {
		return nil
	}
	return fault.New(fault.Rejected, fault.ReasonEndpointRefused,
		"the metadata document of %s names %s on %s, a host of another site: if it is right, add it to EgainTenant.spec.trustedHosts, or set the URL in spec.tenant.endpoints",
		host, what, shownHost(u.Hostname()))
}

func (b boundary) within(host string) bool {
	start, err := url.Parse(b.start)
	return err == nil && (sameSite(host, start.Hostname()) ||
		slices.ContainsFunc(b.trusted, func(t string) bool { return canonical(t) == canonical(host) }))
}

const (
	// maxHost bounds a host that messages show, as DNS does (RFC 1035 section 2.3.4).
	maxHost = 253
	// maxURL and maxPrefix bound what documents name, as the CRD does what specs name.
	maxURL    = 2048
	maxPrefix = 256
)

// canonical is a host in lower case and without the dot at the end that stands for the root.
func canonical(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// shownHost is a host as messages show it.
func shownHost(host string) string {
	if printable(host) && len(host) <= maxHost {
		return host
	}
	quoted := strconv.QuoteToASCII(host)
	return quoted[:min(len(quoted), maxHost)]
}

// printable reports whether a text is visible ASCII. A host beyond it may be resolved as another one.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// rentable are domains under which anyone gets a name by signing up, so that two names there may belong to two owners: of
// identity providers, which are not on the public suffix list.
var rentable = []string{
	"b2clogin.com", "b2clogin.cn", "b2clogin.de", "b2clogin.us", "onmicrosoft.com", "onmicrosoft.cn", "onmicrosoft.de",
	"onmicrosoft.us", "onmschina.cn", "ciamlogin.com", "ciamlogin.cn", "ciamlogin.us", "msappproxy.net", "cloudapp.azure.com",
	"core.windows.net", "auth0.com", "auth0app.com", "okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil",
	"okta.cn", "trexcloud.com", "kinde.com", "descope.com", "accounts.dev", "oryapis.com", "identity.oraclecloud.com",
	"accounts.ondemand.com", "cloudflareaccess.com", "cyberark.cloud", "verify.ibm.com", "force.com",
	"onelogin.com", "pingone.com", "pingone.eu", "pingone.ca", "pingone.asia", "pingone.com.au", "forgeblocks.com",
	"my.salesforce.com", "my.site.com", "amazoncognito.com", "fusionauth.io", "frontegg.com", "zitadel.cloud", "ory.com", "stytch.com",
}

// rented reports whether a host has a name under a domain where anyone gets one: those above, and private entries of the
// public suffix list.
func rented(host string) bool {
	host = canonical(host)
	if slices.ContainsFunc(rentable, func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }) {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	return !icann && strings.Contains(suffix, ".")
}

// sameSite reports whether two hosts belong to one registrable domain, as ai.egain.cloud and api.ai.egain.cloud do. This
// machine is one site by its usual names.
func sameSite(a, b string) bool {
	a, b = canonical(a), canonical(b)
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

// SameSite reports whether two URLs are on hosts of one site.
func SameSite(a, b string) bool {
	hostA, hostB := hostname(a), hostname(b)
	return hostA != "" && hostB != "" && sameSite(hostA, hostB)
}

// Trusts reports whether the spec lists the host of a URL among those of other sites.
func (t Tenant) Trusts(raw string) bool {
	host := canonical(hostname(raw))
	return host != "" && slices.ContainsFunc(t.TrustedHosts, func(listed string) bool { return canonical(listed) == host })
}

// loopback reports whether a host is this machine by one of its usual names. Other addresses of 127.0.0.0/8 are hosts of
// their own.
func loopback(host string) bool {
	return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
}

// placeholders are words that documentation writes in place of a part of a URL, as they are once everything but letters and
// digits is an underscore.
var placeholders = []string{
	"GATEWAY_ID", "GATEWAYID", "TENANT_ID", "TENANTID", "TENANT_NAME", "TENANTNAME", "DOMAIN_NAME", "DOMAINNAME",
	"LOGIN_DOMAIN", "LOGINDOMAIN", "API_DOMAIN", "APIDOMAIN", "REPLACE_ME", "REPLACEME", "USER_SIGNIN_POLICY", "CUSTOMER_SIGNIN_POLICY",
}

// placeholderIn finds what was to be replaced in a URL: a word of documentation as a whole path segment, host label or value
// of the query, however it is set off, or anything in brackets. It returns "" if there is none.
func placeholderIn(raw string) string {
	plain := unescaped(raw)
	if i := strings.IndexAny(plain, "<>{}"); i >= 0 {
		return strconv.QuoteToASCII(plain[i : i+1])
	}
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	parts := slices.Concat(strings.Split(u.Hostname(), "."), strings.Split(u.Path, "/"))
	for parameter := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(parameter, "=")
		parts = append(parts, strings.Split(value, ";")...)
	}
	for _, part := range parts {
		if word := asPlaceholder(unescaped(part)); word != "" {
			return word
		}
	}
	return ""
}

// separators set words of a placeholder apart, or off from the rest.
var separators = regexp.MustCompile(`[^A-Z0-9]+`)

// asPlaceholder is the word of documentation that a part of a URL is; "" if it is none. The self-service platform has the letter
// of an actor after the tenant.
func asPlaceholder(part string) string {
	word := strings.Trim(separators.ReplaceAllString(strings.ToUpper(part), "_"), "_")
	word = strings.TrimPrefix(word, "YOUR_")
	tenant, ofActor := strings.CutSuffix(word, "_U")
	if !ofActor {
		tenant, ofActor = strings.CutSuffix(word, "_C")
	}
	if slices.Contains(placeholders, tenant) || (ofActor && tenant == "TENANT") {
		return tenant
	}
	return ""
}

// unescaped is a text without percent-encoding, even if it was encoded more than once.
func unescaped(text string) string {
	for range 3 {
		plain, err := url.PathUnescape(text)
		if err != nil || plain == text {
			return text
		}
		text = plain
	}
	return text
}
