package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// shade is a meaning that a colour has.
type shade int

const (
	plain shade = iota
	bold
	dim
	good
	fair
	bad
)

// palette paints, or does not: colours are for terminals, unless NO_COLOR is set (https://no-color.org).
type palette bool

func (p palette) paint(s shade, text string) string {
	codes := map[shade]string{bold: "1", dim: "2", good: "32", fair: "33", bad: "31"}
	if !p || codes[s] == "" {
		return text
	}
	return "\x1b[" + codes[s] + "m" + text + "\x1b[0m"
}

// view is where the demo is shown. On a terminal, frames are drawn over one another on the alternate screen, which gives
// way to what was there before; elsewhere they are printed one after the other.
type view struct {
	out     *os.File
	live    bool
	palette palette
	drawing bool
}

func newView(out *os.File) *view {
	live := term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
	return &view{out: out, live: live, palette: palette(live && os.Getenv("NO_COLOR") == "")}
}

// Control sequences of terminals. Lines that are too long are cut rather than wrapped, which would spoil the frame.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	endLine     = "\x1b[K\r\n"
	endFrame    = "\x1b[J"
)

// draw shows a frame in place of the one before. What does not fit at the bottom is left out.
func (v *view) draw(lines []string) {
	if !v.live {
		v.print(lines...)
		return
	}
	if _, height, err := term.GetSize(int(v.out.Fd())); err == nil && height > 1 {
		lines = lines[:min(len(lines), height-1)]
	}
	start := home
	if !v.drawing {
		start, v.drawing = enterScreen+home, true
	}
	_, _ = fmt.Fprint(v.out, start+strings.Join(lines, endLine)+endLine+endFrame)
}

// leave ends the drawing.
func (v *view) leave() {
	if v.drawing {
		_, _ = fmt.Fprint(v.out, leaveScreen)
		v.drawing = false
	}
}

// print prints lines that stay.
func (v *view) print(lines ...string) {
	v.leave()
	_, _ = fmt.Fprintln(v.out, strings.Join(lines, "\n"))
}
