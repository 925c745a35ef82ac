package rotation

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// lives from the shortest that can be told apart to the longest that is believed.
var lives = []time.Duration{
	time.Second, 2 * time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, 59 * time.Second, time.Minute,
	61 * time.Second, 5 * time.Minute, 6 * time.Minute, 599 * time.Second, time.Hour, 24 * time.Hour, 366 * 24 * time.Hour,
}

var spreads = []float64{0, 0.001, 0.25, 0.5, 0.75, math.Nextafter(1, 0)}

func TestRenewAtOfAShare(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		life   time.Duration
		policy Policy
		share  float64
		want   time.Duration // after the issue
	}{
		"two thirds of an hour":                              {life: time.Hour, want: 40 * time.Minute},
		"two thirds of a day":                                {life: 24 * time.Hour, want: 16 * time.Hour},
		"two thirds of five minutes":                         {life: 5 * time.Minute, want: 200 * time.Second},
		"two thirds of a minute":                             {life: time.Minute, want: 40 * time.Second},
		"half of less than a minute":                         {life: 30 * time.Second, want: 15 * time.Second},
		"half of less than a minute, between seconds":        {life: 59 * time.Second, want: 29500 * time.Millisecond},
		"half of three seconds":                              {life: 3 * time.Second, want: 1500 * time.Millisecond},
		"half of one second":                                 {life: time.Second, want: 500 * time.Millisecond},
		"never at the issue, where it would be due for ever": {life: 2 * time.Second, share: 0.5, want: 900 * time.Millisecond},
		"the share takes off a twentieth of the life":        {life: time.Hour, share: 0.5, want: 37 * time.Minute},
		"the share takes off a twentieth of a short life":    {life: 40 * time.Second, share: 0.5, want: 18 * time.Second},
		"percent":                                              {life: time.Hour, policy: Policy{Percent: 75}, want: 45 * time.Minute},
		"percent less the share":                               {life: time.Hour, policy: Policy{Percent: 75}, share: 0.5, want: 42 * time.Minute},
		"percent below half is half":                           {life: time.Hour, policy: Policy{Percent: 1}, want: 30 * time.Minute},
		"percent leaves mounted files two minutes":             {life: time.Hour, policy: Policy{Percent: 99}, want: 58 * time.Minute},
		"percent leaves mounted files a third of a short life": {life: 3 * time.Minute, policy: Policy{Percent: 99}, want: 2 * time.Minute},
		"all percent there are":                                {life: time.Hour, policy: Policy{Percent: 100}, want: 58 * time.Minute},
		"more percent than there are":                          {life: 24 * time.Hour, policy: Policy{Percent: math.MaxInt32}, want: 24*time.Hour - 2*time.Minute},
		"percent of a short life is not half of it":            {life: 30 * time.Second, policy: Policy{Percent: 60}, want: 18 * time.Second},
		"before the expiry":                                    {life: time.Hour, policy: Policy{Before: 10 * time.Minute}, want: 50 * time.Minute},
		"before less the share":                                {life: time.Hour, policy: Policy{Before: 10 * time.Minute}, share: 0.5, want: 47 * time.Minute},
		"a moment before leaves mounted files two minutes":     {life: time.Hour, policy: Policy{Before: time.Second}, want: 58 * time.Minute},
		"more than half a life before is half":                 {life: time.Hour, policy: Policy{Before: 45 * time.Minute}, want: 30 * time.Minute},
		"more than a life before is half":                      {life: time.Hour, policy: Policy{Before: 3 * time.Hour}, want: 30 * time.Minute},
		"an absurd time before is half":                        {life: time.Hour, policy: Policy{Before: math.MaxInt64}, want: 30 * time.Minute},
		"a token without life is due at once":                  {life: 0, share: 0.5, want: 0},
		"a token that expired before its issue is due at once": {life: -time.Hour, share: 0.5, want: 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := renewAt(now, now.Add(tc.life), tc.policy, tc.share).Sub(now); got != tc.want {
				t.Errorf("renewAt is %s after the issue, want %s", got, tc.want)
			}
		})
	}
}

