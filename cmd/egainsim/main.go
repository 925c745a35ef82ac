// Command egainsim serves a simulated eGain on the loopback interface until it is interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// options are the command line.
type options struct {
	addr            string
	caFile          string
	descriptionFile string
	lifetime        time.Duration
	refreshLifetime time.Duration
	redirectURIs    []string
	deployments     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		_, _ = fmt.Fprintln(os.Stderr, "egainsim:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("egainsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:0", "loopback address to serve on; port 0 means any free port")
	flags.StringVar(&o.caFile, "ca-file", "", "file to write the CA certificate to, in PEM")
	flags.StringVar(&o.descriptionFile, "description-file", "",
		"file to write URLs, clients, secrets and the administration token to, as JSON; written when the simulator is ready")
	flags.DurationVar(&o.lifetime, "token-lifetime", time.Hour, "lifetime of access tokens")
	flags.DurationVar(&o.refreshLifetime, "refresh-token-lifetime", 24*time.Hour, "lifetime of refresh tokens")
	flags.BoolVar(&o.deployments, "deployments", false,
		"also serve tenants with their own eGain addresses, and print them; macOS needs: sudo ifconfig lo0 alias "+
			egainsim.ElsewhereHost)
	flags.Func("redirect-uri", "additional redirect URI of the default web and public clients; may be repeated",
		func(uri string) error {
			o.redirectURIs = append(o.redirectURIs, uri)
			return nil
		})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument: %s", flags.Arg(0))
	}
	return o, nil
}

// tenants are the default ones, and those with eGain addresses of their own if the flag says so. Clients that people log
// in to have the redirect URIs of the flag too.
func (o options) tenants() []egainsim.TenantConfig {
	tenants := egainsim.DefaultTenants()
	if o.deployments {
		tenants = append(tenants, egainsim.DeploymentTenants()...)
	}
	for _, tenant := range tenants {
		for i := range tenant.Clients {
			if app := &tenant.Clients[i]; len(app.RedirectURIs) > 0 {
				app.RedirectURIs = append(app.RedirectURIs, o.redirectURIs...)
			}
		}
	}
	return tenants
}

// run serves until the context ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	sim, err := egainsim.New(egainsim.Config{
		TokenLifetime: o.lifetime, RefreshTokenLifetime: o.refreshLifetime, Tenants: o.tenants(),
	})
	if err != nil {
		return err
	}
	if err := sim.Start(o.addr); err != nil {
		return err
	}
	defer func() { _ = sim.Close() }()
	if err := publish(sim, o); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "login %s\napi   %s\n", sim.LoginURL(), sim.APIURL())
	for _, tenant := range sim.Tenants() {
		if tenant.URL() != "" {
			_, _ = fmt.Fprintf(stdout, "egain %s %s\n", tenant.URL(), tenant.ID())
		}
	}
	<-ctx.Done()
	return nil
}

// publish writes the files that were asked for, the description last: who waits for it finds all else in place.
func publish(sim *egainsim.Simulator, o options) error {
	if err := writeFile(o.caFile, sim.CABundle()); err != nil {
		return err
	}
	description, err := json.MarshalIndent(sim.Describe(), "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the description: %w", err)
	}
	return writeFile(o.descriptionFile, append(description, '\n'))
}

// writeFile writes a file that no other user can read, whole or not at all. Without a name it does nothing.
func writeFile(name string, content []byte) error {
	if name == "" {
		return nil
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Close()); err != nil {
		_ = os.Remove(temporary.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := os.Rename(temporary.Name(), name); err != nil {
		_ = os.Remove(temporary.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
