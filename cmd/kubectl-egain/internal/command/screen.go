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
	// terminal is whether somebody looks at it.
	terminal bool
	// width is the number of columns; 0 if lines may have any length.
	width int
	style view.Style
}

// screenOf looks at an output and at the variables that say what it can show: NO_COLOR (https://no-color.org), TERM=dumb and
// the locale.
func screenOf(out io.Writer, getenv func(string) string) screen {
	s := screen{terminal: printers.IsTerminal(out)}
	s.style.Unicode = s.terminal && isUTF8(getenv)
	s.style.Colour = s.terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	if file, isFile := out.(*os.File); s.terminal && isFile {
		s.width, _, _ = term.GetSize(int(file.Fd())) // 0 if it does not say
	}
	return s
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
