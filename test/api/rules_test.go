package api_test

import (
	"cmp"
	"fmt"
	"maps"
	"testing"
)

// rule is a change that breaks one of the CRD's rules.
type rule struct {
	// base to change.
	base   string
	change change
	// field that the refusal is about, and what it says.
	field, says string
}

// object is a value with fields.
type object = map[string]any

// given sets a field to a value that is refused.
func given(field string, value any, says string) rule {
	return rule{change: change{field: value}, field: field, says: says}
}

// of changes another base.
func (r rule) of(base string) rule {
	r.base = base
	return r
}

// about says that the refusal is about a field other than the one that is set; about("") is about the whole object.
func (r rule) about(field string) rule {
	r.field = field
	return r
}

// clientRules has at least one row for each rule of an EgainClient, by what is wrong.
func clientRules() map[string]rule {
	return together(
		sourceRules(), flowRules(), tenantRules(), requestRules(), subjectRules(), sessionRules(), renewalRules(), targetRules(),
		nameRules(), keyRules(), urlRules(), metadataKeyRules(), textRules(), borrowingRules(),
	)
}

func together[V any](tables ...map[string]V) map[string]V {
	all := map[string]V{}
	for _, some := range tables {
		maps.Copy(all, some)
	}
	return all
}

// sourceRules keep the token from overwriting what it is made from.
func sourceRules() map[string]rule {
	const subject = "spec.tokenExchange.subjectToken.secretKeyRef.name"
	return map[string]rule{
		"the target's default name is that of the credentials Secret": given("spec.credentialsSecretRef.name", clientCredentials,
			"spec.credentialsSecretRef names: set spec.target.secretName to another name").about(""),
		"the target's default name is that of the subject token's Secret": given(subject, secretExchange,
			"spec.tokenExchange.subjectToken.secretKeyRef names: set spec.target.secretName to another name").of(secretExchange).about(""),
		"the target is the credentials Secret": given("spec.target.secretName", "egain-app",
			"target.secretName must not be the Secret that credentialsSecretRef names").about("spec"),
		"the target's default name is that of the CA bundle's Secret": given("spec.tenant.caBundleRef", object{"kind": "Secret", "name": clientCredentials},
			"spec.tenant.caBundleRef names: set spec.target.secretName to another name").about(""),
		"the target is the CA bundle's Secret": {
			change: change{"spec.tenant.caBundleRef": object{"kind": "Secret", "name": "ca"}, "spec.target.secretName": "ca"},
			field:  "spec", says: "target.secretName must not be the Secret that tenant.caBundleRef names",
		},
		"the client id and the secret are one key": given("spec.credentialsSecretRef.clientIDKey", "client_secret",
			"clientIDKey and clientSecretKey must be different keys of the Secret").about("spec.credentialsSecretRef"),
		"the target is the subject token's Secret": given("spec.target.secretName", "okta-token",
			"target.secretName must not be the Secret that tokenExchange.subjectToken.secretKeyRef names").of(secretExchange).about("spec"),
	}
}

// flowRules say what a flow needs.
func flowRules() map[string]rule {
	const (
		credentials = "credentialsSecretRef is required: name the Secret that holds the client id and secret"
		scopes      = "scopes is required: list at least one scope"
		subject     = "flow OnBehalfOf needs spec.onBehalfOf with one of username, userID, email; no other flow takes it"
		exchange    = "flow TokenExchange needs spec.tokenExchange with registrationID and subjectToken; no other flow takes it"
		anonymous   = "flow AnonymousCustomer needs tenant.id (or the whole URL in tenant.endpoints.tokenURL)"
	)
	rows := map[string]rule{
		"client credentials without a Secret":       given("spec.credentialsSecretRef", nil, credentials),
		"on behalf of a user without a Secret":      given("spec.credentialsSecretRef", nil, credentials).of(onBehalfOf),
		"a token exchange without a Secret":         given("spec.credentialsSecretRef", nil, credentials).of(secretExchange),
		"client credentials without scopes":         given("spec.scopes", nil, scopes),
		"an anonymous customer without scopes":      given("spec.scopes", nil, scopes).of(anonymousCustomer),
		"on behalf of a user without scopes":        given("spec.scopes", nil, scopes).of(onBehalfOf),
		"on behalf of no subject":                   given("spec.onBehalfOf", nil, subject).of(onBehalfOf),
		"client credentials on behalf of a user":    given("spec.onBehalfOf", object{"username": "agent.smith"}, subject),
		"an anonymous customer on behalf of a user": given("spec.onBehalfOf", object{"userID": "42"}, subject).of(anonymousCustomer),
		"a token exchange of nothing":               given("spec.tokenExchange", nil, exchange).of(secretExchange),
		"an anonymous customer of an unknown tenant": given("spec.tenant", object{"metadataURL": "https://login.egain.cloud/metadata"},
			anonymous).of(anonymousCustomer),
		"an anonymous customer of an unknown tenant with an API": given("spec.tenant", object{
			"metadataURL": "https://login.egain.cloud/metadata", "endpoints": object{"apiURL": "https://api.egain.cloud"},
		}, anonymous).of(anonymousCustomer),
		"client credentials with a token to exchange": {
			base: secretExchange, change: change{"spec.flow": "ClientCredentials", "spec.scopes": []string{"a"}}, says: exchange,
		},
	}
	for name, row := range rows {
		rows[name] = row.about("spec")
	}
	return rows
}

