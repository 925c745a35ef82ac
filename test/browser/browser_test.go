package browser_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/browser"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// application is where the browser is sent back to. It remembers what it was told there.
type application struct {
	*httptest.Server
	told chan url.Values
}

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{told: make(chan url.Values, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		a.told <- r.URL.Query()
		_, _ = w.Write([]byte("You can close this page."))
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func newSimulator(t *testing.T, redirectURI string) *egainsim.Simulator {
	t.Helper()
	sim := testbed.StartSimulator(t, egainsim.Config{})
	clients := []string{
		egainsim.RigelWebClientID, egainsim.RigelPublicClientID, egainsim.CommercialWebClientID, egainsim.CommercialPublicClientID,
	}
	for _, id := range clients {
		if err := sim.AddRedirectURI(id, redirectURI); err != nil {
			t.Fatal(err)
		}
	}
	return sim
}

func newBrowser(t *testing.T, sim *egainsim.Simulator) *browser.Browser {
	t.Helper()
	b, err := browser.Start(t.Context(), sim.LoginURL(), sim.CABundle())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func authorizationURL(tenant *egainsim.Tenant, actor egainsim.Actor, clientID, redirectURI string) string {
	challenge := sha256.Sum256([]byte("a verifier that nobody asks for"))
	return tenant.AuthorizationURL(actor) + "?" + url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "state": {"a state"},
		"scope":          {tenant.Scope("knowledge.portalmgr.read") + " " + tenant.Scope("core.aiservices.use")},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

func TestARealBrowserLogsIn(t *testing.T) {
	app := newApplication(t)
	redirectURI := app.URL + "/callback"
	sim := newSimulator(t, redirectURI)
	b := newBrowser(t, sim)
	rigel, commercial := sim.Rigel(), sim.Commercial()
	user := egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true}
	customer := egainsim.Login{Username: "customer@example.com", Password: egainsim.SubjectPassword, Allow: true}
	denying := user
	denying.Allow = false
	for name, tc := range map[string]struct {
		url       string
		login     egainsim.Login
		wantError string
	}{
		"a user on Rigel":        {authorizationURL(rigel, egainsim.User, egainsim.RigelWebClientID, redirectURI), user, ""},
		"a customer on Rigel":    {authorizationURL(rigel, egainsim.Customer, egainsim.RigelPublicClientID, redirectURI), customer, ""},
		"a user on commercial":   {authorizationURL(commercial, egainsim.User, egainsim.CommercialPublicClientID, redirectURI), user, ""},
		"a customer, commercial": {authorizationURL(commercial, egainsim.Customer, egainsim.CommercialWebClientID, redirectURI), customer, ""},
		"a user who denies":      {authorizationURL(rigel, egainsim.User, egainsim.RigelWebClientID, redirectURI), denying, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			location, err := b.LogIn(tc.url, tc.login)
			g.Expect(err).NotTo(gomega.HaveOccurred())
			var told url.Values
			g.Expect(app.told).To(gomega.Receive(&told))
			g.Expect(location.Query()).To(gomega.Equal(told))
			g.Expect(told.Get("state")).To(gomega.Equal("a state"))
			g.Expect(told.Get("error")).To(gomega.Equal(tc.wantError))
			g.Expect(told.Has("code")).To(gomega.Equal(tc.wantError == ""))
		})
	}
}

func TestARealBrowserShowsWhatIsWrong(t *testing.T) {
	app := newApplication(t)
	redirectURI := app.URL + "/callback"
	sim := newSimulator(t, redirectURI)
	b := newBrowser(t, sim)
	login := egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true}
	wrong := login
	wrong.Password = "wrong"
	for name, tc := range map[string]struct {
		url      string
		login    egainsim.Login
		wantText string
	}{
		"a wrong password": {
			authorizationURL(sim.Rigel(), egainsim.User, egainsim.RigelWebClientID, redirectURI), wrong,
			"logging in: the page says: The name or the password is wrong.",
		},
		"a user where customers log in": {
			authorizationURL(sim.Rigel(), egainsim.Customer, egainsim.RigelWebClientID, redirectURI), login,
			"Only a customer can log in here.",
		},
		"a redirect URI that is not registered": {
			authorizationURL(sim.Rigel(), egainsim.User, egainsim.RigelWebClientID, redirectURI+"x"), login,
			"opening the login page: the page says: The redirect_uri is not",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			_, err := b.LogIn(tc.url, tc.login)
			g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(tc.wantText)))
			g.Expect(app.told).NotTo(gomega.Receive(), "the browser stays where it is")
		})
	}
}

func TestABrowserIsNotStartedForAServerThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t, egainsim.DefaultRedirectURIs()[0])
	stranger := newSimulator(t, egainsim.DefaultRedirectURIs()[0])
	for name, tc := range map[string]struct {
		server   string
		bundle   []byte
		wantText string
	}{
		"another CA":         {sim.LoginURL(), stranger.CABundle(), "unknown authority"},
		"no CA":              {sim.LoginURL(), nil, "the CA bundle has no certificate"},
		"a URL that is none": {"https://%zz", sim.CABundle(), "reading the server's URL"},
		"nobody who answers": {"https://127.0.0.1:1", sim.CABundle(), "looking at the server's certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := browser.Start(t.Context(), tc.server, tc.bundle)
			gomega.NewWithT(t).Expect(err).To(gomega.MatchError(gomega.ContainSubstring(tc.wantText)))
		})
	}
}
