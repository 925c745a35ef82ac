package egainsim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// tokenSigner makes JWTs, and serves the key that proves them.
type tokenSigner struct {
	signer jose.Signer
	public jose.JSONWebKey
}

// newTokenSigner signs with a new key and ES256. What eGain signs with is not public. An RS256 signature takes a millisecond, a
// twentieth of what all programs take for a rotation where they share a machine with the simulator, and would be measured there.
func newTokenSigner() (*tokenSigner, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the signing key: %w", err)
	}
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("naming the signing key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	signingKey := jose.SigningKey{
		Algorithm: jose.ES256,
		Key:       jose.JSONWebKey{Key: key, KeyID: public.KeyID},
	}
	signer, err := jose.NewSigner(signingKey, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("making a signer: %w", err)
	}
	return &tokenSigner{signer: signer, public: public}, nil
}

func (t *tokenSigner) sign(claims map[string]any) (string, error) {
	token, err := jwt.Signed(t.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}

// JWKS are the keys that access tokens are signed with.
func (s *Simulator) JWKS() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.signer.public}}
}

func (s *Simulator) answerJWKS(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	return answerJSON(s.JWKS())
}
