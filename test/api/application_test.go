package api_test

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// anApplication is a valid one, with each list in it.
func anApplication() object {
	return object{
		"name":                 "default",
		"credentialsSecretRef": object{"namespace": "platform", "name": "acme-app"},
		"allowedNamespaces":    object{"names": []any{"team-a"}},
		"allowedFlows":         []any{"ClientCredentials", "OnBehalfOf", "TokenExchange"},
		"allowedSubjects":      object{"usernames": []any{"agent.*"}},
		"allowedRegistrations": []any{"okta-prod"},
	}
}

// applicationWith is a valid application with one field changed, or without it.
func applicationWith(path string, value any) object {
	app := anApplication()
	fields := strings.Split(path, ".")
	if value == nil {
		unstructured.RemoveNestedField(app, fields...)
		return app
	}
	at := app
	for _, field := range fields[:len(fields)-1] {
		if _, is := at[field].(object); !is {
			at[field] = object{}
		}
		at = at[field].(object)
	}
	at[fields[len(fields)-1]] = value
	return app
}

// flows are a number of those that an application may allow.
func flows(n int64) any {
	all := []any{}
	for i := range n {
		all = append(all, append([]string{"ClientCredentials", "AnonymousCustomer", "OnBehalfOf", "TokenExchange"}, clientEnums["spec.flow"]...)[i])
	}
	return all
}

// applications are a number of them, of which the first has everything as long as may be.
func applications(n int64) any {
	all := []any{}
	for i := range n {
		app := anApplication()
		if i == 0 {
			app = crowdedApplication()
		}
		app["name"] = padded(i, 63)
		all = append(all, app)
	}
	return all
}

func crowdedApplication() object {
	return object{
		"credentialsSecretRef": object{"namespace": long(63), "name": long(253), "clientIDKey": long(253), "clientSecretKey": strings.Repeat("b", 253)},
		"allowedNamespaces":    object{"names": many(256, 63)},
		"allowedFlows":         flows(4),
		"allowedScopes":        many(64, 256),
		"allowedSubjects":      object{"usernames": many(128, 320), "userIDs": many(128, 320), "emails": many(128, 320)},
		"allowedRegistrations": many(32, 256),
	}
}

func many(n int64, length int) any {
	all := []any{}
	for i := range n {
		all = append(all, padded(i, length))
	}
	return all
}

const inApplications = "spec.applications[*]."

const ofApplications = "status.applications[*]."

// reported is what a status says of an application, with one field changed, or without it.
func reported(field string, value any) object {
	st := object{"name": "default", "ready": "True", "reason": "Accepted", "clients": 1, "rejectedClients": 0}
	if st[field] = value; value == nil {
		delete(st, field)
	}
	return st
}

// reports are a number of those, with everything as long as may be.
func reports(n int64) any {
	all := []any{}
	for i := range n {
		st := reported("name", padded(i, 63))
		st["reason"], st["message"] = long(256), long(1024)
		all = append(all, st)
	}
	return all
}

