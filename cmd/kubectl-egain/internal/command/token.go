package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
)

// token is the command line of kubectl egain token.
type token struct {
	env                     *environment
	claims, header, expired bool
}

func newTokenCommand(env *environment) *cobra.Command {
	t := &token{env: env}
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Print the token, or only what it says",
		Long: `Print the token that an EgainClient's Secret holds, for use with other programs. An expired one is refused.

With --claims it prints what the token says instead, as JSON: neither the token nor its signature, so it can be shown to
others. The signature is not checked.`,
		Example: `  curl -H "Authorization: $(kubectl egain token knowledge-sync --header)" https://api.ai.egain.cloud/...
  kubectl egain token knowledge-sync --claims`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&t.claims, "claims", false, "print the claims of the token, a JWT, and nothing else of it")
	cmd.Flags().BoolVar(&t.header, "header", false, "print the value of the Authorization header")
	cmd.Flags().BoolVar(&t.expired, "expired", false, "print the token even if it has expired")
	cmd.MarkFlagsMutuallyExclusive("claims", "header")
	return cmd
}

func (t *token) run(ctx context.Context, name string) error {
	h, err := t.env.held(ctx, name)
	if err != nil {
		return err
	}
	now := t.env.clock.Now()
	if t.claims {
		if ago, expired := h.expired(now); expired {
			t.env.notef("The token expired %s ago.\n", duration.HumanDuration(ago))
		}
		claims, err := claimsOf(string(h.token))
		if err != nil {
			return advise(err, "ask eGain what the token says; kubectl egain status "+name+" shows its scopes and expiry")
		}
		_, _ = fmt.Fprintf(t.env.content(), "%s\n", claims)
		return nil
	}
	if err := h.refuseExpired(now); err != nil && !t.expired {
		return err
	}
	value := string(h.token)
	if t.header {
		value = string(h.authorization)
	}
	// Exactly the token, for programs; a line of its own, for people.
	if t.env.screen.terminal != nil {
		value += "\n"
	}
	_, _ = fmt.Fprint(t.env.content(), value)
	return nil
}

// claimsOf returns the claims of a JWT (RFC 7519), indented. Its errors hold no part of the token.
func claimsOf(jwt string) (string, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 { // of a JWS, RFC 7515 section 3.1; a JWE has five, and its claims are encrypted
		return "", errors.New("the token is no signed JWT, so it says nothing that can be read")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var indented bytes.Buffer
	if err != nil || json.Indent(&indented, payload, "", "  ") != nil {
		return "", errors.New("the token looks like a JWT, but its claims are no JSON")
	}
	return indented.String(), nil
}
