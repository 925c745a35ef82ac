package plain

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a text of others as one line for people: line breaks and tabs are a space, and what a terminal would obey, or a person
// could not see, is spelt out. ESC is ^[, as cat -v has it, U+202E is \u202e, a byte that is not UTF-8 \xff.
func Line(text string) string {
	return Text(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " "))
}

// Text is Line for a text that may have several lines: line feeds and tabs stay.
func Text(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, width := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !hidden(r):
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteByte('^')
			b.WriteRune(r ^ 0x40)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// hidden reports whether a character is obeyed by terminals (C0, C1), turns the direction of text, or leaves no mark: all that
// Unicode does not count as printable, what may be ignored where it is displayed, and a Braille cell without dots. RuneError also
// stands for bytes that are not UTF-8.
func hidden(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case utf8.RuneError, '\u2800':
		return true
	default:
		return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	}
}

// Writer passes on what is written as Text has it. A character may be split between two writes.
func Writer(w io.Writer) io.Writer { return &writer{next: w} }

type writer struct {
	next io.Writer
	// rest is the beginning of a character.
	rest []byte
}

// Write reports that all was written, or nothing.
func (w *writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	end := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if start := len(text) - back; utf8.RuneStart(text[start]) {
			if !utf8.FullRune(text[start:]) {
				end = start
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(w.next, Text(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}
