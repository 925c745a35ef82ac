package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/watch"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/report"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// renewTimeout is how long --wait waits by default: longer than the 90 seconds that the operator gives a reconcile.
const renewTimeout = 2 * time.Minute

// renew is the command line of kubectl egain renew.
type renew struct {
	env       *environment
	selection selection
	wait      bool
	timeout   time.Duration
}

func newRenewCommand(env *environment) *cobra.Command {
	r := &renew{env: env}
	cmd := &cobra.Command{
		Use:   "renew (NAME... | -l SELECTOR | --all)",
		Short: "Renew tokens now",
		Long: `Renew tokens now, before they are due. The command sets the annotation
` + egainv1alpha1.RenewRequestedAtAnnotation + `, and the operator then requests new tokens. The old tokens stay
valid until they expire, unless eGain revokes them.

With --wait the command ends when the new tokens are in their Secrets, or fails with the reason of each that is not.`,
		Example: `  kubectl egain renew knowledge-sync --wait
  kubectl egain renew -l team=search
  kubectl egain renew --all -A`,
		ValidArgsFunction: env.completeClients,
		RunE:              func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	r.selection.addFlags(cmd)
	cmd.Flags().BoolVar(&r.wait, "wait", false, "wait until the new tokens are in their Secrets")
	cmd.Flags().DurationVar(&r.timeout, "timeout", renewTimeout, "how long to wait for all tokens together")
	return cmd
}

func (r *renew) run(ctx context.Context, names []string) error {
	if r.timeout <= 0 {
		return usagef("--timeout must be positive, not %s", r.timeout)
	}
	clients, err := r.selection.list(ctx, r.env, names)
	if err != nil {
		return err
	}
	// One value for all, so that one moment asked for all. The fraction keeps two requests within a second apart.
	requested := r.env.clock.Now().UTC()
	for i := range clients {
		if err := r.request(ctx, &clients[i], requested); err != nil {
			return fmt.Errorf("requesting a renewal of EgainClient %s: %w", key(&clients[i]), err)
		}
	}
	if !r.wait {
		return nil
	}
	return r.waitAll(ctx, clients, requested)
}

func (r *renew) request(ctx context.Context, ec *egainv1alpha1.EgainClient, requested time.Time) error {
	if err := requestRenewal(ctx, r.env, ec, requested); err != nil {
		return err
	}
	r.env.printf("%s: renewal requested\n", r.selection.label(ec))
	if ec.Suspended() {
		r.env.notef("%s is suspended: run kubectl egain resume %s for it to be renewed\n", r.selection.label(ec), ec.Name)
	}
	return nil
}

// requestRenewal asks the operator for the next token.
func requestRenewal(ctx context.Context, env *environment, ec *egainv1alpha1.EgainClient, at time.Time) error {
	return mergePatch(ctx, env, ec, map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		egainv1alpha1.RenewRequestedAtAnnotation: at.UTC().Format(time.RFC3339Nano),
	}}})
}

// mergePatch changes an EgainClient on the API server, and the one given with it.
func mergePatch(ctx context.Context, env *environment, ec *egainv1alpha1.EgainClient, patch map[string]any) error {
	c, err := env.cluster()
	if err != nil {
		return err
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return c.Patch(ctx, ec, client.RawPatch(types.MergePatchType, data), client.FieldOwner(fieldManager))
}

// waitAll waits for each in turn; their renewals are under way at the same time. One that fails does not end the wait for the
// rest.
func (r *renew) waitAll(ctx context.Context, clients []egainv1alpha1.EgainClient, requested time.Time) error {
	deadline := r.env.clock.Now().Add(r.timeout)
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var failures []error
	var failed string
	for i := range clients {
		w := renewal{env: r.env, label: r.selection.label(&clients[i]), request: requested, deadline: deadline, last: &clients[i]}
		if err := w.wait(ctx); err != nil {
			failures = append(failures, err)
			failed = cmp.Or(failed, clients[i].Name+" -n "+clients[i].Namespace)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return advise(errors.Join(failures...), "see kubectl egain status "+failed)
}

// renewal is one that is waited for.
type renewal struct {
	env      *environment
	label    string
	request  time.Time
	deadline time.Time
	// last is the EgainClient as it was last seen.
	last *egainv1alpha1.EgainClient
}

// wait returns nil once the token that answers the request is in the target.
func (w *renewal) wait(ctx context.Context) error {
	if w.last.Suspended() {
		return fmt.Errorf("%s: suspended, not renewed", w.label)
	}
	c, err := w.env.cluster()
	if err != nil {
		return err
	}
	lw := listWatch(c, client.ListOptions{Namespace: w.last.Namespace}, w.last.Name)
	_, err = toolswatch.UntilWithSync(ctx, lw, &egainv1alpha1.EgainClient{}, nil, w.observe)
	if err == nil {
		left := w.last.Status.Token.ExpirationTime.Sub(w.env.clock.Now())
		w.env.printf("%s: renewed, expires in %s\n", w.label, duration.HumanDuration(left))
		return nil
	}
	if ctx.Err() != nil {
		return w.explain("not renewed in time")
	}
	return err
}

// observe ends the wait with success, or with an error when the next attempt comes too late to wait for.
func (w *renewal) observe(event watch.Event) (bool, error) {
	ec, is := event.Object.(*egainv1alpha1.EgainClient)
	if event.Type == watch.Deleted || !is {
		return false, fmt.Errorf("%s: deleted while waiting", w.label)
	}
	w.last = ec
	switch {
	case w.answered():
		return true, nil
	case w.failedSince() && !w.triedAgainInTime():
		return false, w.explain("not renewed")
	default:
		return false, nil
	}
}

func (w *renewal) answered() bool {
	st := w.last.Status
	return st.LastHandledRenewal == w.request.Format(time.RFC3339Nano) && st.LastFailure == nil && st.Token != nil && st.Token.ExpirationTime != nil
}

// failedSince leaves out the failures from before the request. Times of the status have whole seconds.
func (w *renewal) failedSince() bool {
	last := w.last.Status.LastFailure
	return last != nil && last.Time != nil && !last.Time.Time.Before(w.request.Truncate(time.Second))
}

func (w *renewal) triedAgainInTime() bool {
	last := w.last.Status.LastFailure
	if last.RetryTime == nil {
		return fault.PassesByItself(last.Reason)
	}
	return last.RetryTime.Time.Before(w.deadline)
}

func (w *renewal) explain(what string) error {
	last := w.last.Status.LastFailure
	if last == nil {
		return fmt.Errorf("%s: %s: the operator has not reconciled it; check that it runs and watches namespace %s", w.label, what, w.last.Namespace)
	}
	return fmt.Errorf("%s: %s: %s: %s; next try %s", w.label, what, last.Reason, last.Message, report.NextTry(last, w.env.clock.Now()))
}
