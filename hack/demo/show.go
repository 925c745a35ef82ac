package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// rows are of all EgainClients that there are, also those that another user made.
func (d *demo) rows(ctx context.Context) ([]row, error) {
	var all egainv1alpha1.EgainClientList
	if err := d.cluster.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing EgainClients: %w", err)
	}
	var tenants egainv1alpha1.EgainTenantList
	if err := d.cluster.List(ctx, &tenants); err != nil {
		return nil, fmt.Errorf("listing EgainTenants: %w", err)
	}
	byURL := map[string]bool{}
	for i := range tenants.Items {
		byURL[tenants.Items[i].Name] = tenants.Items[i].Spec.URL != ""
	}
	usages := map[string]*usage{}
	for _, w := range d.workloads {
		u := w.snapshot()
		usages[w.client.String()] = &u
	}
	now := time.Now()
	var rows []row
	for i := range all.Items {
		ec := &all.Items[i]
		rows = append(rows, rowOf(ec, usages[ec.Namespace+"/"+ec.Name], byURL, now))
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.client, b.client) })
	return rows, nil
}

// frame is the table with its header, and what the demo itself ran into.
func (d *demo) frame(ctx context.Context) ([]string, error) {
	rows, err := d.rows(ctx)
	if err != nil {
		return nil, err
	}
	stats, err := d.sim.Stats(ctx)
	if err != nil {
		return nil, fmt.Errorf("counting token requests: %w", err)
	}
	pid, restarts := d.operator.State()
	p := d.view.palette
	columns, _ := d.view.size()
	lines := header(rows, totals{
		requests: tokenRequests(stats, "", ""), operatorPID: pid, restarts: restarts, uptime: time.Since(d.started), tokenLife: d.tokenLife,
	}, p)
	lines = append(lines, clientTable(rows, columns, p)...)
	tenants, err := d.tenantRows(ctx)
	if err != nil {
		return nil, err
	}
	lines = append(append(lines, ""), table(tenantColumns, tenants, p)...)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, trouble := range d.troubles[max(0, len(d.troubles)-2):] {
		lines = append(lines, p.paint(bad, pad("! the demo itself: "+trouble, width, false)))
	}
	return append(lines, ""), nil
}

// show draws the table until the context ends, on a terminal with a footer below it; else the footer is printed once, above.
// It returns the last table, and an error if something broke.
func (d *demo) show(ctx context.Context, below func() footer) ([]string, error) {
	interval := d.interval
	if d.view.live {
		interval = time.Second / 2
	} else {
		f := below()
		d.view.print(append(slices.Concat(f.kept, f.more), "")...)
	}
	drawing, broken := context.WithCancelCause(ctx)
	defer broken(nil)
	var last []string
	stage.Repeat(drawing, interval, func() {
		lines, err := d.frame(drawing)
		if err = errors.Join(d.sim.Process.Exited(), err); err != nil {
			broken(err)
			return
		}
		last = lines
		f := footer{}
		if d.view.live {
			f = below()
		}
		d.view.draw(lines, f)
	})
	if ctx.Err() != nil {
		return last, nil
	}
	return last, context.Cause(drawing)
}

// watch shows the table until the demo is stopped.
func (d *demo) watch(ctx context.Context) error {
	last, err := d.show(ctx, d.hints)
	if d.view.live {
		columns, _ := d.view.size()
		d.view.print(cut(last, columns)...)
	}
	return err
}

// about says what stands in for what is missing.
func (d *demo) about() []string {
	lines := []string{
		"There is no kubelet here: a mirror, allowed to watch just these Secrets, keeps",
		"their keys in files as a volume would. A workload per client reads those files",
		"every second and calls eGain's API with what it finds.",
	}
	for i := range lines {
		lines[i] = d.view.palette.paint(dim, lines[i])
	}
	return lines
}

// hints say what to try. The command that the others need stays on the screen, and is whole.
func (d *demo) hints() footer {
	pid, _ := d.operator.State()
	columns, _ := d.view.size()
	kept := []string{"Try, in another terminal (Ctrl-C in this one ends everything):"}
	for _, line := range continued("  export KUBECONFIG="+d.cluster.Kubeconfig()+` PATH="`+d.programs()+`:$PATH"`, columns) {
		kept = append(kept, d.view.palette.paint(bold, line))
	}
	return footer{kept: kept, more: append([]string{
		"  watch them        kubectl egain status -A --watch",
		"  all about one     kubectl egain status -n agents coach",
		"  look for faults   kubectl egain doctor -n agents coach",
		"  call the API      kubectl egain call -n knowledge portal /knowledge/portalmgr/v4/portals",
		"  look closer       kubectl get egc,egt -A -o wide",
		"  log in again      kubectl egain login -n agents cockpit --no-browser   (" + people[egainv1alpha1.ActorUser] + ", " + egainsim.SubjectPassword + ")",
		"  delete a target   kubectl delete secret -n knowledge portal-token",
		`  change a secret   kubectl patch secret -n reports routing-app -p '{"stringData":{"client_secret":"routing-secret-2"}}'`,
		"  renew all         kubectl egain renew -A --all --wait",
		fmt.Sprintf("  end the operator  kill -9 %d", pid),
		"",
	}, d.about()...)}
}

// programs is the directory of the demo's programs, from wherever it is used.
func (d *demo) programs() string {
	if dir, err := filepath.Abs(d.binaries); err == nil {
		return dir
	}
	return d.binaries
}
