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
		if len(l.tokens) > minSweep {
			t.Fatalf("%d tokens are held, of which 10 are valid", len(l.tokens))
		}
	}
	g.Expect(l.size(now)).To(gomega.Equal(10))
}
