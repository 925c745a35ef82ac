package egainsim

import (
	"crypto/rand"
	"slices"
)

// authorizationCodeGrant is the end of a login (RFC 6749 section 4.1.3).
var authorizationCodeGrant = grant{
	grantType: "authorization_code",
	required:  []string{"code", "redirect_uri"},
	optional:  []string{"code_verifier"},
	permit:    (*tokenRequest).redeemCode,
	public:    true,
}

// refreshTokenGrant goes on with one (RFC 6749 section 6). The redirect_uri was seen on the commercial platform.
var refreshTokenGrant = grant{
	grantType: "refresh_token",
	required:  []string{"refresh_token"},
	optional:  []string{"scope", "redirect_uri"},
	permit:    (*tokenRequest).redeemRefreshToken,
	public:    true,
}

// isOf reports whether a token request is by the client and at the endpoint that an authorization was for.
func (a *authorization) isOf(r *tokenRequest) bool {
	return a.tenant == r.tenant && a.actor == r.actor && a.client == r.client
}

// redeemCode exchanges an authorization code. Its client has one attempt: what comes of it, the code is spent.
func (r *tokenRequest) redeemCode() (permission, error) {
	verifier := r.form.Get("code_verifier")
	if verifier != "" {
		if err := checkVerifier(verifier); err != nil {
			return permission{}, err
		}
	}
	b := r.sim.sessions
	b.mu.Lock()
	defer b.mu.Unlock()
	code, ok := b.codes.find(r.form.Get("code"), r.now)
	if !ok || !code.isOf(r) {
		return permission{}, refuse(invalidGrant, "the code is unknown or expired, or of another client or endpoint")
	}
	if code.spent {
		b.finish(code.session, CodeReused)
		return permission{}, refuse(invalidGrant, "the code was used before")
	}
	code.spent = true
	if code.redirectURI != r.form.Get("redirect_uri") {
		return permission{}, refuse(invalidGrant, "the redirect_uri is not that of the authorization request")
	}
	if !verify(code.challenge, verifier) {
		return permission{}, refuse(invalidGrant, "the code_verifier is not what the code_challenge was made of")
	}
	started := b.begin(code, r.now)
	return b.permit(r, started, started.scopes, started.client.refreshTokens != NoRefreshTokens), nil
}

// redeemRefreshToken exchanges a refresh token, and replaces it unless the client's are static. One that was replaced
// already shows that another user has it, so it ends the session: which of the two is the thief cannot be told.
func (r *tokenRequest) redeemRefreshToken() (permission, error) {
	b := r.sim.sessions
	b.mu.Lock()
	defer b.mu.Unlock()
	token, ok := b.refreshTokens.find(r.form.Get("refresh_token"), r.now)
	if !ok || !token.session.isOf(r) {
		return permission{}, refuse(invalidGrant,
			"the refresh token is unknown, expired or revoked, or of another client or endpoint")
	}
	if token.spent {
		b.finish(token.session, RefreshTokenReused)
		return permission{}, refuse(invalidGrant, "the refresh token was used before, which ends its session")
	}
	scopes, err := r.narrow(token.session.scopes)
	if err != nil {
		return permission{}, err
	}
	if uri := r.form.Get("redirect_uri"); uri != "" && uri != token.session.redirectURI {
		return permission{}, refuse(invalidGrant, "the redirect_uri is not that of the authorization request")
	}
	token.session.refreshes++
	token.spent = token.session.client.refreshTokens != StaticRefreshTokens
	return b.permit(r, token.session, scopes, token.spent), nil
}

// narrow is what a refresh asks for, of what the person has allowed. The next refresh can have it all again.
func (r *tokenRequest) narrow(allowed []string) ([]string, error) {
	if r.form.Get("scope") == "" {
		return allowed, nil
	}
	asked, err := r.tenant.grantScopes(r.form.Get("scope"), r.prefix(), delegated, r.client)
	if err != nil {
		return nil, err
	}
	for _, scope := range asked {
		if !slices.Contains(allowed, scope) {
			return nil, refuse(invalidScope, "a scope was not allowed at the login")
		}
	}
	return asked, nil
}

// permit has a session go on with a new access token and, if it is renewable, a new refresh token. The lock is held.
func (b *sessionBook) permit(r *tokenRequest, s *session, scopes []string, renewable bool) permission {
	p := permission{subject: s.subject, scopes: scopes, session: s}
	s.expiresAt = later(s.expiresAt, r.now.Add(r.lifetime))
	if !renewable {
		return p
	}
	p.refreshToken = rand.Text()
	token := &refreshToken{session: s, issuedAt: r.now, expiresAt: r.now.Add(r.refreshLifetime)}
	s.expiresAt = later(s.expiresAt, token.expiresAt)
	b.refreshTokens.add(p.refreshToken, token, r.now)
	return p
}