var policies = []Policy{
	{},
	{Percent: 1},
	{Percent: 50},
	{Percent: 67},
	{Percent: 75},
	{Percent: 90},
	{Percent: 99},
	{Before: time.Second},
	{Before: time.Minute},
	{Before: 10 * time.Minute},
	{Before: 12 * time.Hour},
}

func TestRenewAtIsWithinTheLife(t *testing.T) {
	t.Parallel()
	for _, life := range lives {
		if life < ShortestLifetime {
			continue // see TestRenewAtIsNotBeforeTheFloor
		}
		for _, policy := range policies {
			for _, spread := range spreads {
				expiration := now.Add(life)
				at := RenewAt(now, expiration, policy, spread)
				row := fmt.Sprintf("life %s, %+v, spread %f", life, policy, spread)
				if !at.After(now) || !at.Before(expiration) {
					t.Errorf("%s: renewed %s after the issue, not within the life", row, at.Sub(now))
				}
				if latest := life - min(mountLag, life/3); at.Sub(now) > latest {
					t.Errorf("%s: renewed after %s, too late for mounted files", row, at.Sub(now))
				}
				if earliest := max(life*4/10, Floor); at.Sub(now) < earliest {
					t.Errorf("%s: renewed after %s, before half of the life less a tenth", row, at.Sub(now))
				}
				if again := RenewAt(now, expiration, policy, spread); !again.Equal(at) {
					t.Errorf("%s: renewed at %s, then at %s", row, at, again)
				}
			}
		}
	}
}

func TestRenewAtIsNotBeforeTheFloor(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{-time.Hour, 0, time.Second, 4 * time.Second, Floor, 9 * time.Second} {
		for _, policy := range policies {
			for _, spread := range spreads {
				if after := RenewAt(now, now.Add(life), policy, spread).Sub(now); after < Floor || after > max(life, Floor) {
					t.Errorf("life %s, %+v, spread %f: renewed after %s", life, policy, spread, after)
				}
			}
		}
	}
}

func TestRenewAtByDefaultIsBetween56And67PercentOfTheLife(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		life := time.Minute + time.Duration(random.Int64N(int64(100*24*time.Hour))).Truncate(time.Second)
		spread := Spread(uuid(i))
		at := RenewAt(now, now.Add(life), Policy{}, spread)
		if share := at.Sub(now).Seconds(); share < life.Seconds()*0.5666 || share > life.Seconds()*0.6667 {
			t.Fatalf("uid %s, life %s: renewed after %.2f %% of the life", uuid(i), life, share/life.Seconds()*100)
		}
		if again := RenewAt(now, now.Add(life), Policy{}, Spread(uuid(i))); !again.Equal(at) {
			t.Fatalf("uid %s, life %s: renewed at %s, then at %s", uuid(i), life, at, again)
		}
	}
}

func TestTokensThatAreDueInOneSecondAreNotDueAtOneMoment(t *testing.T) {
	t.Parallel()
	const tokens = 1000
	moments := map[time.Time]bool{}
	for i := range tokens {
		moments[RenewAt(now, now.Add(time.Minute), Policy{}, Spread(uuid(i)))] = true
	}
	if len(moments) < tokens {
		t.Errorf("%d tokens are due at %d moments", tokens, len(moments))
	}
}

// What status and annotations hold are whole seconds: computed from those, the time must be the same.
func TestRenewAtSurvivesBeingWrittenDown(t *testing.T) {
	t.Parallel()
	for _, life := range lives {
		at := RenewAt(now, now.Add(life), Policy{}, 0.3)
		read := func(t time.Time) time.Time { return time.Unix(t.Unix(), 0) }
		if again := RenewAt(read(now), read(now.Add(life)), Policy{}, 0.3); !again.Equal(at) {
			t.Errorf("life %s: renewed at %s, after a restart at %s", life, at, again)
		}
		issue := now.Add(987 * time.Millisecond)
		if got, want := share(0.3, issue), share(0.3, now); got != want {
			t.Errorf("the share is %f with the fraction of a second, %f without", got, want)
		}
	}
}