func tenantRules() map[string]rule {
	const one = "set exactly one of tenant (where the tokens come from) and tenantRef (the name of an EgainTenant that says so)"
	ref := object{"name": "production"}
	return together(
		locationRules("spec.tenant", "set at least one of tenant.id, tenant.metadataURL or tenant.endpoints.tokenURL"),
		map[string]rule{
			"neither a tenant nor the name of one":            given("spec.tenant", nil, one).about("spec"),
			"a tenant and the name of one":                    given("spec.tenantRef", ref, one).about("spec"),
			"the name of a tenant and a tenant":               given("spec.tenant", object{"id": "T"}, one).of(tenantReference).about("spec"),
			"no longer the name of a tenant":                  given("spec.tenantRef", nil, one).of(tenantReference).about("spec"),
			"an anonymous customer with two tenants":          given("spec.tenantRef", ref, one).of(anonymousCustomer).about("spec"),
			"an empty tenant beside the name of one":          given("spec.tenant", object{}, one).of(tenantReference).about("spec"),
			"a tenant that is but a CA beside the name of it": given("spec.tenant", object{"caBundleRef": object{"name": "ca"}}, one).of(tenantReference).about("spec"),
		},
	)
}

// locationRules are those of where a tenant is found, which stands at a path.
func locationRules(at, nothing string) map[string]rule {
	const (
		id     = "must be a tenant id such as TMPRODB88619984: letters, digits, '-' and '_'"
		prefix = "must not contain spaces, quotes or backslashes"
	)
	return map[string]rule{
		"a tenant with nothing to find it by":       given(at, object{}, nothing),
		"a tenant of which only the API is known":   given(at, object{"endpoints": object{"apiURL": "https://api.egain.cloud"}}, nothing),
		"a tenant of which only the login is known": given(at, object{"endpoints": object{"authorizationURL": "https://login.egain.cloud/authorize"}}, nothing),
		"a tenant id with a path":                   given(at+".id", "TMPRODB88619984/../other", id),
		"a tenant id with a space":                  given(at+".id", "TMPRODB88619984 ", id),
		"a tenant id that begins with a hyphen":     given(at+".id", "-U", id),
		"a scope prefix with a space":               given(at+".scopePrefix", "https://api.egain.cloud/auth/ ", prefix),
		"a scope prefix in quotes":                  given(at+".scopePrefix", `"https://api.egain.cloud/auth/"`, prefix),
		"a scope prefix with a backslash":           given(at+".scopePrefix", `api.egain.cloud\auth`, prefix),
	}
}

