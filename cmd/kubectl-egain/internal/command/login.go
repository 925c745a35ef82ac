package command

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cli/browser"
	"github.com/spf13/cobra"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/loopback"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
)

// loginTimeout is how long a user may take at the browser by default.
const loginTimeout = 5 * time.Minute

// login is the command line of kubectl egain login.
type login struct {
	env       *environment
	noBrowser bool
	yes       bool
	wait      bool
	timeout   time.Duration
}

func newLoginCommand(env *environment) *cobra.Command {
	l := &login{env: env}
	cmd := &cobra.Command{
		Use:   "login NAME",
		Short: "Log in at eGain for an EgainClient of flow AuthorizationCode",
		Long: `Log in at eGain for an EgainClient of flow AuthorizationCode, as the user or customer that its tokens are for.

The browser opens eGain's login page, which redirects to spec.authorizationCode.redirectURL on this machine. The command stores
the refresh token in the session Secret, and the operator renews the access token with it until the session ends. The login uses
PKCE (S256), and no token is shown.

With --no-browser, or with a redirect URL on another machine, open the address in any browser, and paste the address that it
shows after the login.

Before the browser opens, the command shows the host of the login page and the host that gets the code and the client secret. It
asks about a host of another site than the tenant's URL. It also asks if the answer does not name its server (iss, RFC 9207): a
hostile login page can forward you to another server to get your code. Without a terminal it fails instead, unless --yes is
given. An answer that names another server is always refused.

Requests that the operator's flags forbid are not sent.`,
		Example: `  kubectl egain login my-session
  kubectl egain login my-session --no-browser`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return l.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&l.noBrowser, "no-browser", false, "do not open a browser; paste the answer instead")
	cmd.Flags().BoolVarP(&l.yes, "yes", "y", false, "do not ask about hosts: you have checked those of the tenant")
	cmd.Flags().BoolVar(&l.wait, "wait", true, "wait until the operator has stored the first token")
	cmd.Flags().DurationVar(&l.timeout, "timeout", loginTimeout, "how long to wait for the login at the browser")
	env.addRulesFlag(cmd.Flags())
	return cmd
}

// attempt is one login.
type attempt struct {
	*login
	client   *egainv1alpha1.EgainClient
	provider *provider
	store    *sessionStore
	prompter *prompter
	// state and verifier are of this login alone.
	state    string
	verifier oauth.Secret
}

func (l *login) run(ctx context.Context, name string) error {
	if l.timeout <= 0 {
		return usagef("--timeout must be positive, not %s", l.timeout)
	}
	a, err := l.begin(ctx, name)
	if err != nil {
		return err
	}
	answer, err := a.answer(ctx)
	if err != nil {
		return err
	}
	if err := a.confirmServer(ctx, answer); err != nil {
		return err
	}
	session, err := a.redeem(ctx, answer.Code)
	if err != nil {
		return err
	}
	if err := a.store.store(ctx, session); err != nil {
		return err
	}
	l.env.notef("Logged in. The refresh token is in Secret %q%s.\n", a.store.name(), a.until(session))
	if refused := a.store.refused; len(refused) > 0 {
		text := fmt.Sprintf("Scopes not granted: %s. Have them granted at eGain and log in again, or remove them from spec.scopes.", strings.Join(refused, ", "))
		for _, line := range view.Wrap(text, columns) {
			l.env.notef("%s\n", line)
		}
	}
	if !l.wait {
		return nil
	}
	return l.env.awaitLogin(ctx, a.client)
}

// begin reads all that the login takes, and finds out before it whether its outcome can be kept.
func (l *login) begin(ctx context.Context, name string) (*attempt, error) {
	ec, err := l.env.egainClient(ctx, name)
	if err != nil {
		return nil, err
	}
	if ec.Spec.AuthorizationCode == nil {
		return nil, advise(fmt.Errorf("EgainClient %q has flow %s, which needs no login", name, ec.Spec.Flow),
			"use an EgainClient of flow AuthorizationCode; kubectl egain status "+name+" describes this one")
	}
	a := &attempt{login: l, client: ec, state: rand.Text(), verifier: oauth.NewVerifier()}
	a.prompter = &prompter{env: l.env, in: bufio.NewReader(io.LimitReader(l.env.In, maxLine))}
	tenant, err := l.env.tenant(ctx, ec)
	if err != nil {
		return nil, err
	}
	if a.provider, err = l.env.provider(ctx, ec, tenant, func(e oauth.Endpoints) string { return e.AuthorizationURL }); err != nil {
		return nil, err
	}
	if err := tenant.AdmitScopes(ec, a.provider.endpoints.ScopePrefix); err != nil {
		return nil, err
	}
	a.hint(ctx)
	if a.store, err = l.env.sessionStore(ec); err != nil {
		return nil, err
	}
	return a, a.store.rehearse(ctx)
}

