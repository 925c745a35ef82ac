// Package egainsim knows how eGain's OAuth 2.0 authorization server and API behave on the wire, on both of its
// platforms, and nothing about the operator. It plays them for the demo, tests and benchmarks: strictly, so that a
// protocol error of a client is refused rather than forgiven, and on request badly, so that a client's answer to a
// failing server shows.
//
// eGain documents the URLs of its token and authorization endpoints, the parameters of its flows and the shapes of its
// answers; these are kept exactly. So is what the code of eGain's public clients shows: deploymentInfo and the metadata of
// tenants and deployments, the gateways and scope prefixes of the regions, the policy with which users sign in, the hint
// about the domain, the placeholder in the anonymous endpoint's URL, and the codes of the API's errors.
//
// What is not public is the simulator's own:
//   - hosts of other sites: ElsewhereHost stands for those on b2clogin.com, of which it is unknown whether production
//     tenants have any;
//   - whether the metadata have entries for clients and for the on-behalf-of flow: Deployment.ListsClients decides;
//   - limits of the token endpoint: there are none but faults;
//   - the revocation and introspection endpoints, and where keys are served;
//   - the lifetime of refresh tokens and codes, and what a reused one leads to (RFC 6749 and RFC 9700 say);
//   - a government region: there is none.
//
// So are the other forms of metadata, the issuers (eGain's commercial ones begin with /tfp/), the pages of a login, that
// a login without a hint is refused at a gateway of several tenants, the prefix of a scope in the on-behalf-of flow (that of
// the user or customer), the names of the default scopes other than knowledge.portalmgr.manage and core.aiservices.read, the
// policy with which customers sign in, the members of metadata that no client knows, the default users, and the ids of
// the default tenants' clients. Self-service metadata name no prefixes and no policies.
package egainsim
