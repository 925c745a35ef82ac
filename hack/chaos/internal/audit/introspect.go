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

// owners returns the client application that each token is valid for, empty if it is not valid.
func (p *Provider) owners(ctx context.Context, tokens []string) ([]string, error) {
	body, err := json.Marshal(map[string][]string{"tokens": tokens})
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+p.adminToken)
	response, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the provider: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the provider answered %s", response.Status)
	}
	var answers []struct {
		Active   bool   `json:"active"`
		ClientID string `json:"client_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answers); err != nil {
		return nil, fmt.Errorf("reading the provider's answer: %w", err)
	}
	if len(answers) != len(tokens) {
		return nil, fmt.Errorf("the provider answered for %d tokens of %d", len(answers), len(tokens))
	}
	owners := make([]string, len(tokens))
	for i, answer := range answers {
		if answer.Active {
			owners[i] = answer.ClientID
		}
	}
	return owners, nil
}
