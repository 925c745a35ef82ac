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
	"spec.allowedScopes":              {measure: items, least: 1, most: 256, of: list},
	"spec.allowedScopes[*]":           {measure: length, least: 1, most: 256, of: inList(text)},
	"spec.requestLimits":              {measure: entries, least: 1, most: none, of: one("concurrent", 1)},
	"spec.requestLimits.concurrent":   {measure: number, least: 1, most: 1024, of: integer},
	"spec.requestLimits.perSecond":    {measure: number, least: 1, most: 10_000, of: integer},

	"status":                               {measure: entries, least: 1, most: none, of: one("observedGeneration", 1)},
	"status.conditions":                    {measure: items, least: none, most: 8, of: conditions},
	"status.observedGeneration":            {measure: number, least: -1, most: none, of: integer},
	"status.endpoints":                     {measure: items, least: none, most: 3, of: actors},
	"status.endpoints[*].tokenURL":         {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].authorizationURL": {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].revocationURL":    {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints[*].apiURL":           {measure: length, least: 1, most: 2048, of: text},
	"status.scopePrefix":                   {measure: length, least: 1, most: 256, of: text},
	"status.metadata.issuer":               {measure: length, least: 1, most: 2048, of: text},
	"status.clients":                       {measure: number, least: 0, most: none, of: integer},
}

// actors have endpoints with URLs as long as may be. There are three actors.
func actors(n int64) any {
	all := []any{}
	for i := range n {
		name := fmt.Sprint(i)
		if i < 3 {
			name = []string{"Client", "User", "Customer"}[i]
		}
		longest := long(2048)
		all = append(all, map[string]any{
			"actor": name, "tokenURL": longest, "authorizationURL": longest, "revocationURL": longest, "apiURL": longest, "source": "Spec",
		})
	}
	return all
}

var tenantEnums = map[string][]string{
	"spec.caBundleRef.kind":      {"ConfigMap", "Secret"},
	"status.endpoints[*].actor":  {"Client", "User", "Customer"},
	"status.endpoints[*].source": {"Spec", "Metadata", "Derived"},
}

var tenantRequired = map[string]string{
	"spec":                       sharedTenant,
	"spec.caBundleRef.name":      sharedTenant,
	"spec.caBundleRef.namespace": sharedTenant,
	"status.endpoints[*].actor":  sharedTenant,
}

var tenantListTypes = map[string]string{
	"spec.allowedNamespaces.names": "set",
	"spec.allowedScopes":           "set",
	"status.conditions":            "map",
	"status.endpoints":             "map",
}

var tenantVariants = map[string]variant{"tenant": {base: sharedTenant}}

// tenantKindRules has at least one row for each rule of an EgainTenant, by what is wrong.
func tenantKindRules() map[string]rule {
	return together(
		locationRules("spec", "set at least one of id, metadataURL or endpoints.tokenURL"),
		urlRulesOf("must be an absolute https URL, such as https://", "spec.metadataURL", "spec.endpoints.tokenURL", "spec.endpoints.authorizationURL", "spec.endpoints.revocationURL", "spec.endpoints.apiURL"),
		nameRulesOf(map[string]string{"spec.caBundleRef.name": sharedTenant}),
		keyRulesOf(map[string]string{"spec.caBundleRef.key": sharedTenant}),
		admissionRules(),
	)
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
	for what, value := range map[string]string{
		"in upper case": "Team-A", "with a dot": "team.a", "with a hyphen at its end": "team-", "with an asterisk": "team-*", "with a slash": "team/a",
	} {
		rows["an allowed namespace "+what] = given("spec.allowedNamespaces.names", []string{value}, namespace).about("spec.allowedNamespaces.names[*]")
		rows["a CA bundle in a namespace "+what] = given("spec.caBundleRef.namespace", value, namespace)
	}
	return rows
}
