package egainsim

// The tenants with eGain hosts of their own, which DeploymentTenants makes.
const (
	// SelfServiceAddressTenantID is the self-service tenant.
	SelfServiceAddressTenantID = "TMPRODB20000001"
	// AmericasTenantID is the commercial tenant of the Americas.
	AmericasTenantID = "TMPRODC30000002"
	// EMEATenantID is the commercial tenant of EMEA.
	EMEATenantID = "TMPRODE40000003"
	// ElsewhereTenantID is the commercial tenant whose users log in at ElsewhereHost.
	ElsewhereTenantID = "TMDEVD50000004"
)

// Their client applications.
const (
	// SelfServiceAddressClientID and SelfServiceAddressClientSecret are of the client application of the self-service tenant.
	SelfServiceAddressClientID     = "selfservice-app"
	SelfServiceAddressClientSecret = "selfservice-app-password"
	// SelfServiceAddressWebClientID and SelfServiceAddressWebClientSecret are of the web application of the self-service tenant, where people log in.
	SelfServiceAddressWebClientID     = "selfservice-web"
	SelfServiceAddressWebClientSecret = "selfservice-web-password"
	// SelfServiceAddressPublicClientID is the single page or native application of the self-service tenant.
	SelfServiceAddressPublicClientID = "selfservice-spa"
	// AmericasClientID and AmericasClientSecret are of the client application of the tenant of the Americas.
	AmericasClientID     = "americas-app"
	AmericasClientSecret = "americas-app-password"
	// AmericasWebClientID and AmericasWebClientSecret are of the web application of the tenant of the Americas, where people log in.
	AmericasWebClientID     = "americas-web"
	AmericasWebClientSecret = "americas-web-password"
	// AmericasPublicClientID is the single page or native application of the tenant of the Americas.
	AmericasPublicClientID = "americas-spa"
	// EMEAClientID and EMEAClientSecret are of the client application of the tenant of EMEA.
	EMEAClientID     = "emea-app"
	EMEAClientSecret = "emea-app-password"
	// EMEAWebClientID and EMEAWebClientSecret are of the web application of the tenant of EMEA, where people log in.
	EMEAWebClientID     = "emea-web"
	EMEAWebClientSecret = "emea-web-password"
	// EMEAPublicClientID is the single page or native application of the tenant of EMEA.
	EMEAPublicClientID = "emea-spa"
	// ElsewhereClientID and ElsewhereClientSecret are of the client application of the tenant whose users log in elsewhere.
	ElsewhereClientID     = "elsewhere-app"
	ElsewhereClientSecret = "elsewhere-app-password"
	// ElsewhereWebClientID and ElsewhereWebClientSecret are of the web application of the tenant whose users log in elsewhere, where people log in.
	ElsewhereWebClientID     = "elsewhere-web"
	ElsewhereWebClientSecret = "elsewhere-web-password"
	// ElsewherePublicClientID is the single page or native application of the tenant whose users log in elsewhere.
	ElsewherePublicClientID = "elsewhere-spa"
)

// Facts of eGain's regions, from the code of its public clients.
const (
	americasGatewayID = "f51302dd-7036-41b5-b619-e1a52a67c780"
	emeaGatewayID     = "038c150c-eb26-453a-8e19-86a8611548a9"
	userSignInPolicy  = "B2C_1A_User_V3_SignIn_OIDC"
	emeaScopePrefix   = "https://api-emea.egain.cloud/auth/"
)

// What eGain's public clients do not tell: a gateway of its own, the policy of customers, and the prefixes of a tenant
// that has one per actor.
const (
	elsewhereGatewayID      = "5c2e8d14-0000-4000-8000-000000000003"
	customerSignInPolicy    = "B2C_1A_Customer_SignIn_OIDC"
	elsewhereUserPrefix     = "https://acmeint.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000001/"
	elsewhereCustomerPrefix = "https://acmeext.onmicrosoft.com/7d1c1d5e-0000-4000-8000-000000000002/"
)

// DeploymentTenants are tenants with eGain hosts of their own: on the self-service platform, and on the commercial one in
// the Americas, in EMEA, and with users who log in at a host of another site. They can be served beside DefaultTenants.
func DeploymentTenants() []TenantConfig {
	return []TenantConfig{
		{
			ID: SelfServiceAddressTenantID, Platform: Rigel, AnonymousOpen: true,
			Clients:    deploymentClients("selfservice"),
			Subjects:   DefaultSubjects(),
			Deployment: &Deployment{OwnAnonymous: true},
		},
		{
			ID: AmericasTenantID, Platform: Commercial,
			GatewayID: americasGatewayID, UserPolicy: userSignInPolicy, CustomerPolicy: customerSignInPolicy,
			ScopePrefix: DefaultScopePrefix,
			Clients:     deploymentClients("americas"),
			Subjects:    DefaultSubjects(),
			Deployment:  &Deployment{},
		},
		{
			ID: EMEATenantID, Platform: Commercial, AnonymousOpen: true,
			GatewayID: emeaGatewayID, UserPolicy: userSignInPolicy, CustomerPolicy: customerSignInPolicy,
			ScopePrefix: emeaScopePrefix,
			Clients:     deploymentClients("emea"),
			Subjects:    DefaultSubjects(),
			Deployment:  &Deployment{OwnAnonymous: true},
		},
		{
			ID: ElsewhereTenantID, Platform: Commercial,
			GatewayID: elsewhereGatewayID, UserPolicy: userSignInPolicy, CustomerPolicy: customerSignInPolicy,
			ScopePrefix:   DefaultScopePrefix,
			ScopePrefixes: map[Actor]string{User: elsewhereUserPrefix, Customer: elsewhereCustomerPrefix},
			Clients:       deploymentClients("elsewhere"),
			Subjects:      DefaultSubjects(),
			Deployment:    &Deployment{UsersElsewhere: true, ListsClients: true},
		},
	}
}

// deploymentClients are a client application, a web application and a public one, with ids that begin with a name.
func deploymentClients(name string) []ClientApp {
	return []ClientApp{
		{ID: name + "-app", Secrets: []string{name + "-app-password"}},
		{ID: name + "-web", Secrets: []string{name + "-web-password"}, RedirectURIs: DefaultRedirectURIs()},
		{ID: name + "-spa", Public: true, RedirectURIs: DefaultRedirectURIs()},
	}
}
