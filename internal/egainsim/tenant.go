package egainsim

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync/atomic"
)

// Platform is a generation of eGain's identity platform.
type Platform string

// The platforms.
const (
	// Rigel is the self-service platform.
	Rigel Platform = "Rigel"
	// Commercial is the platform of the Azure AD B2C family.
	Commercial Platform = "Commercial"
)

// Actor is whom a token speaks for.
type Actor string

// The actors.
const (
	// User is a logged-in agent.
	User Actor = "user"
	// Customer is a customer, logged in or anonymous.
	Customer Actor = "customer"
	// Client is a server: the client application itself.
	Client Actor = "client"
)

// DefaultScopePrefix is the API permission prefix that commercial tenants have unless told otherwise, which is that of the
// Americas.
const DefaultScopePrefix = "https://api.egain.cloud/auth/"

// TenantConfig describes a tenant.
type TenantConfig struct {
	// ID looks like TMPRODB88619984.
	ID       string   `json:"id"`
	Platform Platform `json:"platform"`
	// GatewayID and the sign-in policies are parts of the URLs of a commercial tenant. The policies have defaults.
	GatewayID      string `json:"gatewayID,omitempty"`
	UserPolicy     string `json:"userPolicy,omitempty"`
	CustomerPolicy string `json:"customerPolicy,omitempty"`
	// ScopePrefix is the API permission prefix of a commercial tenant. The default is DefaultScopePrefix.
	ScopePrefix string `json:"scopePrefix,omitempty"`
	// ScopePrefixes are prefixes that differ from ScopePrefix, by actor.
	ScopePrefixes map[Actor]string `json:"scopePrefixes,omitempty"`
	// Scopes is the catalogue of scopes. The default is DefaultScopes.
	Scopes []Scope `json:"scopes,omitempty"`
	// Clients are the client applications. Their ids are unique in a Simulator.
	Clients []ClientApp `json:"clients,omitempty"`
	// Subjects are the users and customers.
	Subjects []Subject `json:"subjects,omitempty"`
	// AnonymousOpen lets anonymous customers in with placeholders for client credentials, or none at all.
	AnonymousOpen bool `json:"anonymousOpen,omitempty"`
	// NumericExpiresIn has a commercial tenant send expires_in as a number. The default is a string.
	NumericExpiresIn bool `json:"numericExpiresIn,omitempty"`
	// Deployment gives the tenant an eGain host of its own, with eGain's discovery.
	Deployment *Deployment `json:"deployment,omitempty"`
}

// Tenant is a tenant of a Simulator. Its methods give the URLs of its platform.
type Tenant struct {
	sim    *Simulator
	config TenantConfig
	// port is where the deployment listens, and ordinal stands for it until there is one.
	port    atomic.Int32
	ordinal int
	// subjects grows; the simulator's lock guards it.
	subjects []Subject
}

// AddTenant serves one more tenant, with its clients and subjects.
func (s *Simulator) AddTenant(config TenantConfig) (*Tenant, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("tenant %q: %w", config.ID, err)
	}
	t := &Tenant{sim: s, config: config, subjects: slices.Clone(config.Subjects)}
	if err := s.server.whileAdding(t, func() error { return s.register(t) }); err != nil {
		return nil, err
	}
	return t, nil
}

// register makes a tenant known.
func (s *Simulator) register(t *Tenant) error {
	config, routes := t.config, t.routes()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.vacant(t, routes); err != nil {
		return err
	}
	if config.Deployment != nil {
		s.deployments = append(s.deployments, t)
		t.ordinal = len(s.deployments)
	}
	s.tenants[config.ID] = t
	s.order = append(s.order, config.ID)
	maps.Copy(s.routes, routes)
	for _, app := range config.Clients {
		s.clients[app.ID] = newClientState(t, app)
	}
	return nil
}

