package view

import (
	"strings"
	"unicode/utf8"

	"github.com/egain-operator/egain-operator/internal/plain"
)

// gap is the number of spaces between columns, as with kubectl.
const gap = 3

// Cell is a text with a shade.
type Cell struct {
	Text  string
	Shade Shade
}

// Text returns a cell without a colour.
func Text(text string) Cell { return Cell{Text: text} }

// Table is a header and rows of as many cells.
type Table struct {
	Header []string
	Rows   [][]Cell
}

// Lines lays a table out: columns are aligned, and lines cut to a width unless that is 0. Colours are added after the
// measuring, and control sequences in the cells are made visible.
func (s Style) Lines(t Table, width int) []string {
	rows := make([][]Cell, 0, len(t.Rows)+1)
	if len(t.Header) > 0 {
		header := make([]Cell, len(t.Header))
		for i, title := range t.Header {
			header[i] = Cell{title, Bold}
		}
		rows = append(rows, header)
	}
	rows = escaped(append(rows, t.Rows...))
	widths := columnWidths(rows)
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = s.line(row, widths, width)
	}
	return lines
}

func escaped(rows [][]Cell) [][]Cell {
	clean := make([][]Cell, len(rows))
	for i, row := range rows {
		clean[i] = make([]Cell, len(row))
		for j, cell := range row {
			clean[i][j] = Cell{OneLine(cell.Text), cell.Shade}
		}
	}
	return clean
}

// OneLine is plain.Line.
func OneLine(text string) string {
	return plain.Line(text)
}

// columnWidths leaves out the last cell of each row, since nothing is aligned after it.
func columnWidths(rows [][]Cell) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i == len(row)-1 {
				break
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
		}
	}
	return widths
}

func (s Style) line(row []Cell, widths []int, width int) string {
	var b strings.Builder
	column, pending := 0, 0
	for i, cell := range row {
		text, length := cell.Text, utf8.RuneCountInString(cell.Text)
		if length > 0 {
			b.WriteString(strings.Repeat(" ", pending))
			column, pending = column+pending, 0
			if width > 0 {
				text = s.cut(text, width-column)
			}
			b.WriteString(s.Paint(cell.Shade, text))
			column += utf8.RuneCountInString(text)
		}
		pending += max(0, widths[i]-length) + gap
		if width > 0 && column+pending >= width {
			break
		}
	}
	return b.String()
}

// cut shortens a text to a number of characters and shows that it did.
func (s Style) cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	mark := "..."
	if s.Unicode {
		mark = "…"
	}
	keep := max(0, width-utf8.RuneCountInString(mark))
	return string([]rune(text)[:keep]) + mark
}
