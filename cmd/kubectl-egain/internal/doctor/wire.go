package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

const (
	// requestTimeout bounds a request: a user waits for it.
	requestTimeout = 15 * time.Second
	// certificateNotice is how long before its end a certificate is warned of; those that are renewed by a machine have been by then.
	certificateNotice = 14 * 24 * time.Hour
	// maxSkew is the difference of clocks that is let pass: the Date header has whole seconds, and JWTs are commonly checked with a minute to spare.
	maxSkew = 30 * time.Second
	// mask takes the place of a secret.
	mask = "••••"
)

// server is where tokens are issued: the URL's root.
func (e *examination) server() *url.URL {
	u, err := url.Parse(e.endpoints.TokenURL)
	if err != nil {
		return &url.URL{}
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
}

// rootAnswer is what came of a request for the root of a server: a failure, or its certificates and time.
type rootAnswer struct {
	err error
	tls *tls.ConnectionState
	// date is the server's idea of the time, zero if it does not say, and heard when it was heard.
	date, heard time.Time
}

// askRoot asks for the root of the server, without credentials, once for all checks.
func (e *examination) askRoot(ctx context.Context) *rootAnswer {
	if e.root != nil {
		return e.root
	}
	e.root = &rootAnswer{}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.server().String(), nil)
	if err != nil {
		e.root.err = err
		return e.root
	}
	resp, err := e.http.Do(req)
	if err != nil {
		e.root.err = err
		return e.root
	}
	defer resp.Body.Close() //nolint:errcheck // nothing was asked of the body
	e.root.tls, e.root.heard = resp.TLS, e.Clock.Now()
	e.root.date, _ = http.ParseTime(resp.Header.Get("Date"))
	return e.root
}

func (e *examination) dns(ctx context.Context) Finding {
	server := e.server()
	if err := e.askRoot(ctx).err; refusedByRule(err) {
		return broken(fault.Of(err).Message, ruleAdvice)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: server})
	if err == nil && proxy != nil {
		return Finding{Status: Skipped, Message: "a proxy resolves " + server.Hostname() + " (HTTPS_PROXY)"}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, server.Hostname())
	if err != nil {
		return broken(server.Hostname()+" has no address in DNS, as seen from this machine",
			"correct the host in the tenant's URLs; for a private name, check the cluster's DNS")
	}
	return ok(fmt.Sprintf("%s is %s, as seen from this machine", server.Hostname(), strings.Join(addresses, ", ")))
}

// tls looks at the certificate of the server.
func (e *examination) tls(ctx context.Context) Finding {
	root := e.askRoot(ctx)
	if root.err != nil {
		return unreachable(root.err, e.server())
	}
	return certified(root.tls, root.heard, e.server())
}

func certified(state *tls.ConnectionState, now time.Time, server *url.URL) Finding {
	if state == nil || len(state.PeerCertificates) == 0 {
		return warning(server.Host+" presented no certificate", "check for a proxy between this machine and the server")
	}
	end := state.PeerCertificates[0].NotAfter
	for _, c := range state.PeerCertificates {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	said := fmt.Sprintf("%s has a trusted certificate until %s (%s)", server.Host, end.UTC().Format(time.DateOnly), tls.VersionName(state.Version))
	if end.Sub(now) < certificateNotice {
		return warning(said, "have the certificate renewed: token requests fail once it has expired")
	}
	return ok(said)
}

// unreachable says why a server was not reached, in words without addresses.
func unreachable(err error, server *url.URL) Finding {
	if f := fault.Of(err); f != nil {
		return broken(f.Message, ruleAdvice)
	}
	if said, advice := untrusted(err); said != "" {
		return broken("the certificate of "+server.Host+said, advice)
	}
	op, isOp := errors.AsType[*net.OpError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isRecord:
		return broken(server.Host+" does not speak TLS", "correct the port in the tenant's URLs")
	case isOp && op.Op == "remote error": // how crypto/tls reports an alert
		return broken(server.Host+" refuses the TLS connection", "ask its owner whether it needs a client certificate or TLS older than 1.2: the operator supports neither")
	case isNet && timeout.Timeout():
		return broken(server.Host+" did not answer in time", "check firewalls, and whether HTTPS_PROXY is needed")
	case !isOp || op.Op == "read" || op.Op == "write":
		return broken(server.Host+" closed the connection before its answer was complete", "check whether the server, or a proxy or gateway on the way, closes connections")
	default:
		return broken(server.Host+" could not be reached", "check that it runs, check firewalls, and whether HTTPS_PROXY is needed")
	}
}

// untrusted says what is wrong with the certificate of a server, and what to do; empty for another error.
func untrusted(err error) (said, advice string) {
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
		return " has expired, or is not valid yet", "have it renewed, and check the clock of this machine"
	}
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return " is for another name", "correct the host in the tenant's URLs"
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return " is not trusted", "for a private CA, set caBundleRef of the tenant; otherwise the connection may be intercepted"
	}
	return "", ""
}

