package egainsim

import (
	"strconv"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

func TestALedgerForgetsExpiredTokensAsItGrows(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	l, now := newLedger(), time.Unix(1_000_000, 0)
	for i := range 20 * minSweep {
		now = now.Add(time.Second)
		l.add(strconv.Itoa(i), issuedToken{expiresAt: now.Add(10 * time.Second).Unix()}, now)
		if len(l.tokens.entries) > minSweep {
			t.Fatalf("%d tokens are held, of which 10 are valid", len(l.tokens.entries))
		}
	}
	g.Expect(l.size(now)).To(gomega.Equal(10))
}

func TestABookForgetsSessionsThatAreLongOverAsItGrows(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	b, now := newSessionBook(), time.Unix(1_000_000, 0)
	for range 3 * minSweep {
		now = now.Add(time.Second)
		begun := b.begin(&authorizationCode{}, now)
		begun.expiresAt = now.Add(10 * time.Second)
	}
	g.Expect(len(b.sessions)).To(gomega.BeNumerically("<", minSweep))
	g.Expect(b.sessions[len(b.sessions)-1].startTime).To(gomega.Equal(now))
}
