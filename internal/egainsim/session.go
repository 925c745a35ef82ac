package egainsim

import (
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// codeLifetime is far below the 10 minutes that RFC 6749 section 4.1.2 allows.
const codeLifetime = time.Minute

// Session is one login and what has come of it. It holds no token.
type Session struct {
	Tenant   string `json:"tenant"`
	Actor    Actor  `json:"actor"`
	ClientID string `json:"clientID"`
	Subject  string `json:"subject"`
	// Scope is what the person has allowed, spelt as in requests.
	Scope     string    `json:"scope"`
	StartTime time.Time `json:"startTime"`
	// ExpirationTime is when the last of its tokens expires.
	ExpirationTime time.Time `json:"expirationTime"`
	// Refreshes is how many times its access token was refreshed.
	Refreshes int `json:"refreshes"`
	// End is what ended the session before its time, if something has.
	End SessionEnd `json:"end,omitempty"`
}

// SessionEnd is a cause for the end of a session, with which all of its tokens die.
type SessionEnd string

// The causes.
const (
	// SessionRevoked is by the client, at the revocation endpoint, or by an administrator.
	SessionRevoked SessionEnd = "revoked"
	// CodeReused is an authorization code that came a second time (RFC 6749 section 4.1.2).
	CodeReused SessionEnd = "code_reused"
	// RefreshTokenReused is a refresh token that came again after it was replaced (RFC 9700 section 4.14.2).
	RefreshTokenReused SessionEnd = "refresh_token_reused"
)

// session is a family of tokens that come from one login and end together. The lock of the book guards what changes.
type session struct {
	*authorization
	subject   string
	startTime time.Time
	expiresAt time.Time
	refreshes int
	end       SessionEnd
	// ended is read without the lock too.
	ended atomic.Bool
}

// over reports whether a session, if there is one, has been ended.
func (s *session) over() bool { return s != nil && s.ended.Load() }

func (s *session) expired(now time.Time) bool { return s.over() || !now.Before(s.expiresAt) }

func (s *session) describe() Session {
	return Session{
		Tenant: s.tenant.config.ID, Actor: s.actor, ClientID: s.client.id, Subject: s.subject,
		Scope: spellScopes(s.tenant.prefixFor(s.actor), s.scopes), StartTime: s.startTime, ExpirationTime: s.expiresAt,
		Refreshes: s.refreshes, End: s.end,
	}
}

// authorizationCode is a code that was issued.
type authorizationCode struct {
	*authorization
	subject   string
	expiresAt time.Time
	spent     bool
	// session is what the code was exchanged for.
	session *session
}

// expired leaves a code to be recognized for as long as its session goes on, since a second request with it ends that.
func (c *authorizationCode) expired(now time.Time) bool {
	if c.session != nil {
		return c.session.expired(now)
	}
	return !now.Before(c.expiresAt)
}

// refreshToken is a refresh token that was issued. It is known after it was replaced too, so that its reuse shows.
type refreshToken struct {
	session   *session
	issuedAt  time.Time
	expiresAt time.Time
	spent     bool
}

func (t *refreshToken) expired(now time.Time) bool {
	return t.session.over() || !now.Before(t.expiresAt)
}

// sessionBook holds the logins and what has come of them.
type sessionBook struct {
	mu            sync.Mutex
	codes         expiring[*authorizationCode]
	refreshTokens expiring[*refreshToken]
	sessions      []*session
	sweepAt       int
}

func newSessionBook() *sessionBook {
	return &sessionBook{
		codes: newExpiring[*authorizationCode](), refreshTokens: newExpiring[*refreshToken](), sweepAt: minSweep,
	}
}

func (b *sessionBook) addCode(asked *authorization, subject string, now time.Time) string {
	code := rand.Text()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.codes.add(code, &authorizationCode{authorization: asked, subject: subject, expiresAt: now.Add(codeLifetime)}, now)
	return code
}

// begin makes a session of a code. The lock is held.
func (b *sessionBook) begin(code *authorizationCode, now time.Time) *session {
	code.session = &session{authorization: code.authorization, subject: code.subject, startTime: now}
	b.sessions = append(b.sessions, code.session)
	if len(b.sessions) >= b.sweepAt {
		b.sessions = slices.DeleteFunc(b.sessions, func(s *session) bool { return s != code.session && !now.Before(s.expiresAt) })
		b.sweepAt = max(minSweep, 2*len(b.sessions))
	}
	return code.session
}

// finish ends a session, if there is one that has not ended yet. The lock is held.
func (b *sessionBook) finish(s *session, end SessionEnd) {
	if s != nil && !s.ended.Swap(true) {
		s.end = end
	}
}

// ofRefreshToken is a refresh token that is valid now, or nil. The lock is held.
func (b *sessionBook) ofRefreshToken(token string, now time.Time) *refreshToken {
	found, ok := b.refreshTokens.find(token, now)
	if !ok || found.spent {
		return nil
	}
	return found
}

// look is the refresh token and its session as they are now, or nothing.
func (b *sessionBook) look(token string, now time.Time) (refreshToken, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.ofRefreshToken(token, now)
	if found == nil {
		return refreshToken{}, false
	}
	return *found, true
}

// revoke ends the session of a refresh token, and reports whether the token was valid.
func (b *sessionBook) revoke(token string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.ofRefreshToken(token, now)
	if found == nil {
		return false
	}
	b.finish(found.session, SessionRevoked)
	return true
}

// Sessions are the logins that are known, oldest first. Those that are over are forgotten some time after they would have
// expired.
func (s *Simulator) Sessions() []Session {
	b := s.sessions
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Session, 0, len(b.sessions))
	for _, known := range b.sessions {
		all = append(all, known.describe())
	}
	return all
}

// EndSessions revokes what has come of the logins of a subject at a client, as when an administrator logs a user out,
// and says how many there were. Either may be empty, which means any.
func (s *Simulator) EndSessions(clientID, subject string) int {
	b, now := s.sessions, s.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	ended := 0
	for _, known := range b.sessions {
		matches := (clientID == "" || known.client.id == clientID) && (subject == "" || known.subject == subject)
		if matches && !known.expired(now) {
			b.finish(known, SessionRevoked)
			ended++
		}
	}
	return ended
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
