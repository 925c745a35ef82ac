package view

import "strings"

// Item is a line of a checklist.
type Item struct {
	Mark  Mark
	Title string
	Text  string
	// Next is what to do, and Details are lines to look at; both may be empty.
	Next    string
	Details []string
	// Here points at the line.
	Here bool
}

// Mark is the sign before an item.
type Mark int

// The marks.
const (
	Tick Mark = iota
	Notice
	Cross
	Dash
)

// signs are the marks in Unicode and in ASCII.
var signs = map[Mark]struct {
	unicode, ascii string
	shade          Shade
}{
	Tick: {"✓", "+", Good}, Notice: {"!", "!", Fair}, Cross: {"✗", "x", Bad}, Dash: {"-", "-", Dim},
}

// Checklist lays out items: one line each, what to do below those that need it, and details indented.
func (s Style) Checklist(items []Item) []string {
	width := 0
	for _, item := range items {
		width = max(width, len(item.Title))
	}
	var lines []string
	for _, item := range items {
		lines = append(lines, s.item(item, width)...)
	}
	return lines
}

func (s Style) item(item Item, width int) []string {
	sign := signs[item.Mark]
	mark, arrow, here := sign.ascii, "->", "  <- it breaks here"
	if s.Unicode {
		mark, arrow, here = sign.unicode, "→", "  ← it breaks here"
	}
	line := s.Paint(sign.shade, mark) + " " + s.Paint(Bold, item.Title) + strings.Repeat(" ", width-len(item.Title)+gap) + OneLine(item.Text)
	if item.Here {
		line += s.Paint(Bad, here)
	}
	lines := []string{line}
	indent := "    "
	if item.Next != "" {
		lines = append(lines, indent+arrow+" "+OneLine(item.Next))
	}
	for _, detail := range item.Details {
		lines = append(lines, s.Paint(Dim, indent+OneLine(detail)))
	}
	return lines
}
