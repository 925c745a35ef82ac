// Package revocation knows which tokens a deletion revokes, and where.
package revocation

import (
	"cmp"
	"context"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// Token is a token that a deletion revokes.
type Token struct {
	Kind  oauth.TokenKind
	Value oauth.Secret
}

// Revoker revokes the tokens of EgainClients.
type Revoker struct {
	// Secrets reads the target.
	Secrets target.Secrets
	// Requests reads the session and the credentials.
	Requests *request.Reader
	// Providers finds the revocation endpoint.
	Providers *provider.Access
	// OAuth sends the requests.
	OAuth *oauth.Client
	// Now tells the time.
	Now func() time.Time
}

// Tokens are the refresh token, which ends the session, and the access token in the target, which may be of another grant and then
// does not end with it. A refresh token that is held, since it is not written yet, replaces the one in the session Secret.
func (r Revoker) Tokens(ctx context.Context, ec *egainv1alpha1.EgainClient, held session.Successor) ([]Token, error) {
	var tokens []Token
	if ec.Spec.AuthorizationCode != nil {
		stored, err := r.Requests.RefreshToken(ctx, ec)
		if err != nil && fault.Of(err) == nil {
			return nil, err
		}
		if err == nil {
			if held.Used == stored {
				stored = held.Content.RefreshToken
			}
			tokens = append(tokens, Token{oauth.RefreshToken, stored})
		}
	}
	tok, err := target.ReadOwn(ctx, r.Secrets, ec)
	if tok != nil && tok.Valid(r.Now()) {
		tokens = append(tokens, Token{oauth.AccessToken, tok.AccessToken})
	}
	return tokens, err
}

// Revoke revokes tokens at the tenant of an EgainClient.
func (r Revoker) Revoke(ctx context.Context, ec *egainv1alpha1.EgainClient, tenant request.Tenant, tokens []Token) error {
	return tenant.NameFields(r.revoke(ctx, ec, tenant, tokens))
}

func (r Revoker) revoke(ctx context.Context, ec *egainv1alpha1.EgainClient, tenant request.Tenant, tokens []Token) error {
	credentials, _, err := r.Requests.Credentials(ctx, ec, tenant)
	if err != nil {
		return err
	}
	hc, err := r.Providers.HTTPClient(ctx, tenant, "")
	if err != nil {
		return err
	}
	caller := provider.ForClient(ec, tenant, hc, "", time.Time{})
	revocationURL, err := r.endpoint(ctx, ec, tenant, caller)
	if err != nil {
		return err
	}
	if revocationURL == "" {
		return fault.New(fault.Terminal, fault.ReasonEndpointInvalid, "the tenant has no revocation endpoint: set spec.tenant.endpoints.revocationURL, or unset spec.revokeOnDelete")
	}
	for _, t := range tokens {
		err := r.Providers.Send(ctx, caller, revocationURL, func(ctx context.Context) error {
			return r.OAuth.Revoke(ctx, hc, revocationURL, credentials, t.Kind, t.Value)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// endpoint is where tokens are revoked. While documents cannot be read, it is the one in the status of the EgainTenant.
func (r Revoker) endpoint(ctx context.Context, ec *egainv1alpha1.EgainClient, tenant request.Tenant, c provider.Caller) (string, error) {
	endpoints, _, err := r.Providers.Endpoints(ctx, ec, tenant, c)
	if known, ok := tenant.KnownFor(request.For(ec).Actor()); provider.Unread(err) && ok {
		return known.RevocationURL, nil
	}
	return endpoints.RevocationURL, cmp.Or(err, endpoints.Unusable.RevocationURL)
}
