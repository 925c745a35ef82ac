package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// revoke is the command line of kubectl egain revoke.
type revoke struct {
	env     *environment
	session bool
	yes     bool
	noRenew bool
	// tenant and application, in place of a name, are those whose EgainClients all lose their tokens.
	tenant, application string
}

func newRevokeCommand(env *environment) *cobra.Command {
	r := &revoke{env: env}
	cmd := &cobra.Command{
		Use:   "revoke (NAME | --tenant TENANT --application APPLICATION)",
		Short: "Revoke the token, or end the session, of an EgainClient",
		Long: `Have eGain revoke the access token that an EgainClient's Secret holds (RFC 7009), as when it was seen by somebody. Workloads
that use it are refused until they read the next one, for which the operator is asked at once unless --no-renew is given.

With --session the refresh token of flow AuthorizationCode is revoked as well, and taken out of the session Secret: there is no
next token before somebody has run kubectl egain login.

With --tenant and --application the access tokens of all EgainClients that name an application of an EgainTenant are revoked,
in all namespaces, also of those that it no longer allows. That takes the right to read its Secret, and theirs.

A token of a tenant that no longer allows the EgainClient is revoked at that tenant. While the documents of an EgainTenant cannot
be read, the endpoint in its status serves. What the operator's flags refuse is not sent.`,
		Example: `  kubectl egain revoke knowledge-sync
  kubectl egain revoke my-session --session --yes
  kubectl egain revoke --tenant acme --application default`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch named := r.tenant != "" || r.application != ""; {
			case named == (len(args) == 1):
				return usagef("say whose token: the name of an EgainClient, or --tenant and --application")
			case named:
				return r.runApplication(cmd.Context())
			default:
				return r.run(cmd.Context(), args[0])
			}
		},
	}
	cmd.Flags().BoolVar(&r.session, "session", false, "end the session of flow AuthorizationCode")
	cmd.Flags().StringVar(&r.tenant, "tenant", "", "with --application: the EgainTenant")
	cmd.Flags().StringVar(&r.application, "application", "", "the application whose EgainClients all lose their tokens")
	cmd.Flags().BoolVarP(&r.yes, "yes", "y", false, "do not ask for a confirmation")
	env.addRulesFlag(cmd.Flags())
	cmd.Flags().BoolVar(&r.noRenew, "no-renew", false, "leave the revoked token where it is, until it is renewed in its time")
	return cmd
}

// doomed is a token to be revoked.
type doomed struct {
	kind  oauth.TokenKind
	token oauth.Secret
	// secret is where it is.
	secret *corev1.Secret
}

func (r *revoke) run(ctx context.Context, name string) error {
	ec, err := r.env.egainClient(ctx, name)
	if err != nil {
		return err
	}
	if r.session && ec.Spec.AuthorizationCode == nil {
		return usagef("EgainClient %q has flow %s, which has no session: leave --session out", name, ec.Spec.Flow)
	}
	p, err := r.provider(ctx, ec)
	if err != nil {
		return err
	}
	tokens, err := r.tokens(ctx, ec)
	if err != nil {
		return err
	}
	if err := r.confirm(ctx, ec, tokens); err != nil {
		return err
	}
	for _, t := range tokens {
		if err := r.revoke(ctx, ec, p, t); err != nil {
			return err
		}
	}
	if r.session {
		r.env.notef("There is no next token before somebody has run kubectl egain login %s.\n", name)
		return nil
	}
	return r.renew(ctx, ec)
}

// provider finds the revocation endpoint, of a tenant that no longer allows the client, too.
func (r *revoke) provider(ctx context.Context, ec *egainv1alpha1.EgainClient) (*provider, error) {
	tenant, err := r.env.ownTenant(ctx, ec)
	if err != nil {
		return nil, err
	}
	p, err := r.env.provider(ctx, ec, tenant, func(e oauth.Endpoints) string { return e.RevocationURL })
	if err == nil && p.endpoints.RevocationURL == "" {
		err = advise(errors.New("the tenant has no revocation endpoint, neither in its spec nor in its metadata document"),
			"set endpoints.revocationURL of the tenant if eGain has one, or have the token revoked in the eGain console")
	}
	return p, err
}