// Of two clients whose times are the same number of seconds, which were issued at once, each life must move one: else they
// would ask at the same second for ever.
func TestShareDiffersFromTokenToToken(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var near, far float64 = 1, 0
	for range 10_000 {
		issue := now.Add(time.Duration(random.Int64N(int64(24*time.Hour/time.Second))) * time.Second)
		got := share(0.5, issue)
		if again := share(0.5, issue); again != got {
			t.Fatalf("issued at %s: the share is %f, then %f", issue, got, again)
		}
		near, far = min(near, got), max(far, got)
	}
	if near < 0.45 || near > 0.4501 || far < 0.5499 || far >= 0.55 {
		t.Errorf("the shares of an object lie from %f to %f, want a tenth that they fill: 0.45 to 0.55", near, far)
	}
	if least, most := share(0, now), share(math.Nextafter(1, 0), now); least < 0 || least >= 0.1 || most < 0.9 || most >= 1 {
		t.Errorf("the shares at the ends of the spread are %f and %f", least, most)
	}
}

func TestClamped(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		life   time.Duration
		policy Policy
		want   bool
	}{
		"the default never is":                         {time.Hour, Policy{}, false},
		"the default of a short life never is":         {time.Second, Policy{}, false},
		"percent within the bounds":                    {time.Hour, Policy{Percent: 75}, false},
		"half":                                         {time.Hour, Policy{Percent: 50}, false},
		"below half":                                   {time.Hour, Policy{Percent: 49}, true},
		"percent too late for mounted files":           {time.Hour, Policy{Percent: 99}, true},
		"the same percent of a longer life":            {24 * time.Hour, Policy{Percent: 99}, false},
		"before within the bounds":                     {time.Hour, Policy{Before: 10 * time.Minute}, false},
		"as late as mounted files allow":               {time.Hour, Policy{Before: 2 * time.Minute}, false},
		"before too late for mounted files":            {time.Hour, Policy{Before: time.Minute}, true},
		"more than half a life before":                 {time.Hour, Policy{Before: 31 * time.Minute}, true},
		"more than a life before":                      {5 * time.Minute, Policy{Before: 10 * time.Minute}, true},
		"nothing is asked of a token without any life": {0, Policy{Before: 10 * time.Minute}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Clamped(now, now.Add(tc.life), tc.policy); got != tc.want {
				t.Errorf("Clamped = %t, want %t", got, tc.want)
			}
		})
	}
	for _, life := range lives {
		if Clamped(now, now.Add(life), Policy{}) {
			t.Errorf("the default for a life of %s is clamped", life)
		}
	}
}

func TestSpreadIsUniform(t *testing.T) {
	t.Parallel()
	const uids, buckets = 10_000, 20
	var count [buckets]int
	for i := range uids {
		s := Spread(uuid(i))
		if s < 0 || s >= 1 {
			t.Fatalf("Spread(%s) = %f, not in [0, 1)", uuid(i), s)
		}
		if again := Spread(uuid(i)); again != s {
			t.Fatalf("Spread(%s) = %f, then %f", uuid(i), s, again)
		}
		count[int(s*buckets)]++
	}
	squares := 0.0
	for _, n := range count {
		d := float64(n) - uids/buckets
		squares += d * d / (uids / buckets)
	}
	// The 99.9th percentile of chi-square with 19 degrees of freedom.
	if squares > 43.82 {
		t.Errorf("chi-square is %.1f over %v: the spread is not uniform", squares, count)
	}
}

// uuid returns one of a fixed series of random UUIDs (RFC 9562, version 4), as the API server hands out.
func uuid(i int) string {
	random := rand.New(rand.NewPCG(uint64(i), 7))
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], random.Uint64())
	binary.BigEndian.PutUint64(b[8:], random.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
