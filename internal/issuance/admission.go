package issuance

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// Admit refuses an EgainClient that an EgainTenant does not allow, by its namespace, whose labels are given, or by its
// scopes. Refusals are Terminal: a watch tells when the tenant, the namespace or the client changes.
func Admit(et *egainv1alpha1.EgainTenant, ec *egainv1alpha1.EgainClient, namespace map[string]string) error {
	admitted, err := admitsNamespace(et.Spec.AllowedNamespaces, ec.Namespace, namespace)
	if err != nil {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTenantInvalid, "EgainTenant %q: %s", et.Name, err)
	}
	if !admitted {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonTenantNotAllowed,
			"EgainTenant %q does not allow namespace %q: ask whoever keeps it to add the namespace to its allowedNamespaces", et.Name, ec.Namespace)
	}
	return admitScopes(et, ec)
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
		return false, fmt.Errorf("allowedNamespaces.selector is not valid: %w", err)
	}
	return selector.Matches(labels.Set(namespace)), nil
}

// SelectsNamespaces reports whether it takes the labels of a namespace to tell whether it may use a tenant.
func SelectsNamespaces(et *egainv1alpha1.EgainTenant) bool {
	return et.Spec.AllowedNamespaces != nil && et.Spec.AllowedNamespaces.Selector != nil
}

func admitScopes(et *egainv1alpha1.EgainTenant, ec *egainv1alpha1.EgainClient) error {
	if len(et.Spec.AllowedScopes) == 0 {
		return nil
	}
	if len(ec.Spec.Scopes) == 0 {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonScopeNotAllowed,
			"EgainTenant %q allows certain scopes only, and without spec.scopes the server decides: list the scopes that are needed", et.Name)
	}
	var refused []string
	for _, scope := range ec.Spec.Scopes {
		if !admitsScope(et, string(scope)) {
			refused = append(refused, string(scope))
		}
	}
	if len(refused) > 0 {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonScopeNotAllowed,
			"EgainTenant %q does not allow the scopes %q: take them out of spec.scopes, or ask whoever keeps it to add them to its allowedScopes", et.Name, refused)
	}
	return nil
}

// admitsScope compares without the tenant's prefix, which may or may not be written out on either side.
func admitsScope(et *egainv1alpha1.EgainTenant, scope string) bool {
	plain := strings.TrimPrefix(scope, et.Spec.ScopePrefix)
	return slices.ContainsFunc(et.Spec.AllowedScopes, func(p egainv1alpha1.ScopePattern) bool {
		pattern := strings.TrimPrefix(string(p), et.Spec.ScopePrefix)
		if beginning, open := strings.CutSuffix(pattern, "*"); open {
			return strings.HasPrefix(plain, beginning)
		}
		return plain == pattern
	})
}
