package egainsim

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ClientApp is a client application of a tenant.
type ClientApp struct {
	ID string `json:"id"`
	// Secrets are all valid at the same time.
	Secrets []string `json:"secrets,omitempty"`
	// Scopes are the names, without prefix, that the client may ask for. None means every scope of the tenant.
	Scopes []string `json:"scopes,omitempty"`
	// Public is a Single Page Application or a native one: it has no secret, and logs people in with PKCE.
	Public bool `json:"public,omitempty"`
	// RedirectURIs are where a browser may be sent back to, to the letter. Without one, no one can log in.
	RedirectURIs []string `json:"redirectURIs,omitempty"`
	// RefreshTokens says which refresh tokens a login gives. The default is RotatingRefreshTokens.
	RefreshTokens RefreshTokens `json:"refreshTokens,omitempty"`
}

// RefreshTokens is a client application's way with refresh tokens.
type RefreshTokens string

// The ways.
const (
	// RotatingRefreshTokens are replaced by each refresh, which voids the old one, as eGain does it.
	RotatingRefreshTokens RefreshTokens = "rotating"
	// StaticRefreshTokens stay as they are: an answer to a refresh has none.
	StaticRefreshTokens RefreshTokens = "static"
	// NoRefreshTokens ends a login with its access token.
	NoRefreshTokens RefreshTokens = "none"
)

func (a ClientApp) check() error {
	switch {
	case a.ID == "":
		return errors.New("the client's id is missing")
	case a.Public && len(a.Secrets) > 0:
		return fmt.Errorf("client %q is public and has a secret", a.ID)
	case !slices.Contains([]RefreshTokens{"", RotatingRefreshTokens, StaticRefreshTokens, NoRefreshTokens}, a.RefreshTokens):
		return fmt.Errorf("client %q: refresh tokens are rotating, static or none, not %q", a.ID, a.RefreshTokens)
	}
	for _, uri := range a.RedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			return fmt.Errorf("client %q: %w", a.ID, err)
		}
	}
	return nil
}

// checkRedirectURI holds a redirect URI to RFC 6749 section 3.1.2 and RFC 9700 section 2.1: absolute, without a fragment,
// and http on the loopback interface only.
func checkRedirectURI(uri string) error {
	parsed, err := url.Parse(uri)
	if err != nil || !parsed.IsAbs() || strings.Contains(uri, "#") {
		return fmt.Errorf("redirect URI %q is not an absolute URI without a fragment", uri)
	}
	loopback := slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, parsed.Hostname())
	if parsed.Scheme == "http" && !loopback {
		return fmt.Errorf("redirect URI %q is http and not on the loopback interface", uri)
	}
	return nil
}

// clientState is a client application as it stands now. The simulator's lock guards its secrets and redirect URIs.
type clientState struct {
	tenant        *Tenant
	id            string
	public        bool
	refreshTokens RefreshTokens
	scopes        []string
	secrets       []string
	redirectURIs  []string
}

// AddClient registers one more client application with a tenant.
func (s *Simulator) AddClient(tenantID string, app ClientApp) error {
	if err := app.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenantID]
	if t == nil {
		return fmt.Errorf("no tenant %q", tenantID)
	}
	if s.clients[app.ID] != nil {
		return fmt.Errorf("client %q exists already", app.ID)
	}
	s.clients[app.ID] = newClientState(t, app)
	return nil
}

func newClientState(t *Tenant, app ClientApp) *clientState {
	return &clientState{
		tenant: t, id: app.ID, public: app.Public, refreshTokens: app.RefreshTokens, scopes: slices.Clone(app.Scopes),
		secrets: slices.Clone(app.Secrets), redirectURIs: slices.Clone(app.RedirectURIs),
	}
}

// AddSecret makes one more secret of a client valid, beside those that are.
func (s *Simulator) AddSecret(clientID, secret string) error {
	if secret == "" {
		return errors.New("the secret is empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[clientID]
	if client == nil {
		return fmt.Errorf("no client %q", clientID)
	}
	if client.public {
		return fmt.Errorf("client %q is public and cannot have a secret", clientID)
	}
	if !slices.Contains(client.secrets, secret) {
		client.secrets = append(client.secrets, secret)
	}
	return nil
}

// RemoveSecret makes a secret of a client invalid. Tokens that were issued for it stay valid.
func (s *Simulator) RemoveSecret(clientID, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[clientID]
	if client == nil {
		return fmt.Errorf("no client %q", clientID)
	}
	before := len(client.secrets)
	client.secrets = slices.DeleteFunc(client.secrets, func(valid string) bool { return valid == secret })
	if len(client.secrets) == before {
		return fmt.Errorf("client %q has no such secret", clientID)
	}
	return nil
}

// AddRedirectURI registers one more redirect URI of a client. They are compared to the letter, ports included, so a client
// that listens on a port of its own choice needs it registered first.
func (s *Simulator) AddRedirectURI(clientID, uri string) error {
	if err := checkRedirectURI(uri); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[clientID]
	if client == nil {
		return fmt.Errorf("no client %q", clientID)
	}
	if !slices.Contains(client.redirectURIs, uri) {
		client.redirectURIs = append(client.redirectURIs, uri)
	}
	return nil
}

// redirectsTo reports whether a redirect URI is one of a client's.
func (s *Simulator) redirectsTo(client *clientState, uri string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Contains(client.redirectURIs, uri)
}

func (s *Simulator) client(id string) *clientState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clients[id]
}

// clientOf is a client of a tenant, or nil. A client of another tenant is as unknown there as any.
func (s *Simulator) clientOf(t *Tenant, id string) *clientState {
	client := s.client(id)
	if client == nil || client.tenant != t {
		return nil
	}
	return client
}

// authenticate checks a client's credentials at a tenant: its secret, or of a public client that it sends none.
func (s *Simulator) authenticate(t *Tenant, id, secret string) (*clientState, error) {
	client := s.clientOf(t, id)
	public := client != nil && client.public
	switch {
	case public && secret == "":
		return client, nil
	case public:
		return nil, refuse(invalidClient, "the client is public and has no client_secret to send")
	case id == "" || secret == "":
		return nil, refuse(invalidClient, "client_id and client_secret are both required, in the body")
	case client == nil:
		return nil, refuse(invalidClient, "the client is unknown")
	case !s.knowsSecret(client, secret):
		return nil, refuse(invalidClient, "the client secret is wrong")
	}
	return client, nil
}

func (s *Simulator) knowsSecret(client *clientState, secret string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.ContainsFunc(client.secrets, func(valid string) bool {
		return subtle.ConstantTimeCompare([]byte(valid), []byte(secret)) == 1
	})
}
