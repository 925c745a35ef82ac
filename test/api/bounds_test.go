package api_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
)

// measure is what a bound counts, with the words of the API server for too little and too much of it.
type measure struct {
	minKind, maxKind string
	below, above     string
}

var (
	length  = measure{"minLength", "maxLength", "should be at least %d chars long", "may not be more than %d"}
	items   = measure{"minItems", "maxItems", "should have at least %d items", "must have at most %d item"}
	entries = measure{"minProperties", "maxProperties", "should have at least %d properties", "must have at most %d item"}
	number  = measure{"minimum", "maximum", "should be greater than or equal to %d", "should be less than or equal to %d"}
)

// none stands for a bound that there is not.
const none = math.MinInt64

// bound is what a field may hold.
type bound struct {
	measure
	least, most int64
	// of makes a value of a size; nil if there is no valid one that small.
	of func(n int64) any
	// base to change, and what else to change.
	base string
	with change
}

func (b bound) constraints() map[string]int64 {
	found := map[string]int64{}
	if b.least != none {
		found[b.minKind] = b.least
	}
	if b.most != none {
		found[b.maxKind] = b.most
	}
	return found
}

func (b bound) changed(path string, n int64) change {
	c := change{}
	maps.Copy(c, b.with)
	maps.Copy(c, within(strings.TrimSuffix(path, "[*]"), b.of(n)))
	return c
}

func long(n int64) string { return strings.Repeat("a", int(n)) }

func text(n int64) any { return long(n) }

func url(n int64) any {
	const prefix = "https://a.example/"
	if n == 0 {
		return ""
	}
	if n < int64(len(prefix)) {
		return nil
	}
	return prefix + long(n-int64(len(prefix)))
}

func email(n int64) any { return long(n-2) + "@b" }

// duration is a valid one of 28 characters.
func duration(n int64) any { return strings.Repeat("99999ms", 5)[:n] }

func integer(n int64) any { return n }

func list(n int64) any {
	elements := []string{}
	for i := range n {
		elements = append(elements, fmt.Sprintf("element-%d", i))
	}
	return elements
}

func dictionary(n int64) any {
	values := map[string]string{}
	for i := range n {
		values[fmt.Sprintf("key-%d", i)] = "value"
	}
	return values
}

func conditions(n int64) any {
	all := []map[string]string{}
	for i := range n {
		all = append(all, map[string]string{
			"type": fmt.Sprintf("Type%d", i), "status": "True", "reason": "Reason", "message": "",
			"lastTransitionTime": "2026-11-23T00:00:00Z",
		})
	}
	return all
}

// one makes an object with a field, or without any.
func one(name string, value any) func(int64) any {
	return func(n int64) any {
		if n == 0 {
			return map[string]any{}
		}
		return map[string]any{name: value}
	}
}

func inList(of func(int64) any) func(int64) any { return func(n int64) any { return []any{of(n)} } }

func inDictionary(of func(int64) any) func(int64) any {
	return func(n int64) any { return map[string]any{"key": of(n)} }
}

// loginNames are the parameters that a login may have.
var loginNames = []string{"prompt", "domain_hint", "login_hint", "ui_locales", "acr_values", "max_age", "resource", "audience", "kc_idp_hint", "p"}

// loginParameters are a number of them, with values as long as may be, and past their number one that there is not.
func loginParameters(n int64) any {
	values := map[string]any{}
	for i := range n {
		name := fmt.Sprint(i)
		if i < int64(len(loginNames)) {
			name = loginNames[i]
		}
		values[name] = long(2048)
	}
	return values
}

