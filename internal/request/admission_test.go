package request

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// wantRefusal fails the test unless an error is a Terminal fault of a reason whose message has the words; an empty reason
// stands for no error.
func wantRefusal(t *testing.T, err error, reason, words string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if f := fault.Of(err); f == nil || f.Class != fault.Terminal || f.Reason != reason || !strings.Contains(f.Message, words) {
		t.Errorf("got %#v, want a Terminal fault of reason %s with %q", err, reason, words)
	}
}

func clientOf(namespace string, scopes ...egainv1alpha1.Scope) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{Spec: egainv1alpha1.EgainClientSpec{Scopes: scopes}}
	ec.Name, ec.Namespace = "sync", namespace
	return ec
}

func tenantWith(spec egainv1alpha1.EgainTenantSpec) *egainv1alpha1.EgainTenant {
	et := &egainv1alpha1.EgainTenant{Spec: spec}
	et.Name = "production"
	return et
}

func TestAdmitByNamespace(t *testing.T) {
	t.Parallel()
	const refused, invalid = egainv1alpha1.ReasonTenantNotAllowed, egainv1alpha1.ReasonTenantInvalid
	const advice = `EgainTenant "production" does not allow namespace "team-a": ask its owner to add the namespace to spec.allowedNamespaces`
	names := func(n ...egainv1alpha1.NamespaceName) *egainv1alpha1.AllowedNamespaces {
		return &egainv1alpha1.AllowedNamespaces{Names: n}
	}
	selecting := func(s metav1.LabelSelector, n ...egainv1alpha1.NamespaceName) *egainv1alpha1.AllowedNamespaces {
		return &egainv1alpha1.AllowedNamespaces{Names: n, Selector: &s}
	}
	operator := func(key string, op metav1.LabelSelectorOperator, values ...string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op, Values: values}}}
	}
	labelled := func(key, value string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
	}
	tests := map[string]struct {
		allowed       *egainv1alpha1.AllowedNamespaces
		labels        map[string]string
		reason, words string
	}{
		"all, if the tenant does not say":            {nil, nil, "", ""},
		"one that is named":                          {names("team-b", "team-a"), nil, "", ""},
		"not one that is not named":                  {names("team-b"), nil, refused, advice},
		"not one whose name begins like another":     {names("team"), nil, refused, advice},
		"one whose label is selected":                {selecting(labelled("tier", "gold")), map[string]string{"tier": "gold", "x": "y"}, "", ""},
		"not one whose label has another value":      {selecting(labelled("tier", "gold")), map[string]string{"tier": "tin"}, refused, advice},
		"not one without labels":                     {selecting(labelled("tier", "gold")), nil, refused, advice},
		"all, by an empty selector":                  {selecting(metav1.LabelSelector{}), nil, "", ""},
		"one by an expression":                       {selecting(operator("tier", metav1.LabelSelectorOpIn, "gold", "tin")), map[string]string{"tier": "tin"}, "", ""},
		"not one by an expression":                   {selecting(operator("tier", metav1.LabelSelectorOpNotIn, "tin")), map[string]string{"tier": "tin"}, refused, advice},
		"one that is named though not selected":      {selecting(labelled("tier", "gold"), "team-a"), nil, "", ""},
		"one that is selected though not named":      {selecting(labelled("tier", "gold"), "team-b"), map[string]string{"tier": "gold"}, "", ""},
		"none by an operator that there is not":      {selecting(operator("tier", "Like", "gold")), nil, invalid, `EgainTenant "production": ask its owner to correct it, since spec.allowedNamespaces.selector is not valid: `},
		"none by an expression that lacks values":    {selecting(operator("tier", metav1.LabelSelectorOpIn)), nil, invalid, "allowedNamespaces.selector is not valid: "},
		"none by a label that there cannot be":       {selecting(labelled("a b", "gold")), nil, invalid, "allowedNamespaces.selector is not valid: "},
		"one that is named beside a broken selector": {selecting(labelled("a b", "gold"), "team-a"), nil, "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			et := tenantWith(egainv1alpha1.EgainTenantSpec{AllowedNamespaces: tc.allowed})
			wantRefusal(t, Admit(et, clientOf("team-a", "a.read"), tc.labels), tc.reason, tc.words)
		})
	}
}

