package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"k8s.io/apimachinery/pkg/types"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// identityProvider plays a company's own identity provider, such as Okta: it signs tokens with a key of its own, which is
// registered at the simulator, and keeps one of them fresh in a Secret, as some agent of the company would.
type identityProvider struct {
	signer jose.Signer
	public jose.JSONWebKeySet
	life   time.Duration
}

const (
	providerRegistration = "okta-demo"
	providerIssuer       = "https://company.example.com/oauth2/default"
	providerAudience     = "egain"
	providerSubject      = "00u1demo"
)

func newIdentityProvider(life time.Duration) (*identityProvider, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the key of the identity provider: %w", err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "company-1", Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
	if err != nil {
		return nil, fmt.Errorf("making the signer of the identity provider: %w", err)
	}
	return &identityProvider{signer: signer, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}, life: life}, nil
}

// token mints a token of a person who is known at eGain.
func (p *identityProvider) token(now time.Time) (string, error) {
	signed, err := jwt.Signed(p.signer).Claims(jwt.Claims{
		Issuer: providerIssuer, Subject: providerSubject, Audience: jwt.Audience{providerAudience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(p.life)), ID: rand.Text(),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("minting a token of the identity provider: %w", err)
	}
	return signed, nil
}

// write puts a fresh token into a Secret.
func (p *identityProvider) write(ctx context.Context, c *stage.Cluster, secret types.NamespacedName, key string) error {
	token, err := p.token(time.Now())
	if err != nil {
		return err
	}
	return controlplane.Apply(ctx, c, secretOf(secret, map[string]any{key: token}))
}
