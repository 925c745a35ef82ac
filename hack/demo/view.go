package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

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

// size of the terminal. Other outputs have no bounds.
func (v *view) size() (columns, rows int) {
	if v.live {
		if columns, rows, err := term.GetSize(int(v.out.Fd())); err == nil && columns > 1 && rows > 1 {
			return columns, rows
		}
	}
	return math.MaxInt, math.MaxInt
}

// footer is what is shown below the table: lines that stay on the screen however small it is, and more as far as they fit.
type footer struct{ kept, more []string }

// fit lays out a frame for a screen: the table, and what is kept, give way to each other from the end of the table.
func fit(table []string, f footer, columns, rows int) []string {
	room := max(0, rows-1-len(f.kept))
	if len(table) > room {
		more := fmt.Sprintf("… %d more lines: make the window higher", len(table)-room+1)
		table = append(slices.Clone(table[:max(0, room-1)]), more)[:min(room, len(table))]
	}
	lines := slices.Concat(table, f.kept, f.more)
	lines = lines[:min(len(lines), max(0, rows-1))]
	return cut(lines, columns)
}

// escape is a colour.
var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// cut shortens lines that are wider than the screen. Colours take no room.
func cut(lines []string, columns int) []string {
	shortened := make([]string, 0, len(lines))
	for _, line := range lines {
		for utf8.RuneCountInString(escape.ReplaceAllString(line, "")) > columns {
			// From the end, past the escape that ends a colour.
			tail := ""
			if at := escape.FindAllStringIndex(line, -1); len(at) > 0 && at[len(at)-1][1] == len(line) {
				line, tail = line[:at[len(at)-1][0]], line[at[len(at)-1][0]:]
			}
			_, size := utf8.DecodeLastRuneInString(line)
			line = line[:len(line)-size] + tail
		}
		shortened = append(shortened, line)
	}
	return shortened
}

// continued breaks a command of the shell into lines of at most a width, by backslashes: between words where that leaves a line
// half full, else within one.
func continued(command string, width int) []string {
	var lines []string
	for rest := []rune(command); ; {
		if len(rest) <= width {
			return append(lines, string(rest))
		}
		end := width - 1
		if space := strings.LastIndexByte(string(rest[:end]), ' '); space > width/2 {
			end = utf8.RuneCountInString(string(rest[:end])[:space+1])
		}
		lines = append(lines, string(rest[:end])+"\\")
		rest = rest[end:]
	}
}

// wrapped breaks a line between words. What follows the first line is indented as the text after a check mark.
func wrapped(line string, columns int) []string {
	const indent = "   "
	var lines []string
	for plain := escape.ReplaceAllString(line, ""); utf8.RuneCountInString(plain) > columns; plain = escape.ReplaceAllString(line, "") {
		kept := cut([]string{line}, columns+1)[0]
		space := strings.LastIndexByte(kept, ' ')
		if space <= len(indent) {
			break
		}
		lines, line = append(lines, line[:space]), indent+line[space+1:]
	}
	return append(lines, line)
}

// draw shows a frame in place of the one before.
func (v *view) draw(table []string, f footer) {
	if !v.live {
		v.print(slices.Concat(table, f.kept, f.more)...)
		return
	}
	columns, rows := v.size()
	lines := fit(table, f, columns, rows)
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