func requestRules() map[string]rule {
	const (
		scope     = "must be one scope without spaces, quotes or backslashes; list each scope as an entry of its own"
		name      = "the name of a parameter has 1 to 64 characters: letters, digits, '.', '_' and '-'"
		twice     = "two parameters must not differ only in upper and lower case: keep one of them"
		forbidden = "must not contain what the flow sets itself (grant_type, scope, client_id, subject_token and so on) nor credentials"
	)
	rows := map[string]rule{
		"two scopes in one entry":      given("spec.scopes", []string{"core.aiservices.read knowledge.portalmgr.manage"}, scope).about("spec.scopes[*]"),
		"a scope in quotes":            given("spec.scopes", []string{`"core.aiservices.read"`}, scope).about("spec.scopes[*]"),
		"a scope with a backslash":     given("spec.scopes", []string{`core\read`}, scope).about("spec.scopes[*]"),
		"a scope that is not ASCII":    given("spec.scopes", []string{"wörk"}, scope).about("spec.scopes[*]"),
		"a scope with a line break":    given("spec.scopes", []string{"core.aiservices.read\n"}, scope).about("spec.scopes[*]"),
		"a parameter without a name":   given("spec.parameters", object{"": "value"}, name),
		"a parameter with a long name": given("spec.parameters", object{long(65): "value"}, name),
		"a parameter twice":            given("spec.parameters", object{"resource": "a", "Resource": "b"}, twice),
	}
	for _, parameter := range []string{
		" scope", "scope ", "scope[]", "scope[0]", "sc ope", "scope\n", "\u202escope", "\uff53cope", "\u017fcope", "scope\x00", "scope%20", "scope&x", "scope=x", "scope;", "Scope\u200b",
	} {
		rows[fmt.Sprintf("the parameter %+q", parameter)] = given("spec.parameters", object{parameter: "x"}, name)
	}
	for _, parameter := range []string{"Scope", "SCOPE", "Client_Secret", "client_Id", "Grant_Type", "Refresh_Token", "CODE", "Assertion", "Subject_Token", "Redirect_URI"} {
		rows["the parameter "+parameter] = given("spec.parameters", object{parameter: "x"}, forbidden)
	}
	for _, parameter := range []string{
		"grant_type", "scope", "client_id", "client_secret", "username", "password", "subject_username", "subject_userid",
		"subject_email", "subject_token", "subject_token_type", "registration_id", "client_assertion", "client_assertion_type",
		"assertion", "actor_token", "device_code", "code", "code_verifier", "redirect_uri", "refresh_token",
	} {
		rows["the parameter "+parameter] = given("spec.parameters", object{"resource": "a", parameter: "x"}, forbidden)
	}
	for _, parameter := range []string{
		"state", "nonce", "request", "request_uri", "response_type", "response_mode", "code_challenge", "code_challenge_method", "State", "RESPONSE_TYPE", "Code_Challenge",
	} {
		rows["the parameter of a login "+parameter] = given("spec.parameters", object{parameter: "x"},
			"must not contain what a login sets itself: state, nonce, response_*, code_challenge*, request, request_uri")
		rows["a login's own parameter "+parameter] = given("spec.authorizationCode.parameters", object{parameter: "x"}, "a login sets the rest itself").of(authorizationCode)
	}
	for _, parameter := range []string{"Prompt", "client_id", "scope", "redirect_uri", "x", ""} {
		rows["a login with the parameter "+parameter] = given("spec.authorizationCode.parameters", object{parameter: "x"}, "must be one of prompt, domain_hint, login_hint").of(authorizationCode)
	}
	return rows
}

// textRules keep out of fields what a terminal obeys, and what people cannot see.
func textRules() map[string]rule {
	const says = "must not contain control characters, or characters that are invisible or turn the direction of text"
	rows := map[string]rule{}
	for _, character := range []string{
		"\x00", "\a", "\b", "\t", "\n", "\r", "\x1b", "\x7f", "\u0080", "\u0085", "\u009b", "\u009d", "\u009f", "\u00ad", "\u034f", "\u061c", "\u115f", "\u180e",
		"\u200b", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u3164", "\ufeff", "\U000e0041",
	} {
		for field, base := range map[string]string{
			"spec.onBehalfOf.username": onBehalfOf, "spec.onBehalfOf.userID": onBehalfOf, "spec.onBehalfOf.email": onBehalfOf,
			"spec.tokenExchange.registrationID": secretExchange, "spec.tokenExchange.subjectTokenType": secretExchange,
			"spec.tokenExchange.subjectToken.serviceAccountToken.audience": serviceAccountExchange,
			"spec.target.type": clientCredentials,
		} {
			row := given(field, "a"+character+"@b", says).of(base)
			if base == onBehalfOf {
				row.change["spec.onBehalfOf"] = object{field[len("spec.onBehalfOf."):]: "a" + character + "@b"}
				delete(row.change, field)
			}
			rows[fmt.Sprintf("%s with %+q", field, character)] = row
		}
		rows[fmt.Sprintf("a parameter with %+q", character)] = given("spec.parameters", object{"resource": "a" + character}, says).about("spec.parameters[*]")
		rows[fmt.Sprintf("a login's parameter with %+q", character)] = given("spec.authorizationCode.parameters", object{"prompt": "a" + character}, says).of(authorizationCode).about("spec.authorizationCode.parameters[*]")
	}
	return rows
}

