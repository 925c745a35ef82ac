package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Session is a login, or its continuation: exactly one of Code and RefreshToken is set.
type Session struct {
	// Code is what the login brought. It serves once (RFC 6749 section 4.1.2).
	Code Secret
	// Verifier proves that the code comes to who asked for it (RFC 7636); of Code only.
	Verifier Secret
	// RefreshToken continues the session. With eGain it serves once too: the answer's takes its place.
	RefreshToken Secret
	// RedirectURL is that of the login: required with Code, sent with RefreshToken if it is known.
	RedirectURL string
}

// validateGrant refuses what the server would only count as an attempt.
func (s Session) validateGrant() error {
	if (s.Code == "") == (s.RefreshToken == "") {
		return fault.New(fault.Terminal, fault.ReasonReauthorizationRequired, "there is no session to continue: log in")
	}
	return nil
}

func (s Session) addTo(form url.Values) {
	if s.Code != "" {
		form.Set("grant_type", "authorization_code")
		form.Set("code", string(s.Code))
		setIfAny(form, "code_verifier", string(s.Verifier))
	} else {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", string(s.RefreshToken))
	}
	setIfAny(form, "redirect_uri", s.RedirectURL)
}

// over is what a server says when there is no going on with a session but by a new login. Nothing is to be tried again
// before that: a void refresh token that comes twice looks stolen, and has servers end all that its user has.
func over(advice string) verdict {
	return verdict{class: fault.Terminal, reason: fault.ReasonReauthorizationRequired, advice: advice, login: true}
}

// refreshCodes are the error codes that mean something else when a session is refreshed: those of RFC 6749 section 5.2, and
// those of OpenID Connect Core section 3.1.2.6 with which servers ask for the user. Some servers answer invalid_request to a void
// refresh token, and invalid_scope is about what the login was granted (RFC 6749 section 6).
var refreshCodes = map[string]verdict{
	"invalid_request": {
		class: fault.Rejected, reason: fault.ReasonRequestRejected, login: true,
		advice: "check spec.parameters and the token URL with its query string; if they are right, the refresh token is void: log in again",
	},
	"invalid_scope": {
		class: fault.Rejected, reason: fault.ReasonScopeRejected, login: true,
		advice: "a refresh gets only scopes that the login was granted: set spec.scopes to delegated scopes that the client application has, and log in again",
	},
	"invalid_grant":        over("the server does not accept the refresh token any more: log in again"),
	"interaction_required": over("the server requires the user: log in again"),
	"login_required":       over("the server requires the user: log in again"),
	"consent_required":     over("the server requires the user's consent: log in again"),
}

// loginCodes are the same for a code that is redeemed.
var loginCodes = map[string]verdict{
	"invalid_grant": over("the server does not accept the code: it has expired, was used before, or belongs to another client, redirect URL or PKCE verifier: log in again"),
}

const subjectTokenAdvice = "check the subject token: it must be current, of the registered issuer and audience, and of a user that eGain knows"

// exchangeCodes are the error codes that may be about the subject token when one is exchanged.
var exchangeCodes = map[string]verdict{
	"access_denied": {
		class: fault.Rejected, reason: fault.ReasonClientRejected,
		advice: "check the subject token: it must be current and of a user whom eGain lets in; else allow the client application to exchange tokens",
	},
	"invalid_grant":   {class: fault.Rejected, reason: fault.ReasonSubjectRejected, advice: subjectTokenAdvice},
	"invalid_request": {class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: subjectTokenAdvice + "; else check spec.parameters and the token URL"},
}

// onBehalfOfCodes are the error codes that are about the user or customer that a client application acts for.
var onBehalfOfCodes = map[string]verdict{
	"invalid_grant": {class: fault.Rejected, reason: fault.ReasonSubjectRejected, advice: "check spec.onBehalfOf: eGain must know the user or customer"},
}

// withoutCredentials are the error codes for an anonymous customer who sends no credentials.
var withoutCredentials = map[string]verdict{
	"invalid_client": {class: fault.Rejected, reason: fault.ReasonClientRejected, advice: "the server requires a client id and secret: set spec.credentialsSecretRef"},
}

// scopeKinds are the kinds of scopes that flows take, as the eGain console names them.
var scopeKinds = map[Flow]string{ClientCredentials: "application", TokenExchange: "delegated", AuthorizationCode: "delegated", OnBehalfOf: "on-behalf-of"}

// verdict is what an error code means for a request; false for one that is not known.
func (r Request) verdict(code string) (verdict, bool) {
	if v, ok := r.codes()[code]; ok {
		return v, true
	}
	v, ok := codes[code]
	if kind := scopeKinds[r.Flow]; v.reason == fault.ReasonScopeRejected && kind != "" {
		v.advice += fmt.Sprintf(" (flow %s takes %s scopes)", r.Flow, kind)
	}
	return v, ok
}

// codes are the error codes that mean something else for a request.
func (r Request) codes() map[string]verdict {
	switch {
	case r.Flow == AuthorizationCode && r.Session.Code != "":
		return loginCodes
	case r.Flow == AuthorizationCode:
		return refreshCodes
	case r.Flow == TokenExchange:
		return exchangeCodes
	case r.Flow == OnBehalfOf:
		return onBehalfOfCodes
	case r.Flow == AnonymousCustomer && r.Credentials == (Credentials{}):
		return withoutCredentials
	default:
		return nil
	}
}

// refreshToken reads the next refresh token of a session from an answer that is no refusal, and when that one expires.
// The answer may be no token response otherwise, or break off: the server has voided the refresh token that was sent all
// the same. Both are empty if it does not say, or nothing that can be used.
func (r *recorder) refreshToken(issue time.Time) (next Secret, expiration time.Time) {
	said := leadingMembers(bytes.TrimPrefix(r.body.Bytes(), byteOrderMark))
	whole := r.readErr == nil
	if len(said) == 0 && whole && strings.HasPrefix(r.contentType, "application/x-www-form-urlencoded") {
		said = formMembers(r.body.String())
	}
	if token := said["refresh_token"]; token != nil {
		text, isText := token.(string)
		if !isText || !refreshable(text) {
			return "", time.Time{}
		}
		next = Secret(text)
	}
	// Of an answer that breaks off within a number, the number would look whole.
	if seconds, ok := number(said["refresh_token_expires_in"]); ok && whole {
		if life, err := plausible(seconds, "refresh_token_expires_in"); err == nil {
			expiration = issue.Add(life).Truncate(time.Second)
		}
	}
	return next, expiration
}

// refreshable accepts what RFC 6749 appendix A.17 does, if there is something to see in it.
func refreshable(token string) bool {
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	return strings.TrimSpace(token) != "" && len(token) <= maxToken && !strings.ContainsFunc(token, unprintable)
}

// leadingMembers are those of a JSON object up to where it ends or breaks off.
func leadingMembers(body []byte) map[string]any {
	members := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return members
	}
	for decoder.More() {
		key, err := decoder.Token()
		name, isName := key.(string)
		var value any
		if err != nil || !isName || decoder.Decode(&value) != nil {
			break
		}
		members[name] = value
	}
	return members
}
