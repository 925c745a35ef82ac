package egainsim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
)

// checkChallenge holds an authorization request to PKCE: a public client must use it, and a client that does uses S256.
// With the plain method, the request itself contains the verifier (RFC 9700 section 2.1.1).
func checkChallenge(client *clientState, query url.Values) error {
	challenge, method := query.Get("code_challenge"), query.Get("code_challenge_method")
	if challenge == "" && method == "" && !client.public {
		return nil
	}
	if challenge == "" {
		return refuse(invalidRequest, "a code_challenge is required (RFC 7636)")
	}
	if method != "S256" {
		return refuse(invalidRequest, "the code_challenge_method is not S256")
	}
	if decoded, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(decoded) != sha256.Size {
		return refuse(invalidRequest, "the code_challenge is no SHA-256 in base64url without padding")
	}
	return nil
}

// checkVerifier holds a verifier to RFC 7636 section 4.1.
func checkVerifier(verifier string) error {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	if len(verifier) < 43 || len(verifier) > 128 || strings.Trim(verifier, unreserved) != "" {
		return refuse(invalidRequest, "the code_verifier is not 43 to 128 unreserved characters")
	}
	return nil
}

// verify reports whether a verifier is what a challenge was made of. A verifier without a challenge is refused too: it
// shows that a user took the challenge out of the authorization request (RFC 9700 section 4.8.2).
func verify(challenge, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	digest := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(digest[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}
