package egainsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// sentForm is a request that a test is about to make.
type sentForm struct {
	target string
	form   url.Values
}

// clientCredentialsWith is a good request on Rigel, with more in its query and its form.
func clientCredentialsWith(query string, pairs ...string) func(*testing.T, *world) sentForm {
	return func(_ *testing.T, w *world) sentForm {
		return sentForm{w.Rigel().TokenURL(egainsim.Client) + query, with(rigelForm(), pairs...)}
	}
}

func TestUnknownParametersAreIgnoredAndRecorded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 33)
	// A world of its own for each, so that the last record is that of the case.
	for name, tc := range map[string]struct {
		ask  func(t *testing.T, w *world) sentForm
		want []string
	}{
		"a misspelt one":           {clientCredentialsWith("", "scopes", "x"), []string{"scopes"}},
		"what MSAL sends":          {clientCredentialsWith("", "client_info", "1", "x-client-SKU", "msal.js"), []string{"client_info", "x-client-SKU"}},
		"one of another grant":     {clientCredentialsWith("", "subject_username", "agent.smith"), []string{"subject_username"}},
		"one in the query":         {clientCredentialsWith("?policy=x", "client_info", "1"), []string{"client_info", "policy"}},
		"names that may be values": {clientCredentialsWith("", long, "x", "a b", "x", "ä", "x"), nil},
		"a name of full length":    {clientCredentialsWith("", long[1:], "x"), []string{long[1:]}},
		"none":                     {clientCredentialsWith("", "resource", "https://api.example.com/"), nil},
		"a scope with a code": {func(t *testing.T, w *world) sentForm {
			t.Helper()
			web := w.webLogin()
			return sentForm{
				w.Rigel().TokenURL(egainsim.User),
				with(web.codeForm(w.code(t, web, web.query())), "scope", "core.aiservices.use"),
			}
		}, []string{"scope"}},
		"a verifier with a refresh": {func(t *testing.T, w *world) sentForm {
			t.Helper()
			web := w.webLogin()
			return sentForm{
				w.Rigel().TokenURL(egainsim.User),
				web.refreshForm(w.logIn(t, web).refreshToken(t), "code_verifier", verifier),
			}
		}, []string{"code_verifier"}},
		"an actor with a token exchange": {func(t *testing.T, w *world) sentForm {
			t.Helper()
			return sentForm{w.Rigel().TokenURL(egainsim.User), rigelCredentials(
				"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange",
				"subject_token", newProvider(t, w).token(t, "agent.smith"),
				"subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "registration_id", registrationID,
				"actor_token", "x")}
		}, []string{"actor_token"}},
		"at the anonymous endpoint": {func(_ *testing.T, w *world) sentForm {
			return sentForm{
				w.Rigel().AnonymousTokenURL() + "&x=y",
				form("grant_type", "client_credentials", "scope", "knowledge.portalmgr.read", "subject_email", "x"),
			}
		}, []string{"subject_email", "x"}},
		"at the revocation endpoint": {func(_ *testing.T, w *world) sentForm {
			return sentForm{w.Rigel().RevocationURL(egainsim.User), rigelCredentials("token", "x", "scope", "y")}
		}, []string{"scope"}},
		"at the introspection endpoint": {func(_ *testing.T, w *world) sentForm {
			return sentForm{w.Rigel().IntrospectionURL(egainsim.User), rigelCredentials("token", "x", "scope", "y")}
		}, []string{"scope"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			w := newWorld(t)
			sent := tc.ask(t, w)
			r := w.post(t, sent.target, sent.form)
			g.Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
			g.Expect(w.lastRequest().Ignored).To(gomega.Equal(tc.want))
		})
	}
}

func TestTheRecordOfIgnoredParametersIsBounded(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	asked := rigelForm()
	for _, letter := range "abcdefghijklmnopqrstuvwxyz" {
		asked.Set("x-"+string(letter), "y")
	}
	g.Expect(w.post(t, w.Rigel().TokenURL(egainsim.Client), asked).status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.lastRequest().Ignored).To(gomega.HaveLen(16))
}

func TestARefusedRequestShowsWhatWasIgnoredToo(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	refused := w.post(t, w.Rigel().TokenURL(egainsim.User),
		with(w.webLogin().refreshForm("x"), "refresh_token", "", "refreshtoken", "x"))
	g.Expect(refused.errorCode()).To(gomega.Equal("invalid_request"))
	g.Expect(w.lastRequest().Ignored).To(gomega.Equal([]string{"refreshtoken"}))
}

func TestALoginIgnoresWhatOtherProvidersKnow(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	l := w.webLogin()
	asked := with(l.query(), "prompt", "login", "login_hint", "agent.smith", "nonce", "x", "domain_hint", "acme.egain.cloud")
	page := w.get(t, l.url(asked), "")
	g.Expect(page.status).To(gomega.Equal(http.StatusOK), string(page.body))
	g.Expect(w.lastRequest().Ignored).To(gomega.Equal([]string{"login_hint", "nonce", "prompt"}))
	g.Expect(w.lastRequest().DomainHint).To(gomega.Equal("acme.egain.cloud"))

	loginURL := strings.Replace(l.tenant.AuthorizationURL(l.actor), "authorize", "login", 1)
	sent := w.post(t, loginURL+"?x=y", form("username", "agent.smith", "password", egainsim.SubjectPassword,
		"transaction", transactionOf(t, page), "remember", "yes"))
	g.Expect(sent.status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.lastRequest().Ignored).To(gomega.Equal([]string{"remember", "x"}))

	w.get(t, l.url(with(asked, "domain_hint", "no host name")), "")
	g.Expect(w.lastRequest().DomainHint).To(gomega.BeEmpty(), "it may be a secret gone astray")
}