// clientBounds are those of all fields of an EgainClient, by their paths.
var clientBounds = map[string]bound{
	"spec.tenant":                            {measure: entries, least: 1, most: none, of: one("id", "TMPRODB88619984")},
	"spec.tenant.id":                         {measure: length, least: 1, most: 64, of: text},
	"spec.tenant.metadataURL":                {measure: length, least: 1, most: 2048, of: url},
	"spec.tenant.scopePrefix":                {measure: length, least: 1, most: 256, of: text},
	"spec.tenant.endpoints":                  {measure: entries, least: 1, most: none, of: one("tokenURL", "https://a.example")},
	"spec.tenant.endpoints.tokenURL":         {measure: length, least: 1, most: 2048, of: url},
	"spec.tenant.endpoints.authorizationURL": {measure: length, least: 1, most: 2048, of: url},
	"spec.tenant.endpoints.revocationURL":    {measure: length, least: 1, most: 2048, of: url},
	"spec.tenant.endpoints.apiURL":           {measure: length, least: 1, most: 2048, of: url},
	"spec.tenant.caBundleRef.name":           {measure: length, least: 1, most: 253, of: text},
	"spec.tenant.caBundleRef.key":            {measure: length, least: 1, most: 253, of: text},

	"spec.tenantRef.application": {measure: length, least: 1, most: 63, of: text, base: applicationReference},

	"spec.tenantRef.name": {measure: length, least: 1, most: 253, of: text, base: tenantReference},

	"spec.credentialsSecretRef.name":            {measure: length, least: 1, most: 253, of: text},
	"spec.credentialsSecretRef.clientIDKey":     {measure: length, least: 1, most: 253, of: text},
	"spec.credentialsSecretRef.clientSecretKey": {measure: length, least: 1, most: 253, of: text},

	"spec.onBehalfOf.username": {measure: length, least: 1, most: 256, of: text, base: onBehalfOf},
	"spec.onBehalfOf.userID":   {measure: length, least: 1, most: 256, of: text, base: onBehalfOf, with: change{"spec.onBehalfOf.username": nil}},
	"spec.onBehalfOf.email":    {measure: length, least: 3, most: 320, of: email, base: onBehalfOf, with: change{"spec.onBehalfOf.username": nil}},

	"spec.tokenExchange.registrationID":                 {measure: length, least: 1, most: 256, of: text, base: secretExchange},
	"spec.tokenExchange.subjectTokenType":               {measure: length, least: 1, most: 256, of: text, base: secretExchange},
	"spec.tokenExchange.subjectToken.secretKeyRef.name": {measure: length, least: 1, most: 253, of: text, base: secretExchange},
	"spec.tokenExchange.subjectToken.secretKeyRef.key":  {measure: length, least: 1, most: 253, of: text, base: secretExchange},
	"spec.tokenExchange.subjectToken.serviceAccountToken.name": {
		measure: length, least: 1, most: 253, of: text, base: serviceAccountExchange,
	},
	"spec.tokenExchange.subjectToken.serviceAccountToken.audience": {
		measure: length, least: 1, most: 512, of: text, base: serviceAccountExchange,
	},
	"spec.tokenExchange.subjectToken.serviceAccountToken.expirationSeconds": {
		measure: number, least: 600, most: 86400, of: integer, base: serviceAccountExchange,
	},

	"spec.tokenExchange.subjectToken.egainClientRef.name": {measure: length, least: 1, most: 253, of: text, base: clientExchange},

	"spec.authorizationCode.sessionSecretRef.name": {measure: length, least: 1, most: 253, of: text, base: authorizationCode},
	"spec.authorizationCode.redirectURL":           {measure: length, least: 1, most: 2048, of: url, base: authorizationCode},
	"spec.authorizationCode.parameters":            {measure: entries, least: 1, most: 10, of: loginParameters, base: authorizationCode},
	"spec.authorizationCode.parameters[*]":         {measure: length, least: none, most: 2048, of: func(n int64) any { return map[string]any{"prompt": long(n)} }, base: authorizationCode},

	"spec.scopes":          {measure: items, least: 1, most: 64, of: list},
	"spec.scopes[*]":       {measure: length, least: 1, most: 256, of: inList(text)},
	"spec.parameters":      {measure: entries, least: 1, most: 16, of: dictionary},
	"spec.parameters[*]":   {measure: length, least: none, most: 2048, of: inDictionary(text)},
	"spec.renewal.percent": {measure: number, least: 50, most: 90, of: integer},
	"spec.renewal.before":  {measure: length, least: none, most: 28, of: duration},

	"spec.target.secretName":                       {measure: length, least: 1, most: 253, of: text},
	"spec.target.type":                             {measure: length, least: 1, most: 253, of: text},
	"spec.target.template":                         {measure: entries, least: 1, most: none, of: one("data", map[string]string{"token": "{{ .AccessToken }}"})},
	"spec.target.template.data":                    {measure: entries, least: 1, most: 32, of: dictionary},
	"spec.target.template.data[*]":                 {measure: length, least: 1, most: 8192, of: inDictionary(text)},
	"spec.target.template.metadata":                {measure: entries, least: 1, most: none, of: one("labels", map[string]string{"team": "a"})},
	"spec.target.template.metadata.labels":         {measure: entries, least: 1, most: 16, of: dictionary},
	"spec.target.template.metadata.labels[*]":      {measure: length, least: none, most: 63, of: inDictionary(text)},
	"spec.target.template.metadata.annotations":    {measure: entries, least: 1, most: 16, of: dictionary},
	"spec.target.template.metadata.annotations[*]": {measure: length, least: none, most: 4096, of: inDictionary(text)},

	"status":                       {measure: entries, least: 1, most: none, of: one("observedGeneration", 1)},
	"status.conditions":            {measure: items, least: none, most: 8, of: conditions},
	"status.observedGeneration":    {measure: number, least: -1, most: none, of: integer},
	"status.token.scopes":          {measure: items, least: none, most: 256, of: list},
	"status.token.scopes[*]":       {measure: length, least: none, most: 512, of: inList(text)},
	"status.token.tokenType":       {measure: length, least: 1, most: 64, of: text},
	"status.endpoints.tokenURL":    {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints.apiURL":      {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints.issuer":      {measure: length, least: 1, most: 2048, of: text},
	"status.endpoints.scopePrefix": {measure: length, least: 1, most: 256, of: text},
	"status.target.secretName":     {measure: length, least: 1, most: 253, of: text},
	"status.lastHandledRenewal":    {measure: length, least: 1, most: 256, of: text},
	"status.consecutiveFailures":   {measure: number, least: 1, most: none, of: integer},
	"status.lastFailure.reason":    {measure: length, least: 1, most: 256, of: text},
	"status.lastFailure.message":   {measure: length, least: 1, most: 1024, of: text},
	"status.lastFailure.inputs":    {measure: length, least: 1, most: 256, of: text},
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for path, b := range k.bounds {
			t.Run(k.name+" "+path, func(t *testing.T) {
				t.Parallel()
				expectBound(t, cmp.Or(b.base, k.base), path, b)
			})
		}
	}
}

