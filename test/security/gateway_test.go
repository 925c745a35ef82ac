package security_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egain-operator/egain-operator/internal/target"
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

// admission is the path at which the gateway is an admission webhook that refuses each write, and quotes what was to be written.
const admission = "/admission"

// ServeHTTP answers by the trick of the path, and has all that was sent looked for.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == admission {
		g.review(w, r)
		return
	}
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
	trick, known := tricks[r.URL.Path]
	if !known {
		trick = pretend
	}
	trick(w, heard{r, string(dump), secret})
}

// pretend answers as the address of another tenant would.
func pretend(w http.ResponseWriter, r heard) {
	answer(w, http.StatusOK, `{"tenantId":"OTHER","apiDomain":%q,"domainHint":%q}`, r.dump, r.dump)
}

func (g *gateway) review(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	review := &admissionv1.AdmissionReview{}
	secret := &corev1.Secret{}
	if err == nil {
		err = json.Unmarshal(body, review)
	}
	if err == nil {
		err = json.Unmarshal(review.Request.Object.Raw, secret)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.w.keep("the token that an admission webhook got", string(secret.Data[target.KeyAccessToken]))
	review.Response = &admissionv1.AdmissionResponse{
		UID: review.Request.UID, Result: &metav1.Status{Code: http.StatusInternalServerError, Message: "no: " + string(review.Request.Object.Raw)},
	}
	review.Request = nil
	_ = json.NewEncoder(w).Encode(review)
}

// webhook has the gateway asked about Secrets with a label.
func (g *gateway) webhook(labels map[string]string) *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "policy"}, Webhooks: []admissionregistrationv1.ValidatingWebhook{{
		Name: "policy.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
		ClientConfig:   admissionregistrationv1.WebhookClientConfig{URL: new(g.URL + admission), CABundle: g.bundle()},
		ObjectSelector: &metav1.LabelSelector{MatchLabels: labels},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
		}},
	}}}
}
