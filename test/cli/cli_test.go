// Package cli_test makes docs/cli.md by running the built plugin for each command in it, against a real control plane, the
// operator and a simulated eGain. Without -update it fails if the file is not what comes out.
package cli_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const document = root + "/docs/cli.md"

var update = flag.Bool("update", false, "write docs/cli.md rather than compare with it")

func TestTheReferenceOfThePluginIsUpToDate(t *testing.T) {
	w := newWorld(t)
	made := w.write()
	for secret, what := range w.secrets {
		if strings.Contains(made, secret) {
			t.Errorf("the document shows %s", what)
		}
	}
	if found := regexp.MustCompile(`eyJ[\w-]{12}`).FindString(made); found != "" {
		t.Error("the document shows a part of a token")
	}
	if t.Failed() {
		t.Log(made)
		return
	}
	if *update {
		w.Expect(os.WriteFile(document, []byte(made), 0o644)).To(gomega.Succeed())
		return
	}
	is, err := os.ReadFile(document)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	if diff := cmp.Diff(string(is), made); diff != "" {
		t.Errorf("docs/cli.md is out of date: run make cli-docs (-is +should be):\n%s", diff)
	}
}

// write fills testdata/cli.md.tmpl in. Its commands run in their order, and each must succeed unless it is one that fails.
func (w *world) write() string {
	w.t.Helper()
	names, addresses := w.names()
	n := &normaliser{w.began, names}
	var made strings.Builder
	run := func(wantCode int, line string, answers ...answer) string {
		// Quotes are for the reader's shell: no argument has a space.
		args := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(addresses.Replace(line), "kubectl egain"), "'", ""))
		shown, code := w.egain(args, answers...)
		if code != wantCode {
			w.t.Errorf("%s: exit code %d, want %d\n%s", line, code, wantCode, shown)
		}
		return "```console\n$ " + line + "\n" + n.normalise(shown) + "\n```"
	}
	page := template.Must(template.New("cli.md.tmpl").Delims("[[", "]]").Funcs(template.FuncMap{
		"run":      func(line string) string { return run(0, line) },
		"fail":     func(code int, line string) string { return run(code, line) },
		"answer":   func(line string, typed ...string) string { return run(0, line, typing(typed)...) },
		"login":    func(line string) string { return run(0, line, w.pasting(), func(string) string { return "y" }) },
		"file":     w.give,
		"commands": w.index,
		"flags":    w.flags,
	}).ParseFiles("testdata/cli.md.tmpl"))
	w.Expect(page.ExecuteTemplate(&made, "cli.md.tmpl", nil)).To(gomega.Succeed())
	return made.String()
}

// names replaces the simulator's addresses by names, and addresses the address of a deployment in a command by the
// simulator's.
func (w *world) names() (names, addresses *strings.Replacer) {
	w.t.Helper()
	host := func(address string) string { return strings.TrimPrefix(address, "https://") }
	elsewhere := strings.Replace(host(w.sim.LoginURL()), "localhost", egainsim.ElsewhereHost, 1)
	pairs := []string{host(w.sim.LoginURL()), "login.egain.example.com", host(w.sim.APIURL()), "api.egain.example.com", elsewhere, "acmeint.b2clogin.com", egainsim.ElsewhereHost, "acmeint.b2clogin.com"}
	for _, tenant := range w.sim.Tenants() {
		if tenant.ID() == egainsim.ElsewhereTenantID {
			pairs = append(pairs, host(tenant.URL()), deployment, host(tenant.APIURL()), "api.egain.example.com", tenant.DomainHint(), deployment)
			addresses = strings.NewReplacer(deployment, host(tenant.URL()), "acmeint.b2clogin.com", egainsim.ElsewhereHost)
		}
	}
	w.Expect(addresses).NotTo(gomega.BeNil())
	return strings.NewReplacer(pairs...), addresses
}

// deployment is the name by which the document has the host of a customer's eGain.
const deployment = "acme.egain.example.com"

func typing(typed []string) []answer {
	answers := make([]answer, len(typed))
	for i, text := range typed {
		answers[i] = func(string) string { return text }
	}
	return answers
}

// pasting logs in at the address that is shown, and pastes the one that the browser ends at.
func (w *world) pasting() answer {
	return func(shown string) string {
		address := regexp.MustCompile(`https://\S+code_challenge=\S+`).FindString(shown)
		back := w.logIn(address)
		w.secrets[regexp.MustCompile(`code=([^&]+)`).FindStringSubmatch(back)[1]] = "the code of a login"
		return back
	}
}

// command is one of the plugin's.
type command struct{ name, short string }

// commands are those that the plugin lists, except for the help itself.
func (w *world) commands() []command {
	w.t.Helper()
	var all []command
	for line := range strings.Lines(part(w.help(), "Available Commands:")) {
		if name, short, found := strings.Cut(strings.TrimSpace(line), " "); found && name != "help" {
			all = append(all, command{name, strings.TrimSpace(short)})
		}
	}
	w.Expect(all).NotTo(gomega.BeEmpty())
	return all
}

// index is a table of all commands, in the order of the document's sections.
func (w *world) index() string {
	w.t.Helper()
	source, err := os.ReadFile("testdata/cli.md.tmpl")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	place := func(c command) int { return strings.Index(string(source), "\n## "+c.name+"\n") }
	all := w.commands()
	slices.SortFunc(all, func(a, b command) int { return place(a) - place(b) })
	table := "| command | what it does |\n|---|---|"
	for _, c := range all {
		w.Expect(place(c)).To(gomega.BeNumerically(">", 0), "%s has no section", c.name)
		table += fmt.Sprintf("\n| [`%s`](#%s) | %s |", c.name, c.name, c.short)
	}
	return table
}

// flags are a command's own, folded away.
func (w *world) flags(command string) string {
	w.t.Helper()
	help := w.help(strings.Fields(command)...)
	usage := strings.TrimSpace(part(help, "Usage:"))
	flags := strings.TrimRight(part(help, "\nFlags:"), "\n")
	return "<details>\n<summary>Flags of <code>" + command + "</code></summary>\n\n```\n" + usage + "\n\n" + flags + "\n```\n\n</details>"
}

func (w *world) help(args ...string) string {
	w.t.Helper()
	shown, code := w.egain(append(args, "--help"))
	w.Expect(code).To(gomega.Equal(0), shown)
	return shown
}

// part is what follows a heading of the help until the next empty line.
func part(help, heading string) string {
	_, rest, _ := strings.Cut(help, heading+"\n")
	text, _, _ := strings.Cut(rest, "\n\n")
	return text
}
