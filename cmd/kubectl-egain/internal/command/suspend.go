package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// suspend is the command line of kubectl egain suspend and resume.
type suspend struct {
	env       *environment
	selection selection
	// on is whether to suspend, rather than to resume.
	on bool
}

func newSuspendCommand(env *environment) *cobra.Command {
	s := &suspend{env: env, on: true}
	cmd := &cobra.Command{
		Use:   "suspend (NAME... | -l SELECTOR | --all)",
		Short: "Suspend the renewal of tokens",
		Long: `Suspend the renewal of tokens, by spec.suspend: the operator requests no token until kubectl egain resume. A token that is in a
target stays there until it expires.`,
		Example: `  kubectl egain suspend knowledge-sync
  kubectl egain suspend --all`,
		ValidArgsFunction: env.completeClients,
		RunE:              func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	s.selection.addFlags(cmd)
	return cmd
}

func newResumeCommand(env *environment) *cobra.Command {
	s := &suspend{env: env}
	cmd := &cobra.Command{
		Use:   "resume (NAME... | -l SELECTOR | --all)",
		Short: "Resume the renewal of tokens",
		Long:  `Resume the renewal of tokens after kubectl egain suspend. An overdue token is renewed immediately.`,
		Example: `  kubectl egain resume knowledge-sync
  kubectl egain resume -l team=search`,
		ValidArgsFunction: env.completeClients,
		RunE:              func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	s.selection.addFlags(cmd)
	return cmd
}

func (s *suspend) run(ctx context.Context, names []string) error {
	clients, err := s.selection.list(ctx, s.env, names)
	if err != nil {
		return err
	}
	for i := range clients {
		if err := s.apply(ctx, &clients[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *suspend) apply(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	verb := "unchanged"
	if ec.Suspended() != s.on {
		verb = map[bool]string{true: "suspended", false: "resumed"}[s.on]
	}
	if err := s.set(ctx, ec); err != nil {
		return fmt.Errorf("changing EgainClient %s: %w", key(ec), err)
	}
	s.env.printf("%s: %s: %s\n", s.selection.label(ec), verb, s.meaning(ec))
	return nil
}

// set changes spec.suspend. Suspending applies it, so that the plugin owns the field even if another manager has set it: Flux
// removes what kubectl patch has set. Resuming removes the field from all of its managers.
func (s *suspend) set(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if !s.on {
		if !ec.Suspended() {
			return nil
		}
		return mergePatch(ctx, s.env, ec, map[string]any{"spec": map[string]any{"suspend": nil}})
	}
	c, err := s.env.cluster()
	if err != nil {
		return err
	}
	suspended := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"suspend": true}}}
	suspended.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	suspended.SetNamespace(ec.Namespace)
	suspended.SetName(ec.Name)
	suspended.SetUID(ec.UID) // an apply must not create a client that was deleted meanwhile
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(suspended), client.FieldOwner(fieldManager), client.ForceOwnership)
}

// meaning says what the state of an EgainClient means for its token.
func (s *suspend) meaning(ec *egainv1alpha1.EgainClient) string {
	now, tok := s.env.clock.Now(), ec.Status.Token
	known := tok != nil && tok.ExpirationTime != nil
	switch {
	case s.on && !known:
		return fmt.Sprintf("Secret %s contains no token, and none will be requested", ec.TargetName())
	case s.on && !tok.ExpirationTime.After(now):
		return fmt.Sprintf("the token in Secret %s has expired and will not be renewed", ec.TargetName())
	case s.on:
		return fmt.Sprintf("the token in Secret %s expires in %s and will not be renewed", ec.TargetName(), duration.HumanDuration(tok.ExpirationTime.Sub(now)))
	case known && tok.RenewalTime != nil && tok.RenewalTime.After(now):
		return fmt.Sprintf("the token in Secret %s is renewed in %s", ec.TargetName(), duration.HumanDuration(tok.RenewalTime.Sub(now)))
	default:
		return fmt.Sprintf("a token for Secret %s is requested immediately", ec.TargetName())
	}
}
