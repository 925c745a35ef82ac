package oauth

import (
	"fmt"
	"net/url"

	"github.com/egain-operator/egain-operator/internal/plain"
)

// IssuerError says that the answer to a login is of another server than the one that the code would go to (RFC 9207), as when a
// login page forwards people to the page of another server: that server's code must not be redeemed (RFC 9700 section 4.4).
type IssuerError struct{ message string }

// Error names the servers.
func (e *IssuerError) Error() string { return e.message }

// CheckIssuer judges the iss of an answer to a login: given are its values, none if the answer has no iss. It reports whether the
// answer is known to be of the server that the token URL belongs to; if not, only a person can know. Errors are *IssuerError.
//
// An issuer that a document names must be the same, character by character. It says nothing about a token URL that the spec has
// instead of the document's, and without any issuer, nothing is known. An answer is then of the right server if its iss is on the
// host of the token URL: the code goes to the server that made it.
func (e Endpoints) CheckIssuer(given []string) (bool, error) {
	switch {
	case len(given) > 1:
		return false, issuerError("the answer to the login names its server (iss) more than once")
	case len(given) == 0 && e.AnswersNameIssuer:
		return false, issuerError("the answer to the login does not name its server (iss), although the metadata document says that each does: it is another server's")
	case len(given) == 0:
		return false, nil
	}
	iss := given[0]
	switch {
	case e.Issuer != "" && iss != e.Issuer:
		return false, issuerError("the answer to the login is of server %s, and the tenant's is %s", shownHost(iss), shownHost(e.Issuer))
	case sameOrigin(iss, e.TokenURL):
		return true, nil
	case e.Issuer == "":
		return false, issuerError("the answer to the login is of server %s, and the token URL is on %s", shownHost(iss), host(e.TokenURL))
	default:
		return e.Source != SourceSpec, nil
	}
}

func issuerError(format string, args ...any) error {
	return &IssuerError{fmt.Sprintf(format, args...)}
}

// shownIssuer is an issuer as messages show it, which comes from a server.
// sameOrigin reports whether two URLs are https and of one host and port.
func sameOrigin(a, b string) bool {
	urlA, errA := url.Parse(a)
	urlB, errB := url.Parse(b)
	return errA == nil && errB == nil && urlA.Scheme == "https" && urlB.Scheme == "https" && urlA.User == nil &&
		plain.IsHost(urlA.Hostname()) && canonical(urlA.Hostname()) == canonical(urlB.Hostname()) && port(urlA) == port(urlB)
}
