package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// verdict is the class, reason and advice of an error code or status.
type verdict struct {
	class  fault.Class
	reason string
	advice string
	// login says that a login may end the failure.
	login bool
	// application says that the server refuses the client application, for all of its requests with the same flow.
	application bool
}

// codes are the error codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8693 section 2.2.2 and RFC 8707 section 2.
var codes = map[string]verdict{
	"invalid_client":          {class: fault.Rejected, reason: fault.ReasonClientRejected, application: true, advice: "check the client id and secret, and that the client application is enabled"},
	"unauthorized_client":     {class: fault.Rejected, reason: fault.ReasonClientRejected, application: true, advice: "allow this flow for the client application"},
	"access_denied":           {class: fault.Rejected, reason: fault.ReasonClientRejected, advice: "grant the client application access"},
	"unsupported_grant_type":  {class: fault.Rejected, reason: fault.ReasonClientRejected, advice: "check spec.flow and the token URL: this endpoint does not serve the flow"},
	"invalid_scope":           {class: fault.Rejected, reason: fault.ReasonScopeRejected, advice: "check spec.scopes and spec.tenant.scopePrefix"},
	"invalid_grant":           {class: fault.Rejected, reason: fault.ReasonSubjectRejected, advice: "check the client id and secret, spec.flow and the token URL"},
	"invalid_target":          {class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "check the resource or audience in spec.parameters"},
	"invalid_request":         {class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "check spec.parameters and the token URL with its query string"},
	"temporarily_unavailable": {class: fault.Retryable, reason: fault.ReasonServerUnavailable, advice: "the server is overloaded or under maintenance"},
	"server_error":            {class: fault.Retryable, reason: fault.ReasonServerUnavailable, advice: "the server reports an internal error"},
}

// revocationCodes are those of RFC 7009 section 2.2.1, and those that mean something else for a revocation.
var revocationCodes = map[string]verdict{
	"unsupported_token_type": {class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "the server does not revoke tokens of this kind"},
	"invalid_request":        {class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "check the revocation URL with its query string"},
}

// verdicts is what a code means for a request of one kind; false for a code that is not known.
type verdicts func(code string) (verdict, bool)

func ofRevocation(code string) (verdict, bool) {
	if v, ok := revocationCodes[code]; ok {
		return v, true
	}
	v, ok := codes[code]
	return v, ok
}

// classify turns the error of a token request into a *fault.Error. Nothing of the answer but a known code gets into it; of the
// request, the scopes if they are refused.
func classify(err error, rec *recorder, r Request, now time.Time) error {
	server := host(r.TokenURL)
	if f := fault.Of(rec.readErr); f != nil {
		return f
	}
	if rec.status == 0 {
		return unreachable(err, server, rec.connected.Load())
	}
	read := rec.received()
	_, refused := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case read.refuses(r.verdict):
		return read.refusal(r.verdict, server, now, r.scopes())
	case rec.readErr != nil:
		return unreachable(rec.readErr, server, true)
	case refused && (!rec.succeeded() || read.code != ""):
		return read.refusal(r.verdict, server, now, nil)
	default:
		return malformed(read, server)
	}
}

// malformed says what is wrong with an answer of status 200 that x/oauth2 could not read.
func malformed(read received, host string) error {
	body := read.body
	var answer struct {
		AccessToken json.RawMessage `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	switch {
	case read.html():
		return fault.New(fault.Retryable, fault.ReasonResponseInvalid, "%s answered with an HTML page, not a token response in JSON: check the token URL, and whether a proxy or gateway in front of the server answers", host)
	case json.Unmarshal(body, &answer) != nil:
		return fault.New(fault.Retryable, fault.ReasonResponseInvalid, "%s did not answer with a token response in JSON: check that the token URL is the token endpoint", host)
	case len(answer.AccessToken) == 0 || string(answer.AccessToken) == `""` || string(answer.AccessToken) == "null":
		return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer of %s has no access_token: check that the token URL is the token endpoint", host)
	case !wholeNumber(answer.ExpiresIn):
		return lifetimeFault("expires_in is not a whole number of seconds")
	default:
		return fault.New(fault.Retryable, fault.ReasonResponseInvalid, "the answer of %s is not a token response with Content-Type application/json: check that the token URL is the token endpoint", host)
	}
}

// wholeNumber reports whether x/oauth2 reads a value as seconds: a number or one in a string, of 64 bits, or none at all.
func wholeNumber(raw json.RawMessage) bool {
	if len(raw) == 0 || string(raw) == "null" {
		return true
	}
	_, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	return err == nil
}

// message is the text of a refusal.
func (v verdict) message(said, host string) string {
	return fmt.Sprintf("%s answered %s: %s", host, said, v.advice)
}

func byStatus(status int) verdict {
	switch {
	case status >= 300 && status < 400:
		return verdict{class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "redirects are not followed with credentials; if its target is right, set that URL"}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return verdict{class: fault.Rejected, reason: fault.ReasonClientRejected, application: status == http.StatusUnauthorized, advice: "check the client id and secret, and that the client application may use this endpoint; without an OAuth error code, a gateway may have answered"}
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		return verdict{class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "there is no such endpoint; check the URL"}
	default:
		return verdict{class: fault.Rejected, reason: fault.ReasonRequestRejected, advice: "the server does not accept the request; check the URL, spec.flow and spec.parameters"}
	}
}

// unreachable classifies a request that got no whole answer. Once there was a connection, the network let the request through. The
// text of network errors holds addresses and ports that change, so that none of it is shown.
func unreachable(err error, host string, connected bool) error {
	if f := fault.Of(err); f != nil {
		return f
	}
	if what := tlsFailure(err); what != "" {
		return fault.New(fault.Retryable, fault.ReasonTLSFailed, "%s %s", host, what)
	}
	what := "could not be reached: check the URL, network policies, egress rules and proxies"
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		what = "has no address in DNS: check the host name in the URL"
	} else if ok {
		what = "could not be looked up: check that the DNS server answers, and that network policies allow DNS"
	} else if timeout(err) {
		what = "did not answer in time: check that no firewall drops the connection; if the server is only slow, raise --request-timeout"
	} else if connected {
		what = brokeOff
	}
	return fault.New(fault.Retryable, fault.ReasonServerUnavailable, "%s %s", host, what)
}

// brokeOff is said of a server that was reached, and whose answer did not come whole.
const brokeOff = "closed the connection before its answer was complete: check the server, and proxies and gateways in between"

// tlsFailure says what is wrong with the TLS of a server, "" if the error is of another kind.
func tlsFailure(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "has a TLS certificate " + untrusted(err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "does not speak TLS: check the port in the URL"
	}
	// How crypto/tls reports an alert of the server.
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "refuses the TLS connection: it may ask for a client certificate or a version of TLS older than 1.2"
	}
	return ""
}

// untrusted says why a certificate was refused, and what to do.
func untrusted(err error) string {
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, otherName := errors.AsType[x509.HostnameError](err)
	switch {
	case otherName:
		return "for another name: check the host name in the URL"
	case isInvalid && invalid.Reason == x509.Expired:
		return "that has expired or is not valid yet: have it renewed at the server, and check the operator's clock"
	default:
		return "that is not trusted: if a private CA signed it, put the CA's certificate into spec.tenant.caBundleRef"
	}
}

func timeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || (ok && ne.Timeout())
}
