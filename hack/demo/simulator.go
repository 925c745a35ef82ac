package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// simulatorStart is how long the simulator may take to generate its keys and listen.
const simulatorStart = 20 * time.Second

// simulator is a simulated eGain in a process of its own.
type simulator struct {
	*egainsim.AdminClient
	process     *process
	description egainsim.Description
	// http trusts the simulator's CA, as a workload that knows its tenant does.
	http *http.Client
}

// startSimulator starts the simulator and waits until it serves. Its description, which holds its secrets, goes to dir.
func startSimulator(ctx context.Context, binary, dir, logs string, tokenLife time.Duration) (*simulator, error) {
	file := filepath.Join(dir, "simulator.json")
	p, err := startProcess(ctx, logs, binary, "-description-file="+file, "-token-lifetime="+tokenLife.String())
	if err != nil {
		return nil, err
	}
	s := &simulator{process: p}
	err = await(ctx, simulatorStart, "starting the simulator", func(context.Context) (bool, error) {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return false, p.exited()
		}
		var err error
		s.description, err = egainsim.ReadDescription(file)
		return true, err
	})
	if err == nil {
		s.AdminClient, err = egainsim.NewAdminClient(s.description)
	}
	if err == nil {
		s.http, err = trusting(s.description.CABundle)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the simulator: %w", err), p.stop())
	}
	return s, nil
}

// tenant is the simulator's tenant on a platform.
func (s *simulator) tenant(platform egainsim.Platform) (egainsim.TenantDescription, error) {
	for _, tenant := range s.description.Tenants {
		if tenant.Platform == platform {
			return tenant, nil
		}
	}
	return egainsim.TenantDescription{}, fmt.Errorf("the simulator has no tenant on platform %q", platform)
}

// tokenRequests counts the token requests of one client application at a tenant, or with two empty strings all of them.
// Requests of a client without an id are counted under the empty id of its tenant.
func tokenRequests(stats egainsim.Stats, tenantID, clientID string) int {
	total := 0
	for _, count := range stats.Counts {
		all := tenantID == "" && clientID == ""
		if count.Endpoint == egainsim.TokenEndpoint && (all || (count.Tenant == tenantID && count.ClientID == clientID)) {
			total += count.Count
		}
	}
	return total
}

// trustCluster registers the API server at the simulator as an identity provider, by the keys that it publishes itself.
func (s *simulator) trustCluster(ctx context.Context, c *cluster, registration, audience string, subjects map[string]string) error {
	published, err := c.plane.JWKS(ctx)
	if err != nil {
		return fmt.Errorf("reading the API server's keys: %w", err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(published, &keys); err != nil {
		return fmt.Errorf("reading the API server's keys: %w", err)
	}
	if err := s.RegisterProvider(ctx, registration, clusterIssuer, audience, keys, subjects); err != nil {
		return fmt.Errorf("registering the API server as an identity provider: %w", err)
	}
	return nil
}

// trustTenant registers the tenant on a platform as an identity provider, by what it publishes of its users' tokens.
func (s *simulator) trustTenant(ctx context.Context, registration string, platform egainsim.Platform) error {
	tenant, err := s.tenant(platform)
	if err != nil {
		return err
	}
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := s.read(ctx, tenant.MetadataURLs[egainsim.OAuthMetadata][egainsim.User], &metadata); err != nil {
		return fmt.Errorf("reading the metadata of the tenant's users: %w", err)
	}
	var keys jose.JSONWebKeySet
	if err := s.read(ctx, metadata.JWKSURI, &keys); err != nil {
		return fmt.Errorf("reading the keys of the tenant's users: %w", err)
	}
	// Its tokens are for its API.
	if err := s.RegisterProvider(ctx, registration, metadata.Issuer, s.description.APIURL, keys, nil); err != nil {
		return fmt.Errorf("registering a tenant as an identity provider: %w", err)
	}
	return nil
}

// read reads a JSON document that the simulator publishes.
func (s *simulator) read(ctx context.Context, url string, document any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator answered %s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(document)
}

// clusterIssuer is the issuer of the ServiceAccount tokens of package controlplane's API server.
const clusterIssuer = "https://kubernetes.default.svc"