func subjectRules() map[string]rule {
	const (
		subject = "exactly one of the fields in [username userID email] must be set"
		email   = "must be an e-mail address"
		token   = "exactly one of the fields in [secretKeyRef serviceAccountToken egainClientRef] must be set"
	)
	both := object{"secretKeyRef": object{"name": "a", "key": "b"}, "serviceAccountToken": object{"name": "a", "audience": "b"}}
	self := "spec.tokenExchange.subjectToken.egainClientRef must name another EgainClient: one cannot exchange its own token"
	return map[string]rule{
		"no subject to act for":                   given("spec.onBehalfOf", object{}, subject).of(onBehalfOf),
		"a user with two names":                   given("spec.onBehalfOf", object{"username": "a", "userID": "1"}, subject).of(onBehalfOf),
		"a user who is a customer":                given("spec.onBehalfOf", object{"username": "a", "email": "a@b"}, subject).of(onBehalfOf),
		"a customer who is a user":                given("spec.onBehalfOf", object{"userID": "1", "email": "a@b"}, subject).of(onBehalfOf),
		"an e-mail address without a domain":      given("spec.onBehalfOf", object{"email": "customer"}, email).of(onBehalfOf).about("spec.onBehalfOf.email"),
		"an e-mail address with a name before it": given("spec.onBehalfOf", object{"email": "A <a@example.com>"}, email).of(onBehalfOf).about("spec.onBehalfOf.email"),
		"two e-mail addresses":                    given("spec.onBehalfOf", object{"email": "a@b,c@d"}, email).of(onBehalfOf).about("spec.onBehalfOf.email"),
		"no subject token":                        given("spec.tokenExchange.subjectToken", object{}, token).of(secretExchange),
		"two subject tokens":                      given("spec.tokenExchange.subjectToken", both, token).of(secretExchange),
		"the token of a Secret and of a client": given("spec.tokenExchange.subjectToken.secretKeyRef", object{"name": "a", "key": "b"},
			token).of(clientExchange).about("spec.tokenExchange.subjectToken"),
		"the object's own token": given("spec.tokenExchange.subjectToken.egainClientRef.name", clientExchange, self).of(clientExchange).about(""),
		"the object's own token, of another target": {
			base: clientExchange, says: self,
			change: change{"spec.tokenExchange.subjectToken.egainClientRef.name": clientExchange, "spec.target.secretName": "other"},
		},
	}
}

// sessionRules are those of a login.
func sessionRules() map[string]rule {
	const (
		code    = "flow AuthorizationCode needs spec.authorizationCode with redirectURL and sessionSecretRef; no other flow takes it"
		session = "spec.authorizationCode.sessionSecretRef.name"
	)
	rows := map[string]rule{
		"a login without authorizationCode": given("spec.authorizationCode", nil, code).about("spec"),
		"a login without credentials":       given("spec.credentialsSecretRef", nil, "credentialsSecretRef is required").about("spec"),
		"a login without scopes":            given("spec.scopes", nil, "scopes is required: list at least one scope").about("spec"),
		"client credentials with a session": {base: clientCredentials, change: change{"spec.authorizationCode": object{"sessionSecretRef": object{"name": "a"}}}, field: "spec", says: code},
		"a token exchange with a session":   {base: secretExchange, change: change{"spec.authorizationCode": object{"sessionSecretRef": object{"name": "a"}}}, field: "spec", says: code},
		"the target's default name is that of the session": given(session, authorizationCode,
			"spec.authorizationCode.sessionSecretRef names: set spec.target.secretName to another name").about(""),
		"the target is the session": given("spec.target.secretName", "agent-session",
			"target.secretName must not be the Secret that authorizationCode.sessionSecretRef names: workloads would see the refresh token").about("spec"),
		"the session is in the credentials Secret": given(session, "egain-app",
			"authorizationCode.sessionSecretRef must not be the Secret that credentialsSecretRef names: the operator writes to the one and only reads the other").about("spec"),
	}
	rows = together(rows, redirectRules())
	for name, row := range rows {
		if row.base == "" {
			rows[name] = row.of(authorizationCode)
		}
	}
	return rows
}

func redirectRules() map[string]rule {
	const (
		field = "spec.authorizationCode.redirectURL"
		where = "must be an http URL of this machine, such as http://127.0.0.1:8765/callback, or an https URL"
	)
	rows := urlRulesOf(where, field)
	for what, value := range map[string]string{
		"to another machine": "http://app.example.com/callback", "to a machine that is called like this one": "http://localhost.example.com/callback",
		"to an address of this machine that is seldom used": "http://127.0.0.2/callback", "to an app": "com.example.app:/callback",
	} {
		rows["a redirect "+what] = given(field, value, where)
	}
	return rows
}

func renewalRules() map[string]rule {
	const (
		one      = "exactly one of the fields in [percent before] must be set"
		duration = "must be a duration from 5s to 720h, such as 10m or 1h30m"
	)
	return map[string]rule{
		"a renewal that says nothing":         given("spec.renewal", object{}, one),
		"a renewal that says two things":      given("spec.renewal", object{"percent": 75, "before": "10m"}, one),
		"a renewal too close to the expiry":   given("spec.renewal.before", "4999ms", duration),
		"a renewal too long before":           given("spec.renewal.before", "720h1s", duration),
		"a renewal after the expiry":          given("spec.renewal.before", "-10m", duration),
		"a renewal without a unit":            given("spec.renewal.before", "600", duration),
		"a renewal in words":                  given("spec.renewal.before", "ten minutes", duration),
		"a renewal in days":                   given("spec.renewal.before", "1d", duration),
		"a renewal that no duration can hold": given("spec.renewal.before", "9999999999999h", duration),
		"a renewal of nothing":                given("spec.renewal.before", "", duration),
	}
}

