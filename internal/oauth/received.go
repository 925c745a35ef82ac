package oauth

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// received is an answer of an OAuth endpoint as far as it came. What it says is looked for by what it looks like: gateways and
// servers send JSON as text, and HTML as JSON.
type received struct {
	response *http.Response
	body     []byte
	// code is the OAuth error code; empty if there is none.
	code string
	// statusFirst says that messages have the status before the code.
	statusFirst bool
}

func readReceived(response *http.Response, body []byte) received {
	body = bytes.TrimPrefix(body, byteOrderMark)
	a := received{response: response, body: body}
	members := leadingMembers(body)
	if len(members) == 0 && isForm(body) {
		members = formMembers(string(body))
	}
	a.code, _ = members["error"].(string)
	if a.code == "" {
		a.code, _ = members["Error"].(string)
	}
	return a
}

// isForm reports whether a body may be a form: encoded, it has no spaces and none of the brackets of HTML and JSON.
func isForm(body []byte) bool {
	return !strings.ContainsAny(strings.TrimSpace(string(body)), " \t\r\n<>{}[]\"")
}

// html reports whether the answer is a page for people.
func (a received) html() bool { return IsPage(a.response, a.body) }

// IsPage reports whether an answer with this body, or beginning of one, is an HTML page: by what it looks like first, then by its
// type.
func IsPage(response *http.Response, body []byte) bool {
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	looksLike, _, _ := mime.ParseMediaType(http.DetectContentType(body))
	page := kind == "text/html" || kind == "application/xhtml+xml"
	return looksLike == "text/html" || (page && len(leadingMembers(body)) == 0)
}

// serverFails reports whether the status speaks of the server, whatever else the answer says: RFC 9110 sections 15.5.9 and 15.6,
// RFC 8470 section 5.2.
func (a received) serverFails() bool { return isServerFailure(a.response.StatusCode) }

func isServerFailure(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly
}

// refuses reports whether the status or the error code says all that matters, however much of the answer is missing.
func (a received) refuses(m verdicts) bool {
	_, known := m(a.code)
	return known || a.serverFails() || a.response.StatusCode == http.StatusTooManyRequests
}

// refusal is the failure of a request that was answered with an error. The first of these counts: too many requests (RFC 6585
// section 4), a failure of the server, a known error code, a page for people, the status. The scopes are those that were sent.
func (a received) refusal(m verdicts, server string, now time.Time, scopes []string) error {
	status := a.response.StatusCode
	said := fmt.Sprintf("HTTP %d", status)
	v, known := m(a.code)
	if known && (a.statusFirst || a.serverFails()) {
		said += " (" + a.code + ")"
	}
	switch {
	case status == http.StatusTooManyRequests:
		v = verdict{class: fault.Retryable, reason: fault.ReasonRateLimited, advice: "the server limits requests; if this persists, set requestLimits of an EgainTenant, or have the limit raised"}
	case a.serverFails():
		v = verdict{class: fault.Retryable, reason: fault.ReasonServerUnavailable, advice: "the server, or a gateway in front of it, is failing"}
	case known:
		if !a.statusFirst {
			said = a.code
		}
		if v.reason == fault.ReasonScopeRejected {
			v = v.refusedScopes(scopes, server)
		}
	case status >= http.StatusBadRequest && a.html():
		v = verdict{class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "an HTML page, not an OAuth error; a proxy, gateway or firewall in front of the server seems to answer: check the URL, and let the User-Agents egain-operator and kubectl-egain pass"}
	default:
		v = byStatus(status)
	}
	f := fault.New(v.class, v.reason, "%s", v.message(said, server))
	f.RetryAfter, f.Login, f.Application = RequestedWait(a.response, now), v.login, v.application
	return f
}

// formMembers are those of a form; of one that cannot be read, none.
func formMembers(body string) map[string]any {
	members := map[string]any{}
	form, err := url.ParseQuery(strings.TrimSpace(body))
	if err != nil {
		return members
	}
	for name := range form {
		members[name] = form.Get(name)
	}
	return members
}
