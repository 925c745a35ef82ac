package egainsim

import (
	"sync"
	"time"
)

// issuedToken is what is remembered of an access token.
type issuedToken struct {
	tenant   *Tenant
	clientID string
	subject  string
	scope    string
	// prefix is that of its scopes.
	prefix    string
	issuedAt  int64
	expiresAt int64
	// session is the login that the token comes from, if it comes from one, and does not outlive.
	session *session
}

func (t issuedToken) tenantID() string {
	if t.tenant == nil {
		return ""
	}
	return t.tenant.config.ID
}

func (t issuedToken) expired(now time.Time) bool {
	return now.Unix() >= t.expiresAt || t.session.over()
}

// ledger holds the access tokens that are valid. One that was revoked is simply no longer in it.
type ledger struct {
	mu     sync.Mutex
	tokens expiring[issuedToken]
}

func newLedger() *ledger {
	return &ledger{tokens: newExpiring[issuedToken]()}
}

func (l *ledger) add(token string, issued issuedToken, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens.add(token, issued, now)
}

// find is a token that is valid now.
func (l *ledger) find(token string, now time.Time) (issuedToken, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tokens.find(token, now)
}

func (l *ledger) remove(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens.remove(token)
}

// removeOf forgets the tokens of a client and says how many were valid.
func (l *ledger) removeOf(clientID string, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens.sweep(now)
	removed := 0
	for key, issued := range l.tokens.entries {
		if issued.clientID == clientID {
			delete(l.tokens.entries, key)
			removed++
		}
	}
	return removed
}

// size is how many tokens are valid.
func (l *ledger) size(now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens.sweep(now)
	return len(l.tokens.entries)
}
