package cli_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/duration"
)

// normaliser replaces all that differs from one run to the next. This is the one place that says what that is:
//
//   - tokens, and the codes, states and challenges of a login, by the beginning of one or an ellipsis;
//   - the simulator's addresses, by names under example.com;
//   - times and spans of time, by those of a run that began at a fixed time (see settle);
//   - the address and certificate that doctor finds, by fixed ones;
//   - versions and UIDs of objects, and the ids and times in the claims of tokens, by fixed ones;
//   - the versions of the plugin, Go and the platform, by fixed ones.
//
// Tables are laid out again after that, as the plugin lays them out, so that their columns are aligned whatever is replaced.
type normaliser struct {
	// began is the time of the run that is shown as epoch.
	began time.Time
	// hosts are the addresses to rename.
	hosts *strings.Replacer
}

// epoch is when a run begins, as shown.
var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// fixed are replacements of a pattern by a text that is always the same.
var fixed = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`), "eyJhbGciOi…"},
	{regexp.MustCompile(`\b(code|state|code_challenge)=[\w.~%-]+`), "$1=…"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "5f0c1c5e-8a0e-4b0c-9d53-0c7f4d1b2a6e"},
	{regexp.MustCompile(`\bversion \d+\b`), "version 1042"},
	{regexp.MustCompile(`(resourceVersion: )"\d+"`), `$1"1042"`},
	{regexp.MustCompile(`\b(?:127\.0\.0\.1|localhost) is [\w.:, ]+, as seen`), "login.egain.example.com is 192.0.2.10, as seen"},
	{regexp.MustCompile(`(certificate until )\d{4}-\d\d-\d\d`), "${1}" + epoch.AddDate(1, 0, 0).Format(time.DateOnly)},
	{regexp.MustCompile(`("jti": )"[^"]+"`), `$1"…"`},
	{regexp.MustCompile(`("(?:iat|nbf)": )\d+`), fmt.Sprintf("${1}%d", epoch.Unix())},
	{regexp.MustCompile(`("exp": )\d+`), fmt.Sprintf("${1}%d", epoch.Add(tokenLife).Unix())},
	{regexp.MustCompile(`kubectl-egain \S+ \(go\S+, \S+\)`), "kubectl-egain v0.1.0 (go1.26.0, linux/amd64)"},
}

// columnGap is the plugin's own.
const columnGap = "   "

var (
	timestamp = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
	span      = `(?:\d+[ydhms]){1,2}`
	// spans of time stand alone in a cell, or between these words.
	alone   = regexp.MustCompile(`^` + span + `$`)
	between = regexp.MustCompile(`\b((?:in|for) )(` + span + `)\b|\b(` + span + `)( ago)\b`)
	gap     = regexp.MustCompile(` {3,}`)
)

func (n *normaliser) normalise(shown string) string {
	lines := strings.Split(strings.TrimRight(shown, " \n"), "\n")
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && indent(lines[end]) == indent(lines[i]) && lines[end] != "" {
			end++
		}
		n.block(lines[i:end])
		i = end
	}
	return strings.Join(lines, "\n")
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// block replaces in lines of one indentation. What is no table stays as it is laid out.
func (n *normaliser) block(lines []string) {
	rows := make([][]string, len(lines))
	margin := strings.Repeat(" ", indent(lines[0]))
	for i, line := range lines {
		rows[i] = gap.Split(strings.TrimSpace(line), -1)
		// One cell less than the header has a row without a problem.
		if cells := len(rows[i]); cells > 1 && cells == len(rows[0])-1 {
			rows[i] = append(rows[i], "")
		}
	}
	isTable := true
	for i, line := range layOut(rows) {
		isTable = isTable && margin+line == strings.TrimRight(lines[i], " ")
	}
	for i := range rows {
		lines[i] = n.words(lines[i])
		for j, cell := range rows[i] {
			rows[i][j] = n.words(cell)
		}
	}
	if !isTable {
		return
	}
	for i, line := range layOut(rows) {
		lines[i] = margin + line
	}
}

// layOut aligns columns. Nothing is aligned after the last cell of a row, which is therefore left out of the measure.
func layOut(rows [][]string) []string {
	widths, lines := map[int]int{}, make([]string, len(rows))
	for _, row := range rows {
		for j, cell := range row[:len(row)-1] {
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		for j, cell := range row[:len(row)-1] {
			lines[i] += cell + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)) + columnGap
		}
		lines[i] = strings.TrimRight(lines[i]+row[len(row)-1], " ")
	}
	return lines
}

