package api_test

import "fmt"

const someURL = "https://a.example"

// tenantBounds are those of all fields of an EgainTenant, by their paths.
var tenantBounds = map[string]bound{
	"spec.id":                         {measure: length, least: 1, most: 64, of: text},
	"spec.metadataURL":                {measure: length, least: 1, most: 2048, of: url},
	"spec.scopePrefix":                {measure: length, least: 1, most: 256, of: text},
	"spec.endpoints":                  {measure: entries, least: 1, most: none, of: one("tokenURL", someURL)},
	"spec.endpoints.tokenURL":         {measure: length, least: 1, most: 2048, of: url},
	"spec.endpoints.authorizationURL": {measure: length, least: 1, most: 2048, of: url},
	"spec.endpoints.revocationURL":    {measure: length, least: 1, most: 2048, of: url},
	"spec.endpoints.apiURL":           {measure: length, least: 1, most: 2048, of: url},
	"spec.caBundleRef.name":           {measure: length, least: 1, most: 253, of: text},
	"spec.caBundleRef.key":            {measure: length, least: 1, most: 253, of: text},
	"spec.caBundleRef.namespace":      {measure: length, least: 1, most: 63, of: text},

	"spec.allowedNamespaces":          {measure: entries, least: 1, most: none, of: one("names", []string{"team-a"})},
	"spec.allowedNamespaces.names":    {measure: items, least: 1, most: 256, of: list},
	"spec.allowedNamespaces.names[*]": {measure: length, least: 1, most: 63, of: inList(text)},
	"spec.allowedParameters":          {measure: items, least: 1, most: 32, of: list},
	"spec.allowedParameters[*]":       {measure: length, least: 1, most: 64, of: inList(text)},
	"spec.allowedScopes":              {measure: items, least: 1, most: 256, of: list},
	"spec.allowedScopes[*]":           {measure: length, least: 1, most: 256, of: inList(text)},
	"spec.requestLimits":              {measure: entries, least: 1, most: none, of: one("concurrent", 1)},
	"spec.requestLimits.concurrent":   {measure: number, least: 1, most: 1024, of: integer},
	"spec.requestLimits.perSecond":    {measure: number, least: 1, most: 10_000, of: integer},

	"spec.url":                                {measure: length, least: 1, most: 2048, of: address},
	"spec.trustedHosts":                       {measure: items, least: 1, most: 16, of: list},
	"spec.trustedHosts[*]":                    {measure: length, least: 1, most: 253, of: inList(text)},
	"spec.actorEndpoints":                     {measure: items, least: 1, most: 6, of: actorsOfSpec},
	"spec.actorEndpoints[*].tokenURL":         {measure: length, least: 1, most: 2048, of: url},
	"spec.actorEndpoints[*].authorizationURL": {measure: length, least: 1, most: 2048, of: url},
	"spec.actorEndpoints[*].revocationURL":    {measure: length, least: 1, most: 2048, of: url},
	"spec.actorEndpoints[*].scopePrefix":      {measure: length, least: 1, most: 256, of: text},

	"status":                               {measure: entries, least: 1, most: none, of: one("observedGeneration", 1)},
	"status.conditions":                    {measure: items, least: none, most: 8, of: conditions},
	"status.observedGeneration":            {measure: number, least: -1, most: none, of: integer},
	"status.endpoints":                     {measure: items, least: none, most: 6, of: actors},
	"status.endpoints[*].tokenURL":         {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].authorizationURL": {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].revocationURL":    {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].apiURL":           {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].scopePrefix":      {measure: length, least: 1, most: 256, of: text},
	"status.endpoints[*].reason":           {measure: length, least: 1, most: 256, of: text},
	"status.endpoints[*].message":          {measure: length, least: 1, most: 1024, of: text},
	"status.deployment":                    {measure: entries, least: 1, most: none, of: one("tenantID", "T")},
	"status.deployment.tenantID":           {measure: length, least: 1, most: 64, of: text},
	"status.deployment.domainHint":         {measure: length, least: 1, most: 260, of: text},
	"status.metadata.issuer":               {measure: length, least: 1, most: 2048, of: text},
	"status.clients":                       {measure: number, least: 0, most: none, of: integer},
}

// actorNames are the actors that there are.
var actorNames = []string{"Client", "User", "Customer", "AnonymousCustomer", "OnBehalfOfUser", "OnBehalfOfCustomer"}