func TestSelectsNamespaces(t *testing.T) {
	t.Parallel()
	for allowed, want := range map[*egainv1alpha1.AllowedNamespaces]bool{
		nil: false,
		{Names: []egainv1alpha1.NamespaceName{"a"}}: false,
		{Selector: &metav1.LabelSelector{}}:         true,
	} {
		if got := SelectsNamespaces(tenantWith(egainv1alpha1.EgainTenantSpec{AllowedNamespaces: allowed}), clientOf("team-a")); got != want {
			t.Errorf("with %+v: got %t", allowed, got)
		}
	}
}

func TestAdmitByScope(t *testing.T) {
	t.Parallel()
	const refused, prefix, bare = egainv1alpha1.ReasonScopeNotAllowed, "https://api.egain.cloud/auth/", "api.egain.cloud/auth/"
	type patterns = []egainv1alpha1.ScopePattern
	type scopes = []egainv1alpha1.Scope
	tests := map[string]struct {
		prefix        string
		allowed       patterns
		asked         scopes
		reason, words string
	}{
		"all, if the tenant does not say":                       {"", nil, scopes{"a.read"}, "", ""},
		"none asked for, if the tenant does not say":            {"", nil, nil, "", ""},
		"those that are listed":                                 {"", patterns{"a.read", "b.read"}, scopes{"b.read", "a.read"}, "", ""},
		"not one that only begins like one of the list":         {"", patterns{"a.read"}, scopes{"a.readall"}, refused, `does not allow the scopes ["a.readall"]`},
		"not one that one of the list only begins with":         {"", patterns{"a.read"}, scopes{"a"}, refused, `does not allow the scopes ["a"]`},
		"not one in other letters":                              {"", patterns{"a.read"}, scopes{"A.READ"}, refused, `["A.READ"]`},
		"all that are refused, and only those":                  {"", patterns{"a.read"}, scopes{"b", "a.read", "c"}, refused, `EgainTenant "production" does not allow the scopes ["b" "c"]: remove them from spec.scopes, or ask its owner to add them to its allowedScopes`},
		"none asked for, where some are listed":                 {"", patterns{"a.read"}, nil, refused, `EgainTenant "production" restricts scopes, and without spec.scopes the server decides: set spec.scopes to those that are needed`},
		"those that a pattern begins":                           {"", patterns{"a.*"}, scopes{"a.read", "a."}, "", ""},
		"not one that a pattern does not begin":                 {"", patterns{"a.*"}, scopes{"ab.read"}, refused, `["ab.read"]`},
		"all, by an asterisk":                                   {"", patterns{"*"}, scopes{"a.read", prefix + "b.read"}, "", ""},
		"not all of an application, by an asterisk":             {prefix, patterns{"*"}, scopes{".default"}, refused, `[".default"]`},
		"nor with the prefix, nor of another API":               {prefix, patterns{"*"}, scopes{prefix + ".default", "https://x.example/.default"}, refused, `["` + prefix + `.default" "https://x.example/.default"]`},
		"all of an application, listed literally":               {prefix, patterns{".default"}, scopes{".default", prefix + ".default"}, "", ""},
		"no scope of OpenID, by an asterisk":                    {prefix, patterns{"*", prefix + "*"}, scopes{"openid", "email", "offline_access"}, refused, `["openid" "email" "offline_access"]`},
		"one of OpenID, listed literally":                       {prefix, patterns{"email"}, scopes{"email"}, "", ""},
		"one with the prefix in its other spelling":             {prefix, patterns{"a.*"}, scopes{bare + "a.read", prefix + "a.read"}, "", ""},
		"one listed with the prefix in its other spelling":      {bare, patterns{prefix + "a.*"}, scopes{"a.read", bare + "a.read"}, "", ""},
		"not one of another API, by the prefix and an asterisk": {prefix, patterns{prefix + "*"}, scopes{"https://graph.example/a.read"}, refused, "graph"},
		"not one of another API that ends alike":                {prefix, patterns{"a.read"}, scopes{"https://graph.example/a.read"}, refused, "graph"},
		"one of another API, listed whole":                      {prefix, patterns{"https://graph.example/*"}, scopes{"https://graph.example/a.read"}, "", ""},
		"no others by an asterisk that is not at the end":       {"", patterns{"*.read"}, scopes{"a.read"}, refused, `["a.read"]`},
		"one with the prefix, listed without":                   {prefix, patterns{"a.read"}, scopes{prefix + "a.read"}, "", ""},
		"one without the prefix, listed with it":                {prefix, patterns{prefix + "a.read"}, scopes{"a.read"}, "", ""},
		"one with the prefix, listed with it":                   {prefix, patterns{prefix + "a.read"}, scopes{prefix + "a.read"}, "", ""},
		"one with the prefix that a pattern begins":             {prefix, patterns{"a.*"}, scopes{prefix + "a.read"}, "", ""},
		"one without the prefix, by a pattern with it":          {prefix, patterns{prefix + "a.*"}, scopes{"a.read"}, "", ""},
		"all, by the prefix and an asterisk":                    {prefix, patterns{prefix + "*"}, scopes{"a.read"}, "", ""},
		"not the prefix twice, which is another scope":          {prefix, patterns{"a.read"}, scopes{prefix + prefix + "a.read"}, refused, "a.read"},
		"not all that the application was given, unlisted":      {prefix, patterns{"a.*"}, scopes{".default"}, refused, `[".default"]`},
		"not one with a prefix that is not the tenant's":        {"", patterns{"a.read"}, scopes{prefix + "a.read"}, refused, "a.read"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			et := tenantWith(egainv1alpha1.EgainTenantSpec{
				TenantLocation: egainv1alpha1.TenantLocation{ScopePrefix: tc.prefix}, AllowedScopes: tc.allowed,
			})
			wantRefusal(t, Admit(et, clientOf("team-a", tc.asked...), nil), tc.reason, tc.words)
		})
	}
}

