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
		Short: "Revoke the token of an EgainClient, or end its session",
		Long: `Revoke the access token in an EgainClient's target Secret at eGain (RFC 7009), for example after a leak. eGain refuses the token
from then on, so workloads fail until they read the next one. The command also requests a renewal, unless --no-renew is given.

With --session, also revoke the refresh token of flow AuthorizationCode and remove it from the session Secret. The operator gets no
token until a user runs kubectl egain login.

With --tenant and --application, revoke the access tokens of all EgainClients that use the application of the EgainTenant, in all
namespaces, including those that the EgainTenant no longer allows. You need permission to read the Secrets of the application and
of the EgainClients.

A token is revoked even if its tenant no longer allows the EgainClient. If the documents of an EgainTenant cannot be read, the
endpoint in its status is used. Requests that the operator's flags forbid are not sent.`,
		Example: `  kubectl egain revoke knowledge-sync
  kubectl egain revoke my-session --session --yes
  kubectl egain revoke --tenant acme --application default`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch named := r.tenant != "" || r.application != ""; {
			case named == (len(args) == 1):
				return usagef("pass either the NAME of an EgainClient, or --tenant and --application")
			case named:
				return r.runApplication(cmd.Context())
			default:
				return r.run(cmd.Context(), args[0])
			}
		},
	}
	cmd.Flags().BoolVar(&r.session, "session", false, "also end the session of flow AuthorizationCode")
	cmd.Flags().StringVar(&r.tenant, "tenant", "", "EgainTenant of --application")
	cmd.Flags().StringVar(&r.application, "application", "", "application whose EgainClients all lose their tokens; needs --tenant")
	cmd.Flags().BoolVarP(&r.yes, "yes", "y", false, "do not ask for confirmation")
	env.addRulesFlag(cmd.Flags())
	cmd.Flags().BoolVar(&r.noRenew, "no-renew", false, "request no renewal: the revoked token stays in the Secret until it is due")
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
		return usagef("EgainClient %q has flow %s, which has no session: omit --session", name, ec.Spec.Flow)
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
		r.env.notef("There is no new token until a user runs kubectl egain login %s.\n", name)
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
		err = advise(errors.New("the tenant has no revocation endpoint in its spec or metadata document"),
			"set endpoints.revocationURL of the tenant if eGain has one, or revoke the token in the eGain console")
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
		return nil, advise(fmt.Errorf("the Secret %q contains no token of EgainClient %q: nothing to revoke", ec.TargetName(), ec.Name),
			"see the reason with kubectl egain status "+ec.Name)
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
		return doomed{}, advise(fmt.Errorf("the Secret %q contains no session", name), "log in with kubectl egain login "+ec.Name)
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

// confirm asks the user at a terminal. Without one, --yes is required.
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
		return usagef("no terminal to ask for confirmation: pass --yes if %s to be revoked", subject)
	}
	agreed, err := newPrompter(r.env).confirm(ctx, question)
	if err == nil && !agreed {
		return advise(errors.New("nothing was revoked"), "answer y, or pass --yes")
	}
	return err
}

var words = map[oauth.TokenKind]string{oauth.AccessToken: "access token", oauth.RefreshToken: "refresh token"}

// revoke revokes one token. A refresh token that was revoked is taken out of its Secret, since the operator must not send it.
func (r *revoke) revoke(ctx context.Context, ec *egainv1alpha1.EgainClient, p *provider, t doomed) error {
	if err := p.client.Revoke(ctx, p.http, p.endpoints.RevocationURL, p.credentials, t.kind, t.token); err != nil {
		return fmt.Errorf("revoking the %s: %w", words[t.kind], p.nameFields(err))
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
		return advise(fmt.Errorf("the refresh token was revoked, but Secret %q was changed at the same time and still contains one", t.secret.Name),
			"run kubectl egain revoke "+ec.Name+" --session again, unless a user has just logged in")
	}
	if err != nil {
		return fmt.Errorf("removing the refresh token from Secret %q: %w", t.secret.Name, err)
	}
	return nil
}

// renew asks the operator for the next token, by the annotation of kubectl egain renew.
func (r *revoke) renew(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if r.noRenew {
		r.env.notef("The revoked token stays in Secret %q until it is renewed: kubectl egain renew %s\n", ec.TargetName(), ec.Name)
		return nil
	}
	if err := requestRenewal(ctx, r.env, ec, r.env.clock.Now()); err != nil {
		return advise(fmt.Errorf("requesting the next token: %w", err), "run kubectl egain renew "+ec.Name+" as a user who may patch EgainClients")
	}
	r.env.printf("egainclient/%s: renewal requested\n", ec.Name)
	return nil
}
