package view

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBar(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		style      Style
		left, life time.Duration
		want       string
	}{
		"a whole life is full":                          {Style{Unicode: true}, time.Hour, time.Hour, "██████"},
		"half a life is half full":                      {Style{Unicode: true}, 30 * time.Minute, time.Hour, "███░░░"},
		"a valid token never looks expired":             {Style{Unicode: true}, time.Second, time.Hour, "█░░░░░"},
		"an expired token is empty":                     {Style{Unicode: true}, -time.Minute, time.Hour, "░░░░░░"},
		"a clock that is behind does not overflow":      {Style{Unicode: true}, 2 * time.Hour, time.Hour, "██████"},
		"a life of nothing is empty":                    {Style{Unicode: true}, time.Hour, 0, "░░░░░░"},
		"a locale that is not UTF-8 gets ASCII instead": {Style{}, 30 * time.Minute, time.Hour, "###---"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.style.Bar(test.left, test.life, 6); got != test.want {
				t.Errorf("Bar(%s, %s) = %q, want %q", test.left, test.life, got, test.want)
			}
		})
	}
}

func TestLifeShade(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		left time.Duration
		want Shade
	}{
		"plenty is good":             {40 * time.Minute, Good},
		"a sixth is still good":      {10 * time.Minute, Good},
		"less than a sixth is fair":  {10*time.Minute - 1, Fair},
		"nothing is bad":             {0, Bad},
		"less than nothing is worse": {-time.Hour, Bad},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := LifeShade(test.left, time.Hour); got != test.want {
				t.Errorf("LifeShade(%s) = %d, want %d", test.left, got, test.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	table := Table{
		Header: []string{"NAME", "READY", "PROBLEM"},
		Rows: [][]Cell{
			{Text("knowledge-sync"), {"True", Good}, Text("")},
			{Text("søk"), {"False", Bad}, Text("ClientRejected: the server does\nnot accept it\x1b[2J")},
		},
	}
	tests := map[string]struct {
		style Style
		width int
		want  []string
	}{
		"columns are aligned and lines end with their text": {Style{}, 0, []string{
			"NAME             READY   PROBLEM",
			"knowledge-sync   True",
			"søk              False   ClientRejected: the server does not accept it^[[2J",
		}},
		"colours do not count as width": {Style{Colour: true}, 0, []string{
			"\x1b[1mNAME\x1b[0m             \x1b[1mREADY\x1b[0m   \x1b[1mPROBLEM\x1b[0m",
			"knowledge-sync   \x1b[32mTrue\x1b[0m",
			"søk              \x1b[31mFalse\x1b[0m   ClientRejected: the server does not accept it^[[2J",
		}},
		"lines are cut to the width": {Style{}, 40, []string{
			"NAME             READY   PROBLEM",
			"knowledge-sync   True",
			"søk              False   ClientReject...",
		}},
		"columns beyond the width are left out": {Style{Unicode: true}, 16, []string{
			"NAME",
			"knowledge-sync",
			"søk",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.style.Lines(table, test.width)); diff != "" {
				t.Errorf("Lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lines  []string
		height int
		want   string
	}{
		"all lines fit":                        {[]string{"a", "b"}, 5, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"},
		"the last are left out":                {[]string{"a", "b", "c"}, 2, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"},
		"a height that is not known cuts none": {[]string{"a", "b"}, 0, "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Frame(test.lines, test.height); got != test.want {
				t.Errorf("Frame = %q, want %q", got, test.want)
			}
		})
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	got := Style{}.Sections([]Section{
		{Title: "ONE", Rows: [][]Cell{Field("a", Text("1")), Field("long", Text("2")), {Text("a note of any length")}}},
		{Title: "NONE"},
		{Title: "TWO", Rows: [][]Cell{Field("b", Text("3"))}},
	})
	want := []string{"ONE", "  a      1", "  long   2", "  a note of any length", "", "TWO", "  b   3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Sections (-want +got):\n%s", diff)
	}
}
