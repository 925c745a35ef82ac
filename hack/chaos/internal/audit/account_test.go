package audit

import (
	"testing"
	"time"
)

var start = time.Date(2026, time.November, 24, 10, 0, 0, 0, time.UTC)

type look struct {
	at    time.Duration
	state State
	token string
}

func TestAccount(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		looks []look
		want  account
	}{
		"what a look finds holds until the next one": {
			[]look{{0, Valid, "a"}, {250, Invalid, ""}, {500, Invalid, ""}, {750, Valid, "b"}, {1000, Valid, "b"}},
			account{invalid: 500, longest: 500, gap: 250, rotations: 1},
		},
		"spells of invalidity are told apart": {
			[]look{{0, Invalid, "a"}, {300, Valid, "b"}, {400, Invalid, "b"}, {500, Valid, "c"}, {600, Valid, "c"}},
			account{invalid: 400, longest: 300, gap: 300, rotations: 2},
		},
		"a target that is invalid to the end is so until then": {
			[]look{{0, Valid, "a"}, {100, Invalid, "a"}, {900, Invalid, "a"}},
			account{invalid: 800, longest: 800, gap: 800},
		},
		"what could not be found out is neither valid nor invalid, and ends a spell": {
			[]look{{0, Invalid, "a"}, {100, Unknown, "a"}, {400, Invalid, "a"}, {500, Valid, "a"}},
			account{invalid: 200, unknown: 300, longest: 100, gap: 300},
		},
		"a token that is gone for a while and comes back is no rotation": {
			[]look{{0, Valid, "a"}, {100, Invalid, ""}, {200, Valid, "a"}},
			account{invalid: 100, longest: 100, gap: 100},
		},
		"one look has no duration": {[]look{{0, Invalid, "a"}}, account{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got account
			for _, l := range tc.looks {
				got.look(start.Add(l.at), l.state, l.token)
			}
			if got.invalid != tc.want.invalid || got.unknown != tc.want.unknown || got.longest != tc.want.longest ||
				got.gap != tc.want.gap || got.rotations != tc.want.rotations {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
