// Package report knows what is measured of a scenario, what is expected of it, and how both are shown. It is pure.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Seconds is a duration that JSON has in seconds.
type Seconds time.Duration

// MarshalJSON writes seconds with three decimals.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

func (s Seconds) String() string { return fmt.Sprintf("%.1f", time.Duration(s).Seconds()) }

// Measurement is what happened in a scenario.
type Measurement struct {
	Clients   int     `json:"clients"`
	Tenants   int     `json:"tenants"`
	TokenLife Seconds `json:"tokenLifeSeconds"`
	Duration  Seconds `json:"durationSeconds"`
	// Invalid is how long targets had no valid token, in all; Worst at the target that had none for the longest, and Longest
	// the longest of any at a stretch.
	Invalid     Seconds `json:"invalidSeconds"`
	Worst       Seconds `json:"worstClientInvalidSeconds"`
	WorstClient string  `json:"worstClient,omitempty"`
	Longest     Seconds `json:"longestInvalidSpellSeconds"`
	// Lacking is how many clients had no valid token when the scenario ended.
	Lacking int `json:"clientsWithoutTokenAtEnd"`
	// Unknown is how long the auditor could not find out, in all, and Gap its longest time between two looks at a client.
	Unknown Seconds `json:"unknownSeconds"`
	Gap     Seconds `json:"longestAuditGapSeconds"`
	// Needed is how many tokens the renewal schedule needs in that time without faults.
	Needed int `json:"tokenRequestsNeeded"`
	// Issued and Failed are the token requests that the provider saw, by how they ended; Attempts the connections that a
	// failing network was asked for.
	Issued   int `json:"tokenRequestsIssued"`
	Failed   int `json:"tokenRequestsFailed"`
	Attempts int `json:"connectionAttemptsDuringFault"`
	// Peak is the most token requests in one second.
	Peak      int `json:"peakRequestsPerSecond"`
	Rotations int `json:"rotations"`
	// Recovery is the time from the end of the last fault until every client had a valid token and no failure to retry.
	Recovery Seconds `json:"recoverySeconds"`
	Faults   int     `json:"faults"`
	// Strays are Secrets that should not be there, Missing targets that should.
	Strays  []string `json:"strays,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// Expectation is what a scenario must come to.
type Expectation struct {
	// Longest bounds the time of any client without a valid token at a stretch. Zero means that no token may ever be invalid.
	Longest time.Duration
	// Recovery bounds the time from the end of the fault until all is well.
	Recovery time.Duration
	// Extra is how many more tokens than the schedule needs a client may be issued, for each time that the fault strikes.
	Extra float64
	// Failed bounds failed token requests and connection attempts, for each client and time that the fault strikes.
	Failed float64
	// Peak bounds the token requests of one second.
	Peak int
	// Because says why, if tokens may be invalid.
	Because string
}

const (
	// tolerance of requests over what the schedule needs, for renewals at the edges of the time that is looked at.
	tolerance = 1.02
	// blindness is how long the auditor may go without a look at a client before its word counts for nothing.
	blindness = 3 * time.Second
)

// Judge names what of a measurement is not as expected.
func (e Expectation) Judge(m Measurement) []string {
	var faults []string
	complain := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	struck := float64(m.Clients * m.Faults)
	issued := float64(m.Needed)*tolerance + 1 + e.Extra*struck
	failed := e.Failed * struck
	complain(m.Clients == 0, "there were no clients")
	complain(time.Duration(m.Longest) > e.Longest, "a client had no valid token for %s s, at most %s s are expected", m.Longest, Seconds(e.Longest))
	complain(m.Lacking > 0, "%d clients had no valid token at the end", m.Lacking)
	complain(time.Duration(m.Recovery) > e.Recovery, "recovery took %s s, at most %s s are expected", m.Recovery, Seconds(e.Recovery))
	complain(float64(m.Issued) > issued, "%d tokens were issued, at most %.0f are expected", m.Issued, issued)
	complain(float64(m.Failed+m.Attempts) > failed, "%d requests failed, at most %.0f are expected", m.Failed+m.Attempts, failed)
	complain(e.Peak > 0 && m.Peak > e.Peak, "%d requests came in one second, at most %d are expected", m.Peak, e.Peak)
	complain(len(m.Strays) > 0, "Secrets are left over: %s", strings.Join(m.Strays, ", "))
	complain(len(m.Missing) > 0, "targets are missing: %s", strings.Join(m.Missing, ", "))
	complain(m.Unknown > 0, "the auditor could not ask about tokens for %s s", m.Unknown)
	complain(time.Duration(m.Gap) > blindness, "the auditor did not look for %s s", m.Gap)
	return faults
}

// Line is a scenario in the report.
type Line struct {
	Group    string `json:"group"`
	Scenario string `json:"scenario"`
	Measurement
	Passed  bool     `json:"passed"`
	Reasons []string `json:"reasons,omitempty"`
	// Because says why tokens may be invalid in this scenario.
	Because string `json:"because,omitempty"`
}

// NewLine judges a measurement.
func NewLine(group, scenario string, e Expectation, m Measurement) Line {
	reasons := e.Judge(m)
	return Line{Group: group, Scenario: scenario, Measurement: m, Passed: len(reasons) == 0, Reasons: reasons, Because: e.Because}
}

// Failure is the line of a scenario that could not be carried out.
func Failure(group, scenario string, err error) Line {
	return Line{Group: group, Scenario: scenario, Reasons: []string{err.Error()}}
}

// Report is the outcome of a run.
type Report struct {
	Kubernetes string    `json:"kubernetes"`
	Began      time.Time `json:"began"`
	Seed       uint64    `json:"seed"`
	Cores      int       `json:"cores"`
	Duration   Seconds   `json:"durationSeconds"`
	Lines      []Line    `json:"scenarios"`
}

// Passed reports whether every scenario came to what is expected of it.
func (r Report) Passed() bool {
	for _, line := range r.Lines {
		if !line.Passed {
			return false
		}
	}
	return len(r.Lines) > 0
}

// WriteJSON writes the report as JSON.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes the report as a table in Markdown, whose columns also line up, and below it the reasons of what failed.
func (r Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintf(table, "| %s |\n", strings.Join(cells, "\t| ")) }
	row("scenario", "clients", "life s", "invalid s", "worst s", "longest s", "issued", "needed", "failed", "peak/s", "rotations", "recovery s", "verdict")
	row("---", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "---")
	for _, l := range r.Lines {
		row(l.Group+": "+l.Scenario, count(l.Clients), fmt.Sprintf("%.0f", time.Duration(l.TokenLife).Seconds()), l.Invalid.String(), l.Worst.String(), l.Longest.String(),
			count(l.Issued), count(l.Needed), count(l.Failed+l.Attempts), count(l.Peak), count(l.Rotations), l.Recovery.String(), l.verdict())
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	for _, l := range r.Lines {
		if l.Passed {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s failed: %s\n", l.Group, l.Scenario, strings.Join(l.Reasons, "; ")); err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
	}
	return nil
}

func count(n int) string { return fmt.Sprint(n) }

func (l Line) verdict() string {
	if l.Passed {
		return "pass"
	}
	return "FAIL"
}