// domainHint is the parameter of a login by which a gateway that tenants share finds the right one.
const domainHint = "domain_hint"

// hint finds the domain hint out if no parameter gives it. A login may do without: only a shared gateway needs it.
func (a *attempt) hint(ctx context.Context) {
	if _, given := request.LoginParameters(a.client)[domainHint]; given {
		return
	}
	if err := a.provider.hint(ctx); err != nil {
		text := "Could not read " + domainHint + ", and continuing without it: " + err.Error() +
			". If the login page does not find your tenant, set it in spec.authorizationCode.parameters."
		for _, line := range view.Wrap(text, columns) {
			a.env.notef("%s\n", line)
		}
	}
}

// answer makes a person log in, once the hosts are right.
func (a *attempt) answer(ctx context.Context) (loopback.Answer, error) {
	target, err := a.provider.endpoints.LoginURL(oauth.Login{
		ClientID: a.provider.credentials.ClientID, RedirectURL: a.redirectURL(),
		Scopes: a.provider.request.Scopes, State: a.state, Verifier: a.verifier, Parameters: request.LoginParameters(a.client),
	})
	if err != nil {
		return loopback.Answer{}, a.provider.nameFields(err)
	}
	a.introduce(target)
	if err := a.confirmHosts(ctx); err != nil {
		return loopback.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	obtain := a.receive
	if a.noBrowser || !loopback.Serves(a.redirectURL()) {
		obtain = a.readPasted
	}
	answer, err := obtain(ctx, target)
	return answer, a.explain(ctx, err)
}

// expected is the answer to this login.
func (a *attempt) expected() loopback.Expected {
	return loopback.Expected{State: a.state, Issuer: a.provider.endpoints.CheckIssuer}
}

func (a *attempt) redirectURL() string { return string(a.client.Spec.AuthorizationCode.RedirectURL) }

// introduce says who asks for what, before anybody is asked for a password.
func (a *attempt) introduce(target string) {
	query := url.Values{}
	if u, err := url.Parse(target); err == nil {
		query = u.Query()
	}
	rows := [][]view.Cell{
		{view.Text("at"), view.Text(hostOf(target))},
		{view.Text("code sent to"), view.Text(hostOf(a.provider.endpoints.TokenURL) + a.secretSent())},
		{view.Text("as"), view.Text(actorWords[a.client.Spec.AuthorizationCode.Actor])},
		{view.Text("for client"), view.Text(a.provider.credentials.ClientID)},
	}
	for i, scope := range a.provider.request.Scopes {
		title := ""
		if i == 0 {
			title = "with scopes"
		}
		rows = append(rows, []view.Cell{view.Text(title), view.Text(scope)})
	}
	names := append(slices.Collect(maps.Keys(request.LoginParameters(a.client))), domainHint)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if query.Has(name) {
			rows = append(rows, []view.Cell{view.Text("with " + name), view.Text(query.Get(name))})
		}
	}
	rows = append(rows, []view.Cell{view.Text("kept in"), view.Text(fmt.Sprintf("Secret %q, namespace %q", a.store.name(), a.client.Namespace))})
	a.env.notef("Log in for EgainClient %q:\n", a.client.Name)
	for _, line := range (view.Style{}).Lines(view.Table{Rows: rows}, 0) {
		a.env.notef("  %s\n", line)
	}
}

var actorWords = map[egainv1alpha1.Actor]string{
	egainv1alpha1.ActorUser:     "a user (agent)",
	egainv1alpha1.ActorCustomer: "a customer",
}

// receive makes the browser bring the answer to this machine.
func (a *attempt) receive(ctx context.Context, target string) (loopback.Answer, error) {
	receiver, err := loopback.Listen(ctx, a.redirectURL(), a.expected())
	if err != nil {
		return loopback.Answer{}, advise(err, "use --no-browser, or free the port, or register another redirect URL and set spec.authorizationCode.redirectURL")
	}
	defer receiver.Close(ctx)
	a.env.notef("\nOpening your browser. If it does not open, open this address:\n\n%s\n\n", target)
	a.env.browse(target)
	return receiver.Answer(ctx)
}

