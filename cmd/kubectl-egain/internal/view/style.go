// Package view knows how the plugin's output looks: colours, bars, times and tables. It is pure: it takes the time as an
// argument and returns text.
package view

import (
	"regexp"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/internal/plain"
)

// Shade is a meaning that a colour has.
type Shade int

// Shades.
const (
	Plain Shade = iota
	Bold
	Dim
	Good
	Fair
	Bad
)

// codes are those of ECMA-48, SGR, that every terminal shows.
var codes = map[Shade]string{Bold: "1", Dim: "2", Good: "32", Fair: "33", Bad: "31"}

// Style is what the output can show.
type Style struct {
	// Colour lets text be painted.
	Colour bool
	// Unicode lets bars be drawn with block characters, rather than with ASCII.
	Unicode bool
}

// Paint gives a text the colour of a shade.
func (s Style) Paint(shade Shade, text string) string {
	if !s.Colour || codes[shade] == "" || text == "" {
		return text
	}
	return "\x1b[" + codes[shade] + "m" + text + "\x1b[0m"
}

// painted is what Paint puts around a text.
var painted = regexp.MustCompile(`\x1b\[(0|1|2|31|32|33)m`)

// Plain is plain.Text of a text that may have been painted.
func (s Style) Plain(text string) string {
	if !s.Colour {
		return plain.Text(text)
	}
	var b strings.Builder
	last := 0
	for _, at := range painted.FindAllStringIndex(text, -1) {
		b.WriteString(plain.Text(text[last:at[0]]) + text[at[0]:at[1]])
		last = at[1]
	}
	return b.String() + plain.Text(text[last:])
}

// Bar draws how much of a life is left, in a number of characters. What is left is full; a life that has ended is empty.
func (s Style) Bar(left, life time.Duration, width int) string {
	full := 0
	if life > 0 {
		full = int(min(max(left, 0), life) * time.Duration(width) / life)
	}
	if full == 0 && left > 0 && life > 0 {
		full = 1 // a token that is still valid does not look expired
	}
	if s.Unicode {
		return strings.Repeat("█", full) + strings.Repeat("░", width-full)
	}
	return strings.Repeat("#", full) + strings.Repeat("-", width-full)
}

// LifeShade is the shade of what is left of a token's life: bad once it is over, fair once less than a sixth is left,
// which is half of what a renewal by default leaves for trying again.
func LifeShade(left, life time.Duration) Shade {
	switch {
	case left <= 0:
		return Bad
	case left < life/6:
		return Fair
	default:
		return Good
	}
}
