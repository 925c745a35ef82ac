package egainsim

import (
	"crypto/sha256"
	"sync"
	"time"
)

// issuedToken is what is remembered of a token: everything but the token.
type issuedToken struct {
	tenant    *Tenant
	clientID  string
	subject   string
	scope     string
	issuedAt  int64
	expiresAt int64
}

func (t issuedToken) tenantID() string {
	if t.tenant == nil {
		return ""
	}
	return t.tenant.config.ID
}

// minSweep is the size below which a ledger is not worth sweeping.
const minSweep = 1024

// ledger holds the tokens that are valid. One that was revoked is simply no longer in it.
type ledger struct {
	mu      sync.Mutex
	tokens  map[[sha256.Size]byte]issuedToken
	sweepAt int
}

func newLedger() *ledger {
	return &ledger{tokens: map[[sha256.Size]byte]issuedToken{}, sweepAt: minSweep}
}

func (l *ledger) add(token string, issued issuedToken, now time.Time) {
	key := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens[key] = issued
	if len(l.tokens) >= l.sweepAt {
		l.sweep(now)
	}
}

// sweep forgets expired tokens. It runs when the ledger has doubled since it last ran, so that its cost per token is
// constant.
func (l *ledger) sweep(now time.Time) {
	for key, issued := range l.tokens {
		if now.Unix() >= issued.expiresAt {
			delete(l.tokens, key)
		}
	}
	l.sweepAt = max(minSweep, 2*len(l.tokens))
}

// find is a token that is valid now.
func (l *ledger) find(token string, now time.Time) (issuedToken, bool) {
	key := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	issued, ok := l.tokens[key]
	if !ok || now.Unix() >= issued.expiresAt {
		return issuedToken{}, false
	}
	return issued, true
}

func (l *ledger) remove(token string) {
	key := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tokens, key)
}

// removeOf forgets the tokens of a client and says how many were valid.
func (l *ledger) removeOf(clientID string, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	removed := 0
	for key, issued := range l.tokens {
		if issued.clientID == clientID {
			delete(l.tokens, key)
			removed++
		}
	}
	return removed
}

// size is how many tokens are valid.
func (l *ledger) size(now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	return len(l.tokens)
}