func expectBound(t *testing.T, base, path string, b bound) {
	t.Helper()
	if b.least != none && b.of(b.least) != nil {
		expectAccepted(t, base, b.changed(path, b.least))
	}
	if b.least != none {
		expectRefused(t, base, b.changed(path, b.least-1), path, fmt.Sprintf(b.below, b.least))
	}
	if b.most != none {
		expectAccepted(t, base, b.changed(path, b.most))
		expectRefused(t, base, b.changed(path, b.most+1), path, fmt.Sprintf(b.above, b.most))
	}
}

// clientEnums are the values that fields allow, by their paths. The flows need more than their name and are tried as bases.
var clientEnums = map[string][]string{
	"spec.flow":                    {"ClientCredentials", "AnonymousCustomer", "OnBehalfOf", "TokenExchange", "AuthorizationCode"},
	"spec.authorizationCode.actor": {"User", "Customer"},
	"spec.tenant.caBundleRef.kind": {"ConfigMap", "Secret"},
	"spec.target.creationPolicy":   {"Owner", "Merge"},
	"spec.target.deletionPolicy":   {"Delete", "Retain"},
	"status.endpoints.source":      {"Spec", "Metadata", "Derived"},
}

func TestEnums(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for path, values := range k.enums {
			t.Run(k.name+" "+path, func(t *testing.T) {
				t.Parallel()
				expectEnum(t, cmp.Or(enumBases[path], k.base), path, values)
			})
		}
	}
}

// enumBases are the bases of fields that the usual one does not have.
var enumBases = map[string]string{"spec.authorizationCode.actor": authorizationCode}

