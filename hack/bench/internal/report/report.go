// Package report knows what a figure is measured against, and how all of them are shown. It is pure.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Goal is what a figure must come to.
type Goal struct {
	// Relation is ≤, ≥ or =.
	Relation Relation `json:"relation"`
	Bound    float64  `json:"bound"`
}

// Relation is how a figure must stand to a bound.
type Relation string

// The relations.
const (
	AtMost  Relation = "≤"
	AtLeast Relation = "≥"
	Exactly Relation = "="
)

// slack is what a figure may differ from a bound that it must equal: figures are quotients of counts.
const slack = 1e-9

func (g Goal) met(value float64) bool {
	switch g.Relation {
	case AtMost:
		return value <= g.Bound
	case AtLeast:
		return value >= g.Bound
	case Exactly:
		return math.Abs(value-g.Bound) <= slack
	default:
		return false
	}
}

// Verdict is what is said of a figure.
type Verdict string

// The verdicts.
const (
	// Met and Missed are of figures with a goal. A figure that is not a number misses it.
	Met    Verdict = "met"
	Missed Verdict = "missed"
	// Wrong is a goal that is missed and about correctness: no machine is slow enough to excuse it.
	Wrong Verdict = "WRONG"
	// NoGoal is of figures that explain others.
	NoGoal Verdict = ""
)

// Row is a figure.
type Row struct {
	// Measurement is what it belongs to, and Name what it is.
	Measurement string `json:"measurement"`
	Name        string `json:"name"`
	// Value is the median of Samples where there are any.
	Value   float64   `json:"-"`
	Samples []float64 `json:"samples,omitempty"`
	Unit    string    `json:"unit,omitempty"`
	Goal    *Goal     `json:"goal,omitempty"`
	// Correctness tells a goal that must be met from one that tells how fast something is.
	Correctness bool `json:"correctness,omitempty"`
	// Note says what the figure is made of.
	Note string `json:"note,omitempty"`
}

// Verdict judges the figure.
func (r Row) Verdict() Verdict {
	switch {
	case r.Goal == nil:
		return NoGoal
	case r.Goal.met(r.Value):
		return Met
	case r.Correctness:
		return Wrong
	default:
		return Missed
	}
}

// MarshalJSON adds value, null if it is not a number, and verdict.
func (r Row) MarshalJSON() ([]byte, error) {
	type plain Row
	value := &r.Value
	if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		value = nil
	}
	return json.Marshal(struct {
		plain
		Value   *float64 `json:"value"`
		Verdict Verdict  `json:"verdict,omitempty"`
	}{plain(r), value, r.Verdict()})
}

// Series is a line of a plot.
type Series struct {
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Y    []float64 `json:"y"`
}

// Plot is a picture.
type Plot struct {
	// Name is that of its file, without an ending.
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	XLabel string   `json:"xLabel"`
	YLabel string   `json:"yLabel"`
	LogX   bool     `json:"logX,omitempty"`
	Series []Series `json:"series"`
}

// Report is the outcome of a run.
type Report struct {
	Began    time.Time `json:"began"`
	Duration float64   `json:"durationSeconds"`
	// Command is how it was run, and the rest what it ran on and what it ran.
	Command    string `json:"command"`
	Machine    string `json:"machine"`
	Cores      int    `json:"cores"`
	Go         string `json:"go"`
	Kubernetes string `json:"kubernetes"`
	Operator   string `json:"operator"`
	Rows       []Row  `json:"rows"`
	// Failures say which measurements could not be carried out, and why.
	Failures []string `json:"failures,omitempty"`
	Plots    []Plot   `json:"plots"`
}

// Correct reports whether every measurement was carried out and none found anything wrong.
func (r *Report) Correct() bool {
	for _, row := range r.Rows {
		if row.Verdict() == Wrong {
			return false
		}
	}
	return len(r.Failures) == 0 && len(r.Rows) > 0
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes the figures as a table in Markdown, whose columns also line up, and below it what failed.
func (r *Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintf(table, "| %s |\n", strings.Join(cells, "\t| ")) }
	line("measurement", "figure", "value", "goal", "verdict", "note")
	line("---", "---", "--:", "--:", "---", "---")
	for _, row := range r.Rows {
		goal := ""
		if row.Goal != nil {
			goal = string(row.Goal.Relation) + " " + quantity(row.Goal.Bound, row.Unit)
		}
		line(row.Measurement, row.Name, quantity(row.Value, row.Unit), goal, string(row.Verdict()), row.Note)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	for _, failure := range r.Failures {
		if _, err := fmt.Fprintf(w, "\nfailed: %s\n", failure); err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
	}
	return nil
}

// quantity writes a number with three digits that count, and its unit.
func quantity(value float64, unit string) string {
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if whole := math.Abs(value); whole < 1000 && value != math.Trunc(value) {
		text = strconv.FormatFloat(value, 'g', 3, 64)
	} else if whole >= 1000 && !math.IsInf(value, 0) {
		text = strconv.FormatFloat(math.Round(value), 'f', -1, 64)
	}
	if unit == "" {
		return text
	}
	return text + " " + unit
}
