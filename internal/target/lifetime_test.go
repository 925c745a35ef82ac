package target

import (
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/oauth"
)

// TestTarget_ATokenThatCannotBeIsDamaged applies times to a target as the operator's field manager, as only the operator should.
func TestTarget_ATokenThatCannotBeIsDamaged(t *testing.T) {
	t.Parallel()
	now := issued.Add(10 * time.Minute)
	for name, tc := range map[string]struct {
		issue, expiration time.Time
		damaged           bool
	}{
		"an hour":                       {issued, issued.Add(time.Hour), false},
		"the longest life":              {issued, issued.Add(oauth.MaxLifetime), false},
		"the longest life, rounded":     {issued, issued.Add(oauth.MaxLifetime + time.Second), false},
		"a longer life":                 {issued, issued.Add(oauth.MaxLifetime + 2*time.Second), true},
		"an expiry in 2099":             {issued, time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC), true},
		"an expiry in 9999":             {issued, time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC), true},
		"an issue long ago":             {time.Date(1970, time.January, 1, 0, 0, 0, 0, time.UTC), issued.Add(time.Hour), true},
		"an issue in 1600":              {time.Date(1600, time.January, 1, 0, 0, 0, 0, time.UTC), issued.Add(time.Hour), true},
		"both in 2099":                  {time.Date(2098, time.December, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC), true},
		"an issue by a clock ahead":     {now.Add(time.Minute), now.Add(time.Hour), false},
		"an issue in the future":        {now.Add(time.Minute + time.Second), now.Add(time.Hour), true},
		"an expiry before the issue":    {issued, issued.Add(-time.Hour), true},
		"an expiry at the issue":        {issued, issued, true},
		"one that has expired long ago": {issued.Add(-time.Hour), issued.Add(-time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok := token()
			tok.IssueTime, tok.ExpirationTime = tc.issue, tc.expiration
			s := secretsWith(t, rendered(t, client(nil), tok))
			seen, err := observed(t, s, client(nil))
			if err != nil {
				t.Fatal(err)
			}
			again, err := Observe(t.Context(), s, fakeClients{}, client(nil), seen.Meta, seen.Known)
			if err != nil {
				t.Fatal(err)
			}
			for when, seen := range map[string]Observation{"read": seen.At(now), "known": again.At(now)} {
				if seen.Damaged != tc.damaged || (seen.Token == nil) != tc.damaged || (tc.damaged && (seen.Content != nil || seen.Drifted)) {
					t.Errorf("%s: damaged %t, token %v", when, seen.Damaged, seen.Token)
				}
			}
		})
	}
}