func (e *examination) skew(ctx context.Context) Finding {
	root := e.askRoot(ctx)
	if root.date.IsZero() {
		return Finding{Status: Skipped, Message: "the server sends no Date header"}
	}
	// The header has whole seconds, so that it is up to one behind.
	ahead := root.date.Sub(root.heard.Truncate(time.Second))
	switch {
	case ahead > maxSkew:
		return warning(fmt.Sprintf("the server's clock is %s ahead of this machine's", ahead), skewAdvice)
	case ahead < -maxSkew:
		return warning(fmt.Sprintf("the server's clock is %s behind this machine's", -ahead), skewAdvice)
	default:
		return ok("the server's clock and this machine's agree")
	}
}

const skewAdvice = "correct the wrong clock (compare date -u with a clock you trust), or tokens seem expired or not yet valid"

// recorder keeps the form that was sent and the status of the answer.
type recorder struct {
	next   http.RoundTripper
	form   url.Values
	status int
}

// RoundTrip reads a copy of the body.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		_ = req.Body.Close()
		r.form, _ = url.ParseQuery(string(body)) // it was encoded by net/url
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := r.next.RoundTrip(req)
	if err == nil {
		r.status = resp.StatusCode
	}
	return resp, err
}

// tokenRequest asks for a token as the operator would, and has it revoked.
func (e *examination) tokenRequest(ctx context.Context) Finding {
	switch {
	case e.draft.Flow == oauth.AuthorizationCode:
		return Finding{Status: Skipped, Message: "not sent: it would use up the refresh token, which works once"}
	case e.client.Application() != "":
		return Finding{Status: Skipped, Message: fmt.Sprintf("not sent: only the operator uses the credentials of application %q", e.client.Application())}
	case e.NoRequest:
		return Finding{Status: Skipped, Message: "not sent (--no-request)"}
	case e.draft.Flow == oauth.TokenExchange && e.secrets.SubjectToken == "":
		return Finding{Status: Skipped, Message: "not sent: only the operator mints the ServiceAccount's token"}
	}
	record := &recorder{next: e.http.Transport}
	recording := *e.http
	recording.Transport = record
	client := &oauth.Client{Now: e.Clock.Now}
	tok, err := client.Token(ctx, &recording, e.addressed.Complete(e.secrets))
	err = e.tenant.NameFields(err)
	details := append([]string{"POST " + e.endpoints.TokenURL}, masked(record.form)...)
	if record.status != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", record.status))
	}
	if err != nil {
		return e.otherSpelling(ctx, client, err, Finding{Status: Broken, Message: err.Error(), Advice: e.requestAdvice(err), Details: details})
	}
	details = append(details, "expires_in "+tok.ExpirationTime.Sub(tok.IssueTime).String(), "scope "+strings.Join(tok.Scopes, " "))
	return Finding{Status: OK, Message: "eGain issued a token; " + e.discard(ctx, client, tok), Details: details}
}

