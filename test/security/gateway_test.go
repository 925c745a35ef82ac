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

// heard is a request to the gateway: all of it as text, and the secrets that were in it.
type heard struct {
	*http.Request
	dump, secret string
}

// tricks are the ways in which the gateway answers, each under a path of its own.
var tricks = map[string]func(w http.ResponseWriter, r heard){
	"/repeats-the-request": func(w http.ResponseWriter, r heard) { http.Error(w, r.dump, http.StatusBadRequest) },
	"/answers-with-the-request": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusOK, "%s", r.dump)
	},
	"/describes-the-error": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusUnauthorized, `{"error":"invalid_client","error_description":%q,"error_uri":%q}`, "bad secret "+r.secret, "https://example.com/"+r.secret)
	},
	"/blames-the-subject": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusBadRequest, `{"error":"invalid_grant","error_description":%q}`, r.secret)
	},
	"/blames-the-scope": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusBadRequest, `{"error":"invalid_scope","error_description":%q}`, r.secret)
	},
	"/makes-it-the-code": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusBadRequest, `{"error":%q}`, r.secret)
	},
	"/makes-it-the-token": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusOK, `{"access_token":%q}`, r.secret+" ")
	},
	"/makes-it-the-type": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusOK, `{"access_token":"t","token_type":%q,"expires_in":%q}`, r.secret, r.secret)
	},
	"/makes-it-the-lifetime": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusOK, `{"access_token":"t","token_type":"Bearer","expires_in":%q}`, r.secret)
	},
	"/makes-it-the-issuer": func(w http.ResponseWriter, r heard) {
		answer(w, http.StatusOK, `{"issuer":"https://example.com/%s","token_endpoint":"https://%s/"}`, r.dump[:20], r.Host)
	},
	"/fails-with-a-page": func(w http.ResponseWriter, r heard) {
		http.Error(w, "<html>"+r.dump, http.StatusInternalServerError)
	},
	"/redirects-with-it": func(w http.ResponseWriter, r heard) {
		w.Header().Set("Location", "https://example.com/?s="+r.secret)
		w.WriteHeader(http.StatusFound)
	},
	"/asks-for-patience": func(w http.ResponseWriter, r heard) {
		w.Header().Set("Retry-After", r.secret)
		http.Error(w, r.dump, http.StatusTooManyRequests)
	},
	"/breaks-off": func(w http.ResponseWriter, r heard) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, r.dump)
	},
	"/challenges-by-header": func(w http.ResponseWriter, r heard) {
		w.Header().Set("WWW-Authenticate", r.secret)
		w.WriteHeader(http.StatusForbidden)
	},
	"/hangs": func(_ http.ResponseWriter, r heard) { <-r.Context().Done() },
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
	tricks[r.URL.Path](w, heard{r, string(dump), secret})
}