// openBrowser opens a URL as the desktop does. It does not wait for the browser, which may be one that runs in a terminal and
// ends with it, and keeps quiet: the address is shown anyway.
func openBrowser(target string) {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	go func() { _ = browser.OpenURL(target) }()
}

// maxLine bounds what is pasted: a code, in a URL, and what is answered to questions.
const maxLine = 64 << 10

// readPasted lets a person bring the answer.
func (a *attempt) readPasted(ctx context.Context, target string) (loopback.Answer, error) {
	a.env.notef("\nOpen this address in a browser:\n\n%s\n\n", target)
	a.env.notef("After the login it redirects to %s, which may show an error page.\n", a.redirectURL())
	line, err := a.prompter.pasted(ctx, "Paste the whole address from the address bar, or the code in it")
	a.env.notef("\n")
	if err != nil {
		return loopback.Answer{}, err
	}
	return loopback.ReadPasted(line, a.redirectURL(), a.expected())
}

// explain adds what to do to what went wrong at the browser.
func (a *attempt) explain(ctx context.Context, err error) error {
	refused, isRefused := errors.AsType[*loopback.RefusedError](err)
	_, ofAnother := errors.AsType[*oauth.IssuerError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return advise(fmt.Errorf("no login within %s", a.timeout), "run kubectl egain login "+a.client.Name+" again, with a longer --timeout if needed")
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return advise(errors.New("interrupted: nothing was stored"), "run kubectl egain login "+a.client.Name+" again")
	case isRefused:
		return advise(err, refusalAdvice(refused.Code))
	case ofAnother:
		return advise(err, "do not log in there again before you have checked the tenant's hosts: its login page may forward to another server; the code was not sent")
	case errors.Is(err, loopback.ErrState):
		return advise(err, "paste the address of the latest login, or run kubectl egain login "+a.client.Name+" again")
	default:
		return err
	}
}

// refusalAdvice is for the codes of RFC 6749 section 4.1.2.1.
func refusalAdvice(code string) string {
	switch code {
	case "access_denied":
		return "log in again and allow the access, or ask an administrator of the eGain tenant why it is denied"
	case "invalid_scope":
		return "correct spec.scopes: a login gives delegated scopes, and only those that the client application may ask for"
	case "unauthorized_client", "unsupported_response_type":
		return "allow the authorization code flow for the client application in the eGain console"
	case "temporarily_unavailable", "server_error":
		return "try again later: the server failed"
	default:
		return "check the client application in the eGain console: its redirect URL, scopes and flow"
	}
}

// redeem trades the code for the session's refresh token. The access token that comes with it is dropped: the operator asks for
// its own.
func (a *attempt) redeem(ctx context.Context, code oauth.Secret) (session.Content, error) {
	tok, err := a.provider.client.Token(ctx, a.provider.http, a.provider.request.Complete(request.Secrets{
		Credentials: a.provider.credentials, Session: oauth.Session{Code: code, Verifier: a.verifier},
	}))
	if f := fault.Of(err); f != nil && f.Reason == fault.ReasonClientRejected {
		return session.Content{}, advise(err, "correct Secret "+string(a.client.Spec.CredentialsSecretRef.Name)+
			": a confidential client application needs its client_secret there, a public one (Single Page Application) must have none")
	}
	if err != nil {
		return session.Content{}, a.provider.nameFields(err)
	}
	if tok.RefreshToken == "" {
		return session.Content{}, advise(errors.New("the login succeeded, but eGain issued no refresh token, which the operator needs: nothing was stored"),
			refreshAdvice(a.provider.request.Scopes))
	}
	a.store.granted, a.store.refused = tok.Scopes, oauth.NotGranted(a.provider.request.Scopes, tok.Scopes)
	return session.Content{RefreshToken: tok.RefreshToken, ExpirationTime: tok.RefreshExpirationTime}, nil
}

// refreshAdvice says what brings a refresh token, by the scopes of a login that brought none.
func refreshAdvice(scopes []string) string {
	if slices.Contains(scopes, "offline_access") {
		return "log in again with prompt=consent (spec.authorizationCode.parameters: {prompt: consent}), since earlier consent may not include offline_access; " +
			"if that does not help, allow refresh tokens for the client application in the eGain console"
	}
	return "allow refresh tokens for the client application in the eGain console, or add the scope offline_access to spec.scopes if the tenant asks for it; then log in again"
}

func (a *attempt) until(s session.Content) string {
	if s.ExpirationTime.IsZero() {
		return ""
	}
	return ", valid until " + s.ExpirationTime.Local().Format(time.DateTime) + " and extended by each refresh"
}