// vacant refuses a tenant whose id, URLs or clients belong to another. The lock is held.
func (s *Simulator) vacant(t *Tenant, routes map[string]*route) error {
	if s.tenants[t.config.ID] != nil {
		return fmt.Errorf("tenant %q exists already", t.config.ID)
	}
	for location := range routes {
		if s.routes[location] != nil {
			return fmt.Errorf("tenant %q: its URLs belong to another tenant (%s)", t.config.ID, location)
		}
	}
	for _, app := range t.config.Clients {
		if s.clients[app.ID] != nil {
			return fmt.Errorf("tenant %q: client %q exists already", t.config.ID, app.ID)
		}
	}
	return nil
}

func (c TenantConfig) withDefaults() TenantConfig {
	if c.Scopes == nil {
		c.Scopes = DefaultScopes()
	}
	if c.Platform != Commercial {
		return c
	}
	if c.UserPolicy == "" {
		c.UserPolicy = "user-signin"
	}
	if c.CustomerPolicy == "" {
		c.CustomerPolicy = "customer-signin"
	}
	if c.ScopePrefix == "" {
		c.ScopePrefix = DefaultScopePrefix
	}
	return c
}

func (c TenantConfig) check() error {
	if err := c.checkPlatform(); err != nil {
		return err
	}
	if err := c.checkPrefixes(); err != nil {
		return err
	}
	for _, part := range []string{c.ID, c.GatewayID, c.UserPolicy, c.CustomerPolicy} {
		if url.QueryEscape(part) != part {
			return fmt.Errorf("%q does not go into a URL as it is", part)
		}
	}
	ids := map[string]bool{}
	for _, app := range c.Clients {
		if err := app.check(); err != nil {
			return err
		}
		if ids[app.ID] {
			return fmt.Errorf("the client id %q is not unique", app.ID)
		}
		ids[app.ID] = true
	}
	for _, subject := range c.Subjects {
		if err := subject.check(); err != nil {
			return err
		}
	}
	return nil
}

func (c TenantConfig) checkPlatform() error {
	switch {
	case c.ID == "":
		return errors.New("the id is missing")
	case c.Platform != Rigel && c.Platform != Commercial:
		return fmt.Errorf("platform %q is neither Rigel nor Commercial", c.Platform)
	case c.Platform == Rigel && (c.GatewayID != "" || c.ScopePrefix != ""):
		return errors.New("a Rigel tenant has neither a gateway nor a scope prefix")
	case c.Platform == Commercial && c.GatewayID == "":
		return errors.New("a commercial tenant needs a gateway id")
	default:
		return nil
	}
}

// Tenant is the tenant with an id, or nil.
func (s *Simulator) Tenant(id string) *Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tenants[id]
}

// Tenants are all tenants, in the order in which they were added.
func (s *Simulator) Tenants() []*Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Tenant, 0, len(s.order))
	for _, id := range s.order {
		all = append(all, s.tenants[id])
	}
	return all
}

// Rigel is the first self-service tenant, or nil. Tenants without a Deployment come before those with one.
func (s *Simulator) Rigel() *Tenant { return s.first(Rigel) }

// Commercial is the first commercial tenant, or nil. Tenants without a Deployment come before those with one.
func (s *Simulator) Commercial() *Tenant { return s.first(Commercial) }

func (s *Simulator) first(platform Platform) *Tenant {
	if all := s.ofPlatform(platform); len(all) > 0 {
		return all[0]
	}
	return nil
}

// ofPlatform are the tenants of a platform: those without a Deployment, or if there are none, those with one.
func (s *Simulator) ofPlatform(platform Platform) []*Tenant {
	var shared, deployed []*Tenant
	for _, t := range s.Tenants() {
		switch {
		case t.config.Platform != platform:
		case t.config.Deployment == nil:
			shared = append(shared, t)
		default:
			deployed = append(deployed, t)
		}
	}
	if len(shared) > 0 {
		return shared
	}
	return deployed
}

// ID is the tenant's id.
func (t *Tenant) ID() string { return t.config.ID }

// Platform is the tenant's platform.
func (t *Tenant) Platform() Platform { return t.config.Platform }

// ScopePrefix is the API permission prefix, empty on Rigel.
func (t *Tenant) ScopePrefix() string { return t.config.ScopePrefix }