func targetRules() map[string]rule {
	const (
		kind       = "must not be a type that Kubernetes itself uses for logins: use Opaque"
		key        = "a key has 1 to 253 letters, digits, '-', '_' and '.', and does not begin with '..'"
		ours       = "are written by the operator: choose another key"
		value      = "the value of a label has letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
		label      = "labels under auth.egain.com/ are the operator's own"
		annotation = "annotations under auth.egain.com/ are the operator's own"

		data        = "spec.target.template.data"
		labels      = "spec.target.template.metadata.labels"
		annotations = "spec.target.template.metadata.annotations"
	)
	rows := map[string]rule{
		"a target that logs a ServiceAccount in": given("spec.target.type", "kubernetes.io/service-account-token", kind),
		"a target that logs a node in":           given("spec.target.type", "bootstrap.kubernetes.io/token", kind),
		"a template's key with a slash":          given(data, object{"a/b": "x"}, key),
		"a template's key without a name":        given(data, object{"": "x"}, key),
		"a template's key that is a directory":   given(data, object{".": "x"}, key),
		"a template's key that leads out of one": given(data, object{"..x": "x"}, key),
		"a template's key that is long":          given(data, object{long(254): "x"}, key),
		"a label with a space in its value":      given(labels, object{"team": "team a"}, value).about(labels + "[*]"),
		"a label that ends in a hyphen":          given(labels, object{"team": "a-"}, value).about(labels + "[*]"),
		"a label that is the operator's":         given(labels, object{"auth.egain.com/x": "x"}, label),
		"an annotation that is the operator's":   given(annotations, object{"auth.egain.com/owned-by": "x"}, annotation),
	}
	for _, name := range []string{"access_token", "token_type", "expires_at", "scope", "authorization", "api_url"} {
		rows["the template's key "+name] = given(data, object{"a": "x", name: "x"}, ours)
	}
	return rows
}

func nameRules() map[string]rule {
	return nameRulesOf(map[string]string{
		"spec.tenantRef.name":                                      tenantReference,
		"spec.tenant.caBundleRef.name":                             clientCredentials,
		"spec.credentialsSecretRef.name":                           clientCredentials,
		"spec.target.secretName":                                   clientCredentials,
		"spec.tokenExchange.subjectToken.secretKeyRef.name":        secretExchange,
		"spec.tokenExchange.subjectToken.serviceAccountToken.name": serviceAccountExchange,
		"spec.tokenExchange.subjectToken.egainClientRef.name":      clientExchange,
		"spec.authorizationCode.sessionSecretRef.name":             authorizationCode,
	})
}

// nameRulesOf are those of every field that names an object, given with the base to change.
func nameRulesOf(fields map[string]string) map[string]rule {
	rows := map[string]rule{}
	for field, base := range fields {
		for what, value := range map[string]string{
			"in upper case": "Egain-App", "with an underscore": "egain_app", "with a hyphen at its end": "egain-app-",
			"of another namespace": "team-b/egain-app", "with two dots": "egain..app",
		} {
			rows[field+" "+what] = given(field, value, "must be the name of an object: lowercase letters, digits, '-' and '.'").of(base)
		}
	}
	return rows
}

func keyRules() map[string]rule {
	return keyRulesOf(map[string]string{
		"spec.tenant.caBundleRef.key":                      clientCredentials,
		"spec.credentialsSecretRef.clientIDKey":            clientCredentials,
		"spec.credentialsSecretRef.clientSecretKey":        clientCredentials,
		"spec.tokenExchange.subjectToken.secretKeyRef.key": secretExchange,
	})
}

// keyRulesOf are those of every field that names a key, given with the base to change.
func keyRulesOf(fields map[string]string) map[string]rule {
	rows := map[string]rule{}
	for field, base := range fields {
		for what, value := range map[string]string{
			"with a slash": "tls/ca.crt", "with a space": "client id", "that is a directory": ".", "that leads out of one": "..x",
		} {
			rows[field+" "+what] = given(field, value, "must be a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'").of(base)
		}
	}
	return rows
}

func urlRules() map[string]rule {
	return urlRulesOf("must be an absolute https URL, such as https://",
		"spec.tenant.metadataURL", "spec.tenant.endpoints.tokenURL", "spec.tenant.endpoints.authorizationURL",
		"spec.tenant.endpoints.revocationURL", "spec.tenant.endpoints.apiURL",
	)
}

