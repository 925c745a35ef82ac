package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/tcpproxy"
)

// names is how the operators find addresses by name: they have an /etc/hosts of their own, and an /etc/resolv.conf with a
// resolver that does not answer.
type names struct {
	hosts, resolver string
}

const (
	knownHosts = "127.0.0.1 localhost\n"
	noHosts    = "# the name of the provider cannot be found\n"
)

// bindNames runs a program with other files in place of /etc/hosts and /etc/resolv.conf.
const bindNames = `mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`

// newNames writes the files. It returns nil where a process cannot have files of its own.
func newNames(ctx context.Context, dir string) (*names, error) {
	if exec.CommandContext(ctx, "unshare", append(unshareFlags(), "true")...).Run() != nil { //nolint:gosec // The arguments are ours.
		return nil, nil //nolint:nilerr // nothing can be done about names
	}
	n := &names{hosts: filepath.Join(dir, "hosts"), resolver: filepath.Join(dir, "resolv.conf")}
	err := errors.Join(n.set(knownHosts), os.WriteFile(n.resolver, []byte("nameserver 127.0.0.1\n"), 0o600))
	return n, err
}

func unshareFlags() []string {
	if os.Getuid() == 0 {
		return []string{"--mount"}
	}
	return []string{"--mount", "--map-root-user"}
}

// command is how a program is started so that it sees the files.
func (n *names) command(program string) []string {
	if n == nil {
		return []string{program}
	}
	return append(append([]string{"unshare"}, unshareFlags()...), "sh", "-c", bindNames, n.hosts, n.resolver, program)
}

// set replaces what is in the hosts file, not the file, which is bound elsewhere.
func (n *names) set(content string) error {
	if err := os.WriteFile(n.hosts, []byte(content), 0o600); err != nil {
		return fmt.Errorf("writing the hosts file: %w", err)
	}
	return nil
}

// forget has the provider's name not be found for 30 % of a life. Open connections are reset, since they need no name.
func forget(ctx context.Context, l *lane) error {
	if l.operators.names == nil {
		return errors.New("a process cannot have an /etc/hosts of its own here: that needs root, or user namespaces")
	}
	l.struck()
	if err := l.operators.names.set(noHosts); err != nil {
		return err
	}
	for _, t := range l.tenants {
		if err := errors.Join(t.network.Set(tcpproxy.Reset), t.network.Set(tcpproxy.Forward)); err != nil {
			return err
		}
	}
	err := l.hold(ctx, l.outage())
	defer l.repaired()
	return errors.Join(err, l.operators.names.set(knownHosts))
}
