// Package text knows what users and their tools put around text, and nothing else: marks of an encoding, line breaks, characters
// that cannot be seen.
package text

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// mark is the byte order mark in UTF-8, which Windows puts before text.
const mark = "\ufeff"

// encodings are those other than UTF-8 that a byte order mark shows. That of UTF-32 (little-endian) begins as that of UTF-16 does.
var encodings = []struct{ mark, name string }{
	{"\xff\xfe\x00\x00", "UTF-32 (little-endian)"},
	{"\x00\x00\xfe\xff", "UTF-32 (big-endian)"},
	{"\xff\xfe", "UTF-16 (little-endian)"},
	{"\xfe\xff", "UTF-16 (big-endian)"},
}

// Unmarked returns text without the byte order mark of UTF-8. It fails if a mark shows another encoding; the error names it.
func Unmarked(raw []byte) ([]byte, error) {
	for _, e := range encodings {
		if bytes.HasPrefix(raw, []byte(e.mark)) {
			return nil, errors.New(e.name)
		}
	}
	return bytes.TrimPrefix(raw, []byte(mark)), nil
}

// LineError is why a value is not one line of printable ASCII. It names no more of the value than one character.
type LineError struct {
	// Is says what the value is or contains, as in "is encoded in UTF-16".
	Is string
	// Character says that it is one line of text and contains a character that does not belong there.
	Character bool
}

// Error returns what is wrong.
func (f *LineError) Error() string { return "it " + f.Is }

// Line reads a value that is one line of printable ASCII (%x20-7E, as RFC 6749 appendix A has it for credentials and tokens). A byte
// order mark before it and one line break after it are not part of it. Spaces and quotation marks are: both may be in a password.
func Line(raw []byte) (string, *LineError) {
	unmarked, err := Unmarked(raw)
	if err != nil {
		return "", &LineError{Is: fmt.Sprintf("is encoded in %s, not in UTF-8", err)}
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(unmarked), "\n"), "\r")
	if !utf8.ValidString(line) {
		return "", &LineError{Is: "contains bytes that are not UTF-8"}
	}
	var worst *LineError
	for _, r := range line {
		switch {
		case r < ' ' || r == 0x7f:
			return "", &LineError{Is: "contains " + character(r)}
		case r > '~' && worst == nil:
			worst = &LineError{Is: "contains " + character(r), Character: true}
		}
	}
	if worst != nil {
		return "", worst
	}
	return line, nil
}

// names are those of characters that look like others, or like nothing.
var names = map[rune]string{
	'\n': "line break", '\r': "carriage return", '\t': "tab", 0: "NUL",
	0xa0: "no-break space", 0xad: "soft hyphen", 0x2007: "figure space", 0x202f: "narrow no-break space", 0x3000: "ideographic space",
	0x200b: "zero-width space", 0x200c: "zero-width non-joiner", 0x200d: "zero-width joiner", 0x200e: "left-to-right mark", 0x200f: "right-to-left mark",
	0x2028: "line separator", 0x2029: "paragraph separator", 0x2060: "word joiner", 0xfeff: "byte order mark", 0xfffd: "replacement character",
	0x2010: "hyphen", 0x2011: "non-breaking hyphen", 0x2013: "en dash", 0x2014: "em dash", 0x2212: "minus sign",
	0x2018: "left single quotation mark", 0x2019: "right single quotation mark", 0x201c: "left double quotation mark", 0x201d: "right double quotation mark",
}

// character names a character without showing it.
func character(r rune) string {
	if name, known := names[r]; known {
		return fmt.Sprintf("U+%04X (%s)", r, name)
	}
	return fmt.Sprintf("U+%04X", r)
}

// Quoted reports whether a value begins and ends with the same quotation mark, as if it were copied from a file that quotes it.
func Quoted(value string) bool {
	return len(value) >= 2 && value[0] == value[len(value)-1] && strings.ContainsRune("\"'`", rune(value[0]))
}
