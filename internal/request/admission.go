package request

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// TenantRefRequired is why no request is sent for a tenant that an EgainClient describes itself, under --require-tenant-ref.
func TenantRefRequired() *fault.Error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTenantRefRequired, "this operator allows only EgainTenants (--require-tenant-ref): name one in spec.tenantRef instead of spec.tenant")
}

// Admit refuses an EgainClient that an EgainTenant, or the application of it that the client names, does not allow: by its namespace,
// whose labels are given, its parameters, its flow, its subject or its scopes. Refusals end by a watch on the tenant, the namespace or
// the client.
func Admit(et *egainv1alpha1.EgainTenant, ec *egainv1alpha1.EgainClient, namespace map[string]string) error {
	admitted, err := admitsNamespace(et.Spec.AllowedNamespaces, ec.Namespace, namespace)
	if err != nil {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTenantInvalid, "EgainTenant %q: ask its owner to correct it, since %s", et.Name, err)
	}
	if !admitted {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTenantNotAllowed,
			"EgainTenant %q does not allow namespace %q: ask its owner to add the namespace to spec.allowedNamespaces", et.Name, ec.Namespace)
	}
	t := Shared(et)
	if err := t.admitParameters(ec); err != nil {
		return err
	}
	if err := t.admitApplication(ec, namespace); err != nil {
		return err
	}
	if prefix, known := t.prefix(For(ec).Actor()); known {
		return t.AdmitScopes(ec, prefix)
	}
	return nil
}

// prefix is the scope prefix of an actor, as far as it is known without reading documents.
func (t Tenant) prefix(actor oauth.Actor) (string, bool) {
	tenant := t.OAuth()
	if prefix := tenant.For(actor).ScopePrefix; prefix != "" || !tenant.Discovers() {
		return prefix, true
	}
	known, ok := t.KnownFor(actor)
	return known.ScopePrefix, ok
}

func admitsNamespace(allowed *egainv1alpha1.AllowedNamespaces, name string, namespace map[string]string) (bool, error) {
	if allowed == nil || slices.Contains(allowed.Names, egainv1alpha1.NamespaceName(name)) {
		return true, nil
	}
	if allowed.Selector == nil {
		return false, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err != nil {
		return false, fmt.Errorf("spec.allowedNamespaces.selector is not valid: %w", err)
	}
	return selector.Matches(labels.Set(namespace)), nil
}

// SelectsNamespaces reports whether it takes the labels of its namespace to tell whether an EgainClient may use a tenant.
func SelectsNamespaces(et *egainv1alpha1.EgainTenant, ec *egainv1alpha1.EgainClient) bool {
	app := Shared(et).Application(ec)
	return (et.Spec.AllowedNamespaces != nil && et.Spec.AllowedNamespaces.Selector != nil) || (app != nil && app.AllowedNamespaces.Selector != nil)
}

// admitParameters refuses parameters that the EgainTenant does not allow: all of the token request, and of a login those that say
// which API the token is for. The rest of a login's are of a closed list, and change only what the person sees.
func (t Tenant) admitParameters(ec *egainv1alpha1.EgainClient) error {
	given := slices.Collect(maps.Keys(ec.Spec.Parameters))
	for _, name := range apiParameters {
		if _, ok := LoginParameters(ec)[name]; ok && !slices.Contains(given, name) {
			given = append(given, name)
		}
	}
	refused := slices.DeleteFunc(given, func(name string) bool {
		return slices.Contains(t.AllowedParameters, egainv1alpha1.ParameterName(name))
	})
	if len(refused) == 0 {
		return nil
	}
	slices.Sort(refused)
	return fault.New(fault.Terminal, egainv1alpha1.ReasonParameterNotAllowed,
		"EgainTenant %q does not allow the parameters %q: remove them from the spec, or ask its owner to add them to spec.allowedParameters", t.Name, refused)
}

// AdmitScopes refuses scopes that the EgainTenant, or the application that an EgainClient uses, does not allow. They are compared as
// they are sent, with the scope prefix of the flow's actor, which may or may not be written out on either side.
func (t Tenant) AdmitScopes(ec *egainv1alpha1.EgainClient, prefix string) error {
	owner := fmt.Sprintf("EgainTenant %q", t.Name)
	if err := admitScopes(t.AllowedScopes, ec, prefix, owner, egainv1alpha1.ReasonScopeNotAllowed); err != nil {
		return err
	}
	if app := t.Application(ec); app != nil {
		return admitScopes(app.AllowedScopes, ec, prefix, t.Lent(ec), egainv1alpha1.ReasonApplicationNotAllowed)
	}
	return nil
}

// admitScopes refuses scopes that a list does not allow; an empty list allows all.
func admitScopes(allowed []egainv1alpha1.ScopePattern, ec *egainv1alpha1.EgainClient, prefix, owner, reason string) error {
	if len(allowed) == 0 {
		return nil
	}
	if len(ec.Spec.Scopes) == 0 {
		return fault.New(fault.Terminal, reason,
			"%s restricts scopes, and without spec.scopes the server decides: set spec.scopes to those that are needed", owner)
	}
	var refused []string
	for _, scope := range ec.Spec.Scopes {
		if !allowsScope(allowed, string(scope), prefix, ec.Spec.Flow) {
			refused = append(refused, string(scope))
		}
	}
	if len(refused) > 0 {
		return fault.New(fault.Terminal, reason,
			"%s does not allow the scopes %q: remove them from spec.scopes, or ask its owner to add them to its allowedScopes", owner, refused)
	}
	return nil
}

// allowsScope compares a scope with each pattern. A scope of another API, which is a whole URI, is compared whole. No
// asterisk stands for scopes that are not of the API (OpenID Connect), or that mean all that the application may do.
func allowsScope(patterns []egainv1alpha1.ScopePattern, scope, prefix string, flow egainv1alpha1.Flow) bool {
	plain := oauth.WithoutPrefix(scope, prefix)
	foreign := plain == scope && strings.Contains(scope, "://")
	login := scope == "openid" || scope == "offline_access"
	if login && flow == egainv1alpha1.FlowAuthorizationCode {
		return true
	}
	// Servers are known that compare these without case.
	folded := strings.ToLower(plain)
	literal := oauth.IsOpenIDScope(folded) || folded == ".default" || strings.HasSuffix(folded, "/.default")
	return slices.ContainsFunc(patterns, func(p egainv1alpha1.ScopePattern) bool {
		pattern := string(p)
		if !foreign {
			pattern = oauth.WithoutPrefix(pattern, prefix)
		}
		if beginning, open := strings.CutSuffix(pattern, "*"); open {
			return !literal && strings.HasPrefix(plain, beginning)
		}
		return plain == pattern
	})
}
