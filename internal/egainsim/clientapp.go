package egainsim

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

// ClientApp is a client application of a tenant.
type ClientApp struct {
	ID string `json:"id"`
	// Secrets are all valid at the same time.
	Secrets []string `json:"secrets,omitempty"`
	// Scopes are the names, without prefix, that the client may ask for. None means every scope of the tenant.
	Scopes []string `json:"scopes,omitempty"`
}

// clientState is a client application as it stands now. The simulator's lock guards its secrets.
type clientState struct {
	tenant  *Tenant
	id      string
	scopes  []string
	secrets []string
}

// AddClient registers one more client application with a tenant.
func (s *Simulator) AddClient(tenantID string, app ClientApp) error {
	if app.ID == "" {
		return errors.New("the client's id is missing")
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
	return &clientState{tenant: t, id: app.ID, scopes: slices.Clone(app.Scopes), secrets: slices.Clone(app.Secrets)}
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

func (s *Simulator) client(id string) *clientState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clients[id]
}

// authenticate checks a client's credentials at a tenant. A client of another tenant is as unknown there as any.
func (s *Simulator) authenticate(t *Tenant, id, secret string) (*clientState, error) {
	if id == "" || secret == "" {
		return nil, refuse(invalidClient, "client_id and client_secret are both required, in the body")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	client := s.clients[id]
	if client == nil || client.tenant != t {
		return nil, refuse(invalidClient, "the client is unknown")
	}
	for _, valid := range client.secrets {
		if subtle.ConstantTimeCompare([]byte(valid), []byte(secret)) == 1 {
			return client, nil
		}
	}
	return nil, refuse(invalidClient, "the client secret is wrong")
}