// tokens are those to revoke: the session's first, so that the operator does not get another access token from it.
func (r *revoke) tokens(ctx context.Context, ec *egainv1alpha1.EgainClient) ([]doomed, error) {
	var tokens []doomed
	if r.session {
		t, err := r.refreshToken(ctx, ec)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
	}
	t, err := r.accessToken(ctx, ec)
	if err != nil {
		return nil, err
	}
	if t.token != "" {
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 {
		return nil, advise(fmt.Errorf("the Secret %q holds no token of EgainClient %q, so there is nothing to revoke", ec.TargetName(), ec.Name),
			"see why with kubectl egain status "+ec.Name)
	}
	return tokens, nil
}

// accessToken is that of the target; empty if there is none, or the target is another owner's.
func (r *revoke) accessToken(ctx context.Context, ec *egainv1alpha1.EgainClient) (doomed, error) {
	secret, err := r.read(ctx, ec, ec.TargetName())
	if err != nil {
		return doomed{}, err
	}
	t := doomed{kind: oauth.AccessToken, secret: secret}
	if claim, _ := target.ClaimOn(secret, ec); claim == target.ClaimOurs {
		t.token = oauth.Secret(secret.Data[target.KeyAccessToken])
	}
	return t, nil
}

func (r *revoke) refreshToken(ctx context.Context, ec *egainv1alpha1.EgainClient) (doomed, error) {
	name := string(ec.Spec.AuthorizationCode.SessionSecretRef.Name)
	secret, err := r.read(ctx, ec, name)
	if err != nil {
		return doomed{}, err
	}
	token, err := session.RefreshToken(secret, client.ObjectKeyFromObject(ec))
	if err != nil {
		return doomed{}, advise(fmt.Errorf("the Secret %q holds no session that could be ended", name), "begin one with kubectl egain login "+ec.Name)
	}
	return doomed{kind: oauth.RefreshToken, token: token, secret: secret}, nil
}

// read returns an empty Secret if there is none.
func (r *revoke) read(ctx context.Context, ec *egainv1alpha1.EgainClient, name string) (*corev1.Secret, error) {
	c, err := r.env.cluster()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: name}, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", name, err)
	}
	return secret, nil
}

// confirm asks whoever sits at a terminal. Without one, --yes has to say it.
func (r *revoke) confirm(ctx context.Context, ec *egainv1alpha1.EgainClient, tokens []doomed) error {
	var what []string
	for _, t := range tokens {
		what = append(what, fmt.Sprintf("the %s in Secret %q", words[t.kind], t.secret.Name))
	}
	return r.agree(ctx, fmt.Sprintf("Revoke %s, namespace %q?", strings.Join(what, " and "), ec.Namespace), fmt.Sprintf("the token of EgainClient %q is", ec.Name))
}

// agree asks a question, unless --yes answers it.
func (r *revoke) agree(ctx context.Context, question, subject string) error {
	if r.yes {
		return nil
	}
	if !isTerminal(r.env.In) {
		return usagef("cannot ask for confirmation without a terminal: give --yes if %s to be revoked", subject)
	}
	agreed, err := newPrompter(r.env).confirm(ctx, question)
	if err == nil && !agreed {
		return advise(errors.New("nothing was revoked"), "answer y, or give --yes")
	}
	return err
}

var words = map[oauth.TokenKind]string{oauth.AccessToken: "access token", oauth.RefreshToken: "refresh token"}

// revoke revokes one token. A refresh token that was revoked is taken out of its Secret, since the operator must not send it.
func (r *revoke) revoke(ctx context.Context, ec *egainv1alpha1.EgainClient, p *provider, t doomed) error {
	if err := p.client.Revoke(ctx, p.http, p.endpoints.RevocationURL, p.credentials, t.kind, t.token); err != nil {
		return fmt.Errorf("revoking the %s: %w", words[t.kind], err)
	}
	r.env.printf("egainclient/%s: %s revoked\n", ec.Name, words[t.kind])
	if t.kind == oauth.AccessToken {
		return nil
	}
	store, err := r.env.sessionStore(ec)
	if err != nil {
		return err
	}
	err = store.end(ctx, t.secret)
	if apierrors.IsConflict(err) {
		return advise(fmt.Errorf("the refresh token was revoked, but Secret %q changed meanwhile and was left as it is", t.secret.Name),
			"run kubectl egain revoke "+ec.Name+" --session again, unless somebody has logged in just now")
	}
	if err != nil {
		return fmt.Errorf("taking the refresh token out of Secret %q: %w", t.secret.Name, err)
	}
	return nil
}

// renew asks the operator for the next token, by the annotation of kubectl egain renew.
func (r *revoke) renew(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if r.noRenew {
		r.env.notef("The revoked token stays in Secret %q until it is renewed: kubectl egain renew %s does so.\n", ec.TargetName(), ec.Name)
		return nil
	}
	if err := requestRenewal(ctx, r.env, ec, r.env.clock.Now()); err != nil {
		return advise(fmt.Errorf("asking for the next token: %w", err), "run kubectl egain renew "+ec.Name+" as somebody who may patch EgainClients")
	}
	r.env.printf("egainclient/%s: renewal requested\n", ec.Name)
	return nil
}
