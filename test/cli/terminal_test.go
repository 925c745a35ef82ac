package cli_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/onsi/gomega"
)

// wide is more columns than any line has, since what is cut depends on how long times are.
const wide = 400

// asks matches output that ends in a question.
var asks = regexp.MustCompile(`: $`)

// screen is what a terminal has shown.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until what is shown is as wanted, and reports false if nothing more comes.
func (s *screen) await(ended <-chan struct{}, wanted func(shown string) bool) bool {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !wanted(s.String()) {
		select {
		case <-ended:
			return false
		case <-ticker.C:
		}
	}
	return true
}

// answer is what a user types, given what the terminal shows.
type answer func(shown string) string

// egain runs the built plugin at a terminal without colours, answers its questions in turn, and returns what the terminal shows
// in the end, and the exit code.
func (w *world) egain(args []string, answers ...answer) (shown string, code int) {
	w.t.Helper()
	defer w.noteSecrets()
	w.noteSecrets()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, "kubectl-egain"), args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.kubeconfig, "HOME="+w.dir, "SSL_CERT_FILE="+w.caFile(), "NO_COLOR=1", "TERM=xterm", "LC_ALL=C.UTF-8", "TZ=UTC")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: wide, Rows: 50})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer terminal.Close() //nolint:errcheck // read to its end
	output, ended := &screen{}, make(chan struct{})
	go func() {
		_, err = io.Copy(output, terminal)
		close(ended)
	}()
	answered := 0
	for _, answer := range answers {
		if !output.await(ended, func(shown string) bool { return asks.MatchString(shown[answered:]) }) {
			break
		}
		answered = len(output.String())
		_, errType := terminal.WriteString(answer(output.String()) + "\n")
		w.Expect(errType).NotTo(gomega.HaveOccurred())
	}
	// Linux says EIO when no one has the terminal open any more.
	if <-ended; !errors.Is(err, syscall.EIO) {
		w.Expect(err).NotTo(gomega.HaveOccurred())
	}
	_ = cmd.Wait() // the exit code says how it ended
	return strings.ReplaceAll(output.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}
