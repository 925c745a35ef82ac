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
		Short: "Print the token, its header or its claims",
		Long: `Print the token in an EgainClient's target Secret, for use by other programs. An expired token is an error.

With --claims, print the token's claims as JSON instead. They contain neither the token nor its signature, so they can be shared.
The signature is not checked.`,
		Example: `  curl -H "Authorization: $(kubectl egain token knowledge-sync --header)" https://api.ai.egain.cloud/...
  kubectl egain token knowledge-sync --claims`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&t.claims, "claims", false, "print only the claims of the token, a JWT")
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
			return advise(err, "kubectl egain status "+name+" shows its scopes and expiry")
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
		return "", errors.New("the token is not a signed JWT, so it has no readable claims")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var indented bytes.Buffer
	if err != nil || json.Indent(&indented, payload, "", "  ") != nil {
		return "", errors.New("the token looks like a JWT, but its claims are not JSON")
	}
	return indented.String(), nil
}