func expectEnum(t *testing.T, base, path string, values []string) {
	t.Helper()
	set := func(value string) change { return within(path, value) }
	if list, listed := strings.CutSuffix(path, "[*]"); listed {
		set = func(value string) change { return within(list, []any{value}) }
	}
	for _, value := range values {
		if path != "spec.flow" && value != "AuthorizationCode" { // of a list of flows, see the rules
			expectAccepted(t, base, set(value))
		}
	}
	for _, value := range []string{"", "Other", strings.ToLower(values[0])} {
		expectRefused(t, base, set(value), path, fmt.Sprintf(`supported values: "%s"`, strings.Join(values, `", "`)))
	}
}

// within sets a field, or the actor's of the one element of a list.
func within(path string, value any) change {
	list, field, listed := strings.Cut(path, "[*].")
	if !listed {
		return change{path: value}
	}
	if list == "spec.applications" {
		return change{list: []any{applicationWith(field, value)}}
	}
	if list == "status.applications" {
		return change{list: []any{reported(field, value)}}
	}
	element := map[string]any{"actor": "User"}
	if list == "spec.actorEndpoints" {
		element["tokenURL"] = someURL
	}
	element[field] = value
	return change{list: []any{element}}
}

// clientRequired are the required fields and the base that has them.
var clientRequired = map[string]string{
	"spec":                                                         clientCredentials,
	"spec.tenantRef.name":                                          tenantReference,
	"spec.tenant.caBundleRef.name":                                 clientCredentials,
	"spec.credentialsSecretRef.name":                               clientCredentials,
	"spec.tokenExchange.registrationID":                            secretExchange,
	"spec.tokenExchange.subjectToken":                              secretExchange,
	"spec.tokenExchange.subjectToken.secretKeyRef.name":            secretExchange,
	"spec.tokenExchange.subjectToken.secretKeyRef.key":             secretExchange,
	"spec.tokenExchange.subjectToken.serviceAccountToken.name":     serviceAccountExchange,
	"spec.tokenExchange.subjectToken.serviceAccountToken.audience": serviceAccountExchange,
	"spec.tokenExchange.subjectToken.egainClientRef.name":          clientExchange,
	"spec.authorizationCode.sessionSecretRef":                      authorizationCode,
	"spec.authorizationCode.sessionSecretRef.name":                 authorizationCode,
	"status.target.secretName":                                     clientCredentials,
}

func TestRequiredFields(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for path, base := range k.required {
			t.Run(k.name+" "+path, func(t *testing.T) {
				t.Parallel()
				expectRefused(t, base, without(path), path, "Required value")
			})
		}
	}
}

// without removes a field. Of a status, which has none to remove, it sets what the field is in.
func without(path string) change {
	if strings.HasPrefix(path, inApplications) || strings.HasPrefix(path, ofApplications) {
		return within(path, nil)
	}
	parent := path[:max(0, strings.LastIndex(path, "."))]
	if list, listed := strings.CutSuffix(parent, "[*]"); listed {
		return change{list: []any{map[string]any{"tokenURL": "https://a.example"}}}
	}
	if strings.HasPrefix(path, "status.") {
		return change{parent: map[string]any{}}
	}
	return change{path: nil}
}

// clientListTypes are the lists without duplicates, by their paths.
var clientListTypes = map[string]string{
	"spec.scopes":       "set",
	"status.conditions": "map",
}

func TestListsWithoutDuplicates(t *testing.T) {
	t.Parallel()
	condition := map[string]string{
		"type": "Ready", "status": "True", "reason": "Reason", "message": "", "lastTransitionTime": "2026-11-23T00:00:00Z",
	}
	ofMaps := map[string]any{"status.conditions": condition, "status.endpoints": map[string]string{"actor": "User"}, "spec.actorEndpoints": map[string]string{"actor": "User", "tokenURL": someURL}, "spec.applications": anApplication(), "status.applications": reported("message", "m")}
	for _, k := range kinds {
		for path, listType := range k.listTypes {
			t.Run(k.name+" "+path, func(t *testing.T) {
				t.Parallel()
				value := []any{"a", "b", "a"}
				if strings.HasSuffix(path, "allowedFlows") {
					value = flows(1).([]any)
					value = append(value, value...)
				}
				if listType == "map" {
					value = []any{ofMaps[path], ofMaps[path]}
				}
				expectRefused(t, k.base, within(path, value), path+"[*]", "Duplicate value")
			})
		}
	}
}
