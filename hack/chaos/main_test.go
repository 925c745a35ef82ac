package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, time.November, 24, 10, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"surplus":       "too many: surplus",
		"-lanes=0":      "-lanes is 0",
		"-kills=0":      "-kills is 0",
		"-only=(":       "-only",
		"-only=nothing": "no scenario matches",
		"-no-such-flag": "no-such-flag",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestTheShortFormIsAPartOfTheLongOne(t *testing.T) {
	t.Parallel()
	titles := func(args ...string) []string {
		o, err := parse(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		list(&out, o)
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	long := map[string]bool{}
	for _, title := range titles() {
		if long[title] {
			t.Errorf("there are two scenarios %q", title)
		}
		long[title] = true
	}
	groups := map[string]bool{}
	for _, title := range titles("-short") {
		if !long[title] {
			t.Errorf("the long form has no %q", title)
		}
		group, _, _ := strings.Cut(title, ":")
		groups[group] = true
	}
	if len(groups) != 4 {
		t.Errorf("the short form has scenarios of the groups %v, want one of each", groups)
	}
	if got := titles("-only", "credentials: Secret deleted"); len(got) != 1 {
		t.Errorf("-only selects %q", got)
	}
}

func TestNeeded(t *testing.T) {
	t.Parallel()
	schedule := []plan{{start.Add(35 * time.Second), 40 * time.Second}, {start.Add(50 * time.Second), 30 * time.Second}, {due: start}}
	for after, want := range map[time.Duration]int{
		34 * time.Second: 0, 35 * time.Second: 1, 50 * time.Second: 2, 75 * time.Second: 3, 80 * time.Second: 4, 200 * time.Second: 11,
	} {
		if got := needed(schedule, start.Add(after)); got != want {
			t.Errorf("after %s: %d, want %d", after, got, want)
		}
	}
}

func TestPeak(t *testing.T) {
	t.Parallel()
	at := func(millis ...int64) []time.Time {
		var times []time.Time
		for _, m := range millis {
			times = append(times, start.Add(time.Duration(m)*time.Millisecond))
		}
		return times
	}
	for name, tc := range map[string]struct {
		times []time.Time
		want  int
	}{
		"nothing":                      {nil, 0},
		"one":                          {at(500), 1},
		"within a second":              {at(0, 999), 2},
		"a second apart":               {at(0, 1000), 1},
		"across the turn of a second":  {at(900, 1100, 1500, 2000), 3},
		"in whatever order":            {at(3000, 100, 2500, 0), 2},
		"three at once, later another": {at(5, 5, 5, 1006), 3},
	} {
		if got := peak(tc.times); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
