package view

import "strings"

// Control sequences that give the terminal another screen for as long as something is watched, and the one before back.
// Lines that are too long are cut rather than wrapped, which would spoil the frame.
const (
	EnterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	LeaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// Frame returns what draws lines in place of those before, from the top of the screen. Of more lines than the height allows,
// the last are left out; a height of 0 is not known.
func Frame(lines []string, height int) string {
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	return "\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J"
}
