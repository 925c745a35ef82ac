package egainsim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// provider is an external identity provider, as an administrator registers it for single sign-on.
type provider struct {
	issuer   string
	audience string
	keys     jose.JSONWebKeySet
}

// externalAlgorithms are what an external provider may sign with. None is symmetric.
var externalAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// RegisterProvider makes an external identity provider known under a registration id, or replaces it: tokens of its
// issuer, for the audience, that one of its keys has signed can be exchanged.
func (s *Simulator) RegisterProvider(registrationID, issuer, audience string, keys jose.JSONWebKeySet) error {
	if registrationID == "" || issuer == "" || audience == "" || len(keys.Keys) == 0 {
		return errors.New("a provider needs a registration id, an issuer, an audience and keys")
	}
	for i := range keys.Keys {
		if !keys.Keys[i].IsPublic() {
			return fmt.Errorf("key %q of the provider is not public", keys.Keys[i].KeyID)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.providers[registrationID] = provider{issuer: issuer, audience: audience, keys: keys}
	return nil
}

func (s *Simulator) provider(registrationID string) (provider, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.providers[registrationID]
	return p, ok
}

// externalSubject is the user or customer that a subject token is about. Whatever is wrong with the token is an
// invalid_request: RFC 8693 section 2.2.2 demands that code.
func (r *tokenRequest) externalSubject() (string, error) {
	if r.form.Get("subject_token_type") != accessTokenType {
		return "", refuse(invalidRequest, "the subject_token_type is not "+accessTokenType)
	}
	p, ok := r.sim.provider(r.form.Get(registrationIDParam))
	if !ok {
		return "", refuse(invalidRequest, "the registration_id is unknown")
	}
	claims, err := p.verify(r.form.Get(subjectTokenParam))
	if err != nil {
		return "", err
	}
	if claims.Expiry == nil || !r.now.Before(claims.Expiry.Time()) {
		return "", refuse(invalidRequest, "the subject token is expired or never expires")
	}
	// Without leeway, a token that was minted just now is refused by whichever clock is behind.
	expected := jwt.Expected{Issuer: p.issuer, AnyAudience: jwt.Audience{p.audience}, Time: r.now}
	if err := claims.Validate(expected); err != nil {
		return "", refuse(invalidRequest, "the subject token has another issuer or audience, or is not valid yet")
	}
	local := r.sim.localName(claims.Subject)
	subject, ok := r.tenant.find(r.actor, func(s Subject) bool { return s.called(local) })
	if !ok {
		return "", refuse(invalidRequest, "the subject of the subject token is unknown")
	}
	return subject.Name(), nil
}

// verify checks the signature of a token and gives its claims.
func (p provider) verify(token string) (jwt.Claims, error) {
	parsed, err := jwt.ParseSigned(token, externalAlgorithms)
	if err != nil {
		return jwt.Claims{}, refuse(invalidRequest, "the subject token is not a signed JWT")
	}
	i := slices.IndexFunc(p.keys.Keys, func(k jose.JSONWebKey) bool { return k.KeyID == parsed.Headers[0].KeyID })
	if i < 0 {
		return jwt.Claims{}, refuse(invalidRequest, "the subject token is signed with a key that the provider does not have")
	}
	var claims jwt.Claims
	if err := parsed.Claims(p.keys.Keys[i].Key, &claims); err != nil {
		return jwt.Claims{}, refuse(invalidRequest, "the signature or the claims of the subject token are wrong")
	}
	return claims, nil
}
