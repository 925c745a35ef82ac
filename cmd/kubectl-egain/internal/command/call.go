package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/apierror"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/plain"
)

// callTimeout is how long a call may take by default, from the dial to the last byte.
const callTimeout = 30 * time.Second

// call is the command line of kubectl egain call.
type call struct {
	env     *environment
	method  string
	data    string
	headers []string
	include bool
	yes     bool
	timeout time.Duration
}

func newCallCommand(env *environment) *cobra.Command {
	c := &call{env: env}
	cmd := &cobra.Command{
		Use:   "call NAME PATH",
		Short: "Call eGain's API with the token",
		Long: `Call eGain's API with the token of an EgainClient. PATH is appended to the API URL in the token's Secret. A full URL must have the
same host, since the token is sent there. Redirects are shown, not followed.

The API URL must be the EgainTenant's, or on a host of the site that issued the token. The command asks about any other; without
a terminal it fails unless --yes is given. Requests that the operator's flags forbid are not sent.

The body of the answer goes to standard output, its status to standard error. Pipes and files get the exact body; on a terminal,
control and invisible characters are escaped. A status of 400 and above is a failure. The tenant's CA bundle is trusted, and
HTTPS_PROXY is used.`,
		Example: `  kubectl egain call knowledge-sync '/knowledge/portalmgr/v4/portals?$lang=en-US'
  kubectl egain call knowledge-sync /core/aiservices/v4/... -d @question.json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: env.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0], args[1]) },
	}
	cmd.Flags().StringVarP(&c.method, "request", "X", "", "HTTP method; default: GET, or POST with --data")
	cmd.Flags().StringVarP(&c.data, "data", "d", "", "body to send: the text itself, @FILE to read a file, or - to read standard input")
	cmd.Flags().StringArrayVarP(&c.headers, "header", "H", nil, "`header` to send, as \"Name: value\"; may be repeated")
	cmd.Flags().BoolVarP(&c.include, "include", "i", false, "print the headers of the answer before its body")
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask before the token is sent to a host of another site")
	env.addRulesFlag(cmd.Flags())
	cmd.Flags().DurationVar(&c.timeout, "timeout", callTimeout, "timeout of the whole call")
	return cmd
}

func (c *call) run(cmd *cobra.Command, name, path string) error {
	if c.timeout <= 0 {
		return usagef("--timeout must be positive, not %s", c.timeout)
	}
	ctx, hasBody := cmd.Context(), cmd.Flags().Changed("data")
	namespace, err := c.env.namespace()
	if err != nil {
		return err
	}
	r := c.env.rules(ctx, namespace)
	h, err := c.env.held(ctx, name)
	if err != nil {
		return err
	}
	if err := h.refuseExpired(c.env.clock.Now()); err != nil {
		return err
	}
	req, err := c.newRequest(ctx, h, path, hasBody)
	if err != nil {
		return err
	}
	httpClient, err := c.client(ctx, r, h)
	if err != nil {
		return err
	}
	resp, err := httpClient.Do(req)
	if f := fault.Of(err); ruleAdvice(f) != "" {
		return fmt.Errorf("calling the API: %w", f)
	}
	if err != nil {
		return advise(fmt.Errorf("calling the API: %w", err),
			"check that this machine reaches the host, through HTTPS_PROXY if needed, and trusts its certificate: caBundleRef of the tenant adds a CA")
	}
	defer resp.Body.Close() //nolint:errcheck // all that is wanted of it has been read
	var head apierror.Head
	if err := c.print(resp, &head); err != nil {
		return err
	}
	return verdict(apierror.Read(resp, head.Bytes(), c.env.clock.Now()), h)
}

// client makes the client of the API, once the token may go there.
func (c *call) client(ctx context.Context, r rules, h *held) (*http.Client, error) {
	tenant, err := c.env.ownTenant(ctx, h.client)
	if err != nil {
		return nil, err
	}
	cluster, err := c.env.cluster()
	if err != nil {
		return nil, err
	}
	bundle, err := lookup.CABundle(ctx, cluster, tenant.CABundleRef)
	if err != nil {
		return nil, err
	}
	httpClient, err := c.env.http(r.forAPI(), tenant.Name, bundle, c.timeout)
	if err != nil {
		return nil, err
	}
	return httpClient, c.confirmHost(ctx, lookup.APIDoubt(h.client, tenant, h.secret))
}

// confirmHost asks about an API that is not known to be the tenant's. A doubt is why not; "" if it is.
func (c *call) confirmHost(ctx context.Context, doubt string) error {
	if doubt == "" || c.yes {
		return nil
	}
	if !c.env.answers {
		return advise(errors.New(doubt+", and there is no terminal to ask at: the token was not sent"),
			"if the host is right, pass --yes, or set endpoints.apiURL of the EgainTenant")
	}
	c.env.paragraph(doubt + ".")
	agreed, err := newPrompter(c.env).confirm(ctx, "Send the token there?")
	if err == nil && !agreed {
		return advise(errors.New("the token was not sent"), "set endpoints.apiURL of the EgainTenant to the API domain that the eGain console shows")
	}
	return err
}

func (c *call) newRequest(ctx context.Context, h *held, path string, hasBody bool) (*http.Request, error) {
	target, err := resolve(h.apiURL, path)
	if err != nil {
		return nil, err
	}
	header, err := parseHeaders(c.headers)
	if err != nil {
		return nil, err
	}
	method, body := c.method, []byte(nil)
	if hasBody {
		if body, err = c.body(); err != nil {
			return nil, err
		}
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
	}
	if method == "" {
		method = http.MethodGet
		if hasBody {
			method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, usagef("creating the request: %w", err)
	}
	if header.Get("Accept") == "" {
		header.Set("Accept", "application/json")
	}
	req.Header = header
	req.Header.Set("Authorization", string(h.authorization))
	return req, nil
}

// body reads what --data names.
func (c *call) body() ([]byte, error) {
	file, isFile := strings.CutPrefix(c.data, "@")
	switch {
	case c.data == "-", file == "-" && isFile:
		return io.ReadAll(c.env.In)
	case isFile:
		content, err := os.ReadFile(file) //nolint:gosec // the user names it
		if err != nil {
			return nil, advise(fmt.Errorf("reading the body to send: %w", err), "pass another file to -d, or the body itself")
		}
		return content, nil
	default:
		return []byte(c.data), nil
	}
}

// resolve returns the URL of a call, which is always one of the API's host: the token goes there.
func resolve(apiURL, path string) (*url.URL, error) {
	base, err := apiBase(apiURL)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(path)
	if err != nil {
		return nil, usagef("%q is not an API path: use one such as /knowledge/portalmgr/v4/portals", path)
	}
	if isPath(u) {
		return lookup.UnderAPI(base, u), nil
	}
	if u.User != nil || u.Scheme != base.Scheme || origin(u) != origin(base) {
		return nil, advise(usagef("%q is not on the API's host %s, and the token is only sent there", path, base.Host),
			"pass a path, which is appended to "+base.Scheme+"://"+base.Host+base.Path)
	}
	u.Fragment = ""
	return u, nil
}

// isPath reports whether a URL names no host.
func isPath(u *url.URL) bool {
	return u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == ""
}

// apiBase reads the API URL of a target.
func apiBase(apiURL string) (*url.URL, error) {
	if apiURL == "" {
		return nil, advise(errors.New("the target Secret has no API URL"), "set endpoints.apiURL of the tenant, then run kubectl egain renew")
	}
	base, err := url.Parse(apiURL)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, advise(errors.New("the API URL in the target Secret is not an https URL"), "correct endpoints.apiURL of the tenant")
	}
	return base, nil
}

// origin is the host and port that an https URL leads to.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// ownHeaders are those that the call sets by itself.
var ownHeaders = []string{"Authorization", "Host", "Content-Length", "Transfer-Encoding", "Proxy-Authorization"}

func parseHeaders(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		switch {
		case !found || name == "":
			return nil, usagef(`a --header is not "Name: value"`)
		case slices.Contains(ownHeaders, name):
			return nil, usagef("the header %s is set by this command: omit it", name)
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}

// print writes the status to standard error and the body, after the headers if they are asked for, to standard output. The
// beginning of the body goes to head too.
func (c *call) print(resp *http.Response, head io.Writer) error {
	c.env.notef("%s %s\n", resp.Proto, plain.Line(resp.Status))
	if c.include {
		for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
			for _, value := range resp.Header[name] {
				c.env.printf("%s: %s\n", plain.Line(name), plain.Line(value))
			}
		}
		c.env.printf("\n")
	}
	if _, err := io.Copy(c.env.content(), io.TeeReader(resp.Body, head)); err != nil {
		return advise(fmt.Errorf("reading the answer: %w", err), "try again, with a longer --timeout if it ran out")
	}
	if c.env.screen.terminal != nil {
		c.env.printf("\n")
	}
	return nil
}

// verdict turns an error answer into an error that says what to do.
func verdict(a apierror.Answer, h *held) error {
	name := h.client.Name
	what, next, known := a.Explain(name)
	switch {
	case known && a.Status == http.StatusForbidden:
		return advise(fmt.Errorf("the API %s: the token has the scopes %s", what, scopesOf(h)), next)
	case known && a.Status >= http.StatusBadRequest:
		return advise(errors.New("the API "+what), next)
	case a.Status == http.StatusUnauthorized:
		return advise(fmt.Errorf("the API does not accept the token (%s): it is expired, revoked or of another tenant", a),
			"run kubectl egain renew "+name+" --wait, then see kubectl egain status "+name)
	case a.Status == http.StatusForbidden:
		return advise(fmt.Errorf("the API accepts the token, but not for this call (%s): the token has the scopes %s", a, scopesOf(h)),
			"add the scope that eGain documents for the call to spec.scopes, and check that the flow takes scopes of that kind")
	case a.Status >= http.StatusBadRequest:
		return advise(fmt.Errorf("the API answered %s", a), "see the answer above and eGain's documentation of the call")
	case a.Status >= http.StatusMultipleChoices && a.Status != http.StatusNotModified:
		return advise(fmt.Errorf("the API answered with a redirect (HTTP %d), which is not followed", a.Status),
			"call the URL in its Location header, shown by -i, if it is on the same host")
	default:
		return nil
	}
}

func scopesOf(h *held) string {
	if tok := h.client.Status.Token; tok != nil && len(tok.Scopes) > 0 {
		return strings.Join(tok.Scopes, " ")
	}
	return "that eGain granted"
}
