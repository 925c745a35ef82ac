package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// loginLimit bounds one login, which takes less than a second unless the machine is busy.
const loginLimit = 30 * time.Second

// people are who log in, by the names that the simulator knows them by.
var people = map[egainv1alpha1.Actor]string{
	egainv1alpha1.ActorUser:     "agent.smith",
	egainv1alpha1.ActorCustomer: "customer@example.com",
}

// logIn has a user log in for every sample that waits for a session.
func (d *demo) logIn(ctx context.Context) (string, error) {
	logins := 0
	for i := range d.samples {
		s := &d.samples[i]
		if s.session.Name == "" {
			continue
		}
		if err := d.logInFor(ctx, s); err != nil {
			return "", fmt.Errorf("kubectl egain login %s: %w", s, err)
		}
		logins++
	}
	return fmt.Sprintf("logged in for %d EgainClients with kubectl egain login", logins), nil
}

// logInFor runs the plugin and plays the person who uses it: who opens the address that it prints, logs in at the page there,
// and pastes the address at which the browser arrives.
func (d *demo) logInFor(ctx context.Context, s *sample) error {
	ctx, cancel := context.WithTimeoutCause(ctx, loginLimit, fmt.Errorf("it took more than %s", loginLimit))
	defer cancel()
	plugin := exec.CommandContext(ctx, filepath.Join(d.binaries, "kubectl-egain"), "login", s.Name, "--no-browser", "--yes", //nolint:gosec // The demo's own.
		"--kubeconfig="+d.cluster.Kubeconfig(), "--namespace="+s.Namespace)
	paste, err := plugin.StdinPipe()
	if err != nil {
		return err
	}
	says, err := plugin.StderrPipe()
	if err != nil {
		return err
	}
	if err := plugin.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(says)
	err = d.answerLogin(ctx, s, lines, paste)
	if err != nil {
		cancel()
	}
	last := remainder(lines)
	if ended := plugin.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("%w: %s", ended, last)
	}
	return err
}

// answerLogin reads what the plugin says up to the address of the login page, and pastes where the login leads to.
func (d *demo) answerLogin(ctx context.Context, s *sample, says *bufio.Scanner, paste io.WriteCloser) error {
	address, said := addressIn(says)
	if address == "" {
		return fmt.Errorf("it printed no address: %s", said)
	}
	login := egainsim.Login{Username: people[s.actor], Password: egainsim.SubjectPassword, Allow: true}
	arrived, err := egainsim.LogIn(ctx, d.sim.http.Transport, address, login)
	if err != nil {
		return err
	}
	s.began = time.Now()
	_, err = io.WriteString(paste, arrived.String()+"\n")
	return errors.Join(err, paste.Close())
}

// addressIn reads lines up to one that is an address, and returns that, and the line before it that is not empty.
func addressIn(lines *bufio.Scanner) (address, before string) {
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(text, "https://") {
			return text, before
		}
		if text != "" {
			before = text
		}
	}
	return "", before
}

// remainder reads all lines and returns the last.
func remainder(lines *bufio.Scanner) string {
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	return last
}
