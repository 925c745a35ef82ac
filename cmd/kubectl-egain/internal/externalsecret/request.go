package externalsecret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// request is what a webhook sends, with a marker in the place of each value of a Secret.
type request struct {
	method, url string
	form        url.Values
	headers     map[string]string
	// values tells which value of which Secret a marker stands for.
	values map[string]value
}

// value is a key of a Secret.
type value struct {
	secret secretRef
	key    string
}

// used finds the values of Secrets that a template may use. It may find too many, which does no harm.
var used = regexp.MustCompile(`\.(\w+)\.(\w+)|index\s+\.(\w+)\s+"([^"]+)"`)

// render returns the request of a webhook for one use of it, as the External Secrets Operator would send it.
func (w *webhook) render(e entry, namespace string) (*request, error) {
	r := &request{method: w.Method, headers: map[string]string{}, values: map[string]value{}}
	if r.method == "" {
		r.method = http.MethodGet
	}
	raw, escaped := w.data(e.ref, namespace, r.values, func(s string) string { return s }), w.data(e.ref, namespace, r.values, url.QueryEscape)
	var err error
	if r.url, err = execute("url", w.URL, escaped); err != nil {
		return nil, err
	}
	body, err := execute("body", w.Body, raw)
	if err != nil {
		return nil, err
	}
	for name, text := range w.Headers {
		if r.headers[http.CanonicalHeaderKey(name)], err = execute("header "+name, text, raw); err != nil {
			return nil, err
		}
	}
	r.form, err = formOf(body, r)
	return r, err
}

// data is what templates see: the keys of Secrets by the names that the webhook gives them, and the remoteRef.
func (w *webhook) data(ref *remoteRef, namespace string, values map[string]value, escape func(string) string) map[string]map[string]string {
	data := map[string]map[string]string{}
	if ref != nil {
		data["remoteRef"] = map[string]string{
			"key": escape(ref.Key), "version": escape(ref.Version), "property": escape(ref.Property), "namespace": namespace,
		}
	}
	texts := []string{w.URL, w.Body}
	for _, header := range w.Headers {
		texts = append(texts, header)
	}
	for _, secret := range w.Secrets {
		data[secret.Name] = map[string]string{}
		for _, match := range used.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
			name, key := match[1]+match[3], match[2]+match[4]
			if name != secret.Name {
				continue
			}
			// Letters and digits only, which no escape changes.
			marker := "egainmarker" + plainWord(name+"."+key)
			data[name][key] = marker
			values[marker] = value{secret.SecretRef, key}
		}
	}
	return data
}

func plainWord(text string) string { return fmt.Sprintf("%x", text) + "end" }

// execute runs a template. Its errors do not quote it, since it may hold a secret that a user wrote into it.
func execute(what, text string, data map[string]map[string]string) (string, error) {
	t, err := template.New(what).Funcs(sprig.HermeticTxtFuncMap()).Parse(text)
	if err != nil {
		return "", fmt.Errorf("the template of the webhook's %s does not parse, or uses a function that this command does not know: write the EgainClient with kubectl egain create client", what)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("the template of the webhook's %s does not work: look at it in the store or generator", what)
	}
	return out.String(), nil
}

// formOf is the form of a token request: the body, or the query of the URL if the body has none.
func formOf(body string, r *request) (url.Values, error) {
	form, err := url.ParseQuery(strings.TrimSpace(body))
	if strings.HasPrefix(strings.TrimSpace(body), "{") {
		form, err = jsonForm(body)
	}
	if err != nil {
		return nil, errors.New("the body of the webhook is no form, as a token request is (RFC 6749 section 4.4.2)")
	}
	if form.Get("grant_type") != "" {
		return form, nil
	}
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, errors.New("the URL of the webhook is no URL")
	}
	if query := u.Query(); query.Get("grant_type") != "" {
		maps.Copy(query, form)
		u.RawQuery = ""
		r.url = u.String()
		return query, nil
	}
	return form, nil
}

func jsonForm(body string) (url.Values, error) {
	var fields map[string]string
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		return nil, err
	}
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	return form, nil
}

// basic returns user and password of an Authorization header of that kind (RFC 7617).
func (r *request) basic() (user, password string, ok bool) {
	encoded, found := strings.CutPrefix(r.headers["Authorization"], "Basic ")
	if !found {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}

// secretIn reports whether a text holds a value of a Secret.
func (r *request) secretIn(text string) bool {
	for marker := range r.values {
		if strings.Contains(text, marker) {
			return true
		}
	}
	return false
}

// same reports whether two requests are one.
func (r *request) same(other *request) bool {
	return r.url == other.url && r.form.Encode() == other.form.Encode()
}