// elements are a number of list elements, each of an actor of its own as far as there are any.
func elements(n int64, of func(actor string) map[string]any) any {
	all := []any{}
	for i := range n {
		name := fmt.Sprint(i)
		if i < int64(len(actorNames)) {
			name = actorNames[i]
		}
		element := of(name)
		element["actor"] = name
		all = append(all, element)
	}
	return all
}

// actors have endpoints with everything as long as may be.
func actors(n int64) any {
	return elements(n, func(string) map[string]any {
		longest := long(2048)
		return map[string]any{
			"tokenURL": longest, "authorizationURL": longest, "revocationURL": longest, "apiURL": longest, "source": "Spec",
			"scopePrefix": long(256), "reason": long(256), "message": long(1024),
		}
	})
}

// actorsOfSpec are the same as a person writes them. Only users and customers log in.
func actorsOfSpec(n int64) any {
	return elements(n, func(actor string) map[string]any {
		longest := url(2048)
		element := map[string]any{"tokenURL": longest, "revocationURL": longest, "scopePrefix": long(256)}
		if actor == "User" || actor == "Customer" {
			element["authorizationURL"] = longest
		}
		return element
	})
}

// address is a URL of a host alone.
func address(n int64) any {
	const prefix = "https://"
	if n == 0 {
		return ""
	}
	if n <= int64(len(prefix)) {
		return nil
	}
	return prefix + long(n-int64(len(prefix)))
}

var tenantEnums = map[string][]string{
	"spec.applications[*].allowedFlows[*]":       clientEnums["spec.flow"],
	"spec.caBundleRef.kind":                      {"ConfigMap", "Secret"},
	ofApplications + "ready":                     {"True", "False", "Unknown"},
	"spec.actorEndpoints[*].actor":               actorNames,
	"status.endpoints[*].actor":                  actorNames,
	"status.endpoints[*].source":                 {"Spec", "Metadata", "Derived"},
	"status.endpoints[*].authorizationURLSource": {"Spec", "Metadata", "Derived"},
	"status.endpoints[*].revocationURLSource":    {"Spec", "Metadata", "Derived"},
	"status.endpoints[*].apiURLSource":           {"Spec", "Metadata", "Derived"},
	"status.endpoints[*].scopePrefixSource":      {"Spec", "Metadata", "Derived"},
}

var tenantRequired = map[string]string{
	"spec":                         sharedTenant,
	"spec.caBundleRef.name":        sharedTenant,
	"spec.caBundleRef.namespace":   sharedTenant,
	"spec.actorEndpoints[*].actor": sharedTenant,
	"status.endpoints[*].actor":    sharedTenant,
}

var tenantListTypes = map[string]string{
	"spec.allowedNamespaces.names": "set",
	"spec.allowedScopes":           "set",
	"spec.allowedParameters":       "set",
	"status.conditions":            "map",
	"status.endpoints":             "map",
	"spec.actorEndpoints":          "map",
	"spec.trustedHosts":            "set",
}

var tenantVariants = map[string]variant{"tenant": {base: sharedTenant}}

// tenantKindRules has at least one row for each rule of an EgainTenant, by what is wrong.
func tenantKindRules() map[string]rule {
	return together(
		locationRules("spec", nothingToFindIt),
		urlRulesOf("must be an absolute https URL, such as https://", "spec.metadataURL", "spec.endpoints.tokenURL", "spec.endpoints.authorizationURL", "spec.endpoints.revocationURL", "spec.endpoints.apiURL",
			"spec.actorEndpoints[*].tokenURL", "spec.actorEndpoints[*].authorizationURL", "spec.actorEndpoints[*].revocationURL"),
		nameRulesOf(map[string]string{"spec.caBundleRef.name": sharedTenant}),
		keyRulesOf(map[string]string{"spec.caBundleRef.key": sharedTenant}),
		admissionRules(), discoveryRules(), applicationRules(),
	)
}

const nothingToFindIt = "set at least one of url, id, metadataURL, endpoints.tokenURL or a tokenURL in actorEndpoints"

