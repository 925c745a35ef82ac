package egainsim

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// AdminClient drives a Simulator in another process.
type AdminClient struct {
	url   string
	token string
	http  *http.Client
}

// NewAdminClient makes a client for the simulator that a description is of.
func NewAdminClient(d Description) (*AdminClient, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(d.CABundle)) {
		return nil, errors.New("the description has no CA certificate")
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: AdminServerName},
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
	}
	return &AdminClient{
		url:   d.LoginURL + adminPath,
		token: d.AdminToken,
		http:  &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}, nil
}

// Stats is the simulator's count of requests.
func (c *AdminClient) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	err := c.do(ctx, http.MethodGet, "stats", nil, &stats)
	return stats, err
}

// ClearRecord has the simulator forget counts and log.
func (c *AdminClient) ClearRecord(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "stats", nil, nil)
}

// Requests are the last requests, oldest first.
func (c *AdminClient) Requests(ctx context.Context) ([]Request, error) {
	var requests []Request
	err := c.do(ctx, http.MethodGet, "requests", nil, &requests)
	return requests, err
}

// Subjects are the known users and customers by tenant id.
func (c *AdminClient) Subjects(ctx context.Context) (map[string][]Subject, error) {
	var subjects map[string][]Subject
	err := c.do(ctx, http.MethodGet, "subjects", nil, &subjects)
	return subjects, err
}

// SetFault has requests misbehave that match.
func (c *AdminClient) SetFault(ctx context.Context, match Match, fault Fault) error {
	return c.do(ctx, http.MethodPost, "faults", faultRequest{match, fault}, nil)
}

// ClearFaults ends all faults.
func (c *AdminClient) ClearFaults(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "faults", nil, nil)
}

// SetLifetime sets the life of the access tokens of a tenant, or with an empty id of every tenant without one of its own.
func (c *AdminClient) SetLifetime(ctx context.Context, tenantID string, lifetime time.Duration) error {
	return c.do(ctx, http.MethodPost, "lifetime", lifetimeRequest{tenantID, duration(lifetime)}, nil)
}

// SetRefreshLifetime sets the life of the refresh tokens of a tenant, or with an empty id of every tenant without one of
// its own.
func (c *AdminClient) SetRefreshLifetime(ctx context.Context, tenantID string, lifetime time.Duration) error {
	return c.do(ctx, http.MethodPost, "refresh-lifetime", lifetimeRequest{tenantID, duration(lifetime)}, nil)
}

// AddRedirectURI registers one more redirect URI of a client.
func (c *AdminClient) AddRedirectURI(ctx context.Context, clientID, uri string) error {
	return c.do(ctx, http.MethodPost, "redirect-uris", redirectURIRequest{clientID, uri}, nil)
}

// Sessions are the logins that are known, oldest first.
func (c *AdminClient) Sessions(ctx context.Context) ([]Session, error) {
	var sessions []Session
	err := c.do(ctx, http.MethodGet, "sessions", nil, &sessions)
	return sessions, err
}

// EndSessions revokes what has come of the logins of a subject at a client, of which either may be empty and mean any, and
// says how many there were.
func (c *AdminClient) EndSessions(ctx context.Context, clientID, subject string) (int, error) {
	var result endResult
	err := c.do(ctx, http.MethodPost, "end-sessions", endRequest{clientID, subject}, &result)
	return result.Ended, err
}

// AddSecret makes one more secret of a client valid.
func (c *AdminClient) AddSecret(ctx context.Context, clientID, secret string) error {
	return c.do(ctx, http.MethodPost, "secrets", secretsRequest{ClientID: clientID, Add: []string{secret}}, nil)
}

// RemoveSecret makes a secret of a client invalid.
func (c *AdminClient) RemoveSecret(ctx context.Context, clientID, secret string) error {
	return c.do(ctx, http.MethodPost, "secrets", secretsRequest{ClientID: clientID, Remove: []string{secret}}, nil)
}

// RegisterProvider makes an external identity provider known, and which users its subjects are.
func (c *AdminClient) RegisterProvider(ctx context.Context, registrationID, issuer, audience string,
	keys jose.JSONWebKeySet, subjects map[string]string,
) error {
	return c.do(ctx, http.MethodPost, "providers", providerRequest{registrationID, issuer, audience, keys, subjects}, nil)
}

// RevokeToken makes a token invalid, and reports whether it was valid.
func (c *AdminClient) RevokeToken(ctx context.Context, token string) (bool, error) {
	var result revokeResult
	err := c.do(ctx, http.MethodPost, "revoke", revokeRequest{Token: token}, &result)
	return result.Revoked > 0, err
}

// RevokeAll makes every token of a client invalid, and says how many were valid.
func (c *AdminClient) RevokeAll(ctx context.Context, clientID string) (int, error) {
	var result revokeResult
	err := c.do(ctx, http.MethodPost, "revoke", revokeRequest{ClientID: clientID}, &result)
	return result.Revoked, err
}

// Introspect reports, in the order of the tokens, whether each is valid now, and what for.
func (c *AdminClient) Introspect(ctx context.Context, tokens ...string) ([]Introspection, error) {
	var result []Introspection
	err := c.do(ctx, http.MethodPost, "introspect", introspectRequest{tokens}, &result)
	return result, err
}

// AddTenant has one more tenant served.
func (c *AdminClient) AddTenant(ctx context.Context, tenant TenantConfig) (TenantDescription, error) {
	var description TenantDescription
	err := c.do(ctx, http.MethodPost, "tenants", tenant, &description)
	return description, err
}

// AddClient registers one more client application with a tenant.
func (c *AdminClient) AddClient(ctx context.Context, tenantID string, app ClientApp) error {
	return c.do(ctx, http.MethodPost, "clients", clientRequest{tenantID, app}, nil)
}

// SetCertificate replaces the server certificate. Even one that is not trusted does not bar this client.
func (c *AdminClient) SetCertificate(ctx context.Context, wanted Certificate) error {
	return c.do(ctx, http.MethodPost, "certificate", wanted, nil)
}

// SetClockSkew makes the simulator's clock run ahead of the true time, or behind it if skew is negative.
func (c *AdminClient) SetClockSkew(ctx context.Context, skew time.Duration) error {
	return c.do(ctx, http.MethodPost, "clock", skewRequest{duration(skew)}, nil)
}

// do makes one administration request. The request is encoded from content and the answer decoded into result, if any.
func (c *AdminClient) do(ctx context.Context, method, operation string, content, result any) error {
	var body io.Reader = http.NoBody
	if content != nil {
		encoded, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+operation, body)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		return readAdminError(response)
	}
	if result == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return fmt.Errorf("reading the simulator's answer: %w", err)
	}
	return nil
}

func readAdminError(response *http.Response) error {
	var refusal struct {
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&refusal); err != nil {
		return fmt.Errorf("the simulator answered %s", response.Status)
	}
	return fmt.Errorf("the simulator answered %s: %s", response.Status, refusal.Description)
}
