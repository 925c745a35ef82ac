package manifest

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Location says where tokens come from, in the words of a command line.
type Location struct {
	ID, MetadataURL                                   string
	TokenURL, APIURL, AuthorizationURL, RevocationURL string
	ScopePrefix                                       string
	// CABundle is KIND/NAME or KIND/NAME/KEY.
	CABundle string
}

func (l Location) empty() bool { return l == Location{} }

func (l Location) location() egainv1alpha1.TenantLocation {
	location := egainv1alpha1.TenantLocation{ID: l.ID, MetadataURL: egainv1alpha1.HTTPSURL(l.MetadataURL), ScopePrefix: l.ScopePrefix}
	endpoints := egainv1alpha1.Endpoints{
		TokenURL:         egainv1alpha1.HTTPSURL(l.TokenURL),
		AuthorizationURL: egainv1alpha1.HTTPSURL(l.AuthorizationURL),
		RevocationURL:    egainv1alpha1.HTTPSURL(l.RevocationURL),
		APIURL:           egainv1alpha1.HTTPSURL(l.APIURL),
	}
	if endpoints != (egainv1alpha1.Endpoints{}) {
		location.Endpoints = &endpoints
	}
	return location
}

// kinds are those that a CA bundle may be kept in, by the names that kubectl knows them by.
var kinds = map[string]string{
	"configmap": "ConfigMap", "configmaps": "ConfigMap", "cm": "ConfigMap",
	"secret": "Secret", "secrets": "Secret",
}

// caBundle reads KIND/NAME[/KEY]; nil if there is none.
func (l Location) caBundle() (*egainv1alpha1.CABundleReference, error) {
	if l.CABundle == "" {
		return nil, nil
	}
	parts := strings.Split(l.CABundle, "/")
	kind := kinds[strings.ToLower(parts[0])]
	if kind == "" || len(parts) < 2 || len(parts) > 3 || parts[1] == "" {
		return nil, fmt.Errorf("the CA bundle %q is not KIND/NAME or KIND/NAME/KEY with kind configmap or secret, such as configmap/corp-ca/ca.crt", l.CABundle)
	}
	ref := &egainv1alpha1.CABundleReference{Kind: kind, Name: egainv1alpha1.SecretName(parts[1])}
	if len(parts) == 3 {
		ref.Key = egainv1alpha1.SecretKey(parts[2])
	}
	return ref, nil
}

// Tenant is an EgainTenant in the words of a command line.
type Tenant struct {
	Name string
	// URL is the address at which people open eGain.
	URL string
	Location
	// TrustedHosts are hosts of other sites that documents may name. A host counts once, in whatever case it is written.
	TrustedHosts []string
	// CABundleNamespace is where the CA bundle is.
	CABundleNamespace  string
	AllowedNamespaces  []string
	NamespaceSelector  string
	AllowedScopes      []string
	ConcurrentRequests int32
	RequestsPerSecond  int32
}

// Build returns the EgainTenant. It fails with words that it cannot read; whether the API accepts it is for Check to say.
func (t Tenant) Build() (*egainv1alpha1.EgainTenant, error) {
	et := &egainv1alpha1.EgainTenant{
		TypeMeta:   metav1.TypeMeta{APIVersion: egainv1alpha1.SchemeGroupVersion.String(), Kind: "EgainTenant"},
		ObjectMeta: metav1.ObjectMeta{Name: t.Name},
		Spec: egainv1alpha1.EgainTenantSpec{
			URL: egainv1alpha1.EgainURL(t.URL), TenantLocation: t.location(), TrustedHosts: typed[egainv1alpha1.HostName](hosts(t.TrustedHosts)),
			AllowedScopes: typed[egainv1alpha1.ScopePattern](Words(t.AllowedScopes)),
		},
	}
	bundle, err := t.caBundle()
	if err != nil {
		return nil, err
	}
	if bundle != nil {
		et.Spec.CABundleRef = &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: *bundle, Namespace: egainv1alpha1.NamespaceName(t.CABundleNamespace),
		}
	}
	if et.Spec.AllowedNamespaces, err = t.allowedNamespaces(); err != nil {
		return nil, err
	}
	if limits := (egainv1alpha1.RequestLimits{Concurrent: t.ConcurrentRequests, PerSecond: t.RequestsPerSecond}); limits != (egainv1alpha1.RequestLimits{}) {
		et.Spec.RequestLimits = &limits
	}
	return et, nil
}

func (t Tenant) allowedNamespaces() (*egainv1alpha1.AllowedNamespaces, error) {
	if len(t.AllowedNamespaces) == 0 && t.NamespaceSelector == "" {
		return nil, nil
	}
	allowed := &egainv1alpha1.AllowedNamespaces{Names: typed[egainv1alpha1.NamespaceName](Words(t.AllowedNamespaces))}
	if t.NamespaceSelector != "" {
		selector, err := metav1.ParseToLabelSelector(t.NamespaceSelector)
		if err != nil {
			return nil, fmt.Errorf("the namespace selector %q is not valid: %w", t.NamespaceSelector, err)
		}
		allowed.Selector = selector
	}
	return allowed, nil
}

// hosts are the names in lists of hosts, each once and in lower case.
func hosts(lists []string) []string {
	var names []string
	for _, word := range Words(lists) {
		if name := strings.ToLower(word); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Words splits lists that are separated by commas or spaces.
func Words(lists []string) []string {
	var words []string
	for _, list := range lists {
		words = append(words, strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })...)
	}
	return words
}

func typed[T ~string](words []string) []T {
	var out []T
	for _, word := range words {
		out = append(out, T(word))
	}
	return out
}
