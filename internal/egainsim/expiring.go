package egainsim

import (
	"crypto/sha256"
	"time"
)

// minSweep is the size below which a map is not worth sweeping.
const minSweep = 1024

// expirer is something that is worthless from some time on.
type expirer interface {
	expired(now time.Time) bool
}

// expiring remembers what was issued under a secret string: everything but the string. It is not safe for concurrent use.
type expiring[V expirer] struct {
	entries map[[sha256.Size]byte]V
	sweepAt int
}

func newExpiring[V expirer]() expiring[V] {
	return expiring[V]{entries: map[[sha256.Size]byte]V{}, sweepAt: minSweep}
}

func (e *expiring[V]) add(secret string, value V, now time.Time) {
	e.entries[sha256.Sum256([]byte(secret))] = value
	if len(e.entries) >= e.sweepAt {
		e.sweep(now)
	}
}

// sweep forgets what has expired. It runs when the map has doubled since it last ran, so that its cost per entry is
// constant.
func (e *expiring[V]) sweep(now time.Time) {
	for key, value := range e.entries {
		if value.expired(now) {
			delete(e.entries, key)
		}
	}
	e.sweepAt = max(minSweep, 2*len(e.entries))
}

// find is what was issued under a secret, if it has not expired.
func (e *expiring[V]) find(secret string, now time.Time) (V, bool) {
	value, ok := e.entries[sha256.Sum256([]byte(secret))]
	if !ok || value.expired(now) {
		var none V
		return none, false
	}
	return value, true
}

func (e *expiring[V]) remove(secret string) {
	delete(e.entries, sha256.Sum256([]byte(secret)))
}
