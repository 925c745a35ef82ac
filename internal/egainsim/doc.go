// Package egainsim knows how eGain's OAuth 2.0 authorization server and API behave on the wire, on both of its
// platforms, and nothing about the operator. It plays them for the demo, tests and benchmarks: strictly, so that a
// protocol error of a client is refused rather than forgiven, and on request badly, so that a client's answer to a
// failing server shows.
//
// eGain documents the URLs of its token and authorization endpoints, the parameters of its flows and the shapes of its
// answers; these are kept exactly. The code of eGain's public clients shows more, which is kept exactly too:
//   - deploymentInfo, and the metadata of tenants and deployments;
//   - the gateways and scope prefixes of the Americas and EMEA, and the policy with which users sign in;
//   - domain_hint, and the placeholder in the URL of the anonymous endpoint;
//   - the codes of the API's errors.
//
// Some of eGain is not public. There the simulator does this:
//   - Production hosts on b2clogin.com: ElsewhereHost stands for such a host.
//   - Entries for clients and the on-behalf-of flow in the metadata: Deployment.ListsClients decides.
//   - Limits of the token endpoint: none but faults.
//   - A revocation endpoint of the two newer platforms: each actor has one, and one for introspection.
//   - The lifetime of refresh tokens and codes: Config, and a minute. RFC 6749 and RFC 9700 say what a reused one leads to.
//   - A government region: none.
//
// These are the simulator's own as well:
//   - the other forms of metadata, and the place of the keys;
//   - the issuers: those of eGain's commercial platform begin with /tfp/;
//   - the refusal of a login without domain_hint at a gateway of several tenants, and the pages of a login;
//   - the scope prefix of the on-behalf-of flow, which is that of the user or customer;
//   - self-service metadata without prefixes and policies, and all members that no client knows;
//   - the names of the default scopes other than knowledge.portalmgr.manage and core.aiservices.read;
//   - the policy with which customers sign in, the gateway and prefixes of ElsewhereTenantID, the default users and clients.
package egainsim
