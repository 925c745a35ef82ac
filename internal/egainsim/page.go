package egainsim

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // The pages' template and style are files.
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages/page.html
var pageSource string

//go:embed pages/style.css
var pageStyle string

var pageTemplate = template.Must(template.New("").Parse(pageSource))

// page is what people see in the browser. The ids of its elements are for tests that drive one, and stay as they are:
//
//	#login-page    #login-form    #username  #password  #login
//	#consent-page  #consent-form  #scopes    #allow     #deny
//	#problem-page
//	#error         what is wrong, on the login and the problem page
type page struct {
	// Name is login, consent or problem.
	Name     string
	Title    string
	Tenant   string
	ClientID string
	// Problem is what is wrong, if something is.
	Problem string
	// Action is the path that the page's form is sent to, and Transaction its proof of having been asked for.
	Action      string
	Transaction string
	// NameLabel is what a subject of this actor goes by.
	NameLabel string
	Subject   string
	Scopes    []string
	// Destination is where the browser goes after the consent page, without what a code may be read from.
	Destination string
}

// Style is the style sheet, which the content security policy knows by its hash.
func (page) Style() template.CSS {
	return template.CSS(pageStyle) //nolint:gosec // It is a file of this package.
}

// answer is the page, for this browser and this time only. It loads nothing, runs nothing and is in no frame.
func (p page) answer(status int, outcome string) answer {
	var body bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&body, "page", p); err != nil {
		return answerError(err)
	}
	digest := sha256.Sum256([]byte(pageStyle))
	formAction := "'self'"
	if p.Destination != "" {
		// Browsers hold the redirect that answers a form to this rule too.
		formAction += " " + p.Destination
	}
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; form-action " +
		formAction + "; frame-ancestors 'none'; base-uri 'none'"
	return answer{status: status, outcome: outcome, body: body.Bytes(), header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Cache-Control":           {"no-store"},
		"Pragma":                  {"no-cache"},
		"Content-Security-Policy": {policy},
		"X-Frame-Options":         {"DENY"},
		"X-Content-Type-Options":  {"nosniff"},
		"Referrer-Policy":         {"no-referrer"},
	}}
}

// answerProblem shows the person at the browser why it cannot be sent back to the application (RFC 6749 section 4.1.2.1).
func answerProblem(t *Tenant, err error) answer {
	refusal := refusalOf(err)
	a := page{Name: "problem", Title: "This login cannot go on", Tenant: t.config.ID, Problem: sentence(refusal.description)}.
		answer(refusal.status, refusal.code)
	for name, value := range refusal.header {
		a.header.Set(name, value)
	}
	return a
}

// originOf is where a redirect URI leads, as a source of a content security policy.
func originOf(redirectURI string) string {
	parsed, err := url.Parse(redirectURI)
	switch {
	case err != nil:
		return ""
	case parsed.Host == "":
		return parsed.Scheme + ":"
	default:
		return parsed.Scheme + "://" + parsed.Host
	}
}

// sentence makes a sentence of the description of an error.
func sentence(description string) string {
	return strings.ToUpper(description[:1]) + description[1:] + "."
}
