// Package guides_test does what the documentation says, word by word: it starts the demo as a reader of the tutorial does, takes
// over the line that it prints, runs the tutorial's commands in their order, and then those of the other guides. It installs the operator, by the guide for that,
// on a control plane of its own.
package guides_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

const (
	root = "../.."
	// patience bounds waits; nothing depends on how soon they end within it. It covers the building of the demo's programs.
	patience = 10 * time.Minute
	// limit is what the tutorial promises, from the first command after the start of the demo.
	limit = 5 * time.Minute
)

// block is a fenced block of commands, in a document.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?ms)^ *```(sh|console)\n(.*?)^ *```$")

func blocks(t *testing.T, document string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, match := range fence.FindAllStringSubmatch(string(text), -1) {
		all = append(all, block{match[1], match[2]})
	}
	if len(all) == 0 {
		t.Fatalf("%s has no commands", document)
	}
	return all
}

// reader is a user with two terminals.
type reader struct {
	*gomega.WithT
	t *testing.T
	// environment is what the second terminal has been told to export.
	environment string
	path        string
}

func TestTheGuidesByTheirCommands(t *testing.T) {
	r := &reader{WithT: gomega.NewWithT(t), t: t, path: kubectlPath(t)}
	tutorial := blocks(t, "docs/tutorial.md")
	r.start(tutorial[0])
	t.Run("the tutorial leads to a token in under five minutes", func(t *testing.T) {
		r := r.in(t)
		began := time.Now()
		for _, b := range tutorial[1:] {
			r.follow(b)
		}
		r.Expect(time.Since(began)).To(gomega.BeNumerically("<", limit))
	})
	t.Run("the picture of the front page", func(t *testing.T) { r.in(t).play() })
	r.prepare()
	used := map[string]bool{}
	for _, document := range guides {
		t.Run(document, func(t *testing.T) {
			r := r.in(t)
			for _, b := range blocks(t, document) {
				r.runGuide(b, used)
			}
		})
	}
	for part := range unrun {
		if !used[part] {
			t.Errorf("no guide has a command with %q, which is not to be run", part)
		}
	}
}

// kubectlPath is a PATH that has kubectl.
func kubectlPath(t *testing.T) string {
	t.Helper()
	kubectl, err := exec.CommandContext(t.Context(), filepath.Join(root, "hack/kubectl.sh")).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(kubectl)) + ":" + os.Getenv("PATH")
}

// in is the reader in a part of the test.
func (r *reader) in(t *testing.T) *reader {
	t.Helper()
	return &reader{WithT: gomega.NewWithT(t), t: t, environment: r.environment, path: r.path}
}

// follow does what a block of the tutorial says.
func (r *reader) follow(b block) {
	r.t.Helper()
	if b.language == "console" {
		r.compare(b)
		return
	}
	output, err := r.run(b.text)
	r.Expect(err).NotTo(gomega.HaveOccurred(), "%s\n%s", b.text, output)
}

// typed matches the commands that hack/picture records to their ends.
var typed = regexp.MustCompile(`(?m)^show '([^']+)'`)

// play does what the picture of the front page shows, without the pauses.
func (r *reader) play() {
	r.t.Helper()
	session, err := os.ReadFile(filepath.Join(root, "hack/picture/session.sh"))
	r.Expect(err).NotTo(gomega.HaveOccurred())
	var commands strings.Builder
	for _, match := range typed.FindAllStringSubmatch(string(session), -1) {
		commands.WriteString(match[1] + "\n")
	}
	r.Expect(commands.String()).To(gomega.ContainSubstring("egain call"))
	output, err := r.run("kubectl config set-context --current --namespace=knowledge\ncd hack/picture\n" + commands.String() +
		"kubectl delete egainclient/knowledge-sync secret/sync-app")
	r.Expect(err).NotTo(gomega.HaveOccurred(), output)
}

// start starts the demo and takes over the line that it prints.
func (r *reader) start(b block) {
	r.t.Helper()
	demo := exec.CommandContext(context.WithoutCancel(r.t.Context()), "bash", "-ec", b.text)
	demo.Dir, demo.Stderr = root, os.Stderr
	demo.Env = append(os.Environ(), "PATH="+r.path)
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := demo.StdoutPipe()
	r.Expect(err).NotTo(gomega.HaveOccurred())
	r.Expect(demo.Start()).To(gomega.Succeed())
	r.t.Cleanup(func() {
		// As Ctrl-C does.
		_ = syscall.Kill(-demo.Process.Pid, syscall.SIGINT)
		_ = demo.Wait() // make says that it was interrupted
	})
	found := make(chan string, 1)
	go func() {
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			if i := strings.Index(scanner.Text(), "export KUBECONFIG="); i >= 0 {
				found <- scanner.Text()[i:]
				break
			}
		}
		_, _ = io.Copy(io.Discard, output) // so that the demo does not wait for a reader
	}()
	select {
	case r.environment = <-found:
	case <-time.After(patience):
		r.t.Fatal("the demo printed no line to export")
	}
}

// run runs commands in the second terminal.
func (r *reader) run(commands string) (string, error) {
	command := exec.CommandContext(r.t.Context(), "bash", "-ec", r.environment+"\n"+commands)
	command.Dir = root
	command.Env = append(os.Environ(), "PATH="+r.path)
	output, err := command.CombinedOutput()
	return string(output), err
}

// compare runs the command of a block, and expects the output that the tutorial shows, as soon as a reader would look.
func (r *reader) compare(b block) {
	r.t.Helper()
	joined := strings.ReplaceAll(b.text, "\\\n", "")
	command, want, _ := strings.Cut(strings.TrimPrefix(joined, "$ "), "\n")
	r.Eventually(func() (string, error) { return r.run(command) }).WithTimeout(30*time.Second).Should(gomega.Equal(want), command)
}
