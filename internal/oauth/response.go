package oauth

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// DefaultLifetime is assumed of a token that neither expires_in nor a JWT's exp gives a life: eGain's public clients
	// assume the same.
	DefaultLifetime = time.Hour
	// MaxLifetime is the longest life that is believed. RFC 9700 asks for short-lived tokens; a longer one is a mistake of
	// units.
	MaxLifetime = 366 * 24 * time.Hour
	// maxToken bounds a token. HTTP servers commonly refuse headers above 8 to 16 KiB; the bound leaves room for those that
	// do not, and fits a Secret several times.
	maxToken = 64 << 10
)

// validateToken turns an answer into a token, or says what is wrong with it.
//
// The life is counted from the time of issue; serverTime is what the server's clock showed then, zero if unknown.
func validateToken(tok *oauth2.Token, asked []string, issue, serverTime time.Time) (Token, error) {
	if err := headerSafe(tok.AccessToken); err != nil {
		return Token{}, err
	}
	if !strings.EqualFold(tok.Type(), "Bearer") {
		return Token{}, fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's token_type is not Bearer: have eGain issue Bearer tokens to the client application, and remove spec.parameters that request others")
	}
	life, err := lifetime(tok, issue, serverTime)
	if err != nil {
		return Token{}, err
	}
	return Token{
		AccessToken:    Secret(tok.AccessToken),
		TokenType:      "Bearer",
		Scopes:         granted(tok, asked),
		IssueTime:      issue.Truncate(time.Second),
		ExpirationTime: issue.Add(life).Truncate(time.Second),
	}, nil
}

// headerSafe accepts what may stand in an Authorization header: visible ASCII (RFC 9110 section 5.5; the b64token of
// RFC 6750 section 2.1 is narrower, but servers issue others).
func headerSafe(token string) error {
	if token == "" {
		return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's access_token is empty: check that the token URL is the token endpoint")
	}
	if len(token) > maxToken {
		return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's access_token is longer than %d KiB: have eGain put fewer claims into it, or request fewer scopes", maxToken>>10)
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's access_token contains characters that are not safe in an HTTP header: check that the token URL is the token endpoint")
		}
	}
	return nil
}

// lifetime is expires_in, else what is left until the JWT's exp, else the default; but no longer than the JWT allows.
func lifetime(tok *oauth2.Token, issue, serverTime time.Time) (time.Duration, error) {
	claims := jwtClaims(tok.AccessToken)
	if raw := tok.Extra("expires_in"); raw != nil && raw != "" {
		seconds, ok := number(raw)
		if !ok {
			return 0, lifetimeFault("expires_in is not a number")
		}
		life, err := plausible(seconds, "expires_in")
		if err != nil {
			return 0, err
		}
		return claims.bound(life, serverTime)
	}
	if claims.Exp == nil {
		return DefaultLifetime, nil
	}
	if serverTime.IsZero() {
		serverTime = issue
	}
	life, err := claims.left(serverTime)
	if err != nil {
		return 0, err
	}
	return claims.bound(life, serverTime)
}

func number(raw any) (float64, bool) {
	switch v := raw.(type) {
	case float64:
		return v, true
	case int64: // how x/oauth2 hands out a number of a form-encoded answer
		return float64(v), true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	default:
		return 0, false
	}
}

func plausible(seconds float64, what string) (time.Duration, error) {
	switch {
	case math.IsNaN(seconds) || seconds < 1:
		return 0, lifetimeFault(what + " gives the token a lifetime of less than a second")
	case seconds > MaxLifetime.Seconds():
		return 0, lifetimeFault(what + " gives the token a lifetime of more than 366 days")
	default:
		return time.Duration(seconds * float64(time.Second)), nil
	}
}

func lifetimeFault(what string) error {
	advice := "check the token lifetime of the client application"
	if strings.HasPrefix(what, expClaim) {
		advice += ", and the clocks of the server and the operator"
	}
	return fault.New(fault.Retryable, fault.ReasonLifetimeInvalid, "%s: %s", what, advice)
}

// claims are those of a JWT that tell of its life, by the clock of the server that issued it. They are nil if it has none, or
// is no JWT.
type claims struct {
	Exp *float64 `json:"exp"`
	Iat *float64 `json:"iat"`
}

const expClaim = "the exp claim of the token"

// left is what is left of the life at a time of the server's clock. There must be an exp.
func (c claims) left(at time.Time) (time.Duration, error) {
	if _, err := plausible(*c.Exp-float64(at.Unix()), expClaim); err != nil {
		return 0, err
	}
	// Exact, where a difference of floating point numbers could fall short of the second.
	return time.Unix(int64(*c.Exp), 0).Sub(at), nil
}

// bound shortens a life to what the claims allow: no more than exp is after iat, nor than is left by the server's clock, if
// that is known. It fails if that is nothing. An exp that is too far off to be believed bounds nothing.
func (c claims) bound(life time.Duration, serverTime time.Time) (time.Duration, error) {
	if c.Exp == nil {
		return life, nil
	}
	if c.Iat != nil && *c.Iat < *c.Exp && *c.Exp-*c.Iat < life.Seconds() {
		whole, err := plausible(*c.Exp-*c.Iat, expClaim)
		if err != nil {
			return 0, err
		}
		life = whole
	}
	if serverTime.IsZero() || *c.Exp-float64(serverTime.Unix()) > MaxLifetime.Seconds() {
		return life, nil
	}
	left, err := c.left(serverTime)
	return min(life, left), err
}

// jwtClaims reads claims without verifying the token, which only its audience can do; they decide when to ask again and
// nothing else.
func jwtClaims(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}
	}
	var said struct{ Exp, Iat json.RawMessage }
	if json.Unmarshal(payload, &said) != nil {
		return claims{}
	}
	// Each by itself: one that is no number must not hide the other.
	if json.Unmarshal(said.Exp, &c.Exp) != nil {
		c.Exp = nil
	}
	if json.Unmarshal(said.Iat, &c.Iat) != nil {
		c.Iat = nil
	}
	return c
}

func granted(tok *oauth2.Token, asked []string) []string {
	scope, ok := tok.Extra("scope").(string)
	if !ok || headerSafe(strings.ReplaceAll(scope, " ", "")) != nil {
		return asked
	}
	return strings.Fields(scope)
}