// applicationBounds are those of all fields of an application.
var applicationBounds = map[string]bound{
	"spec.applications": {measure: items, least: 1, most: 32, of: applications},

	inApplications + "name":                                 {measure: length, least: 1, most: 63, of: text},
	inApplications + "credentialsSecretRef.namespace":       {measure: length, least: 1, most: 63, of: text},
	inApplications + "credentialsSecretRef.name":            {measure: length, least: 1, most: 253, of: text},
	inApplications + "credentialsSecretRef.clientIDKey":     {measure: length, least: 1, most: 253, of: text},
	inApplications + "credentialsSecretRef.clientSecretKey": {measure: length, least: 1, most: 253, of: text},
	inApplications + "allowedNamespaces":                    {measure: entries, least: 1, most: none, of: one("names", []any{"team-a"})},
	inApplications + "allowedNamespaces.names":              {measure: items, least: 1, most: 256, of: list},
	inApplications + "allowedNamespaces.names[*]":           {measure: length, least: 1, most: 63, of: inList(text)},
	inApplications + "allowedFlows":                         {measure: items, least: 1, most: 4, of: flows},
	inApplications + "allowedScopes":                        {measure: items, least: 1, most: 64, of: list},
	inApplications + "allowedScopes[*]":                     {measure: length, least: 1, most: 256, of: inList(text)},
	inApplications + "allowedSubjects":                      {measure: entries, least: 1, most: none, of: one("emails", []any{"*@acme.com"})},
	inApplications + "allowedSubjects.usernames":            {measure: items, least: 1, most: 128, of: list},
	inApplications + "allowedSubjects.usernames[*]":         {measure: length, least: 1, most: 320, of: inList(text)},
	inApplications + "allowedSubjects.userIDs":              {measure: items, least: 1, most: 128, of: list},
	inApplications + "allowedSubjects.userIDs[*]":           {measure: length, least: 1, most: 320, of: inList(text)},
	inApplications + "allowedSubjects.emails":               {measure: items, least: 1, most: 128, of: list},
	inApplications + "allowedSubjects.emails[*]":            {measure: length, least: 1, most: 320, of: inList(text)},
	inApplications + "allowedRegistrations":                 {measure: items, least: 1, most: 32, of: list},
	inApplications + "allowedRegistrations[*]":              {measure: length, least: 1, most: 256, of: inList(text)},

	"status.applications":              {measure: items, least: none, most: 32, of: reports},
	ofApplications + "name":            {measure: length, least: 1, most: 63, of: text},
	ofApplications + "reason":          {measure: length, least: 1, most: 256, of: text},
	ofApplications + "message":         {measure: length, least: 1, most: 1024, of: text},
	ofApplications + "clients":         {measure: number, least: 0, most: none, of: integer},
	ofApplications + "rejectedClients": {measure: number, least: 0, most: none, of: integer},
}

var applicationRequired = map[string]string{
	inApplications + "name":                           sharedTenant,
	inApplications + "credentialsSecretRef":           sharedTenant,
	inApplications + "credentialsSecretRef.namespace": sharedTenant,
	inApplications + "credentialsSecretRef.name":      sharedTenant,
	inApplications + "allowedNamespaces":              sharedTenant,
	inApplications + "allowedFlows":                   sharedTenant,

	ofApplications + "name":            sharedTenant,
	ofApplications + "ready":           sharedTenant,
	ofApplications + "reason":          sharedTenant,
	ofApplications + "clients":         sharedTenant,
	ofApplications + "rejectedClients": sharedTenant,
}

var applicationListTypes = map[string]string{
	"spec.applications":                          "map",
	"status.applications":                        "map",
	inApplications + "allowedNamespaces.names":   "set",
	inApplications + "allowedFlows":              "set",
	inApplications + "allowedScopes":             "set",
	inApplications + "allowedSubjects.usernames": "set",
	inApplications + "allowedSubjects.userIDs":   "set",
	inApplications + "allowedSubjects.emails":    "set",
	inApplications + "allowedRegistrations":      "set",
}

// inApplication changes a field of the one application of a tenant.
func inApplication(field string, value any, says string) rule {
	return rule{change: within(inApplications+field, value), field: inApplications + field, says: says}
}

