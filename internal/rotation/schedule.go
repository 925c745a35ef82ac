package rotation

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

const (
	// shortLife is the life below which a token is renewed at half of it: two thirds would leave seconds.
	shortLife = time.Minute
	// mountLag is how long a mounted file may lag behind its Secret: the kubelet syncs a pod every minute, give or take
	// half, and sees the change through its watch (kubelet syncFrequency; the Kubernetes documentation says the same).
	mountLag = 2 * time.Minute
	// ownShare is the part of a spread that differs from token to token; the rest stays with the object. The rest drives
	// clients that were issued together apart at an even pace. Without the part of the token, those whose times are the
	// same number of seconds would meet again for ever: 1.5 to 2.3 times the mean in a minute were counted so.
	ownShare = 0.1
)

// Policy overrides the default schedule. At most one field is set.
type Policy struct {
	// Percent of the life after which to renew.
	Percent int32
	// Before is how long before the expiry to renew.
	Before time.Duration
}

// Spread is a number in [0, 1) that is fixed for an object's UID and evenly distributed over UIDs.
func Spread(uid string) float64 {
	return fraction([]byte(uid))
}

// fraction is a number in [0, 1) that is evenly distributed over names.
func fraction(name []byte) float64 {
	sum := sha256.Sum256(name)
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// share is the part of a tenth of a life that one token of an object is renewed early, in [0, 1). It depends on whole
// seconds of the issue, so that it is the same after a restart.
func share(spread float64, issue time.Time) float64 {
	var name [16]byte
	binary.BigEndian.PutUint64(name[:8], math.Float64bits(spread))
	binary.BigEndian.PutUint64(name[8:], uint64(issue.Unix())) //nolint:gosec // only a name: any bits will do
	return (1-ownShare)*spread + ownShare*fraction(name[:])
}

// RenewAt is when a token is due for renewal: by default after two thirds of its life, so that an outage of a third of
// the life costs nothing (as cert-manager); after half of a life below a minute. A policy overrides that, within
// bounds: not before half of the life, and not so late that a mounted file could lag past the expiry (two minutes,
// or a third of the life if that is less). Up to a tenth of the life, by spread and to a small part by the time of issue,
// is then taken off, so that tokens issued together are not renewed together, nor their successors for ever after.
//
// The result lies after the issue and before the expiry, and usually between seconds: times of issue are whole seconds once
// they are written down, and tokens that are due in one second would else be due at the same moment. No token is due sooner
// than Floor after its issue, whatever its lifetime: one of less than that expires before.
func RenewAt(issue, expiration time.Time, p Policy, spread float64) time.Time {
	at, soonest := renewAt(issue, expiration, p, share(spread, issue)), issue.Add(Floor)
	if at.Before(soonest) {
		return soonest
	}
	return at
}

func renewAt(issue, expiration time.Time, p Policy, share float64) time.Time {
	life := expiration.Sub(issue)
	if life <= 0 {
		return issue
	}
	return issue.Add(bounded(life, asked(life, p)) - time.Duration(share*float64(life)/10))
}

// asked is after how much of a life the policy, or the default, renews.
func asked(life time.Duration, p Policy) time.Duration {
	switch {
	case p.Percent > 0:
		return time.Duration(float64(life) * float64(min(p.Percent, 100)) / 100)
	case p.Before > 0:
		return life - p.Before
	case life < shortLife:
		return life / 2
	default:
		return life / 3 * 2
	}
}

func bounded(life, after time.Duration) time.Duration {
	latest := life - min(mountLag, life/3)
	return max(life/2, min(after, latest))
}

// Clamped reports whether a policy asks for a renewal outside the bounds of RenewAt, which are then used instead.
func Clamped(issue, expiration time.Time, p Policy) bool {
	life := expiration.Sub(issue)
	after := asked(life, p)
	return life > 0 && after != bounded(life, after)
}
