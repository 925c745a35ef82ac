package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

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
		Short: "Stop replacing tokens",
		Long: `Stop replacing tokens, by spec.suspend: no token is requested from eGain until kubectl egain resume. What is in a target
stays there, and expires when it does.`,
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
		Short: "Replace tokens again after suspend",
		Long:  `Replace tokens again after kubectl egain suspend. One whose time has come meanwhile is replaced at once.`,
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
	if ec.Suspended() == s.on {
		s.env.printf("%s: unchanged: %s\n", s.selection.label(ec), s.meaning(ec))
		return nil
	}
	// null removes the field, which leaves its default and no owner of it.
	var value any
	if s.on {
		value = true
	}
	if err := mergePatch(ctx, s.env, ec, map[string]any{"spec": map[string]any{"suspend": value}}); err != nil {
		return fmt.Errorf("changing EgainClient %s: %w", key(ec), err)
	}
	verb := "resumed"
	if s.on {
		verb = "suspended"
	}
	s.env.printf("%s: %s: %s\n", s.selection.label(ec), verb, s.meaning(ec))
	return nil
}

// meaning says what the state of an EgainClient means for its token.
func (s *suspend) meaning(ec *egainv1alpha1.EgainClient) string {
	now, tok := s.env.clock.Now(), ec.Status.Token
	known := tok != nil && tok.ExpirationTime != nil
	switch {
	case s.on && !known:
		return fmt.Sprintf("there is no token in Secret %s, and none will be requested", ec.TargetName())
	case s.on && !tok.ExpirationTime.After(now):
		return fmt.Sprintf("the token in Secret %s has expired and will not be replaced", ec.TargetName())
	case s.on:
		return fmt.Sprintf("the token in Secret %s expires in %s and will not be replaced", ec.TargetName(), duration.HumanDuration(tok.ExpirationTime.Sub(now)))
	case known && tok.RenewalTime != nil && tok.RenewalTime.After(now):
		return fmt.Sprintf("the token in Secret %s is replaced in %s", ec.TargetName(), duration.HumanDuration(tok.RenewalTime.Sub(now)))
	default:
		return fmt.Sprintf("a token for Secret %s is requested at once", ec.TargetName())
	}
}