// Scope is a scope's name as requests to this tenant must spell it, unless the actor has a prefix of its own: see ScopeFor.
func (t *Tenant) Scope(name string) string { return t.config.ScopePrefix + name }

// basePath is what the paths of an actor's endpoints begin with.
func (t *Tenant) basePath(actor Actor) string {
	switch {
	case t.config.Platform == Rigel && actor == Customer:
		return "/system/auth/" + t.config.ID + "-C"
	case t.config.Platform == Rigel:
		return "/system/auth/" + t.config.ID + "-U"
	case actor == Client:
		return "/global/" + t.config.GatewayID
	case actor == Customer:
		return "/" + t.config.GatewayID + "/" + t.config.CustomerPolicy
	default:
		return "/" + t.config.GatewayID + "/" + t.config.UserPolicy
	}
}

// oauthPath is the path of one of an actor's OAuth endpoints.
func (t *Tenant) oauthPath(actor Actor, endpoint string) string {
	if t.config.Platform == Rigel {
		return t.basePath(actor) + "/oauth2/" + endpoint
	}
	return t.basePath(actor) + "/oauth2/v2.0/" + endpoint
}

func (t *Tenant) issuerPath(actor Actor) string {
	if t.config.Platform == Rigel {
		return t.basePath(actor)
	}
	return t.basePath(actor) + "/v2.0"
}

func (t *Tenant) keysPath(actor Actor) string {
	if t.config.Platform == Rigel {
		return t.basePath(actor) + "/oauth2/keys"
	}
	return t.basePath(actor) + "/discovery/v2.0/keys"
}

// Issuer is the iss claim of the actor's tokens and the issuer of the metadata about them.
func (t *Tenant) Issuer(actor Actor) string { return t.loginURL(actor) + t.issuerPath(actor) }

// TokenURL is the token endpoint of an actor: of logged-in users and customers, or of the client application itself.
func (t *Tenant) TokenURL(actor Actor) string {
	return t.loginURL(actor) + t.oauthPath(actor, "token")
}

// AuthorizationURL is where a user or customer logs in with a browser.
func (t *Tenant) AuthorizationURL(actor Actor) string {
	return t.loginURL(actor) + t.oauthPath(actor, "authorize")
}

// AnonymousTokenURL is the token endpoint of customers who are not logged in.
func (t *Tenant) AnonymousTokenURL() string {
	return t.anonymousBase() + url.QueryEscape(t.config.ID)
}

// anonymousBase is the URL of the anonymous endpoint up to the tenant id.
func (t *Tenant) anonymousBase() string {
	const query = "?user_type=customer&domain_hint="
	if t.config.Platform == Rigel {
		return t.APIURL() + rigelAnonymousPath + query
	}
	return t.sim.LoginURL() + commercialAnonymousPath + query
}

// OnBehalfOfTokenURL is the token endpoint for a client application that acts for a user or a customer.
func (t *Tenant) OnBehalfOfTokenURL(actor Actor) string {
	if t.config.Platform == Rigel {
		return t.TokenURL(actor)
	}
	query := "?user_type=" + string(actor) + "&tenantId=" + url.QueryEscape(t.config.ID)
	return t.APIURL() + commercialOnBehalfOfPath + query
}

// RevocationURL is the revocation endpoint (RFC 7009) for an actor's tokens.
func (t *Tenant) RevocationURL(actor Actor) string {
	return t.loginURL(actor) + t.oauthPath(actor, "revoke")
}

// IntrospectionURL is the introspection endpoint (RFC 7662) for the tenant's tokens.
func (t *Tenant) IntrospectionURL(actor Actor) string {
	return t.loginURL(actor) + t.oauthPath(actor, "introspect")
}

// JWKSURL serves the keys that the tenant's tokens are signed with.
func (t *Tenant) JWKSURL(actor Actor) string { return t.loginURL(actor) + t.keysPath(actor) }

// actors are those that have an issuer of their own.
func (t *Tenant) actors() []Actor {
	if t.config.Platform == Rigel {
		return []Actor{User, Customer}
	}
	return []Actor{User, Customer, Client}
}