// words replaces within a cell, or a line.
func (n *normaliser) words(text string) string {
	text = n.hosts.Replace(text)
	for _, f := range fixed {
		text = f.pattern.ReplaceAllString(text, f.by)
	}
	text = timestamp.ReplaceAllStringFunc(text, n.time)
	if alone.MatchString(text) {
		return settled(text)
	}
	return between.ReplaceAllStringFunc(text, func(match string) string {
		parts := between.FindStringSubmatch(match)
		if parts[1] != "" {
			return parts[1] + settled(parts[2])
		}
		return settled(parts[3]) + parts[4]
	})
}

func (n *normaliser) time(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	since := settle(at.Sub(n.began))
	switch {
	case since == moment:
		since = 0
	case (since - tokenLife).Abs() < time.Hour: // of a token that was issued some time after the beginning
		since = tokenLife
	}
	return epoch.Add(since).Format(time.RFC3339)
}

func settled(text string) string {
	var total time.Duration
	for _, part := range regexp.MustCompile(`(\d+)([ydhms])`).FindAllStringSubmatch(text, -1) {
		unit := map[string]time.Duration{"y": 365 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second}[part[2]]
		var count int
		_, _ = fmt.Sscan(part[1], &count) // the pattern has digits
		total += time.Duration(count) * unit
	}
	return duration.HumanDuration(settle(total))
}

const (
	// moment is how long ago everything happened.
	moment = 12 * time.Second
	// renewal is when a token of 24 hours is renewed: after 16 hours, less a tenth of its life spread by the object and another
	// by the token.
	renewal = 14*time.Hour + 30*time.Minute
	// retry is when a rejected client is tried again: after half an hour, more or less by its UID.
	retry = 30 * time.Minute
)

// settle gives spans of time that differ from run to run one of few values. Others stay as they are.
func settle(d time.Duration) time.Duration {
	switch {
	case d < 5*time.Minute:
		return moment
	case d > 10*time.Hour && d < 17*time.Hour:
		return renewal
	case d > 20*time.Minute && d < 40*time.Minute:
		return retry
	case d > tokenLife-time.Hour && d <= tokenLife:
		return tokenLife - moment
	default:
		return d
	}
}

func TestNormalise(t *testing.T) {
	t.Parallel()
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	n := &normaliser{began, strings.NewReplacer("127.0.0.1:40001", "login.example.com")}
	tests := map[string]struct{ shown, want string }{
		"a token":       {"Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln\n", "Bearer eyJhbGciOi…"},
		"a host":        {"https://127.0.0.1:40001/token", "https://login.example.com/token"},
		"a login":       {"?client_id=a&code_challenge=Zz-9&code_challenge_method=S256&state=ABC", "?client_id=a&code_challenge=…&code_challenge_method=S256&state=…"},
		"a time":        {"since 2030-01-01T00:00:07Z", "since 2026-03-02T09:00:00Z"},
		"a token's end": {"2030-01-02T00:00:00Z (in 23h)", "2026-03-03T09:00:00Z (in 23h)"},
		"the end of a token that was issued late": {"2030-01-02T00:02:01Z", "2026-03-03T09:00:00Z"},
		"a renewal": {"2030-01-01T13:12:01Z (in 13h)", "2026-03-02T23:30:00Z (in 14h)"},
		"an age":    {"version 7, changed 101s ago", "version 1042, changed 12s ago"},
		"a span of a specification": {
			"before: 10m", "before: 10m",
		},
		"columns that become wider and narrower": {
			"A        AGE    LAST PROBLEM\nclient   3s\nother    101s\nlonger   3s     Rejected",
			"A        AGE   LAST PROBLEM\nclient   12s\nother    12s\nlonger   12s   Rejected",
		},
		"a host in a column":        {"a   127.0.0.1:40001   z\nb   -                 z", "a   login.example.com   z\nb   -                   z"},
		"a list that is no table":   {"+ DNS           since 2030-01-01T00:00:07Z\n+ EgainClient  found", "+ DNS           since 2026-03-02T09:00:00Z\n+ EgainClient  found"},
		"a section under its title": {"TITLE\n  Ready   for 119s   True\n  Other   for 3s     False", "TITLE\n  Ready   for 12s   True\n  Other   for 12s   False"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, n.normalise(tc.shown)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