// discard revokes the token of a dry run, if there is a way to.
func (e *examination) discard(ctx context.Context, client *oauth.Client, tok oauth.Token) string {
	if e.endpoints.RevocationURL == "" {
		return "it was not revoked, since the tenant has no revocation endpoint"
	}
	if err := client.Revoke(ctx, e.http, e.endpoints.RevocationURL, e.secrets.Credentials, oauth.AccessToken, tok.AccessToken); err != nil {
		return "it was not revoked: " + err.Error()
	}
	return "it was revoked"
}

// confidential are the form parameters that are secrets.
var confidential = []string{"client_secret", "subject_token", "refresh_token", "code", "code_verifier"}

// masked are the lines of a form, in the order of the names.
func masked(form url.Values) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(form)) {
		value := form.Get(name)
		if slices.Contains(confidential, name) {
			value = mask
		}
		lines = append(lines, "  "+name+"="+value)
	}
	return lines
}

// requestAdvice says where to correct what the server does not accept.
func (e *examination) requestAdvice(err error) string {
	f := fault.Of(err)
	if f == nil {
		return "try again"
	}
	subject := e.subjectAdvice()
	switch {
	case subject != "" && slices.Contains([]string{egainv1alpha1.ReasonSubjectRejected, egainv1alpha1.ReasonRequestRejected}, f.Reason):
		return subject
	case subject != "" && strings.Contains(f.Message, "access_denied"):
		return subject + "; also check that the client application may exchange tokens"
	}
	switch f.Reason {
	case egainv1alpha1.ReasonClientRejected:
		if ref := e.client.Spec.CredentialsSecretRef; ref != nil {
			return fmt.Sprintf("store a current client secret under key %s of Secret %q (the eGain console shows it only once), and check that the client application is enabled for flow %s",
				ref.ClientSecretKey, ref.Name, e.client.Spec.Flow)
		}
		return "this tenant requires credentials of anonymous customers: name their Secret in spec.credentialsSecretRef"
	case egainv1alpha1.ReasonScopeRejected:
		return fmt.Sprintf("correct spec.scopes: flow %s takes %s scopes, and only those of the client application", e.client.Spec.Flow, kinds[e.client.Spec.Flow])
	case egainv1alpha1.ReasonSubjectRejected:
		return "check that eGain knows the user, customer or identity provider in the spec, and that the subject token has not expired"
	}
	if fault.PassesByItself(f.Reason) {
		return "run this again; if it still fails, ask eGain's support, or the owner of the proxy or gateway on the way"
	}
	return "compare the request below with eGain's documentation of the flow"
}

// subjectAdvice says where the subject token is corrected; empty for another flow, and for a ServiceAccount, whose token the doctor
// does not send.
func (e *examination) subjectAdvice() string {
	exchange := e.client.Spec.TokenExchange
	if exchange == nil || exchange.SubjectToken.ServiceAccountToken != nil {
		return ""
	}
	current := fmt.Sprintf("check that it has not expired, and has the issuer and audience that eGain expects for registration %q", exchange.RegistrationID)
	if ref := exchange.SubjectToken.SecretKeyRef; ref != nil {
		return fmt.Sprintf("store a new subject token under key %s of Secret %q; %s", ref.Key, ref.Name, current)
	}
	return fmt.Sprintf("check the subject token, the token of EgainClient %q; %s", exchange.SubjectToken.EgainClientRef.Name, current)
}

// kinds are the kinds of scopes that the flows take.
var kinds = map[egainv1alpha1.Flow]string{
	egainv1alpha1.FlowClientCredentials: "application", egainv1alpha1.FlowAnonymousCustomer: "customer", egainv1alpha1.FlowOnBehalfOf: "on-behalf-of",
	egainv1alpha1.FlowTokenExchange: "delegated", egainv1alpha1.FlowAuthorizationCode: "delegated",
}
