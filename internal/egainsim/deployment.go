package egainsim

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ElsewhereHost is the host of another site, at which the users of some tenants log in. Every machine with Linux has it;
// macOS needs the alias: ifconfig lo0 alias 127.0.0.2.
const ElsewhereHost = "127.0.0.2"

// The paths of eGain's discovery, to which no client authenticates.
const (
	deploymentInfoPath     = "/system/deploymentInfo"
	metadataPath           = "/core/authmgr/v3/metadata/"
	deploymentMetadataPath = metadataPath + "deployment"
)

// domainPlaceholder stands for the tenant id in the URL of an anonymous endpoint.
const domainPlaceholder = "<DOMAIN_NAME>"

// Deployment describes the customer's own eGain host of a tenant, at which nothing but a port of this machine is the
// tenant's own.
type Deployment struct {
	// UsersElsewhere has users (agents) log in, and get their tokens, at ElsewhereHost, a host of another site.
	UsersElsewhere bool `json:"usersElsewhere,omitempty"`
	// OwnAnonymous lists the anonymous endpoint in the tenant's document; otherwise only the deployment's document has it.
	OwnAnonymous bool `json:"ownAnonymous,omitempty"`
	// ListsClients adds the entries oAuthClient, oAuthOnBehalfOfUser and oAuthOnBehalfOfCustomer, which eGain may or may
	// not have.
	ListsClients bool `json:"listsClients,omitempty"`
}

// checkPrefixes refuses prefixes of a platform or an actor that has none.
func (c TenantConfig) checkPrefixes() error {
	if c.Platform == Rigel && len(c.ScopePrefixes) > 0 {
		return errors.New("a Rigel tenant has no scope prefixes")
	}
	for actor := range c.ScopePrefixes {
		if !slices.Contains([]Actor{User, Customer, Client}, actor) {
			return fmt.Errorf("scope prefixes are of actors user, customer and client, not %q", actor)
		}
	}
	return nil
}

// URL is the customer's eGain address, which is https://localhost and a port of the deployment's own. It is empty without
// a Deployment. Until Start, and in a Simulator that serves as a bare http.Handler, the port is a small number at which
// nothing listens, and a request that names it is answered.
func (t *Tenant) URL() string { return t.hostURL(loginHost) }

// APIURL is the base URL of the tenant's API: https://127.0.0.1 and the port of URL, or without a Deployment the
// Simulator's APIURL.
func (t *Tenant) APIURL() string {
	if t.config.Deployment == nil {
		return t.sim.APIURL()
	}
	return t.hostURL(apiHost)
}

// DeploymentInfoURL is where eGain's discovery begins. It is empty without a Deployment.
func (t *Tenant) DeploymentInfoURL() string { return joinUnlessEmpty(t.URL(), deploymentInfoPath) }

// MetadataDocumentURL is where the tenant's own metadata are, in eGain's shape. It is empty without a Deployment.
func (t *Tenant) MetadataDocumentURL() string {
	return joinUnlessEmpty(t.hostURL(apiHost), t.metadataDocumentPath())
}

// DeploymentMetadataURL is where the metadata of the tenant's deployment are. It is empty without a Deployment.
func (t *Tenant) DeploymentMetadataURL() string {
	return joinUnlessEmpty(t.hostURL(apiHost), deploymentMetadataPath)
}

// DomainHint is the host of the customer's instance, which a login at a shared gateway names. It is empty without a
// Deployment.
func (t *Tenant) DomainHint() string {
	if t.config.Deployment == nil {
		return ""
	}
	return strings.ToLower(t.config.ID) + ".egain.cloud"
}

func joinUnlessEmpty(base, path string) string {
	if base == "" {
		return ""
	}
	return base + path
}

func (t *Tenant) metadataDocumentPath() string { return metadataPath + "tenant/" + t.config.ID }

// hostURL is one of the two hosts at the port of the tenant's deployment.
func (t *Tenant) hostURL(host string) string {
	if t.config.Deployment == nil {
		return ""
	}
	return "https://" + net.JoinHostPort(host, t.portName())
}

// portName is the port of the tenant's deployment, or the number that stands for it until there is one.
func (t *Tenant) portName() string {
	if port := t.port.Load(); port != 0 {
		return strconv.Itoa(int(port))
	}
	return strconv.Itoa(t.ordinal)
}

// elsewhere reports whether an actor's endpoints are at ElsewhereHost. On Rigel, client applications share those of users.
func (t *Tenant) elsewhere(actor Actor) bool {
	d := t.config.Deployment
	return d != nil && d.UsersElsewhere && (actor == User || t.config.Platform == Rigel && actor == Client)
}

// loginHost is the host of an actor's endpoints.
func (t *Tenant) loginHost(actor Actor) string {
	if t.elsewhere(actor) {
		return ElsewhereHost
	}
	return loginHost
}

// loginURL is the base URL of an actor's endpoints.
func (t *Tenant) loginURL(actor Actor) string { return t.sim.server.url(t.loginHost(actor)) }

// prefixFor is the prefix of an actor's scopes.
func (t *Tenant) prefixFor(actor Actor) string {
	if prefix, ok := t.config.ScopePrefixes[actor]; ok {
		return prefix
	}
	return t.config.ScopePrefix
}

// ScopeFor is a scope's name as requests for an actor must spell it. Anonymous customers have the prefix of Scope.
func (t *Tenant) ScopeFor(actor Actor, name string) string { return t.prefixFor(actor) + name }

// at is a host at the port of the tenant's deployment, as routes name it.
func (t *Tenant) at(host string) string { return t.config.ID + "@" + host }

