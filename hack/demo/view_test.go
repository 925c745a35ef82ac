package main

import (
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// export is the command of the tutorial, with paths as long as temporary directories and checkouts have them.
const export = `  export KUBECONFIG=/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/egain-demo-1234567890/user.kubeconfig PATH="/home/somebody/src/egain operator/bin:$PATH"`

func TestTheCommandIsOnEveryScreen(t *testing.T) {
	t.Parallel()
	var rows []row
	for i := range 16 {
		rows = append(rows, row{client: fmt.Sprint("client-", i), problem: strings.Repeat("long ", 50)})
	}
	for columns := 40; columns <= 200; columns += 8 {
		for height := 10; height <= 60; height++ {
			kept := []string{"Try:"}
			for _, line := range continued(export, columns) {
				kept = append(kept, palette(true).paint(bold, line))
			}
			table := append(header(rows, totals{}, true), clientTable(rows, columns, true)...)
			lines := fit(table, footer{kept: kept, more: []string{strings.Repeat("x", 150), "y"}}, columns, height)
			if len(lines) > height-1 {
				t.Fatalf("%d lines on a screen of %d×%d", len(lines), columns, height)
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(escape.ReplaceAllString(line, "")); n > columns {
					t.Fatalf("%d characters on a screen of %d×%d: %s", n, columns, height, line)
				}
			}
			for _, line := range kept {
				if !slices.Contains(lines, line) {
					t.Fatalf("a screen of %d×%d lacks %q", columns, height, line)
				}
			}
		}
	}
}

func TestTheCommandIsOneForTheShell(t *testing.T) {
	t.Parallel()
	for columns := 30; columns <= 200; columns++ {
		lines := continued(export, columns)
		if !strings.Contains(lines[0], "export KUBECONFIG=") {
			t.Errorf("in %d columns: %q", columns, lines)
		}
		script := strings.Join(lines, "\n") + "\necho \"$KUBECONFIG $PATH\""
		shell := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
		shell.Env = []string{"PATH=/bin"}
		got, err := shell.Output()
		want := "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/egain-demo-1234567890/user.kubeconfig /home/somebody/src/egain operator/bin:/bin\n"
		if err != nil || string(got) != want {
			t.Fatalf("in %d columns: %v, %q", columns, err, got)
		}
	}
	if got := continued(export, math.MaxInt); len(got) != 1 {
		t.Errorf("without a screen: %q", got)
	}
}

func TestCutKeepsColours(t *testing.T) {
	t.Parallel()
	p := palette(true)
	lines := []string{"short", p.paint(bad, "a word in red"), "then " + p.paint(good, "green") + " and more", ""}
	want := []string{"short", p.paint(bad, "a word i"), "then " + p.paint(good, "gre"), ""}
	got := cut(lines, 8)
	if diff := cmp.Diff(want[:2], got[:2]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if plain := escape.ReplaceAllString(got[2], ""); plain != "then gre" {
		t.Errorf("got %q", got[2])
	}
}

func TestANarrowScreenKeepsTheColumnsThatCount(t *testing.T) {
	t.Parallel()
	for screen, want := range map[int]string{
		120: "CLIENT FLOW PLATFORM ENDPOINTS READY EXPIRES IN ROTATED CALL OK FAILED",
		100: "CLIENT FLOW READY EXPIRES IN ROTATED CALL OK FAILED",
		80:  "CLIENT READY EXPIRES IN ROTATED CALL OK FAILED",
		20:  "CLIENT READY EXPIRES IN ROTATED CALL OK FAILED",
	} {
		var titles []string
		for _, c := range fitting(clientColumns, screen) {
			titles = append(titles, c.title)
		}
		if got := strings.Join(titles, " "); got != want {
			t.Errorf("%d columns have %s, want %s", screen, got, want)
		}
	}
}

func TestWrappedKeepsEveryWord(t *testing.T) {
	t.Parallel()
	line := palette(true).paint(good, "✓") + "  simulated eGain at https://localhost:36273, with a tenant on each platform  (100ms)"
	for columns := 30; columns <= 120; columns++ {
		lines := wrapped(line, columns)
		for _, part := range lines {
			if n := utf8.RuneCountInString(escape.ReplaceAllString(part, "")); n > columns {
				t.Errorf("%d characters in %d columns: %q", n, columns, part)
			}
		}
		if got, want := strings.Fields(strings.Join(lines, " ")), strings.Fields(line); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := wrapped(line, math.MaxInt); len(got) != 1 {
		t.Errorf("without a screen: %q", got)
	}
}
