package report

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	t.Parallel()
	most, least, exactly := &Goal{AtMost, 50}, &Goal{AtLeast, 95}, &Goal{Exactly, 3}
	tests := map[string]struct {
		row  Row
		want Verdict
	}{
		"a figure without a goal":                       {Row{Value: 1}, NoGoal},
		"as much as is allowed":                         {Row{Value: 50, Goal: most}, Met},
		"more than is allowed":                          {Row{Value: 50.001, Goal: most}, Missed},
		"as little as is allowed":                       {Row{Value: 95, Goal: least}, Met},
		"less than is allowed":                          {Row{Value: 94.99, Goal: least}, Missed},
		"the very number, as a quotient":                {Row{Value: 0.3 / 0.1, Goal: exactly}, Met},
		"more than the very number":                     {Row{Value: 3.0001, Goal: exactly}, Missed},
		"less than the very number":                     {Row{Value: 2.9999, Goal: exactly}, Missed},
		"no number at all, where little is wanted":      {Row{Value: math.NaN(), Goal: most}, Missed},
		"no number at all, where much is wanted":        {Row{Value: math.NaN(), Goal: least}, Missed},
		"no number at all, where a certain is wanted":   {Row{Value: math.NaN(), Goal: exactly}, Missed},
		"a second request where there may be but one":   {Row{Value: 1.01, Goal: &Goal{Exactly, 1}, Correctness: true}, Wrong},
		"one expired token where there may be none":     {Row{Value: 1, Goal: &Goal{AtMost, 0}, Correctness: true}, Wrong},
		"nothing wrong where that is about correctness": {Row{Value: 0, Goal: &Goal{AtMost, 0}, Correctness: true}, Met},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.row.Verdict(); got != c.want {
				t.Errorf("verdict %q, want %q", got, c.want)
			}
		})
	}
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	slow := Row{Value: 2, Goal: &Goal{AtMost, 1}}
	wrong := Row{Value: 2, Goal: &Goal{AtMost, 1}, Correctness: true}
	tests := map[string]struct {
		report Report
		want   bool
	}{
		"a run that measured nothing shows nothing": {Report{}, false},
		"slow is not wrong":                         {Report{Rows: []Row{slow}}, true},
		"one wrong figure among others":             {Report{Rows: []Row{slow, wrong, slow}}, false},
		"a measurement that was not carried out":    {Report{Rows: []Row{slow}, Failures: []string{"storm: no"}}, false},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.report.Correct(); got != c.want {
				t.Errorf("Correct() = %v, want %v", got, c.want)
			}
		})
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	r := Report{
		Rows: []Row{
			{Measurement: "latency", Name: "p99", Value: 51.249, Unit: "ms", Goal: &Goal{AtMost, 50}, Note: "idle"},
			{Measurement: "storm", Name: "requests", Value: 10000.4},
		},
		Failures: []string{"restart: it did not start"},
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	want := `| measurement | figure   | value   | goal    | verdict | note |
| ---         | ---      | --:     | --:     | ---     | --- |
| latency     | p99      | 51.2 ms | ≤ 50 ms | missed  | idle |
| storm       | requests | 10000   |         |         |  |

failed: restart: it did not start
`
	if got := table.String(); got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	r := Report{Rows: []Row{{Name: "one", Value: 2, Goal: &Goal{AtMost, 1}}, {Name: "none", Value: math.NaN()}}}
	var document strings.Builder
	if err := r.WriteJSON(&document); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Rows []struct {
			Value   *float64
			Verdict string
		}
	}
	if err := json.Unmarshal([]byte(document.String()), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Rows) != 2 || read.Rows[0].Value == nil || *read.Rows[0].Value != 2 || read.Rows[0].Verdict != "missed" || read.Rows[1].Value != nil {
		t.Errorf("read back: %s", document.String())
	}
}
