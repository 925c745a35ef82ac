package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// simulator is a simulated eGain, with the tenants that the samples need.
type simulator struct {
	*stage.Simulator
	// http trusts the simulator's CA, as a workload that knows its tenant does.
	http *http.Client
}

// newSimulator prepares what is asked of a simulator beside administration.
func newSimulator(sim *stage.Simulator) (*simulator, error) {
	client, err := trusting(sim.Description.CABundle)
	return &simulator{sim, client}, err
}

// tenant is the simulator's tenant on a platform, of those without an address of their own.
func (s *simulator) tenant(platform egainsim.Platform) (egainsim.TenantDescription, error) {
	for _, tenant := range s.Description.Tenants {
		if tenant.Platform == platform && tenant.URL == "" {
			return tenant, nil
		}
	}
	return egainsim.TenantDescription{}, fmt.Errorf("the simulator has no tenant on platform %q", platform)
}

// deploymentTenant is the tenant of which the demo uses the address alone. It has what there is to find: a gateway, a scope
// prefix, a domain hint, and an anonymous endpoint in the document of its deployment.
func deploymentTenant() egainsim.TenantConfig {
	all := egainsim.DeploymentTenants()
	return all[slices.IndexFunc(all, func(t egainsim.TenantConfig) bool { return t.ID == egainsim.AmericasTenantID })]
}

// addDeployment serves deploymentTenant too. Others of DeploymentTenants need a loopback address that macOS lacks.
func (s *simulator) addDeployment(ctx context.Context) error {
	tenant, err := s.AddTenant(ctx, deploymentTenant())
	if err != nil {
		return fmt.Errorf("adding a tenant with an address of its own: %w", err)
	}
	s.Description.Tenants = append(s.Description.Tenants, tenant)
	return nil
}

// deployed is the simulator's tenant with an address of its own.
func (s *simulator) deployed() (egainsim.TenantDescription, error) {
	for _, tenant := range s.Description.Tenants {
		if tenant.URL != "" {
			return tenant, nil
		}
	}
	return egainsim.TenantDescription{}, errors.New("the simulator has no tenant with an address of its own")
}

// tokenRequests counts the token requests of one client application at a tenant, or with two empty strings all of them.
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
func (s *simulator) trustCluster(ctx context.Context, c *stage.Cluster, registration, audience string, subjects map[string]string) error {
	published, err := c.Plane.JWKS(ctx)
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
	if err := s.RegisterProvider(ctx, registration, metadata.Issuer, s.Description.APIURL, keys, nil); err != nil {
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