// applicationRules are those of the applications of an EgainTenant.
func applicationRules() map[string]rule {
	const (
		namespace = "must be the name of a Namespace"
		selector  = "an empty selector would allow every namespace: set matchLabels or matchExpressions, or list the namespaces in names"
		scope     = "must be a scope such as knowledge.portalmgr.manage"
		alone     = "'*' allows all: list it alone, or remove it"
		asterisk  = "must have at most one '*', such as agent.*"
		hidden    = "must not contain control characters, or characters that are invisible or turn the direction of text"
		whole     = "spec.applications[*]"
	)
	rows := map[string]rule{
		"an application of which both keys are one": inApplication("credentialsSecretRef.clientIDKey", "client_secret",
			"clientIDKey and clientSecretKey must be different keys of the Secret").about(inApplications + "credentialsSecretRef"),
		"an application whose client id is in the key of the secret": inApplication("credentialsSecretRef", object{"namespace": "platform", "name": "acme-app", "clientIDKey": "client_secret"},
			"clientIDKey and clientSecretKey must be different keys of the Secret"),
		"an application whose secret is in the key of the client id": inApplication("credentialsSecretRef", object{"namespace": "platform", "name": "acme-app", "clientSecretKey": "client_id"},
			"clientIDKey and clientSecretKey must be different keys of the Secret"),
		"an application of every namespace, by an empty selector": inApplication("allowedNamespaces", object{"selector": object{}}, selector),
		"an application of every namespace, by no labels":         inApplication("allowedNamespaces", object{"names": []any{"a"}, "selector": object{"matchLabels": object{}, "matchExpressions": []any{}}}, selector),
		"an application for logins":                               inApplication("allowedFlows", []any{"AuthorizationCode"}, "must not contain AuthorizationCode: its login needs the client secret at a terminal"),
		"an application that acts for no subject":                 inApplication("allowedSubjects", nil, "allowedSubjects is required with flow OnBehalfOf").about(whole),
		"an application without allowedRegistrations":             inApplication("allowedRegistrations", nil, "allowedRegistrations is required with flow TokenExchange").about(whole),
	}
	for what, value := range noLabels {
		rows["an application's name "+what] = inApplication("name", value, label)
		rows["a reported application's name "+what] = rule{change: within(ofApplications+"name", value), field: ofApplications + "name", says: label}
		rows["an application's namespace "+what] = inApplication("credentialsSecretRef.namespace", value, namespace)
		rows["an application's allowed namespace "+what] = inApplication("allowedNamespaces.names", []any{value}, namespace).about(inApplications + "allowedNamespaces.names[*]")
	}
	for _, value := range []string{"*.read", "a.**", "a b"} {
		rows[fmt.Sprintf("an application's scope %q", value)] = inApplication("allowedScopes", []any{value}, scope).about(inApplications + "allowedScopes[*]")
	}
	for _, kind := range []string{"usernames", "userIDs", "emails"} {
		field := "allowedSubjects." + kind
		rows["all of "+kind+" and one"] = inApplication(field, []any{"*", "a"}, alone)
		for what, value := range map[string]string{"two asterisks": "*@*", "two asterisks in a row": "a**"} {
			rows[kind+" with "+what] = inApplication(field, []any{value}, asterisk).about(inApplications + field + "[*]")
		}
		for what, value := range hiddenTexts {
			rows[kind+" with "+what] = inApplication(field, []any{value}, hidden).about(inApplications + field + "[*]")
		}
	}
	for what, value := range hiddenTexts {
		rows["a registration with "+what] = inApplication("allowedRegistrations", []any{value}, hidden).about(inApplications + "allowedRegistrations[*]")
	}
	return together(rows,
		withinRules(nameRulesOf(map[string]string{inApplications + "credentialsSecretRef.name": sharedTenant})),
		withinRules(keyRulesOf(map[string]string{inApplications + "credentialsSecretRef.clientIDKey": sharedTenant, inApplications + "credentialsSecretRef.clientSecretKey": sharedTenant})),
	)
}

const label = "must be a DNS label, such as default"

var noLabels = map[string]string{"in upper case": "Default", "with a dot": "a.b", "with a hyphen at its end": "a-", "with a slash": "a/b", "with an asterisk": "*"}

var hiddenTexts = map[string]string{"a line break": "a\nb", "a zero-width space": "a\u200bb", "an override of its direction": "a\u202eb", "a filler": "a\u3164b"}

// withinRules are rules of fields of list elements.
func withinRules(rows map[string]rule) map[string]rule {
	for name, row := range rows {
		row.change = within(row.field, row.change[row.field])
		rows[name] = row
	}
	return rows
}

// borrowingRules are those of an EgainClient that uses an application.
func borrowingRules() map[string]rule {
	const (
		either = "set either credentialsSecretRef or tenantRef.application, whose credentials stay with the EgainTenant: remove one of them"
		login  = "flow AuthorizationCode cannot use tenantRef.application, since its login needs the client secret at a terminal: set credentialsSecretRef"
	)
	ref := object{"name": "production", "application": "default"}
	rows := map[string]rule{
		"neither credentials nor an application": given("spec.tenantRef.application", nil, "or an application of the EgainTenant in tenantRef.application").of(applicationReference),
		"credentials and an application":         given("spec.credentialsSecretRef", object{"name": "egain-app"}, either).of(applicationReference),
		"an anonymous customer with both":        {base: anonymousCustomer, change: change{"spec.tenant": nil, "spec.tenantRef": ref, "spec.credentialsSecretRef": object{"name": "egain-app"}}, says: either},
		"a login with an application":            {base: authorizationCode, change: change{"spec.tenant": nil, "spec.tenantRef": ref, "spec.credentialsSecretRef": nil}, says: login},
	}
	for name, row := range rows {
		rows[name] = row.about("spec")
	}
	for what, value := range noLabels {
		rows["an application's name "+what] = given("spec.tenantRef.application", value, label).of(applicationReference)
	}
	return rows
}
