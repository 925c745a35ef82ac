package view

// Section is a titled part of a report.
type Section struct {
	Title string
	Rows  [][]Cell
}

// Field is a row of a section: a name, and what is to be said of it.
func Field(name string, value Cell) []Cell { return []Cell{{Text: name, Shade: Dim}, value} }

// Sections lays out a report: titles at the margin, rows indented and aligned within each section. Sections without rows are
// left out.
func (s Style) Sections(sections []Section) []string {
	var lines []string
	for _, section := range sections {
		if len(section.Rows) == 0 {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, s.Paint(Bold, OneLine(section.Title)))
		for _, line := range s.Lines(Table{Rows: section.Rows}, 0) {
			lines = append(lines, "  "+line)
		}
	}
	return lines
}
