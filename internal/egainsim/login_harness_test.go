package egainsim_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	redirectURI = "http://127.0.0.1:8765/callback"
	verifier    = "a-verifier-of-at-least-forty-three-characters~"
)

// challenge is PKCE's for the verifier.
func challenge() string {
	digest := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// loginCase is an application, and a person who logs in to it.
type loginCase struct {
	tenant   *egainsim.Tenant
	actor    egainsim.Actor
	clientID string
	secret   string
	username string
}

// webLogin is of a user at the default web application on Rigel.
func (w *world) webLogin() loginCase {
	return loginCase{
		tenant: w.Rigel(), actor: egainsim.User, clientID: egainsim.RigelWebClientID,
		secret: egainsim.RigelWebClientSecret, username: "agent.smith",
	}
}

// publicLogin is of a customer at the default public application on Rigel.
func (w *world) publicLogin() loginCase {
	return loginCase{
		tenant: w.Rigel(), actor: egainsim.Customer, clientID: egainsim.RigelPublicClientID, username: "customer@example.com",
	}
}

// everyLogin is of users and customers at confidential and public applications on both platforms.
func (w *world) everyLogin() map[string]loginCase {
	commercial := w.Commercial()
	customer := w.webLogin()
	customer.actor, customer.username = egainsim.Customer, "customer@example.com"
	user := w.publicLogin()
	user.actor, user.username = egainsim.User, "agent.smith"
	web := loginCase{
		tenant: commercial, actor: egainsim.User, clientID: egainsim.CommercialWebClientID,
		secret: egainsim.CommercialWebClientSecret, username: "agent.jones",
	}
	webCustomer := web
	webCustomer.actor, webCustomer.username = egainsim.Customer, "customer@example.com"
	return map[string]loginCase{
		"a user at a web application on Rigel":                          w.webLogin(),
		"a customer at a web application on Rigel":                      customer,
		"a user at a public application on Rigel":                       user,
		"a customer at a public application on Rigel":                   w.publicLogin(),
		"a user at a web application on the commercial platform":        web,
		"a customer at a web application on the commercial platform":    webCustomer,
		"a user at a public application on the commercial platform":     {tenant: commercial, actor: egainsim.User, clientID: egainsim.CommercialPublicClientID, username: "agent.smith"},
		"a customer at a public application on the commercial platform": {tenant: commercial, actor: egainsim.Customer, clientID: egainsim.CommercialPublicClientID, username: "customer@example.com"},
	}
}

// scope is what the case's application asks for.
func (l loginCase) scope() string {
	return l.tenant.ScopeFor(l.actor, "knowledge.portalmgr.read") + " " + l.tenant.ScopeFor(l.actor, "core.aiservices.use")
}

// query is of an authorization request that is in order.
func (l loginCase) query() url.Values {
	return form("client_id", l.clientID, "response_type", "code", "redirect_uri", redirectURI, "scope", l.scope(),
		"state", "a state & more", "code_challenge", challenge(), "code_challenge_method", "S256")
}

func (l loginCase) url(query url.Values) string {
	return l.tenant.AuthorizationURL(l.actor) + "?" + query.Encode()
}

func (l loginCase) login() egainsim.Login {
	return egainsim.Login{Username: l.username, Password: egainsim.SubjectPassword, Allow: true}
}

// code logs in and gives the code.
func (w *world) code(t *testing.T, l loginCase, query url.Values) string {
	t.Helper()
	back, err := egainsim.LogIn(t.Context(), w.http.Transport, l.url(query), l.login())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(back.String(), query.Get("redirect_uri")) || back.Query().Get("code") == "" {
		t.Fatalf("the browser was sent to %s", back)
	}
	return back.Query().Get("code")
}

// codeForm exchanges a code.
func (l loginCase) codeForm(code string) url.Values {
	return form("grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI, "client_id", l.clientID,
		"client_secret", l.secret, "code_verifier", verifier)
}

func (w *world) redeem(t *testing.T, l loginCase, form url.Values) reply {
	t.Helper()
	return w.post(t, l.tenant.TokenURL(l.actor), form)
}

// logIn logs in and exchanges the code.
func (w *world) logIn(t *testing.T, l loginCase) reply {
	t.Helper()
	return w.redeem(t, l, l.codeForm(w.code(t, l, l.query())))
}
