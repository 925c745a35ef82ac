package egainsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestUnknownParametersAreIgnoredAndRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rigel, web := w.Rigel(), w.webLogin()
	p := newProvider(t, w)
	session := w.logIn(t, web)
	long := strings.Repeat("x", 33)
	for name, tc := range map[string]struct {
		target string
		form   url.Values
		want   []string
	}{
		"a misspelt one": {
			rigel.TokenURL(egainsim.Client), with(rigelForm(), "scopes", "x"), []string{"scopes"},
		},
		"what MSAL sends": {
			rigel.TokenURL(egainsim.Client), with(rigelForm(), "client_info", "1", "x-client-SKU", "msal.js"),
			[]string{"client_info", "x-client-SKU"},
		},
		"one of another grant": {
			rigel.TokenURL(egainsim.Client), with(rigelForm(), "subject_username", "agent.smith"), []string{"subject_username"},
		},
		"one in the query": {
			rigel.TokenURL(egainsim.Client) + "?policy=x", with(rigelForm(), "client_info", "1"), []string{"client_info", "policy"},
		},
		"names that may be values": {
			rigel.TokenURL(egainsim.Client), with(rigelForm(), long, "x", "a b", "x", "ä", "x"), nil,
		},
		"a name of full length": {
			rigel.TokenURL(egainsim.Client), with(rigelForm(), long[1:], "x"), []string{long[1:]},
		},
		"none": {
			rigel.TokenURL(egainsim.Client), with(rigelForm(), "resource", "https://api.example.com/"), nil,
		},
		"a scope with a code": {
			rigel.TokenURL(egainsim.User), with(web.codeForm(w.code(t, web, web.query())), "scope", "core.aiservices.use"),
			[]string{"scope"},
		},
		"a verifier with a refresh": {
			rigel.TokenURL(egainsim.User), web.refreshForm(session.refreshToken(t), "code_verifier", verifier),
			[]string{"code_verifier"},
		},
		"an actor with a token exchange": {
			rigel.TokenURL(egainsim.User), rigelCredentials(
				"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", p.token(t, "agent.smith"),
				"subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "registration_id", registrationID,
				"actor_token", "x"), []string{"actor_token"},
		},
		"at the anonymous endpoint": {
			rigel.AnonymousTokenURL() + "&x=y",
			form("grant_type", "client_credentials", "scope", "knowledge.portalmgr.read", "subject_email", "x"),
			[]string{"subject_email", "x"},
		},
		"at the revocation endpoint": {
			rigel.RevocationURL(egainsim.User), rigelCredentials("token", "x", "scope", "y"), []string{"scope"},
		},
		"at the introspection endpoint": {
			rigel.IntrospectionURL(egainsim.User), rigelCredentials("token", "x", "scope", "y"), []string{"scope"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			r := w.post(t, tc.target, tc.form)
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
