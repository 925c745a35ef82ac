package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Provider answers whether tokens are valid.
type Provider struct {
	url, adminToken string
	client          *http.Client
}

// NewProvider makes a client of a simulator's administration endpoint for introspection.
func NewProvider(loginURL, adminToken string, client *http.Client) *Provider {
	return &Provider{url: loginURL + "/_sim/introspect", adminToken: adminToken, client: client}
}

// owner returns the client application that a token is valid for, empty if it is not valid.
func (p *Provider) owner(ctx context.Context, token string) (string, error) {
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		return "", fmt.Errorf("encoding the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+p.adminToken)
	response, err := p.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking the provider: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the provider answered %s", response.Status)
	}
	var answer struct {
		Active   bool   `json:"active"`
		ClientID string `json:"client_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("reading the provider's answer: %w", err)
	}
	if !answer.Active {
		return "", nil
	}
	return answer.ClientID, nil
}
