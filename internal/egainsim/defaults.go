package egainsim

// The tenants that a Simulator has unless it is given others.
const (
	// RigelTenantID is the default self-service tenant.
	RigelTenantID = "TMPRODB88619984"
	// CommercialTenantID is the default commercial tenant.
	CommercialTenantID = "TMPRODA10000001"
	// CommercialGatewayID is the gateway of the default commercial tenant.
	CommercialGatewayID = "gateway-1"
	// RigelClientID and RigelClientSecret are of the default client application on Rigel.
	RigelClientID     = "rigel-app"
	RigelClientSecret = "rigel-app-password"
	// CommercialClientID and CommercialClientSecret are of the default client application on the commercial platform.
	CommercialClientID     = "commercial-app"
	CommercialClientSecret = "commercial-app-password"
)

// DefaultTenants are one tenant on each platform. The Rigel one lets anonymous customers in without client credentials,
// the commercial one does not.
func DefaultTenants() []TenantConfig {
	return []TenantConfig{
		{
			ID:            RigelTenantID,
			Platform:      Rigel,
			Clients:       []ClientApp{{ID: RigelClientID, Secrets: []string{RigelClientSecret}}},
			Subjects:      DefaultSubjects(),
			AnonymousOpen: true,
		},
		{
			ID:        CommercialTenantID,
			Platform:  Commercial,
			GatewayID: CommercialGatewayID,
			Clients:   []ClientApp{{ID: CommercialClientID, Secrets: []string{CommercialClientSecret}}},
			Subjects:  DefaultSubjects(),
		},
	}
}

// DefaultSubjects are two users and a customer.
func DefaultSubjects() []Subject {
	return []Subject{
		{Actor: User, Username: "agent.smith", UserID: "10001"},
		{Actor: User, Username: "agent.jones", UserID: "10002"},
		{Actor: Customer, Email: "customer@example.com"},
	}
}

// DefaultScopes is a catalogue with two scopes of each kind.
func DefaultScopes() []Scope {
	return []Scope{
		{Name: "knowledge.portalmgr.manage", Kind: ApplicationScope},
		{Name: "core.aiservices.read", Kind: ApplicationScope},
		{Name: "knowledge.portalmgr.read", Kind: DelegatedScope},
		{Name: "core.aiservices.use", Kind: DelegatedScope},
		{Name: "knowledge.portalmgr.onbehalfof.manage", Kind: OnBehalfOfScope},
		{Name: "core.aiservices.onbehalfof.read", Kind: OnBehalfOfScope},
	}
}