// urlRulesOf are those of every field that holds a URL, with what is said of one that is none, or not https.
func urlRulesOf(says string, fields ...string) map[string]rule {
	rows := map[string]rule{}
	for _, field := range fields {
		for what, value := range map[string]string{
			"without encryption": "http://ai.egain.cloud/token", "without a scheme": "ai.egain.cloud/token",
			"without a host": "https:///token", "with only a port": "https://:443/token", "that is a path": "/token",
			"of another scheme": "file:///etc/passwd", "with a port that is none": "https://ai.egain.cloud:port/token",
		} {
			rows[field+" "+what] = rule{change: within(field, value), field: field, says: says}
		}
		for what, value := range map[string]string{
			"with a fragment": "https://ai.egain.cloud/token#x", "with credentials": "https://user:secret@ai.egain.cloud/token",
			"with a user": "https://user@ai.egain.cloud/token", "with a space at its end": "https://ai.egain.cloud/token ",
		} {
			rows[field+" "+what] = rule{change: within(field, value), field: field, says: "must not contain spaces, a fragment (#) or credentials (user@)"}
		}
		rows = together(rows, hostRulesOf(field, "/token"))
	}
	return rows
}

// metadataKeyRules are those of the keys of labels and annotations.
// hostRulesOf are those about the host of a field that holds a URL, which has a path.
func hostRulesOf(field, path string) map[string]rule {
	const (
		ascii   = "must be in ASCII, percent-encoded where needed; its host is a name (xn-- for other letters) or an address without a zone"
		decimal = "must spell an IPv4 address as four decimal numbers, such as 192.0.2.1"
	)
	rows := map[string]rule{}
	for says, hosts := range map[string][]string{
		ascii: {
			"①⓪.⑨⑥.⓪.①", "１０.９６.０.１", "10。96。0。1", "ai．egain．cloud", "ⅼocalhost", "bücher.example", "\u212Aubernetes.example", "ai.egain.cloud\u202e",
			"\u200bai.egain.cloud", "ai.egain.cloud\u009b", "ai.egain.cloud\u0007", "%E2%85%BCocalhost", "ai%2eegain.cloud", "[fe80::1%25eth0]", "*.egain.cloud", "ai.egain.cloud\\.example",
		},
		decimal: {
			"2130706433", "0x7f000001", "0X7F.1", "017700000001", "127.1", "0177.0.0.1", "127.0.0.1.", "256.0.0.1", "1.2.3.4.5", "127.0.0.01", "egain.0x", "127.1:8443",
		},
	} {
		for _, host := range hosts {
			rows[fmt.Sprintf("%s at the host %+q", field, host)] = rule{change: within(field, "https://"+host+path), field: field, says: says}
		}
	}
	return rows
}

func metadataKeyRules() map[string]rule {
	rows := map[string]rule{}
	for field, says := range map[string]string{
		"spec.target.template.metadata.labels":      "the key of a label is a name of at most 63 characters, such as team",
		"spec.target.template.metadata.annotations": "the key of an annotation is a name of at most 63 characters, such as note",
	} {
		for what, key := range map[string]string{
			"without a name": "", "with a space": "a b", "with two slashes": "example.com/a/b", "with only a domain": "example.com/",
			"that is long": long(64), "of a domain that is none": "a..b/c", "of a domain that is long": long(254) + "/a",
		} {
			rows[field+" with a key "+what] = given(field, object{key: "x"}, says)
		}
	}
	return rows
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for name, r := range k.rules {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				expectRefused(t, cmp.Or(r.base, k.base), r.change, r.field, r.says)
			})
		}
	}
}

