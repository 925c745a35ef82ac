// Package egainsim knows how eGain's OAuth 2.0 authorization server and API behave on the wire, on both of its
// platforms, and nothing about the operator. It plays them for the demo, tests and benchmarks: strictly, so that a
// protocol error of a client is refused rather than forgiven, and on request badly, so that a client's answer to a
// failing server shows.
//
// eGain documents the URLs of its token and authorization endpoints, the parameters of its flows and the shapes of its
// answers; these are kept exactly. What is not public is the simulator's own: the paths of the metadata, key, revocation
// and introspection endpoints (all of them are found through metadata), the pages of a login and the lives of codes and
// refresh tokens, what a reused code or refresh token leads to (RFC 6749 and RFC 9700 say), the names of the default scopes
// other than knowledge.portalmgr.manage and core.aiservices.read, the default users, and the ids of the default clients.
package egainsim
