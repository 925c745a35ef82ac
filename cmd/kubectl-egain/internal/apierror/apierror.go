// Package apierror knows what the answers of eGain's API mean for the token, and nothing else.
package apierror

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/internal/oauth"
)

const (
	// MaxBody is how much of a body is searched for its code, in bytes. An error body of eGain's has two short members.
	MaxBody = 64 << 10
	// limitHeader says how many requests a minute eGain's API allows.
	limitHeader = "X-RateLimit-Limit"
)

// Shapes of what may be shown of an answer.
var (
	codeShape  = regexp.MustCompile(`^[0-9]{3}-[0-9]{3}$`)
	limitShape = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
)

// meaning is what a code says.
type meaning struct {
	// what follows the name of the API in a sentence.
	what string
	// next says what to do. NAME stands for the name of the EgainClient.
	next string
}

const renew = "run kubectl egain renew NAME --wait; if that does not help, check endpoints.apiURL: the API may belong to another tenant"

var noPermission = meaning{
	"accepts the token, but the user or the client application lacks a permission for this call",
	"ask an eGain administrator to grant the permission that eGain documents for the call",
}

var tooMany = meaning{"refuses the call: too many requests", "wait a minute, then try again"}

// meanings are those of eGain's error codes. Other codes exist, whose meaning is not public.
var meanings = map[string]meaning{
	"401-101": {"does not accept the token: it is expired or invalid", renew},
	"401-104": {"got no Authorization header: a proxy or gateway on the way removed it", "configure the proxy in HTTPS_PROXY, or the gateway before the API, to pass the header on"},
	"401-012": {"does not accept the token: it is stale", renew},
	"403-197": {
		"accepts the token, but it lacks the scope for this call",
		"add the scope that eGain documents for the call to spec.scopes, and assign it to the client application in the eGain console",
	},
	"403-105": noPermission,
	"403-112": noPermission,
	"403-178": noPermission,
	"403-193": noPermission,
	"403-568": noPermission,
	"429-001": tooMany,
}

// Answer is an answer of the API. It holds no text of the answer's.
type Answer struct {
	// Status is that of HTTP.
	Status int
	// Code is eGain's, such as 401-101; "" if the body has none of this shape.
	Code string
	// Wait is how long the API asks to wait, from 0, if it does not say, to an hour.
	Wait time.Duration
	// Limit is how many requests a minute the API allows, in digits; "" if it does not say.
	Limit string
	// Page says that the body is an HTML page, as a proxy or a login page sends.
	Page bool
}

// Read reads an answer and the beginning of its body.
func Read(resp *http.Response, body []byte, now time.Time) Answer {
	a := Answer{Status: resp.StatusCode, Code: code(body), Wait: oauth.RequestedWait(resp, now), Page: oauth.IsPage(resp, body)}
	if limit := strings.TrimSpace(resp.Header.Get(limitHeader)); limitShape.MatchString(limit) {
		a.Limit = limit
	}
	return a
}

// code is the member of that name, also of a body that breaks off after it.
func code(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body[:min(len(body), MaxBody)]))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return ""
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err != nil || decoder.Decode(&value) != nil {
			return ""
		}
		if name == "code" {
			var text string
			if json.Unmarshal(value, &text) != nil || !codeShape.MatchString(text) {
				return ""
			}
			return text
		}
	}
	return ""
}

// String is the status, with the code if there is one.
func (a Answer) String() string {
	if a.Code == "" {
		return fmt.Sprintf("HTTP %d", a.Status)
	}
	return fmt.Sprintf("HTTP %d, code %s", a.Status, a.Code)
}

// Explain says what the answer means, in words that follow the name of the API, and what to do about it for an EgainClient. It
// returns false if eGain's code, or a status that needs none, does not say.
func (a Answer) Explain(client string) (what, next string, known bool) {
	// A code of another status is not eGain's own.
	m, known := meanings[a.Code]
	known = known && strings.HasPrefix(a.Code, fmt.Sprintf("%d-", a.Status))
	if a.Status == http.StatusTooManyRequests {
		m, known = tooMany, true
		if a.Limit != "" {
			m.what += fmt.Sprintf(": it allows %s a minute", a.Limit)
		}
		if wait := roundUp(a.Wait); wait > 0 {
			m.next = fmt.Sprintf("wait %s, then try again", wait)
		}
	}
	if !known {
		return "", "", false
	}
	return m.what + " (" + a.String() + ")", strings.ReplaceAll(m.next, "NAME", client), true
}

func roundUp(wait time.Duration) time.Duration {
	return (wait + time.Second - 1).Truncate(time.Second)
}