// TestWhatTheRulesLeaveOpen tries what just passes.
func TestWhatTheRulesLeaveOpen(t *testing.T) {
	t.Parallel()
	const (
		endpoints   = "spec.tenant.endpoints"
		subject     = "spec.tokenExchange.subjectToken"
		data        = "spec.target.template.data"
		labels      = "spec.target.template.metadata.labels"
		annotations = "spec.target.template.metadata.annotations"
	)
	login := object{"endpoints": object{"tokenURL": "https://login.egain.cloud/token"}}
	account := object{"serviceAccountToken": object{"name": "sync", "audience": "egain"}}
	redirect := func(url string) change { return change{"spec.authorizationCode.redirectURL": url} }
	for name, row := range map[string]struct {
		base   string
		change change
	}{
		"an object that nothing is changed of":               {},
		"only a metadata URL":                                {change: change{"spec.tenant": object{"metadataURL": "https://login.egain.cloud/metadata"}}},
		"only a token URL":                                   {change: change{"spec.tenant": login}},
		"a token URL with a port and a query":                {change: change{endpoints: object{"tokenURL": "https://login.egain.cloud:8443/token?user_type=customer&a=b"}}},
		"a token URL on an IPv6 address":                     {change: change{endpoints: object{"tokenURL": "https://[2001:db8::1]/token"}}},
		"a token URL on an IPv4 address":                     {change: change{endpoints: object{"tokenURL": "https://192.0.2.1:8443/token"}}},
		"a token URL on an IPv6 address that holds another":  {change: change{endpoints: object{"tokenURL": "https://[::ffff:192.0.2.1]"}}},
		"a host in punycode":                                 {change: change{endpoints: object{"tokenURL": "https://xn--bcher-kva.example?x=1"}}},
		"a host of digits and letters":                       {change: change{endpoints: object{"tokenURL": "https://1.0x7f.2egain/token"}}},
		"a URL with its scheme in upper case":                {change: change{"spec.tenant.metadataURL": "HTTPS://login.egain.cloud/metadata"}},
		"a tenant id with hyphens and underscores":           {change: change{"spec.tenant.id": "TM-PROD_1"}},
		"an anonymous customer with credentials":             {base: anonymousCustomer, change: change{"spec.credentialsSecretRef": object{"name": "egain-app"}}},
		"an anonymous customer at a token URL without an id": {base: anonymousCustomer, change: change{"spec.tenant": login}},
		"a token exchange with scopes":                       {base: secretExchange, change: change{"spec.scopes": []string{"knowledge.portalmgr.read"}}},
		"every character that a scope may have":              {change: change{"spec.scopes": []string{"!#$%&'()*+,-./0:;<=>?@A[]^_`a{|}~"}}},
		"a scope of the commercial platform":                 {change: change{"spec.scopes": []string{"https://api.egain.cloud/auth/.default"}}},
		"a parameter with a name of 64 characters":           {change: change{"spec.parameters": object{long(64): ""}}},
		"an e-mail address with a plus sign":                 {base: onBehalfOf, change: change{"spec.onBehalfOf": object{"email": "a.customer+tag@mail.example.com"}}},
		"a user's name beyond ASCII, with a space":           {base: onBehalfOf, change: change{"spec.onBehalfOf": object{"username": "Zo\u00eb M\u00fcller \u5f20"}}},
		"a parameter of JSON":                                {change: change{"spec.parameters": object{"authorization_details": `[{"type":"a", "b":["c d"]}]`}}},
		"parameters that only begin alike":                   {change: change{"spec.parameters": object{"resource": "a", "Resource.b": "b", "x-scope": "c", "scope_": "d"}}},
		"a tenant that allows parameters":                    {base: sharedTenant, change: change{"spec.allowedParameters": []string{"resource", "audience", "authorization_details", "claims", "x.y-z"}}},
		"the shortest time before the expiry":                {change: change{"spec.renewal.before": "5s"}},
		"the longest time before the expiry":                 {change: change{"spec.renewal.before": "720h"}},
		"a duration as Go writes it":                         {change: change{"spec.renewal.before": "1h30m0s"}},
		"a duration in milliseconds":                         {change: change{"spec.renewal.before": "5000ms"}},
		"a target named after the object":                    {change: change{"spec.target.secretName": clientCredentials}},
		"credentials named after the object":                 {change: change{"spec.credentialsSecretRef.name": clientCredentials, "spec.target.secretName": "other"}},
		"a subject token named after the object":             {base: secretExchange, change: change{subject + ".secretKeyRef.name": secretExchange, "spec.target.secretName": "other"}},
		"credentials and subject token in one Secret":        {base: secretExchange, change: change{subject + ".secretKeyRef.name": "egain-app"}},
		"a subject token of the other kind":                  {base: secretExchange, change: change{subject: account}},
		"another flow":                                       {change: change{"spec.flow": "OnBehalfOf", "spec.onBehalfOf": object{"userID": "42"}}},
		"a key that begins with a dot":                       {change: change{"spec.credentialsSecretRef.clientIDKey": ".id", data: object{".env": "x"}}},
		"a template's key of 253 characters":                 {change: change{data: object{long(253): "x"}}},
		"a template's key that differs from ours in case":    {change: change{data: object{"ACCESS_TOKEN": "{{ .AccessToken }}"}}},
		"a label without a value":                            {change: change{labels: object{"team": ""}}},
		"a label with the longest key":                       {change: change{labels: object{long(253) + "/" + long(63): "x"}}},
		"an annotation with the longest key":                 {change: change{annotations: object{long(253) + "/" + long(63): "x"}}},
		"a label of a domain near ours":                      {change: change{labels: object{"egain.com/team": "x"}}},
		"a login over https":                                 {base: authorizationCode, change: redirect("https://app.example.com/callback?a=b")},
		"a login at any port of this machine":                {base: authorizationCode, change: redirect("http://127.0.0.1/callback")},
		"a login at this machine by its name":                {base: authorizationCode, change: redirect("http://localhost:8765/")},
		"a login at this machine by IPv6":                    {base: authorizationCode, change: redirect("http://[::1]:8765/callback")},
		"the login of a customer":                            {base: authorizationCode, change: change{"spec.authorizationCode.actor": "Customer"}},
		"a session named after the object":                   {base: authorizationCode, change: change{"spec.authorizationCode.sessionSecretRef.name": authorizationCode, "spec.target.secretName": "other"}},
		"a subject token of a client":                        {base: secretExchange, change: change{subject: object{"egainClientRef": object{"name": "other"}}}},
		"a shared tenant instead of one's own":               {change: change{"spec.tenant": nil, "spec.tenantRef": object{"name": "production"}}},
		"one's own tenant instead of a shared one":           {base: tenantReference, change: change{"spec.tenantRef": nil, "spec.tenant": object{"id": "T"}}},
		"an anonymous customer of a shared tenant":           {base: anonymousCustomer, change: change{"spec.tenant": nil, "spec.tenantRef": object{"name": "production"}}},
		"a login at a shared tenant":                         {base: authorizationCode, change: change{"spec.tenant": nil, "spec.tenantRef": object{"name": "production"}}},
		"a login with every parameter that it may have":      {base: authorizationCode, change: change{"spec.authorizationCode.parameters": loginParameters(10)}},
		"parameters whose names only begin like a login's":   {change: change{"spec.parameters": object{"stateful": "x", "requested": "y", "nonce2": "z"}}},
		"a tenant by its address alone":                      {base: unlimitedTenant, change: change{"spec": object{"url": "https://acme.egain.cloud"}}},
		"an address with a port and a slash":                 {base: unlimitedTenant, change: change{"spec": object{"url": "https://localhost:8443/"}}},
		"a tenant of the token URL of one actor":             {base: unlimitedTenant, change: change{"spec": object{"actorEndpoints": []object{{"actor": "Client", "tokenURL": someURL}}}}},
		"an actor with only a prefix":                        {base: sharedTenant, change: change{"spec.actorEndpoints": []object{{"actor": "OnBehalfOfUser", "scopePrefix": "https://api.egain.cloud/auth/"}}}},
		"trusted hosts, an address among them":               {base: sharedTenant, change: change{"spec.trustedHosts": []string{"acmeint.b2clogin.com", "127.0.0.2"}}},
		"an application for everybody of a kind":             {base: lendingTenant, change: within(inApplications+"allowedSubjects", object{"usernames": []string{"*"}})},
		"an application without a scope of its own":          {base: lendingTenant},
		"an application of namespaces by an expression":      {base: lendingTenant, change: within(inApplications+"allowedNamespaces", object{"selector": object{"matchExpressions": []object{{"key": "a", "operator": "Exists"}}}})},
		"a customer of an application by a quoted address":   {base: lendingTenant, change: within(inApplications+"allowedSubjects", object{"emails": []string{`"a b"@acme.com`, "*@acme.com"}})},
		"an anonymous customer of an application":            {base: anonymousCustomer, change: change{"spec.tenant": nil, "spec.tenantRef": object{"name": "production", "application": "default"}}},
		"a tenant that all may use":                          {base: unlimitedTenant},
		"a tenant of only a token URL":                       {base: unlimitedTenant, change: change{"spec": object{"endpoints": object{"tokenURL": "https://login.egain.cloud/token"}}}},
		"a tenant of every namespace, by a selector":         {base: sharedTenant, change: change{"spec.allowedNamespaces": object{"selector": object{}}}},
		"a tenant of namespaces by an expression":            {base: sharedTenant, change: change{"spec.allowedNamespaces.selector": object{"matchExpressions": []object{{"key": "a", "operator": "Exists"}}}}},
		"a tenant of every scope, by an asterisk":            {base: sharedTenant, change: change{"spec.allowedScopes": []string{"*"}}},
		"every character that an allowed scope may have":     {base: sharedTenant, change: change{"spec.allowedScopes": []string{"!#$%&'()+,-./0:;<=>?@A[]^_`a{|}~*"}}},
		"a tenant that is but limited in concurrency":        {base: sharedTenant, change: change{"spec.requestLimits": object{"concurrent": 1024}}},
		"a type of one's own":                                {change: change{"spec.target.type": "example.com/token"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectAccepted(t, row.base, row.change)
		})
	}
}