// addDeploymentRoutes adds what the deployment's port serves, except for the API itself.
func (t *Tenant) addDeploymentRoutes(all map[string]*route) {
	if t.config.Deployment == nil {
		return
	}
	add := func(host, path string, r route) {
		r.path, r.tenant, r.platform = path, t, t.config.Platform
		all[t.at(host)+path] = &r
	}
	add(loginHost, deploymentInfoPath, route{endpoint: DeploymentInfoEndpoint, answer: (*Simulator).answerDeploymentInfo})
	add(apiHost, t.metadataDocumentPath(), route{endpoint: MetadataEndpoint, answer: (*Simulator).answerTenantDocument})
	add(apiHost, deploymentMetadataPath, route{endpoint: MetadataEndpoint, answer: (*Simulator).answerDeploymentDocument})
	for location, shared := range sharedRoutes() {
		if host, _, _ := strings.Cut(location, "/"); host == apiHost && shared.platform == t.config.Platform {
			add(apiHost, shared.path, *shared)
		}
	}
}

// answerDeploymentInfo has the public client of the tenant in every place for one. The members after tenant_identifier
// are of no use to any client.
func (s *Simulator) answerDeploymentInfo(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	t := c.route.tenant
	domain := t.APIURL()
	if t.config.Platform == Commercial {
		domain = strings.TrimPrefix(domain, "https://")
	}
	info := map[string]any{
		"apiDomain": domain, "tenantId": t.config.ID, "domainHint": t.DomainHint(), "tenant_identifier": t.config.ID,
		"buildNumber": 21.7, "supportedLanguages": []string{"en-us", "de-de"}, "maintenance": nil,
		"features": map[string]any{"tenantId": false},
	}
	if i := slices.IndexFunc(t.config.Clients, func(a ClientApp) bool { return a.Public }); i >= 0 {
		for _, member := range []string{"clientId", "intClientId", "extClientId"} {
			info[member] = t.config.Clients[i].ID
		}
	}
	return answerJSON(info)
}

func (s *Simulator) answerTenantDocument(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	return answerJSON(c.route.tenant.tenantDocument())
}

func (s *Simulator) answerDeploymentDocument(c *call) answer {
	if err := c.checkRead(); err != nil {
		return answerError(err)
	}
	return answerJSON(c.route.tenant.deploymentDocument())
}

// tenantDocument are the tenant's metadata in eGain's shape.
func (t *Tenant) tenantDocument() map[string]any {
	details := t.authenticationDetails("")
	if t.config.Deployment.OwnAnonymous {
		details["oAuthAnonymousCustomer"] = t.anonymousEntries()
	}
	if t.config.Deployment.ListsClients {
		details["oAuthClient"] = tokenEntries(t.TokenURL(Client))
		details["oAuthOnBehalfOfUser"] = tokenEntries(t.OnBehalfOfTokenURL(User))
		details["oAuthOnBehalfOfCustomer"] = tokenEntries(t.OnBehalfOfTokenURL(Customer))
	}
	return t.document(details)
}

// deploymentDocument are the metadata of the tenant's deployment, whose authorization URLs carry a hint.
func (t *Tenant) deploymentDocument() map[string]any {
	details := t.authenticationDetails("?domain_hint=" + url.QueryEscape(t.DomainHint()))
	details["oAuthAnonymousCustomer"] = t.anonymousEntries()
	return t.document(details)
}

// authenticationDetails has a second entry for users, since clients use the first, and members that no client knows.
func (t *Tenant) authenticationDetails(query string) map[string]any {
	entry := func(actor Actor) map[string]any {
		return map[string]any{
			"authURL": t.AuthorizationURL(actor) + query, "accessTokenURL": t.TokenURL(actor), "grantTypes": nil,
		}
	}
	unused := map[string]any{"authURL": t.URL() + "/unused", "accessTokenURL": t.URL() + "/unused"}
	details := map[string]any{
		"oAuthUser": []any{entry(User), unused}, "oAuthCustomer": []any{entry(Customer)},
		"oAuthPartner": []any{}, "samlEnabled": false,
	}
	if t.config.Platform == Commercial {
		details["apiPermissionPrefix"] = t.ScopePrefix()
	}
	return details
}

func tokenEntries(tokenURL string) []any { return []any{map[string]any{"accessTokenURL": tokenURL}} }

// anonymousEntries has the placeholder that clients put the tenant id in for.
func (t *Tenant) anonymousEntries() []any {
	return tokenEntries(t.anonymousBase() + domainPlaceholder)
}

// document is a metadata document around the details of its endpoints. Prefixes and policies are of the commercial
// platform only.
func (t *Tenant) document(details map[string]any) map[string]any {
	document := map[string]any{
		"authenticationDetails": details, "schemaVersion": 3, "regions": []string{}, "links": map[string]any{"self": nil},
	}
	if t.config.Platform != Commercial {
		return document
	}
	document["apiMetadata"] = map[string]any{
		"CORE": map[string]any{
			"iApiPermissionPrefix": t.prefixFor(User), "eApiPermissionPrefix": t.prefixFor(Customer),
			"apiPermissionPrefix": t.prefixFor(Client), "apiVersions": []string{"v3", "v4"},
		},
		"CHAT": map[string]any{"apiPermissionPrefix": 0},
	}
	document["idpPolicies"] = map[string]any{
		"userSigninPolicy": t.config.UserPolicy, "customerSigninPolicy": t.config.CustomerPolicy, "passwordResetPolicy": nil,
	}
	return document
}