// discoveryRules are those of an address and of what it leads to.
func discoveryRules() map[string]rule {
	const (
		url    = "must be https and a host, such as https://acme.egain.cloud: no path, query or credentials"
		host   = "must be the exact name of a host, such as acmeint.b2clogin.com: no scheme, port, path or wildcard"
		prefix = "must not contain spaces, quotes or backslashes"
		login  = "authorizationURL is for the actors User and Customer, who log in"
	)
	rows := map[string]rule{
		"an actor of whom nothing is said":        given("spec.actorEndpoints", []object{{"actor": "User"}}, "set at least one of tokenURL, authorizationURL, revocationURL and scopePrefix").about("spec.actorEndpoints[*]"),
		"a client application that logs in":       given("spec.actorEndpoints", []object{{"actor": "Client", "authorizationURL": someURL}}, login).about("spec.actorEndpoints[*]"),
		"an anonymous customer who logs in":       given("spec.actorEndpoints", []object{{"actor": "AnonymousCustomer", "authorizationURL": someURL}}, login).about("spec.actorEndpoints[*]"),
		"an actor's prefix with a space":          given("spec.actorEndpoints", []object{{"actor": "User", "scopePrefix": "a b"}}, prefix).about("spec.actorEndpoints[*].scopePrefix"),
		"a tenant of which only logins are known": given("spec", object{"actorEndpoints": []object{{"actor": "User", "authorizationURL": someURL}}}, nothingToFindIt),
		"a tenant of which only trust is known":   given("spec", object{"trustedHosts": []string{"a.example"}}, nothingToFindIt),
	}
	for what, value := range map[string]string{
		"without encryption": "http://acme.egain.cloud", "without a scheme": "acme.egain.cloud", "without a host": "https://", "with only a port": "https://:443",
		"with a path": "https://acme.egain.cloud/system/web/view", "with a query": "https://acme.egain.cloud?x=1", "with an empty query": "https://acme.egain.cloud/?",
		"with a fragment": "https://acme.egain.cloud#x", "with a user": "https://user@acme.egain.cloud", "with a space": "https://acme.egain.cloud ", "with two slashes": "https://acme.egain.cloud//",
	} {
		rows["an address "+what] = given("spec.url", value, url)
	}
	rows = together(rows, hostRulesOf("spec.url", ""))
	for what, value := range map[string]string{
		"with a scheme": "https://a.example", "with a port": "a.example:443", "with a path": "a.example/x", "with a wildcard": "*.b2clogin.com",
		"with a dot before it": ".a.example", "with a dot after it": "a.example.", "with a user": "user@a.example", "beyond ASCII": "ä.example", "with a space": "a example",
	} {
		rows["a trusted host "+what] = given("spec.trustedHosts", []string{value}, host).about("spec.trustedHosts[*]")
	}
	return rows
}

func admissionRules() map[string]rule {
	const (
		scope     = "must be a scope such as knowledge.portalmgr.manage, or the beginning of one and '*', such as knowledge.*"
		namespace = "must be the name of a Namespace: lowercase letters, digits and '-', beginning and ending with a letter or digit"
	)
	rows := map[string]rule{}
	for what, value := range map[string]string{
		"with a space": "a.read b.read", "in quotes": `"a.read"`, "with a backslash": `a\read`, "that is not ASCII": "wörk",
		"with an asterisk before its end": "*.read", "with two asterisks": "a.**",
	} {
		rows["an allowed scope "+what] = given("spec.allowedScopes", []string{value}, scope).about("spec.allowedScopes[*]")
	}
	for _, value := range []string{" resource", "resource[]", "re source", "r\u00e9source", "resource\u200b", "*", "resource*"} {
		rows[fmt.Sprintf("an allowed parameter %+q", value)] = given("spec.allowedParameters", []string{value},
			"must be the name of a parameter, such as resource: letters, digits, '.', '_' and '-'").about("spec.allowedParameters[*]")
	}
	for _, value := range []string{"scope", "Scope", "client_secret", "CLIENT_ID", "refresh_token", "assertion", "State", "response_type", "code_challenge"} {
		rows["an allowed parameter "+value] = given("spec.allowedParameters", []string{value},
			"must not be a parameter that flows and logins set themselves, nor a credential").about("spec.allowedParameters[*]")
	}
	for what, value := range map[string]string{
		"in upper case": "Team-A", "with a dot": "team.a", "with a hyphen at its end": "team-", "with an asterisk": "team-*", "with a slash": "team/a",
	} {
		rows["an allowed namespace "+what] = given("spec.allowedNamespaces.names", []string{value}, namespace).about("spec.allowedNamespaces.names[*]")
		rows["a CA bundle in a namespace "+what] = given("spec.caBundleRef.namespace", value, namespace)
	}
	return rows
}
