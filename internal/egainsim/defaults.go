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
	// RigelWebClientID and RigelWebClientSecret are of the default web application on Rigel, where people log in.
	RigelWebClientID     = "rigel-web"
	RigelWebClientSecret = "rigel-web-password"
	// RigelPublicClientID is the default single page or native application on Rigel, which has no secret.
	RigelPublicClientID = "rigel-spa"
	// CommercialWebClientID and CommercialWebClientSecret are of the default web application on the commercial platform.
	CommercialWebClientID     = "commercial-web"
	CommercialWebClientSecret = "commercial-web-password"
	// CommercialPublicClientID is the default single page or native application on the commercial platform.
	CommercialPublicClientID = "commercial-spa"
	// SubjectPassword is what every default user and customer logs in with.
	SubjectPassword = "simulated-password"
)

// DefaultRedirectURIs are those of the default applications where people log in: one callback, by address and by name.
func DefaultRedirectURIs() []string {
	return []string{"http://127.0.0.1:8765/callback", "http://localhost:8765/callback"}
}

// DefaultTenants are one tenant on each platform. The Rigel one lets anonymous customers in without client credentials,
// the commercial one does not.
func DefaultTenants() []TenantConfig {
	return []TenantConfig{
		{
			ID:       RigelTenantID,
			Platform: Rigel,
			Clients: []ClientApp{
				{ID: RigelClientID, Secrets: []string{RigelClientSecret}},
				{ID: RigelWebClientID, Secrets: []string{RigelWebClientSecret}, RedirectURIs: DefaultRedirectURIs()},
				{ID: RigelPublicClientID, Public: true, RedirectURIs: DefaultRedirectURIs()},
			},
			Subjects:      DefaultSubjects(),
			AnonymousOpen: true,
		},
		{
			ID:        CommercialTenantID,
			Platform:  Commercial,
			GatewayID: CommercialGatewayID,
			Clients: []ClientApp{
				{ID: CommercialClientID, Secrets: []string{CommercialClientSecret}},
				{ID: CommercialWebClientID, Secrets: []string{CommercialWebClientSecret}, RedirectURIs: DefaultRedirectURIs()},
				{ID: CommercialPublicClientID, Public: true, RedirectURIs: DefaultRedirectURIs()},
			},
			Subjects: DefaultSubjects(),
		},
	}
}

// DefaultSubjects are two users and a customer, whose password is SubjectPassword.
func DefaultSubjects() []Subject {
	return []Subject{
		{Actor: User, Username: "agent.smith", UserID: "10001", Password: SubjectPassword},
		{Actor: User, Username: "agent.jones", UserID: "10002", Password: SubjectPassword},
		{Actor: Customer, Email: "customer@example.com", Password: SubjectPassword},
	}
}

// DefaultScopes is a catalogue with two scopes for client applications, which are delegated scopes too, two more delegated
// scopes, and two on-behalf-of scopes.
func DefaultScopes() []Scope {
	return []Scope{
		{Name: "knowledge.portalmgr.manage", Kind: ApplicationScope},
		{Name: "core.aiservices.read", Kind: ApplicationScope},
		{Name: "knowledge.portalmgr.read", Kind: DelegatedScope},
		{Name: "core.aiservices.use", Kind: DelegatedScope},
		{Name: "knowledge.portalmgr.manage", Kind: DelegatedScope},
		{Name: "core.aiservices.read", Kind: DelegatedScope},
		{Name: "knowledge.portalmgr.onbehalfof.manage", Kind: OnBehalfOfScope},
		{Name: "core.aiservices.onbehalfof.read", Kind: OnBehalfOfScope},
	}
}
