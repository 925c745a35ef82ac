package loopback

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/egain-operator/egain-operator/internal/oauth"
)

// ErrState says that an answer is not that of the login: it has another state, or none (RFC 6749 section 10.12).
var ErrState = errors.New("the answer belongs to another login: its state differs")

const (
	// maxCode bounds a code. Servers whose codes hold data, as those of the Azure family do, send some 2 KiB.
	maxCode = 16 << 10
	// maxDescription bounds what is shown of an error_description.
	maxDescription = 300
)

// RefusedError is an answer that the login was refused (RFC 6749 section 4.1.2.1).
type RefusedError struct {
	// Code is the error code, such as access_denied.
	Code string
	// Description is the server's, without what the RFC does not allow in one; it may be empty.
	Description string
}

// Error quotes the server.
func (r *RefusedError) Error() string {
	if r.Description == "" {
		return "the login was refused: " + r.Code
	}
	return fmt.Sprintf("the login was refused: %s (%q)", r.Code, r.Description)
}

// Expected says which answer is that of a login.
type Expected struct {
	State string
	// Issuer judges the values of iss, none if the answer has none. It reports whether they show that the answer is of the server
	// that the code is for, and fails if they show that it is of another.
	Issuer func(iss []string) (bool, error)
}

// Answer is one to a login.
type Answer struct {
	Code oauth.Secret
	// Known says that it is known to be of the server that the code is for.
	Known bool
}

// Read reads the query of an answer. Errors are ErrState, those of Issuer, a *RefusedError, or that the answer makes no sense.
func Read(query url.Values, expected Expected) (Answer, error) {
	if len(query["state"]) != 1 || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(expected.State)) != 1 {
		return Answer{}, ErrState
	}
	known, err := expected.Issuer(query["iss"])
	if err != nil {
		return Answer{}, err
	}
	if code := query.Get("error"); code != "" {
		return Answer{}, &RefusedError{Code: printable(code, maxDescription), Description: printable(query.Get("error_description"), maxDescription)}
	}
	if len(query["code"]) != 1 {
		return Answer{}, errors.New("the answer contains neither one code nor an error")
	}
	code, err := asCode(query.Get("code"))
	return Answer{code, known}, err
}

// ReadPasted reads what a user copied: the address that the browser was sent to, whose state is checked, or the code alone.
// A code of another owner's login is refused by the server then, since it was not asked for with this login's PKCE verifier.
func ReadPasted(text, redirectURL string, expected Expected) (Answer, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		known, err := expected.Issuer(nil)
		if err != nil {
			return Answer{}, fmt.Errorf("%w: paste the whole address, which may name it", err)
		}
		code, err := asCode(text)
		return Answer{code, known}, err
	}
	u, err := url.Parse(text)
	if err != nil {
		return Answer{}, errors.New("the pasted text is not a complete address")
	}
	if want, err := url.Parse(redirectURL); err != nil || place(u) != place(want) {
		return Answer{}, fmt.Errorf("the pasted address does not start with the redirect URL, %s", redirectURL)
	}
	return Read(u.Query(), expected)
}

// place is where a URL leads, without its query, in one spelling.
func place(u *url.URL) string {
	return u.Scheme + "://" + hostPort(u) + "/" + strings.Trim(u.EscapedPath(), "/")
}

// hostPort is the host of a URL with its port, which a browser leaves out if it is the scheme's own.
func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// asCode accepts what RFC 6749 appendix A.11 does.
func asCode(code string) (oauth.Secret, error) {
	switch {
	case code == "":
		return "", errors.New("the code is empty")
	case len(code) > maxCode, printable(code, maxCode) != code:
		return "", errors.New("the code is not one line of printable characters")
	default:
		return oauth.Secret(code), nil
	}
}

// printable drops what an error code, an error_description and a code cannot hold (RFC 6749 appendix A): all but visible
// ASCII and the space.
func printable(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return clean[:min(len(clean), limit)]
}
