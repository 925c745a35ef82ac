package command

import (
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
)

// screen is what an output can show.
type screen struct {
	style view.Style
	// redraws is whether what was shown can be drawn over.
	redraws bool
	// terminal is nil unless a user looks at the output.
	terminal *os.File
}

// screenOf looks at an output and at the variables that say what it can show: NO_COLOR (https://no-color.org), TERM=dumb and
// the locale.
func screenOf(out io.Writer, getenv func(string) string) screen {
	file, isFile := out.(*os.File)
	if !isFile || !printers.IsTerminal(out) {
		return screen{}
	}
	clever := getenv("TERM") != "dumb"
	return screen{
		style:    view.Style{Colour: clever && getenv("NO_COLOR") == "", Unicode: isUTF8(getenv)},
		redraws:  clever,
		terminal: file,
	}
}

// size is the number of columns and lines; 0 if it is not known, or if there is no limit.
func (s screen) size() (width, height int) {
	if s.terminal != nil {
		width, height, _ = term.GetSize(int(s.terminal.Fd())) // 0 if it does not say
	}
	return width, height
}

// isUTF8 tells whether the locale's characters are encoded in UTF-8. The first variable that is set decides (POSIX.1-2024,
// Base Definitions, 8.2); Windows has none of them, and its terminals show UTF-8.
func isUTF8(getenv func(string) string) bool {
	for _, variable := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(variable)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return runtime.GOOS == "windows"
}