func TestAdmission_RefusesScopesOfOpenIDAndDefaultBesideAPattern(t *testing.T) {
	t.Parallel()
	const prefix, bare = "https://api.egain.cloud/auth/", "api.egain.cloud/auth/"
	for _, pattern := range []egainv1alpha1.ScopePattern{"*", prefix + "*", bare + "*", "o*", "e*", ".*", "https://*"} {
		et := tenantWith(egainv1alpha1.EgainTenantSpec{
			TenantLocation: egainv1alpha1.TenantLocation{ScopePrefix: prefix}, AllowedScopes: []egainv1alpha1.ScopePattern{pattern},
		})
		for _, scope := range []egainv1alpha1.Scope{
			"openid", "offline_access", "email", "profile", "address", "phone", ".default", "OpenID", "Email", ".Default", prefix + "openid", bare + "email",
			prefix + ".default", bare + ".DEFAULT", "https://other.example/.default", prefix + "/.default",
		} {
			wantRefusal(t, Admit(et, clientOf("team-a", scope), nil), egainv1alpha1.ReasonScopeNotAllowed, string(scope))
			login := clientOf("team-a", scope)
			login.Spec.Flow = egainv1alpha1.FlowAuthorizationCode
			passes := scope == "openid" || scope == "offline_access"
			if err := Admit(et, login, nil); (err == nil) != passes {
				t.Errorf("%s for a login, with %s: %v", scope, pattern, err)
			}
		}
	}
}

