package audit

import "time"

// State is what one look at a target found.
type State int

// The states.
const (
	// Unknown is a target whose token the provider could not be asked about.
	Unknown State = iota
	// Valid is a target with a token that the provider accepts.
	Valid
	// Invalid is a target that is missing, or whose token is missing, not accepted, or another client's.
	Invalid
)

// account adds up the time that a target spent in each state. What a look finds holds until the next one.
type account struct {
	state State
	since time.Time

	unknown, invalid time.Duration
	// longest is the longest time that the target was invalid at a stretch; spell is the present one.
	longest, spell time.Duration
	// gap is the longest time between two looks.
	gap time.Duration
	// lastInvalid is when the target was last found, or still, invalid.
	lastInvalid time.Time
	token       string
	rotations   int
}

// look notes what was found at a time. The token is noted if there is one.
func (a *account) look(at time.Time, state State, token string) {
	a.until(at)
	a.state = state
	if state != Invalid {
		a.spell = 0
	} else {
		a.lastInvalid = at
	}
	if token == "" || token == a.token {
		return
	}
	if a.token != "" {
		a.rotations++
	}
	a.token = token
}

// until adds the time from the last look to this moment to the state that was found then.
func (a *account) until(at time.Time) {
	if a.since.IsZero() {
		a.since = at
		return
	}
	span := at.Sub(a.since)
	a.since = at
	a.gap = max(a.gap, span)
	switch a.state {
	case Unknown:
		a.unknown += span
	case Invalid:
		a.invalid += span
		a.spell += span
		a.longest = max(a.longest, a.spell)
		a.lastInvalid = at
	case Valid:
	}
}
