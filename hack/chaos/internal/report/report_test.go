package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// good is a measurement to which no one objects.
func good() Measurement {
	return Measurement{
		Clients: 50, Tenants: 3, Needed: 100, Issued: 100, Failed: 50, Faults: 1, Peak: 10, Rotations: 100,
		Recovery: Seconds(2 * time.Second), Gap: Seconds(300 * time.Millisecond),
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	expected := Expectation{Recovery: 5 * time.Second, Failed: 1, Peak: 20}
	tests := map[string]struct {
		change func(*Measurement, *Expectation)
		want   string // a part of the only reason; empty for none
	}{
		"all is as expected":              {func(*Measurement, *Expectation) {}, ""},
		"a moment without a token":        {func(m *Measurement, _ *Expectation) { m.Longest = Seconds(time.Millisecond) }, "no valid token for 0.0 s"},
		"a spell that is allowed":         {func(m *Measurement, e *Expectation) { m.Longest, e.Longest = Seconds(time.Second), time.Second }, ""},
		"many short spells count by one":  {func(m *Measurement, _ *Expectation) { m.Invalid, m.Worst = Seconds(time.Hour), Seconds(time.Hour) }, ""},
		"an end without a token":          {func(m *Measurement, e *Expectation) { m.Lacking, e.Longest = 2, time.Minute }, "2 clients had no valid token at the end"},
		"a slow recovery":                 {func(m *Measurement, _ *Expectation) { m.Recovery = Seconds(6 * time.Second) }, "recovery took 6.0 s"},
		"two percent more tokens":         {func(m *Measurement, _ *Expectation) { m.Issued = 103 }, ""},
		"more than two percent":           {func(m *Measurement, _ *Expectation) { m.Issued = 104 }, "104 tokens were issued, at most 103"},
		"extra tokens that are allowed":   {func(m *Measurement, e *Expectation) { m.Issued, e.Extra = 153, 1 }, ""},
		"extra tokens for every fault":    {func(m *Measurement, e *Expectation) { m.Issued, m.Faults, e.Extra = 203, 2, 1 }, ""},
		"too many failures":               {func(m *Measurement, _ *Expectation) { m.Failed = 51 }, "51 requests failed, at most 50"},
		"attempts are failures":           {func(m *Measurement, _ *Expectation) { m.Attempts = 1 }, "51 requests failed, at most 50"},
		"a stampede":                      {func(m *Measurement, _ *Expectation) { m.Peak = 21 }, "21 requests came in one second"},
		"a peak without a bound":          {func(m *Measurement, e *Expectation) { m.Peak, e.Peak = 1000, 0 }, ""},
		"a Secret that is left over":      {func(m *Measurement, _ *Expectation) { m.Strays = []string{"a/b"} }, "left over: a/b"},
		"a target that is missing":        {func(m *Measurement, _ *Expectation) { m.Missing = []string{"a/b"} }, "missing: a/b"},
		"an auditor who cannot ask":       {func(m *Measurement, _ *Expectation) { m.Unknown = 1 }, "could not ask"},
		"an auditor who does not look":    {func(m *Measurement, _ *Expectation) { m.Gap = Seconds(4 * time.Second) }, "did not look for 4.0 s"},
		"a scenario without any client":   {func(m *Measurement, _ *Expectation) { *m = Measurement{} }, "no clients"},
		"a scenario that strikes nothing": {func(m *Measurement, _ *Expectation) { m.Faults = 0 }, "50 requests failed, at most 0"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, e := good(), expected
			tc.change(&m, &e)
			got := e.Judge(m)
			switch {
			case tc.want == "" && len(got) > 0:
				t.Errorf("objections %q", got)
			case tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)):
				t.Errorf("objections %q, want one with %q", got, tc.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	passed := NewLine("provider", "bursts", Expectation{Recovery: time.Minute, Failed: 1}, good())
	failed := Failure("operator", "kill", errors.New("no operator"))
	if (Report{}).Passed() || (Report{Lines: []Line{passed, failed}}).Passed() || !(Report{Lines: []Line{passed}}).Passed() {
		t.Error("a report passes if there is a line and each passed")
	}
	r := Report{Lines: []Line{passed, failed}}
	var table, encoded bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteJSON(&encoded)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(table.String(), "\n")
	if !strings.HasPrefix(lines[2], "| provider: bursts") || !strings.HasSuffix(lines[2], "| 2.0        | pass |") {
		t.Errorf("line %q", lines[2])
	}
	if !strings.Contains(lines[3], "FAIL") || !strings.Contains(table.String(), "operator: kill failed: no operator") {
		t.Error(table.String())
	}
	var read struct {
		Scenarios []struct {
			Recovery float64 `json:"recoverySeconds"`
			Passed   bool    `json:"passed"`
		} `json:"scenarios"`
	}
	if err := json.Unmarshal(encoded.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Scenarios) != 2 || read.Scenarios[0].Recovery != 2 || !read.Scenarios[0].Passed || read.Scenarios[1].Passed {
		t.Errorf("read back %+v", read)
	}
}
