package egainsim

import (
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

const formType = "application/x-www-form-urlencoded"

// form reads the parameters of a request to an OAuth endpoint.
func (c *call) form() (url.Values, error) {
	if err := c.checkHeader(); err != nil {
		return nil, err
	}
	if c.bodyErr != nil {
		return nil, refuse(invalidRequest, "the body cannot be read")
	}
	if len(c.body) > maxBody {
		return nil, refuseWith(http.StatusRequestEntityTooLarge, invalidRequest, "the body is too large")
	}
	form, err := parseForm(string(c.body))
	if err != nil {
		return nil, err
	}
	if err := checkOnce(form, "body"); err != nil {
		return nil, err
	}
	return form, c.checkAuthorization(form)
}

func (c *call) checkHeader() error {
	if c.request.Method != http.MethodPost {
		return methodNotAllowed(http.MethodPost)
	}
	if c.request.Header.Get("Content-Encoding") != "" {
		return refuse(invalidRequest, "the body must not be compressed")
	}
	mediaType, params, err := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if err != nil || mediaType != formType {
		return refuse(invalidRequest, "the content type must be "+formType)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return refuse(invalidRequest, "the charset must be UTF-8")
	}
	return nil
}

func methodNotAllowed(allowed string) error {
	return refuseWith(http.StatusMethodNotAllowed, invalidRequest, "the method must be "+allowed).with("Allow", allowed)
}

// checkAuthorization refuses a client that authenticates by header, as RFC 6749 says: sections 2.3 and 5.2.
func (c *call) checkAuthorization(form url.Values) error {
	header := c.request.Header.Get("Authorization")
	if header == "" {
		return nil
	}
	if form.Has("client_id") || form.Has("client_secret") {
		return refuse(invalidRequest, "the client authenticates in more than one way")
	}
	scheme, _, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return refuse(invalidRequest, "the Authorization header has no place here")
	}
	return refuse(invalidClient, "client credentials belong in the body").
		with("WWW-Authenticate", `Basic realm="egain"`)
}

// parseForm decodes a form. Other than url.ParseQuery it accepts neither empty pairs nor names without a value, nor
// octets that every encoder escapes.
func parseForm(encoded string) (url.Values, error) {
	form := url.Values{}
	if encoded == "" {
		return form, nil
	}
	if strings.ContainsFunc(encoded, neverBare) {
		return nil, refuse(invalidRequest, "the form is not encoded")
	}
	for pair := range strings.SplitSeq(encoded, "&") {
		name, value, err := parsePair(pair)
		if err != nil {
			return nil, err
		}
		form.Add(name, value)
	}
	return form, nil
}

// neverBare reports whether every encoder replaces a character.
func neverBare(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`;"<>\`, r) }

func parsePair(pair string) (name, value string, err error) {
	rawName, rawValue, ok := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(rawName)
	value, valueErr := url.QueryUnescape(rawValue)
	if !ok || name == "" || nameErr != nil || valueErr != nil {
		return "", "", refuse(invalidRequest, "the form is malformed")
	}
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return "", "", refuse(invalidRequest, "the form is not UTF-8")
	}
	return name, value, nil
}

func checkOnce(values url.Values, place string) error {
	for name, all := range values {
		if len(all) > 1 {
			return refuse(invalidRequest, "a parameter is in the "+place+" more than once"+named(name))
		}
	}
	return nil
}

// bodyParameters are client credentials and other secrets.
var bodyParameters = []string{
	"client_id", "client_secret", "code", "code_verifier", "password", "refresh_token", subjectTokenParam, "token",
}

// checkQuery holds the query to what the endpoint's documentation shows. Parameters that the endpoint does not know are
// ignored (RFC 6749 sections 3.1 and 3.2), except for what a URL must not show (section 2.3.1).
func (c *call) checkQuery() error {
	query, err := parseForm(c.request.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := checkOnce(query, "query"); err != nil {
		return err
	}
	c.ignore(query, slices.Collect(maps.Keys(c.route.query)))
	for _, name := range bodyParameters {
		if query.Has(name) {
			return refuse(invalidRequest, name+" belongs in the body")
		}
	}
	for name, rule := range c.route.query {
		if err := rule.check(name, query.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

func (r queryRule) check(name, value string) error {
	if value == "" && !r.required {
		return nil
	}
	if value == "" {
		return refuse(invalidRequest, "the query lacks "+name)
	}
	if len(r.values) > 0 && !slices.Contains(r.values, value) {
		return refuse(invalidRequest, "the query has another "+name+" than "+strings.Join(r.values, " or "))
	}
	return nil
}

// checkParameters refuses parameters that are missing, which an empty one is (RFC 6749 section 3.2). Those that the
// endpoint does not know are ignored, as the same section says, and recorded, so that a misspelt one shows.
func (c *call) checkParameters(form url.Values, required, optional []string) error {
	c.ignore(form, slices.Concat(required, optional))
	for _, name := range required {
		if form.Get(name) == "" {
			return refuse(invalidRequest, "the parameter "+name+" is required")
		}
	}
	return nil
}

const (
	// maxIgnored is how many names of ignored parameters the record of a request holds.
	maxIgnored = 16
	// maxIgnoredName is their length, in bytes.
	maxIgnoredName = 32
)

// ignore takes note of the parameters that are not known. A name that is so odd that it may be a value gone astray is left
// out of the record.
func (c *call) ignore(values url.Values, known []string) {
	for name := range values {
		if !slices.Contains(known, name) && isParameterName(name) && !slices.Contains(c.ignored, name) {
			c.ignored = append(c.ignored, name)
		}
	}
	slices.Sort(c.ignored)
	c.ignored = c.ignored[:min(len(c.ignored), maxIgnored)]
}

func isParameterName(name string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
	return len(name) <= maxIgnoredName && strings.Trim(name, allowed) == ""
}

// named names a parameter, unless its name is so odd that it may be a value gone astray.
func named(parameter string) string {
	if len(parameter) > maxIgnoredName || strings.Trim(parameter, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return ": " + parameter
}
