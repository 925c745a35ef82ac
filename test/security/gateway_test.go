package security_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
)

// gateway stands where eGain should and says again what it hears, as misconfigured proxies and debugging servers do.
type gateway struct {
	*httptest.Server
	w *world
}

// tricks are the ways in which the gateway answers, each under a path of its own, with the whole request at hand and the
// secrets in it.
var tricks = map[string]func(w http.ResponseWriter, dump, secret string){
	"/repeats-the-request": func(w http.ResponseWriter, dump, _ string) { http.Error(w, dump, http.StatusBadRequest) },
	"/describes-the-error": func(w http.ResponseWriter, _, secret string) {
		answer(w, http.StatusUnauthorized, `{"error":"invalid_client","error_description":%q,"error_uri":%q}`, "bad secret "+secret, "https://example.com/"+secret)
	},
	"/makes-it-the-code": func(w http.ResponseWriter, _, secret string) {
		answer(w, http.StatusBadRequest, `{"error":%q}`, secret)
	},
	"/makes-it-the-token": func(w http.ResponseWriter, _, secret string) {
		answer(w, http.StatusOK, `{"access_token":%q}`, secret+" ")
	},
	"/makes-it-the-type": func(w http.ResponseWriter, _, secret string) {
		answer(w, http.StatusOK, `{"access_token":"t","token_type":%q,"expires_in":%q}`, secret, secret)
	},
	"/fails-with-a-page": func(w http.ResponseWriter, dump, _ string) {
		http.Error(w, "<html>"+dump, http.StatusInternalServerError)
	},
	"/redirects-with-it": func(w http.ResponseWriter, _, secret string) {
		w.Header().Set("Location", "https://example.com/?s="+secret)
		w.WriteHeader(http.StatusFound)
	},
	"/asks-for-patience": func(w http.ResponseWriter, dump, secret string) {
		w.Header().Set("Retry-After", secret)
		http.Error(w, dump, http.StatusTooManyRequests)
	},
	"/breaks-off": func(w http.ResponseWriter, dump, _ string) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, dump)
	},
	"/challenges-by-header": func(w http.ResponseWriter, _, secret string) {
		w.Header().Set("WWW-Authenticate", secret)
		w.WriteHeader(http.StatusForbidden)
	},
}

func answer(w http.ResponseWriter, status int, format string, values ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, format, values...)
}

func newGateway(w *world) *gateway {
	g := &gateway{w: w}
	g.Server = httptest.NewUnstartedServer(g)
	g.Config.ErrorLog = log.New(io.Discard, "", 0) // what it does is not meant to go well
	g.StartTLS()
	w.t.Cleanup(g.Close)
	return g
}

func (g *gateway) bundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw})
}

// ServeHTTP answers by the trick of the path, and has all that was sent looked for.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dump, err := httputil.DumpRequest(r, true)
	_, body, _ := strings.Cut(string(dump), "\r\n\r\n")
	form, errForm := url.ParseQuery(body)
	if err != nil || errForm != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	secret := ""
	for _, name := range []string{"client_secret", "subject_token", "refresh_token"} {
		g.w.keep("the "+name+" that the gateway got", form.Get(name))
		secret += form.Get(name)
	}
	tricks[r.URL.Path](w, string(dump), secret)
}
