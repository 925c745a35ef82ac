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

// validate turns an answer into a token, or says what is wrong with it.
func validate(tok *oauth2.Token, asked []string, issue time.Time) (Token, error) {
	if err := headerSafe(tok.AccessToken); err != nil {
		return Token{}, err
	}
	if !strings.EqualFold(tok.Type(), "Bearer") {
		return Token{}, fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's token_type is not Bearer, so the token cannot be used as one")
	}
	life, err := lifetime(tok, issue)
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
		return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's access_token is empty")
	}
	if len(token) > maxToken {
		return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's access_token is longer than %d KiB", maxToken>>10)
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return fault.New(fault.Retryable, fault.ReasonTokenInvalid, "the answer's access_token holds characters that are not safe in an HTTP header")
		}
	}
	return nil
}

// lifetime is expires_in, else what is left until the JWT's exp, else the default.
func lifetime(tok *oauth2.Token, issue time.Time) (time.Duration, error) {
	if raw := tok.Extra("expires_in"); raw != nil && raw != "" {
		seconds, ok := number(raw)
		if !ok {
			return 0, lifetimeFault("expires_in is not a number")
		}
		return plausible(seconds, "expires_in")
	}
	if exp, ok := jwtExpiry(tok.AccessToken); ok {
		if _, err := plausible(exp-float64(issue.Unix()), "the exp claim of the token"); err != nil {
			return 0, err
		}
		// Exact, where a difference of floating point numbers could fall short of the second.
		return time.Unix(int64(exp), 0).Sub(issue), nil
	}
	return DefaultLifetime, nil
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
		return 0, lifetimeFault(what + " gives the token no life")
	case seconds > MaxLifetime.Seconds():
		return 0, lifetimeFault(what + " gives the token a life of more than 366 days")
	default:
		return time.Duration(seconds * float64(time.Second)), nil
	}
}

func lifetimeFault(what string) error {
	return fault.New(fault.Retryable, fault.ReasonLifetimeInvalid, "the answer's %s: check the token lifetime set for the client application", what)
}

// jwtExpiry reads the exp claim without verifying the token, which only its audience can do; the claim decides when to
// ask again and nothing else.
func jwtExpiry(token string) (float64, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0, false
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp == nil {
		return 0, false
	}
	return *claims.Exp, true
}

func granted(tok *oauth2.Token, asked []string) []string {
	scope, ok := tok.Extra("scope").(string)
	if !ok || headerSafe(strings.ReplaceAll(scope, " ", "")) != nil {
		return asked
	}
	return strings.Fields(scope)
}
