package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text  string
		width int
		want  []string
	}{
		"a line that fits stays whole":       {"a bc d", 6, []string{"a bc d"}},
		"lines break between words":          {"one two three", 8, []string{"one two", "three"}},
		"a long word has a line of its own":  {"a https://x.example/long b", 8, []string{"a", "https://x.example/long", "b"}},
		"line breaks count as spaces":        {"a\nb", 8, []string{"a b"}},
		"control sequences are made visible": {"a\x1b[2J b", 20, []string{"a^[[2J b"}},
		"nothing has no line":                {"", 8, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Wrap(tc.text, tc.width)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
