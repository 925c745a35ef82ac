package command

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/printers"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/report"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
)

const (
	// tick is how often a countdown is drawn.
	tick = time.Second
	// refresh is how often what a story tells beside the EgainClient is read again: its Secrets, events and workloads.
	refresh = 10 * time.Second
)

// follower shows EgainClients as they change.
type follower struct {
	*status
	// name is empty for all.
	name  string
	known map[string]*egainv1alpha1.EgainClient
	// facts are those of the one with the name, as they were read at factsTime.
	facts     *report.Facts
	factsTime time.Time
}

// follow shows changes until the context ends, which is no failure: on a terminal it redraws, elsewhere it prints what changed.
func (s *status) follow(ctx context.Context, args []string, printer printers.ResourcePrinter) error {
	f := &follower{status: s, name: strings.Join(args, ""), known: map[string]*egainv1alpha1.EgainClient{}}
	first, err := f.first(ctx)
	if err != nil {
		return err
	}
	opts, err := listOptions(s.env, s.selector, s.allNamespaces)
	if err != nil {
		return err
	}
	c, err := s.env.cluster()
	if err != nil {
		return err
	}
	changes := watchClients(ctx, listWatch(c, *opts, f.name))
	if s.env.screen.redraws && printer == nil {
		return f.redraw(ctx, changes)
	}
	return f.printChanges(ctx, first, changes, printer)
}

// first reads what there is once, so that a failure ends the command instead of being tried again for ever.
func (f *follower) first(ctx context.Context) ([]egainv1alpha1.EgainClient, error) {
	if f.name != "" {
		return f.env.egainClients(ctx, []string{f.name})
	}
	list, err := listClients(ctx, f.env, f.selector, f.allNamespaces)
	return list.Items, err
}

func (f *follower) printChanges(ctx context.Context, first []egainv1alpha1.EgainClient, changes <-chan change, printer printers.ResourcePrinter) error {
	for i := range first {
		f.known[key(&first[i])] = &first[i]
	}
	switch {
	case printer != nil:
		for i := range first {
			if err := printer.PrintObj(&first[i], f.env.Out); err != nil {
				return err
			}
		}
	case len(first) > 0:
		f.print(f.table(first, f.env.clock.Now()))
	default:
		f.print(f.env.screen.style.Lines(view.Table{Header: report.Header(f.options())}, 0))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case change := <-changes:
			if err := f.printChange(change, printer); err != nil {
				return err
			}
		}
	}
}

// printChange prints what changed, once for each version.
func (f *follower) printChange(c change, printer printers.ResourcePrinter) error {
	before := f.known[key(c.client)]
	f.note(c)
	switch {
	case before != nil && before.ResourceVersion == c.client.ResourceVersion && !c.deleted:
		return nil
	case printer != nil:
		return printer.PrintObj(c.client, f.env.Out)
	default:
		f.print([]string{f.rowOf(c)})
		return nil
	}
}

// rowOf lays out one row as wide as it would be in a table of all.
func (f *follower) rowOf(c change) string {
	now := f.env.clock.Now()
	row := report.Row(c.client, f.options(), now)
	if c.deleted {
		row[len(row)-1] = view.Text("deleted")
	}
	table := view.Table{Header: report.Header(f.options()), Rows: [][]view.Cell{row}}
	for _, ec := range f.clients() {
		table.Rows = append(table.Rows, report.Row(&ec, f.options(), now))
	}
	return f.env.screen.style.Lines(table, 0)[1]
}

func (f *follower) note(c change) {
	f.facts = nil
	if c.deleted {
		delete(f.known, key(c.client))
		return
	}
	f.known[key(c.client)] = c.client
}

func (f *follower) clients() []egainv1alpha1.EgainClient {
	var all []egainv1alpha1.EgainClient
	for _, name := range slices.Sorted(maps.Keys(f.known)) {
		all = append(all, *f.known[name])
	}
	slices.SortFunc(all, byName)
	return all
}

// redraw shows all on a screen of its own. What was seen last stays when the context ends.
func (f *follower) redraw(ctx context.Context, changes <-chan change) error {
	ticker := f.env.clock.NewTicker(tick)
	defer ticker.Stop()
	f.env.encoded(view.EnterScreen)
	var frame []string
	defer func() {
		f.env.encoded(view.LeaveScreen)
		f.print(frame)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-changes:
			f.note(c)
			f.noteQueued(changes)
		case <-ticker.C():
		}
		lines, err := f.frame(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err != nil {
			continue // it was interrupted on the way, which ends the loop
		}
		frame = lines
		_, height := f.env.screen.size()
		f.env.encoded(view.Frame(frame, height))
	}
}

// noteQueued takes in at once what is there already, as at the start, rather than draw after each.
func (f *follower) noteQueued(changes <-chan change) {
	for {
		select {
		case c := <-changes:
			f.note(c)
		case <-f.env.clock.After(tick / 50):
			return
		}
	}
}

// frame is what is to be seen now.
func (f *follower) frame(ctx context.Context) ([]string, error) {
	now := f.env.clock.Now()
	if f.name == "" {
		return f.table(f.clients(), now), nil
	}
	if len(f.known) == 0 {
		return []string{"EgainClient " + f.name + " not found."}, nil
	}
	if f.facts == nil || now.Sub(f.factsTime) > refresh {
		facts, err := gatherFacts(ctx, f.env, &f.clients()[0])
		if err != nil {
			return nil, err
		}
		f.facts, f.factsTime = facts, now
	}
	return f.story(f.facts, now), nil
}