func TestAdmission_RefusesParametersThatTheTenantDoesNotAllow(t *testing.T) {
	t.Parallel()
	const refused = egainv1alpha1.ReasonParameterNotAllowed
	type names = []egainv1alpha1.ParameterName
	type values = map[string]egainv1alpha1.ParameterValue
	tests := map[string]struct {
		allowed       names
		given, login  values
		reason, words string
	}{
		"none given":                           {nil, nil, nil, "", ""},
		"one, where none is allowed":           {nil, values{"resource": "x"}, nil, refused, `EgainTenant "production" does not allow the parameters ["resource"]: remove them from the spec, or ask its owner to add them to spec.allowedParameters`},
		"an allowed one":                       {names{"claims", "resource"}, values{"resource": "x"}, nil, "", ""},
		"one beside an allowed one":            {names{"resource"}, values{"resource": "x", "b": "y", "a": "z"}, nil, refused, `["a" "b"]`},
		"an allowed one in another case":       {names{"resource"}, values{"Resource": "x"}, nil, refused, `["Resource"]`},
		"one that begins like an allowed one":  {names{"resource"}, values{"resource.x": "x"}, nil, refused, `["resource.x"]`},
		"what a login shows":                   {nil, nil, values{"prompt": "login", "login_hint": "x", "domain_hint": "x", "p": "x"}, "", ""},
		"the API that a login is for":          {nil, nil, values{"prompt": "login", "audience": "x"}, refused, `["audience"]`},
		"the API that a login is for, allowed": {names{"audience"}, nil, values{"audience": "x"}, "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := clientOf("team-a", "a.read")
			ec.Spec.Parameters = tc.given
			if tc.login != nil {
				ec.Spec.Flow, ec.Spec.AuthorizationCode = egainv1alpha1.FlowAuthorizationCode, &egainv1alpha1.AuthorizationCode{Parameters: tc.login}
			}
			et := tenantWith(egainv1alpha1.EgainTenantSpec{AllowedParameters: tc.allowed})
			wantRefusal(t, Admit(et, ec, nil), tc.reason, tc.words)
		})
	}
}

func TestAdmitSaysOfTheNamespaceFirst(t *testing.T) {
	t.Parallel()
	et := tenantWith(egainv1alpha1.EgainTenantSpec{
		AllowedNamespaces: &egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"team-b"}},
		AllowedScopes:     []egainv1alpha1.ScopePattern{"a.read"},
	})
	wantRefusal(t, Admit(et, clientOf("team-a", "b.read"), nil), egainv1alpha1.ReasonTenantNotAllowed, "team-a")
}

func TestAdmitByScopeForALogin(t *testing.T) {
	t.Parallel()
	et := tenantWith(egainv1alpha1.EgainTenantSpec{AllowedScopes: []egainv1alpha1.ScopePattern{"a.*"}})
	login := clientOf("team-a", "a.read", "openid", "offline_access")
	login.Spec.Flow = egainv1alpha1.FlowAuthorizationCode
	wantRefusal(t, Admit(et, login, nil), "", "")
	login.Spec.Scopes = append(login.Spec.Scopes, "email")
	wantRefusal(t, Admit(et, login, nil), egainv1alpha1.ReasonScopeNotAllowed, `["email"]`)
}

// TestScopesWaitForAPrefixThatDocumentsName holds that scopes are not refused for want of a prefix that is not known yet, and
// are once it is.
func TestScopesWaitForAPrefixThatDocumentsName(t *testing.T) {
	t.Parallel()
	const prefix = "https://api.egain.cloud/auth/"
	et := tenantWith(egainv1alpha1.EgainTenantSpec{URL: "https://acme.egain.cloud", AllowedScopes: []egainv1alpha1.ScopePattern{prefix + "a.*"}})
	et.Generation = 2
	fine, other := clientOf("team-a", "a.read"), clientOf("team-a", "b.read")
	wantRefusal(t, Admit(et, other, nil), "", "")
	wantRefusal(t, Shared(et).AdmitScopes(other, prefix), egainv1alpha1.ReasonScopeNotAllowed, "b.read")
	et.Status = egainv1alpha1.EgainTenantStatus{ObservedGeneration: 1, Endpoints: []egainv1alpha1.ActorEndpointsStatus{
		{Actor: egainv1alpha1.TenantActorClient, TokenURL: "https://login.egain.cloud/t", ScopePrefix: prefix},
	}}
	wantRefusal(t, Admit(et, other, nil), "", "") // of an earlier spec
	et.Status.ObservedGeneration = 2
	wantRefusal(t, Admit(et, other, nil), egainv1alpha1.ReasonScopeNotAllowed, "b.read")
	wantRefusal(t, Admit(et, fine, nil), "", "")
}
